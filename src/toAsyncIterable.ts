import type { Observable } from 'rxjs';
import type { BufferConfig } from './boundedBuffer.js';
import { BoundedRing, readRingOptions } from './internal/core/boundedRing.js';
import { checkConfig } from './internal/support/checks.js';
import { Handover } from './internal/support/observableIterator.js';

/**
 * Makes an Observable iterable with `for await`, with a bound to what waits for a slow consumer.
 *
 * Each iteration subscribes when its first value is asked for. A value that comes while the consumer waits is handed over;
 * otherwise it waits, first in, first out; when `capacity` values wait `overflow` says who is lost, and `onDrop` hears of it.
 * What waits is handed over before an error of the source, a BufferOverflowError (policy `'error'`) or the end. Leaving the
 * loop unsubscribes, and lets go of what waits.
 *
 * @param source any Observable; it is not asked to wait, because it cannot be
 * @param config the bound and the policy
 * @returns an async iterable; each iteration has a subscription and a buffer of its own
 * @throws TypeError or RangeError that names the option and its value
 * @example
 * ```ts
 * for await (const tick of toAsyncIterable(ticks$, { capacity: 10, overflow: 'drop-oldest' })) await save(tick);
 * ```
 */
export function toAsyncIterable<T>(source: Observable<T>, config: BufferConfig<NoInfer<T>>): AsyncIterable<T> {
  const options = readRingOptions<T>(checkConfig('toAsyncIterable', config, ['capacity', 'overflow', 'onDrop']));
  return {
    [Symbol.asyncIterator]() {
      const untaken = new BoundedRing<T>(options);
      return new Handover(source, untaken, (value) => untaken.offer(value));
    },
  };
}
