import { describedBy, describeQueue } from './internal/queues/description.js';
import { CoalescedOrder } from './internal/queues/coalesced.js';
import { FifoOrder } from './internal/queues/fifo.js';
import { LaneStore } from './internal/queues/laneStore.js';
import { LevelStore } from './internal/queues/levelStore.js';
import { KeyedOrder } from './internal/queues/keys.js';
import { LevelOrder, PriorityOrder, rankOf } from './internal/queues/priority.js';
import { checkConfig, checkCount, checkFunction, checkPositive, wrong } from './internal/support/checks.js';
import type { JobQueue } from './types.js';

/** How {@link byPriority} weighs waiting. */
export interface PriorityConfig {
  /** Milliseconds of waiting, > 0, that weigh as much as one step of priority. @default Infinity, no ageing */
  readonly ageing?: number | undefined;
}

/**
 * An order for a pool's `queue`: the waiting job with the highest priority starts first, and of one priority the oldest.
 *
 * The priority is read once, when the job arrives. With `ageing` no job waits for ever: each `ageing` milliseconds of waiting
 * count as one step of priority. A priority that throws, or is no number, fails that job alone, with 0 attempts;
 * in workerPool, where a failed job is the results' error, it ends the results.
 *
 *     jobs     -a1-b5-c9---|          1 worker, jobs of 6 frames, buffer: 2, by the number
 *     output   -------a-----c-----(b|)
 *
 * @param priority a number, the higher the sooner
 * @returns a description without state: each subscription has an order of its own
 * @throws TypeError or RangeError that names the option and its value
 * @example
 * ```ts
 * import { of } from 'rxjs';
 * import { byPriority, workerPool } from 'rxjs-background-jobs';
 *
 * const queue = byPriority((mail: { to: string; urgency: number }) => mail.urgency, { ageing: 60_000 });
 * of({ to: 'ann', urgency: 1 }, { to: 'bob', urgency: 1 }, { to: 'eve', urgency: 2 })
 *   .pipe(workerPool(async ({ to }) => to, { workers: 1, buffer: 100, queue }))
 *   .subscribe((to) => console.log(to)); // → ann
 * // → eve
 * // → bob
 * ```
 */
export function byPriority<J>(priority: (job: J) => number, config: PriorityConfig = {}): JobQueue<J> {
  checkFunction(`byPriority's priority`, priority);
  const { ageing = Infinity } = checkConfig('byPriority', config, ['ageing']);
  const step = checkPositive('ageing', ageing);
  return describeQueue<J>({
    kind: 'byPriority',
    isRanked: true,
    read: (entry, job) => {
      entry.rank = rankOf(priority(job), entry.arrivedAt, step);
    },
    makeOrder: () => (step === Infinity ? new LevelOrder() : new PriorityOrder()),
    makeLean: step === Infinity ? <T>() => new LevelStore<T>(priority) : undefined,
  });
}

/** How {@link byKey} treats the jobs of one key. */
export interface KeyConfig<J> {
  /** Jobs of one key that run at once: an integer ≥ 1, or Infinity. @default 1, one after the other */
  readonly limit?: number | undefined;
  /**
   * Jobs of one key that may wait, of those that came without waiting (by `offer`, by `submit`, from an Observable): an integer
   * ≥ 1, or Infinity. At so many the key is a full buffer of its own, in which `overflow` decides. @default Infinity
   */
  readonly most?: number | undefined;
  /** The order in which the jobs of one key start. @default first come, first served */
  readonly lane?: JobQueue<J> | undefined;
}

/**
 * An order for a pool's `queue`: jobs of one key run `limit` at a time, in their order, and the keys take turns, one start each.
 *
 * A key's jobs wait while `limit` of them run, also where a worker is free; jobs of other keys pass them. A key of which
 * nothing waits or runs leaves nothing behind. A key function that throws fails that job alone, as in {@link byPriority}.
 *
 * Starts are fair; places are so with `most`. Without it one key may fill the buffer. With it a key of which `most` jobs wait
 * is full, also where the buffer is not: `'drop-oldest'` with `most: 1` keeps the newest of each key, `'drop-incoming'` refuses
 * the key's next job. What was pulled or sent has waited for its place: it does not count, and is never evicted.
 *
 *     jobs     -(abxy)----------|     2 workers, jobs of 4 frames, a and b of one key, x and y of another
 *     output   -----(ax)-(by|)
 *
 * @param key compared as the keys of a Map are
 * @returns a description without state: each subscription has lanes of its own
 * @throws TypeError or RangeError that names the option and its value
 * @example
 * ```ts
 * import { BackgroundJobs, byKey } from 'rxjs-background-jobs';
 *
 * const bill = async (order: { customer: string; id: number }): Promise<number> => order.id;
 * const queue = byKey((order: { customer: string }) => order.customer, { most: 1 });
 * const jobs = new BackgroundJobs(bill, { workers: 8, buffer: 1000, overflow: 'drop-incoming', queue });
 * console.log(jobs.offer({ customer: 'ann', id: 1 })); // → true
 * console.log(jobs.offer({ customer: 'ann', id: 2 })); // → true
 * console.log(jobs.offer({ customer: 'ann', id: 3 })); // → false
 * console.log(jobs.offer({ customer: 'bob', id: 4 }), jobs.stats.running, jobs.stats.queued); // → true 2 1
 * ```
 */
