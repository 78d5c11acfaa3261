// What a user has given may throw when the pool lets go of it: that is reported, and everything else goes on.
import { expect } from 'chai';
import { asyncScheduler, BehaviorSubject, NEVER, Observable, of, Subject, Subscription } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { BackgroundJobs } from '../../src/index.js';
import type { JobContext, PoolConfig, PoolStats } from '../../src/index.js';
import { Deferred, fateOf } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';
import { LEVELS, nonZero } from './support.js';

const error = new Error('teardown');

/** As `inner`, but its teardown throws. */
function hostile<T>(inner: Observable<T>): Observable<T> {
  return new Observable((subscriber) => {
    const subscription = inner.subscribe(subscriber);
    return () => {
      subscription.unsubscribe();
      throw error;
    };
  });
}

const hostileScheduler: SchedulerLike = {
  now: () => asyncScheduler.now(),
  schedule: (work, delay, state) => {
    const action = asyncScheduler.schedule(work as never, delay, state);
    return new Subscription(() => {
      action.unsubscribe();
      throw error;
    });
  },
};

type Config = Partial<PoolConfig<string, unknown>>;

/** All that was offered has ended. */
function expectAllEnded(stats: PoolStats): void {
  const { accepted, aborted, completed, evicted, failed, offered, refused } = stats;
  expect(
    nonZero({ ...stats, offered: 0, accepted: 0, refused: 0, completed: 0, failed: 0, evicted: 0, aborted: 0 }),
  ).to.eql({});
  expect(offered).to.equal(accepted + refused);
  expect(accepted).to.equal(completed + failed + evicted + aborted);
}

/** What is given to the pool, and lets go badly. */
const given: Record<string, (due: Observable<unknown>) => Config> = {
  'the notifier of a retry': (due) => ({ retry: { count: 1, delay: () => hostile(due) } }),
  'the notifier of a retry, inside its own value': () => ({ retry: { count: 1, delay: () => hostile(of('now')) } }),
  'the number of workers': () => ({ workers: hostile(new BehaviorSubject(2)) }),
  'the shutdown notifier': () => ({ shutdown: hostile(NEVER) }),
  'the timers of a scheduler': () => ({ scheduler: hostileScheduler, timeout: 60_000, ttl: 60_000 }),
  'a job': () => ({}),
};

describe('BackgroundJobs', () => {
  describe('a teardown that throws', () => {
    for (const [what, configOf] of Object.entries(given)) {
      for (const level of LEVELS) {
        it(`keeps no job, no promise and no end from coming: that of ${what}, at '${level}'`, async () => {
          const due = new Subject<void>();
          const release = new Deferred();
          const work = (job: string, { attempt }: JobContext): Promise<string> | Observable<string> => {
            if (job === 'a' && attempt === 1) return Promise.reject(new Error('work'));
            if (job === 'c' && what === 'a job') return hostile<string>(NEVER);
            return release.promise.then(() => job);
          };
          const jobs = new BackgroundJobs<string, unknown>(work as never, {
            workers: 2,
            buffer: 3,
            ...configOf(due),
          });
          const fates = ['a', 'b', 'c', 'd'].map((job) => fateOf(jobs.submit(job)));
          const listening = jobs.listenTo([]);
          await turn();
          const ended = jobs.shutdown(level, { deadline: 60_000 });
          due.next();
          release.resolve();
          await turn();
          // A job that never ends by itself.
          if (jobs.stats.running > 0) void jobs.shutdown('abort');
          await ended;
          await turn();
          expect(fates.filter(({ status }) => status === 'open')).to.eql([]);
          expectAllEnded(jobs.stats);
          expect(listening.closed).to.equal(true);
          const reported = takeReported().map((thrown) => (thrown as { errors?: unknown[] }).errors?.[0] ?? thrown);
          for (const thrown of reported) expect(thrown).to.equal(error);
        });
      }
    }

    it('keeps no shutdown from going on: that of a source, of which nobody hears, as with takeUntil', async () => {
      const jobs = new BackgroundJobs((job: string) => of(job), {
        workers: 1,
        buffer: 1,
        overflow: 'drop-incoming',
      });
      jobs.listenTo(hostile(NEVER));
      jobs.listenTo(hostile(NEVER));
      expect((await jobs.shutdown()).level).to.equal('drain');
      await turn();
      expect(takeReported()).to.eql([]);
    });
  });

  it('ends where the scheduler of a timeout throws: its job has an outcome', async () => {
    const scheduler: SchedulerLike = {
      now: () => asyncScheduler.now(),
      schedule: () => {
        throw error;
      },
    };
    const jobs = new BackgroundJobs((job: string) => Promise.resolve(job), {
      workers: 1,
      buffer: 1,
      scheduler,
      timeout: 1000,
    });
    const fates = ['a', 'b'].map((job) => fateOf(jobs.submit(job)));
    await jobs.ended;
    await turn();
    expect(fates.filter(({ status }) => status === 'open')).to.eql([]);
    expectAllEnded(jobs.stats);
    expect(new Set(takeReported())).to.eql(new Set([error]));
  });
});
