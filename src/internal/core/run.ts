// What `work` returned, while it runs.
import { from, Observable, Subscription } from 'rxjs';
import type { ObservableInput, Observer } from 'rxjs';
import { isFunction, isObject } from '../support/is.js';
import { badResult } from '../support/describe.js';
import { fromPlatform, isPlatformObservable } from '../support/platformObservable.js';
import { isAsyncIterable } from './iteration.js';

type Then<T> = PromiseLike<T>['then'];

const observableSymbol: PropertyKey = (Symbol as { observable?: symbol }).observable ?? '@@observable';

/** What `work` returned, where it is no native promise. */
export type Result<T> =
  | { readonly kind: 'stream'; readonly stream: Observable<T> }
  | { readonly kind: 'thenable'; readonly stream: Observable<T> }
  | { readonly kind: 'iterable'; readonly iterable: AsyncIterable<T> };

/**
 * Sorts what `work` returned as RxJS's `from` does, but for three of its habits: `from` reads a thenable's `then` twice, takes a
 * string for a stream of characters, and calls an async iterator's `return()` only after the next value, which may never come.
 */
export function readResult<T>(result: ObservableInput<T>): Result<T> {
  if (result instanceof Observable) return { kind: 'stream', stream: result };
  if (!isObject(result)) throw badResult(result);
  if (isPlatformObservable<T>(result)) return { kind: 'stream', stream: fromPlatform(result) };
  if (!isFunction(result[observableSymbol]) && !isArrayLike(result)) {
    const then = result['then'];
    if (isFunction(then)) return { kind: 'thenable', stream: from({ then: then.bind(result) as Then<T> }) };
    if (isAsyncIterable<T>(result)) return { kind: 'iterable', iterable: result };
  }
  if (!isInput(result)) throw badResult(result);
  return { kind: 'stream', stream: from(result) };
}

/** What RxJS takes for an ObservableInput. A ReadableStream, a promise and an async iterable are read above. */
function isInput(value: Record<PropertyKey, unknown>): boolean {
  return isFunction(value[observableSymbol]) || isArrayLike(value) || isFunction(value[Symbol.iterator]);
}

function isArrayLike(value: Record<PropertyKey, unknown>): boolean {
  return typeof value['length'] === 'number' && !isFunction(value);
}

/** The worker, as its run sees it. */
export interface RunOwner<R> {
  onValue(value: R): void;
  onError(run: Run<R>, error: unknown): void;
  onComplete(run: Run<R>): void;
}

/**
 * One job's stream: its Observer and its Subscription in one, so that RxJS subscribes it as it is, and a synchronous stream
 * sees `closed`. RxJS guards only subscribers of its own, so what comes after the end is ignored here.
 */
export class Run<R> extends Subscription implements Observer<R> {
  #isStopped = false;
  readonly #owner: RunOwner<R>;

  constructor(owner: RunOwner<R>) {
    super();
    this.#owner = owner;
  }

  next(value: R): void {
    if (!this.#isStopped) this.#owner.onValue(value);
  }

  error(error: unknown): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#owner.onError(this, error);
  }

  complete(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#owner.onComplete(this);
  }

  override unsubscribe(): void {
    this.#isStopped = true;
    super.unsubscribe();
  }
}
