import type { Linked } from '../support/linkedQueue.js';

/** A job that waits in an order of its own. */
export class Entry<T> implements Linked<Entry<T>> {
  readonly job: T;
  readonly id: number;
  readonly arrivedAt: number;
  /** Its place among all that have come. */
  readonly order: number;
  /** Higher ranks start first; of one rank the oldest. */
  rank = 0;
  /** Its place in a heap. */
  at = 0;
  /** Its lane, where jobs have keys. */
  lane: object | undefined = undefined;
  queue: object | undefined = undefined;
  ahead: Entry<T> | undefined = undefined;
  behind: Entry<T> | undefined = undefined;

  constructor(job: T, id: number, arrivedAt: number, order: number) {
    this.job = job;
    this.id = id;
    this.arrivedAt = arrivedAt;
    this.order = order;
  }
}

/** Which of the waiting jobs starts next. */
export interface Order<T> {
  readonly length: number;
  /** How many of them could start now. */
  readonly startable: number;
  /** The rank of the next one, -Infinity when there is none; absent where ranks do not decide. */
  readonly nextRank?: number;
  /** @param job what the entry's job is to its user. What a callback throws goes to the caller, and nothing has changed */
  add(entry: Entry<T>, job: unknown): void;
  /** Removes the next one. Only when `startable > 0`. */
  take(): Entry<T>;
  remove(entry: Entry<T>): void;
  /** A job of `lane` has ended, and its slot is free. */
  done?(lane: object): void;
  /** In the order in which they would start. */
  entries(): Entry<T>[];
}

/** Makes an order, for one subscription. */
export type OrderFactory = <T>() => Order<T>;
