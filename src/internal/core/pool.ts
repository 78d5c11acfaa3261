import { Observable, takeWhile } from 'rxjs';
import type { Subscriber } from 'rxjs';
import { BufferOverflowError } from '../../errors.js';
import type { Taker } from './intake.js';
import { Buffer } from './buffer.js';
import { ABANDON, ABORT, DISCARD, DRAIN, levelOf } from './shutdown.js';
import type { PoolLife } from '../lifecycle/lifecycle.js';
import type { CoreOptions } from '../options.js';
import { Turns } from './budget.js';
import type { Waiting } from '../lifecycle/timestampedFifo.js';
import { Worker } from './worker.js';

/** Above this many, a worker that finds no job retires: a resting one costs a kilobyte. */
const MOST_RESTING = 1024;

/**
 * The state of one subscription: the buffer, the workers, and whether a job starts now. What a job is and what has become
 * of it is its {@link Life}, kept only where somebody watches.
 */
export class Pool<J, R, T = unknown> implements Taker<J> {
  readonly options: CoreOptions<J, R>;
  readonly life: PoolLife<J, R> | undefined;
  readonly buffer: Buffer<J, R>;
  readonly turns: Turns;
  /** Jobs are taken in. */
  accepting = true;
  /** The index of the shutdown level that was reached, or -1. */
  level = -1;
  /** Slots in use. */
  busy = 0;
  /** Jobs started so far: the next one's index. */
  started = 0;
  /** Jobs subscribed so far: the next one's place in the order of teardown. */
  subscribed = 0;
  pull: (() => void) | undefined;

  readonly #results: Subscriber<T>;
  readonly #onFailure: (error: unknown) => void;
  /** The buffer's queue, at hand. */
  readonly #queue: Waiting<J>;
  readonly #workers = new Set<Worker<J, R>>();
  readonly #resting: Worker<J, R>[] = [];
  /** The numbers of those that have retired. */
  readonly #vacant: number[] = [];
  /** Those that live or are about to be hired. */
  #hired = 0;
  /** Those that are looking for a job now. */
  #asking = 0;

