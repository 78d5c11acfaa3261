// A scheduler that throws, at any of its calls: no pool and no caller waits for ever, and the books stay right.
import { expect } from 'chai';
import { asyncScheduler, lastValueFrom, map, range, timer } from 'rxjs';
import type { Observable, ObservableInput, SchedulerLike } from 'rxjs';
import { BackgroundJobs, byKey, pullFrom, pullThrough, workerPool, workerPoolSettled } from '../src/index.js';
import type { JobContext, PoolConfig } from '../src/index.js';
import { takeReported, turn } from './support/guard.js';

type Config = PoolConfig<number, number>;

const works: Record<string, (n: number, context: JobContext) => ObservableInput<number>> = {
  'a promise': async (n) => n,
  'a promise that settles after a turn': (n) => new Promise((resolve) => setImmediate(resolve, n)),
  'a promise that rejects': (n) => Promise.reject(new Error(String(n))),
  'a stream': (n) => timer(1).pipe(map(() => n)),
};

const policies: Record<string, Partial<Config>> = {
  timeout: { timeout: 4 },
  ttl: { ttl: 4 },
  rateLimit: { rateLimit: { limit: 1, interval: 2 } },
  retry: { retry: { count: 1, delay: 1 } },
  'all together': {
    timeout: 4,
    ttl: 400,
    rateLimit: { limit: 2, interval: 2 },
    retry: { count: 1, delay: 1 },
    queue: byKey((n) => n % 2),
  },
  ordered: { ordered: true, timeout: 4, retry: { count: 1, delay: 1 } },
};

/** Its `nth` call of `method`, and each one after, throws. */
function broken(method: 'schedule' | 'now', nth: number): SchedulerLike {
  let calls = 0;
  const check = (called: string): void => {
    if (called === method && ++calls >= nth) throw new Error('a broken scheduler');
  };
  return {
    now: () => {
      check('now');
      return asyncScheduler.now();
    },
    schedule: (work, delay, state) => {
      check('schedule');
      return asyncScheduler.schedule(work as never, delay, state);
    },
  };
}

type Work = (n: number, context: JobContext) => ObservableInput<number>;

const end = (results: () => Observable<unknown>): Promise<unknown> =>
  lastValueFrom(results(), { defaultValue: 'none' });

/** Each ends, in whatever way. */
const forms: Record<string, (work: Work, config: Config) => Promise<unknown>> = {
  workerPool: async (work, config) => end(() => range(0, 5).pipe(workerPool(work, config))),
  workerPoolSettled: async (work, config) => end(() => range(0, 5).pipe(workerPoolSettled(work, config))),
  pullFrom: async (work, config) => end(() => pullFrom(range5()).pipe(workerPoolSettled(work, config))),
  pullThrough: async (work, config) => {
    for await (const _ of pullThrough(range5(), work, config));
  },
  BackgroundJobs: async (work, config) => {
    const jobs = new BackgroundJobs(work, config);
    const ids: number[] = [];
    jobs.outcomes$.subscribe(({ id }) => ids.push(id));
    const callers = Promise.allSettled(range5().map((n) => jobs.submit(n)));
    await Promise.race([jobs.ended, callers]);
    const { stats } = await jobs.shutdown('abandon');
    await callers;
    expect(new Set(ids).size).to.equal(ids.length);
    expect(stats).to.include({ waiting: 0, queued: 0, delayed: 0, running: 0 });
    expect(stats.accepted).to.equal(stats.completed + stats.failed + stats.evicted + stats.aborted);
  },
};

function range5(): number[] {
  return [0, 1, 2, 3, 4];
}

describe('a scheduler that throws', () => {
  for (const [form, run] of Object.entries(forms)) {
    for (const [policy, config] of Object.entries(policies)) {
      it(`lets nobody wait for ever: ${form}, ${policy}`, async () => {
        for (const method of ['schedule', 'now'] as const) {
          for (const work of Object.values(works)) {
            for (let nth = 1; nth <= 8; nth++) {
              const scheduler = broken(method, nth);
              const failure = await run(work, { workers: 2, buffer: 5, scheduler, ...config }).then(
                () => undefined,
                String,
              );
              if (failure !== undefined) expect(failure).to.match(/^Error: (a broken scheduler|\d)/);
            }
          }
        }
        await turn();
        expect(takeReported().filter((error) => !/a broken scheduler|^Error: \d/.test(String(error)))).to.eql([]);
      });
    }
  }

  for (const form of ['workerPool', 'workerPoolSettled', 'pullFrom']) {
    it(`starts no job in the call in which it throws: ${form}`, async () => {
      const started: number[] = [];
      const work: Work = (n) => {
        started.push(n);
        return Promise.resolve(n);
      };
      // The start of the second job shuts the gate, and its opening has to be timed for the third.
      const rateLimit = { limit: 2, interval: 1000 };
      const config = { workers: 1, buffer: 5, scheduler: broken('schedule', 1), rateLimit };
      expect(await forms[form]!(work, config).catch(String)).to.equal('Error: a broken scheduler');
      expect(started).to.eql([0]);
    });
  }
});
