// A job of a handle belongs to whoever asked for it: its work, its hooks and its outcome run in that caller's async context.
import { expect } from 'chai';
import { AsyncLocalStorage } from 'node:async_hooks';
import { defer, from, lastValueFrom, NEVER, Observable, of, Subject, toArray, VirtualTimeScheduler } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { BackgroundJobs, fromSignals, pullFrom, workerPool } from '../src/index.js';
import type { JobHooks, JobOutcome, PoolConfig } from '../src/index.js';
import { takeReported, turn } from './support/guard.js';

const store = new AsyncLocalStorage<string>();
const here = (): string => store.getStore() ?? 'nobody';

/** A log of who is asked for, at each event of each job. */
class Log {
  readonly lines: string[] = [];

  say(what: string, job: unknown): void {
    this.lines.push(`${String(job)} ${what}: ${here()}`);
  }

  get hooks(): JobHooks<string, unknown> {
    return {
      accepted: (job) => this.say('accepted', job),
      started: (job) => this.say('started', job),
      settled: ({ job }) => this.say('settled', job),
      released: (job) => this.say('released', job),
    };
  }

  /** Who was found at the events of `job`, each once. */
  of(job: string): string[] {
    return [...new Set(this.lines.filter((line) => line.startsWith(`${job} `)).map((line) => line.split(': ')[1]!))];
  }

  events(job: string): string[] {
    return this.lines.filter((line) => line.startsWith(`${job} `)).map((line) => line.split(/[ :]/)[1]!);
  }
}

const ALL = ['accepted', 'started', 'work', 'settled', 'released', 'outcome'];

function handle(
  log: Log,
  work: (job: string) => ObservableInput<unknown>,
  config: Partial<PoolConfig<string, unknown>> = {},
  isWatched = true,
): BackgroundJobs<string, unknown> {
  const said = (job: string): ObservableInput<unknown> => {
    log.say('work', job);
    return work(job);
  };
  const hooks = isWatched ? log.hooks : undefined;
  const jobs = new BackgroundJobs<string, unknown>(said, { workers: 1, buffer: 10, hooks, ...config });
  if (!isWatched) return jobs;
  store.run('subscriber', () =>
    jobs.outcomes$.subscribe(({ job }: JobOutcome<string, unknown>) => log.say('outcome', job)),
  );
  return jobs;
}

/** Streams that are open: they end where `endAll` is called. */
const open: (() => void)[] = [];

/** What `work` may return. */
const kinds: Record<string, (job: string) => ObservableInput<unknown>> = {
  'a promise': async (job) => {
    await turn();
    return job;
  },
  'a stream that ends in another context': () => new Observable((values) => void open.push(() => values.complete())),
  'a stream around an async function': (job) =>
    defer(async () => {
      await turn();
      return job;
    }),
  'a stream that ends at once': (job) => from([job]),
  'a thenable': (job) =>
    ({
      then: (onFulfilled: (value: string) => void) => turn().then(() => onFulfilled(job)),
    }) as unknown as PromiseLike<string>,
  'an async generator': async function* (job) {
    yield job;
    await turn();
    yield job;
  },
  'a promise that rejects': async () => {
    await turn();
    throw new Error('a job');
  },
};

/** Ends all that runs in a stranger's context, and shuts the pool down there. */
async function endAll(jobs: BackgroundJobs<string, unknown>): Promise<void> {
  let isOver = false;
  const ended = store.run('stranger', () => jobs.shutdown()).then(() => (isOver = true));
  while (!isOver) {
    store.run('stranger', () => {
      for (const complete of open.splice(0)) complete();
    });
    await turn();
  }
  await ended;
}

/** Each door, and whom its jobs belong to. */
const doors: Record<string, (jobs: BackgroundJobs<string, unknown>, job: string) => void> = {
  offer: (jobs, job) => void jobs.offer(job),
  send: (jobs, job) => void jobs.send(job),
  'send with a signal': (jobs, job) => void jobs.send(job, { signal: new AbortController().signal }),
  submit: (jobs, job) => void jobs.submit(job).catch(() => undefined),
  'submit with a signal': (jobs, job) =>
    void jobs.submit(job, { signal: new AbortController().signal }).catch(() => undefined),
  'submit that waits': (jobs, job) => void jobs.submit(job, { wait: true }).catch(() => undefined),
  submit$: (jobs, job) => void jobs.submit$(job).subscribe({ error: () => undefined }),
  'listenTo(an iterable)': (jobs, job) => void jobs.listenTo([job]),
  'listenTo(an async iterable)': (jobs, job) =>
    void jobs.listenTo(
      (async function* () {
        yield job;
      })(),
    ),
};

