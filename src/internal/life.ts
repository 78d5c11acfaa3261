import type { Observer } from 'rxjs';
import type { EvictionReason, JobOutcome, RefusalReason } from '../types.js';
import { listenersOf } from './hooks.js';
import type { Listeners } from './hooks.js';
import type { PoolOptions } from './options.js';
import { Ring } from './ring.js';
import type { Ticket } from './ticket.js';
import { DatedRing } from './waiting.js';
import type { DatedWaiting, Waiting } from './waiting.js';
import type { Verdict, Worker } from './worker.js';

/** Whoever gives each job a ticket, and is told its outcome before downstream. */
export interface Desk<J, R> {
  readonly queue: DatedWaiting<J, R>;
  settle(outcome: JobOutcome<J, R>, ticket: Ticket<J, R>): void;
}

/**
 * What has become of the jobs of one subscription, kept only where somebody watches: the accounts, and the reports. For each
 * event the state comes first, then the hooks, then the job's promise, then downstream.
 */
export class Life<J, R> {
  readonly queue: Waiting<J, R>;
  readonly tellsOutcomes: boolean;
  readonly accounts = { accepted: 0, refused: 0, completed: 0, failed: 0, evicted: 0, aborted: 0, running: 0 };

  private readonly hooks: Listeners<J, R>;
  private readonly now: () => number;
  private readonly outcomes: Observer<JobOutcome<J, R>> | undefined;
  private readonly desk: Desk<J, R> | undefined;
  /** The queue, if it notes when a job comes: only where somebody looks at outcomes, because the clock is most of their cost. */
  private readonly dated: DatedWaiting<J, R> | undefined;

  /** @param outcomes where outcomes go, in a form that tells them */
  constructor(options: PoolOptions<J, R>, outcomes?: Observer<JobOutcome<J, R>>, desk?: Desk<J, R>) {
    this.hooks = options.hooks ?? listenersOf();
    this.now = () => options.scheduler.now();
    this.outcomes = outcomes;
    this.desk = desk;
    this.tellsOutcomes = outcomes !== undefined;
    const watched = this.tellsOutcomes || this.hooks.settled.length > 0;
    this.dated = desk?.queue ?? (watched ? new DatedRing(this.now) : undefined);
    this.queue = this.dated ?? new Ring();
  }

  accepted(job: J): void {
    this.accounts.accepted++;
    for (const listener of this.hooks.accepted) listener(job);
  }

  refused(job: J, reason: RefusalReason, ticket?: Ticket<J, R>): void {
    this.accounts.refused++;
    this.tellRefused(job, reason, ticket);
  }

  /** All are counted before one is told. */
  refusedAll(tickets: readonly Ticket<J, R>[], reason: RefusalReason): void {
    this.accounts.refused += tickets.length;
    for (const ticket of tickets) this.tellRefused(ticket.job, reason, ticket);
  }

  private tellRefused(job: J, reason: RefusalReason, ticket: Ticket<J, R> | undefined): void {
    if (ticket !== undefined) ticket.refusal = reason;
    this.tell({ status: 'dropped', reason, job, attempts: 0, queuedFor: 0, ranFor: 0 }, ticket);
  }

  /** The queue has just given `job` up. */
  evicted(job: J, reason: EvictionReason): void {
    this.accounts.evicted++;
    if (this.dated !== undefined) this.lost(job, reason, this.dated.arrivedAt, this.ticketOfLast());
  }

  /** The queue gives all up at once: nobody who hears of one sees the next one still waiting. */
  evictAll(reason: EvictionReason): void {
    const { queue, dated } = this;
    const gone: [J, number, Ticket<J, R> | undefined][] = [];
    while (queue.length > 0) gone.push([queue.shift(), dated?.arrivedAt ?? 0, this.ticketOfLast()]);
    this.accounts.evicted += gone.length;
    if (dated !== undefined) for (const [job, arrivedAt, ticket] of gone) this.lost(job, reason, arrivedAt, ticket);
  }

  private lost(job: J, reason: EvictionReason, arrivedAt: number, ticket: Ticket<J, R> | undefined): void {
    this.tell({ status: 'dropped', reason, job, attempts: 0, queuedFor: this.since(arrivedAt), ranFor: 0 }, ticket);
  }

  /** Of the job that left the queue last. */
  private ticketOfLast(): Ticket<J, R> | undefined {
    const { dated } = this;
    const ticket = dated?.ticket;
    if (ticket !== undefined) dated!.ticket = undefined;
    return ticket;
  }

  /** Their owner has taken `tickets` out of the queue. */
  withdrawn(tickets: readonly Ticket<J, R>[], reason: unknown): void {
    this.accounts.aborted += tickets.length;
    for (const ticket of tickets) {
      const { job } = ticket;
      const queuedFor = this.since(ticket.arrivedAt);
      this.tell({ status: 'aborted', reason, settled: true, job, attempts: 0, queuedFor, ranFor: 0 }, ticket);
    }
  }

  /** The queue has just given the job up to `worker`. */
  started(worker: Worker<J, R>): void {
    this.accounts.running++;
    if (this.dated !== undefined) {
      worker.arrivedAt = this.dated.arrivedAt;
      worker.startedAt = this.now();
      worker.ticket = this.ticketOfLast();
      if (worker.ticket !== undefined) worker.ticket.worker = worker;
    }
    for (const listener of this.hooks.started) listener(worker.job as J, worker.attempt!);
  }

  settled(worker: Worker<J, R>, verdict: Verdict, result: unknown): void {
    const { ticket } = worker;
    const job = worker.job as J;
    this.accounts.running--;
    this.accounts[verdict === 'abandoned' ? 'aborted' : verdict]++;
    const outcome = this.dated && this.outcomeOf(worker, verdict, result);
    if (ticket !== undefined) ticket.worker = worker.ticket = undefined;
    if (outcome !== undefined) for (const listener of this.hooks.settled) listener(outcome);
    for (const listener of this.hooks.released) listener(job);
    if (outcome === undefined) return;
    if (ticket !== undefined) this.desk!.settle(outcome, ticket);
    if (this.tellsOutcomes) worker.out.next(outcome);
  }

  private outcomeOf(worker: Worker<J, R>, verdict: Verdict, result: unknown): JobOutcome<J, R> {
    const base = {
      job: worker.job as J,
      attempts: 1,
      queuedFor: Math.max(0, worker.startedAt - worker.arrivedAt),
      ranFor: this.since(worker.startedAt),
    };
    switch (verdict) {
      case 'completed':
        return { status: verdict, value: result as R, ...base };
      case 'failed':
        return { status: verdict, error: result, ...base };
      case 'aborted':
      case 'abandoned':
        return { status: 'aborted', reason: result, settled: verdict === 'aborted', ...base };
    }
  }

  /** Of a job that no worker has. */
  private tell(outcome: JobOutcome<J, R>, ticket: Ticket<J, R> | undefined): void {
    for (const listener of this.hooks.settled) listener(outcome);
    if (ticket !== undefined) this.desk!.settle(outcome, ticket);
    this.outcomes?.next(outcome);
  }

  /** Never negative: a wall clock may be set back. */
  private since(time: number): number {
    return Math.max(0, this.now() - time);
  }
}
