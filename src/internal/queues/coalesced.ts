import type { Entry } from './entry.js';
import { FifoOrder } from './fifo.js';

/** First come, first served; a job that arrives is merged into the waiting one of its key, up to `most` of them. */
export class CoalescedOrder<T> extends FifoOrder<T> {
  readonly #most: number;
  /** The job of each key into which the next one is merged. */
  readonly #open = new Map<unknown, Entry<T>>();

  constructor(most: number) {
    super();
    this.#most = most;
  }

  override add(entry: Entry<T>): void {
    super.add(entry);
    entry.parts = 1;
    if (this.#most > 1) this.#open.set(entry.mergeKey, entry);
  }

  override take(): Entry<T> {
    return this.#left(super.take());
  }

  override remove(entry: Entry<T>): void {
    super.remove(entry);
    this.#left(entry);
  }

  /** `merge` is about to be called: a job of the same key that it offers must not be merged into the same one. */
  claim({ mergeKey }: Entry<T>): Entry<T> | undefined {
    const waiting = this.#open.get(mergeKey);
    this.#open.delete(mergeKey);
    return waiting;
  }

  release(waiting: Entry<T>): void {
    const { mergeKey, parts } = waiting;
    // What `merge` has offered is younger, and stays the open one.
    if (parts < this.#most && !this.#open.has(mergeKey)) this.#open.set(mergeKey, waiting);
  }

  #left(entry: Entry<T>): Entry<T> {
    entry.parts = 0;
    if (this.#open.get(entry.mergeKey) === entry) this.#open.delete(entry.mergeKey);
    return entry;
  }
}
