import { filter, merge, mergeMap, Observable, Subject, takeUntil, takeWhile, tap } from 'rxjs';
import type { MonoTypeOperatorFunction } from 'rxjs';
import { BufferOverflowError } from './errors.js';
import { readBufferOptions, valueBuffer } from './internal/core/overflow.js';
import { checkConfig, checkCount, checkObservable } from './internal/support/checks.js';
import type { Overflow, PlatformObservable } from './types.js';

/** The bound of a buffer, and what becomes of the values for which there is no room. */
export interface BufferConfig<T> {
  /** Values that may wait: an integer ≥ 0, or `Infinity`. With 0 an `overflow` that evicts is a TypeError. */
  readonly capacity: number;
  /** What happens to a value that arrives when as many wait. @default 'error' */
  readonly overflow?: Exclude<Overflow, 'drop-lowest'> | undefined;
  /** Told of each value that is lost: `'full'`, it never had a place; `'evicted'`, it lost it. @default none */
  readonly onDrop?: ((value: T, reason: 'full' | 'evicted') => void) | undefined;
}

/** The bound of {@link boundedBuffer}, and what lets its values pass. */
export interface BoundedBufferConfig<T> extends BufferConfig<T> {
  /** Each number n lets n more values pass, now or when they come; `void` lets one. */
  readonly demand: Observable<number | void> | PlatformObservable<number | void>;
}

/**
 * Lets values pass as they are demanded, and keeps at most `capacity` that are not: the pool's buffer, without the pool.
 *
 * A value that arrives while there is demand passes at once; otherwise it waits, first in, first out. When `capacity` values wait,
 * `overflow` says who is lost, and `onDrop` is told of it. Completes when the source has completed and what waits has passed,
 * or when the demand has completed and is used up. An error of the source, of the demand or of `onDrop`, or a BufferOverflowError
 * (policy `'error'`), comes through at once. What still waits then, or at an unsubscription, is lost, and `onDrop` is not told.
 *
 *     source   -a-b-c-d-e-|            capacity: 2, drop-oldest
 *     demand   ----x-------xx----
 *     output   ----a-------d(e|)      b and c are lost
 *
 * @param config the bound, the policy and the demand
 * @returns an operator; each subscription has a buffer and a demand of its own
 * @throws TypeError or RangeError that names the option and its value, when the operator is made
 * @example
 * ```ts
 * import { of, Subject } from 'rxjs';
 * import { boundedBuffer } from 'rxjs-background-jobs';
 *
 * const demand = new Subject<void>(); // in a browser: animationFrames().pipe(map(() => 1))
 * of('a', 'b', 'c')
 *   .pipe(boundedBuffer({ capacity: 1, overflow: 'drop-oldest', demand, onDrop: (price) => console.log(`lost ${price}`) }))
 *   .subscribe((price) => console.log(price)); // → lost a
 * // → lost b
 * demand.next(); // → c
 * ```
 */
export function boundedBuffer<T>(config: BoundedBufferConfig<NoInfer<T>>): MonoTypeOperatorFunction<T> {
  const options = checkConfig('boundedBuffer', config, ['capacity', 'overflow', 'onDrop', 'demand']);
  const bufferOptions = readBufferOptions<T>(options);
  const { capacity, overflow } = bufferOptions;
  const demand = checkObservable<number | void>('demand', options['demand']);
  return (source) =>
    new Observable((subscriber) => {
      const buffer = valueBuffer(bufferOptions);
      const waiting = buffer.store;
      const nothingLeft = new Subject<void>();
      const demanded = new Subject<number>();
      let credit = 0;
      let passing = false;
      let sourceEnded = false;
      let demandEnded = false;

      function* pass(): Generator<T> {
        passing = true;
        try {
          while (credit > 0 && waiting.length > 0) {
            credit--;
            yield waiting.take();
          }
        } finally {
          passing = false;
        }
      }
      const passesAtOnce = (value: T): boolean => {
        const passes = credit > 0 && waiting.length === 0;
        if (passes) credit--;
        else {
          const isTaken = buffer.place(value, 0, waiting.length < capacity, true);
          if (!isTaken && overflow === 'error') subscriber.error(new BufferOverflowError(capacity, value));
          // A callback told of a loss may have demanded a value.
          if (credit > 0) demanded.next(0);
        }
        return passes;
      };
      const isOver = (): boolean => (sourceEnded && waiting.length === 0) || (demandEnded && credit === 0);
      const checkEnd = (): void => {
        if (isOver()) nothingLeft.next();
      };
      const endOfDemand = (): void => {
        demandEnded = true;
        checkEnd();
      };

      merge(
        merge(demand.pipe(tap({ complete: endOfDemand })), demanded).pipe(
          tap((n) => (credit += n === undefined ? 1 : checkCount('demand', n, 0))),
          // Demand from inside downstream's next only adds to what the loop that runs already has to pass.
          filter(() => !passing),
          mergeMap(pass),
        ),
        source.pipe(tap({ complete: () => (sourceEnded = true) }), filter(passesAtOnce), tap({ complete: checkEnd })),
      )
        .pipe(
          takeUntil(nothingLeft),
          takeWhile(() => !isOver(), true),
        )
        .subscribe(subscriber);
    });
}
