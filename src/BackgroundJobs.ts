/// <reference lib="esnext.disposable" preserve="true" />
import type { Observable, ObservableInput, Subscription } from 'rxjs';
import type { DeadlineConfig } from './gracefulShutdown.js';
import { Handle } from './internal/handle/handle.js';
import type {
  JobOutcome,
  JobSource,
  LastValueOf,
  PoolConfig,
  PoolStats,
  ShutdownLevel,
  ShutdownReport,
  Work,
} from './types.js';

export interface SendConfig {
  /** Gives the place in the line of waiting senders up; once the job has been accepted it has no effect. */
  readonly signal?: AbortSignal | undefined;
}

export interface SubmitConfig {
  /** Gives the job up wherever it is: a waiting one never starts, a running one is aborted with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Wait for room, as `send` does, instead of meeting the overflow policy. @default false */
  readonly wait?: boolean | undefined;
}

/**
 * A pool that is fed by calls: Go's scheduler of background jobs as an object.
 *
 * The same buffer, workers and shutdown as {@link workerPoolSettled}, for programs that have no one source: a request
 * handler offers a job and answers at once, a producer sends and waits for room, a caller submits and awaits the result.
 * An overflow or a failed source never ends it; it ends by {@link shutdown} or its `shutdown` option.
 *
 * @example
 * ```ts
 * const jobs = new BackgroundJobs((mail: Mail, { signal }) => deliver(mail, signal), { workers: 5, buffer: 100 });
 * if (!jobs.offer(mail)) reply(503);
 * process.once('SIGTERM', () => jobs.shutdown('drain', { deadline: 10_000 }));
 * ```
 */
export interface BackgroundJobs<J, R> extends AsyncDisposable {
  /** Each job's outcome, as it ends. Hot: only those after the subscription. Completes when the pool has ended. */
  readonly outcomes$: Observable<JobOutcome<J, R>>;

  /** The accounts at this moment: `offered = accepted + refused + waiting`, and each accepted job is in exactly one state. */
  readonly stats: PoolStats;

  /**
   * Offers a job and never waits: Go's `select` with a `default`. At a full buffer the overflow policy decides; it never
   * takes a place that a waiting sender has come for.
   *
   * @returns whether the job was accepted
   */
  offer(job: J): boolean;

  /**
   * Sends a job and waits for room, first come first served: Go's `ch <- job`. No policy applies.
   *
   * @returns a promise that is fulfilled when the job has been accepted, and rejects with a JobDroppedError (`'closed'`)
   *   when the pool is shut down before, or with the signal's reason
   */
  send(job: J, config?: SendConfig): Promise<void>;

  /**
   * Submits a job, for its result. A promise that nobody looks at raises unhandledRejection when the work fails, and
   * does not when the job is dropped or aborted.
   *
   * @returns a promise of the job's last value; it rejects with what the work failed with, a JobDroppedError, a
   *   BufferOverflowError (policy `'error'`), a JobAbortedError, or the signal's reason
   */
  submit(job: J, config?: SubmitConfig): Promise<R>;

  /**
   * Takes jobs from a source as well; an iterable is pulled, one item for each place. An item whose place has gone to
   * another on the way waits its turn among the senders, and a drain runs it. The source's completion ends nothing; its
   * error, or an overflow under the policy `'error'`, ends this subscription and is reported as unhandled.
   *
   * @returns its subscription: unsubscribing stops the source; jobs that were accepted run
   */
  listenTo(source: JobSource<J>): Subscription;

  /** Resolves when nothing is queued, delayed, running or lingering: at once when that is so now. */
  idle(): Promise<void>;

  /**
   * Ends the pool. Called again: a lower level does nothing, a higher one escalates, the earlier deadline counts.
   *
   * @param level what is still waited for @default 'drain'
   * @param config after its deadline the level is `'abort'`, after the grace `'abandon'`; without it there is none
   * @returns {@link ended}; without a deadline it never resolves while work does not settle
   * @throws TypeError or RangeError for a level or a deadline that is none
   */
  shutdown(level?: ShutdownLevel, config?: DeadlineConfig): Promise<ShutdownReport<J>>;

  /** Resolves when the pool has ended, whoever ended it. Never rejects. */
  readonly ended: Promise<ShutdownReport<J>>;
}

export interface BackgroundJobsConstructor {
  /** @throws TypeError or RangeError that names the option and its value */
  new <J, O extends ObservableInput<unknown>>(
    work: Work<J, O>,
    config: PoolConfig<NoInfer<J>, NoInfer<LastValueOf<O>>>,
  ): BackgroundJobs<J, LastValueOf<O>>;
}

export const BackgroundJobs: BackgroundJobsConstructor = Handle as BackgroundJobsConstructor;
