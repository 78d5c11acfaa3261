import { Observable } from 'rxjs';
import { checkSignalNames, subscribeToSignals } from './internal/support/signals.js';
import type { SignalName } from './internal/support/signals.js';

export type { SignalName } from './internal/support/signals.js';

/**
 * Emits the name of each of the given signals that this process receives. Go's `signal.Notify`.
 *
 * Cold: it listens from the first subscription to the end of the last, with one listener on `process` for each signal,
 * however many subscriptions. While it listens, the signal's default action (for SIGTERM and SIGINT: the process dies) does
 * not happen; afterwards it does again. A signal that is a job would so be fatal during the drain: {@link surviveSignals}
 * keeps it from that, and keeps the process alive, which a listener does not. Other listeners are left alone.
 *
 * Never completes. Nothing is buffered, and a signal is not a count: the kernel keeps one pending mark for each signal, so a
 * burst of a thousand may arrive as one. A signal before the subscription has its default action. On Node each subscriber
 * hears of a signal in the async context in which it subscribed.
 *
 *     process   --SIGTERM----SIGTERM--
 *     output    --a----------a--------      a = 'SIGTERM'
 *
 * @param signals at least one name
 * @returns an Observable of the names as they arrive; it errors when it is subscribed where no signal can arrive: in a
 *   worker thread, or where there is no `process`
 * @throws TypeError when no name is given, or one is not a signal's name or cannot be caught
 * @example
 * ```ts
 * import { take } from 'rxjs';
 * import { fromSignals } from 'rxjs-background-jobs';
 *
 * fromSignals('SIGTERM', 'SIGINT')
 *   .pipe(take(1))
 *   .subscribe((signal) => console.log(`got ${signal}`)); // → got SIGTERM
 * process.kill(process.pid, 'SIGTERM'); // as `kill -TERM <pid>` does
 * ```
 */
export function fromSignals(...signals: [SignalName, ...SignalName[]]): Observable<SignalName> {
  checkSignalNames('fromSignals', signals);
  return new Observable((subscriber) =>
    subscribeToSignals('fromSignals', signals, (signal) => subscriber.next(signal)),
  );
}
