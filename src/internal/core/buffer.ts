import type { EvictionReason, Overflow, RefusalReason } from '../../types.js';
import { Fifo } from '../support/fifo.js';
import type { JobObserver } from './observer.js';
import type { JobStore, Removed } from './store.js';

/** What a buffer calls when it takes a job in or loses one. */
export type BufferObserver<T> = Pick<
  JobObserver<T, never>,
  | 'emitsOutcomes'
  | 'countAccepted'
  | 'countFailed'
  | 'notifyAccepted'
  | 'notifyFailed'
  | 'countRefused'
  | 'notifyRefused'
  | 'countRemoved'
  | 'notifyRemoved'
>;

/** A change that has been counted, and that the observer has yet to be notified of. */
interface News {
  readonly isLoss: boolean;
  notify(): void;
}

/**
 * What waits, and what happens when there is no room. The policy decides once: the victims leave, the arriving job has its
 * place, then the losses are notified. A job that a hook offers when it is told of one evicts nobody: it has room or is refused.
 */
export class Buffer<T> {
  readonly store: JobStore<T>;
  /** While true, news wait for a call of {@link notifyNext}: they do not interrupt the call that has caused them. */
  isDeferred = false;
  /** Something has been counted that is still to be notified. */
  hasNews = false;

  readonly #overflow: Overflow;
  readonly #observer: BufferObserver<T> | undefined;
  readonly #onNotified: () => void;
  readonly #news = new Fifo<News | undefined>(undefined);
  /** Acceptances among the news: those of the youngest in the store, and perhaps of some that have left it. */
  #unannounced = 0;
  /** Callbacks of an order are being asked, or hooks are told what will end the results: they may end the intake, but not the pool. */
  #deciding = 0;
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

  /** A change has been counted that the observer has not been told of, or is being told of now; or a job is about to have its end. */
  get isNotifying(): boolean {
    return this.#notifying > 0 || this.#deciding > 0 || this.hasNews;
  }

  /**
   * Asks the callbacks of the store's order about a job that arrives. `false`: it needs no place, because it has been merged into one
   * that waits, or has failed. What a callback throws is a failure of that job where outcomes are told; else it is thrown.
   */
  read(job: T, id: number): boolean {
    let isMerged = false;
    let failure: { readonly error: unknown } | undefined;
    this.#deciding++;
    try {
      isMerged = this.store.read!(job, id);
    } catch (error) {
      failure = { error };
      if (this.#observer) this.#fail(this.#observer, job, id, error);
    }
    this.#deciding--;
    if (failure) {
      if (!this.#observer?.emitsOutcomes) throw failure.error;
      if (!this.isNotifying) this.#onNotified();
      return false;
    }
    if (!isMerged) return true;
    this.refuse(job, id, 'coalesced');
    return false;
  }

  /** Gives `job` a place, if need be that of an evicted one. `false`: the job is refused. */
  place(job: T, id: number, hasRoom: boolean, isEvictable: boolean): boolean {
    const isFull = !hasRoom || (isEvictable && this.store.fullAt !== undefined);
    if (isFull && !this.#makeRoom(job, id)) return false;
    this.store.push(job, id, isEvictable);
    if (this.#observer) this.#accept(this.#observer, job, id);
    return true;
  }

  /** Evicts for `job` as the policy says. `false`: nobody, and the job is refused. */
  #makeRoom(job: T, id: number): boolean {
    if (!this.#mayEvict()) {
      const endsResults = this.#overflow === 'error';
      if (endsResults) this.#deciding++;
      this.refuse(job, id, 'full');
      if (endsResults) this.#deciding--;
      return false;
    }
    const observer = this.#observer;
    const removed = this.#evict();
    if (observer) {
      observer.countRemoved(removed);
      this.#add({ isLoss: true, notify: () => observer.notifyRemoved(removed, 'evicted') });
    }
    return true;
  }

  refuse(job: T, id: number, reason: RefusalReason): void {
    const observer = this.#observer;
    if (!observer) return;
    observer.countRefused(job);
    this.lose(() => observer.notifyRefused(job, id, reason));
  }

  /** Removes all that waits. With it are told those that were between two attempts. */
  drop(reason: EvictionReason, delayed: readonly Removed<T>[] = []): void {
    const { store } = this;
    const observer = this.#observer;
    const removed: Removed<T>[] = [...delayed];
    for (const job of store.drain?.() ?? allOf(store)) {
      if (observer) removed.push({ job, id: store.id, arrivedAt: store.arrivedAt });
    }
    this.notifyRemoved(removed, reason);
  }

  /** Removes the job that has waited longest. */
  dropOldest(reason: EvictionReason): void {
    const { store } = this;
    const job = store.takeOldest?.() ?? store.take();
    this.notifyRemoved([{ job, id: store.id, arrivedAt: store.arrivedAt }], reason);
  }

  /** Tells of jobs that have been removed. */
  notifyRemoved(removed: readonly Removed<T>[], reason: EvictionReason): void {
    const observer = this.#observer;
    if (!observer || removed.length === 0) return;
    observer.countRemoved(removed);
    this.lose(() => observer.notifyRemoved(removed, reason));
  }

  /** Adds a loss that has been counted: `notify` tells the observer of it. */
  lose(notify: () => void): void {
    this.#add({ isLoss: true, notify });
    this.#brought();
  }

  /** Notifies the acceptance of the job that starts next, before its start. A hook that is told may take the job away. */
  announceNext(): void {
    const { store } = this;
    // In another order any of them may be the next.
    if (!store.isFifo) while (this.notifyNext());
    while (store.length > 0 && this.#unannounced >= store.length && this.notifyNext());
  }

  /** Notifies the oldest of the news. `false`: there are none. */
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

  #fail(observer: BufferObserver<T>, job: T, id: number, error: unknown): void {
    observer.countAccepted();
    observer.countFailed(job);
    this.lose(() => {
      observer.notifyAccepted(job, id);
      observer.notifyFailed(job, id, error);
    });
  }

  #accept(observer: BufferObserver<T>, job: T, id: number): void {
    observer.countAccepted();
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
    return isEvicting(this.#overflow) && this.store.evictable > 0 && this.#notifying === 0;
  }

  /** All victims leave first, so that no hook told of one finds the next still waiting. */
  #evict(): Removed<T>[] {
    const { store } = this;
    const removed: Removed<T>[] = [];
    for (let count = this.#overflow === 'clear' ? store.evictable : 1; count > 0; count--) {
      const job = this.#victim();
      if (this.#observer) removed.push({ job, id: store.id, arrivedAt: store.arrivedAt });
    }
    return removed;
  }

  #victim(): T {
    const { store } = this;
    if (this.#overflow === 'drop-lowest') return store.evictLowest!();
    return this.#overflow === 'replace-newest' ? store.evictNewest!() : store.evictOldest!();
  }
}

/** Does the policy take a place from a job that waits? */
export function isEvicting(overflow: Overflow): boolean {
  return overflow !== 'error' && overflow !== 'drop-incoming';
}

function* allOf<T>(store: JobStore<T>): Generator<T, void> {
  while (store.length > 0) yield store.take();
}
