import { Subscription } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Linked } from '../support/linkedQueue.js';
import type { Removed } from './store.js';
import type { Turn } from './turns.js';

/** The slot that a delayed job holds. */
export interface Holder {
  /** The job has got a place elsewhere, or is given up. */
  vacate(isGivenUp: boolean): void;
  /** Looks for the next start. */
  proceed(): void;
}

/** A slot whose attempt has failed. */
interface Tried<T> extends Removed<T> {
  readonly attempt: number;
  readonly earlier: Removed<T> | undefined;
  readonly index: number;
  readonly rank: number;
  readonly retries: number;
  readonly turn: Turn | undefined;
}

/** A job between two attempts: a record that is made when it fails. */
export class Delayed<T> implements Removed<T>, Linked<Delayed<T>> {
  readonly job: T;
  readonly id: number;
  readonly arrivedAt: number;
  /** Of its first start. */
  readonly index: number;
  /** Attempts so far. */
  readonly attempts: number;
  /** Retries that count: a value may set them back. */
  readonly retries: number;
  /** Of its last attempt. */
  readonly error: unknown;
  /** What the job has to give back to the store when it has ended. */
  readonly lane: object | undefined;
  /** Where it stands in an order of ranks. */
  readonly rank: number;
  /** Its turn to tell results, where they are ordered. */
  readonly turn: Turn | undefined;
  /** Milliseconds, kept for the observer. */
  queuedFor = 0;
  ranFor = 0;
  /** The slot in which its last attempt lingers, or in which it waits because there is no room for it elsewhere. */
  holder: Holder | undefined = undefined;
  /** The work of its last attempt has settled. */
  hasSettled: boolean;
  /** Its time has come. */
  isDue = false;
  timer: Subscription = Subscription.EMPTY;
  queue: object | undefined = undefined;
  ahead: Delayed<T> | undefined = undefined;
  behind: Delayed<T> | undefined = undefined;

  constructor(
    { arrivedAt, attempt, earlier, id, index, job, rank, retries, turn }: Tried<T>,
    error: unknown,
    lane: object | undefined,
    hasSettled: boolean,
  ) {
    this.job = job;
    this.id = id;
    this.arrivedAt = earlier?.arrivedAt ?? arrivedAt;
    this.index = index;
    this.attempts = attempt;
    this.retries = retries + 1;
    this.error = error;
    this.lane = lane;
    this.rank = rank;
    this.turn = turn;
    this.hasSettled = hasSettled;
  }
}

/**
 * Says whether a failure is the end, and keeps the jobs that are tried again. They have places of their own, as many as the
 * pool has; where those are taken, a job waits in its slot.
 */
export interface Verdicts<T> {
  /** A value sets the count of a job's retries back. */
  readonly resetsOnSuccess: boolean;
  /** Jobs between two attempts. */
  readonly delayed: number;
  /** The last start was a retry's: it is not the turn of another while something else may start. */
  readonly hasJustStarted: boolean;
  /** How many of them could start in any slot. */
  readonly startable: number;
  /** What the job waits for before its next attempt; `undefined`: its failure is the end. What the user's function throws is its error instead. */
  delayOf(slot: { readonly retries: number }, error: unknown): Observable<unknown> | undefined;
  /** Is the job kept? */
  has(delayed: Delayed<T>): boolean;
  /** Keeps the job. `false`: there is no place for it. */
  add(delayed: Delayed<T>): boolean;
  /** Of those between two attempts, how many hold no slot. */
  readonly slotless: number;
  /** The job's slot is held: by its last attempt, which lingers, or because it has no place. */
  hold(delayed: Delayed<T>, holder: Holder): void;
  /** Waits for its time. */
  wait(delayed: Delayed<T>, delay: Observable<unknown>): void;
  /** The work of its last attempt has let go of the slot. `false`: the job itself needs the slot, because it has no place. */
  onReleased(delayed: Delayed<T>): boolean;
  /** The next that could start in any slot. Only when `startable > 0`. */
  readonly next: Delayed<T>;
  /** Removes that one. */
  take(): Delayed<T>;
  /** Could a retry start in the slot in which `held` waits? */
  canStart(held: Delayed<T>): boolean;
  /** Removes the one that starts there: `held`, or one that is due before it, whose place `held` gets. */
  exchange(held: Delayed<T>): Delayed<T>;
  /** Those that are given up: the caller counts and tells them, and then calls {@link vacate}. */
  remove(delayed: Delayed<T>): void;
  removeAll(): Delayed<T>[];
  /** No failure is retried any more. */
  giveUp(): void;
  /** Gives free places to jobs that wait in their slots, and lets go of the slots of those that were removed. */
  vacate(): void;
  /** The slots in which a retry could start now. */
  readonly holders: readonly Holder[];
  [Symbol.iterator](): Iterator<Delayed<T>>;
}
