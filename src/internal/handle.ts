import {
  catchError,
  filter,
  finalize,
  from,
  merge,
  mergeMap,
  NEVER,
  Observable,
  skip,
  Subject,
  Subscription,
  takeUntil,
  tap,
} from 'rxjs';
import type { ObservableInput, Subscriber } from 'rxjs';
import type { BackgroundJobs, SendConfig, SubmitConfig } from '../BackgroundJobs.js';
import { BufferOverflowError, JobDroppedError } from '../errors.js';
import { gracefulShutdown } from '../gracefulShutdown.js';
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
import { checkConfig, checkOneOf, checkSignal } from './checks.js';
import { intake } from './intake.js';
import type { Taker } from './intake.js';
import { ABORT, LEVELS } from './levels.js';
import { Life } from './life.js';
import type { Desk } from './life.js';
import { readPoolOptions } from './options.js';
import type { PoolOptions } from './options.js';
import { Pool } from './pool.js';
import { Promised } from './promised.js';
import { reportError } from './reportError.js';
import { Ticket, TicketLine } from './ticket.js';

/** {@link BackgroundJobs}: promises and senders around a pool. What is queued, run and ended is the pool's business. */
export class Handle<J, R> implements BackgroundJobs<J, R>, Desk<J, R> {
  readonly outcomes$: Observable<JobOutcome<J, R>>;
  readonly ended: Promise<ShutdownReport<J>>;
  /** What waits in the buffer. */
  readonly queue: TicketLine<J, R> = new TicketLine();

  private readonly options: PoolOptions<J, R>;
  private life!: Life<J, R>;
  private pool!: Pool<J, R, JobOutcome<J, R>>;
  private readonly arrivals = new Subject<Ticket<J, R>>();
  private readonly outcomes = new Subject<JobOutcome<J, R>>();
  private readonly levels = new Subject<ShutdownLevel>();
  private readonly closing = new Subject<void>();
  private readonly deadlines = new Subscription();
  /** Who waits for room, first come first served. */
  private readonly senders = new TicketLine<J, R>();
  /** The iterables that are listened to: each is asked when a worker looks for its next job. */
  private readonly pulled = new Set<Taker<J>>();
  private idlers: (() => void)[] = [];
  private readonly dropped: JobDropped<J>[] = [];
  private readonly abandoned: J[] = [];

  constructor(work: (job: J, context: JobContext) => ObservableInput<R>, config: PoolConfig<J, R>) {
    const ended = new Promised<ShutdownReport<J>>();
    this.options = readPoolOptions<J, R>('BackgroundJobs', work, config);
    this.ended = ended.promise;
    this.outcomes$ = this.outcomes.asObservable();
    new Observable<JobOutcome<J, R>>((results) => this.open(results)).subscribe({
      next: (outcome) => this.told(outcome),
      complete: () => {
        this.deadlines.unsubscribe();
        this.outcomes.complete();
        this.wakeIdlers();
        const { dropped, abandoned, stats } = this;
        ended.resolve({ level: LEVELS[this.pool.level]!, stats, dropped, abandoned });
      },
    });
  }

  private open(results: Subscriber<JobOutcome<J, R>>): void {
    const { options } = this;
    // Who offers a job hears of an overflow, and the pool goes on.
    const overflow = options.overflow === 'error' ? 'drop-incoming' : options.overflow;
    const life = (this.life = new Life(options, results, this));
    const pool = (this.pool = new Pool({ ...options, overflow }, results, life));
    pool.puller = { ask: () => this.feed(), fill: () => this.feed() };
    this.arrivals
      .pipe(
        takeUntil(pool.shutdownBy(merge(reported(options.shutdown), this.levels))),
        tap({ complete: () => this.close() }),
        filter((ticket) => pool.admit(ticket.job, ticket)),
        mergeMap((ticket) => pool.hire(ticket.job), options.workers),
      )
      .subscribe(results);
  }

  /** The intake has ended. */
  private close(): void {
    this.pool.closeIntake();
    this.closing.next();
    while (this.senders.length > 0) this.pool.refuse(this.senders.shift(), 'closed', this.senders.ticket);
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
    const signal = checkSignal('send', checkConfig('send', config, ['signal'])['signal']);
    const sent = new Promised<void>();
    const ticket = this.ticketFor(job);
    ticket.onAccepted = sent.resolve;
    ticket.onSettled = (outcome) => {
      if (ticket.refusal !== undefined) sent.giveUp(new JobDroppedError(ticket.refusal, job));
      else this.unseen(outcome);
    };
    if (signal?.aborted) sent.giveUp(signal.reason);
    else {
      listenWhile(sent.promise, signal, (reason) => {
        if (ticket.line === this.senders) this.senders.remove(ticket);
        sent.giveUp(reason);
      });
      this.wait(ticket);
    }
    return sent.promise;
  }

  submit(job: J, config: SubmitConfig = {}): Promise<R> {
    const options = checkConfig('submit', config, ['signal', 'wait']);
    const signal = checkSignal('submit', options['signal']);
    const result = new Promised<R>();
    const ticket = this.ticketFor(job);
    ticket.onSettled = (outcome) => {
      if (outcome.status === 'completed') result.resolve(outcome.value);
      else if (outcome.status === 'failed') result.reject(outcome.error);
      else if (outcome.status === 'aborted') result.giveUp(outcome.reason);
      else result.giveUp(this.errorOf(outcome));
    };
    if (signal?.aborted) result.giveUp(signal.reason);
    else {
      listenWhile(result.promise, signal, (reason) => {
        if (ticket.line === this.senders) {
          this.senders.remove(ticket);
          result.giveUp(reason);
        } else if (ticket.line !== undefined) {
          this.queue.remove(ticket);
          this.pool.withdraw(ticket, reason);
          this.feed();
        } else ticket.worker?.abort(reason);
      });
      if (options['wait'] === true) this.wait(ticket);
      else this.arrive(ticket);
    }
    return result.promise;
  }

