import { from, isObservable, Observable } from 'rxjs';
import type { JobSource } from '../types.js';
import { isObject, show } from './checks.js';
import { asyncIteratorOf, fromAsyncIterable, isAsyncIterable, isIterable, letGo } from './iterators.js';

/** A pool, as its intake sees it. */
export interface Taker<J> {
  /** Would a job that came now start at once? */
  canStart(): boolean;
  /** Is there a place for one more job, to run or to wait? */
  hasRoom(): boolean;
  /** Does a job wait that a worker could take? */
  hasWaiting(): boolean;
  /** Does a worker rest for which no job waits? Asked when one waits for the worker that has asked for it. */
  hasIdle(): boolean;
  /** Puts a job where the worker that asks for its next one finds it. */
  enqueue(job: J): void;
  /** Takes in a job that was on its way when the intake ended, if the pool still runs jobs. */
  admitLate(job: J): void;
  /** Whom to tell of a demand. */
  puller: Puller | undefined;
}

export interface Puller {
  /** A worker looks for its next job: puts one where it finds it. */
  ask(): void;
  /** Jobs may start, or wait, that could not before. */
  fill(): void;
}

type AnyIterable<J> = Iterable<J> | AsyncIterable<J>;

const iterables = new WeakMap<object, AnyIterable<unknown>>();

/** An Observable of the items and, for {@link intake}, the iterable itself. */
export function pulledFrom<J>(iterable: AnyIterable<J>): Observable<J> {
  checkIterable('pullFrom', iterable);
  const source = isAsyncIterable(iterable) ? fromAsyncIterable(iterable) : from(iterable);
  iterables.set(source, iterable);
  return source;
}

/** The jobs of `source`: an Observable's as they come, an iterable's as the pool can use them. */
export function intake<J>(source: JobSource<J>, pool: Taker<J>): Observable<J> {
  const isPushed = isObservable(source);
  if (isPushed && !iterables.has(source)) return source;
  const iterable = isPushed ? (iterables.get(source) as AnyIterable<J>) : source;
  checkIterable('a pool', iterable);
  return isAsyncIterable(iterable) ? pullAsync(iterable, pool) : pullSync(iterable, pool);
}

function checkIterable(by: string, value: unknown): void {
  if (typeof value !== 'string' && (isIterable(value) || isAsyncIterable(value as AsyncIterable<unknown>))) return;
  throw new TypeError(
    `${by} takes its jobs from an Observable, an iterable or an async iterable, but got ${show(value)}`,
  );
}

/** One item for each worker that is free, and none ahead. */
function pullSync<J>(iterable: Iterable<J>, pool: Taker<J>): Observable<J> {
  return new Observable((jobs) => {
    const iterator = iterable[Symbol.iterator]();
    let pulling = false;
    let ended = false;

    /** Takes the next item. Was there one? */
    const pull = (take: (job: J) => void): boolean => {
      if (pulling || ended || jobs.closed) return false;
      let item: IteratorResult<J>;
      pulling = true;
      try {
        item = checkItem(iterator.next());
        ended = Boolean(item.done);
      } catch (error) {
        ended = true;
        jobs.error(error);
        return false;
      } finally {
        pulling = false;
      }
      if (ended) jobs.complete();
      else if (jobs.closed) {
        // It was ended from inside `next()`, when a generator could not be told yet.
        void letGo(iterator);
        pool.admitLate(item.value as J);
      } else take(item.value as J);
      return !ended && !jobs.closed;
    };
    const start = (): boolean => pull((job) => jobs.next(job));

    jobs.add(() => {
      pool.puller = undefined;
      if (!ended && !pulling) void letGo(iterator);
    });
    pool.puller = {
      ask() {
        if (pool.hasWaiting() || !pool.hasRoom() || !pull((job) => pool.enqueue(job))) return;
        // Those that came to ask while the iterator was busy rest now.
        while (pool.hasIdle() && start());
      },
      fill() {
        while (pool.canStart() && start());
      },
    };
    pool.puller.fill();
  });
}

/** One item at a time, for as long as the pool has a place for it: an async iterator takes time to answer. */
function pullAsync<J>(iterable: AsyncIterable<J>, pool: Taker<J>): Observable<J> {
  return new Observable((jobs) => {
    const iterator = asyncIteratorOf(iterable);
    /** An item has been asked for, or is being handed over. */
    let pulling = false;
    let ended = false;
    /** An item that came when its place had gone to somebody else. */
    let held: { readonly job: J } | undefined;

    const ask = (): void => {
      if (pulling || ended || jobs.closed || !pool.hasRoom()) return;
      pulling = true;
      if (held !== undefined) return handOver(held.job);
      try {
        Promise.resolve(iterator.next()).then(arrive).catch(fail);
      } catch (error) {
        fail(error);
      }
    };
    const arrive = (item: IteratorResult<J>): void => {
      if (checkItem(item).done) {
        ended = true;
        jobs.complete();
      } else if (jobs.closed) pool.admitLate(item.value as J);
      else if (pool.hasRoom()) handOver(item.value as J);
      else {
        held = { job: item.value as J };
        pulling = false;
      }
    };
    const handOver = (job: J): void => {
      held = undefined;
      jobs.next(job);
      pulling = false;
      ask();
    };
    const fail = (error: unknown): void => {
      ended = true;
      jobs.error(error);
    };

    jobs.add(() => {
      pool.puller = undefined;
      if (held !== undefined) pool.admitLate(held.job);
      if (!ended) void letGo(iterator);
    });
    pool.puller = { ask, fill: ask };
    ask();
  });
}

/** As `for … of` does. */
function checkItem<J>(item: IteratorResult<J>): IteratorResult<J> {
  if (!isObject(item)) throw new TypeError(`an iterator's next() returned ${show(item)}, which is not an object`);
  return item;
}
