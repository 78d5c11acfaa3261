import {
  catchError,
  filter,
  finalize,
  merge,
  mergeMap,
  NEVER,
  Observable,
  Subject,
  Subscription,
  takeUntil,
  tap,
} from 'rxjs';
import type { ObservableInput, Subscriber } from 'rxjs';
import type { BackgroundJobs, SendConfig, SubmitConfig } from '../BackgroundJobs.js';
import { BufferOverflowError, JobDroppedError } from '../errors.js';
import type { DeadlineConfig } from '../gracefulShutdown.js';
import type {
  JobContext,
  JobDropped,
  JobOutcome,
  JobSource,
  PoolConfig,
  PoolStats,
  ShutdownLevel,
  ShutdownReport,
} from '../types.js';
import { checkConfig, checkSignal } from './checks.js';
import { Escalation } from './escalation.js';
import { intake } from './intake.js';
import type { Taker } from './intake.js';
import { DRAIN, LEVELS, levelOf } from './levels.js';
import { Life } from './life.js';
import { readPoolOptions } from './options.js';
import type { PoolOptions } from './options.js';
import { Pool } from './pool.js';
import { Promised } from './promised.js';
import { reportError } from './reportError.js';
import { Revocations } from './revocations.js';
import { Ticket, TicketLine } from './ticket.js';
import { Sent, Submitted } from './promisedTickets.js';
import type { Revocable } from './promisedTickets.js';

/** {@link BackgroundJobs}: promises and senders around a pool. What is queued, run and ended is the pool's business. */
export class Handle<J, R> implements BackgroundJobs<J, R> {
  readonly outcomes$: Observable<JobOutcome<J, R>>;
  readonly ended: Promise<ShutdownReport<J>>;

  private readonly options: PoolOptions<J, R>;
  private life!: Life<J, R>;
  private pool!: Pool<J, R, JobOutcome<J, R>>;
  /** What waits in the buffer. */
  private readonly queue = new TicketLine<J, R>();
  /** Who waits for room, first come first served. */
  private readonly senders = new TicketLine<J, R>();
  private readonly revocations = new Revocations<Revocable<J, R>>((tickets, reason) => this.revoke(tickets, reason));
  /** The iterables that are listened to: each is asked when a worker looks for its next job. */
  private readonly pulled = new Set<Taker<J>>();
  private readonly arrivals = new Subject<Ticket<J, R>>();
  private readonly outcomes = new Subject<JobOutcome<J, R>>();
  private readonly closing = new Subject<void>();
  private readonly escalation: Escalation;
  private idlers: (() => void)[] = [];
  private readonly dropped: JobDropped<J>[] = [];
  private readonly abandoned: J[] = [];

  constructor(work: (job: J, context: JobContext) => ObservableInput<R>, config: PoolConfig<J, R>) {
    const ended = new Promised<ShutdownReport<J>>();
    this.options = readPoolOptions<J, R>('BackgroundJobs', work, config);
    this.escalation = new Escalation(this.options.scheduler);
    this.ended = ended.promise;
    this.outcomes$ = this.outcomes.asObservable();
    new Observable<JobOutcome<J, R>>((results) => this.open(results)).subscribe({
      next: (outcome) => this.told(outcome),
      complete: () => {
        this.escalation.end();
        this.outcomes.complete();
        this.wakeIdlers();
        const { dropped, abandoned, stats } = this;
        ended.resolve({ level: LEVELS[this.pool.level]!, stats, dropped, abandoned });
      },
    });
  }

  private open(results: Subscriber<JobOutcome<J, R>>): void {
    const { options, queue } = this;
    // Who offers a job hears of an overflow, and the pool goes on.
    const overflow = options.overflow === 'error' ? 'drop-incoming' : options.overflow;
    const settle = (outcome: JobOutcome<J, R>, ticket: Ticket<J, R>): void => this.settle(outcome, ticket);
    const life = (this.life = new Life(options, results, { queue, settle }));
    const pool = (this.pool = new Pool({ ...options, overflow }, results, life));
    pool.puller = { ask: () => this.feed(), fill: () => this.fill() };
    const levels$ = merge(reported(options.shutdown), this.escalation.levels).pipe(
      tap((level) => {
        this.escalation.reached(level);
        // An item that has come late, and waits for room while the pool drains.
        if (!this.pool.accepting && levelOf(level) > DRAIN) this.refuseSenders();
      }),
    );
    this.arrivals
      .pipe(
        takeUntil(pool.shutdownBy(levels$)),
        tap({ complete: () => this.close() }),
        filter((ticket) => pool.admit(ticket.job, ticket)),
        mergeMap((ticket) => pool.hire(ticket.job), options.workers),
      )
      .subscribe(results);
  }

