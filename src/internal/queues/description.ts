import { isEvicting } from '../core/buffer.js';
import type { StoreFactory } from '../core/store.js';
import type { JobQueue, Overflow } from '../../types.js';
import { wrong } from '../support/checks.js';
import { isObject } from '../support/is.js';
import type { QueueRules } from './order.js';
import { QueueStore } from './queueStore.js';

/** Under this name a description keeps what it describes: two copies of the package know each other's. */
const QUEUE = Symbol.for('rxjs-background-jobs:queue');

/** What a description keeps: the code of an order comes with it, and a pool without one carries none. */
interface Described extends QueueRules {
  /** @throws TypeError for a pool that this order contradicts */
  readonly makeStore: (overflow: Overflow, hasTtl: boolean, isOrdered: boolean) => StoreFactory;
}

export function describeQueue<J>(rules: QueueRules): JobQueue<J> {
  const makeStore = (overflow: Overflow, hasTtl: boolean, isOrdered: boolean): StoreFactory => {
    if (isOrdered && rules.isRanked) {
      throw new TypeError(
        `ordered is true, and queue goes by priority: results cannot come in the order of arrival while jobs start in another; leave one of the two out`,
      );
    }
    // The oldest is asked for then, whatever the order of starts.
    const keepsArrivals = hasTtl || isOrdered;
    return <T>(now: () => number, isOwned: boolean, isUnwatched = false) => {
      const isLean = isUnwatched && !isOwned && !keepsArrivals && !isEvicting(overflow);
      const lean = isLean ? rules.makeLean?.<T>() : undefined;
      return lean ?? new QueueStore<T>({ rules, overflow, keepsArrivals, now, isOwned });
    };
  };
  const described: Described = { ...rules, makeStore };
  return Object.freeze({ [QUEUE]: described }) as unknown as JobQueue<J>;
}

/** @throws TypeError when `value` is no description of a queue */
export function describedBy(name: string, value: unknown): Described {
  const described = isObject(value) ? (value[QUEUE] as Described | undefined) : undefined;
  return described ?? wrong(name, 'made by byPriority, byKey or coalesced', value);
}
