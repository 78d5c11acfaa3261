import type { Linked } from '../support/linkedQueue.js';
import type { InHeap } from '../support/heap.js';

/** A job that waits in an order of its own, or that is about to. */
export class Entry<T> implements Linked<Entry<T>>, InHeap {
  /** From its place on. */
  job!: T;
  readonly id: number;
  readonly arrivedAt: number;
  /** Its place among all that were placed. */
  order = 0;
  /** Higher ranks start first; of one rank the oldest. */
  rank = 0;
  /** Its start is decided, and waits for its turn. */
  isDecided = false;
  /** Where jobs have keys: its key, and while it waits its lane. */
  key: unknown = undefined;
  lane: object | undefined = undefined;
  /** Where jobs are merged: the key by which they are, and how many it is while it waits. */
  mergeKey: unknown = undefined;
  parts = 0;
  /** Where it stands among those that an overflow policy may choose: of all, and of its lane. */
  mark: { leave(): void } | undefined = undefined;
  laneMark: { leave(): void } | undefined = undefined;
  // Its place in its order, which is a heap or a line.
  at = 0;
  queue: object | undefined = undefined;
  ahead: Entry<T> | undefined = undefined;
  behind: Entry<T> | undefined = undefined;

  constructor(id: number, arrivedAt: number) {
    this.id = id;
    this.arrivedAt = arrivedAt;
  }
}

/** Does `a` start before `b`? */
export function isBefore(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.rank > b.rank || (a.rank === b.rank && a.order < b.order);
}