export function byKey<J>(key: (job: J) => unknown, config: KeyConfig<J> = {}): JobQueue<J> {
  checkFunction(`byKey's key`, key);
  const { limit = 1, most = Infinity, lane } = checkConfig('byKey', config, ['limit', 'most', 'lane']);
  const inside = lane === undefined ? undefined : describedBy('lane', lane);
  if (inside?.kind === 'byKey') wrong('lane', 'an order inside a key', lane, ': byKey inside byKey has no meaning');
  const rules = {
    limit: checkCount('limit', limit, 1),
    most: checkCount('most', most, 1),
    makeOrder: inside?.makeOrder ?? (<T>() => new FifoOrder<T>()),
  };
  return describeQueue<J>({
    kind: 'byKey',
    isRanked: inside?.isRanked === true,
    read: (entry, job) => {
      entry.key = key(job);
      inside?.read(entry, job);
    },
    makeOrder: <T>(isByRank: boolean) => new KeyedOrder<T>(rules, isByRank),
    makeLean: inside === undefined && rules.most === Infinity ? <T>() => new LaneStore<T>(key, rules.limit) : undefined,
    merge: inside?.merge,
  });
}

/** How {@link coalesced} merges. */
export interface CoalesceConfig {
  /** Jobs that are merged into one: an integer ≥ 1, or Infinity. @default Infinity */
  readonly most?: number | undefined;
}

/**
 * An order for a pool's `queue`: an arriving job is merged into the waiting one of its key, up to `most` of them, and then a
 * new one begins; what waits starts first come, first served.
 *
 * The merged job keeps the place, the age and the id of the waiting one, so merging needs no room and comes before the overflow
 * policy. What ran into it is dropped as `'coalesced'`, which is no loss: its `offer` is true, its `send` resolves, and its
 * `submit` ends as the merged job does. A job that has started is never merged into.
 *
 * A caller who gives up, by its signal or by unsubscribing, rejects its own promise alone; the merged job is aborted when all of
 * its callers have given up. It runs in the async context of the first, and an overflow policy may choose it only if it may
 * choose all of its parts. A `key` or `merge` that throws fails the arriving job alone, as in {@link byPriority}; the waiting
 * one stays as it was. `merge` is called once for each job that is merged; a job of the same key that `merge` itself
 * offers is not merged into the same job.
 *
 *     jobs     -(abc)------|         1 worker, jobs of 4 frames, one key, merged by adding their letters
 *     output   -----a---m--|         m is bc
 *
 * @param key compared as the keys of a Map are
 * @param merge what both jobs are together; it may change the waiting one and return it
 * @returns a description without state: each subscription has jobs of its own
 * @throws TypeError or RangeError that names the option and its value
 * @example
 * ```ts
 * import { BackgroundJobs, coalesced } from 'rxjs-background-jobs';
 *
 * // One insert of all that waits; each caller has its own promise.
 * const insertAll = async (rows: string[]): Promise<void> => console.log(`inserts ${rows.join(', ')}`); // → inserts ann
 * const queue = coalesced(
 *   () => 'rows',
 *   (waiting: string[], incoming: string[]) => [...waiting, ...incoming],
 *   { most: 500 },
 * );
 * const inserts = new BackgroundJobs(insertAll, { workers: 1, buffer: 10, queue });
 * await Promise.all([inserts.submit(['ann']), inserts.submit(['bob']), inserts.submit(['eve'])]);
 * // → inserts bob, eve
 * ```
 */
export function coalesced<J>(
  key: (job: J) => unknown,
  merge: (waiting: J, incoming: J) => J,
  config: CoalesceConfig = {},
): JobQueue<J> {
  checkFunction(`coalesced's key`, key);
  checkFunction(`coalesced's merge`, merge);
  const { most = Infinity } = checkConfig('coalesced', config, ['most']);
  const parts = checkCount('most', most, 1);
  return describeQueue<J>({
    kind: 'coalesced',
    isRanked: false,
    read: (entry, job) => {
      entry.mergeKey = key(job);
    },
    makeOrder: <T>() => new CoalescedOrder<T>(parts),
    merge,
  });
}
