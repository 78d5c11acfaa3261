import { Subscription } from 'rxjs';
import type { Observable } from 'rxjs';
import type { PolicyFactory } from '../core/policy.js';
import { checkCount } from '../support/checks.js';
import { tearDown } from '../support/reporting.js';

/**
 * As many workers as the Observable said last: none before its first value. It may complete above 0, and the number stays; at 0
 * the pool would wait for ever, so that is an error, as an error of its own and a bad value are.
 */
export function liveWorkers(workers$: Observable<unknown>): PolicyFactory {
  return (doors) => {
    let workers = 0;
    let isOver = false;
    const subscription = new Subscription();
    const fail = (error: unknown): void => {
      if (isOver) return;
      isOver = true;
      tearDown(subscription);
      doors.fail(error);
    };
    subscription.add(
      workers$.subscribe({
        next: (value) => {
          if (isOver) return;
          try {
            workers = checkCount('workers', value, 0);
          } catch (error) {
            return fail(error);
          }
          doors.resize(workers);
        },
        error: fail,
        complete: () => {
          if (workers === 0) fail(new RangeError('workers has completed at 0: no job would ever start'));
        },
      }),
    );
    return {
      stop: () => {
        isOver = true;
        tearDown(subscription);
      },
    };
  };
}
