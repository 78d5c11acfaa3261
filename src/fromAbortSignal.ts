import type { Observable } from 'rxjs';
import { abortOf, isAbortSignal, wrong } from './internal/support/checks.js';

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
 * import { NEVER } from 'rxjs';
 * import { fromAbortSignal, workerPool } from 'rxjs-background-jobs';
 *
 * const controller = new AbortController();
 * NEVER.pipe(
 *   workerPool(async (job) => job, { workers: 5, buffer: 10, shutdown: fromAbortSignal(controller.signal) }),
 * ).subscribe({ complete: () => console.log('drained') });
 * controller.abort(); // → drained
 * ```
 */
export function fromAbortSignal(signal: AbortSignal): Observable<void> {
  if (!isAbortSignal(signal)) wrong(`fromAbortSignal's signal`, 'an AbortSignal', signal);
  return abortOf(signal);
}
