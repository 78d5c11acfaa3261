// How many jobs run between two turns of the event loop. They are counted, not timed: a job of so many ms computes at least
// that long, so that a slow machine only makes the count smaller.
import { expect } from 'chai';
import {
  BehaviorSubject,
  defer,
  from,
  lastValueFrom,
  map,
  range,
  Subject,
  takeWhile,
  VirtualTimeScheduler,
} from 'rxjs';
import type { ObservableInput } from 'rxjs';
import {
  BackgroundJobs,
  byKey,
  pullFrom,
  pullThrough,
  toAsyncIterable,
  workerPool,
  workerPoolSettled,
} from '../src/index.js';
import { turn } from './support/guard.js';

/** The default of `yieldAfter`. */
const BUDGET = 5;
const COSTS = [0.1, 1, 6];
const WORKERS = [1, 8, 40];

function burn(ms: number): void {
  for (const start = performance.now(); performance.now() - start < ms;);
}

/** One job per worker, and one, may run beyond what fits into the budget. */
function mostAllowed(cost: number, workers: number): number {
  return Math.ceil(BUDGET / cost) + workers + 1;
}

/** Counts what comes between two turns of the event loop. */
class Loop {
  turns = 0;
  /** Jobs between two turns, at most. */
  most = 0;
  jobs = 0;
  #sinceTurn = 0;
  #isOver = false;

  constructor() {
    const look = (): void => {
      this.turns++;
      this.#sinceTurn = 0;
      if (!this.#isOver) setImmediate(look);
    };
    setImmediate(look);
  }

  /** A job that computes for so long. */
  job(cost: number): void {
    burn(cost);
    this.jobs++;
    this.most = Math.max(this.most, ++this.#sinceTurn);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await turn();
  }
}

interface Run {
  /** How many jobs there are. */
  readonly count: number;
  readonly workers: number;
  /** What one job does. */
  readonly compute: () => void;
}

type Path = (run: Run) => Promise<unknown>;

// More than a turn may have, so that a path without a budget is seen.
const oneTurn = (cost: number, workers: number): number => Math.ceil(1.2 * mostAllowed(cost, workers));

async function watched(path: Path, cost: number, workers: number, count = oneTurn(cost, workers)): Promise<Loop> {
  const loop = new Loop();
  await path({ count, workers, compute: () => loop.job(cost) });
  await loop.end();
  expect(loop.jobs).to.be.at.least(count);
  return loop;
}

/** So many callers at once, each of which awaits one call after the other. */
async function callers(number: number, count: number, call: () => Promise<unknown>): Promise<void> {
  let left = count;
  const caller = async (): Promise<void> => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: number }, caller));
}

async function* generated(count: number): AsyncGenerator<number> {
  for (let n = 0; n < count; n++) yield n;
}

const hooks = { accepted: () => {}, started: () => {}, settled: () => {}, released: () => {} };

/** What `work` may return, all of it settled in microtasks. */
const works: Record<string, (compute: () => void) => (n: number) => ObservableInput<number>> = {
  'an async function': (compute) => async (n) => {
    compute();
    return n;
  },
  'an async function that computes after its await': (compute) => async (n) => {
    await Promise.resolve();
    compute();
    return n;
  },
  'defer(async …)': (compute) => (n) =>
    defer(async () => {
      compute();
      return n;
    }),
  'from(promise)': (compute) => (n) => {
    compute();
    return from(Promise.resolve(n));
  },
  'a thenable': (compute) => (n) =>
    ({
      then: (onFulfilled: (value: number) => number, onRejected: (error: unknown) => never) =>
        Promise.resolve(n)
          .then((value) => {
            compute();
            return value;
          })
          .then(onFulfilled, onRejected),
    }) as PromiseLike<number>,
  'an async generator': (compute) =>
    async function* (n) {
      compute();
      yield n;
    },
  'an async generator that computes for each of two values': (compute) =>
    async function* (n) {
      compute();
      yield n;
      compute();
      yield n;
    },
};

