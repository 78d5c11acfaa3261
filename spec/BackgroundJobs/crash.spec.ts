// Something throws inside the pipeline, where no job and no caller can take the blame.
import { expect } from 'chai';
import { asyncScheduler, BehaviorSubject, NEVER, Observable, Subscriber } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { BackgroundJobs } from '../../src/index.js';
import type { JobHooks, PoolConfig, Work } from '../../src/index.js';
import { fateOf, Held } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';
import { brief, nonZero } from './support.js';

const error = new Error('foreign');

/** An observer that RxJS does not guard: a Subscriber of a class of its own. What its first `next` throws reaches the pool. */
class Foreign extends Subscriber<unknown> {
  #hasThrown = false;

  override next(): void {
    if (this.#hasThrown) return;
    this.#hasThrown = true;
    throw error;
  }
}

describe('BackgroundJobs', () => {
  describe('when something throws inside its pipeline', () => {
    type Jobs = BackgroundJobs<string, unknown>;
    interface Trial {
      readonly jobs: Jobs;
      readonly held: Held<string>;
      readonly log: string[];
    }

    /** A handle of one worker and no buffer, whose jobs end when the spec says so. `inside` is called from inside each. */
    function trial(
      kind: 'streams' | 'promises',
      config: Partial<PoolConfig<string, unknown>> = {},
      inside: (job: string, jobs: Jobs) => void = () => undefined,
    ): Trial {
      const held = new Held<string>();
      const log: string[] = [];
      const hooks: JobHooks<string, unknown> = { settled: (outcome) => void log.push(brief(outcome)) };
      const work: Work<string, Observable<unknown>> = (job, context) => {
        inside(job, jobs);
        return held[kind](job, context) as Observable<unknown>;
      };
      const jobs: Jobs = new BackgroundJobs<string, unknown>(work, { workers: 1, buffer: 0, hooks, ...config });
      return { jobs, held, log };
    }

    /** Awaits the end, and tells how it was. */
    async function end(jobs: Jobs): Promise<unknown[]> {
      const { level } = await jobs.ended;
      await turn();
      const { queued, running, waiting } = jobs.stats;
      return [level, queued, running, waiting, jobs.offer('too late'), takeReported()];
    }
    const ENDED = ['abandon', 0, 0, 0, false, [error]];

    it('ends in a microtask, and not inside the offer that has met it: one that is refused', async () => {
      const { jobs, log } = trial('streams');
      const submitted = fateOf(jobs.submit('a'));
      jobs.outcomes$.subscribe(new Foreign());
      jobs.offer('b');
      expect([jobs.level, log]).to.eql([undefined, ['b full']]);
      expect(await end(jobs)).to.eql(ENDED);
      expect([submitted.status, log]).to.eql(['rejected', ['b full', 'a aborted', 'too late closed']]);
    });

    it('ends in a microtask, and not inside the offer that has met it: one that starts its job', async () => {
      const { jobs, log, held } = trial('streams', {}, (job, pool) => void (job === 'a' && pool.offer('b')));
      // The worker that this job leaves idle starts the next one in the call that offers it.
      jobs.offer('first');
      held.complete('first');
      jobs.outcomes$.subscribe(new Foreign());
      expect([jobs.offer('a'), jobs.level, held.called]).to.eql([true, undefined, ['first', 'a']]);
      expect(await end(jobs)).to.eql(ENDED);
      expect(log).to.eql(['first completed', 'b full', 'a aborted', 'too late closed']);
    });

    it('ends in a microtask, and not inside the call that ends the job: a stream', async () => {
      const { jobs, log, held } = trial('streams', { buffer: 1 });
      const fates = [fateOf(jobs.submit('a')), fateOf(jobs.submit('b'))];
      jobs.outcomes$.subscribe(new Foreign());
      held.complete('a');
      expect([jobs.level, log, held.called]).to.eql([undefined, ['a completed'], ['a']]);
      expect(await end(jobs)).to.eql(ENDED);
      expect(fates.map(({ status }) => status)).to.eql(['fulfilled', 'rejected']);
      expect(log).to.eql(['a completed', 'b shutdown', 'too late closed']);
    });

    it('ends when that is where a promise settles, with an outcome for every job', async () => {
      const { jobs, log, held } = trial('promises', { workers: 2, buffer: 1 });
      const fates = ['a', 'b', 'c'].map((job) => fateOf(jobs.submit(job)));
      fates.push(fateOf(jobs.send('d')));
      jobs.outcomes$.subscribe(new Foreign());
      held.complete('a');
      expect(await end(jobs)).to.eql(ENDED);
      expect(fates.map(({ status }) => status)).to.eql(['fulfilled', 'rejected', 'rejected', 'rejected']);
      expect(log.sort()).to.eql(['a completed', 'b aborted, not settled', 'c shutdown', 'd closed', 'too late closed']);
    });

    /** `a` has settled, and its settlement is held until the event loop has turned. `b` runs. */
    async function heldBack(): Promise<Trial & { readonly fates: readonly ReturnType<typeof fateOf>[] }> {
      const all = trial('promises', { workers: 2, yieldAfter: 0 });
      const fates = ['a', 'b'].map((job) => fateOf(all.jobs.submit(job)));
      all.held.complete('a');
      await Promise.resolve();
      await Promise.resolve();
      expect([all.log, all.jobs.stats.running]).to.eql([[], 2]);
      all.jobs.outcomes$.subscribe(new Foreign());
      return { ...all, fates };
    }

    it('ends when that is after the turn of the event loop for which a settlement was held', async () => {
      const { jobs, log, fates } = await heldBack();
      expect(await end(jobs)).to.eql(ENDED);
      expect(fates.map(({ status }) => status)).to.eql(['fulfilled', 'rejected']);
      expect(log).to.eql(['a completed', 'b aborted, not settled', 'too late closed']);
    });

    it('leaves its result to a job that has settled, and is held until the event loop has turned', async () => {
      const { jobs, log, fates } = await heldBack();
      jobs.offer('c');
      expect(log).to.eql(['c full']);
      expect(await end(jobs)).to.eql(ENDED);
      expect(fates.map(({ status }) => status)).to.eql(['fulfilled', 'rejected']);
      expect([log[0], ...log.slice(1).sort()]).to.eql([
        'c full',
        'a completed',
        'b aborted, not settled',
        'too late closed',
      ]);
    });

    it('tells hooks of all that had been refused by then, also where the shutdown has begun', async () => {
      const { jobs, log, held } = trial('streams', {}, (job, pool) => {
        if (job !== 'a') return;
        void pool.shutdown();
        for (const late of ['b', 'c']) pool.offer(late);
      });
      jobs.offer('first');
      held.complete('first');
      jobs.outcomes$.subscribe(new Foreign());
      jobs.offer('a');
      expect([jobs.level, log]).to.eql(['drain', ['first completed', 'b closed']]);
      await jobs.ended;
      expect(log).to.eql(['first completed', 'b closed', 'a aborted', 'c closed']);
      expect(await end(jobs)).to.eql(ENDED);
    });

    it('takes nothing in any more: no sender who waits, and no offer from a finalizer of what it stops', async () => {
      const workers = new BehaviorSubject(1);
      const log: string[] = [];
      const jobs: Jobs = new BackgroundJobs<string, unknown>(
        (job) =>
          new Observable(() => {
            log.push(`start ${job}`);
            return () => void log.push(`offered: ${jobs.offer('late')}`);
          }),
        {
          workers,
          buffer: 1,
          overflow: 'drop-incoming',
          retry: 1,
          hooks: { settled: (outcome) => void log.push(brief(outcome)) },
        },
      );
      const outcomes: string[] = [];
      jobs.outcomes$.subscribe((outcome) => outcomes.push(brief(outcome)));
      for (const job of ['a', 'b']) jobs.offer(job);
      const sent = fateOf(jobs.send('c'));
      workers.error(error);
      expect(await end(jobs)).to.eql(ENDED);
      const told = ['c closed', 'b shutdown', 'late closed', 'a aborted'];
      expect(log.slice(0, 6)).to.eql([
        'start a',
        'c closed',
        'b shutdown',
        'late closed',
        'offered: false',
        'a aborted',
      ]);
      expect(outcomes).to.eql(told);
      expect(sent.status).to.equal('rejected');
    });

    it('tells hooks of what had been counted by then: an acceptance before its loss', async () => {
      let now = (): number => 0;
      const scheduler: SchedulerLike = { now: () => now(), schedule: asyncScheduler.schedule.bind(asyncScheduler) };
      const log: string[] = [];
      const hooks: JobHooks<string, unknown> = {
        accepted: (job) => {
          log.push(`${job} accepted`);
          if (job === 'a') jobs.offer('b');
        },
        settled: (outcome) => void log.push(brief(outcome)),
      };
      const jobs: BackgroundJobs<string, unknown> = new BackgroundJobs((_: string) => NEVER, {
        workers: 1,
        buffer: 2,
        scheduler,
        hooks,
      });
      jobs.pause(10);
      now = () => {
        throw error;
      };
      // Whether the pause is over is asked of the clock.
      expect([jobs.offer('a'), jobs.level]).to.eql([true, undefined]);
      await jobs.ended;
      await turn();
      expect(log).to.eql(['a accepted', 'b accepted', 'a shutdown', 'b shutdown']);
      expect(nonZero(jobs.stats)).to.eql({ offered: 2, accepted: 2, evicted: 2 });
      expect(new Set(takeReported())).to.eql(new Set([error]));
    });
  });
});
