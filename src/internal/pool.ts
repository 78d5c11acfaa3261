import { from, Observable, takeWhile } from 'rxjs';
import type { ObservableInput, Subscriber } from 'rxjs';
import { BufferOverflowError } from '../errors.js';
import type { JobContext, Overflow, RefusalReason } from '../types.js';
import type { Puller, Taker } from './intake.js';
import { Buffer } from './buffer.js';
import { ABANDON, ABORT, DISCARD, DRAIN, levelOf } from './levels.js';
import type { Life } from './life.js';
import type { PoolOptions } from './options.js';
import { Turns } from './turns.js';
import type { Ticket } from './ticket.js';
import type { Waiting } from './waiting.js';
import { Worker } from './worker.js';

/** Above this many, a worker that finds no job retires: a resting one costs a kilobyte. */
const MOST_RESTING = 1024;

/**
 * The state of one subscription: the buffer, the workers, and whether a job starts now. What a job is and what has become
 * of it is its {@link Life}, kept only where somebody watches.
 */
export class Pool<J, R, T = unknown> implements Taker<J> {
  readonly work: (job: J, context: JobContext) => ObservableInput<R>;
  readonly life: Life<J, R> | undefined;
  /** The form tells outcomes, and a failure is one of them; or else it tells values, and a failure is the end. */
  readonly tellsOutcomes: boolean;
  /** Slots in use. */
  busy = 0;
  /** Jobs started so far: the next one's index. */
  started = 0;
  /** Promise jobs that have settled so far. */
  promises = 0;
  /** Jobs subscribed so far: the next one's place in the order of teardown. */
  subscribed = 0;

  private readonly results: Subscriber<T>;
  private readonly untaken: { readonly length: number } | undefined;
  private readonly limit: number;
  private readonly buffer: number;
  private readonly overflow: Overflow;
  private readonly waiting: Buffer<J, R>;
  /** The buffer's queue, at hand. */
  private readonly queue: Waiting<J, R>;
  private readonly workers = new Set<Worker<J, R>>();
  private readonly resting: Worker<J, R>[] = [];
  readonly turns: Turns;
  /** Workers that live or are about to be hired. */
  private hired = 0;
  /** The numbers of those that have retired. */
  private readonly vacant: number[] = [];
  /** Jobs are taken in. */
  accepting = true;
  /** The index of the shutdown level that was reached, or -1. */
  level = -1;
  private failure: { readonly error: unknown } | undefined;

  /** @param untaken results that count like jobs, until somebody takes them */
  constructor(
    options: PoolOptions<J, R>,
    results: Subscriber<T>,
    life?: Life<J, R>,
    untaken?: { readonly length: number },
  ) {
    this.work = options.work;
    this.limit = options.workers;
    this.buffer = options.buffer;
    this.overflow = options.overflow;
    this.results = results;
    this.untaken = untaken;
    this.life = life;
    this.tellsOutcomes = life?.tellsOutcomes ?? false;
    this.waiting = new Buffer(options.overflow, life, () => {
      if (!this.accepting) this.closeIntake();
    });
    this.queue = this.waiting.queue;
    this.turns = new Turns(options.yieldAfter, options.scheduler);
  }

  /** The results have ended or were unsubscribed: nothing starts any more. */
  get closed(): boolean {
    return this.results.closed;
  }

  // ---- Arrivals: the buffer and its policy

  /**
   * Takes `job` in. `true`: it needs another worker. `false`: a resting worker has started it, or it waits, or it was lost.
   *
   * @throws BufferOverflowError when the buffer is full and the policy is `'error'`
   */
  admit(job: J, ticket?: Ticket<J, R>, mayEvict = true): boolean {
    if (!this.accepting || this.closed) return this.refuse(job, 'closed', ticket);
    const worker = this.resting.pop();
    if (worker !== undefined) {
      this.enqueue(job, ticket);
      worker.proceed();
      return false;
    }
    if (this.hired < this.limit) {
      this.hired++;
      this.queue.push(job, ticket);
      return true;
    }
    if (this.hasRoom()) {
      this.enqueue(job, ticket);
      return false;
    }
    // Whoever hears of the loss may offer another job: that one is the newer, and keeps the place.
    if (mayEvict && this.waiting.evict()) return this.admit(job, ticket, false);
    this.refuse(job, 'full', ticket);
    if (this.overflow !== 'error') return false;
    const error = new BufferOverflowError(this.buffer, job);
    // Also where whoever heard of the refusal has ended the intake, and nobody would hear the throw.
    this.fail(error);
    throw error;
  }

  // ---- Demand: an iterable is asked for its next item

  puller: Puller | undefined = undefined;

  hasWaiting(): boolean {
    return this.queue.length > 0;
  }

  hasIdle(): boolean {
    return this.resting.length >= this.queue.length;
  }

  canStart(): boolean {
    return this.queue.length === 0 && (this.resting.length > 0 || this.hired < this.limit) && this.hasRoom();
  }

