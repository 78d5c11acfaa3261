import { expect } from 'chai';
import { NEVER, of, take } from 'rxjs';
import { BackgroundJobs } from '../../src/index.js';
import type { JobHooks } from '../../src/index.js';
import { fateOf, Held } from '../support/deferred.js';
import { turn } from '../support/guard.js';
import { brief, outcomesOf, POLICIES } from './support.js';
import { isPossible } from '../support/policies.js';
import type { AnyOverflow } from '../support/policies.js';

describe('BackgroundJobs', () => {
  describe('offer', () => {
    it('starts a job in the same call when a worker is free', async () => {
      const log: string[] = [];
      const jobs = new BackgroundJobs((job: string) => (log.push(`work ${job}`), of(job)), { workers: 1, buffer: 0 });
      jobs.outcomes$.subscribe((outcome) => log.push(brief(outcome)));
      log.push(`offer ${String(jobs.offer('a'))}`);
      expect(log).to.eql(['work a', 'a completed', 'offer true']);
      await jobs.shutdown();
    });

    for (const [workers, buffer] of [
      [1, 0],
      [2, 0],
      [1, 3],
      [3, 2],
    ] as const) {
      it(`accepts ${workers + buffer} jobs with ${workers} workers and a buffer of ${buffer}, and refuses the next`, async () => {
        const held = new Held<number>();
        const jobs = new BackgroundJobs(held.streams, { workers, buffer });
        const answers = Array.from({ length: workers + buffer + 2 }, (_, job) => jobs.offer(job));
        expect(answers.indexOf(false)).to.equal(workers + buffer);
        expect(answers.lastIndexOf(true)).to.equal(workers + buffer - 1);
        expect(held.called).to.eql(Array.from({ length: workers }, (_, job) => job));
        await jobs.shutdown('abort');
      });
    }

    const victims: Record<AnyOverflow, { answer: boolean; told: string[]; run: string[] }> = {
      error: { answer: false, told: ['d full'], run: ['a', 'b', 'c'] },
      'drop-incoming': { answer: false, told: ['d full'], run: ['a', 'b', 'c'] },
      'drop-oldest': { answer: true, told: ['b evicted'], run: ['a', 'c', 'd'] },
      'replace-newest': { answer: true, told: ['c evicted'], run: ['a', 'b', 'd'] },
      clear: { answer: true, told: ['b evicted', 'c evicted'], run: ['a', 'd'] },
    };
    for (const overflow of POLICIES) {
      const { answer, told, run } = victims[overflow];
      it(`at a full buffer, '${overflow}': the answer is ${String(answer)}, and ${told.join(', ')}`, async () => {
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 2, overflow });
        const outcomes = outcomesOf(jobs);
        for (const job of ['a', 'b', 'c']) jobs.offer(job);
        expect(jobs.offer('d')).to.equal(answer);
        expect(outcomes).to.eql(told);
        for (let i = 0; i < held.called.length; i++) held.complete(held.called[i]!);
        expect(held.called).to.eql(run);
        await jobs.shutdown();
      });

      it(`without a buffer, '${overflow}' evicts nobody: a busy pool refuses, or there is no such pool`, async () => {
        if (!isPossible({ buffer: 0, overflow })) {
          const make = (): unknown => new BackgroundJobs(() => NEVER, { workers: 1, buffer: 0, overflow });
          expect(make).to.throw(TypeError, `with buffer: 0, but is '${overflow}': nothing waits that it could evict`);
          return;
        }
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0, overflow });
        const outcomes = outcomesOf(jobs);
        expect([jobs.offer('a'), jobs.offer('b')]).to.eql([true, false]);
        expect(outcomes).to.eql(['b full']);
        await jobs.shutdown('abort');
      });

      it(`never overtakes a waiting sender, and evicts nobody while one waits, '${overflow}'`, async () => {
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1, overflow });
        jobs.offer('a');
        jobs.offer('b');
        const sent = fateOf(jobs.send('c'));
        const told: string[] = [];
        jobs.outcomes$.pipe(take(3)).subscribe((outcome) => {
          told.push(brief(outcome));
          // There is a place now, but it is the sender's.
          if (outcome.job === 'a') told.push(`offered: ${String(jobs.offer('e'))}`);
        });
        expect(jobs.offer('d')).to.equal(false);
        held.complete('a');
        expect(told).to.eql(['d full', 'a completed', 'e full', 'offered: false']);
        held.complete('b');
        expect(held.called).to.eql(['a', 'b', 'c']);
        await turn();
        expect(sent.status).to.equal('fulfilled');
        await jobs.shutdown('abort');
      });
    }

    it('answers for its own job when a hook offers another in place of the evicted one, and is refused', async () => {
      const held = new Held<string>();
      const inner: boolean[] = [];
      const hooks: JobHooks<string> = {
        settled: ({ job }) => {
          if (job === 'b') inner.push(jobs.offer('new'));
        },
      };
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1, overflow: 'drop-oldest', hooks });
      jobs.offer('a');
      jobs.offer('b');
      // The arriving job has the place by the time that the hook is told of b.
      expect(jobs.offer('c')).to.equal(true);
      expect(inner).to.eql([false]);
      held.complete('a');
      expect(held.called).to.eql(['a', 'c']);
      await jobs.shutdown('abort');
    });

    it('answers for its own job when another one is refused from a hook', async () => {
      const held = new Held<string>();
      const inner: boolean[] = [];
      const hooks: JobHooks<string> = {
        accepted: (job) => {
          if (job === 'b') inner.push(jobs.offer('c'));
        },
      };
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1, hooks });
      jobs.offer('a');
      expect(jobs.offer('b')).to.equal(true);
      expect(inner).to.eql([false]);
      await jobs.shutdown('abort');
    });
  });
});