  listenTo(source: JobSource<J>): Subscription {
    const { pool } = this;
    const taker: Taker<J> = {
      canStart: () => pool.canStart(),
      hasRoom: () => pool.hasRoom() && this.senders.length === 0,
      hasWaiting: () => pool.hasWaiting(),
      hasIdle: () => pool.hasIdle(),
      enqueue: (job) => pool.enqueue(job, this.ticketFor(job)),
      admitLate: (job) => pool.admitLate(job, this.ticketFor(job)),
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
          this.arrive(ticket);
          if (ticket.refusal === 'full' && this.options.overflow === 'error') throw this.overflowOf(job);
        }),
        finalize(() => this.pulled.delete(taker)),
      )
      .subscribe({ error: reportError });
  }

  private ticketFor(job: J): Ticket<J, R> {
    return new Ticket(job, this.options.scheduler.now());
  }

  /** Now or never, and never before one who waits. */
  private arrive(ticket: Ticket<J, R>): void {
    if (!this.pool.accepting) this.pool.refuse(ticket.job, 'closed', ticket);
    else if (this.senders.length > 0) this.pool.refuse(ticket.job, 'full', ticket);
    else this.arrivals.next(ticket);
  }

  /** Now, or when its turn has come. */
  private wait(ticket: Ticket<J, R>): void {
    if (this.pool.accepting && (this.senders.length > 0 || !this.pool.hasRoom())) this.senders.push(ticket.job, ticket);
    else {
      this.arrive(ticket);
      if (ticket.refusal === undefined) ticket.onAccepted?.();
    }
  }

  /** A worker looks for its next job, or a place is free: first those who wait, then the iterables, each in its turn. */
  private feed(): void {
    const { pool, pulled, senders } = this;
    while (senders.length > 0 && pool.hasRoom()) {
      const job = senders.shift();
      const ticket = senders.ticket!;
      pool.enqueue(job, ticket);
      ticket.onAccepted?.();
    }
    for (const taker of pulled) taker.puller?.ask();
    const [first] = pulled;
    if (first !== undefined && pulled.delete(first)) pulled.add(first);
  }

  // ---- Outcomes

  settle(outcome: JobOutcome<J, R>, ticket: Ticket<J, R>): void {
    if (ticket.onSettled !== undefined) ticket.onSettled(outcome);
    else this.unseen(outcome);
  }

  /** A failure that nobody hears of is reported; a drop never is. */
  private unseen(outcome: JobOutcome<J, R>): void {
    const watched = this.outcomes.observed || (this.options.hooks?.settled.length ?? 0) > 0;
    if (outcome.status === 'failed' && !watched) reportError(outcome.error);
  }

  private errorOf({ job, reason }: JobDropped<J>): Error {
    return reason === 'full' && this.options.overflow === 'error'
      ? this.overflowOf(job)
      : new JobDroppedError(reason, job);
  }

  private overflowOf(job: J): BufferOverflowError<J> {
    return new BufferOverflowError(this.options.buffer, job);
  }

  private told(outcome: JobOutcome<J, R>): void {
    if (outcome.status === 'dropped' && outcome.reason === 'shutdown') this.dropped.push(outcome);
    if (outcome.status === 'aborted' && !outcome.settled) this.abandoned.push(outcome.job);
    this.outcomes.next(outcome);
    // After this call, because the worker may find another job.
    if (this.idlers.length > 0) queueMicrotask(() => this.wakeIdlers());
  }

  // ---- The end

  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.idlers.push(resolve);
      this.wakeIdlers();
    });
  }

  private wakeIdlers(): void {
    if (this.pool.busy > 0 || this.queue.length > 0) return;
    for (const wake of this.idlers.splice(0)) wake();
  }

  shutdown(level: ShutdownLevel = 'drain', config?: DeadlineConfig): Promise<ShutdownReport<J>> {
    checkOneOf('level', level, LEVELS);
    if (config !== undefined) {
      // The steps that this level has taken already count as taken.
      const taken = LEVELS.indexOf(level) < ABORT ? [level] : [level, level];
      const { scheduler } = this.options;
      const later = gracefulShutdown({ scheduler, ...config, on: from(taken) }).pipe(skip(taken.length));
      this.deadlines.add(later.subscribe((harsher) => this.levels.next(harsher)));
    }
    this.levels.next(level);
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}

/** A notifier that fails can end nothing any more: that is reported, and the pool goes on. */
function reported(notifier: ObservableInput<unknown>): Observable<unknown> {
  return from(notifier).pipe(
    catchError((error: unknown) => {
      reportError(error);
      return NEVER;
    }),
  );
}

/** Listens to `signal` until `promise` has settled. */
function listenWhile(
  promise: Promise<unknown>,
  signal: AbortSignal | undefined,
  onAbort: (reason: unknown) => void,
): void {
  if (signal === undefined) return;
  const listener = (): void => onAbort(signal.reason);
  const forget = (): void => signal.removeEventListener('abort', listener);
  signal.addEventListener('abort', listener);
  promise.then(forget, forget);
}
