import { JobDroppedError } from '../errors.js';
import type { JobDropped, JobOutcome } from '../types.js';
import { Promised } from './promised.js';
import { Ticket } from './ticket.js';

/** Its owner may give it up. */
export type Revocable<J, R> = Sent<J, R> | Submitted<J, R>;

/** A sent job: its promise is about the place. */
export class Sent<J, R> extends Ticket<J, R> {
  readonly place: Promised<void> = new Promised();

  override onAccepted(): void {
    this.place.resolve();
  }

  /** It was given up before it had a place. */
  onRevoked(reason: unknown): void {
    this.place.giveUp(reason);
  }

  override onSettled(): boolean {
    if (this.refusal === undefined) return false;
    this.place.giveUp(new JobDroppedError(this.refusal, this.job));
    return true;
  }
}

/** A submitted job: its promise is about the result. */
export class Submitted<J, R> extends Ticket<J, R> {
  readonly result: Promised<R> = new Promised();

  /** It was given up before it had a place. */
  onRevoked(reason: unknown): void {
    this.result.giveUp(reason);
  }

  override onSettled(outcome: JobOutcome<J, R>, errorOf: (drop: JobDropped<J>) => Error): boolean {
    const { result } = this;
    if (outcome.status === 'completed') result.resolve(outcome.value);
    else if (outcome.status === 'failed') result.reject(outcome.error);
    else result.giveUp(outcome.status === 'aborted' ? outcome.reason : errorOf(outcome));
    return true;
  }
}