describe('the async context of a job', () => {
  for (const [kind, work] of Object.entries(kinds)) {
    for (const [door, ask] of Object.entries(doors)) {
      it(`is that of its caller: ${door}, ${kind}`, async () => {
        const log = new Log();
        const jobs = handle(log, work);
        store.run('anna', () => ask(jobs, 'a'));
        store.run('ben', () => ask(jobs, 'b'));
        store.run('cleo', () => ask(jobs, 'c'));
        for (let n = 0; n < 3; n++) await turn();
        await endAll(jobs);
        const found = ['a', 'b', 'c'].filter((job) => log.events(job).length > 0).map((job) => [job, log.of(job)]);
        expect(found.slice(0, 1)).to.eql([['a', ['anna']]]);
        expect(found).to.eql(
          [
            ['a', ['anna']],
            ['b', ['ben']],
            ['c', ['cleo']],
          ].slice(0, found.length),
        );
        // A drain asks an iterable for nothing more.
        if (!door.startsWith('listenTo')) expect(found.length).to.equal(3);
        for (const [job] of found) expect(log.events(job as string)).to.eql(ALL);
      });

      // A job that nobody hears of has shorter ways.
      it(`is that of its caller, where nobody watches: ${door}, ${kind}`, async () => {
        const log = new Log();
        const jobs = handle(log, work, {}, false);
        store.run('anna', () => ask(jobs, 'a'));
        store.run('ben', () => ask(jobs, 'b'));
        store.run('cleo', () => ask(jobs, 'c'));
        for (let n = 0; n < 3; n++) await turn();
        await endAll(jobs);
        if (kind === 'a promise that rejects') takeReported();
        const expected = ['a work: anna', 'b work: ben', 'c work: cleo'];
        expect(log.lines).to.eql(door.startsWith('listenTo') ? expected.slice(0, log.lines.length) : expected);
        expect(log.lines).not.to.be.empty;
      });
    }
  }

  it('is that of its sender, who waited for room', async () => {
    const log = new Log();
    const jobs = handle(log, kinds['a promise']!, { buffer: 0 });
    store.run('anna', () => jobs.offer('a'));
    for (const [who, job] of [
      ['ben', 'b'],
      ['cleo', 'c'],
    ] as const) {
      store.run(who, () => void jobs.send(job));
    }
    store.run('dora', () => void jobs.submit('d', { wait: true }));
    expect(jobs.stats.waiting).to.equal(3);
    while (jobs.stats.waiting > 0) await turn();
    await endAll(jobs);
    expect(['a', 'b', 'c', 'd'].map((job) => log.of(job))).to.eql([['anna'], ['ben'], ['cleo'], ['dora']]);
    expect(log.events('d')).to.eql(ALL);
  });

  for (const where of ['work', 'accepted', 'started', 'settled', 'released'] as const) {
    it(`is that of its caller, who offered it inside another job's ${where}`, async () => {
      const log = new Log();
      const again = (job: string): void => {
        if (job !== 'a') return;
        store.run('ben', () => jobs.offer('b'));
        store.run('cleo', () => void jobs.submit('c'));
      };
      const hooks: JobHooks<string, unknown> =
        where === 'work' ? {} : where === 'settled' ? { settled: ({ job }) => again(job) } : { [where]: again };
      const jobs = handle(
        log,
        (job) => {
          if (where === 'work') again(job);
          return [job];
        },
        { workers: 3, hooks: [hooks, log.hooks] },
      );
      store.run('anna', () => jobs.offer('a'));
      expect(['a', 'b', 'c'].map((job) => log.of(job))).to.eql([['anna'], ['ben'], ['cleo']]);
      await endAll(jobs);
    });
  }

  it('is that of its caller while it is held until the loop turns', async () => {
    const log = new Log();
    const jobs = handle(log, async (job) => job, { workers: 3, buffer: Infinity, yieldAfter: 0 });
    const names = Array.from({ length: 50 }, (_, n) => `${n}`);
    for (const name of names) store.run(`caller of ${name}`, () => jobs.offer(name));
    await jobs.idle();
    await endAll(jobs);
    expect(names.map((name) => log.of(name))).to.eql(names.map((name) => [`caller of ${name}`]));
  });

  it('is its own where it is evicted, refused or withdrawn', async () => {
    const log = new Log();
    const jobs = handle(log, () => NEVER, { buffer: 1, overflow: 'drop-oldest' });
    const signal = new AbortController();
    store.run('anna', () => jobs.offer('a'));
    store.run('ben', () => jobs.offer('b'));
    store.run('cleo', () => jobs.offer('c'));
    store.run('dora', () => void jobs.send('d', { signal: signal.signal }).catch(() => undefined));
    store.run('emil', () => jobs.offer('e'));
    store.run('stranger', () => signal.abort());
    store.run('stranger', () => jobs.clear());
    await store.run('stranger', () => jobs.shutdown('abort'));
    store.run('fritz', () => jobs.offer('f'));
    expect(['b', 'c', 'd', 'e', 'f'].map((job) => log.of(job))).to.eql([
      ['ben'],
      ['cleo'],
      ['dora'],
      ['emil'],
      ['fritz'],
    ]);
    expect(log.events('b')).to.eql(['accepted', 'settled', 'outcome']);
    expect(log.events('d')).to.eql(['settled', 'outcome']);
    // The outcomes have completed.
    expect(log.events('f')).to.eql(['settled']);
  });

  it("is its own where it is refused inside another job's start", async () => {
    const log = new Log();
    const again = (job: string): void => {
      if (job !== 'a') return;
      store.run('ben', () => jobs.offer('b'));
      // Nobody overtakes a sender who waits.
      store.run('cleo', () => void jobs.send('c'));
      store.run('dora', () => jobs.offer('d'));
    };
    const hooks = [{ started: again }, log.hooks];
    const jobs = handle(log, (job) => [job], { buffer: 0, overflow: 'drop-incoming', hooks });
    store.run('anna', () => jobs.offer('a'));
    expect(['a', 'b', 'c', 'd'].map((job) => log.of(job))).to.eql([['anna'], ['ben'], ['cleo'], ['dora']]);
    expect(log.events('d')).to.eql(['settled', 'outcome']);
    await endAll(jobs);
  });

  it("is that of the emission, where it came from an Observable's", async () => {
    const log = new Log();
    const jobs = handle(log, kinds['a promise']!, { overflow: 'drop-incoming' });
    const source = new Subject<string>();
    store.run('listener', () => jobs.listenTo(source));
    store.run('anna', () => source.next('a'));
    store.run('ben', () => source.next('b'));
    await endAll(jobs);
    expect(['a', 'b'].map((job) => log.of(job))).to.eql([['anna'], ['ben']]);
  });

  for (const isAsync of [false, true]) {
    it(`is that of listenTo for ${isAsync ? 'an async' : 'an'} iterable, in next() and return() too`, async () => {
      const log = new Log();
      const jobs = handle(log, kinds['a promise']!);
      const asked: string[] = [];
      let [made, isReturned] = [0, false];
      const next = (): IteratorResult<string, undefined> => {
        asked.push(here());
        return { done: false, value: `${made++}` };
      };
      const pages = {
        [isAsync ? Symbol.asyncIterator : Symbol.iterator]: () => ({
          next: isAsync ? async () => next() : next,
          return: () => ((isReturned = true), { done: true, value: undefined }),
        }),
      } as unknown as Iterable<string>;
      const listening = store.run('listener', () => jobs.listenTo(pages));
      // Somebody else frees the workers.
      store.run('anna', () => jobs.offer('a'));
      while (jobs.stats.completed < 6) await store.run('stranger', turn);
      store.run('stranger', () => listening.unsubscribe());
      await endAll(jobs);
      expect([...new Set(asked)]).to.eql(['listener']);
      expect(asked.length).to.be.greaterThan(5);
      expect([isReturned, log.of('0'), log.of('4'), log.of('a')]).to.eql([true, ['listener'], ['listener'], ['anna']]);
    });
  }

  it('is that of listenTo for a signal', async () => {
    const log = new Log();
    const jobs = handle(log, kinds['a promise']!, { overflow: 'drop-incoming' });
    const listening = store.run('listener', () => jobs.listenTo(fromSignals('SIGUSR2')));
    store.run('stranger', () => process.emit('SIGUSR2', 'SIGUSR2'));
    await jobs.idle();
    listening.unsubscribe();
    await endAll(jobs);
    expect([log.of('SIGUSR2'), log.events('SIGUSR2')]).to.eql([['listener'], ALL]);
  });

  it("in an operator is that of whoever frees the worker; a pulled iterable's next() has the subscription's", async () => {
    const found: string[] = [];
    const gates = new Map<number, Subject<number>>();
    const items = function* (): Generator<number, void> {
      for (let n = 0; n < 3; n++) {
        found.push(`next ${n}: ${here()}`);
        yield n;
      }
    };
    const work = (n: number): Observable<number> => {
      found.push(`work ${n}: ${here()}`);
      const gate = new Subject<number>();
      gates.set(n, gate);
      return gate;
    };
    const results = store.run('subscriber', () =>
      lastValueFrom(pullFrom(items()).pipe(workerPool(work, { workers: 1, buffer: 0 }), toArray())),
    );
    for (let n = 0; n < 3; n++) store.run(`freer ${n}`, () => gates.get(n)!.complete());
    await results;
    expect(found).to.eql([
      'next 0: subscriber',
      'work 0: subscriber',
      'next 1: subscriber',
      'work 1: freer 0',
      'next 2: subscriber',
      'work 2: freer 1',
    ]);
  });

  describe('is the one of the caller when a policy acts on its job in a call of somebody else', () => {
    const works: Record<string, () => ObservableInput<unknown>> = {
      'a promise that does not settle': () => new Promise<never>(() => undefined),
      'a stream that does not end': () => NEVER,
      'a promise that rejects': () => Promise.reject(new Error('no')),
      'a throw': () => {
        throw new Error('no');
      },
    };
    const retry = { count: 1, delay: 5 };
    const cases = [
      ['a timeout', { timeout: 5 }, ['a promise that does not settle', 'a stream that does not end']],
      ['a retry', { retry }, ['a promise that rejects', 'a throw']],
      ['both', { timeout: 5, retry }, ['a stream that does not end', 'a promise that rejects', 'a throw']],
    ] as const;
    for (const [policy, config, kinds] of cases) {
      for (const kind of kinds) {
        it(`${policy}, ${kind}`, async () => {
          const scheduler = new VirtualTimeScheduler();
          const log = new Log();
          const jobs = handle(log, works[kind]!, { workers: 2, ...config, scheduler });
          for (const job of ['a', 'b']) store.run(`caller of ${job}`, () => jobs.offer(job));
          await turn();
          store.run('stranger', () => scheduler.flush());
          await turn();
          for (const job of ['a', 'b']) {
            expect(log.of(job)).to.eql([`caller of ${job}`]);
            expect(log.events(job)).to.include.members(['settled', 'outcome']);
          }
          await jobs.shutdown('abandon');
        });
      }
    }
  });

  it('is that of its caller where its outcome is held until its turn', async () => {
    const log = new Log();
    const ends: Record<string, () => void> = {};
    const work = (job: string): Promise<string> => new Promise((resolve) => (ends[job] = () => resolve(job)));
    const jobs = handle(log, work, { workers: 2, ordered: true });
    store.run('anna', () => jobs.offer('a'));
    store.run('ben', () => jobs.offer('b'));
    ends['b']!();
    await turn();
    expect(log.events('b')).not.to.include('outcome');
    ends['a']!();
    await jobs.shutdown();
    expect(['a', 'b'].map((job) => log.of(job))).to.eql([['anna'], ['ben']]);
    expect(log.events('b')).to.include('outcome');
  });

  it('is that of its caller, too, where no hook has it kept from the start', async () => {
    const ends: Record<string, () => void> = {};
    const work = (job: string): Promise<string> => new Promise((resolve) => (ends[job] = () => resolve(job)));
    const jobs = new BackgroundJobs(work, { workers: 2, buffer: 2, ordered: true });
    const told: string[] = [];
    jobs.outcomes$.subscribe(({ job }) => told.push(`${job}: ${here()}`));
    store.run('anna', () => jobs.offer('a'));
    store.run('ben', () => jobs.offer('b'));
    ends['b']!();
    await turn();
    ends['a']!();
    await jobs.shutdown();
    expect(told).to.eql(['a: anna', 'b: ben']);
  });

  it('is not kept where the host knows of none, as in a browser: the context is that of whoever frees the worker', async () => {
    const bare = loadedWithout('getBuiltinModule');
    const found: string[] = [];
    const gate = new Subject<string>();
    const work = (job: string): Observable<string> => {
      found.push(`${job}: ${here()}`);
      return job === 'b' ? of(job) : gate;
    };
    const jobs = new bare.BackgroundJobs(work, { workers: 1, buffer: 1 });
    store.run('caller', () => ['a', 'b'].forEach((job) => jobs.offer(job)));
    store.run('freer', () => gate.complete());
    await jobs.shutdown();
    const pulled = bare.pullFrom(['c', 'd']).pipe(bare.workerPool(work, { workers: 1, buffer: 0 }));
    await store.run('subscriber', () => lastValueFrom(pulled, { defaultValue: 'none' }));
    expect(found).to.eql(['a: caller', 'b: freer', 'c: subscriber', 'd: subscriber']);
  });
});

/** The package, loaded where `process` does not have that member. */
function loadedWithout(member: keyof NodeJS.Process): typeof import('../src/index.js') {
  const host = globalThis as { process: NodeJS.Process };
  const { process } = host;
  const kept = Object.keys(require.cache).filter((path) => path.includes('/src/'));
  const modules = kept.map((path) => require.cache[path]);
  for (const path of kept) delete require.cache[path];
  host.process = Object.assign(Object.create(process) as NodeJS.Process, { [member]: undefined });
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- a second instance of the package
    return require('../src/index.js') as typeof import('../src/index.js');
  } finally {
    host.process = process;
    kept.forEach((path, i) => (require.cache[path] = modules[i]));
  }
}
