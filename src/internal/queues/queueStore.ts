import type { Owned } from '../core/observer.js';
import type { JobStore } from '../core/store.js';
import { LinkedQueue } from '../support/linkedQueue.js';
import { Entry } from './entry.js';
import type { Order } from './entry.js';

/** What waits in an order of its own, in every form: an entry for each job, found in O(1) where it has to leave. */
export class QueueStore<T> implements JobStore<T> {
  readonly isFifo = false;
  length = 0;
  locked = 0;
  id = 0;
  arrivedAt = 0;
  lane: object | undefined = undefined;
  rank = 0;

  readonly #order: Order<T>;
  readonly #now: () => number;
  /** Items are records that somebody owns. */
  readonly #isOwned: boolean;
  /** What an overflow policy may choose, in the order of arrival. */
  readonly #evictable = new LinkedQueue<Entry<T>>();
  /** The rest, in the order of arrival. */
  readonly #kept = new LinkedQueue<Entry<T>>();
  /** The entries of records. */
  readonly #entries = new Map<T, Entry<T>>();
  #pushed = 0;

  constructor(order: Order<T>, now: () => number, isOwned: boolean) {
    this.#order = order;
    this.#now = now;
    this.#isOwned = isOwned;
  }

  get nextRank(): number | undefined {
    return this.#order.nextRank;
  }

  get evictable(): number {
    return this.#evictable.length;
  }

  push(item: T, id: number, isEvictable: boolean): void {
    const record = item as T & Owned & { readonly isEvictable: boolean };
    const entry = new Entry(item, id, this.#isOwned ? record.arrivedAt : this.#now(), this.#pushed++);
    this.#order.add(entry, this.#isOwned ? record.job : item);
    (isEvictable && (!this.#isOwned || record.isEvictable) ? this.#evictable : this.#kept).push(entry);
    if (this.#isOwned) this.#entries.set(item, entry);
    this.#changed();
  }

  take(): T {
    return this.#left(this.#order.take());
  }

  evictOldest(): T {
    return this.#evict(this.#evictable.first!);
  }

  evictNewest(): T {
    return this.#evict(this.#evictable.last!);
  }

  get #oldest(): Entry<T> {
    const [evictable, kept] = [this.#evictable.first, this.#kept.first];
    return kept === undefined || (evictable !== undefined && evictable.order < kept.order) ? evictable! : kept;
  }

  get oldestArrival(): number {
    return this.#oldest.arrivedAt;
  }

  takeOldest(): T {
    return this.#evict(this.#oldest);
  }

  done(lane: object): void {
    this.#order.done?.(lane);
    this.#changed();
  }

  *drain(): Generator<T, void> {
    for (const entry of this.#order.entries()) yield this.#evict(entry);
  }

  has(item: T): boolean {
    return this.#entries.has(item);
  }

  remove(item: T): void {
    this.#evict(this.#entries.get(item)!);
  }

  *[Symbol.iterator](): Generator<T, void> {
    for (const { job } of this.#order.entries()) yield job;
  }

  #evict(entry: Entry<T>): T {
    this.#order.remove(entry);
    entry.lane = undefined;
    return this.#left(entry);
  }

  #left(entry: Entry<T>): T {
    (entry.queue as LinkedQueue<Entry<T>>).remove(entry);
    if (this.#isOwned) this.#entries.delete(entry.job);
    this.id = entry.id;
    this.arrivedAt = entry.arrivedAt;
    this.lane = entry.lane;
    this.rank = entry.rank;
    this.#changed();
    return entry.job;
  }

  #changed(): void {
    this.length = this.#order.length;
    this.locked = this.length - this.#order.startable;
  }
}
