import type { Observer, SchedulerLike } from 'rxjs';
import type { EvictionReason, JobOutcome, RefusalReason } from '../../types.js';
import type { Listeners } from './hooks.js';
import { Life } from './lifecycle.js';
import type { Gone } from './lifecycle.js';
import type { Ticket, TicketLine } from '../handle/record.js';
import type { Verdict, Worker } from '../core/worker.js';

/** Who has given out the tickets. */
export interface Desk<J, R> {
  /** Told before the hooks. */
  onAccepted(ticket: Ticket<J, R>): void;
  /** Told after the hooks and before downstream. */
  onSettled(ticket: Ticket<J, R>, outcome: JobOutcome<J, R>): void;
}

/** The life of jobs with tickets, and the accounts of it. */
export class TicketedLife<J, R> extends Life<Ticket<J, R>, R, J> {
  readonly accounts = { accepted: 0, refused: 0, completed: 0, failed: 0, evicted: 0, aborted: 0, running: 0 };

  readonly #desk: Desk<J, R>;

  constructor(
    options: { readonly hooks: Listeners<J, R> | undefined; readonly scheduler: SchedulerLike },
    outcomes: Observer<JobOutcome<J, R>>,
    queue: TicketLine<J, R>,
    desk: Desk<J, R>,
  ) {
    super(options, outcomes, queue);
    this.#desk = desk;
  }

  override jobOf(ticket: Ticket<J, R>): J {
    return ticket.job;
  }

  override accepted(ticket: Ticket<J, R>): void {
    this.accounts.accepted++;
    this.#desk.onAccepted(ticket);
    super.accepted(ticket);
  }

  override refused(ticket: Ticket<J, R>, reason: RefusalReason): void {
    this.refusedAll([ticket], reason);
  }

  /** All are counted before one is told. */
  refusedAll(tickets: readonly Ticket<J, R>[], reason: RefusalReason): void {
    this.accounts.refused += tickets.length;
    for (const ticket of tickets) {
      ticket.refusal = reason;
      super.refused(ticket, reason);
    }
  }

  override evicted(gone: readonly Gone<Ticket<J, R>>[], reason: EvictionReason): void {
    this.accounts.evicted += gone.length;
    super.evicted(gone, reason);
  }

  /** Their owner has taken `tickets` out of the queue. */
  withdrawn(tickets: readonly Ticket<J, R>[], reason: unknown): void {
    this.accounts.aborted += tickets.length;
    for (const ticket of tickets) {
      const { job, arrivedAt } = ticket;
      const queuedFor = this.since(arrivedAt);
      this.tell(ticket, { status: 'aborted', reason, settled: true, job, attempts: 0, queuedFor, ranFor: 0 });
    }
  }

  override started(worker: Worker<Ticket<J, R>, R>): void {
    this.accounts.running++;
    const ticket = worker.job!;
    ticket.worker = worker;
    super.started(worker);
    // It was aborted when it had no place yet, and no worker.
    if (ticket.signal?.aborted) worker.abort(ticket.signal.reason);
  }

  override settled(worker: Worker<Ticket<J, R>, R>, verdict: Verdict, result: unknown): void {
    this.accounts.running--;
    this.accounts[verdict === 'abandoned' ? 'aborted' : verdict]++;
    worker.job!.worker = undefined;
    super.settled(worker, verdict, result);
  }

  protected override deliver(ticket: Ticket<J, R>, outcome: JobOutcome<J, R>): void {
    this.#desk.onSettled(ticket, outcome);
    super.deliver(ticket, outcome);
  }
}
