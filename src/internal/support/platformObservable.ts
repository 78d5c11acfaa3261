import { Observable } from 'rxjs';
import type { PlatformObservable } from '../../types.js';
import { isFunction, isObject } from './is.js';

const observableSymbol: PropertyKey = (Symbol as { observable?: symbol }).observable ?? '@@observable';

/** Known by its tag, which a polyfill's and another realm's have too; one that RxJS can read is RxJS's business. */
export function isPlatformObservable<T>(value: unknown): value is PlatformObservable<T> {
  if (!isObject(value) || value[Symbol.toStringTag] !== 'Observable') return false;
  return isFunction(value['subscribe']) && !isFunction(value[observableSymbol]);
}

/** Its subscription ends by a signal. */
export function fromPlatform<T>(source: PlatformObservable<T>): Observable<T> {
  return new Observable((subscriber) => {
    const controller = new AbortController();
    // Before it is subscribed: a synchronous source, too, is told that nobody listens any more.
    subscriber.add(() => controller.abort());
    const observer = {
      next: (value: T) => subscriber.next(value),
      error: (error: unknown) => subscriber.error(error),
      complete: () => subscriber.complete(),
    };
    source.subscribe(observer, { signal: controller.signal });
  });
}
