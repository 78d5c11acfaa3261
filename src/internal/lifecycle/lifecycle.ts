import type { Delayed } from '../core/delayed.js';
import { AT_START } from '../core/observer.js';
import type { JobObserver, Slot, Verdict } from '../core/observer.js';
import type { JobStore, Removed, StoreFactory } from '../core/store.js';
import type { Turn } from '../core/turns.js';
import type { EvictionReason, JobDropped, JobOutcome, RefusalReason } from '../../types.js';
import type { SchedulerLike } from 'rxjs';
import { clockOf } from '../support/clock.js';
import { WAS_DELAYED } from './hooks.js';
import type { Listeners } from './hooks.js';
import { TimestampedFifo } from './timestampedFifo.js';

/** What a {@link Lifecycle} is made of. */
export interface LifecycleParts<T, R, J> {
  readonly hooks: Listeners<J, R> | undefined;
  /** The time, in milliseconds. */
  readonly now: () => number;
  /** For starts: may be some microtasks old. By default it is `now`. */
  readonly roughNow?: (() => number) | undefined;
  readonly store: JobStore<T>;
  /** Takes each outcome, in a form that emits outcomes. */
  readonly deliver?: ((outcome: JobOutcome<J, R>) => void) | undefined;
}

/** Jobs by what has become of them. */
export interface Accounts {
  offered: number;
  accepted: number;
  refused: number;
  completed: number;
  failed: number;
  evicted: number;
  aborted: number;
  running: number;
  /** Between two attempts. */
  delayed: number;
  /** Leased jobs that are given back, and that still count as waiting: for a worker, and for room. */
  leaving: number;
  returning: number;
}

/**
 * The life of every job of one subscription: the one writer of its accounts and its outcomes. For each event the state comes
 * first, then the hooks in their order, then downstream.
 *
 * @typeParam T the pool's item: the user's job here, and a record of it in the lifecycle of records
 * @typeParam J the user's job
 */
export class Lifecycle<T, R, J = T> implements JobObserver<T, R> {
  readonly store: JobStore<T>;
  readonly emitsOutcomes: boolean;
  readonly hearsAccepted: boolean;
  readonly hearsStarted: boolean;
  readonly accounts: Accounts = {
    offered: 0,
    accepted: 0,
    refused: 0,
    completed: 0,
    failed: 0,
    evicted: 0,
    aborted: 0,
    running: 0,
    delayed: 0,
    leaving: 0,
    returning: 0,
  };

  readonly #hooks: Listeners<J, R> | undefined;
  readonly #now: () => number;
  readonly #roughNow: () => number;
  readonly #deliver: ((outcome: JobOutcome<J, R>) => void) | undefined;
  #ids = 0;

  constructor({ hooks, now, roughNow = now, store, deliver }: LifecycleParts<T, R, J>) {
    this.#hooks = hooks;
    this.#now = now;
    this.#roughNow = roughNow;
    this.store = store;
    this.#deliver = deliver;
    this.emitsOutcomes = deliver !== undefined;
    this.hearsAccepted = hooks !== undefined && hooks.accepted.length > 0;
    this.hearsStarted = hooks !== undefined && hooks.started.length > 0;
  }

  countOffered(item: T): number {
    this.accounts.offered++;
    return this.idOf(item);
  }

  // ---- A place, or none

  countAccepted(): void {
    this.accounts.accepted++;
  }

