// What a pool still holds, seen by the garbage collector: it lets go of a job when the job leaves the buffer and when it ends.
import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { EMPTY, NEVER, of, Subject, throwError } from 'rxjs';
import type { Observable, ObservableInput, Subscription } from 'rxjs';
import {
  BackgroundJobs,
  boundedBuffer,
  byKey,
  fromAbortSignal,
  fromSignals,
  gracefulShutdown,
  PoolMonitor,
  pullFrom,
  pullThrough,
  toAsyncIterable,
  workerPool,
  workerPoolSettled,
} from '../src/index.js';
import { Fifo } from '../src/internal/support/fifo.js';
import type { Overflow, PoolConfig, ShutdownLevel } from '../src/index.js';
import { Deferred } from './support/deferred.js';
import { takeReported, turn } from './support/guard.js';

interface Payload {
  readonly name: string;
  readonly bulk: readonly number[];
}

const payload = (name: string): Payload => ({ name, bulk: new Array<number>(100).fill(1) });

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Of `refs`, those and no others are still held by somebody, `either` way for some. */
async function expectHeld(
  refs: ReadonlyMap<string, WeakRef<object>>,
  expected: readonly string[],
  either: readonly string[] = [],
): Promise<void> {
  let held: string[] = [];
  // What is held stays so. What is not may be kept for a while by a promise that has just settled, or by the compiler;
  // what an iterable has yet to make takes a turn or two.
  for (let patience = 10; patience > 0; patience--) {
    await turn();
    gc();
    held = [...refs].filter(([name, ref]) => !either.includes(name) && ref.deref() !== undefined).map(([name]) => name);
    if (held.join() === expected.join()) break;
  }
  expect(held).to.eql(expected);
}

type Work = (job: Payload) => ObservableInput<unknown>;
type Config = Partial<PoolConfig<Payload, unknown>>;

/** A pool of one worker, fed by `offer`, which makes the payload so that nobody else holds it. */
class Trial {
  readonly refs: Map<string, WeakRef<object>> = new Map();
  readonly shutdown: Subject<ShutdownLevel> = new Subject<ShutdownLevel>();
  readonly started: string[] = [];
  readonly subscription: Subscription | undefined;
  private readonly feed: (job: Payload) => void;

  constructor(form: keyof typeof forms, work: Work, config: Config = {}) {
    const { started, shutdown } = this;
    const counted: Work = (job) => {
      started.push(job.name);
      return work(job);
    };
    const pool = forms[form](counted, { workers: 1, buffer: 10, shutdown, ...config });
    this.feed = pool.feed;
    this.subscription = pool.subscription;
  }

  offer(...names: string[]): this {
    for (const name of names) this.feed(this.made(name));
    return this;
  }

  /** A payload with a name, of which only a weak reference is kept. */
  made(name: string): Payload {
    const made = payload(name);
    this.refs.set(name, new WeakRef(made));
    return made;
  }
}

interface Fed {
  readonly feed: (job: Payload) => void;
  readonly subscription?: Subscription;
}
type Complete = PoolConfig<Payload, unknown>;

const piped = (pool: (source: Observable<Payload>) => Observable<unknown>): Fed => {
  const source = new Subject<Payload>();
  const subscription = source.pipe(pool).subscribe({ error: () => undefined });
  return { feed: (job) => source.next(job), subscription };
};
const forms = {
  workerPool: (work: Work, config: Complete): Fed => piped(workerPool(work, config)),
  'workerPool with hooks': (work: Work, config: Complete): Fed =>
    piped(workerPool(work, { hooks: new PoolMonitor(), ...config })),
  workerPoolSettled: (work: Work, config: Complete): Fed => piped(workerPoolSettled(work, config)),
};
const names = Object.keys(forms) as (keyof typeof forms)[];

function each(title: string, test: (form: keyof typeof forms) => Promise<void>): void {
  for (const form of names) it(`${title} (${form})`, () => test(form));
}

