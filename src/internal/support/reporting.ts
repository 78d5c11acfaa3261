import { config } from 'rxjs';
import type { Unsubscribable } from 'rxjs';

/**
 * Reports an error that no caller can receive: to RxJS's `config.onUnhandledError`, or as an uncaught exception. RxJS's
 * deprecated switches change nothing here, so a report never interrupts the pool's bookkeeping.
 */
export function reportError(error: unknown): void {
  setTimeout(() => {
    const { onUnhandledError } = config;
    if (onUnhandledError === null) throw error;
    onUnhandledError(error);
  });
}

/** Calls `step`, and reports what it throws. */
export function reportThrown(step: () => void): void {
  try {
    step();
  } catch (error) {
    reportError(error);
  }
}

/** Unsubscribes, and reports what a user's teardown throws. */
export function tearDown(subscription: Unsubscribable): void {
  reportThrown(() => subscription.unsubscribe());
}

/** Marks a promise as looked at, so that its rejection is not unhandled. */
export function ignoreRejection(promise: PromiseLike<unknown>): void {
  promise.then(undefined, () => undefined);
}
