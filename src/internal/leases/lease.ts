import type { Lease, OnAnswer, Owned, Verdict } from '../core/observer.js';
import { LeaseLostError } from '../../errors.js';
import type { JobOutcome } from '../../types.js';

export type Outcome = JobOutcome<unknown, unknown>;

/** A leased job, as its lease sees it. */
export interface LeasedRecord<J> extends Pick<Owned<J>, 'job' | 'scope' | 'delayed'> {
  lease: Lease | undefined;
}

/** What lends a job, as the job's lease sees it. */
interface LeaseHost<J> {
  /** Tells the engine. `onAnswer` is called once, perhaps in this call. */
  settle(lease: JobLease<J>, outcome: Outcome, onAnswer: (outcome: Outcome) => void): void;
  /** As `settle`, where no worker waits for the answer. */
  giveBack(lease: JobLease<J>, outcome: Outcome, onAnswer: (outcome: Outcome) => void): void;
}

/**
 * The lease of one job. Its engine is told once:
 *
 *     fetched ──▶ taken in ──▶ ended, and its work has let go ──▶ told ──▶ answered: everybody else hears of it
 *            └──────────── given back ──────────────────────────────▲
 */
export class JobLease<J> implements Lease {
  readonly record: LeasedRecord<J>;
  /** Its end has been decided. */
  isEnding = false;
  #lost: LeaseLostError | undefined;
  /** The job was dropped while the work of its last attempt had not let go. */
  #onReleased: (() => void) | undefined;
  readonly #host: LeaseHost<J>;

  constructor(record: LeasedRecord<J>, host: LeaseHost<J>) {
    this.record = record;
    this.#host = host;
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  lose(error: LeaseLostError): void {
    this.#lost = error;
  }

  settle(outcome: Outcome, onAnswer: OnAnswer): void {
    this.isEnding = true;
    this.#host.settle(this, this.#withLoss(outcome), (answered) => {
      if (answered.status === 'failed') onAnswer('failed', answered.error, answered);
      else onAnswer(verdictOf(answered), undefined, answered);
    });
  }

  giveBack(outcome: Outcome, onAnswer: (outcome: Outcome) => void): void {
    this.isEnding = true;
    const giveBack = (): void => this.#host.giveBack(this, this.#withLoss(outcome), onAnswer);
    const { delayed } = this.record;
    if (delayed === undefined || delayed.hasSettled) giveBack();
    else this.#onReleased = giveBack;
  }

  onReleased(): void {
    const onReleased = this.#onReleased;
    this.#onReleased = undefined;
    onReleased?.();
  }

  /** Whatever has become of a lost job here, another has it. */
  #withLoss(outcome: Outcome): Outcome {
    if (this.#lost === undefined) return outcome;
    const { job, id, attempts, queuedFor, ranFor } = outcome;
    const settled = outcome.status !== 'aborted' || outcome.settled;
    return { status: 'aborted', reason: this.#lost, settled, job, id, attempts, queuedFor, ranFor };
  }
}

/** How a job has ended that ran. */
function verdictOf(outcome: Outcome): Verdict {
  if (outcome.status !== 'aborted') return 'completed';
  return outcome.settled ? 'aborted' : 'abandoned';
}
