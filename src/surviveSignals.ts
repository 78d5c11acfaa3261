import { defer, finalize } from 'rxjs';
import type { MonoTypeOperatorFunction } from 'rxjs';
import { checkSignalNames, subscribeToSignals } from './internal/support/signals.js';
import type { SignalName } from './internal/support/signals.js';

/** Milliseconds: the longest that a host's timer takes. */
const LONGEST = 2 ** 31 - 1;

/**
 * Mirrors the source, and until it has ended keeps the named signals from being fatal and the process alive.
 *
 * For the end of a pipeline, behind the pool. Where SIGTERM is a job, the pool stops listening to it when the drain begins,
 * and the next SIGTERM would kill the process with its running jobs; and where all jobs wait for a signal, nothing else
 * keeps Node's event loop alive. Signals that are not named have their default action: a second Ctrl-C still kills.
 *
 *     source    --a-------b--|
 *     output    --a-------b--|
 *     SIGTERM   ^------------!      from ^ to ! it is not fatal
 *
 * It begins with the subscription, before the source is subscribed, and ends after the completion or the error has been
 * delivered, or with the unsubscription. Nothing of it is left then, and a program that wants to die of the signal can raise
 * it again: in `finalize` or after an `await`, but not inside `complete`, where it is still survived. Each subscription counts
 * for itself.
 *
 * @param signals at least one name, as for {@link fromSignals}
 * @returns an operator that changes no value; its result errors, without subscribing to the source, where no signal can
 *   arrive: in a worker thread, or where there is no `process`
 * @throws TypeError when no name is given, or one is not a signal's name or cannot be caught
 * @example
 * ```ts
 * import { from, takeUntil } from 'rxjs';
 * import { BackgroundJobs, fromSignals, surviveSignals, workerPool } from 'rxjs-background-jobs';
 *
 * const work = async (signal: string): Promise<string> => `done: ${signal}`;
 * fromSignals('SIGTERM')
 *   .pipe(
 *     takeUntil(fromSignals('SIGINT')),
 *     workerPool(work, { workers: 5, buffer: 10, overflow: 'drop-incoming' }),
 *     surviveSignals('SIGTERM'),
 *   )
 *   .subscribe((result) => console.log(result)); // → done: SIGTERM
 *
 * // A pool that is fed by calls lives until `ended`:
 * const jobs = new BackgroundJobs(work, { workers: 5, buffer: 10, shutdown: fromSignals('SIGINT') });
 * from(jobs.ended)
 *   .pipe(surviveSignals('SIGTERM'))
 *   .subscribe(({ level }) => console.log(level)); // → drain
 *
 * process.emit('SIGTERM', 'SIGTERM'); // as the process hears of them
 * process.emit('SIGINT', 'SIGINT');
 * ```
 */
export function surviveSignals<T>(...signals: [SignalName, ...SignalName[]]): MonoTypeOperatorFunction<T> {
  checkSignalNames('surviveSignals', signals);
  return (source) =>
    defer(() => {
      const survival = subscribeToSignals('surviveSignals', signals, () => undefined);
      // The host's own timer: in a TestScheduler's virtual time one of RxJS's would never end the test.
      const alive = setInterval(() => undefined, LONGEST);
      survival.add(() => clearInterval(alive));
      return source.pipe(finalize(() => survival.unsubscribe()));
    });
}