/** Each way of a job through the package, with jobs of an async function. */
const paths: Record<string, Path> = {
  'workerPool with hooks': ({ count, workers, compute }) =>
    lastValueFrom(range(0, count).pipe(workerPool(async () => compute(), { workers, buffer: Infinity, hooks }))),
  workerPoolSettled: ({ count, workers, compute }) =>
    lastValueFrom(range(0, count).pipe(workerPoolSettled(async () => compute(), { workers, buffer: Infinity }))),
  'workerPoolSettled, jobs that fail': ({ count, workers, compute }) =>
    lastValueFrom(
      range(0, count).pipe(
        workerPoolSettled(
          async () => {
            compute();
            throw new Error('a job');
          },
          { workers, buffer: Infinity },
        ),
      ),
    ),
  'pullFrom(an iterable)': ({ count, workers, compute }) =>
    lastValueFrom(pullFrom(Array(count).keys()).pipe(workerPool(async () => compute(), { workers, buffer: 0 }))),
  'pullFrom(an async iterable)': ({ count, workers, compute }) =>
    lastValueFrom(pullFrom(generated(count)).pipe(workerPool(async () => compute(), { workers, buffer: 0 }))),
  'pullFrom(an async iterable), synchronous jobs': ({ count, workers, compute }) =>
    lastValueFrom(
      pullFrom(generated(count)).pipe(
        workerPool(
          (n) => {
            compute();
            return [n];
          },
          { workers, buffer: 0 },
        ),
      ),
    ),
  'pullFrom(an async iterable that computes)': ({ count, workers, compute }) => {
    const pages = async function* (): AsyncGenerator<number> {
      for (let n = 0; n < count; n++) {
        compute();
        yield n;
      }
    };
    return lastValueFrom(pullFrom(pages()).pipe(workerPool(async (n) => n, { workers, buffer: 2 })));
  },
  'pullThrough, and a consumer that loops': async ({ count, workers, compute }) => {
    const work = async (n: number): Promise<number> => {
      compute();
      return n;
    };
    let taken = 0;
    for await (const _ of pullThrough(Array(count).keys(), work, { workers, buffer: 4 })) taken++;
    expect(taken).to.equal(count);
  },
  'pullThrough, and a consumer that computes': async ({ count, workers, compute }) => {
    for await (const _ of pullThrough(generated(count), async (n) => n, { workers, buffer: 4 })) compute();
  },
  'toAsyncIterable, and a consumer that computes': async ({ count, compute }) => {
    for await (const _ of toAsyncIterable(range(0, count), { capacity: count })) compute();
  },
  'toAsyncIterable of a pool': async ({ count, workers, compute }) => {
    const results = range(0, count).pipe(workerPool(async () => compute(), { workers, buffer: Infinity }));
    for await (const _ of toAsyncIterable(results, { capacity: count }));
  },
  'a feedback loop': ({ count, workers, compute }) => {
    const source = new Subject<number>();
    const work = async (n: number): Promise<number> => {
      compute();
      return n + 1;
    };
    const done = lastValueFrom(
      source.pipe(
        workerPool(work, { workers, buffer: Infinity }),
        map((n) => (source.next(n), n)),
        takeWhile((n) => n < count),
      ),
    );
    source.next(0);
    return done;
  },
  'await submit, one caller': async ({ count, workers, compute }) => {
    const jobs = new BackgroundJobs(async () => compute(), { workers, buffer: Infinity });
    await callers(1, count, () => jobs.submit(1));
    await jobs.shutdown();
  },
  'await submit, a caller for each worker and one': async ({ count, workers, compute }) => {
    const jobs = new BackgroundJobs(async () => compute(), { workers, buffer: Infinity, hooks });
    await callers(workers + 1, count, () => jobs.submit(1));
    await jobs.shutdown();
  },
  'synchronous jobs behind promises': async ({ count, workers, compute }) => {
    const work = (n: number): Promise<number> | number[] => {
      if (n < workers) return Promise.resolve(n);
      compute();
      return [n];
    };
    const jobs = new BackgroundJobs<number, number>(work as never, { workers, buffer: Infinity });
    for (let i = 0; i < count + workers; i++) jobs.offer(i);
    await jobs.idle();
    await jobs.shutdown();
  },
  'synchronous jobs behind a job that waits for its retry': async ({ count, workers, compute }) => {
    const work = (n: number, { attempt }: { readonly attempt: number }): number[] => {
      if (n === 0 && attempt === 1) throw new Error('no');
      compute();
      return [n];
    };
    const config = { workers: 1, buffer: count, retry: { count: 1, delay: 1 }, queue: byKey((_: number) => 'one') };
    const jobs = new BackgroundJobs(work, config);
    for (let i = 0; i < count; i++) jobs.offer(i);
    expect([jobs.stats.delayed, workers > 0]).to.eql([1, true]);
    await jobs.idle();
    await jobs.shutdown();
  },
  'synchronous jobs behind a pause': async ({ count, workers, compute }) => {
    const work = (n: number): number[] => {
      compute();
      return [n];
    };
    const jobs = new BackgroundJobs(work, { workers, buffer: count });
    jobs.pause();
    for (let i = 0; i < count; i++) jobs.offer(i);
    jobs.resume();
    await jobs.idle();
    await jobs.shutdown();
  },
  'synchronous jobs that wait for workers': ({ count, workers, compute }) => {
    const work = (n: number): number[] => {
      compute();
      return [n];
    };
    const crew = new BehaviorSubject(0);
    const done = lastValueFrom(range(0, count).pipe(workerPool(work, { workers: crew, buffer: count })));
    crew.next(workers);
    return done;
  },
  'await submit, synchronous jobs': async ({ count, workers, compute }) => {
    const work = (n: number): number[] => {
      compute();
      return [n];
    };
    const jobs = new BackgroundJobs(work, { workers, buffer: 0 });
    await callers(1, count, () => jobs.submit(1));
    await jobs.shutdown();
  },
  'await submit, work that throws, watched': async ({ count, workers, compute }) => {
    const work = (_: number): number[] => {
      compute();
      throw new Error('no');
    };
    const jobs = new BackgroundJobs(work, { workers, buffer: 0, hooks });
    await callers(1, count, () => jobs.submit(1).catch(() => undefined));
    await jobs.shutdown();
  },
  'await send, one caller': async ({ count, workers, compute }) => {
    const jobs = new BackgroundJobs(async () => compute(), { workers, buffer: 0 });
    await callers(1, count, () => jobs.send(1));
    await jobs.shutdown();
  },
  'await send, synchronous jobs': async ({ count, workers, compute }) => {
    const work = (n: number): number[] => {
      compute();
      return [n];
    };
    const jobs = new BackgroundJobs(work, { workers, buffer: 0 });
    await callers(1, count, () => jobs.send(1));
    await jobs.shutdown();
  },
  'senders who wait all at once': async ({ count, workers, compute }) => {
    const jobs = new BackgroundJobs(async () => compute(), { workers, buffer: 0 });
    await Promise.all(Array.from({ length: count }, () => jobs.send(1)));
    await jobs.shutdown();
  },
  'listenTo(an iterable)': async ({ count, workers, compute }) => {
    const jobs = new BackgroundJobs(async () => compute(), { workers, buffer: 0 });
    jobs.listenTo(Array(count).keys());
    await jobs.idle();
    await jobs.shutdown();
  },
  'listenTo(an async iterable)': async ({ count, workers, compute }) => {
    let ended = 0;
    const jobs = new BackgroundJobs(async () => compute(), { workers, buffer: 0 });
    await new Promise<void>((resolve) => {
      jobs.outcomes$.subscribe(() => ++ended === count && resolve());
      jobs.listenTo(generated(count));
    });
    await jobs.shutdown();
  },
};

