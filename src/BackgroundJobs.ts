/// <reference lib="esnext.disposable" preserve="true" />
import type { Observable, ObservableInput, Subscription } from 'rxjs';
import type { DeadlineConfig } from './gracefulShutdown.js';
import { Jobs } from './internal/handle/jobs.js';
import type { CallOptions } from './internal/handle/jobs.js';
import { refuseMisnamed } from './internal/handle/misnamed.js';
import { readPoolOptions } from './internal/options.js';
import { checkConfig, checkSignal, wrong } from './internal/support/checks.js';
import type {
  JobContext,
  JobDropped,
  JobOutcome,
  JobSource,
  LastValueOf,
  PoolConfig,
  PoolSnapshot,
  PoolStats,
  PromiseOrObservableOf,
  ShutdownLevel,
  ShutdownReport,
  Work,
} from './types.js';
import { pipeline } from './workerPool.js';

/** How long a call of {@link BackgroundJobs.send | send} waits. */
export interface SendConfig {
  /**
   * Aborting it rejects the promise with its reason, and withdraws the job while that waits for room. Once the job has been
   * accepted it has no effect. @default none
   */
  readonly signal?: AbortSignal | undefined;
}

/** What a call of {@link BackgroundJobs.submit | submit} waits for, and for how long. */
export interface SubmitConfig {
  /**
   * Aborting it rejects the promise at once, with its reason. A job that waits never starts. One that runs is aborted with that
   * reason: a promise keeps its slot until it has settled, and the job's outcome says how it has. `AbortSignal.timeout(ms)` is a
   * limit to all of it: waiting, attempts, and the waits between them. @default none
   */
  readonly signal?: AbortSignal | undefined;
  /** Wait for room, as `send` does, instead of meeting the overflow policy. @default false */
  readonly wait?: boolean | undefined;
}

/**
 * A pool that is fed by calls: Go's scheduler of background jobs as an object.
 *
 * The same buffer, workers and shutdown as {@link workerPoolSettled}, for programs that have no one source: a request
 * handler offers a job and answers at once, a producer sends and waits for room, a caller submits and awaits the result.
 * A failed job, an overflow or a failed source never ends it; it ends by {@link BackgroundJobs.shutdown | shutdown} or its
 * `shutdown` option.
 *
 * A job belongs to its caller: where the host has AsyncLocalStorage, its `work`, hooks and outcome run in the async context of
 * the call that offered it.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http';
 * import { BackgroundJobs, fromSignals, gracefulShutdown } from 'rxjs-background-jobs';
 *
 * // Mail, an interface with `to`, and deliver, which returns a promise, are yours.
 * const jobs = new BackgroundJobs((mail: Mail, { signal }) => deliver(mail, signal), {
 *   workers: 5,
 *   buffer: 100,
 *   overflow: 'drop-incoming',
 *   shutdown: gracefulShutdown({ on: fromSignals('SIGTERM'), deadline: 10_000 }),
 * });
 * // Without a listener a failure is an unhandled error, which ends the process.
 * jobs.outcomes$.subscribe((outcome) => {
 *   if (outcome.status === 'failed') console.error(`no mail to ${outcome.job.to}:`, outcome.error);
 * });
 * const server = createServer((request, response) => {
 *   const isAccepted = jobs.offer({ to: request.url ?? '' });
 *   response.writeHead(isAccepted ? 202 : 503).end(); // 503: a hundred mails wait already, or the server is about to end
 * }).listen(3000);
 * void jobs.ended.then(() => server.close());
 * ```
 */
export interface BackgroundJobs<J, R> extends AsyncDisposable {
  /**
   * Each job's outcome, as it ends. Hot: only those after the subscription. Completes when the pool has ended. A failure is
   * reported as an unhandled JobFailedError where nobody can hear of it: no promise, no `settled` hook, and no subscriber here.
   */
  readonly outcomes$: Observable<JobOutcome<J, R>>;

  /** The accounts at this moment: `offered = accepted + refused + waiting`, and each accepted job is in exactly one state. */
  readonly stats: PoolStats;

  /**
   * Offers a job and never waits: Go's `select` with a `default`. At a full buffer the overflow policy decides; an offer never
   * takes a place that a waiting sender has come for.
   *
   * @param job what `work` is called with
   * @returns `true` when the job was accepted, or merged into a waiting one; `false` when it was refused: the buffer is full, under
   *   `'error'` too, or the pool has been shut down
   */
  offer(job: J): boolean;

  /**
   * Sends a job and waits for room, first come first served: Go's `ch <- job`. No policy applies.
   *
   * @param job what `work` is called with
   * @param config a signal that ends the waiting
   * @returns a promise that is fulfilled when the job has been accepted, and rejects with a JobDroppedError (`'closed'`)
   *   when the pool is shut down before, or with the signal's reason
   * @throws TypeError, at once, for a wrong config
   */
  send(job: J, config?: SendConfig): Promise<void>;

