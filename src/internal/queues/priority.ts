import { isBefore } from './entry.js';
import type { Entry } from './entry.js';
import { Heap } from './heap.js';
import type { Order } from './order.js';

/** The highest rank first, and of one rank the oldest. */
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
