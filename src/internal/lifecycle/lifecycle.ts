import type { Delayed } from '../core/delayed.js';
import { AT_START } from '../core/observer.js';
import type { JobObserver, Lease, Owned, Slot, Verdict } from '../core/observer.js';
import type { JobStore, Removed, StoreFactory } from '../core/store.js';
import type { Turn } from '../core/turns.js';
import type { EvictionReason, JobDropped, JobOutcome, RefusalReason } from '../../types.js';
import type { SchedulerLike } from 'rxjs';
import { runIn } from '../support/asyncScope.js';
import type { AsyncScope } from '../support/asyncScope.js';
import { clockOf } from '../support/clock.js';
import { WAS_DELAYED } from './hooks.js';
import type { Listeners } from './hooks.js';
import { TimestampedFifo } from './timestampedFifo.js';

/** Who has made the records: told before the hooks that one has a place, and after them how it has ended. */
export interface JobOwner<T, R, J> {
  onAccepted(item: T): void;
  onValue(item: T, value: R): void;
  onSettled(item: T, outcome: JobOutcome<J, R>): void;
  /** A job has completed. `false`: somebody beside its caller is told how, by {@link onSettled}. */
  onCompletedUnheard?(item: T, value: R): boolean;
  /** The slot of an attempt that lingered is free. */
  onReleased(): void;
}

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
  /** Then items are its records; by default an item is the user's job. */
  readonly owner?: JobOwner<T, R, J> | undefined;
}

/** An outcome, as it is kept until its turn. */
interface HeldOutcome<J, R> {
  readonly outcome: JobOutcome<J, R>;
  readonly scope: AsyncScope | undefined;
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
 * first, then the hooks in their order, then the owner's promise, then downstream.
 *
 * @typeParam T the pool's item: the user's job, or a record of it
 * @typeParam J the user's job
 */
export class Lifecycle<T, R, J = T> implements JobObserver<T, R> {
  readonly store: JobStore<T>;
  readonly tellsOutcomes: boolean;
  readonly hearsAccepted: boolean;
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
  readonly #owner: JobOwner<T, R, J> | undefined;
  #ids = 0;

  constructor({ hooks, now, roughNow = now, store, deliver, owner }: LifecycleParts<T, R, J>) {
    this.#hooks = hooks;
    this.#now = now;
    this.#roughNow = roughNow;
    this.store = store;
    this.#deliver = deliver;
    this.#owner = owner;
    this.tellsOutcomes = deliver !== undefined;
    this.hearsAccepted = hooks !== undefined && hooks.accepted.length > 0;
  }

  get leaving(): number {
    return this.accounts.leaving;
  }

  countOffered(item: T): number {
    this.accounts.offered++;
    return this.#owner === undefined ? this.#ids++ : owned(item).id;
  }

  // ---- A place, or none

  countAccepted(): void {
    this.accounts.accepted++;
  }

  countDirect(): void {
    this.accounts.offered++;
    this.accounts.accepted++;
  }

  notifyAccepted(item: T, id: number): void {
    this.#owner?.onAccepted(item);
    if (this.#hooks === undefined || this.#hooks.accepted.length === 0) return;
    const job = this.#jobOf(item);
    this.#runFor(item, () => {
      for (const listener of this.#hooks!.accepted) listener(job, id);
    });
  }

  countRefused(item: T): void {
    if (this.#leaseOf(item) === undefined) this.accounts.refused++;
    else this.accounts.returning++;
  }

  notifyRefused(item: T, id: number, reason: RefusalReason): void {
    const queuedFor = this.#owner === undefined ? 0 : this.#since(owned(item).arrivedAt);
    const job = this.#jobOf(item);
    this.#end(item, { status: 'dropped', reason, job, id, attempts: 0, queuedFor, ranFor: 0 }, undefined, true);
  }

  /** A leased job that waits for room is another's now. It counts as waiting until its engine has answered. */
  countLostSender(): void {
    this.accounts.returning++;
  }

  /** It is accepted and aborted in one. */
  notifyLostSender(item: T, reason: unknown): void {
    const { accounts } = this;
    const { id, lease } = owned(item);
    lease!.giveBack(this.#abortedOf(item, reason), (answered) => {
      accounts.returning--;
      accounts.accepted++;
      accounts.aborted++;
      this.notifyAccepted(item, id);
      this.#tellEnd(item, answered as JobOutcome<J, R>, undefined);
    });
  }

