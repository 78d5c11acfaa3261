import type { Observer } from 'rxjs';
import type { Delayed } from '../core/delayed.js';
import type { Lease, Owned, Slot } from '../core/observer.js';
import type { JobStore } from '../core/store.js';
import { captureScope } from '../support/asyncScope.js';
import type { AsyncScope } from '../support/asyncScope.js';
import { LinkedQueue } from '../support/linkedQueue.js';
import type { Linked } from '../support/linkedQueue.js';
import { ignoreRejection } from '../support/reporting.js';
import type { RefusalReason } from '../../types.js';
import { Party } from './party.js';

// The door through which a job has come.
export const OFFERED = 0;
export const SENT = 1;
export const SUBMITTED = 2;
export const PULLED = 3;
/** By `submit$`. */
export const OBSERVED = 4;
export type Door = typeof OFFERED | typeof SENT | typeof SUBMITTED | typeof PULLED | typeof OBSERVED;

/** One job of the handle, wherever it is. One flat class: a subclass with fields costs more than a promise job's bookkeeping. */
export class JobRecord<J, R> implements Owned<J>, Linked<JobRecord<J, R>> {
  job: J;
  readonly door: Door;
  readonly id: number;
  /** Milliseconds, by the clock of the pool. */
  readonly arrivedAt: number;
  /** When it got its place: a sender's later than it came. */
  placedAt: number;
  /** An overflow policy may choose it: it came by `offer` or `submit`, and did not wait for its place. */
  isEvictable: boolean;
  /** It belongs to an engine, which is told how it ends. */
  lease: Lease | undefined = undefined;
  /** Its place among all that were placed. */
  order = 0;
  /** The worker's slot that runs it. */
  slot: Slot | undefined = undefined;
  /** It is between two attempts. */
  delayed: Delayed<unknown> | undefined = undefined;
  /** The async context of its caller, where it will be needed. */
  scope: AsyncScope | undefined = undefined;
  /** Why it was not given a place. */
  refusal: RefusalReason | undefined = undefined;
  /** Its caller gives it up when this is aborted. */
  signal: AbortSignal | undefined = undefined;
  /** Its caller has given it up. */
  isCancelled = false;
  values: Observer<R> | undefined = undefined;
  /** All that have been merged, of the merged job and of each of them. */
  party: Party<JobRecord<J, R>, J> | undefined = undefined;
  promise: Promise<unknown> | undefined = undefined;
  resolve: ((value: unknown) => void) | undefined = undefined;
  reject: ((error: unknown) => void) | undefined = undefined;
  queue: object | undefined = undefined;
  ahead: JobRecord<J, R> | undefined = undefined;
  behind: JobRecord<J, R> | undefined = undefined;

  constructor(job: J, door: Door, id: number, arrivedAt: number) {
    this.job = job;
    this.door = door;
    this.id = id;
    this.arrivedAt = this.placedAt = arrivedAt;
    this.isEvictable = door !== SENT && door !== PULLED;
    if (door === SENT || door === SUBMITTED) {
      this.promise = new Promise((resolve, reject) => {
        this.resolve = resolve;
        this.reject = reject;
      });
    }
  }

  /** Its caller is told how it ends. */
  get isCalled(): boolean {
    return this.door === SUBMITTED || this.door === OBSERVED;
  }

  /** Rejects its promise. Where no caller handles it, this raises no unhandledRejection. */
  rejectQuietly(error: unknown): void {
    if (this.promise === undefined) return;
    ignoreRejection(this.promise);
    this.reject!(error);
  }

  /** A sender's job has its place, and the event loop has had its turn. */
  resume(): void {
    this.resolve!(undefined);
  }

  /** `other` has been merged into this job while it waits. */
  adopt(other: JobRecord<J, R>, merged: J): void {
    other.keepScope();
    this.isEvictable &&= other.isEvictable;
    const party = (this.party ??= new Party(this, this.job));
    this.job = merged;
    // Given up inside the call that has merged it: its caller is not counted.
    if (other.isCancelled) return;
    other.party = party;
    party.add(other, other.isCalled);
  }

  /** Keeps the async context of this call, for what is called for the job later. */
  keepScope(): void {
    this.scope ??= captureScope();
  }
}

/**
 * The jobs that wait, in the order of their places. Those that may be evicted are a queue of their own, so that a victim is
 * found at once; those that were pulled, sent or are about to start are in the other queue.
 */
export class RecordStore<J, R> implements JobStore<JobRecord<J, R>> {
  readonly locked = 0;
  readonly isFifo = true;
  readonly lane: undefined;
  readonly rank = 0;
  length = 0;
  id = 0;
  arrivedAt = 0;
  readonly #evictable = new LinkedQueue<JobRecord<J, R>>();
  readonly #protected = new LinkedQueue<JobRecord<J, R>>();
  #pushed = 0;

  get oldestArrival(): number {
    const [evictable, kept] = [this.#evictable.first, this.#protected.first];
    return Math.min(evictable?.placedAt ?? Infinity, kept?.placedAt ?? Infinity);
  }

  get evictable(): number {
    return this.#evictable.length;
  }

  push(record: JobRecord<J, R>, _id: number, isEvictable: boolean): void {
    record.order = this.#pushed++;
    this.length++;
    (isEvictable && record.isEvictable ? this.#evictable : this.#protected).push(record);
  }

  take(): JobRecord<J, R> {
    const [evictable, kept] = [this.#evictable.first, this.#protected.first];
    const isEvictable = kept === undefined || (evictable !== undefined && evictable.order < kept.order);
    return this.#leave(isEvictable ? evictable! : kept);
  }

  evictOldest(): JobRecord<J, R> {
    return this.#leave(this.#evictable.first!);
  }

  evictNewest(): JobRecord<J, R> {
    return this.#leave(this.#evictable.last!);
  }

  /** Does `record` wait here? */
  has({ queue }: JobRecord<J, R>): boolean {
    return queue === this.#evictable || queue === this.#protected;
  }

  remove(record: JobRecord<J, R>): void {
    (record.queue === this.#evictable ? this.#evictable : this.#protected).remove(record);
    this.length--;
  }

  /** From the oldest to the youngest. */
  *[Symbol.iterator](): Generator<JobRecord<J, R>, void> {
    let [evictable, kept] = [this.#evictable.first, this.#protected.first];
    while (evictable !== undefined || kept !== undefined) {
      if (kept === undefined || (evictable !== undefined && evictable.order < kept.order)) {
        yield evictable!;
        evictable = evictable!.behind;
      } else {
        yield kept;
        kept = kept.behind;
      }
    }
  }

  #leave(record: JobRecord<J, R>): JobRecord<J, R> {
    this.id = record.id;
    this.arrivedAt = record.arrivedAt;
    this.remove(record);
    return record;
  }
}
