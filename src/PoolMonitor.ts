import { asyncScheduler, defer, map, startWith, Subject, throttle } from 'rxjs';
import type { Observable, SchedulerLike } from 'rxjs';
import { after } from './internal/support/after.js';
import { checkConfig, checkDuration, checkScheduler } from './internal/support/checks.js';
import { COUNTER, EVENTS, WAS_DELAYED } from './internal/lifecycle/hooks.js';
import { Durations } from './internal/support/durations.js';
import type { DurationSummary } from './internal/support/durations.js';
import type { JobHooks, JobOutcome, PoolStats } from './types.js';

/** What hooks can count: not the senders that wait for room, and not the limit of workers. */
export interface MonitorStats extends Omit<PoolStats, 'waiting' | 'workers'> {
  /** Milliseconds from arrival to the first start, of the jobs that have run and ended. */
  readonly queuedFor: DurationSummary;
  /** Milliseconds in attempts, of the jobs that have run and ended. */
  readonly ranFor: DurationSummary;
}

/** How often {@link PoolMonitor.stats$} emits. */
export interface PoolMonitorConfig {
  /** Milliseconds, ≥ 0, between two values of `stats$`. @default 1000 */
  readonly interval?: number | undefined;
  /** Times `stats$`. @default asyncScheduler */
  readonly scheduler?: SchedulerLike | undefined;
}

/**
 * Watches pools: counts what becomes of their jobs, and how long they wait and run, in constant memory. Given to a pool as
 * `hooks`, or as one of them; given to several it adds them up. A pool without one pays nothing.
 *
 * @example
 * ```ts
 * import { of } from 'rxjs';
 * import { PoolMonitor, workerPool } from 'rxjs-background-jobs';
 *
 * const monitor = new PoolMonitor();
 * of('a', 'b', 'c')
 *   .pipe(workerPool(async (job) => job, { workers: 2, buffer: 1, hooks: monitor }))
 *   .subscribe({
 *     complete: () => {
 *       const { offered, completed, ranFor } = monitor.stats;
 *       console.log(offered, completed, ranFor.count); // → 3 3 3
 *     },
 *   });
 * // For a page or a log: monitor.stats$.subscribe(({ queued, running, queuedFor }) => …)
 * ```
 */
export class PoolMonitor<J = unknown, R = unknown> implements JobHooks<J, R> {
  /** The accounts at this moment. */
  declare readonly stats: MonitorStats;
  /**
   * The accounts now, and `interval` after each change, so at most once in that time. Hot and endless; a timer runs only after a
   * change.
   */
  readonly stats$: Observable<MonitorStats>;
  /** Each job's outcome. Hot and endless. While it has a subscriber, a failure counts as heard of, and is not reported. */
  readonly outcomes$: Observable<JobOutcome<J, R>>;

  readonly #books: Books;

  /**
   * @param config how often `stats$` emits
   * @throws TypeError or RangeError that names the option and its value
   */
  constructor(config: PoolMonitorConfig = {}) {
    const { interval = 1000, scheduler = asyncScheduler } = checkConfig('PoolMonitor', config, [
      'interval',
      'scheduler',
    ]);
    const every = checkDuration('interval', interval);
    const clock = checkScheduler('scheduler', scheduler);
    const books = (this.#books = new Books());
    this.outcomes$ = books.outcomes as Observable<JobOutcome<unknown, unknown>> as Observable<JobOutcome<J, R>>;
    this.stats$ = defer(() =>
      books.changes.pipe(
        // Not at the change itself, when the pool is in the middle of it.
        throttle(() => after(every, clock), { leading: false, trailing: true }),
        startWith(undefined),
        map(() => books.read()),
      ),
    );
    // Own and bound, so that `{ ...monitor }` and a Proxy around it count in the same books.
    Object.defineProperty(this, 'stats', { configurable: true, enumerable: true, get: () => books.read() });
    Object.assign(this, { [COUNTER]: () => books.outcomes.observed });
    for (const event of EVENTS) Object.assign(this, { [event]: this[event].bind(this) });
  }

  /** A hook: the pool calls it. */
  accepted(_job: J): void {
    this.#books.accepted();
  }

  /** A hook: the pool calls it. */
  started(_job: J, context: { readonly attempt: number }): void {
    this.#books.started(context.attempt);
  }

  /** A hook: the pool calls it. */
  retrying(_job: J): void {
    this.#books.retrying();
  }

  /** A hook: the pool calls it. */
  settled(outcome: JobOutcome<J, R>): void {
    this.#books.settled(outcome);
  }

  /** A hook: the pool calls it. */
  released(_job: J): void {
    this.#books.released();
  }
}

/** The counts of one monitor. Apart from it, because an object with accessors of its own is slow to write to. */
class Books {
  readonly changes = new Subject<void>();
  readonly outcomes = new Subject<JobOutcome<unknown, unknown>>();
  readonly #waits = new Durations();
  readonly #runs = new Durations();
  readonly #counts = { accepted: 0, refused: 0, completed: 0, failed: 0, evicted: 0, aborted: 0 };
  #queued = 0;
  #delayed = 0;
  #running = 0;
  /** Slots that a start has taken and a release has not given back. */
  #slots = 0;

  read(): MonitorStats {
    const counts = this.#counts;
    return {
      offered: counts.accepted + counts.refused,
      ...counts,
      queued: this.#queued,
      delayed: this.#delayed,
      running: this.#running,
      lingering: this.#slots - this.#running,
      queuedFor: this.#waits.summary,
      ranFor: this.#runs.summary,
    };
  }

  accepted(): void {
    this.#counts.accepted++;
    this.#queued++;
    this.#changed();
  }

  started(attempt: number): void {
    if (attempt === 1) this.#queued--;
    else this.#delayed--;
    this.#running++;
    this.#slots++;
    this.#changed();
  }

  retrying(): void {
    this.#running--;
    this.#delayed++;
    this.#changed();
  }

  settled(outcome: JobOutcome<unknown, unknown>): void {
    const counts = this.#counts;
    const ran = outcome.attempts > 0;
    const isRefused = outcome.status === 'dropped' && REFUSALS.has(outcome.reason);
    if (isRefused) counts.refused++;
    else {
      if (outcome.status === 'dropped') counts.evicted++;
      else counts[outcome.status]++;
      if (!ran) this.#queued--;
      else if (outcome.status === 'dropped' || WAS_DELAYED in outcome) this.#delayed--;
      else this.#running--;
    }
    if (ran) {
      this.#waits.add(outcome.queuedFor);
      this.#runs.add(outcome.ranFor);
    }
    if (this.outcomes.observed) this.outcomes.next(outcome);
    this.#changed();
  }

  released(): void {
    this.#slots--;
    this.#changed();
  }

  /** A Subject's `next` costs as much as a job, also where nobody listens. */
  #changed(): void {
    if (this.changes.observed) this.changes.next();
  }
}

const REFUSALS: ReadonlySet<string> = new Set(['full', 'closed', 'coalesced', 'withdrawn']);