describe('memory', () => {
  describe('of a job', () => {
    each('is held while it waits, and while it runs', async (form) => {
      const gate = new Deferred<unknown>();
      const trial = new Trial(form, async (job) => {
        await gate.promise;
        return job.name;
      }).offer('runs', 'waits');
      await expectHeld(trial.refs, ['runs', 'waits']);
      gate.resolve(undefined);
      await expectHeld(trial.refs, []);
      trial.offer('next');
      expect(trial.started).to.eql(['runs', 'waits', 'next']);
      trial.subscription!.unsubscribe();
    });

    const kinds: Record<string, Work> = {
      'a synchronous stream': (job) => of(job),
      'a stream of many': (job) => of(job, job),
      'an empty stream': () => [],
      'a promise': (job) => Promise.resolve(job),
      'a thenable': (job) => {
        const chained = { then: () => chained };
        return {
          then: (fulfil: (value: unknown) => void) => {
            fulfil(job);
            return chained;
          },
        } as unknown as PromiseLike<unknown>;
      },
      'an async generator': async function* (job) {
        yield await Promise.resolve(job);
      },
    };
    for (const [kind, work] of Object.entries(kinds)) {
      each(`is let go when the job has ended, also while the worker rests: ${kind}`, async (form) => {
        const trial = new Trial(form, work).offer('a', 'b');
        await expectHeld(trial.refs, []);
        trial.offer('c');
        expect(trial.started).to.eql(['a', 'b', 'c']);
        trial.subscription!.unsubscribe();
      });
    }

    const failures: Record<string, Work> = {
      throws: (job) => {
        throw job;
      },
      rejects: (job) => Promise.reject(job),
      errors: (job) => throwError(() => job),
    };
    for (const [how, work] of Object.entries(failures)) {
      it(`is let go with its error when the job has failed, also while the worker rests: ${how}`, async () => {
        const trial = new Trial('workerPoolSettled', work).offer('a', 'b');
        await expectHeld(trial.refs, []);
        trial.offer('c');
        expect(trial.started).to.eql(['a', 'b', 'c']);
        trial.subscription!.unsubscribe();
      });
    }

    each('is let go when the job has ended, while the worker runs the next one', async (form) => {
      const trial = new Trial(form, (job) => (job.name === 'b' ? NEVER : Promise.resolve(job))).offer('a', 'b');
      await expectHeld(trial.refs, ['b']);
      expect(trial.started).to.eql(['a', 'b']);
      trial.subscription!.unsubscribe();
    });

    const losses: readonly (readonly [overflow: Overflow, kept: string[]])[] = [
      ['drop-incoming', ['b', 'c']],
      ['drop-oldest', ['c', 'd']],
      ['replace-newest', ['b', 'd']],
      ['clear', ['d']],
    ];
    for (const [overflow, kept] of losses) {
      each(`is let go when the job is lost to a full buffer: ${overflow}`, async (form) => {
        const trial = new Trial(form, () => NEVER, { buffer: 2, overflow }).offer('a', 'b', 'c', 'd');
        // The one that runs belongs to its outcome.
        await expectHeld(trial.refs, ['a', ...kept]);
        trial.subscription!.unsubscribe();
      });
    }

    each('is let go when waiting jobs are discarded, and when they are unsubscribed', async (form) => {
      const gate = new Deferred<unknown>();
      const work: Work = () => gate.promise;
      const discarded = new Trial(form, work).offer('a', 'b', 'c');
      discarded.shutdown.next('discard');
      await expectHeld(discarded.refs, [], ['a']);
      const unsubscribed = new Trial(form, work).offer('a', 'b', 'c');
      unsubscribed.subscription!.unsubscribe();
      await expectHeld(unsubscribed.refs, [], ['a']);
      gate.resolve(undefined);
      await expectHeld(discarded.refs, []);
      // Both are still here, and so is what they were given.
      expect(discarded.started.concat(unsubscribed.started)).to.eql(['a', 'a']);
    });

    each('is let go by a burst that has left', async (form) => {
      const gate = new Deferred<unknown>();
      const trial = new Trial(form, (job) => (job.name === 'a' ? gate.promise : of(job)), { buffer: Infinity });
      trial.offer('a', ...Array.from({ length: 3000 }, (_, i) => `${i}`));
      gate.resolve(undefined);
      await expectHeld(trial.refs, []);
      expect(trial.started).to.have.lengthOf(3001);
      trial.subscription!.unsubscribe();
    });
  });

  describe('of an iterable', () => {
    for (const kind of ['an iterable', 'an async iterable'] as const) {
      it(`is let go, item by item: ${kind}`, async () => {
        const refs = new Map<string, WeakRef<object>>();
        const make = (i: number): Payload => {
          const made = payload(`${i}`);
          refs.set(made.name, new WeakRef(made));
          return made;
        };
        function* items(): Generator<Payload> {
          for (let i = 0; i < 20; i++) yield make(i);
        }
        async function* asyncItems(): AsyncGenerator<Payload> {
          for (let i = 0; i < 20; i++) yield await Promise.resolve(make(i));
        }
        const gate = new Deferred<unknown>();
        const reached = new Deferred<void>();
        const started: string[] = [];
        const results = pullFrom(kind === 'an iterable' ? items() : asyncItems())
          .pipe(
            workerPool(
              ({ name }) => {
                started.push(name);
                if (name !== '15') return Promise.resolve(name);
                reached.resolve();
                return gate.promise;
              },
              { workers: 1, buffer: 1 },
            ),
          )
          .subscribe();
        await reached.promise;
        await expectHeld(refs, kind === 'an iterable' ? ['15'] : ['15', '16']);
        expect(started.at(-1)).to.equal('15');
        results.unsubscribe();
      });
    }

    it('pullThrough holds what nobody has taken, and no more', async () => {
      const refs = new Map<string, WeakRef<object>>();
      function* items(): Generator<string> {
        for (let i = 0; ; i++) yield `${i}`;
      }
      const results = pullThrough(
        items(),
        async (name) => {
          const made = await Promise.resolve(payload(name));
          refs.set(name, new WeakRef(made));
          return made;
        },
        { workers: 1, buffer: 1 },
      )[Symbol.asyncIterator]();
      const take = async (): Promise<void> => void (await results.next());
      for (let i = 0; i < 10; i++) await take();
      await expectHeld(refs, ['10', '11']);
      await results.return!();
      await expectHeld(refs, []);
    });
  });

  describe('of a value', () => {
    it('is let go by boundedBuffer when it has passed, and when it was dropped', async () => {
      const refs = new Map<string, WeakRef<object>>();
      const source = new Subject<Payload>();
      const demand = new Subject<number>();
      let passed = 0;
      const results = source
        .pipe(boundedBuffer({ capacity: 2, overflow: 'drop-oldest', demand }))
        .subscribe(() => passed++);
      const send = (name: string): void => {
        const made = payload(name);
        refs.set(name, new WeakRef(made));
        source.next(made);
      };
      for (const name of ['a', 'b', 'c']) send(name);
      await expectHeld(refs, ['b', 'c']);
      demand.next(1);
      await expectHeld(refs, ['c']);
      demand.next(2);
      send('d');
      await expectHeld(refs, []);
      expect(passed).to.equal(3);
      results.unsubscribe();
    });

    it('is let go by toAsyncIterable when it was taken, and all are when the loop is left', async () => {
      const refs = new Map<string, WeakRef<object>>();
      const source = new Subject<Payload>();
      const iterator = toAsyncIterable(source, { capacity: 3 })[Symbol.asyncIterator]();
      const first = iterator.next();
      const send = (name: string): void => {
        const made = payload(name);
        refs.set(name, new WeakRef(made));
        source.next(made);
      };
      for (const name of ['a', 'b', 'c']) send(name);
      const nameOf = async (item: Promise<IteratorResult<Payload>>): Promise<string> =>
        ((await item).value as Payload).name;
      expect(await nameOf(iterator.next())).to.equal('b');
      await expectHeld(refs, ['c'], ['a']);
      expect(await nameOf(first)).to.equal('a');
      await iterator.return!();
      await expectHeld(refs, [], ['a']);
      expect(source.observed).to.equal(false);
    });
  });

  describe('of a fifo', () => {
    it('is let go at either end', async () => {
      const refs = new Map<string, WeakRef<object>>();
      const fifo = new Fifo<Payload | undefined>(undefined);
      const push = (name: string): void => {
        const made = payload(name);
        refs.set(name, new WeakRef(made));
        fifo.push(made);
      };
      for (const name of ['a', 'b', 'c', 'd']) push(name);
      fifo.shift();
      fifo.pop();
      await expectHeld(refs, ['b', 'c']);
      expect(fifo.length).to.equal(2);
    });
  });

  describe('of BackgroundJobs', () => {
    for (const [what, most] of [
      ['keys', undefined],
      ['keys with a bound', 5],
    ] as const) {
      it(`is let go where it is its own key: ${what}`, async () => {
        const refs = new Map<string, WeakRef<object>>();
        const jobs = new BackgroundJobs((job: Payload) => Promise.resolve(job.name), {
          workers: 1,
          buffer: 10,
          queue: byKey((job) => job, { most }),
        });
        const make = (name: string): Payload => {
          const made = payload(name);
          refs.set(name, new WeakRef(made));
          return made;
        };
        for (const name of ['a', 'b', 'c']) jobs.offer(make(name));
        await jobs.idle();
        await expectHeld(refs, []);
        await jobs.shutdown();
      });
    }

    it('is let go when it has ended, whichever way it was given', async () => {
      const refs = new Map<string, WeakRef<object>>();
      const make = (name: string): Payload => {
        const made = payload(name);
        refs.set(name, new WeakRef(made));
        return made;
      };
      const jobs = new BackgroundJobs((job: Payload) => Promise.resolve(job), {
        workers: 1,
        buffer: 10,
        overflow: 'drop-incoming',
      });
      const source = new Subject<Payload>();
      jobs.listenTo(source);
      jobs.offer(make('offered'));
      void jobs.submit(make('submitted'));
      void jobs.send(make('sent'));
      source.next(make('listened to'));
      await jobs.idle();
      await expectHeld(refs, []);
      await jobs.shutdown();
    });

    it('is let go when it was refused, and when it was evicted before another', async () => {
      const refs = new Map<string, WeakRef<object>>();
      const make = (name: string): Payload => {
        const made = payload(name);
        refs.set(name, new WeakRef(made));
        return made;
      };
      const jobs = new BackgroundJobs((_job: Payload) => NEVER, { workers: 1, buffer: 1, overflow: 'drop-oldest' });
      for (const name of ['runs', 'evicted', 'evicted last', 'waits']) jobs.offer(make(name));
      await expectHeld(refs, ['runs', 'waits']);
      await jobs.shutdown('abandon');
    });
  });

  describe('of listeners', () => {
    it('on a signal that many jobs are submitted and sent with is one, for as long as one of them has not ended', async () => {
      const { signal } = new AbortController();
      const gate = new Deferred<unknown>();
      const jobs = new BackgroundJobs((n: number) => (n < 0 ? gate.promise : of(n)), { workers: 1, buffer: 2 });
      const listeners = (): number => getEventListeners(signal, 'abort').length;
      for (let i = 0; i < 1000; i++) await Promise.all([jobs.submit(i, { signal }), jobs.send(i, { signal })]);
      expect(listeners()).to.equal(0);
      const running = jobs.submit(-1, { signal });
      const waiting = [jobs.submit(1, { signal }), jobs.send(2, { signal }), jobs.send(3, { signal })];
      await turn();
      expect(jobs.stats).to.include({ running: 1, queued: 2, waiting: 1 });
      expect(listeners()).to.equal(1);
      gate.resolve(undefined);
      await Promise.all([running, ...waiting]);
      await turn();
      expect(listeners()).to.equal(0);
      await jobs.shutdown();
    });

    it('on a signal that ends many pools is none when they have ended', () => {
      const { signal } = new AbortController();
      for (let i = 0; i < 1000; i++) {
        const config = { workers: 1, buffer: 1, shutdown: fromAbortSignal(signal) };
        of(1)
          .pipe(workerPool(() => of(1), config))
          .subscribe();
        of(1)
          .pipe(workerPoolSettled(() => NEVER, config))
          .subscribe()
          .unsubscribe();
      }
      expect(getEventListeners(signal, 'abort')).to.eql([]);
    });

    it('on process is that of the pools that live', () => {
      const before = process.listenerCount('SIGUSR2');
      for (let i = 0; i < 1000; i++) {
        const shutdown = gracefulShutdown({ on: fromSignals('SIGUSR2'), deadline: 1000 });
        const results = NEVER.pipe(workerPool(() => NEVER, { workers: 1, buffer: 1, shutdown })).subscribe();
        expect(process.listenerCount('SIGUSR2')).to.equal(before + 1);
        results.unsubscribe();
        expect(process.listenerCount('SIGUSR2')).to.equal(before);
      }
    });

    it('on the signal of a job is let go with the job, although somebody listens to it', async () => {
      const refs = new Map<string, WeakRef<object>>();
      const source = new Subject<string>();
      const results = source
        .pipe(
          workerPool(
            (name, { signal }) => {
              signal.addEventListener('abort', () => undefined);
              refs.set(name, new WeakRef(signal));
              return Promise.resolve(name);
            },
            { workers: 1, buffer: 10 },
          ),
        )
        .subscribe();
      for (const name of ['a', 'b', 'c']) source.next(name);
      await expectHeld(refs, []);
      results.unsubscribe();
      expect(takeReported()).to.eql([]);
    });
  });

  describe('of a pool', () => {
    for (const form of ['workerPool', 'workerPoolSettled'] as const) {
      it(`is let go by a source, and by a notifier, that outlive it (${form})`, async () => {
        const refs = new Map<string, WeakRef<object>>();
        const source = new Subject<Payload>();
        const shutdown = new Subject<ShutdownLevel>();
        const end = (how: 'unsubscribed' | 'drained' | 'abandoned'): void => {
          const work = (): Observable<never> => (how === 'drained' ? EMPTY : NEVER);
          refs.set(how, new WeakRef(work));
          const config = { workers: 1, buffer: 1, shutdown };
          const pool = form === 'workerPool' ? workerPool(work, config) : workerPoolSettled(work, config);
          const results = source.pipe<unknown>(pool).subscribe();
          source.next(payload('a'));
          if (how === 'unsubscribed') results.unsubscribe();
          else shutdown.next(how === 'drained' ? 'drain' : 'abandon');
        };
        for (const how of ['unsubscribed', 'drained', 'abandoned'] as const) end(how);
        await expectHeld(refs, []);
        expect([source.observed, shutdown.observed]).to.eql([false, false]);
      });
    }
  });
});
