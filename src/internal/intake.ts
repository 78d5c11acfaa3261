import { from, isObservable, Observable } from 'rxjs';
import type { JobSource } from '../types.js';
import { show } from './checks.js';
import { asyncIteratorOf, fromAsyncIterable, isAsyncIterable, isIterable, letGo } from './iterators.js';

/** A pool, as its intake sees it. */
export interface Taker<J> {
  /** Would a job that came now start at once? */
  canStart(): boolean;
  /** Is there a place for one more job, to run or to wait? */
  hasRoom(): boolean;
  /** Does a job wait that a worker could take? */
  hasWaiting(): boolean;
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
  const iterable = isObservable(source) ? (iterables.get(source) as AnyIterable<J> | undefined) : source;
  if (iterable === undefined) return source as Observable<J>;
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
    /** Workers that asked while an item was being pulled. */
    let unanswered = 0;

    const pull = (take: (job: J) => void): boolean => {
      pulling = true;
      let item: IteratorResult<J>;
      try {
        item = iterator.next();
      } catch (error) {
        ended = true;
        jobs.error(error);
        return false;
      } finally {
        pulling = false;
      }
      if (item.done === true) {
        ended = true;
        jobs.complete();
        return false;
      }
      if (jobs.closed) {
        // Ended from inside `next()`, when a generator could not be told yet.
        void letGo(iterator);
        pool.admitLate(item.value);
        return false;
      }
      take(item.value);
      return true;
    };

    jobs.add(() => {
      pool.puller = undefined;
      if (!ended && !pulling) void letGo(iterator);
    });
    const fill = (): void => {
      while (!jobs.closed && !pulling && pool.canStart() && pull((job) => jobs.next(job)));
    };
    pool.puller = {
      ask() {
        if (pulling) unanswered++;
        else if (!pool.hasWaiting() && pool.hasRoom() && pull((job) => pool.enqueue(job))) {
          for (; unanswered > 0 && pull((job) => jobs.next(job)); unanswered--);
        }
      },
      fill,
    };
    fill();
    unanswered = 0;
  });
}

/** One item at a time, for as long as the pool has a place for it: an async iterator takes time to answer. */
function pullAsync<J>(iterable: AsyncIterable<J>, pool: Taker<J>): Observable<J> {
  return new Observable((jobs) => {
    const iterator = asyncIteratorOf(iterable);
    let pulling = false;
    let ended = false;
    /** An item that came when its place had gone to somebody else. */
    let held: { readonly job: J } | undefined;

    const ask = (): void => {
      if (pulling || ended || !pool.hasRoom()) return;
      if (held !== undefined) {
        const { job } = held;
        held = undefined;
        return handOver(job);
      }
      pulling = true;
      try {
        Promise.resolve(iterator.next()).then(arrive, fail);
      } catch (error) {
        fail(error);
      }
    };
    const arrive = (item: IteratorResult<J>): void => {
      pulling = false;
      if (item.done === true) {
        ended = true;
        jobs.complete();
      } else if (jobs.closed) pool.admitLate(item.value);
      else if (pool.hasRoom()) handOver(item.value);
      else held = { job: item.value };
    };
    const handOver = (job: J): void => {
      jobs.next(job);
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
