import { LinkedQueue } from '../support/linkedQueue.js';
import type { Entry } from './entry.js';
import type { Order } from './order.js';

/** First come, first served. */
export class FifoOrder<T> implements Order<T> {
  readonly #line = new LinkedQueue<Entry<T>>();

  get length(): number {
    return this.#line.length;
  }

  get startable(): number {
    return this.#line.length;
  }

  add(entry: Entry<T>): void {
    this.#line.push(entry);
  }

  take(): Entry<T> {
    return this.#line.shift();
  }

  remove(entry: Entry<T>): void {
    this.#line.remove(entry);
  }

  entries(): Entry<T>[] {
    const entries: Entry<T>[] = [];
    for (let entry = this.#line.first; entry !== undefined; entry = entry.behind) entries.push(entry);
    return entries;
  }
}
