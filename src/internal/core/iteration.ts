import { Observable } from 'rxjs';
import type { Observer } from 'rxjs';
import { captureScope, runIn } from '../support/asyncScope.js';
import type { AsyncScope } from '../support/asyncScope.js';
import { wrong } from '../support/checks.js';
import { isFunction, isObject } from '../support/is.js';
import { reportError } from '../support/reporting.js';
import type { EventLoopBudget, Held } from './budget.js';

/** What can be read item by item. */
export type AnyIterable<J> = Iterable<J> | AsyncIterable<J>;

/** Also a ReadableStream where the host has not made it async iterable yet. */
export function isAsyncIterable<T>(value: object): value is AsyncIterable<T> {
  const candidate = value as Partial<AsyncIterable<T> & ReadableStream<T>>;
  return isFunction(candidate[Symbol.asyncIterator]) || isFunction(candidate.getReader);
}

/** A ReadableStream is read by a reader: its own iterator cannot be told to stop while a read is pending. Its lock ends with the reading. */
export function asyncIteratorOf<T>(iterable: AsyncIterable<T>): AsyncIterator<T> {
  const stream = iterable as Partial<ReadableStream<T>>;
  if (!isFunction(stream.getReader)) return iterable[Symbol.asyncIterator]();
  const reader = stream.getReader();
  let isReleased = false;
  const release = (): void => {
    isReleased = true;
    reader.releaseLock();
  };
  return {
    async next() {
      try {
        const item = (await reader.read()) as IteratorResult<T>;
        if (item.done) release();
        return item;
      } catch (error) {
        release();
        throw error;
      }
    },
    return() {
      // At its end already, though nobody has seen its last answer yet.
      const cancelled = isReleased ? Promise.resolve() : reader.cancel();
      release();
      return cancelled as Promise<never>;
    },
  };
}

/** An iterator's answer, checked as `for … of` does. */
export function checkItem<T>(item: IteratorResult<T>): IteratorResult<T> {
  return isObject(item) ? item : wrong('what next() returns', 'an object', item);
}

/** Calls an iterator's `return()`. Nothing waits for the answer; an error is reported. */
export function returnQuietly(iterator: Iterator<unknown> | AsyncIterator<unknown>): void {
  try {
    Promise.resolve(iterator.return?.()).catch(reportError);
  } catch (error) {
    reportError(error);
  }
}

/** Reads an async iterable to its end, for one observer. */
export class AsyncIteration<T> implements Held {
  readonly #iterator: AsyncIterator<T>;
  readonly #observer: Observer<T>;
  readonly #budget: EventLoopBudget | undefined;
  /** The answer that is outstanding, or came last. */
  #answer: Promise<IteratorResult<T>> | undefined;
  #isEnded = false;
  /** The generator's async context, while a turn of the event loop is waited for: that turn is somebody else's. */
  #scope: AsyncScope | undefined;

  /** @param budget of the pool in which it is read; none where nobody counts time */
  constructor(iterable: AsyncIterable<T>, observer: Observer<T>, budget?: EventLoopBudget) {
    this.#iterator = asyncIteratorOf(iterable);
    this.#observer = observer;
    this.#budget = budget;
  }

  /** Asks for the first item. */
  start(): void {
    this.#ask();
  }

  resume(): void {
    if (!this.#isEnded) runIn(this.#scope, () => this.#ask());
  }

  /**
   * Asks for nothing more, and calls the iterator's `return()`.
   *
   * @returns settles when the iterator has come to rest; `undefined` where it is at rest already
   */
  stop(): Promise<unknown> | undefined {
    if (this.#isEnded) return undefined;
    this.#isEnded = true;
    const iterator = this.#iterator;
    try {
      return isFunction(iterator.return) ? Promise.resolve(iterator.return()) : this.#answer;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #ask(): void {
    try {
      this.#answer = Promise.resolve(this.#iterator.next());
      this.#answer.then(this.#onItem, this.#onError);
    } catch (error) {
      this.#onError(error);
    }
  }

  readonly #onItem = (item: IteratorResult<T>): void => {
    if (this.#isEnded) return;
    let value: T | undefined;
    try {
      this.#isEnded = Boolean(checkItem(item).done);
      if (!this.#isEnded) value = item.value as T;
    } catch (error) {
      return this.#onError(error);
    }
    if (this.#isEnded) return this.#observer.complete();
    this.#observer.next(value as T);
    if (this.#isEnded) return;
    if (!this.#budget?.countAndCheck()) return this.#ask();
    this.#scope = captureScope();
    this.#budget.hold(this);
  };

  readonly #onError = (error: unknown): void => {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#observer.error(error);
  };
}

/** As `from(iterable)`, but `return()` is called as soon as it is unsubscribed, and not after the next item, which may never come. */
export function fromAsyncIterable<T>(iterable: AsyncIterable<T>): Observable<T> {
  return new Observable((subscriber) => {
    const iteration = new AsyncIteration(iterable, subscriber);
    iteration.start();
    return () => void iteration.stop()?.catch(reportError);
  });
}
