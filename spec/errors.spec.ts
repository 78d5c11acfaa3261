import { inspect } from 'node:util';
import { runInThisContext } from 'node:vm';
import { expect } from 'chai';
import { build } from 'esbuild';
import { of, Subject } from 'rxjs';
import * as library from '../src/index.js';
import {
  BackgroundJobs,
  BufferOverflowError,
  JobAbortedError,
  JobDroppedError,
  JobFailedError,
  leaseFrom,
  LeaseLostError,
  PoolMonitor,
  workerPool,
  workerPoolSettled,
} from '../src/index.js';
import type { DropReason, JobDropped, ShutdownLevel } from '../src/index.js';
import { takeReported, turn } from './support/guard.js';

const job = { to: 'a' };
const cause = new Error('smtp: 550');
const make: Record<string, () => Error & { readonly job: unknown }> = {
  BufferOverflowError: () => new BufferOverflowError(10, job),
  JobDroppedError: () => new JobDroppedError('full', job),
  JobAbortedError: () => new JobAbortedError(job),
  JobFailedError: () => new JobFailedError(job, { cause }),
  LeaseLostError: () => new LeaseLostError(job),
};
const reasons: Record<DropReason, 'refused' | 'evicted'> = {
  full: 'refused',
  closed: 'refused',
  coalesced: 'refused',
  withdrawn: 'refused',
  evicted: 'evicted',
  expired: 'evicted',
  cleared: 'evicted',
  shutdown: 'evicted',
};

async function* lend(item: number): AsyncGenerator<number> {
  yield item;
}

/** What a bundler makes of a program that imports `names` from the errors. */
async function bundled(names: readonly string[]): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: `export { ${names.join(', ')} } from './src/errors'`, resolveDir: process.cwd() },
    bundle: true,
    minify: true,
    format: 'iife',
    globalName: 'bundle',
    target: 'es2022',
    write: false,
  });
  return outputFiles[0]!.text;
}

describe('errors', () => {
  it('are all tried here', () => {
    expect(Object.keys(library).filter((name) => name.endsWith('Error'))).to.have.members(Object.keys(make));
  });

  for (const [name, create] of Object.entries(make)) {
    describe(name, () => {
      it('is an Error with that name, also at the beginning of its stack', () => {
        const error = create();
        expect(error).to.be.an.instanceOf(Error);
        expect(error.name).to.equal(name);
        expect(String(error)).to.equal(`${name}: ${error.message}`);
        expect(error.stack).to.match(new RegExp(`^${name}: `));
      });

      it('carries its job back', () => {
        expect(create().job).to.equal(job);
      });

      it('says what has happened in one line, in lower case', () => {
        expect(create().message).to.match(/^[a-z][^\n]+$/);
      });

      it('can be renamed, as a logger does, and no other error is', () => {
        const error = create();
        error.name = `Mailer.${name}`;
        error.name = `Sales.${error.name}`;
        expect(error.name).to.equal(`Sales.Mailer.${name}`);
        expect(String(error)).to.match(new RegExp(`^Sales.Mailer.${name}: `));
        expect(Object.getOwnPropertyDescriptor(error, 'name')).to.include({ writable: true, configurable: true });
        expect(create().name).to.equal(name);
      });

      it('can be renamed by Object.assign, by defineProperty, and behind a Proxy or a prototype', () => {
        const renamed = [
          Object.assign(create(), { name: 'Renamed' }),
          Object.defineProperty(create(), 'name', { value: 'Renamed' }),
          Object.assign(new Proxy(create(), {}), { name: 'Renamed' }),
          Object.assign(Object.create(create()) as Error, { name: 'Renamed' }),
        ];
        expect(renamed.map((error) => error.name)).to.eql(Array(4).fill('Renamed'));
      });

      it('is shown with its name by console.log, once', () => {
        expect(inspect(create()).split(`${name}: `)).to.have.length(2);
      });

      it('has its name, and can be renamed, in a minified bundle', async () => {
        const program = `${await bundled([name])}; bundle.${name}`;
        const Shortened = runInThisContext(program) as new (...args: unknown[]) => Error;
        const error = new Shortened(...(name === 'JobDroppedError' ? ['full', job] : [job, { cause }]));
        expect(error.name).to.equal(name);
        error.name = 'Renamed';
        expect(error.name).to.equal('Renamed');
      });

      it('is left out of a bundle that does not use it', async () => {
        const others = Object.keys(make).filter((other) => other !== name);
        expect(await bundled(others)).not.to.contain(name);
        expect(await bundled(others)).to.contain(others[0]);
      });
    });
  }

  describe('BufferOverflowError', () => {
    it('names its capacity, and both remedies: a policy, and pullFrom piped directly onto the pool', () => {
      const { capacity, message } = new BufferOverflowError(10, job);
      expect(capacity).to.equal(10);
      expect(message).to.equal(
        'buffer is full (capacity 10): choose an overflow policy, or pipe pullFrom(iterable) directly onto the pool',
      );
    });
  });

  describe('JobDroppedError', () => {
    for (const reason of Object.keys(reasons) as DropReason[]) {
      it(`says why: ${reason}`, () => {
        const error = new JobDroppedError(reason, job);
        expect(error.reason).to.equal(reason);
        expect(error.message)
          .to.match(new RegExp(`^job was dropped \\(${reason}\\): [a-z].+`))
          .and.not.contain('undefined');
      });

      it(`a PoolMonitor counts it as ${reasons[reason]}: ${reason}`, () => {
        const monitor = new PoolMonitor();
        const outcome = { status: 'dropped', reason, job, attempts: 0, queuedFor: 0, ranFor: 0 };
        if (reasons[reason] === 'evicted') monitor.accepted(job);
        monitor.settled(outcome as JobDropped<unknown>);
        expect(monitor.stats).to.include({ refused: 0, evicted: 0, queued: 0, offered: 1, [reasons[reason]]: 1 });
      });
    }

    it('has as its cause the error of the last attempt, where there was one', () => {
      expect(new JobDroppedError('shutdown', job, { cause }).cause).to.equal(cause);
      expect(new JobDroppedError('shutdown', job)).not.to.have.property('cause');
    });
  });

  describe('JobFailedError', () => {
    it('has as its cause what the work failed with, and says who could have heard of it', () => {
      const error = new JobFailedError(job, { cause });
      expect(error.cause).to.equal(cause);
      expect(error.message).to.contain('settled hook').and.contain('outcomes$').and.contain('submit');
    });

    it('keeps a cause of undefined: work that rejects with nothing has failed too', () => {
      expect(new JobFailedError(job, { cause: undefined })).to.have.property('cause', undefined);
    });
  });

  describe('JobAbortedError', () => {
    it('has a cause where one is given', () => {
      expect(new JobAbortedError(job, { cause }).cause).to.equal(cause);
      expect(new JobAbortedError(job)).not.to.have.property('cause');
    });
  });
});

