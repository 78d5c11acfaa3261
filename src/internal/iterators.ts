import { Observable } from 'rxjs';
import { reportError } from './reportError.js';

/** `from(iterable)`, but `return()` is called as soon as it is unsubscribed, and not after the next value, which may never come. */
export function fromAsyncIterable<T>(iterable: AsyncIterable<T>): Observable<T> {
  return new Observable((subscriber) => {
    const iterator = asyncIteratorOf(iterable);
    let ended = false;
    const drive = async (): Promise<void> => {
      try {
        while (!subscriber.closed) {
          const item = await iterator.next();
          ended = Boolean(item.done);
          if (ended) subscriber.complete();
          else subscriber.next(item.value as T);
        }
      } catch (error) {
        ended = true;
        subscriber.error(error);
      }
    };
    void drive();
    return () => {
      if (!ended) void letGo(iterator);
    };
  });
}

/** Tells an iterator that nobody will ask again. Nothing waits for it: a pending `next()` may never settle. */
export async function letGo(iterator: Iterator<unknown> | AsyncIterator<unknown>): Promise<void> {
  try {
    await iterator.return?.();
  } catch (error) {
    reportError(error);
  }
}

export function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof (value as Partial<Iterable<unknown>> | null | undefined)?.[Symbol.iterator] === 'function';
}

/** Also a ReadableStream where the host has not made it async iterable yet. */
export function isAsyncIterable<T>(value: Iterable<T> | AsyncIterable<T>): value is AsyncIterable<T> {
  const candidate = value as Partial<AsyncIterable<T> & ReadableStream<T>> | null | undefined;
  return typeof candidate?.[Symbol.asyncIterator] === 'function' || typeof candidate?.getReader === 'function';
}

export function asyncIteratorOf<T>(iterable: AsyncIterable<T>): AsyncIterator<T> {
  const { getReader } = iterable as Partial<ReadableStream<T>>;
  if (typeof getReader !== 'function') return iterable[Symbol.asyncIterator]();
  // A ReadableStream's own iterator cannot be told to stop while a read is pending; its reader can.
  const reader = (iterable as unknown as ReadableStream<T>).getReader();
  const end = (): IteratorResult<T> => {
    reader.releaseLock();
    return { done: true, value: undefined };
  };
  return {
    next: async () => {
      const { done, value } = await reader.read();
      return done ? end() : { done, value };
    },
    return: async () => {
      await reader.cancel();
      return end();
    },
  };
}
