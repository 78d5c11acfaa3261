// A fault of the pool's own, wherever it comes: the handle ends, and every job has its outcome, once.
import { expect } from 'chai';
import { concat, finalize, map, mergeMap, NEVER, of, throwError, timer } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { byKey, JobAbortedError } from '../../src/index.js';
import type { JobContext, JobOutcome, PoolConfig } from '../../src/index.js';
import type { PoolDoors } from '../../src/internal/core/policy.js';
import { Jobs } from '../../src/internal/handle/jobs.js';
import { readPoolOptions } from '../../src/internal/options.js';
import { pipeline } from '../../src/workerPool.js';
import { takeReported, turn } from '../support/guard.js';

const EVENTS = ['started', 'judged', 'queued', 'looking', 'emptied'] as const;
const fault = new Error('a fault of the pool');

const works: Record<string, (n: number, context: JobContext) => ObservableInput<number>> = {
  'a promise': async (n) => n,
  'a promise that rejects': (n) => Promise.reject(new Error(String(n))),
  'a promise that outlives its timeout': (_, { signal }) =>
    new Promise((resolve) => signal.addEventListener('abort', () => setImmediate(resolve, 0))),
  'a stream': (n) => timer(1).pipe(mergeMap(() => [n])),
  'a stream that outlives its timeout': (n) => timer(60_000).pipe(mergeMap(() => [n])),
  'a stream that ends at once': (n) => of(n),
  'a stream that fails': (n) => timer(1).pipe(mergeMap(() => throwError(() => n))),
  'a stream with a finalizer': (n) => of(n).pipe(finalize(() => undefined)),
  'an async generator': async function* (n) {
    yield n;
  },
};

const variants: Record<string, () => Partial<PoolConfig<number, number>>> = {
  'a timeout': () => ({}),
  'a budget of no time': () => ({ yieldAfter: 0 }),
  'a retry at once': () => ({ retry: 1 }),
  'a rate, and a retry after a while': () => ({
    retry: { count: 1, delay: 2 },
    rateLimit: { limit: 3, interval: 4 },
    ttl: 1000,
  }),
  'keys and an order': () => ({ queue: byKey((n) => n % 2), ordered: true, retry: { count: 1, delay: 1 } }),
  'workers that come later': () => ({ workers: concat([0], timer(1).pipe(map(() => 2)), NEVER) }),
};

describe('a policy that throws', () => {
  for (const event of EVENTS) {
    for (const [name, work] of Object.entries(works)) {
      it(`when it is told '${event}': jobs of ${name}`, async () => {
        for (const [variant, policies] of Object.entries(variants)) {
          for (let nth = 1; nth <= 4; nth++) {
            let offers = 6;
            let isEnding = false;
            let late = 0;
            const run = (n: number, context: JobContext): ObservableInput<number> => {
              if (isEnding) late++;
              return work(n, context);
            };
            const options = readPoolOptions<number, number>('BackgroundJobs', run, {
              workers: 2,
              buffer: 2,
              overflow: 'drop-incoming',
              timeout: 3,
              hooks: {
                settled: () => {
                  isEnding = jobs.level === 'abandon';
                  if (offers-- > 0) jobs.offer(9);
                },
              },
              ...policies(),
            });
            let calls = 0;
            const policy = (_: PoolDoors) => ({
              [event]: () => {
                if (++calls === nth) throw fault;
              },
            });
            const jobs: Jobs<number, number> = new Jobs<number, number>(
              { ...options, policies: [...options.policies, policy] },
              pipeline,
            );
            const ends: JobOutcome<number, number>[] = [];
            jobs.outcomes$.subscribe((outcome) => ends.push(outcome));
            let settled = 0;
            const callers = [0, 1, 2, 3, 4, 5].map((n) =>
              (n < 4 ? jobs.submit(n) : jobs.send(n)).catch(() => undefined).finally(() => settled++),
            );
            // Where the policy has not been told so often, the pool goes on.
            await Promise.race([jobs.ended, Promise.all(callers)]);
            const { level } = await jobs.shutdown('abandon', undefined);
            expect(level).to.equal('abandon');
            await turn();
            const { stats } = jobs;
            const at = `${variant}, call ${nth} of ${calls}`;
            expect([settled, late], at).to.eql([6, 0]);
            expect(new Set(ends.map(({ id }) => id)).size, at).to.equal(ends.length);
            // Those that come when the pool has ended are refused, and outcomes$ has completed.
            const isRun = ({ status }: JobOutcome<number, number>): boolean => status !== 'dropped';
            expect(ends.filter(isRun).length, at).to.equal(stats.completed + stats.failed + stats.aborted);
            for (const outcome of ends)
              if (outcome.status === 'aborted') expect(outcome.reason).to.be.an.instanceOf(JobAbortedError);
            expect(stats, at).to.include({ waiting: 0, queued: 0, delayed: 0, running: 0, lingering: 0 });
            expect(stats.offered, at).to.equal(stats.accepted + stats.refused);
            expect(stats.accepted, at).to.equal(stats.completed + stats.failed + stats.evicted + stats.aborted);
            expect(takeReported().filter((error) => error === fault).length, at).to.equal(calls >= nth ? 1 : 0);
          }
        }
      });
    }
  }
});