  countRemoved(removed: readonly Removed<T>[]): void {
    for (const { attempts, job } of removed) this.#count(job, 'evicted', attempts !== undefined);
  }

  notifyRemoved(removed: readonly Removed<T>[], reason: EvictionReason): void {
    for (const item of removed) this.#end(item.job, this.droppedOf(item, reason), item.turn);
  }

  /** The outcome of a job that has lost its place. */
  droppedOf(removed: Removed<T> | Delayed<T>, reason: EvictionReason): JobDropped<J> {
    const { arrivedAt, id } = removed;
    const job = this.#jobOf(removed.job);
    if ('error' in removed) {
      const { attempts, error, queuedFor, ranFor } = removed;
      return { status: 'dropped', reason, error, job, id, attempts, queuedFor, ranFor };
    }
    return { status: 'dropped', reason, job, id, attempts: 0, queuedFor: this.#since(arrivedAt), ranFor: 0 };
  }

  /** Counts items whose callers gave them up while they waited, for their first start or for a retry. */
  countWithdrawn(items: readonly T[]): void {
    for (const item of items) this.#count(item, 'aborted', owned(item).delayed !== undefined);
  }

  notifyWithdrawn(item: T, reason: unknown): void {
    this.#end(item, this.#abortedOf(item, reason), owned(item).delayed?.turn);
  }

  /** The outcome of a job that was given up while it waited. */
  #abortedOf(item: T, reason: unknown): JobOutcome<J, R> {
    const { id, arrivedAt, delayed } = owned(item);
    const job = this.#jobOf(item);
    const { attempts, queuedFor, ranFor } = delayed ?? { attempts: 0, queuedFor: this.#since(arrivedAt), ranFor: 0 };
    return { status: 'aborted', reason, settled: true, job, id, attempts, queuedFor, ranFor };
  }

  countFailed(item: T, delayed?: Delayed<T>): void {
    this.#count(item, 'failed', delayed !== undefined);
  }

  notifyFailed(item: T, id: number, error: unknown, delayed?: Delayed<T>): void {
    const { attempts, queuedFor, ranFor } = delayed ?? { attempts: 0, queuedFor: 0, ranFor: 0 };
    const job = this.#jobOf(item);
    this.#end(item, { status: 'failed', error, job, id, attempts, queuedFor, ranFor }, delayed?.turn);
  }

  // ---- A slot

  started(slot: Slot<T>): void {
    const hooks = this.#hooks;
    const item = slot.job;
    slot.startedAt = this.#roughNow();
    if (slot.arrivedAt === AT_START) slot.arrivedAt = slot.startedAt;
    this.accounts.running++;
    if (slot.earlier !== undefined) this.accounts.delayed--;
    if (this.#owner !== undefined) {
      owned(item).slot = slot;
      owned(item).delayed = undefined;
    }
    if (hooks === undefined || hooks.started.length === 0) return;
    const [job, { context, id }] = [this.#jobOf(item), slot];
    for (const listener of hooks.started) listener(job, context, id);
  }

  emitted(slot: Slot<T>, value: R): void {
    this.#owner?.onValue(slot.job, value);
  }

  outcomeOf(
    { arrivedAt, earlier, id, job: item, startedAt }: Slot<T>,
    verdict: Verdict,
    result: unknown,
  ): JobOutcome<J, R> {
    const job = this.#jobOf(item);
    let attempts = 1;
    let queuedFor = Math.max(0, startedAt - arrivedAt);
    let ranFor = this.#since(startedAt);
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

  settled(
    slot: Slot<T>,
    verdict: Verdict,
    result: unknown,
    isReleased: boolean,
    outcome: JobOutcome<unknown, R> | undefined,
  ): void {
    const { accounts } = this;
    const { job, turn } = slot;
    // A lost lease is aborted, whatever the work has come to.
    const status = outcome?.status ?? verdict;
    accounts.running--;
    if (status === 'completed') accounts.completed++;
    else if (status === 'failed') accounts.failed++;
    else accounts.aborted++;
    if (status === 'completed' && this.#hooks === undefined && outcome === undefined && turn === undefined) {
      if (this.#owner?.onCompletedUnheard?.(job, result as R)) return;
    }
    this.#tell(job, (outcome as JobOutcome<J, R>) ?? this.outcomeOf(slot, verdict, result), isReleased, turn);
  }

  retrying(slot: Slot<T>, error: unknown, delayed: Delayed<T>, isReleased: boolean): void {
    const { arrivedAt, attempt, earlier, id, job: item, startedAt } = slot;
    delayed.queuedFor = earlier?.queuedFor ?? Math.max(0, startedAt - arrivedAt);
    delayed.ranFor = (earlier?.ranFor ?? 0) + this.#since(startedAt);
    this.accounts.running--;
    this.accounts.delayed++;
    if (this.#owner !== undefined) {
      owned(item).slot = undefined;
      owned(item).delayed = delayed;
    }
    const hooks = this.#hooks;
    if (hooks === undefined) return;
    const job = this.#jobOf(item);
    for (const listener of hooks.retrying) listener(job, error, attempt, id);
    if (isReleased) for (const listener of hooks.released) listener(job, id);
  }

  released(item: T, id: number): void {
    const hooks = this.#hooks;
    if (hooks !== undefined && hooks.released.length > 0) {
      const job = this.#jobOf(item);
      this.#runFor(item, () => {
        for (const listener of hooks.released) listener(job, id);
      });
    }
    this.#owner?.onReleased();
    this.#leaseOf(item)?.onReleased();
  }

  // ---- Of a job that has no slot

  /** The end of a leased one is counted when its engine has answered. */
  #count(item: T, account: keyof Accounts, wasDelayed: boolean): void {
    const { accounts } = this;
    if (this.#leaseOf(item) !== undefined) {
      if (!wasDelayed) accounts.leaving++;
      return;
    }
    accounts[account]++;
    if (wasDelayed) accounts.delayed--;
  }

  #end(item: T, outcome: JobOutcome<J, R>, turn?: Turn, isRefused = false): void {
    const lease = this.#leaseOf(item);
    if (lease === undefined) return this.#tellEnd(item, outcome, turn);
    lease.giveBack(outcome, (answered) => {
      const { accounts } = this;
      accounts[isRefused ? 'refused' : accountOf(answered)]++;
      accounts[isRefused ? 'returning' : answered.attempts > 0 ? 'delayed' : 'leaving']--;
      this.#tellEnd(item, answered as JobOutcome<J, R>, turn);
    });
  }