for (const [name, work] of Object.entries(works)) {
  paths[`workerPool, jobs of ${name}`] = ({ count, workers, compute }) =>
    lastValueFrom(range(0, count).pipe(workerPool(work(compute), { workers, buffer: Infinity })));
}

describe('fairness: at most one job per worker, and one, runs beyond the budget before the loop turns', () => {
  for (const [name, path] of Object.entries(paths)) {
    it(name, async () => {
      const found: string[] = [];
      for (const cost of COSTS) {
        for (const workers of WORKERS) {
          // 40 jobs of a ms take long: below, for the plainest of the paths.
          if (cost * workers > 50) continue;
          const { most } = await watched(path, cost, workers);
          const allowed = mostAllowed(cost, workers);
          if (most > allowed) found.push(`${most} jobs of ${cost} ms on ${workers} workers, ${allowed} allowed`);
        }
      }
      expect(found).to.eql([]);
    });
  }

  // What the budget has learned in one turn about the cost of the jobs must not be forgotten in the next.
  for (const name of Object.keys(works)) {
    it(`in each of many turns: ${name}`, async () => {
      for (const cost of [1, 6]) {
        const { most } = await watched(paths[`workerPool, jobs of ${name}`]!, cost, 8, 6 * mostAllowed(cost, 8));
        expect(most).to.be.at.most(mostAllowed(cost, 8));
      }
    });
  }

  for (const cost of [1, 6]) {
    it(`workerPool, 40 workers, jobs of ${cost} ms`, async () => {
      const { most } = await watched(paths['workerPool, jobs of an async function']!, cost, 40);
      expect(most).to.be.at.most(mostAllowed(cost, 40));
    });
  }
});

