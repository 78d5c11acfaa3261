import { expect } from 'chai';
import { NEVER } from 'rxjs';
import { BackgroundJobs } from '../../src/index.js';
import type { PoolStats } from '../../src/index.js';
import { fateOf, Held } from '../support/deferred.js';
import { nonZero, outcomesOf } from './support.js';

describe('BackgroundJobs', () => {
  describe('stats', () => {
    it('has each job in one state, step by step', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1, overflow: 'drop-oldest' });
      const controller = new AbortController();
      const steps: [() => unknown, Partial<PoolStats>][] = [
        [() => undefined, {}],
        [() => jobs.offer('a'), { offered: 1, accepted: 1, running: 1 }],
        [() => jobs.offer('b'), { offered: 2, accepted: 2, running: 1, queued: 1 }],
        [() => jobs.offer('c'), { offered: 3, accepted: 3, running: 1, queued: 1, evicted: 1 }],
        [() => fateOf(jobs.send('d')), { offered: 4, accepted: 3, running: 1, queued: 1, evicted: 1, waiting: 1 }],
        [() => jobs.offer('e'), { offered: 5, accepted: 3, refused: 1, running: 1, queued: 1, evicted: 1, waiting: 1 }],
        [
          () => held.complete('a'),
          { offered: 5, accepted: 4, refused: 1, running: 1, queued: 1, completed: 1, evicted: 1 },
        ],
        [
          () => held.fail('c', new Error('c')),
          { offered: 5, accepted: 4, refused: 1, running: 1, completed: 1, failed: 1, evicted: 1 },
        ],
        [
          () => fateOf(jobs.submit('f', { signal: controller.signal })),
          { offered: 6, accepted: 5, refused: 1, running: 1, queued: 1, completed: 1, failed: 1, evicted: 1 },
        ],
        [
          () => controller.abort(),
          { offered: 6, accepted: 5, refused: 1, running: 1, completed: 1, failed: 1, evicted: 1, aborted: 1 },
        ],
        [
          () => jobs.shutdown('abort'),
          { offered: 6, accepted: 5, refused: 1, completed: 1, failed: 1, evicted: 1, aborted: 2 },
        ],
        [
          () => jobs.offer('late'),
          { offered: 7, accepted: 5, refused: 2, completed: 1, failed: 1, evicted: 1, aborted: 2 },
        ],
      ];
      // An outcome that somebody has seen is not reported.
      outcomesOf(jobs);
      for (const [step, counters] of steps) {
        step();
        expect(nonZero(jobs.stats), String(step)).to.eql(counters);
      }
      await jobs.ended;
    });

    it('is a copy: it tells of the moment at which it was read', async () => {
      const jobs = new BackgroundJobs(() => NEVER, { workers: 3, buffer: 0 });
      const before = jobs.stats;
      jobs.offer('a');
      expect([before.offered, jobs.stats.offered, before.workers]).to.eql([0, 1, 3]);
      await jobs.shutdown('abort');
    });

    it('belongs to one pool: two of them share nothing', async () => {
      const [one, other] = [1, 2].map(() => new BackgroundJobs(() => NEVER, { workers: 1, buffer: 0 }));
      expect([one!.offer('a'), other!.offer('a'), one!.offer('b')]).to.eql([true, true, false]);
      expect([one!.stats.offered, other!.stats.offered]).to.eql([2, 1]);
      await one!.shutdown('abort');
      expect(other!.stats.running).to.equal(1);
      await other!.shutdown('abort');
    });
  });
});
