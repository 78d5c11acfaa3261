import type { Observer, SchedulerLike } from 'rxjs';
import type { EvictionReason, JobOutcome, RefusalReason } from '../types.js';
import type { Listeners } from './hooks.js';
import { Life } from './life.js';
import type { Gone } from './life.js';
import type { Ticket, TicketLine } from './ticket.js';
import type { Verdict, Worker } from './worker.js';

/** The life of jobs with tickets, and the accounts of it. */
export class TicketedLife<J, R> extends Life<Ticket<J, R>, R, J> {
  readonly accounts = { accepted: 0, refused: 0, completed: 0, failed: 0, evicted: 0, aborted: 0, running: 0 };

  readonly #onOutcome: (outcome: JobOutcome<J, R>, ticket: Ticket<J, R>) => void;

  /** @param onOutcome told of each outcome, after the hooks and before downstream */
  constructor(
    options: { readonly hooks: Listeners<J, R> | undefined; readonly scheduler: SchedulerLike },
    outcomes: Observer<JobOutcome<J, R>>,
    queue: TicketLine<J, R>,
    onOutcome: (outcome: JobOutcome<J, R>, ticket: Ticket<J, R>) => void,
  ) {
    super(options, outcomes, queue);
    this.#onOutcome = onOutcome;
  }

  override jobOf(ticket: Ticket<J, R>): J {
    return ticket.job;
  }

  override accepted(ticket: Ticket<J, R>): void {
    this.accounts.accepted++;
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
    worker.job!.worker = worker;
    super.started(worker);
  }

  override settled(worker: Worker<Ticket<J, R>, R>, verdict: Verdict, result: unknown): void {
    this.accounts.running--;
    this.accounts[verdict === 'abandoned' ? 'aborted' : verdict]++;
    worker.job!.worker = undefined;
    super.settled(worker, verdict, result);
  }

  protected override deliver(ticket: Ticket<J, R>, outcome: JobOutcome<J, R>): void {
    this.#onOutcome(outcome, ticket);
    super.deliver(ticket, outcome);
  }
}
