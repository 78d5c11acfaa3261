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
import type { BackgroundJobs, SendConfig, SubmitConfig } from '../../BackgroundJobs.js';
import { BufferOverflowError, JobDroppedError } from '../../errors.js';
import type { DeadlineConfig } from '../../gracefulShutdown.js';
import type {
  JobContext,
  JobDropped,
  JobOutcome,
  JobSource,
  PoolConfig,
  PoolStats,
  ShutdownLevel,
  ShutdownReport,
} from '../../types.js';
import { checkConfig, checkSignal } from '../support/checks.js';
import { Escalation } from './escalation.js';
import { intake, isPulledAsync } from '../core/intake.js';
import type { Taker } from '../core/intake.js';
import { DRAIN, LEVELS, levelOf } from '../core/shutdown.js';
import { readPoolOptions } from '../options.js';
import type { PoolOptions } from '../options.js';
import { Pool } from '../core/pool.js';
import { Promised } from '../support/deferred.js';
import { reportError } from '../support/reporting.js';
import { Revocations } from './cancellation.js';
import { Sent, Submitted, Ticket, TicketLine } from './record.js';
import type { Revocable } from './record.js';
import { TicketedLife } from '../lifecycle/ticketedLife.js';

/** {@link BackgroundJobs}: promises and senders around a pool. What is queued, run and ended is the pool's business. */
export class Handle<J, R> implements BackgroundJobs<J, R> {
  readonly outcomes$: Observable<JobOutcome<J, R>>;
  readonly ended: Promise<ShutdownReport<J>>;

  readonly #options: PoolOptions<J, R>;
  #life!: TicketedLife<J, R>;
  #pool!: Pool<Ticket<J, R>, R, JobOutcome<J, R>>;
  /** What waits in the buffer. */
  readonly #queue = new TicketLine<J, R>();
  /** Who waits for room, first come first served. */
  readonly #senders = new TicketLine<J, R>();
  readonly #revocations = new Revocations<Revocable<J, R>>((tickets, reason) => this.#revoke(tickets, reason));
  /** The iterables that are listened to, and whether they are async: each is asked when a worker looks for its next job. */
  readonly #pulled = new Map<Taker<J>, boolean>();
  readonly #arrivals = new Subject<Ticket<J, R>>();
  readonly #outcomes = new Subject<JobOutcome<J, R>>();
  readonly #closing = new Subject<void>();
  readonly #escalation: Escalation;
  #idlers: (() => void)[] = [];
  readonly #dropped: JobDropped<J>[] = [];
  readonly #abandoned: J[] = [];

