import { isEvicting } from '../core/buffer.js';
import type { Owned } from '../core/observer.js';
import type { JobStore } from '../core/store.js';
import type { Overflow } from '../../types.js';
import { Entry } from './entry.js';
import type { Order, QueueRules } from './order.js';
import { Victims } from './victims.js';

/** What a {@link QueueStore} is made of. */
interface QueueStoreParts {
  readonly rules: QueueRules;
  readonly overflow: Overflow;
  readonly keepsArrivals: boolean;
  readonly now: () => number;
  /** Items are records that somebody owns. */
  readonly isOwned: boolean;
}

/** What waits in an order of its own, in every form: an entry for each job, found in O(1) where it has to leave. */
export class QueueStore<T> implements JobStore<T> {
  readonly isFifo = false;
  readonly merges: boolean;
  length = 0;
  locked = 0;
  id = 0;
  arrivedAt = 0;
  lane: object | undefined = undefined;
  isLocked = false;
  fullAt: number | undefined = undefined;
  rank = 0;
  order = 0;

  readonly #rules: QueueRules;
  readonly #order: Order<T>;
  readonly #now: () => number;
  /** Items are records that somebody owns. */
  readonly #isOwned: boolean;
  readonly #isByRank: boolean;
  /** What an evicting policy may choose. */
  readonly #victims: Victims<T> | undefined;
  /** In the order of arrival, where somebody asks for the oldest. */
  readonly #arrivals: Set<Entry<T>> | undefined;
  /** The entries of records. */
  readonly #entries = new Map<T, Entry<T>>();
  #pushed = 0;
  /** How many of them are decided to start. */
  #decided = 0;
  /** The job that was read last, and those of which one may leave for it. */
  #arriving: Entry<T> | undefined;
  #candidates: Victims<T> | undefined;

  constructor({ rules, overflow, keepsArrivals, now, isOwned }: QueueStoreParts) {
    this.#rules = rules;
    this.#isByRank = overflow === 'drop-lowest';
    this.#order = rules.makeOrder<T>(this.#isByRank);
    this.#victims = isEvicting(overflow) ? new Victims<T>(Infinity, this.#isByRank) : undefined;
    this.#now = now;
    this.#isOwned = isOwned;
    this.merges = rules.merge !== undefined;
    this.#arrivals = keepsArrivals ? new Set() : undefined;
  }

  get nextRank(): number | undefined {
    return this.#order.nextRank;
  }

  read(item: T, id: number): boolean {
    const entry = new Entry<T>(id, this.#isOwned ? owned(item).arrivedAt : this.#now());
    this.#rules.read(entry, this.#payload(item) as never);
    // A leased job is never merged, into another or with one.
    if (this.#isOwned && owned(item).lease !== undefined) entry.mergeKey = entry;
    if (this.merges && this.#merge(entry, item)) return true;
    this.#arriving = entry;
    this.isLocked = this.#order.isLocked?.(entry) ?? false;
    const lane = this.#order.victims?.(entry);
    const isFull = lane !== undefined && lane.length >= lane.capacity && this.#isEvictable(item);
    this.fullAt = isFull ? lane.capacity : undefined;
    this.#candidates = isFull ? lane : this.#victims;
    return false;
  }

  push(item: T, _id: number, isEvictable: boolean): void {
    const entry = this.#arriving!;
    this.#arriving = undefined;
    entry.job = item;
    entry.order = this.#pushed++;
    // Of a record this says that its start is decided: nothing that comes after it starts before it. It passes nothing either.
    if (this.#isOwned && !isEvictable && this.#decided === this.#order.startable) {
      entry.isDecided = true;
      entry.rank = Infinity;
      this.#decided++;
    }
    this.#order.add(entry);
    this.#arrivals?.add(entry);
    if (isEvictable && this.#isEvictable(item)) {
      entry.mark = this.#victims?.add(entry);
      entry.laneMark = this.#order.victims?.(entry)?.add(entry);
    }
    if (this.#isOwned) this.#entries.set(item, entry);
    this.#changed();
  }

  take(): T {
    return this.#left(this.#order.take());
  }

  // ---- What an overflow policy may choose

  get evictable(): number {
    const { length, lowest } = this.#candidates!;
    // The job that arrives is the youngest of its rank.
    return lowest !== undefined && this.#arriving!.rank <= lowest.rank ? 0 : length;
  }

  evictOldest(): T {
    return this.#evict(this.#candidates!.oldest!);
  }

  evictNewest(): T {
    return this.#evict(this.#candidates!.newest!);
  }

  evictLowest(): T {
    return this.#evict(this.#candidates!.lowest!);
  }

  #oldest(): Entry<T> {
    return this.#arrivals!.values().next().value!;
  }

  get oldestArrival(): number {
    const { arrivedAt, job } = this.#oldest();
    return this.#isOwned ? owned(job).placedAt : arrivedAt;
  }

  takeOldest(): T {
    return this.#evict(this.#oldest());
  }

  get oldestOrder(): number {
    return this.length > 0 ? this.#oldest().order : Infinity;
  }

  get isOldestStartable(): boolean {
    return this.#order.isReady?.(this.#oldest()) ?? true;
  }

  promoteOldest(): void {
    this.#order.promote?.(this.#oldest());
  }

  done(lane: object): void {
    // Or its key, which may be a job, would be held until the next one is taken.
    if (this.lane === lane) this.lane = undefined;
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

  /** `merge` may do anything: the job that waits may have left when it returns, and then the next one of the key is asked for. */
  #merge(entry: Entry<T>, item: T): boolean {
    const order = this.#order;
    for (let waiting: Entry<T> | undefined; (waiting = order.claim?.(entry)) !== undefined;) {
      let merged: unknown;
      let hasMerged = false;
      try {
        merged = this.#rules.merge!(this.#payload(waiting.job) as never, this.#payload(item) as never);
        hasMerged = waiting.parts > 0;
        if (hasMerged) waiting.parts++;
      } finally {
        if (waiting.parts > 0) order.release!(waiting);
      }
      if (!hasMerged) continue;
      if (this.#isOwned) owned(waiting.job).adopt(owned(item), merged);
      else waiting.job = merged as T;
      if (!this.#isEvictable(item)) this.#keep(waiting);
      return true;
    }
    return false;
  }

  #payload(item: T): unknown {
    return this.#isOwned ? owned(item).job : item;
  }

  #isEvictable(item: T): boolean {
    return !this.#isOwned || owned(item).isEvictable;
  }

  #evict(entry: Entry<T>): T {
    this.#order.remove(entry);
    entry.lane = undefined;
    return this.#left(entry);
  }

  #left(entry: Entry<T>): T {
    this.#keep(entry);
    if (entry.isDecided) this.#decided--;
    this.#arrivals?.delete(entry);
    if (this.#isOwned) this.#entries.delete(entry.job);
    this.id = entry.id;
    this.arrivedAt = entry.arrivedAt;
    this.lane = entry.lane;
    this.rank = entry.rank;
    this.order = entry.order;
    this.#changed();
    return entry.job;
  }

  /** No overflow policy may choose it any more. */
  #keep(entry: Entry<T>): void {
    entry.mark?.leave();
    entry.laneMark?.leave();
    entry.mark = entry.laneMark = undefined;
  }

  #changed(): void {
    this.length = this.#order.length;
    this.locked = this.length - this.#order.startable;
  }
}

/** An item, where somebody has made a record of it. */
function owned(item: unknown): Owned {
  return item as Owned;
}
