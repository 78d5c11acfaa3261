import { LinkedQueue } from '../support/linkedQueue.js';
import { isBefore } from './entry.js';
import type { Entry } from './entry.js';
import { Heap } from '../support/heap.js';
import type { InHeap } from '../support/heap.js';
import type { Order } from './order.js';

/** The jobs of one rank, in the order of arrival. */
class Level<T> implements InHeap {
  readonly rank: number;
  readonly waiting = new LinkedQueue<Entry<T>>();
  at = 0;

  constructor(rank: number) {
    this.rank = rank;
  }
}

/** The highest rank first, and of one rank the oldest: O(1) for a job, where there are few ranks. */
export class LevelOrder<T> implements Order<T> {
  length = 0;
  readonly #levels = new Map<number, Level<T>>();
  readonly #ranks = new Heap<Level<T>>((a, b) => a.rank > b.rank);

  get startable(): number {
    return this.length;
  }

  get nextRank(): number {
    return this.#ranks.first?.rank ?? -Infinity;
  }

  add(entry: Entry<T>): void {
    const { rank } = entry;
    let level = this.#levels.get(rank);
    if (level === undefined) {
      this.#levels.set(rank, (level = new Level(rank)));
      this.#ranks.push(level);
    }
    level.waiting.push(entry);
    this.length++;
  }

  take(): Entry<T> {
    const level = this.#ranks.first!;
    return this.#left(level, level.waiting.shift());
  }

  remove(entry: Entry<T>): void {
    const level = this.#levels.get(entry.rank)!;
    this.#left(level, level.waiting.remove(entry));
  }

  entries(): Entry<T>[] {
    const entries: Entry<T>[] = [];
    for (const { waiting } of this.#ranks.inOrder())
      for (let entry = waiting.first; entry !== undefined; entry = entry.behind) entries.push(entry);
    return entries;
  }

  #left(level: Level<T>, entry: Entry<T>): Entry<T> {
    this.length--;
    if (level.waiting.length === 0) {
      this.#ranks.remove(level);
      this.#levels.delete(level.rank);
    }
    return entry;
  }
}

/** The same where almost every job has a rank of its own, as with ageing. */
export class PriorityOrder<T> implements Order<T> {
  readonly #heap = new Heap<Entry<T>>(isBefore);

  get length(): number {
    return this.#heap.length;
  }

  get startable(): number {
    return this.#heap.length;
  }

  get nextRank(): number {
    return this.#heap.first?.rank ?? -Infinity;
  }

  add(entry: Entry<T>): void {
    this.#heap.push(entry);
  }

  take(): Entry<T> {
    const first = this.#heap.first!;
    this.#heap.remove(first);
    return first;
  }

  remove(entry: Entry<T>): void {
    this.#heap.remove(entry);
  }

  entries(): Entry<T>[] {
    return this.#heap.inOrder();
  }
}

/**
 * The rank of a job that arrives. With ageing it is `priority − arrival / ageing`, a constant: of two jobs the order never
 * changes while they wait, and every job has its day.
 *
 * @throws TypeError when the priority is no number
 */
export function rankOf(priority: unknown, arrivedAt: number, ageing: number): number {
  if (typeof priority !== 'number' || Number.isNaN(priority)) {
    throw new TypeError(`priority must return a number, but returned ${String(priority)}`);
  }
  return priority - arrivedAt / ageing;
}