  /** @param onFailure what a failure of the intake means to the results */
  constructor(
    options: CoreOptions<J, R>,
    results: Subscriber<T>,
    life?: PoolLife<J, R>,
    onFailure: (error: unknown) => void = (error) => results.error(error),
  ) {
    this.options = options;
    this.life = life;
    this.#results = results;
    this.#onFailure = onFailure;
    this.turns = new Turns(options);
    this.buffer = new Buffer(life, () => this.#checkEnd());
    this.#queue = this.buffer.queue;
  }

  /** The results have ended or were unsubscribed: nothing starts any more. */
  get closed(): boolean {
    return this.#results.closed;
  }

  // ---- Arrivals: the buffer and its policy

  /**
   * Takes `job` in. `true`: it needs another worker. `false`: a resting worker has started it, or it waits, or it was lost.
   *
   * @throws BufferOverflowError when the buffer is full and the policy is `'error'`
   */
  admit(job: J, mayEvict = true): boolean {
    const { buffer, options } = this;
    if (!this.accepting || this.closed) return buffer.refuse(job, 'closed');
    const worker = this.#resting.pop();
    if (!worker && this.#hired < options.workers) {
      this.#hired++;
      this.#queue.push(job);
      return true;
    }
    if (worker || this.hasRoom()) {
      buffer.enqueue(job);
      worker?.proceed();
      return false;
    }
    // Whoever hears of the loss may offer another job: that one is the newer, and keeps the place.
    if (mayEvict && buffer.evict(options.overflow)) return this.admit(job, false);
    buffer.refuse(job, 'full');
    if (options.overflow !== 'error') return false;
    const error = new BufferOverflowError(options.buffer, job);
    // Also where whoever heard of the refusal has ended the intake, and nobody would hear the throw.
    this.fail(error);
    throw error;
  }

  /** Does a worker look for a job, and none waits for it? */
  get isAsked(): boolean {
    return this.#asking > this.#queue.length;
  }

  give(job: J): void {
    this.buffer.enqueue(job);
  }

  /** A job that came now would be run, though the intake may have ended. */
  get stillRuns(): boolean {
    return this.level <= DRAIN && !this.closed;
  }

  admitLate(job: J): void {
    if (!this.stillRuns) return void this.buffer.refuse(job, 'closed');
    const worker = this.#resting.pop();
    this.buffer.enqueue(job);
    worker?.proceed();
  }

  /** Buffer and slots together: a slot may be free while its worker is still telling how the last job ended. */
  hasRoom(untaken = 0): boolean {
    const { workers, buffer } = this.options;
    return this.#queue.length + this.busy + untaken < workers + buffer;
  }

  canStart(isNested: boolean): boolean {
    const asking = this.#asking;
    const { length } = this.#queue;
    const free = this.#resting.length + this.options.workers - this.#hired;
    return (isNested ? asking > 0 && length === 0 : asking + free > length) && this.hasRoom();
  }

  // ---- Starts: each worker asks for its next job

  hasNext(): boolean {
    if (this.pull) {
      this.#asking++;
      this.pull();
      this.#asking--;
    }
    return this.#queue.length > 0 && !this.closed;
  }

  take(): J {
    return this.#queue.shift();
  }

  /** A worker, as mergeMap merges it: it lives until the intake has ended and nothing waits. Its first job is `job`, which waits already. */
  hire(job: J): Observable<T> {
    const worker = new Worker<J, R>(this, this.#vacant.pop() ?? this.#workers.size + 1);
    let first: J | undefined = job;
    this.#workers.add(worker);
    return new Observable((out) => {
      worker.out = out;
      // Before the first job, and after mergeMap's hold on the source: the source is let go first, then the jobs.
      if (this.started === 0) this.#results.add(() => this.#stop());
      this.life?.accepted(first as J);
      // Or it would be held for as long as the worker lives.
      first = undefined;
      worker.proceed();
    });
  }

  /** `worker` has found no job. */
  rest(worker: Worker<J, R>): void {
    if (this.#resting.length < MOST_RESTING) this.#resting.push(worker);
    else this.#retire(worker);
    this.#checkEnd();
  }

  #retire(worker: Worker<J, R>): void {
    worker.out.complete();
    this.#workers.delete(worker);
    this.#vacant.push(worker.id);
    this.#hired--;
  }

  // ---- The end

  /** No job comes any more. */
  closeIntake(): void {
    this.accepting = false;
    this.#checkEnd();
  }

  /** The workers live for as long as one of them runs a job: an item that was on its way may still come. */
  #checkEnd(): void {
    if (this.accepting || this.busy > 0 || this.buffer.isTelling) return;
    for (let worker; (worker = this.#resting.pop());) this.#retire(worker);
  }

  /**
   * Emits when the intake has to end, for takeUntil. The notifier itself stays subscribed for as long as the pool lives, so
   * that a later value can escalate.
   */
  shutdownBy(notifier: Observable<unknown>): Observable<void> {
    return new Observable((intake) => {
      this.#results.add(
        notifier.pipe(takeWhile(() => !this.closed)).subscribe({
          next: (value) => this.#shutdown(levelOf(value), intake),
          error: (error: unknown) => {
            this.fail(error);
            intake.next();
          },
        }),
      );
    });
  }

  /** The intake has failed. */
  fail(error: unknown): void {
    this.accepting = false;
    this.#onFailure(error);
  }

  #shutdown(level: number, intake: Subscriber<void>): void {
    if (level <= this.level) return;
    this.level = level;
    intake.next();
    if (level >= DISCARD) {
      this.buffer.drop('shutdown');
      this.turns.resume();
    }
    if (level >= ABORT) for (const worker of this.#inOrder()) worker.abort();
    if (level >= ABANDON) for (const worker of this.#inOrder()) worker.abandon();
  }

  /** Unsubscribed, or errored: the source is gone already; now the running jobs, then the buffer. */
  #stop(): void {
    for (const worker of this.#inOrder()) worker.abort();
    this.buffer.drop('shutdown');
  }

  /** The workers in the order in which their jobs were subscribed, which is the order in which RxJS tears them down. */
  #inOrder(): Worker<J, R>[] {
    return [...this.#workers].sort((a, b) => a.place - b.place);
  }
}