  /** Buffer and slots together: a slot may be free while its worker is still telling how the last job ended. */
  hasRoom(): boolean {
    return this.queue.length + this.busy + (this.untaken?.length ?? 0) < this.buffer + this.limit;
  }

  enqueue(job: J, ticket?: Ticket<J, R>): void {
    this.waiting.enqueue(job, ticket);
  }

  refuse(job: J, reason: RefusalReason, ticket?: Ticket<J, R>): false {
    return this.waiting.refuse(job, reason, ticket);
  }

  refuseAll(tickets: readonly Ticket<J, R>[], reason: RefusalReason): void {
    this.waiting.refuseAll(tickets, reason);
  }

  /** Their owner has taken `tickets` out of the queue. */
  withdraw(tickets: readonly Ticket<J, R>[], reason: unknown): void {
    this.waiting.withdraw(tickets, reason);
  }

  /** A job that came now would be run, though the intake may have ended. */
  get stillRuns(): boolean {
    return this.workers.size > 0 && this.level <= DRAIN && !this.closed;
  }

  admitLate(job: J, ticket?: Ticket<J, R>): void {
    if (this.stillRuns) {
      this.enqueue(job, ticket);
      /* c8 ignore next -- a worker rests here only while a loss is told, when an item would have to come in the same call */
      this.resting.pop()?.proceed();
    } else this.refuse(job, 'closed', ticket);
  }

  // ---- Starts: each worker asks for its next job

  hasNext(): boolean {
    this.puller?.ask();
    return this.queue.length > 0 && !this.results.closed;
  }

  take(): J {
    return this.queue.shift();
  }

  /** A worker, as mergeMap merges it: it lives until the intake has ended and nothing waits. Its first job is `job`, which waits already. */
  hire(job: J): Observable<T> {
    const worker = new Worker<J, R>(this, this.vacant.pop() ?? this.workers.size + 1);
    worker.job = job;
    this.workers.add(worker);
    return new Observable((out) => {
      worker.out = out;
      // Before the first job, and after mergeMap's hold on the source: the source is let go first, then the jobs.
      if (this.started === 0) this.results.add(() => this.stop());
      this.life?.accepted(worker.job as J);
      worker.job = undefined;
      worker.proceed();
    });
  }

  /** Is the event loop due for a turn? Then `worker` goes on after it. */
  mustWait(worker: Worker<J, R>): boolean {
    if (!this.turns.areDue() || !this.hasNext()) return false;
    this.turns.wait(() => worker.proceed());
    return true;
  }

  /** `worker` has found no job. */
  rest(worker: Worker<J, R>): void {
    if (this.waiting.isTelling || (this.accepting && this.resting.length < MOST_RESTING)) this.resting.push(worker);
    else this.retire(worker);
  }

  private retire(worker: Worker<J, R>): void {
    worker.out.complete();
    this.workers.delete(worker);
    this.vacant.push(worker.id);
    this.hired--;
  }

  // ---- The end

  /** No job comes any more. */
  closeIntake(): void {
    this.accepting = false;
    if (this.waiting.isTelling) return;
    for (let worker; (worker = this.resting.pop()) !== undefined;) this.retire(worker);
  }

  /**
   * Emits when the intake has to end, for takeUntil. The notifier itself stays subscribed for as long as the pool lives, so
   * that a later value can escalate.
   */
  shutdownBy(notifier: ObservableInput<unknown>): Observable<void> {
    return new Observable((intake) => {
      this.results.add(
        from(notifier)
          .pipe(takeWhile(() => !this.closed))
          .subscribe({
            next: (value) => this.shutdown(levelOf(value), intake),
            error: (error: unknown) => {
              this.fail(error);
              intake.next();
            },
          }),
      );
    });
  }

  /** The intake has failed. Values end with that; outcomes end with it when all that was accepted has had its own. */
  fail(error: unknown): void {
    this.accepting = false;
    if (this.tellsOutcomes) this.failure ??= { error };
    else this.results.error(error);
  }

  /** Everything has settled. @throws what the intake has failed with */
  throwFailure(): void {
    if (this.failure !== undefined) throw this.failure.error;
  }

  private shutdown(level: number, intake: Subscriber<void>): void {
    if (level <= this.level) return;
    this.level = level;
    this.accepting = false;
    intake.next();
    if (level >= DISCARD) {
      this.waiting.drop('shutdown');
      this.turns.resume();
    }
    if (level >= ABORT) for (const worker of this.inOrder()) worker.abort();
    if (level >= ABANDON) for (const worker of this.inOrder()) worker.abandon();
  }

  /** Unsubscribed, or errored: the source is gone already; now the running jobs, then the buffer. */
  private stop(): void {
    for (const worker of this.inOrder()) worker.abort();
    this.waiting.drop('shutdown');
  }

  /** The workers in the order in which their jobs were subscribed, which is the order in which RxJS tears them down. */
  private inOrder(): Worker<J, R>[] {
    return [...this.workers].sort((a, b) => a.place - b.place);
  }
}