  /**
   * Submits a job, for its result. A promise that no caller handles raises unhandledRejection when the work fails,
   * and does not when the job is dropped or aborted.
   *
   * Never await it inside this pool's own `work`: where all workers do, the job that they wait for has none.
   *
   * @param job what `work` is called with
   * @param config a signal that gives the job up, and whether to wait for room
   * @returns a promise of the job's last value; it rejects with what the work failed with, a JobDroppedError, a
   *   BufferOverflowError (policy `'error'`), a JobAbortedError, or the signal's reason
   * @throws TypeError, at once, for a wrong config
   */
  submit(job: J, config?: SubmitConfig): Promise<R>;

  /**
   * As {@link BackgroundJobs.submit | submit}, but emits all values of the job. It offers the job when it is subscribed, and completes
   * when the job has completed. Unsubscribing withdraws a job that waits and aborts one that runs; so does `firstValueFrom`, at a
   * stream's first value.
   *
   * @param job what `work` is called with
   * @param config whether to wait for room
   * @returns a cold Observable that errors as the promise of `submit` rejects; each subscription offers the job again
   * @throws TypeError for a wrong config
   */
  submit$(job: J, config?: Pick<SubmitConfig, 'wait'>): Observable<R>;

  /**
   * Drops all jobs that wait, for a worker or for their retry, as `'cleared'`: also those that were sent or pulled, but not those of
   * an engine ({@link leaseFrom}). What runs goes on. Then the senders that wait for room are let in.
   *
   * @returns the outcomes of the dropped jobs, the oldest first
   */
  clear(): readonly JobDropped<J>[];

  /** What runs and waits now, for people to look at: a copy that does not change. */
  inspect(): PoolSnapshot<J>;

  /** The hardest shutdown level that was reached; `undefined` while jobs are taken in. */
  readonly level: ShutdownLevel | undefined;

  /**
   * Takes jobs from a source as well: from several, if you like. An Observable's are offered as they come. An iterable is pulled, one
   * item for each place; an item whose place has gone to another on the way waits its turn among the senders, and a drain runs it. The
   * completion of the source ends nothing; its error ends this subscription and is reported as unhandled. After a shutdown it does nothing. An engine ({@link leaseFrom}) is asked
   * for jobs as an iterable is; at a drain it is given back what waits for room or still comes.
   *
   * @param source where jobs come from
   * @returns its subscription: unsubscribing stops the source; jobs that were accepted run, and so does the item of an iterable
   *   that is on its way
   * @throws TypeError when it is no source, or an Observable where `overflow` is `'error'` and the buffer is finite: it cannot
   *   be asked to wait, so it needs another policy
   */
  listenTo(source: JobSource<J>): Subscription;

  /**
   * Lets no job start until {@link BackgroundJobs.resume | resume}, or for so many milliseconds. Of several pauses the one that ends
   * last counts. What runs goes on, and up to `workers + buffer` jobs may wait. A drain waits for the end of the pause, its deadline
   * does not.
   *
   * @param ms milliseconds, ≥ 0 @default Infinity
   * @throws TypeError or RangeError for what is no such number
   */
  pause(ms?: number): void;

  /** Ends the pause, however long it was to be. */
  resume(): void;

  /** Is there a pause now? */
  readonly paused: boolean;

  /**
   * Resolves when nothing is queued, delayed, running or lingering: at once when that is so now. It never rejects, and ends nothing.
   * Senders that wait for room, and what a source has yet to give, do not count.
   */
  idle(): Promise<void>;

  /**
   * Ends the pool. Called again: a lower level does nothing, a higher one escalates, the earlier deadline counts.
   *
   * @param level what is still waited for @default 'drain'
   * @param config after its deadline the level is `'abort'`, after the grace `'abandon'`; without it there is no deadline
   * @returns {@link BackgroundJobs.ended | ended}; without a deadline it never resolves while work does not settle
   * @throws TypeError or RangeError for a wrong level or deadline; then nothing has changed
   */
  shutdown(level?: ShutdownLevel, config?: DeadlineConfig): Promise<ShutdownReport<J>>;
  /**
   * A drain with a deadline: `shutdown({ deadline: 10_000 })`.
   *
   * @param config after its deadline the level is `'abort'`, after the grace `'abandon'`
   * @returns {@link BackgroundJobs.ended | ended}
   * @throws TypeError or RangeError for a wrong deadline; then nothing has changed
   */
  shutdown(config: DeadlineConfig): Promise<ShutdownReport<J>>;

  /** Resolves when the pool has ended, by {@link BackgroundJobs.shutdown | shutdown}, its `shutdown` option or an internal error. Never rejects. */
  readonly ended: Promise<ShutdownReport<J>>;
}

