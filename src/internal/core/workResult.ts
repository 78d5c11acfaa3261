// What `work` returned, made an Observable. RxJS's `from` does that, but for three of its habits: it reads a thenable's
// `then` twice, it takes a string for a stream of characters, and an async iterator that it unsubscribes from gets its
// `return()` only after the next value, which may never come.
import { from, Observable } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { isFunction, isObject } from '../support/checks.js';
import { isAsyncIterable, pulled } from './intake.js';

type Then<T> = PromiseLike<T>['then'];

const nativeThen: unknown = Promise.prototype.then;
const observableSymbol: PropertyKey = (Symbol as { observable?: symbol }).observable ?? '@@observable';

/** A promise with the language's own `then` settles once, so that one pair of callbacks can serve job after job. */
export function isNativePromise<T>(result: ObservableInput<T>): result is Promise<T> {
  return result instanceof Promise && result.then === nativeThen;
}

/** An Observable, or the `then` of what RxJS would take for a promise, read once. */
export function readResult<T>(result: ObservableInput<T>): Observable<T> | Then<T> {
  if (result instanceof Observable) return result;
  if (typeof result === 'string') {
    throw new TypeError(`work returned the string ${JSON.stringify(result)}: return a promise or an Observable of it`);
  }
  if (isObject(result) && !isFunction(result[observableSymbol]) && !isArrayLike(result)) {
    const then = result['then'];
    if (isFunction(then)) return then.bind(result) as Then<T>;
    if (isAsyncIterable<T>(result)) return pulled(result);
  }
  return from(result);
}

function isArrayLike(value: Record<PropertyKey, unknown>): boolean {
  return typeof value['length'] === 'number' && !isFunction(value);
}
