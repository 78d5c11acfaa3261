import { throwError } from 'rxjs';

/** Reports `error` as RxJS reports what a subscriber throws: to `config.onUnhandledError`, or as an uncaught exception. */
export function reportError(error: unknown): void {
  throwError(() => error).subscribe();
}