/** How a {@link BackgroundJobs} is made. */
export interface BackgroundJobsConstructor {
  /**
   * Jobs and results as they are inferred from `work`.
   *
   * @param work runs one job; a synchronous throw is a failure of the job
   * @param config `workers` and `buffer` are required
   * @throws TypeError or RangeError that names the option and its value
   */
  new <J, O extends PromiseOrObservableOf<unknown>, _Inferred extends O>(
    work: Work<J, O>,
    config: PoolConfig<NoInfer<J>, NoInfer<LastValueOf<O>>>,
  ): BackgroundJobs<J, LastValueOf<O>>;
  /**
   * With explicit type arguments, those of the job and of its result: `new BackgroundJobs<Mail, Receipt>(…)`, or
   * `class Mails extends BackgroundJobs<Mail, Receipt>`. A stream may end without a value: its result is `Receipt | undefined`.
   */
  new <J, R>(
    work: Work<J, PromiseLike<R> | (undefined extends R ? PromiseOrObservableOf<R> : never)>,
    config: PoolConfig<NoInfer<J>, NoInfer<R>>,
  ): BackgroundJobs<J, R>;
}

/** The property under which a handle keeps a function that returns its inside: unlike a private field it works through a Proxy. */
const INSIDE = Symbol('inside');

function inside<J, R>(handle: unknown, method: string): Jobs<J, R> {
  const open = (handle as { readonly [INSIDE]?: () => Jobs<J, R> } | undefined)?.[INSIDE];
  if (open === undefined) {
    throw new TypeError(`BackgroundJobs: ${method} was called without its object: call jobs.${method}(…), or bind it`);
  }
  return open();
}

/** Makes a pool that is fed by calls: `new BackgroundJobs(work, config)`. It can be extended. */
export const BackgroundJobs = class BackgroundJobs<J, R> implements AsyncDisposable {
  declare readonly outcomes$: Observable<JobOutcome<J, R>>;
  declare readonly ended: Promise<ShutdownReport<J>>;

  static {
    refuseMisnamed(this.prototype);
  }

  constructor(work: (job: J, context: JobContext) => ObservableInput<R>, config: PoolConfig<J, R>) {
    const jobs = new Jobs<J, R>(readPoolOptions<J, R>('BackgroundJobs', work, config), pipeline);
    Object.defineProperty(this, INSIDE, { value: () => jobs });
    // Plain properties, so that a Proxy may wrap what it reads.
    Object.assign(this, { outcomes$: jobs.outcomes$, ended: jobs.ended });
  }

  get [Symbol.toStringTag](): string {
    return 'BackgroundJobs';
  }

  get stats(): PoolStats {
    return inside<J, R>(this, 'stats').stats;
  }

  get level(): ShutdownLevel | undefined {
    return inside<J, R>(this, 'level').level;
  }

  offer(job: J): boolean {
    return inside<J, R>(this, 'offer').offer(job);
  }

  send(job: J, config?: SendConfig): Promise<void> {
    return inside<J, R>(this, 'send').send(job, config === undefined ? undefined : readCall('send', config));
  }

  submit(job: J, config?: SubmitConfig): Promise<R> {
    return inside<J, R>(this, 'submit').submit(job, config === undefined ? undefined : readCall('submit', config));
  }

  submit$(job: J, config?: Pick<SubmitConfig, 'wait'>): Observable<R> {
    return inside<J, R>(this, 'submit$').submit$(
      job,
      config !== undefined && readCall('submit$', config).wait === true,
    );
  }

  listenTo(source: JobSource<J>): Subscription {
    return inside<J, R>(this, 'listenTo').listenTo(source);
  }

  clear(): readonly JobDropped<J>[] {
    return inside<J, R>(this, 'clear').clear();
  }

  inspect(): PoolSnapshot<J> {
    return inside<J, R>(this, 'inspect').inspect();
  }

  pause(ms: number = Infinity): void {
    inside<J, R>(this, 'pause').pause(ms);
  }

  resume(): void {
    inside<J, R>(this, 'resume').resume();
  }

  get paused(): boolean {
    return inside<J, R>(this, 'paused').paused;
  }

  idle(): Promise<void> {
    return inside<J, R>(this, 'idle').idle();
  }

  shutdown(level?: ShutdownLevel | DeadlineConfig, config?: DeadlineConfig): Promise<ShutdownReport<J>> {
    const jobs = inside<J, R>(this, 'shutdown');
    return typeof level === 'object' && level !== null
      ? jobs.shutdown('drain', level)
      : jobs.shutdown(level === undefined ? 'drain' : level, config);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await inside<J, R>(this, 'shutdown').shutdown('drain', undefined);
  }
} as BackgroundJobsConstructor;

const CALL_OPTIONS = { send: ['signal'], submit: ['signal', 'wait'], submit$: ['wait'] };

function readCall(method: keyof typeof CALL_OPTIONS, config: object): CallOptions {
  const { signal, wait = false } = checkConfig(method, config, CALL_OPTIONS[method]);
  if (typeof wait !== 'boolean') wrong(`${method}'s wait`, 'a boolean', wait);
  return { signal: checkSignal(method, signal), wait };
}
