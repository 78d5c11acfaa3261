// RxJS's own operators, as the pool's shapes have to equal them.
import { concatMap, EMPTY, exhaustMap, filter, from, mergeMap, Observable, tap } from 'rxjs';
import type { ObservableInput, OperatorFunction, Subscriber } from 'rxjs';
import type { Limits } from './programs.js';
import type { Contender } from './runs.js';

/** One of RxJS's flattening operators, made for the limits of a program. */
export type Flatten = (
  limits: Limits,
) => <R>(project: (id: number, index: number) => ObservableInput<R>) => OperatorFunction<number, R>;

export const asMergeMap: Flatten =
  ({ workers }) =>
  (project) =>
    mergeMap(project, workers);

export const asConcatMap: Flatten = () => (project) => concatMap(project);

export const asExhaustMap: Flatten = () => (project) => exhaustMap(project);

/**
 * The exhaustMap that keeps the last. A concatMap that skips each job for which a newer one waits by the time it could
 * start does just that: nobody can tell a job that was given up when the newer one came from one that is skipped then.
 * Ids are unique, so that the newest is known by its id.
 */
export const asExhaustMapKeepingTheLast: Flatten = () => (project) => (source) =>
  new Observable((results) => {
    let newest: number | undefined;
    let index = 0;
    source
      .pipe(
        tap((id) => (newest = id)),
        concatMap((id) => (id === newest ? project(id, index++) : EMPTY)),
      )
      .subscribe(results);
  });

/**
 * Any bound and any policy but `'error'`: a filter counts what mergeMap holds and decides what it is given, and mergeMap skips what has
 * been given up meanwhile. Only for jobs that complete when their finalizers have run, as {@link adapted} makes them: the
 * end of such a job is the moment at which mergeMap frees its slot.
 */
export const asMergeMapBehindABuffer: Flatten =
  ({ workers, buffer, overflow }) =>
  (project) =>
  (source) =>
    new Observable((results) => {
      const waiting = new Set<number>();
      const givenUp = new Set<number>();
      let running = 0;
      let failed = 0;
      let index = 0;
      const giveUp = (ids: Iterable<number>): void => {
        for (const id of [...ids]) {
          waiting.delete(id);
          givenUp.add(id);
        }
      };
      const admit = (id: number): boolean => {
        if (results.closed) return false;
        if (running + failed < workers) return true;
        if (waiting.size + running >= buffer + workers) {
          if (overflow === 'drop-incoming' || waiting.size === 0) return false;
          if (overflow === 'drop-oldest') giveUp([...waiting].slice(0, 1));
          if (overflow === 'replace-newest') giveUp([...waiting].slice(-1));
          if (overflow === 'clear') giveUp(waiting);
        }
        waiting.add(id);
        return true;
      };
      source
        .pipe(
          filter(admit),
          mergeMap((id) => {
            if (givenUp.has(id)) return EMPTY;
            waiting.delete(id);
            running++;
            const fail = (): void => {
              running--;
              failed++;
            };
            try {
              return from(project(id, index++)).pipe(tap({ complete: () => running--, error: fail }));
            } catch (error) {
              fail();
              throw error;
            }
          }, workers),
        )
        .subscribe(results);
    });

/** How often a run did what RxJS and the pool are known to do differently. */
export interface Differences {
  /** A job completed inside the call that subscribed to it, and has code that runs after that. */
  synchronous: number;
  /** A job completed, and has code that runs after that. */
  aftermaths: number;
  /** A finalizer closed the results, or ended a job after that, and another job was waiting or might have been. */
  closings: number;
}

export function noDifferences(): Differences {
  return { synchronous: 0, aftermaths: 0, closings: 0 };
}

/** RxJS's operator as it is. */
export function raw(flatten: Flatten): Contender {
  return ({ work }, limits) => flatten(limits)(work);
}

/**
 * RxJS's operator without the differences 2 to 4: each job tells its completion only when its finalizers have run, and no
 * job starts once the results are closed.
 */
export function adapted(flatten: Flatten, seen: Differences): Contender {
  return ({ work, hasAftermath }, limits) =>
    (source) =>
      new Observable((results) => {
        const project = (id: number, index: number): ObservableInput<string> => {
          if (results.closed) {
            seen.closings++;
            return EMPTY;
          }
          return settled(from(work(id, index)), (synchronously, closed) => {
            if (!hasAftermath(id)) return;
            seen.aftermaths++;
            if (synchronously) seen.synchronous++;
            if (closed) seen.closings++;
          });
        };
        // The pool's takeUntil does not subscribe on behalf of a closed subscriber, which retry and repeat may leave behind.
        if (results.closed) seen.closings++;
        else source.pipe(flatten(limits)(project)).subscribe(results);
      });
}

/**
 * `job`, but it completes only when its teardown has run: the finalizers that were there when it completed, and, where it
 * completed inside `subscribe`, the rest of that call and the finalizers that were added there. If they have closed the
 * subscriber, it does not hear of the completion, and so RxJS starts no further job.
 */
function settled<T>(
  job: Observable<T>,
  completed: (synchronously: boolean, closed: boolean) => void = () => {},
): Observable<T> {
  return new Observable((outer) => {
    let subscribing = true;
    let synchronously = false;
    const complete = (): void => {
      completed(synchronously, outer.closed);
      outer.complete();
    };
    // Around the job once more, so that its subscriber is known, and closes with `outer`, before it is subscribed.
    let inner: Subscriber<T>;
    new Observable<T>((subscriber) => {
      inner = subscriber;
      outer.add(subscriber);
      job.subscribe(subscriber);
    }).subscribe({
      next: (value) => outer.next(value),
      error: (error: unknown) => outer.error(error),
      complete: () => {
        synchronously = subscribing;
        inner.unsubscribe();
        if (!subscribing) complete();
      },
    });
    subscribing = false;
    if (synchronously) complete();
  });
}