  #tellEnd(item: T, outcome: JobOutcome<J, R>, turn: Turn | undefined): void {
    // An engine may have frozen it.
    if (outcome.attempts > 0) Reflect.defineProperty(outcome, WAS_DELAYED, { value: true });
    this.#runFor(item, () => this.#tell(item, outcome, false, turn));
    if (this.tellsOutcomes) turn?.end();
  }

  #tell(item: T, outcome: JobOutcome<J, R>, isReleased: boolean, turn: Turn | undefined): void {
    const hooks = this.#hooks;
    if (hooks !== undefined) {
      for (const listener of hooks.settled) listener(outcome);
      if (isReleased) for (const listener of hooks.released) listener(outcome.job, outcome.id);
    }
    this.#owner?.onSettled(item, outcome);
    if (turn === undefined) this.#deliver?.(outcome);
    else if (this.tellsOutcomes) turn.tell(this.#held(item, outcome, turn));
  }

  /** An outcome that may have to wait for its turn is told in the async context of its own job then. */
  #held(item: T, outcome: JobOutcome<J, R>, { isFirst }: Turn): HeldOutcome<J, R> {
    if (this.#owner === undefined || isFirst) return { outcome, scope: undefined };
    owned(item).keepScope();
    return { outcome, scope: owned(item).scope };
  }

  deliver(held: unknown): void {
    const { outcome, scope } = held as HeldOutcome<J, R>;
    runIn(scope, () => this.#deliver!(outcome));
  }

  #runFor(item: T, fn: () => void): void {
    if (this.#owner === undefined) fn();
    else runIn(owned(item).scope, fn);
  }

  #jobOf(item: T): J {
    return (this.#owner === undefined ? item : owned(item).job) as J;
  }

  #leaseOf(item: T): Lease | undefined {
    return this.#owner === undefined ? undefined : owned(item).lease;
  }

  /** Never negative: the clock of a user's scheduler may be set back. */
  #since(time: number): number {
    return Math.max(0, this.#now() - time);
  }
}

function accountOf({ status }: JobOutcome<unknown, unknown>): 'completed' | 'failed' | 'evicted' | 'aborted' {
  return status === 'dropped' ? 'evicted' : status;
}

/** An item, where the owner has made it. */
function owned(item: unknown): Owned {
  return item as Owned;
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
