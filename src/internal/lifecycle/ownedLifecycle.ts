import type { Owned, Slot, Verdict } from '../core/observer.js';
import type { Turn } from '../core/turns.js';
import { runIn } from '../support/asyncScope.js';
import type { AsyncScope } from '../support/asyncScope.js';
import type { JobOutcome, RefusalReason } from '../../types.js';
import { Lifecycle } from './lifecycle.js';
import type { Accounts, LifecycleParts } from './lifecycle.js';

/** Who has made the records: told before the hooks that one has a place, and after them how it has ended. */
export interface JobOwner<T, R, J> {
  onAccepted(record: T): void;
  onValue(record: T, value: R): void;
  onSettled(record: T, outcome: JobOutcome<J, R>): void;
  /** A job has completed, and no hook hears of it. `false`: somebody beside its caller is told how, by {@link onSettled}. */
  onCompletedUnheard(record: T, value: R): boolean;
  /** The slot of an attempt that lingered is free. */
  onReleased(): void;
}

/** An outcome, as it is kept until its turn. */
interface HeldOutcome<J, R> {
  readonly outcome: JobOutcome<J, R>;
  readonly scope: AsyncScope | undefined;
}

/**
 * The lifecycle of records: each is told in the async context of its own job, to its owner too, which is told before downstream;
 * an end of a leased one is counted when its engine has answered. A record that waits may be taken away, by a caller who gives
 * it up or because its lease is lost.
 */
export class OwnedLifecycle<T extends Owned<J>, R, J> extends Lifecycle<T, R, J> {
  readonly #owner: JobOwner<T, R, J> | undefined;
  readonly #hasHooks: boolean;

  constructor({ owner, ...parts }: LifecycleParts<T, R, J> & { readonly owner?: JobOwner<T, R, J> }) {
    super(parts);
    this.#owner = owner;
    this.#hasHooks = parts.hooks !== undefined;
  }

  protected override idOf(record: T): number {
    return record.id;
  }

  protected override jobOf(record: T): J {
    return record.job;
  }

  // ---- A place, or none

  /** A job has been offered and accepted in one, and nobody hears of it. */
  countDirect(): void {
    this.accounts.offered++;
    this.accounts.accepted++;
  }

  override notifyAccepted(record: T, id: number): void {
    this.#owner?.onAccepted(record);
    if (this.hearsAccepted) runIn(record.scope, () => super.notifyAccepted(record, id));
  }

  override countRefused(record: T): void {
    if (record.lease === undefined) super.countRefused(record);
    else this.accounts.returning++;
  }

  override notifyRefused(record: T, id: number, reason: RefusalReason): void {
    const { job, arrivedAt } = record;
    const queuedFor = this.since(arrivedAt);
    this.end(record, { status: 'dropped', reason, job, id, attempts: 0, queuedFor, ranFor: 0 }, undefined, true);
  }

  // ---- A slot

  emitted(slot: Slot<T>, value: R): void {
    this.#owner?.onValue(slot.job, value);
  }

  override released(record: T, id: number): void {
    if (this.#hasHooks) runIn(record.scope, () => super.released(record, id));
    this.#owner?.onReleased();
    record.lease?.onReleased();
  }

  override settled(slot: Slot<T>, verdict: Verdict, result: unknown, isReleased: boolean): void {
    if (verdict !== 'completed' || this.#hasHooks || slot.turn !== undefined)
      return super.settled(slot, verdict, result, isReleased);
    this.accounts.running--;
    this.accounts.completed++;
    if (this.#owner?.onCompletedUnheard(slot.job, result as R)) return;
    this.notifySettled(slot.job, this.outcomeOf(slot, verdict, result), isReleased, undefined);
  }

  // ---- Of a job that has no slot

  /** Counts records that have waited, for their first start or for a retry. */
  countWithdrawn(records: readonly T[]): void {
    for (const record of records) this.count(record, 'aborted', record.delayed !== undefined);
  }

  notifyWithdrawn(record: T, reason: unknown): void {
    this.end(record, this.#abortedOf(record, reason), record.delayed?.turn);
  }

  /** A leased job that waits for room is another's now. It counts as waiting until its engine has answered. */
  countLostSender(): void {
    this.accounts.returning++;
  }

  /** It is accepted and aborted in one. */
  notifyLostSender(record: T, reason: unknown): void {
    const { accounts } = this;
    record.lease!.giveBack(this.#abortedOf(record, reason), (answered) => {
      accounts.returning--;
      accounts.accepted++;
      accounts.aborted++;
      this.notifyAccepted(record, record.id);
      super.end(record, answered as JobOutcome<J, R>, undefined);
    });
  }

  #abortedOf(record: T, reason: unknown): JobOutcome<J, R> {
    const { id, arrivedAt, delayed, job } = record;
    const { attempts, queuedFor, ranFor } = delayed ?? { attempts: 0, queuedFor: this.since(arrivedAt), ranFor: 0 };
    return { status: 'aborted', reason, settled: true, job, id, attempts, queuedFor, ranFor };
  }

  protected override count(record: T, account: keyof Accounts, wasDelayed: boolean): void {
    if (record.lease === undefined) super.count(record, account, wasDelayed);
    else if (!wasDelayed) this.accounts.leaving++;
  }

  protected override end(record: T, outcome: JobOutcome<J, R>, turn?: Turn, isRefused = false): void {
    if (record.lease === undefined) return super.end(record, outcome, turn);
    record.lease.giveBack(outcome, (answered) => {
      const { accounts } = this;
      accounts[isRefused ? 'refused' : accountOf(answered)]++;
      accounts[isRefused ? 'returning' : answered.attempts > 0 ? 'delayed' : 'leaving']--;
      super.end(record, answered as JobOutcome<J, R>, turn);
    });
  }

  protected override runFor(record: T, fn: () => void): void {
    runIn(record.scope, fn);
  }

  protected override onNotified(record: T, outcome: JobOutcome<J, R>, turn: Turn | undefined): void {
    this.#owner?.onSettled(record, outcome);
    if (turn === undefined || !this.emitsOutcomes) return super.onNotified(record, outcome, turn);
    // One that may have to wait for its turn is told in the async context of its own job then.
    if (!turn.isFirst) record.keepScope();
    const held: HeldOutcome<J, R> = { outcome, scope: turn.isFirst ? undefined : record.scope };
    turn.emit(held);
  }

  override deliver(held: unknown): void {
    const { outcome, scope } = held as HeldOutcome<J, R>;
    runIn(scope, () => super.deliver(outcome));
  }
}

function accountOf({ status }: JobOutcome<unknown, unknown>): 'completed' | 'failed' | 'evicted' | 'aborted' {
  return status === 'dropped' ? 'evicted' : status;
}
