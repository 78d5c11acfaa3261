import { Fifo } from '../support/fifo.js';
import type { Turn } from './turns.js';

/** What waits, in the order in which it is taken. */
export interface JobStore<T> {
  readonly length: number;
  /** How many of them may not start now, because of those that run. */
  readonly locked: number;
  /** Jobs start in the order in which they have come. */
  readonly isFifo: boolean;
  /** What the job that left last has to give back when it has ended: see {@link done}. */
  readonly lane: object | undefined;
  /** The rank of the job that left last, and that of the next one, in an order of ranks: the higher starts first. */
  readonly rank: number;
  readonly nextRank?: number | undefined;
  /** How many an overflow policy may remove: in an order, for the job that was read last. */
  readonly evictable: number;
  /** The id and the arrival of the job that left last, where the store keeps them. */
  readonly id: number;
  readonly arrivedAt: number;
  /**
   * Asks the callbacks of an order about a job that arrives: before {@link push}, and before its place is decided. What they
   * throw goes to the caller, and nothing has changed. `true`: it has been merged into one that waits.
   */
  read?(job: T, id: number): boolean;
  /** Of the job that was read last: those of its own lane fill that, which has a place for so many. */
  readonly fullAt?: number | undefined;
  /** Of the job that was read last: it has to wait for some of those that run. */
  readonly isLocked?: boolean;
  /** Jobs that arrive may be merged into those that wait. */
  readonly merges?: boolean;
  push(job: T, id: number, isEvictable: boolean): void;
  /** Removes the oldest. Only when `length > 0`. */
  take(): T;
  /** Removes the oldest that may be evicted. Only when `evictable > 0`. */
  evictOldest?(): T;
  /** Removes the youngest that may be evicted. Only when `evictable > 0`. */
  evictNewest?(): T;
  /** The place in the order of arrival of the job that left last, where starts have an order of their own. */
  readonly order?: number;
  /** And that of the oldest, Infinity when nothing waits; where the store keeps it. */
  readonly oldestOrder?: number;
  /** May that one start now? */
  readonly isOldestStartable?: boolean;
  /** It is the next one. */
  promoteOldest?(): void;
  /** When the job got its place that has waited longest, where the store keeps that. Only when `length > 0`. */
  readonly oldestArrival?: number;
  /** Removes that one. By default it is the next. */
  takeOldest?(): T;
  /** Removes the lowest in rank that may be evicted. Only when `evictable > 0`. */
  evictLowest?(): T;
  /** A job of `lane` has ended, and its slot is free. */
  done?(lane: object): void;
  /** Removes all, also what may not start, in the order of starts: each is yielded when it has left. */
  drain?(): Iterable<T>;
}

/**
 * Makes the store of one subscription, by its clock; where items are owned they are records. `undefined`: the form's own will do.
 *
 * @param isUnwatched nobody is told the ids and times of the jobs
 */
export type StoreFactory = <T>(now: () => number, isOwned: boolean, isUnwatched?: boolean) => JobStore<T> | undefined;

/** A job that has lost its place, with what was known of it there. */
export interface Removed<T> {
  readonly job: T;
  readonly id: number;
  readonly arrivedAt: number;
  /** Where it has been tried. */
  readonly attempts?: number;
  readonly turn?: Turn | undefined;
}

/** Payloads and nothing else, for a pool that nobody watches: 8 bytes a job. */
export class PlainStore<T> extends Fifo<T | undefined> implements JobStore<T> {
  readonly id = 0;
  readonly arrivedAt = 0;
  readonly locked = 0;
  readonly isFifo = true;
  readonly lane: undefined;
  readonly rank = 0;

  constructor() {
    super(undefined);
  }

  get evictable(): number {
    return this.length;
  }

  take(): T {
    return this.shift() as T;
  }

  evictOldest(): T {
    return this.shift() as T;
  }

  evictNewest(): T {
    return this.pop() as T;
  }
}
