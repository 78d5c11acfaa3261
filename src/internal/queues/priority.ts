import type { Entry, Order } from './entry.js';

/**
 * A binary heap: the highest rank first, and of one rank the oldest. With ageing the rank is `priority − arrival / ageing`, a
 * constant: of two jobs the order never changes while they wait, and every job has its day.
 */
export class PriorityOrder<T> implements Order<T> {
  readonly #heap: Entry<T>[] = [];
  readonly #priority: (job: unknown) => number;
  readonly #ageing: number;

  /** @param priority without one it is first come, first served */
  constructor(priority: (job: unknown) => number = () => 0, ageing: number = Infinity) {
    this.#priority = priority;
    this.#ageing = ageing;
  }

  get length(): number {
    return this.#heap.length;
  }

  get startable(): number {
    return this.#heap.length;
  }

  get nextRank(): number {
    return this.#heap[0]?.rank ?? -Infinity;
  }

  add(entry: Entry<T>, job: unknown): void {
    const priority: unknown = this.#priority(job);
    if (typeof priority !== 'number' || Number.isNaN(priority)) {
      throw new TypeError(`priority must return a number, but returned ${String(priority)}`);
    }
    entry.rank = priority - entry.arrivedAt / this.#ageing;
    this.#up(entry, this.#heap.push(entry) - 1);
  }

  take(): Entry<T> {
    const first = this.#heap[0]!;
    this.remove(first);
    return first;
  }

  remove(entry: Entry<T>): void {
    const last = this.#heap.pop()!;
    if (last === entry) return;
    this.#down(last, entry.at);
    this.#up(last, last.at);
  }

  entries(): Entry<T>[] {
    return [...this.#heap].sort((a, b) => (isBefore(a, b) ? -1 : 1));
  }

  #up(entry: Entry<T>, at: number): void {
    const heap = this.#heap;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(entry, heap[above]!)) break;
      this.#put(heap[above]!, at);
      at = above;
    }
    this.#put(entry, at);
  }

  #down(entry: Entry<T>, at: number): void {
    const heap = this.#heap;
    for (let child: number; (child = 2 * at + 1) < heap.length; at = child) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, entry)) break;
      this.#put(heap[child]!, at);
    }
    this.#put(entry, at);
  }

  #put(entry: Entry<T>, at: number): void {
    this.#heap[at] = entry;
    entry.at = at;
  }
}

function isBefore(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.rank > b.rank || (a.rank === b.rank && a.order < b.order);
}