  constructor(work: (job: J, context: JobContext) => ObservableInput<R>, config: PoolConfig<J, R>) {
    const ended = new Promised<ShutdownReport<J>>();
    this.#options = readPoolOptions<J, R>('BackgroundJobs', work, config);
    this.#escalation = new Escalation(this.#options.scheduler);
    this.ended = ended.promise;
    this.outcomes$ = this.#outcomes.asObservable();
    new Observable<JobOutcome<J, R>>((results) => this.#open(results)).subscribe({
      next: (outcome) => this.#told(outcome),
      complete: () => {
        this.#escalation.end();
        this.#outcomes.complete();
        this.#wakeIdlers();
        const level = LEVELS[this.#pool.level]!;
        ended.resolve({ level, stats: this.stats, dropped: this.#dropped, abandoned: this.#abandoned });
      },
    });
  }

  #open(results: Subscriber<JobOutcome<J, R>>): void {
    const options = this.#options;
    // Who offers a job hears of an overflow, and the pool goes on.
    const overflow = options.overflow === 'error' ? 'drop-incoming' : options.overflow;
    const work = (ticket: Ticket<J, R>, context: JobContext): ObservableInput<R> => options.work(ticket.job, context);
    this.#life = new TicketedLife(options, results, this.#queue, {
      onAccepted: (ticket) => {
        if (ticket instanceof Sent) this.#keep(ticket);
        ticket.onAccepted();
      },
      onSettled: (ticket, outcome) => this.#settle(ticket, outcome),
    });
    const pool = (this.#pool = new Pool({ ...options, overflow, work }, results, this.#life));
    pool.pull = () => this.#fill();
    const levels$ = merge(reported(options.shutdown), this.#escalation.levels).pipe(
      tap((level) => {
        this.#escalation.reached(level);
        // An item that has come late, and waits for room while the pool drains.
        if (!this.#pool.accepting && levelOf(level) > DRAIN) this.#refuseWaiting(() => true);
      }),
    );
    this.#arrivals
      .pipe(
        takeUntil(pool.shutdownBy(levels$)),
        tap({ complete: () => this.#close() }),
        filter((ticket) => pool.admit(ticket)),
        mergeMap((ticket) => pool.hire(ticket), options.workers),
      )
      .subscribe(results);
  }

  /** The intake has ended. */
  #close(): void {
    const pool = this.#pool;
    pool.closeIntake();
    // An item that was pulled is no sender's: it runs for as long as anything does.
    this.#refuseWaiting((ticket) => ticket instanceof Sent || ticket instanceof Submitted || !pool.stillRuns);
    this.#closing.next();
  }

  get stats(): PoolStats {
    const { accepted, refused, completed, failed, evicted, aborted, running } = this.#life.accounts;
    const waiting = this.#senders.length;
    return {
      offered: accepted + refused + waiting,
      accepted,
      refused,
      waiting,
      completed,
      failed,
      evicted,
      aborted,
      queued: this.#queue.length,
      delayed: 0,
      running,
      lingering: 0,
      workers: this.#options.workers,
    };
  }

  // ---- Ways in

  offer(job: J): boolean {
    const ticket = this.#ticketFor(job);
    this.#arrive(ticket);
    return ticket.refusal === undefined;
  }

  send(job: J, config: SendConfig = {}): Promise<void> {
    const { signal } = checkConfig('send', config, ['signal']);
    const ticket = new Sent<J, R>(job, this.#now());
    if (!this.#isRevoked(ticket, checkSignal('send', signal))) this.#wait(ticket);
    return ticket.place.promise;
  }

  submit(job: J, config?: SubmitConfig): Promise<R> {
    const ticket = new Submitted<J, R>(job, this.#now());
    if (config === undefined) this.#arrive(ticket);
    else {
      const options = checkConfig('submit', config, ['signal', 'wait']);
      const signal = checkSignal('submit', options['signal']);
      if (this.#isRevoked(ticket, signal)) return ticket.result.promise;
      if (options['wait'] === true) this.#wait(ticket);
      else this.#arrive(ticket);
      // Whoever heard of a loss that made room may have aborted it, when it was nowhere to be found.
      if (signal?.aborted) this.#revoke([ticket], signal.reason);
    }
    return ticket.result.promise;
  }

  listenTo(source: JobSource<J>): Subscription {
    const pool = this.#pool;
    const taker: Taker<J> = {
      canStart: (isNested) => pool.canStart(isNested),
      hasRoom: () => pool.hasRoom() && this.#senders.length === 0 && this.#mayReadAhead(),
      get isAsked() {
        return pool.isAsked;
      },
      give: (job) => pool.give(this.#ticketFor(job)),
      admitLate: (job) => this.#admitLate(this.#ticketFor(job)),
      turns: pool.turns,
      pull: undefined,
    };
    const jobs = intake(source, taker);
    if (!pool.accepting) return Subscription.EMPTY;
    if (jobs !== source) this.#pulled.set(taker, isPulledAsync(source));
    return jobs
      .pipe(
        takeUntil(this.#closing),
        tap((job) => {
          const ticket = this.#ticketFor(job);
          // What was pulled is never lost.
          if (taker.pull !== undefined) return this.#wait(ticket);
          this.#arrive(ticket);
          if (ticket.refusal !== 'full' || this.#options.overflow !== 'error') return;
          // Where the intake has ended meanwhile there is no subscription left that could fail.
          if (pool.accepting) throw this.#overflowOf(job);
          reportError(this.#overflowOf(job));
        }),
        finalize(() => this.#pulled.delete(taker)),
      )
      .subscribe({ error: reportError });
  }

  /** An async iterable that is read ahead keeps the buffer full, and one of the other kind needs it empty to be asked. */
  #mayReadAhead(): boolean {
    return this.#pool.canStart(false) || ![...this.#pulled.values()].includes(false);
  }

  #ticketFor(job: J): Ticket<J, R> {
    return new Ticket(job, this.#now());
  }

  #now(): number {
    return this.#options.scheduler.now();
  }

  /** Now or never, and never before one who waits. */
  #arrive(ticket: Ticket<J, R>): void {
    if (!this.#pool.accepting) this.#pool.buffer.refuse(ticket, 'closed');
    else if (this.#senders.length > 0) this.#pool.buffer.refuse(ticket, 'full');
    else this.#arrivals.next(ticket);
  }

  /** Now, or when its turn has come. */
  #wait(ticket: Ticket<J, R>): void {
    if (this.#pool.accepting && (this.#senders.length > 0 || !this.#pool.hasRoom()))
      return void this.#senders.push(ticket);
    this.#arrive(ticket);
  }

  /** An item that was on its way when its subscription ended: the pool goes on, or drains, or is too far gone. */
  #admitLate(ticket: Ticket<J, R>): void {
    if (this.#pool.accepting) this.#wait(ticket);
    else if (this.#pool.stillRuns && !this.#pool.hasRoom()) this.#senders.push(ticket);
    else this.#pool.admitLate(ticket);
  }

  /** There may be room: first for those who wait, then for the iterables. One that has given goes to the end of their line. */
  #fill(): void {
    const pulled = this.#pulled;
    const senders = this.#senders;
    const pool = this.#pool;
    const life = this.#life;
    while (senders.length > 0 && pool.hasRoom()) {
      const ticket = senders.shift();
      if (pool.accepting) this.#arrivals.next(ticket);
      else pool.admitLate(ticket);
    }
    // Until the shutdown, of which whoever is refused may hear before the iterables are let go.
    if (!pool.accepting) return;
    for (const [taker, isAsync] of [...pulled]) {
      const { accepted } = life.accounts;
      taker.pull?.();
      if (life.accounts.accepted > accepted && pulled.delete(taker)) pulled.set(taker, isAsync);
    }
  }

  #refuseWaiting(isRefused: (ticket: Ticket<J, R>) => boolean): void {
    const senders = this.#senders;
    const refused: Ticket<J, R>[] = [];
    for (let { length } = senders; length > 0; length--) {
      const ticket = senders.shift();
      if (isRefused(ticket)) refused.push(ticket);
      else senders.push(ticket);
    }
    // All have left, so that whoever hears of one does not find the next still waiting.
    this.#pool.buffer.tell(() => this.#life.refusedAll(refused, 'closed'));
  }

  // ---- A caller's signal

  /** Gives `ticket` up when `signal` is aborted. Is it already? */
  #isRevoked(ticket: Revocable<J, R>, signal: AbortSignal | undefined): boolean {
    if (signal === undefined) return false;
    ticket.signal = signal;
    if (signal.aborted) ticket.onRevoked(signal.reason);
    else this.#revocations.add(ticket, signal);
    return signal.aborted;
  }

  /** The signal means nothing to `ticket` any more. */
  #keep(ticket: Ticket<J, R>): void {
    if (ticket.signal !== undefined) this.#revocations.delete(ticket as Revocable<J, R>, ticket.signal);
    ticket.signal = undefined;
  }

  /** All that wait leave before one that runs is aborted: its worker's next job must not be one of them. */
  #revoke(tickets: readonly Revocable<J, R>[], reason: unknown): void {
    const pool = this.#pool;
    const queue = this.#queue;
    const senders = this.#senders;
    const sending = tickets.filter(({ line }) => line === senders);
    const queued = tickets.filter(({ line }) => line === queue);
    for (const ticket of [...sending, ...queued]) ticket.line!.remove(ticket);
    for (const ticket of sending) {
      this.#keep(ticket);
      ticket.onRevoked(reason);
    }
    pool.buffer.tell(() => this.#life.withdrawn(queued, reason));
    for (const ticket of tickets) ticket.worker?.abort(reason);
    this.#fill();
  }

  // ---- Outcomes

  #settle(ticket: Ticket<J, R>, outcome: JobOutcome<J, R>): void {
    this.#keep(ticket);
    const heard = ticket.onSettled(outcome, this.#errorOf);
    if (heard || outcome.status !== 'failed') return;
    // A failure that nobody hears of is reported; a drop never is.
    const watched = this.#outcomes.observed || (this.#options.hooks?.settled.length ?? 0) > 0;
    if (!watched) reportError(outcome.error);
  }

  readonly #errorOf = ({ job, reason }: JobDropped<J>): Error => {
    if (reason === 'full' && this.#options.overflow === 'error') return this.#overflowOf(job);
    return new JobDroppedError(reason, job);
  };

  #overflowOf(job: J): BufferOverflowError<J> {
    return new BufferOverflowError(this.#options.buffer, job);
  }

  #told(outcome: JobOutcome<J, R>): void {
    if (outcome.status === 'dropped' && outcome.reason === 'shutdown') this.#dropped.push(outcome);
    if (outcome.status === 'aborted' && !outcome.settled) this.#abandoned.push(outcome.job);
    this.#outcomes.next(outcome);
    this.#wakeIdlersLater();
  }

  // ---- The end

  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idlers.push(resolve);
      this.#wakeIdlersLater();
    });
  }

  /** After this call, in which a worker may find another job. */
  #wakeIdlersLater(): void {
    if (this.#idlers.length > 0) queueMicrotask(() => this.#wakeIdlers());
  }

  #wakeIdlers(): void {
    if (this.#pool.busy > 0 || this.#queue.length > 0) return;
    for (const wake of this.#idlers.splice(0)) wake();
  }

  shutdown(level: ShutdownLevel = 'drain', config?: DeadlineConfig): Promise<ShutdownReport<J>> {
    this.#escalation.shutdown(level, config);
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
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
