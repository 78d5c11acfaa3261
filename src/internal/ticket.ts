import type { JobDropped, JobOutcome, RefusalReason } from '../types.js';
import type { DatedWaiting } from './waiting.js';
import type { Worker } from './worker.js';

/** A job that can be found again, wherever it is: because a promise depends on it, or a sender waits for room. */
export class Ticket<J, R> {
  readonly job: J;
  /** The scheduler's time. */
  readonly arrivedAt: number;
  /** The line in which it waits, and its neighbours there. */
  line: TicketLine<J, R> | undefined;
  previous: Ticket<J, R> | undefined;
  next: Ticket<J, R> | undefined;
  /** The worker that runs it. */
  worker: Worker<J, R> | undefined;
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

/** A waiting line whose members can also leave from its middle: the tickets are its links. */
export class TicketLine<J, R> implements DatedWaiting<J, R> {
  length = 0;
  arrivedAt = 0;
  ticket: Ticket<J, R> | undefined;
  private first: Ticket<J, R> | undefined;
  private last: Ticket<J, R> | undefined;

  push(_job: J, ticket: Ticket<J, R>): void {
    const { last } = this;
    ticket.line = this;
    ticket.previous = last;
    if (last === undefined) this.first = ticket;
    else last.next = ticket;
    this.last = ticket;
    this.length++;
  }

  shift(): J {
    return this.remove(this.first!);
  }

  pop(): J {
    return this.remove(this.last!);
  }

  remove(ticket: Ticket<J, R>): J {
    const { previous, next } = ticket;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.last = previous;
    else next.previous = previous;
    ticket.line = ticket.previous = ticket.next = undefined;
    this.ticket = ticket;
    this.arrivedAt = ticket.arrivedAt;
    this.length--;
    return ticket.job;
  }
}
