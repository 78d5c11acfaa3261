// What `work` returned, made an Observable. RxJS's `from` does that, but for three of its habits: it reads a thenable's
// `then` twice, it takes a string for a stream of characters, and an async iterator that it unsubscribes from gets its
// `return()` only after the next value, which may never come.
import { from, Observable } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { isObject } from './checks.js';
import { fromAsyncIterable, isAsyncIterable } from './iterators.js';

type Then<T> = PromiseLike<T>['then'];

const nativeThen: unknown = Promise.prototype.then;
const observableSymbol: PropertyKey = (Symbol as { observable?: symbol }).observable ?? '@@observable';

/** A promise with the language's own `then` settles once, so that one pair of callbacks can serve job after job. */
export function isNativePromise<T>(result: ObservableInput<T>): result is Promise<T> {
  return result instanceof Promise && result.then === nativeThen;
}

/** The `then` of anything else that RxJS would take for a promise, read once. */
export function thenOf<T>(result: ObservableInput<T>): Then<T> | undefined {
  if (!isObject(result) || result instanceof Observable || isFunction(result[observableSymbol]) || isArrayLike(result))
    return undefined;
  const then = result['then'];
  return isFunction(then) ? (then.bind(result) as Then<T>) : undefined;
}

/** Anything that is not a promise. */
export function streamOf<T>(result: ObservableInput<T>): Observable<T> {
  if (result instanceof Observable) return result;
  if (typeof result === 'string') {
    throw new TypeError(
      `work returned the string ${JSON.stringify(result)}: return it in a promise or an Observable, as of(…) does`,
    );
  }
  if (
    isObject(result) &&
    !isFunction(result[observableSymbol]) &&
    !isArrayLike(result) &&
    isAsyncIterable(result as unknown as AsyncIterable<T>)
  ) {
    return fromAsyncIterable(result as unknown as AsyncIterable<T>);
  }
  return from(result);
}

function isFunction(value: unknown): value is (...args: never[]) => unknown {
  return typeof value === 'function';
}

function isArrayLike(value: Record<PropertyKey, unknown>): boolean {
  return typeof value['length'] === 'number' && !isFunction(value);
}