  /** The intake has ended. */
  private close(): void {
    this.pool.closeIntake();
    this.refuseSenders();
    this.closing.next();
  }

  get stats(): PoolStats {
    const { accepted, refused, completed, failed, evicted, aborted, running } = this.life.accounts;
    const waiting = this.senders.length;
    return {
      offered: accepted + refused + waiting,
      accepted,
      refused,
      waiting,
      completed,
      failed,
      evicted,
      aborted,
      queued: this.queue.length,
      delayed: 0,
      running,
      lingering: 0,
      workers: this.options.workers,
    };
  }

  // ---- Ways in

  offer(job: J): boolean {
    const ticket = this.ticketFor(job);
    this.arrive(ticket);
    return ticket.refusal === undefined;
  }

  send(job: J, config: SendConfig = {}): Promise<void> {
    const { signal } = checkConfig('send', config, ['signal']);
    const ticket = new Sent<J, R>(job, this.now());
    if (!this.isRevoked(ticket, checkSignal('send', signal))) this.wait(ticket);
    return ticket.place.promise;
  }

  submit(job: J, config?: SubmitConfig): Promise<R> {
    const ticket = new Submitted<J, R>(job, this.now());
    if (config === undefined) this.arrive(ticket);
    else {
      const { signal, wait } = checkConfig('submit', config, ['signal', 'wait']);
      if (this.isRevoked(ticket, checkSignal('submit', signal))) return ticket.result.promise;
      if (wait === true) this.wait(ticket);
      else this.arrive(ticket);
    }
    return ticket.result.promise;
  }

  listenTo(source: JobSource<J>): Subscription {
    const { pool } = this;
    const taker: Taker<J> = {
      canStart: () => pool.canStart(),
      hasRoom: () => pool.hasRoom() && this.senders.length === 0,
      hasWaiting: () => pool.hasWaiting(),
      hasIdle: () => pool.hasIdle(),
      enqueue: (job) => {
        if (taker.hasRoom()) pool.enqueue(job, this.ticketFor(job));
        else this.waitInLine(this.ticketFor(job));
      },
      admitLate: (job) => this.admitLate(this.ticketFor(job)),
      puller: undefined,
    };
    const jobs = intake(source, taker);
    if (!pool.accepting) return Subscription.EMPTY;
    this.pulled.add(taker);
    return jobs
      .pipe(
        takeUntil(this.closing),
        tap((job) => {
          const ticket = this.ticketFor(job);
          // What was pulled is never lost.
          if (taker.puller !== undefined) return this.wait(ticket);
          this.arrive(ticket);
          if (ticket.refusal !== 'full' || this.options.overflow !== 'error') return;
          // Where the intake has ended meanwhile there is no subscription left that could fail.
          if (pool.accepting) throw this.overflowOf(job);
          reportError(this.overflowOf(job));
        }),
        finalize(() => this.pulled.delete(taker)),
      )
      .subscribe({ error: reportError });
  }

  private ticketFor(job: J): Ticket<J, R> {
    return new Ticket(job, this.now());
  }

  private now(): number {
    return this.options.scheduler.now();
  }

  /** Now or never, and never before one who waits. */
  private arrive(ticket: Ticket<J, R>): void {
    if (!this.pool.accepting) this.pool.refuse(ticket.job, 'closed', ticket);
    else if (this.senders.length > 0) this.pool.refuse(ticket.job, 'full', ticket);
    else this.arrivals.next(ticket);
  }

  /** Now, or when its turn has come. */
  private wait(ticket: Ticket<J, R>): void {
    if (this.pool.accepting && (this.senders.length > 0 || !this.pool.hasRoom())) return this.waitInLine(ticket);
    this.arrive(ticket);
    if (ticket.refusal === undefined) this.place(ticket);
  }

  /** A sender has got what it waited for. */
  private place(ticket: Ticket<J, R>): void {
    if (ticket instanceof Sent) this.keep(ticket);
    ticket.onAccepted();
  }

  private waitInLine(ticket: Ticket<J, R>): void {
    this.senders.push(ticket.job, ticket);
  }

  /** An item that was on its way when its subscription ended: the pool goes on, or drains, or is too far gone. */
  private admitLate(ticket: Ticket<J, R>): void {
    if (this.pool.accepting) this.wait(ticket);
    else if (this.pool.stillRuns && !this.pool.hasRoom()) this.waitInLine(ticket);
    else this.pool.admitLate(ticket.job, ticket);
  }