describe('fairness: what is never held', () => {
  async function ticks(): Promise<void> {
    for (let tick = 0; tick < 20; tick++) await Promise.resolve();
  }

  it('an offer, a send, a submit: each starts in the same call where a worker is free', async () => {
    const started: string[] = [];
    const work = async (job: string): Promise<void> => {
      started.push(job);
      if (job === 'slow') burn(BUDGET + 1);
    };
    const jobs = new BackgroundJobs(work, { workers: 4, buffer: 0 });
    // Until one of them is held, though it has ended.
    for (let n = 0; n < 20 && jobs.stats.running === 0; n++) {
      jobs.offer('slow');
      await ticks();
    }
    expect(jobs.stats.running).to.equal(1);
    jobs.offer('offered');
    expect(started).to.include('offered');
    void jobs.send('sent');
    expect(started).to.include('sent');
    void jobs.submit('submitted');
    expect(started).to.include('submitted');
    await jobs.shutdown();
  });

  it("a source's next: it starts in the same call where a worker is free", async () => {
    const started: string[] = [];
    const ended: string[] = [];
    const source = new Subject<string>();
    const work = async (job: string): Promise<string> => {
      started.push(job);
      if (job.startsWith('slow')) burn(BUDGET + 1);
      return job;
    };
    const results = source.pipe(workerPool(work, { workers: 3, buffer: 0 })).subscribe((job) => ended.push(job));
    source.next('slow 1');
    source.next('slow 2');
    await ticks();
    expect(ended).to.eql([]);
    source.next('fast');
    expect(started).to.eql(['slow 1', 'slow 2', 'fast']);
    await turn();
    expect(ended).to.eql(['slow 1', 'slow 2', 'fast']);
    results.unsubscribe();
  });

  it('synchronous jobs: they are a part of the call that brings them', async () => {
    const loop = new Loop();
    range(0, 20)
      .pipe(workerPool(() => (loop.job(1), [1]), { workers: 1, buffer: Infinity }))
      .subscribe();
    expect(loop.jobs).to.equal(20);
    await loop.end();
  });

  it('anything in virtual time', async () => {
    for (const config of [{ scheduler: new VirtualTimeScheduler() }, { yieldAfter: Infinity }]) {
      const loop = new Loop();
      const work = async (): Promise<void> => loop.job(1);
      await lastValueFrom(range(0, 20).pipe(workerPool(work, { workers: 2, buffer: Infinity, ...config })));
      expect(loop.most).to.equal(20);
      await loop.end();
    }
  });
});
