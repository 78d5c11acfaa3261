import type { EvictionReason, JobContext, RefusalReason } from '../../types.js';
import type { JobStore, Removed } from './store.js';

/** How a job that ran has ended. */
export type Verdict = 'completed' | 'failed' | 'aborted' | 'abandoned';

/** A slot with its job, as an observer sees it. */
export interface Slot<T> {
  readonly job: T;
  // Kept here for the observer, which writes them at the start.
  id: number;
  arrivedAt: number;
  startedAt: number;
  readonly context: JobContext;
  /** 1…N */
  readonly number: number;
  /** Its value comes alone and with its end. */
  readonly isPromise: boolean;
  /** Asks the job to end, with `reason` for its signal. */
  abort(reason: unknown): void;
}

/**
 * What the core tells of its jobs. Each event comes in two steps: it is counted when the state changes, and notified when
 * its turn has come, which may be later.
 */
export interface JobObserver<T, R> {
  /** Where its jobs wait: a store that keeps what the observer has to know. */
  readonly store: JobStore<T>;
  /** Downstream gets outcomes, and not the values of the jobs. */
  readonly tellsOutcomes: boolean;
  /** A job has come: the answer is its id. */
  countOffered(job: T): number;
  countAccepted(job: T): void;
  notifyAccepted(job: T, id: number): void;
  countRefused(job: T, reason: RefusalReason): void;
  notifyRefused(job: T, id: number, reason: RefusalReason): void;
  countRemoved(removed: readonly Removed<T>[], reason: EvictionReason): void;
  notifyRemoved(removed: readonly Removed<T>[], reason: EvictionReason): void;
  started(slot: Slot<T>): void;
  /** A value of a stream that does not go downstream. */
  emitted?(slot: Slot<T>, value: R): void;
  settled(slot: Slot<T>, verdict: Verdict, result: unknown): void;
}
