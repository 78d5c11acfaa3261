import { asyncScheduler } from 'rxjs';
import type { Observable } from 'rxjs';
import type { BufferConfig } from './boundedBuffer.js';
import { BufferOverflowError } from './errors.js';
import { EventLoopBudget } from './internal/core/budget.js';
import { ObservableIterator } from './internal/core/observableIterator.js';
import { readBufferOptions, valueBuffer } from './internal/core/overflow.js';
import { checkConfig, checkObservable } from './internal/support/checks.js';
import type { PlatformObservable } from './types.js';

/**
 * Makes an Observable iterable with `for await`, with a bound to what waits for a slow consumer.
 *
 * Each iteration subscribes when its first value is asked for. A value that comes while the consumer waits is handed over;
 * otherwise it waits, first in, first out. When `capacity` values wait, `overflow` says who is lost, and `onDrop` is told of it.
 * What waits is handed over before an error of the source, a BufferOverflowError (policy `'error'`) or the end. Leaving the
 * loop unsubscribes; what waits then is lost, and `onDrop` is not told.
 *
 * @param source any Observable; it is not asked to wait, because it cannot be
 * @param config the bound and the policy
 * @returns an async iterable; each iteration has a subscription and a buffer of its own
 * @throws TypeError or RangeError that names the option and its value, or when the source is no Observable
 * @example
 * ```ts
 * import { of } from 'rxjs';
 * import { toAsyncIterable } from 'rxjs-background-jobs';
 *
 * const prices = toAsyncIterable(of(1, 2, 3), { capacity: 1, overflow: 'drop-oldest' });
 * for await (const price of prices) console.log(price); // → 1
 * // → 3
 * ```
 */
export function toAsyncIterable<T>(
  source: Observable<T> | PlatformObservable<T>,
  config: BufferConfig<NoInfer<T>>,
): AsyncIterable<T> {
  const options = readBufferOptions<T>(checkConfig('toAsyncIterable', config, ['capacity', 'overflow', 'onDrop']));
  const { capacity, overflow } = options;
  const source$ = checkObservable<T>(
    `toAsyncIterable's source`,
    source,
    ': loop over an iterable itself, or make an Observable of it with from(…)',
  );
  return {
    [Symbol.asyncIterator]() {
      const buffer = valueBuffer(options);
      const untaken = buffer.store;
      const put = (value: T): void => {
        const isTaken = buffer.place(value, 0, untaken.length < capacity, true);
        if (!isTaken && overflow === 'error') iterator.fail(new BufferOverflowError(capacity, value));
      };
      const budget = new EventLoopBudget({ yieldAfter: 5, scheduler: asyncScheduler });
      const iterator = new ObservableIterator<T>({ source: source$, untaken, put, budget });
      return iterator;
    },
  };
}
