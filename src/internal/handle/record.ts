import { JobDroppedError } from '../../errors.js';
import type { JobDropped, JobOutcome, RefusalReason } from '../../types.js';
import { Promised } from '../support/deferred.js';
import type { DatedWaiting } from '../lifecycle/timestampedFifo.js';
import type { Worker } from '../core/worker.js';

/** A job that can be found again, wherever it is: a promise may depend on it, or its sender may wait for room. */
export class Ticket<J, R> {
  readonly job: J;
  /** The scheduler's time. */
  readonly arrivedAt: number;
  /** The line in which it waits, and its neighbours there. */
  line: TicketLine<J, R> | undefined;
  previous: Ticket<J, R> | undefined;
  next: Ticket<J, R> | undefined;
  /** The worker that runs it. */
  worker: Worker<Ticket<J, R>, R> | undefined;
  /** Its owner gives it up when this is aborted. */
  signal: AbortSignal | undefined;
  /** Why it was not given a place. */
  refusal: RefusalReason | undefined;

  constructor(job: J, arrivedAt: number) {
    this.job = job;
    this.arrivedAt = arrivedAt;
  }

  /** It was given a place. */
  onAccepted(): void {}

  /** It has ended. Has anybody heard who asked for it? */
  onSettled(_outcome: JobOutcome<J, R>, _errorOf: (drop: JobDropped<J>) => Error): boolean {
    return false;
  }
}

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

/** A waiting line whose members can also leave from its middle: the tickets are its links. */
export class TicketLine<J, R> implements DatedWaiting<Ticket<J, R>> {
  length = 0;
  arrivedAt = 0;
  #first: Ticket<J, R> | undefined;
  #last: Ticket<J, R> | undefined;

  push(ticket: Ticket<J, R>): void {
    const last = this.#last;
    ticket.line = this;
    ticket.previous = last;
    if (last === undefined) this.#first = ticket;
    else last.next = ticket;
    this.#last = ticket;
    this.length++;
  }

  shift(): Ticket<J, R> {
    return this.remove(this.#first!);
  }

  pop(): Ticket<J, R> {
    return this.remove(this.#last!);
  }

  remove(ticket: Ticket<J, R>): Ticket<J, R> {
    const { previous, next } = ticket;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    ticket.line = ticket.previous = ticket.next = undefined;
    this.arrivedAt = ticket.arrivedAt;
    this.length--;
    return ticket;
  }
}