describe('the errors of a pool with a name', () => {
  const hang = (): Promise<never> => new Promise(() => undefined);
  const full = { workers: 1, buffer: 0 } as const;

  /** The errors that pools make, in each place in which they make one. */
  async function errorsOf(config: { readonly name?: string }): Promise<Error[]> {
    const errors: Error[] = [];
    const add = (error: unknown): void => void errors.push(error as Error);
    of(1, 2)
      .pipe(workerPool(hang, { ...full, ...config }))
      .subscribe({ error: add });

    const strict = new BackgroundJobs(
      (_: number, { signal }) => {
        signal.addEventListener('abort', () => add(signal.reason));
        return hang();
      },
      { ...full, ...config },
    );
    strict.offer(1);
    await strict.submit(2).catch(add);
    void strict.shutdown('abandon');

    const jobs = new BackgroundJobs(hang, { ...full, ...config, overflow: 'drop-incoming' });
    const controller = new AbortController();
    // As in React Native.
    Object.defineProperty(controller.signal, 'reason', { value: undefined });
    const aborted = jobs.submit(1, { signal: controller.signal }).catch(add);
    await jobs.submit(2).catch(add);
    controller.abort();
    await aborted;
    void jobs.shutdown('abandon');

    const unheard = new BackgroundJobs(() => Promise.reject(new Error('no')), { ...full, ...config });
    unheard.offer(1);
    await unheard.idle();
    await turn();
    takeReported().forEach(add);

    const [lost, shutdown] = [new Subject<number>(), new Subject<ShutdownLevel>()];
    leaseFrom(() => lend(1), { lost, settle: () => undefined })
      .pipe(workerPoolSettled(hang, { ...full, ...config, shutdown }))
      .subscribe((outcome) => {
        if (outcome.status === 'aborted') add(outcome.reason);
      });
    await turn();
    lost.next(1);
    shutdown.next('abandon');
    await turn();
    return errors;
  }

  it('begin with it, and so do their stacks', async () => {
    const [named, unnamed] = [await errorsOf({ name: 'mails' }), await errorsOf({})];
    expect(new Set(unnamed.map(({ name }) => name))).to.have.keys(Object.keys(make));
    expect(unnamed).to.have.lengthOf(7);
    expect(named.map(({ message }) => message)).to.eql(unnamed.map(({ message }) => `mails: ${message}`));
    for (const { name, message, stack } of named) expect(stack!.split('\n')[0]).to.equal(`${name}: ${message}`);
  });

  it('are named in the call that makes them, and no other error is', async () => {
    await errorsOf({ name: 'mails' });
    expect(new JobAbortedError(1).message).to.equal('job was aborted');
  });
});