  /** A worker looks for its next job: first those who wait, then one of the iterables, which goes to the end of its line. */
  private feed(): void {
    const { pulled, queue } = this;
    this.admitSenders();
    for (const taker of pulled) {
      const before = queue.length;
      taker.puller?.ask();
      if (queue.length === before) continue;
      if (pulled.delete(taker)) pulled.add(taker);
      break;
    }
  }

  /** There is room that there was not before. */
  private fill(): void {
    this.admitSenders();
    for (const taker of this.pulled) taker.puller?.fill();
  }

  private admitSenders(): void {
    const { pool, senders } = this;
    while (senders.length > 0 && pool.hasRoom()) {
      const ticket = leave(senders);
      pool.enqueue(ticket.job, ticket);
      this.place(ticket);
    }
  }

  private refuseSenders(): void {
    // All at once, so that whoever hears of one does not find the next still waiting.
    const refused: Ticket<J, R>[] = [];
    while (this.senders.length > 0) refused.push(leave(this.senders));
    this.pool.refuseAll(refused, 'closed');
  }

  // ---- A caller's signal

  /** Gives `ticket` up when `signal` is aborted. Is it already? */
  private isRevoked(ticket: Revocable<J, R>, signal: AbortSignal | undefined): boolean {
    if (signal === undefined) return false;
    ticket.signal = signal;
    if (signal.aborted) ticket.onRevoked(signal.reason);
    else this.revocations.add(ticket, signal);
    return signal.aborted;
  }

  /** The signal means nothing to `ticket` any more. */
  private keep(ticket: Ticket<J, R>): void {
    if (ticket.signal !== undefined) this.revocations.delete(ticket as Revocable<J, R>, ticket.signal);
  }

  /** All that wait leave before one that runs is aborted: its worker's next job must not be one of them. */
  private revoke(tickets: readonly Revocable<J, R>[], reason: unknown): void {
    const { pool, queue, senders } = this;
    const sending = tickets.filter(({ line }) => line === senders);
    const queued = tickets.filter(({ line }) => line === queue);
    for (const ticket of [...sending, ...queued]) ticket.line!.remove(ticket);
    for (const ticket of sending) {
      this.keep(ticket);
      ticket.onRevoked(reason);
    }
    pool.withdraw(queued, reason);
    for (const ticket of tickets) ticket.worker?.abort(reason);
    pool.puller?.fill();
  }

  // ---- Outcomes

  private settle(outcome: JobOutcome<J, R>, ticket: Ticket<J, R>): void {
    this.keep(ticket);
    const heard = ticket.onSettled(outcome, this.errorOf);
    if (heard || outcome.status !== 'failed') return;
    // A failure that nobody hears of is reported; a drop never is.
    const watched = this.outcomes.observed || (this.options.hooks?.settled.length ?? 0) > 0;
    if (!watched) reportError(outcome.error);
  }

  private readonly errorOf = ({ job, reason }: JobDropped<J>): Error => {
    if (reason === 'full' && this.options.overflow === 'error') return this.overflowOf(job);
    return new JobDroppedError(reason, job);
  };

  private overflowOf(job: J): BufferOverflowError<J> {
    return new BufferOverflowError(this.options.buffer, job);
  }

  private told(outcome: JobOutcome<J, R>): void {
    if (outcome.status === 'dropped' && outcome.reason === 'shutdown') this.dropped.push(outcome);
    if (outcome.status === 'aborted' && !outcome.settled) this.abandoned.push(outcome.job);
    this.outcomes.next(outcome);
    this.wakeIdlersLater();
  }

  // ---- The end

  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.idlers.push(resolve);
      this.wakeIdlersLater();
    });
  }

  /** After this call, in which a worker may find another job. */
  private wakeIdlersLater(): void {
    if (this.idlers.length > 0) queueMicrotask(() => this.wakeIdlers());
  }

  private wakeIdlers(): void {
    if (this.pool.busy > 0 || this.queue.length > 0) return;
    for (const wake of this.idlers.splice(0)) wake();
  }

  shutdown(level: ShutdownLevel = 'drain', config?: DeadlineConfig): Promise<ShutdownReport<J>> {
    this.escalation.shutdown(level, config);
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}

/** Removes the first ticket of `line`. */
function leave<J, R>(line: TicketLine<J, R>): Ticket<J, R> {
  line.shift();
  const ticket = line.ticket!;
  line.ticket = undefined;
  return ticket;
}

/** A notifier that fails can end nothing any more: that is reported, and the pool goes on. */
function reported(notifier: Observable<unknown>): Observable<unknown> {
  return notifier.pipe(
    catchError((error: unknown) => {
      reportError(error);
      return NEVER;
    }),
  );
}
