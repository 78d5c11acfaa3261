import type { EvictionReason, JobContext, JobOutcome, RefusalReason } from '../../types.js';
import type { AsyncScope } from '../support/asyncScope.js';
import type { Delayed } from './delayed.js';
import type { JobStore, Removed } from './store.js';
import type { Turn } from './turns.js';

/** How a job that ran has ended. */
export type Verdict = 'completed' | 'failed' | 'aborted' | 'abandoned';

/** @param error of a job that has failed */
export type OnAnswer = (verdict: Verdict, error: unknown, outcome: JobOutcome<unknown, unknown>) => void;

/** The hold of an engine on a job: it ends when the engine has been told how the job has ended, and has answered. */
export interface Lease {
  /** Another may have the job now. */
  readonly isLost: boolean;
  /**
   * Tells the engine how a job ends that has a slot, which it keeps until then. `onAnswer` is called once, perhaps in this call,
   * with the outcome that it has for everybody else.
   */
  settle(outcome: JobOutcome<unknown, unknown>, onAnswer: OnAnswer): void;
  /** As {@link settle}, of a job without a slot. */
  giveBack(outcome: JobOutcome<unknown, unknown>, onAnswer: (outcome: JobOutcome<unknown, unknown>) => void): void;
  /** The work of a judged attempt has let go of its slot. */
  onReleased(): void;
}

/** A job of which somebody keeps more than its payload. */
export interface Owned<J = unknown> {
  readonly job: J;
  readonly id: number;
  /** Milliseconds, by the clock of the pool. */
  readonly arrivedAt: number;
  /** When it got its place. */
  readonly placedAt: number;
  /** The async context of its caller, where it is kept. */
  readonly scope: AsyncScope | undefined;
  /** The worker's slot that runs it. */
  slot: Slot | undefined;
  /** It is between two attempts. */
  delayed: Delayed<unknown> | undefined;
  /** An overflow policy may choose it. */
  readonly isEvictable: boolean;
  /** Its caller is told how it ends. */
  readonly isCalled: boolean;
  /** It belongs to an engine. */
  readonly lease: Lease | undefined;
  /** Takes `other` in, which has been merged into it while it waits: `job` is what both are together. */
  adopt(other: Owned, job: unknown): void;
  /** What is done for it later is done in the context of this call. */
  keepScope(): void;
}

/** The arrival of a job that starts in the call that brings it. */
export const AT_START = -1;

/** A slot with its job, as an observer sees it. */
export interface Slot<T = unknown> {
  readonly job: T;
  readonly id: number;
  /** Or {@link AT_START}. Kept here for the observer, as is the start. */
  arrivedAt: number;
  startedAt: number;
  readonly context: JobContext;
  /** 1…N */
  readonly number: number;
  /** 1… */
  readonly attempt: number;
  /** 0…, in order of first starts. */
  readonly index: number;
  /** Its retries so far, since a value has set them back. */
  readonly retries: number;
  /** The attempts before this one. */
  readonly earlier: Delayed<T> | undefined;
  /** Where it stands in an order of ranks. */
  readonly rank: number;
  /** Its turn to tell results, where they are ordered. */
  readonly turn: Turn | undefined;
  /** The attempt has been judged, and its work has not let go. */
  readonly isLingering: boolean;
  /** `work` has returned a promise: its one value comes with its end. */
  readonly isPromise: boolean;
  /** The job has ended inside the call that has started it. */
  readonly isInCall: boolean;
  /** Asks the job to end, with `reason` for its signal. */
  abort(reason: unknown): void;
  /** Judges the attempt as failed. Its work keeps the slot until it lets go. */
  fail(error: unknown): void;
}

/**
 * What the core tells of its jobs. Each event comes in two steps: it is counted when the state changes, and notified when
 * its turn has come, which may be later.
 */
export interface JobObserver<T, R> {
  /** Where its jobs wait: a store that keeps the ids and times that the observer reports. */
  readonly store: JobStore<T>;
  /** Downstream gets outcomes, and not the values of the jobs. */
  readonly emitsOutcomes: boolean;
  /** Somebody hears of an acceptance: a job must be seen to wait before it starts. */
  readonly hearsAccepted: boolean;
  /** Somebody hears of a start. */
  readonly hearsStarted: boolean;
  readonly accounts: {
    /** Leased jobs that have left the store, and that their engine still takes for waiting: they keep their places. */
    readonly leaving: number;
  };
  /** A job has come: the answer is its id. */
  countOffered(job: T): number;
  countAccepted(): void;
  notifyAccepted(job: T, id: number): void;
  countRefused(job: T): void;
  notifyRefused(job: T, id: number, reason: RefusalReason): void;
  countRemoved(removed: readonly Removed<T>[]): void;
  notifyRemoved(removed: readonly Removed<T>[], reason: EvictionReason): void;
  /** A callback of the order has thrown: the job fails before it starts. Or its wait for a retry has ended with a failure. */
  countFailed(job: T, delayed?: Delayed<T>): void;
  notifyFailed(job: T, id: number, error: unknown, delayed?: Delayed<T>): void;
  /** A job has its slot. */
  countStarted(slot: Slot<T>): void;
  /** Only where it {@link hearsStarted}. */
  notifyStarted(slot: Slot<T>): void;
  /** A value of a stream that does not go downstream. */
  emitted?(slot: Slot<T>, value: R): void;
  outcomeOf(slot: Slot<T>, verdict: Verdict, result: unknown): JobOutcome<unknown, R>;
  /** @param isReleased the slot is free; otherwise {@link released} is called when it is */
  settled(slot: Slot<T>, verdict: Verdict, result: unknown, isReleased: boolean): void;
  /** A leased job has settled: its engine, which has been told already, has made `outcome` of it. The slot is free. */
  answered(slot: Slot<T>, outcome: JobOutcome<unknown, R>): void;
  /** The attempt has failed, and another will follow. */
  retrying(slot: Slot<T>, error: unknown, delayed: Delayed<T>, isReleased: boolean): void;
  released(job: T, id: number): void;
  /** Tells downstream what has been told to a {@link Turn}. */
  deliver?(item: unknown): void;
}
