import type { JobStore } from '../core/store.js';

/**
 * What waits in an order of its own where no job leaves but to start, and nobody is told of one: payloads and links, and no
 * {@link Entry}, which makes a waiting job cost four promise jobs.
 */
export abstract class LeanStore<T> implements JobStore<T> {
  readonly isFifo = false;
  /** No overflow policy removes any. */
  readonly evictable = 0;
  readonly id = 0;
  readonly arrivedAt = 0;
  length = 0;
  locked = 0;
  lane: object | undefined = undefined;
  rank = 0;

  abstract read(job: T): boolean;
  abstract push(job: T): void;
  abstract take(): T;
}
