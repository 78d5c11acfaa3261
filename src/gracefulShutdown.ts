import { asyncScheduler, from, Observable, Subscription, takeWhile } from 'rxjs';
import type { ObservableInput, SchedulerLike } from 'rxjs';
import { DEFAULT_GRACE } from './internal/core/shutdown.js';
import { after } from './internal/support/after.js';
import { checkConfig, checkDuration, checkNotifier, checkScheduler } from './internal/support/checks.js';
import { isFunction, isObject } from './internal/support/is.js';
import { reportError } from './internal/support/reporting.js';
import type { PlatformObservable, ShutdownLevel } from './types.js';

/** How long a shutdown may take. */
export interface DeadlineConfig {
  /** Milliseconds from the first event to `'abort'`, ≥ 0. `Infinity` waits for as long as the work takes, and must be said. */
  readonly deadline: number;
  /** Milliseconds from `'abort'` to `'abandon'`, ≥ 0. @default 2000 */
  readonly abortGrace?: number | undefined;
  /** Times the deadline and the grace. @default asyncScheduler */
  readonly scheduler?: SchedulerLike | undefined;
}

/** What begins a shutdown, and how long it may take. */
export interface GracefulShutdownConfig extends DeadlineConfig {
  /** What tells the program to stop: usually {@link fromSignals}. Its values do not matter. */
  readonly on: ObservableInput<unknown> | PlatformObservable<unknown>;
}

/**
 * Turns "please stop" into the levels of a shutdown, each of which waits for less: for a pool's `shutdown` option.
 *
 * The first event is `'drain'`: what was taken on is finished. The second event, or the deadline, is `'abort'`: what still
 * runs is asked to end. The event after that, or the grace, is `'abandon'`: nothing is waited for. Then it completes.
 * Where `on` completes after its first event the deadlines still count; where it completes without one, so does the
 * shutdown. Its error before the first event is passed on; a later one is reported as unhandled, and the deadlines still
 * count. A timer that counts keeps the process alive.
 *
 *     on       --x-------------------      deadline: 8 ms, abortGrace: 4 ms
 *     output   --d-------a---(n|)          d = 'drain', a = 'abort', n = 'abandon'
 *
 *     on       --x--x--x-------------
 *     output   --d--a--(n|)
 *
 * Cold: each subscription listens and counts for itself.
 *
 * @param config what starts it and how long it may take
 * @returns an Observable of at most three levels
 * @throws TypeError or RangeError that names the option and its value
 * @example
 * ```ts
 * import { NEVER } from 'rxjs';
 * import { fromSignals, gracefulShutdown, workerPool } from 'rxjs-background-jobs';
 *
 * const shutdown = gracefulShutdown({ on: fromSignals('SIGINT', 'SIGTERM'), deadline: 10_000 });
 * shutdown.subscribe((level) => console.log(level)); // → drain
 * // → abort
 * // → abandon
 * NEVER.pipe(workerPool(async (job) => job, { workers: 5, buffer: 10, shutdown })).subscribe({
 *   complete: () => console.log('drained'), // → drained
 * });
 * process.emit('SIGINT', 'SIGINT'); // the first Ctrl-C
 * process.emit('SIGINT', 'SIGINT'); // the second
 * process.emit('SIGINT', 'SIGINT'); // the third
 * ```
 */
export function gracefulShutdown(config: GracefulShutdownConfig): Observable<ShutdownLevel> {
  if (isObject(config) && isFunction((config as { subscribe?: unknown }).subscribe))
    throw new TypeError('gracefulShutdown needs a config: { on: observable, deadline: ms }');
  const options = checkConfig('gracefulShutdown', config, ['on', 'deadline', 'abortGrace', 'scheduler']);
  const on = checkNotifier('on', options['on'], ": for the process's signals write fromSignals('SIGTERM', 'SIGINT')");
  const { abortGrace = DEFAULT_GRACE, scheduler: clock = asyncScheduler } = options;
  const scheduler = checkScheduler('scheduler', clock);
  const steps: readonly { readonly level: ShutdownLevel; readonly patience: number }[] = [
    { level: 'drain', patience: checkDuration('deadline', options['deadline']) },
    { level: 'abort', patience: checkDuration('abortGrace', abortGrace) },
    { level: 'abandon', patience: Infinity },
  ];
  return new Observable((subscriber) => {
    let reached = 0;
    let told = 0;
    let patience = Subscription.EMPTY;
    const escalate = (): void => {
      const step = steps[reached];
      if (step === undefined) return;
      reached++;
      patience.unsubscribe();
      patience = new Subscription();
      subscriber.add(patience);
      // Before the level is told: downstream may send the next event at once. A scheduler without a delay ends its patience
      // in this very call: `told` keeps the order.
      patience.add(after(step.patience, scheduler).subscribe(escalate));
      while (told < reached) subscriber.next(steps[told++]!.level);
      if (told === steps.length) subscriber.complete();
    };
    subscriber.add(
      from(on)
        .pipe(takeWhile(() => !subscriber.closed))
        .subscribe({
          next: escalate,
          error: (error: unknown) => {
            if (reached === 0) subscriber.error(error);
            else reportError(error);
          },
          complete: () => {
            if (reached === 0) subscriber.complete();
          },
        }),
    );
  });
}
