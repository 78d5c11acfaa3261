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

/** Calls what may throw, as a user's code does. That is reported, and its caller goes on. */
export function callAndReport(call: () => void): void {
  try {
    call();
  } catch (error) {
    reportError(error);
  }
}

/** Unsubscribes, and reports what a user's teardown throws. */
export function tearDown(subscription: Unsubscribable): void {
  callAndReport(() => subscription.unsubscribe());
}

/** Marks a promise as looked at, so that its rejection is not unhandled. */
export function ignoreRejection(promise: PromiseLike<unknown>): void {
  promise.then(undefined, () => undefined);
}
