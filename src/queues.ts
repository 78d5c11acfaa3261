import { describedBy, describeQueue } from './internal/queues/description.js';
import { KeyedOrder } from './internal/queues/keys.js';
import { PriorityOrder } from './internal/queues/priority.js';
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
 * The priority is read once, when the job arrives. With `ageing` every job has its day: one that has waited `ageing` milliseconds
 * longer counts as much as one of a step more. A priority that throws, or is no number, fails that job alone, with 0 attempts;
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
 * mails$.pipe(workerPool(send, { workers: 2, buffer: 100, queue: byPriority((mail) => mail.urgency, { ageing: 60_000 }) }));
 * ```
 */
export function byPriority<J>(priority: (job: J) => number, config: PriorityConfig = {}): JobQueue<J> {
  checkFunction(`byPriority's priority`, priority);
  const { ageing = Infinity } = checkConfig('byPriority', config, ['ageing']);
  const step = checkPositive('ageing', ageing);
  return describeQueue('byPriority', () => new PriorityOrder(priority as (job: unknown) => number, step));
}

/** How {@link byKey} treats the jobs of one key. */
export interface KeyConfig<J> {
  /** Jobs of one key that run at once: an integer ≥ 1, or Infinity. @default 1, one after the other */
  readonly limit?: number | undefined;
  /** The order in which the jobs of one key start. @default first come, first served */
  readonly lane?: JobQueue<J> | undefined;
}

/**
 * An order for a pool's `queue`: jobs of one key run `limit` at a time, in their order, and the keys take turns, one start each.
 *
 * A key's jobs wait while `limit` of them run, also where a worker is free; jobs of other keys pass them. A key of which
 * nothing waits or runs leaves nothing behind. A key function that throws fails that job alone, as in {@link byPriority}.
 *
 *     jobs     -(abxy)----------|     2 workers, jobs of 4 frames, a and b of one key, x and y of another
 *     output   -----(ax)-(by|)
 *
 * @param key compared as the keys of a Map are
 * @returns a description without state: each subscription has lanes of its own
 * @throws TypeError or RangeError that names the option and its value
 * @example
 * ```ts
 * const jobs = new BackgroundJobs(bill, { workers: 8, buffer: 1000, queue: byKey((order: Order) => order.customer) });
 * ```
 */
export function byKey<J>(key: (job: J) => unknown, config: KeyConfig<J> = {}): JobQueue<J> {
  checkFunction(`byKey's key`, key);
  const { limit = 1, lane } = checkConfig('byKey', config, ['limit', 'lane'], ['most']);
  const most = checkCount('limit', limit, 1);
  const inside = lane === undefined ? undefined : describedBy('lane', lane);
  if (inside?.kind === 'byKey') wrong('lane', 'an order inside a key', lane, ': byKey inside byKey has no meaning');
  const makeLane = inside?.makeOrder ?? (<T>() => new PriorityOrder<T>());
  return describeQueue('byKey', <T>() => new KeyedOrder<T>(key as (job: unknown) => unknown, most, makeLane));
}
