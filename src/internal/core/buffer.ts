import type { EvictionReason, Overflow, RefusalReason } from '../../types.js';
import { Fifo } from '../support/fifo.js';
import type { JobObserver } from './observer.js';
import type { JobStore, Removed } from './store.js';

/** Whom a buffer tells of what it takes in and loses. */
export type BufferObserver<T> = Pick<
  JobObserver<T, never>,
  'countAccepted' | 'notifyAccepted' | 'countRefused' | 'notifyRefused' | 'countRemoved' | 'notifyRemoved'
>;

/** What has been counted, and is still to be notified. */
interface News {
  readonly isLoss: boolean;
  notify(): void;
}

/**
 * What waits, and what happens when there is no room: the policy decides once, the arriving job has its place, then the
 * losses are notified. A hook told of an eviction may offer a job; it finds the buffer full and is refused.
 */
export class Buffer<T> {
  readonly store: JobStore<T>;
  /** News wait until somebody calls {@link notifyNext}, and do not interrupt who brings them. */
  isDeferred = false;
  /** Something has been counted that is still to be notified. */
  hasNews = false;

  readonly #overflow: Overflow;
  readonly #observer: BufferObserver<T> | undefined;
  readonly #onNotified: () => void;
  readonly #news = new Fifo<News | undefined>(undefined);
  /** Jobs whose acceptance is still to be notified: the youngest, and perhaps some that have left. */
  #unannounced = 0;
  /** Losses that are being notified: a hook told of one may cause the next. */
  #notifying = 0;

  /** @param onNotified called when no loss is left to be notified */
  constructor(
    store: JobStore<T>,
    overflow: Overflow,
    observer: BufferObserver<T> | undefined,
    onNotified: () => void = () => undefined,
  ) {
    this.store = store;
    this.#overflow = overflow;
    this.#observer = observer;
    this.#onNotified = onNotified;
  }

  /** Something has been counted that not everybody has been told of. */
  get isNotifying(): boolean {
    return this.#notifying > 0 || this.hasNews;
  }

  /** Gives `job` a place, if need be that of another. `false`: it is refused. */
  place(job: T, id: number, hasRoom: boolean, isEvictable: boolean): boolean {
    const { store } = this;
    const observer = this.#observer;
    if (hasRoom) {
      store.push(job, id, isEvictable);
      if (observer) this.#accept(observer, job, id);
      return true;
    }
    if (!this.#mayEvict()) {
      this.refuse(job, id, 'full');
      return false;
    }
    const removed = this.#evict();
    store.push(job, id, isEvictable);
    if (observer) {
      observer.countRemoved(removed, 'evicted');
      observer.countAccepted(job);
      this.#add({ isLoss: true, notify: () => observer.notifyRemoved(removed, 'evicted') });
      this.#announce(observer, job, id);
    }
    return true;
  }

  refuse(job: T, id: number, reason: RefusalReason): void {
    const observer = this.#observer;
    if (!observer) return;
    observer.countRefused(job, reason);
    this.lose(() => observer.notifyRefused(job, id, reason));
  }

  /** All that waits loses its place. */
  drop(reason: EvictionReason): readonly Removed<T>[] {
    const { store } = this;
    const observer = this.#observer;
    const removed: Removed<T>[] = [];
    while (store.length > 0) {
      const job = store.take();
      if (observer) removed.push({ job, id: store.id, arrivedAt: store.arrivedAt });
    }
    if (observer && removed.length > 0) {
      observer.countRemoved(removed, reason);
      this.lose(() => observer.notifyRemoved(removed, reason));
    }
    return removed;
  }

  /** A loss has been counted: `notify` tells of it. */
  lose(notify: () => void): void {
    this.#add({ isLoss: true, notify });
    this.#brought();
  }

  /** Notifies the acceptance of the job that starts next, before its start. A hook that is told may take the job away. */
  announceNext(): void {
    const { store } = this;
    while (store.length > 0 && this.#unannounced >= store.length && this.notifyNext());
  }

  /** Notifies what was counted first. `false`: there is nothing. */
  notifyNext(): boolean {
    if (!this.hasNews) return false;
    const { isLoss, notify } = this.#news.shift()!;
    this.hasNews = this.#news.length > 0;
    if (isLoss) this.#notifying++;
    else this.#unannounced--;
    notify();
    if (isLoss) this.#notifying--;
    if (!this.isNotifying) this.#onNotified();
    return true;
  }

  #accept(observer: BufferObserver<T>, job: T, id: number): void {
    observer.countAccepted(job);
    if (this.isDeferred || this.hasNews) this.#announce(observer, job, id);
    else observer.notifyAccepted(job, id);
  }

  #announce(observer: BufferObserver<T>, job: T, id: number): void {
    this.#unannounced++;
    this.#add({ isLoss: false, notify: () => observer.notifyAccepted(job, id) });
    this.#brought();
  }

  #add(news: News): void {
    this.hasNews = true;
    this.#news.push(news);
  }

  #brought(): void {
    if (!this.isDeferred) while (this.notifyNext());
  }

  #mayEvict(): boolean {
    const isEvicting = this.#overflow !== 'error' && this.#overflow !== 'drop-incoming';
    return isEvicting && this.store.evictable > 0 && this.#notifying === 0;
  }

  /** All victims leave first, so that no hook told of one finds the next still waiting. */
  #evict(): Removed<T>[] {
    const { store } = this;
    const removed: Removed<T>[] = [];
    for (let count = this.#overflow === 'clear' ? store.evictable : 1; count > 0; count--) {
      const job = this.#overflow === 'replace-newest' ? store.evictNewest() : store.evictOldest();
      if (this.#observer) removed.push({ job, id: store.id, arrivedAt: store.arrivedAt });
    }
    return removed;
  }
}
