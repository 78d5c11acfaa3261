import { expect } from 'chai';
import * as fc from 'fast-check';
import { byKey, byPriority } from '../../src/index.js';
import type { JobQueue } from '../../src/index.js';
import type { JobStore } from '../../src/internal/core/store.js';
import { describedBy } from '../../src/internal/queues/description.js';
import { LaneStore } from '../../src/internal/queues/laneStore.js';
import { LevelStore } from '../../src/internal/queues/levelStore.js';
import { QueueStore } from '../../src/internal/queues/queueStore.js';

/** What is done to a store: a job comes, the next one starts, one that runs ends; at last all that waits leaves. */
type Act = readonly ['push', sort: number] | readonly ['take'] | readonly ['done', which: number];

interface Job {
  readonly id: number;
  readonly sort: number;
}

/** A store of payloads holds the same, and gives the same next, as the one that keeps an entry for each job. */
describe('a store of payloads', () => {
  const acts: fc.Arbitrary<Act[]> = fc.array<Act>(
    fc.oneof(
      { weight: 5, arbitrary: fc.tuple(fc.constant('push' as const), fc.integer({ min: 0, max: 5 })) },
      { weight: 4, arbitrary: fc.constant(['take'] as const) },
      { weight: 3, arbitrary: fc.tuple(fc.constant('done' as const), fc.nat(20)) },
    ),
    { maxLength: 400, size: 'max' },
  );
  const queues: Record<string, readonly [queue: JobQueue<Job>, made: new (...args: never[]) => unknown]> = {
    byPriority: [byPriority<Job>(({ sort }) => sort), LevelStore],
    'byKey, one at a time': [byKey<Job>(({ sort }) => sort), LaneStore],
    'byKey, two at a time': [byKey<Job>(({ sort }) => sort, { limit: 2 }), LaneStore],
    'byKey, without a limit': [byKey<Job>(({ sort }) => sort, { limit: Infinity }), LaneStore],
  };

  for (const [name, [queue, made]] of Object.entries(queues)) {
    it(`is the same as one of entries: ${name}`, () => {
      let taken = 0;
      fc.assert(
        fc.property(acts, (program) => {
          const make = describedBy('queue', queue).makeStore('error', false, false);
          const lean = make<Job>(() => 0, false, true)!;
          const full = make<Job>(() => 0, false, false)!;
          expect(lean).to.be.instanceOf(made);
          expect(full).to.be.instanceOf(QueueStore);
          const stores: readonly [JobStore<Job>, JobStore<Job>] = [lean, full];
          const running: (readonly [object | undefined, object | undefined])[] = [];
          const both = (act: (store: JobStore<Job>) => unknown): void => {
            const [one, other] = stores.map(act);
            expect(one).to.deep.equal(other);
          };
          program.forEach((act, id) => {
            if (act[0] === 'push') {
              both((store) => {
                const job = { id, sort: act[1] };
                const isMerged = store.read!(job, id);
                store.push(job, id, false);
                return isMerged;
              });
            } else if (act[0] === 'take') {
              if (full.length <= full.locked) return;
              taken++;
              both((store) => store.take());
              both((store) => store.rank);
              running.push([lean.lane, full.lane]);
            } else if (running.length > 0) {
              const [lanes] = running.splice(act[1] % running.length, 1);
              if (lanes![1] !== undefined) stores.forEach((store, i) => store.done!(lanes![i]!));
            }
            both(({ length, locked, nextRank }) => [length, locked, nextRank]);
          });
          const left = stores.map((store) => {
            const jobs: number[] = [];
            if (store.drain) for (const { id } of store.drain()) jobs.push(id);
            else while (store.length > 0) jobs.push(store.take().id);
            return [...jobs].sort((a, b) => a - b);
          });
          expect(left[0]).to.deep.equal(left[1]);
          both(({ length, locked }) => [length, locked]);
        }),
        { numRuns: 200 },
      );
      expect(taken).to.be.greaterThan(1000);
    });
  }
});
