import { Observable } from 'rxjs';
import { checkSignal } from './internal/support/checks.js';

/**
 * Emits once and completes when `signal` is aborted: at once, if it is already. A notifier for takeUntil or a pool's
 * `shutdown`.
 *
 * Cold: each subscription adds one listener and removes it when it ends. Where the signal never aborts it never completes.
 *
 *     signal   ------a---
 *     output   ------(v|)
 *
 * @param signal any AbortSignal
 * @returns an Observable of one value
 * @throws TypeError when `signal` is none
 * @example
 * ```ts
 * jobs$.pipe(workerPool(work, { workers: 5, buffer: 10, shutdown: fromAbortSignal(request.signal) })).subscribe();
 * ```
 */
export function fromAbortSignal(signal: AbortSignal): Observable<void> {
  checkSignal('fromAbortSignal', signal ?? null);
  return new Observable((subscriber) => {
    const listener = (): void => {
      subscriber.next();
      subscriber.complete();
    };
    if (signal.aborted) return listener();
    signal.addEventListener('abort', listener);
    return () => signal.removeEventListener('abort', listener);
  });
}