  notifyAccepted(item: T, id: number): void {
    if (!this.hearsAccepted) return;
    const job = this.jobOf(item);
    for (const listener of this.#hooks!.accepted) listener(job, id);
  }

  countRefused(_item: T): void {
    this.accounts.refused++;
  }

  notifyRefused(item: T, id: number, reason: RefusalReason): void {
    const job = this.jobOf(item);
    this.end(item, { status: 'dropped', reason, job, id, attempts: 0, queuedFor: 0, ranFor: 0 });
  }

  countRemoved(removed: readonly Removed<T>[]): void {
    for (const { attempts, job } of removed) this.count(job, 'evicted', attempts !== undefined);
  }

  notifyRemoved(removed: readonly Removed<T>[], reason: EvictionReason): void {
    for (const item of removed) this.end(item.job, this.droppedOf(item, reason), item.turn);
  }

  /** The outcome of a job that has lost its place. */
  droppedOf(removed: Removed<T> | Delayed<T>, reason: JobDropped<J>['reason']): JobDropped<J> {
    const { arrivedAt, id } = removed;
    const job = this.jobOf(removed.job);
    if ('error' in removed) {
      const { attempts, error, queuedFor, ranFor } = removed;
      return { status: 'dropped', reason, error, job, id, attempts, queuedFor, ranFor };
    }
    return { status: 'dropped', reason, job, id, attempts: 0, queuedFor: this.since(arrivedAt), ranFor: 0 };
  }

  countFailed(item: T, delayed?: Delayed<T>): void {
    this.count(item, 'failed', delayed !== undefined);
  }

  notifyFailed(item: T, id: number, error: unknown, delayed?: Delayed<T>): void {
    const { attempts, queuedFor, ranFor } = delayed ?? { attempts: 0, queuedFor: 0, ranFor: 0 };
    const job = this.jobOf(item);
    this.end(item, { status: 'failed', error, job, id, attempts, queuedFor, ranFor }, delayed?.turn);
  }

  // ---- A slot

  countStarted(slot: Slot<T>): void {
    slot.startedAt = this.#roughNow();
    if (slot.arrivedAt === AT_START) slot.arrivedAt = slot.startedAt;
    this.accounts.running++;
    if (slot.earlier !== undefined) this.accounts.delayed--;
  }

  notifyStarted(slot: Slot<T>): void {
    const [job, { context, id }] = [this.jobOf(slot.job), slot];
    for (const listener of this.#hooks!.started) listener(job, context, id);
  }

  outcomeOf(
    { arrivedAt, earlier, id, job: item, startedAt }: Slot<T>,
    verdict: Verdict,
    result: unknown,
  ): JobOutcome<J, R> {
    const job = this.jobOf(item);
    let attempts = 1;
    let queuedFor = Math.max(0, startedAt - arrivedAt);
    let ranFor = this.since(startedAt);
    if (earlier !== undefined) {
      attempts += earlier.attempts;
      queuedFor = earlier.queuedFor;
      ranFor += earlier.ranFor;
    }
    // Literals, one for each status: a spread costs more than a job.
    if (verdict === 'completed') return { status: verdict, value: result as R, job, id, attempts, queuedFor, ranFor };
    if (verdict === 'failed') return { status: verdict, error: result, job, id, attempts, queuedFor, ranFor };
    const settled = verdict === 'aborted';
    return { status: 'aborted', reason: result, settled, job, id, attempts, queuedFor, ranFor };
  }

  settled(slot: Slot<T>, verdict: Verdict, result: unknown, isReleased: boolean): void {
    this.#countSettled(verdict);
    this.notifySettled(slot.job, this.outcomeOf(slot, verdict, result), isReleased, slot.turn);
  }

  answered(slot: Slot<T>, outcome: JobOutcome<J, R>): void {
    this.#countSettled(outcome.status);
    this.notifySettled(slot.job, outcome, true, slot.turn);
  }

  #countSettled(status: Verdict | JobOutcome<J, R>['status']): void {
    const { accounts } = this;
    accounts.running--;
    if (status === 'completed') accounts.completed++;
    else if (status === 'failed') accounts.failed++;
    else accounts.aborted++;
  }

  retrying(slot: Slot<T>, error: unknown, delayed: Delayed<T>, isReleased: boolean): void {
    const { arrivedAt, attempt, earlier, id, job: item, startedAt } = slot;
    delayed.queuedFor = earlier?.queuedFor ?? Math.max(0, startedAt - arrivedAt);
    delayed.ranFor = (earlier?.ranFor ?? 0) + this.since(startedAt);
    this.accounts.running--;
    this.accounts.delayed++;
    const hooks = this.#hooks;
    if (hooks === undefined) return;
    const job = this.jobOf(item);
    for (const listener of hooks.retrying) listener(job, error, attempt, id);
    if (isReleased) for (const listener of hooks.released) listener(job, id);
  }

  released(item: T, id: number): void {
    const hooks = this.#hooks;
    if (hooks === undefined) return;
    const job = this.jobOf(item);
    for (const listener of hooks.released) listener(job, id);
  }

  // ---- Of a job that has no slot

  protected count(_item: T, account: keyof Accounts, wasDelayed: boolean): void {
    const { accounts } = this;
    accounts[account]++;
    if (wasDelayed) accounts.delayed--;
  }

  protected end(item: T, outcome: JobOutcome<J, R>, turn?: Turn): void {
    // An engine may have frozen it.
    if (outcome.attempts > 0) Reflect.defineProperty(outcome, WAS_DELAYED, { value: true });
    this.runFor(item, () => this.notifySettled(item, outcome, false, turn));
    if (this.emitsOutcomes) turn?.end();
  }

  protected notifySettled(item: T, outcome: JobOutcome<J, R>, isReleased: boolean, turn: Turn | undefined): void {
    const hooks = this.#hooks;
    if (hooks !== undefined) {
      for (const listener of hooks.settled) listener(outcome);
      if (isReleased) for (const listener of hooks.released) listener(outcome.job, outcome.id);
    }
    this.onNotified(item, outcome, turn);
  }

  /** Hooks have been told. */
  protected onNotified(_item: T, outcome: JobOutcome<J, R>, turn: Turn | undefined): void {
    if (turn === undefined) this.#deliver?.(outcome);
    else if (this.emitsOutcomes) turn.emit(outcome);
  }

  /** What has been told to a {@link Turn} has come to its turn. */
  deliver(outcome: unknown): void {
    this.#deliver!(outcome as JobOutcome<J, R>);
  }

  // ---- What an item is

  protected idOf(_item: T): number {
    return this.#ids++;
  }

  protected jobOf(item: T): J {
    return item as unknown as J;
  }

  protected runFor(_item: T, fn: () => void): void {
    fn();
  }

  /** Never negative: the clock of a user's scheduler may be set back. */
  protected since(time: number): number {
    return Math.max(0, this.#now() - time);
  }
}

/** The lifecycle of a form whose jobs belong to nobody: the user's payloads, with their ids and times beside them. */
export function watch<J, R>(
  {
    hooks,
    scheduler,
    makeStore,
  }: {
    readonly hooks: Listeners<J, R> | undefined;
    readonly scheduler: SchedulerLike;
    readonly makeStore?: StoreFactory | undefined;
  },
  deliver?: (outcome: JobOutcome<J, R>) => void,
): Lifecycle<J, R> {
  const now = clockOf(scheduler);
  return new Lifecycle({ hooks, now, store: makeStore?.<J>(now, false) ?? new TimestampedFifo(now), deliver });
}
