import { from, isObservable, Observable } from 'rxjs';
import type { JobSource } from '../../types.js';
import { isFunction, isObject, wrong } from '../support/checks.js';
import { reportError } from '../support/reporting.js';
import type { Turns } from './budget.js';

/** Whoever runs the items of an iterable, as its intake sees it. */
export interface Taker<J> {
  /**
   * Would an item that came now start at once? Or else one of an iterator that answers at once is not taken yet.
   *
   * @param isNested asked by a worker that has been started by another item: for itself only
   */
  canStart(isNested: boolean): boolean;
  /** Is there a place for one more, to run or to wait? */
  hasRoom(): boolean;
  /** Does a worker look for a job, and none waits for it? */
  readonly isAsked: boolean;
  /** Gives an item to that worker. */
  give(job: J): void;
  /** Takes in an item that was on its way when the intake ended, if what it has is still run. */
  admitLate(job: J): void;
  /** When it is time for a turn of the event loop. */
  readonly turns: Turns;
  /** Whom to tell when jobs may start, or wait, that could not before. */
  pull: (() => void) | undefined;
}

type AnyIterable<J> = Iterable<J> | AsyncIterable<J>;

const iterables = new WeakMap<object, AnyIterable<unknown>>();

/** An Observable of the items and, for {@link intake}, the iterable itself. */
export function pulledFrom<J>(iterable: AnyIterable<J>): Observable<J> {
  checkIterable('pullFrom', iterable);
  const source = isAsyncIterable(iterable) ? pulled(iterable) : from(iterable);
  iterables.set(source, iterable);
  return source;
}

/** The jobs of `source`: an Observable's as they come, an iterable's as they can be used. */
export function intake<J>(source: JobSource<J>, taker: Taker<J>): Observable<J> {
  const iterable = (iterables.get(source) as AnyIterable<J> | undefined) ?? source;
  if (isObservable(iterable)) return iterable;
  checkIterable('a pool', iterable);
  return pulled(iterable, taker);
}

/** Does `source` take its time for each item? */
export function isPulledAsync(source: object): boolean {
  return isAsyncIterable(iterables.get(source) ?? source);
}

function checkIterable(by: string, value: unknown): void {
  const isIterable = isObject(value) && (isFunction(value[Symbol.iterator]) || isAsyncIterable(value));
  if (!isIterable) wrong(`${by}'s source`, 'an Observable, an iterable or an async iterable', value);
}

/** Also a ReadableStream where the host has not made it async iterable yet. */
export function isAsyncIterable<T>(value: object): value is AsyncIterable<T> {
  const candidate = value as Partial<AsyncIterable<T> & ReadableStream<T>>;
  return isFunction(candidate[Symbol.asyncIterator]) || isFunction(candidate.getReader);
}

/**
 * One item after the other for as long as `taker` can use them: none ahead of a start where the iterator answers at once, and
 * as far as there is room where it takes its time. Without one it is `from(iterable)`, but `return()` is called as soon as it
 * is unsubscribed, and not after the next item, which may never come.
 */
export function pulled<J>(iterable: AnyIterable<J>, taker?: Taker<J>): Observable<J> {
  return new Observable((jobs) => {
    const isAsync = isAsyncIterable<J>(iterable);
    const iterator = isAsync ? asyncIteratorOf(iterable) : iterable[Symbol.iterator]();
    /** An item has been asked for. */
    let pulling = false;
    let ended = false;
    /** Items are being handed over: a worker that one has started may come to ask. */
    let handing = false;

    const isUsable = (isNested: boolean): boolean => !taker || (isAsync ? taker.hasRoom() : taker.canStart(isNested));
    const pull = (): void => {
      const isNested = handing;
      handing = true;
      while (!pulling && !ended && !jobs.closed && isUsable(isNested)) {
        pulling = true;
        try {
          const item = iterator.next();
          if (isAsync) Promise.resolve(item).then(arrive, fail);
          else arrive(item as IteratorResult<J>);
        } catch (error) {
          fail(error);
        }
      }
      handing = isNested;
    };
    const arrive = (item: IteratorResult<J>): void => {
      let job: J;
      try {
        // As `for … of` does.
        if (!isObject(item)) wrong('what next() returns', 'an object', item);
        ended = Boolean(item.done);
        job = item.value as J;
      } catch (error) {
        return fail(error);
      }
      pulling = isAsync;
      if (ended) jobs.complete();
      else if (jobs.closed) {
        // A generator could not be told while it was busy.
        if (!isAsync) void letGo(iterator);
        taker?.admitLate(job);
      } else if (taker?.isAsked) taker.give(job);
      else jobs.next(job);
      if (!isAsync) return;
      // One that has its items at hand would never let timers and I/O have their turn.
      if (taker?.turns.mustAsk() && taker.turns.areDue()) taker.turns.wait(goOn);
      else goOn();
    };
    const goOn = (): void => {
      pulling = false;
      pull();
    };
    const fail = (error: unknown): void => {
      ended = true;
      jobs.error(error);
    };

    jobs.add(() => {
      if (!ended && (isAsync || !pulling)) void letGo(iterator);
    });
    if (taker) taker.pull = pull;
    pull();
  });
}

/** A ReadableStream's own iterator cannot be told to stop while a read is pending; its reader can. */
function asyncIteratorOf<T>(iterable: AsyncIterable<T>): AsyncIterator<T> {
  const stream = iterable as Partial<ReadableStream<T>>;
  if (!isFunction(stream.getReader)) return iterable[Symbol.asyncIterator]();
  const reader = stream.getReader();
  return { next: () => reader.read() as Promise<IteratorResult<T>>, return: () => reader.cancel() as Promise<never> };
}

/** Tells an iterator that nobody will ask again. Nothing waits for it: a pending `next()` may never settle. */
async function letGo(iterator: Iterator<unknown> | AsyncIterator<unknown>): Promise<void> {
  try {
    await iterator.return?.();
  } catch (error) {
    reportError(error);
  }
}
