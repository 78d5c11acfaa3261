import type { Observable } from 'rxjs';
import { pulledFrom } from './internal/core/intake.js';
import { checkIterable } from './internal/support/checks.js';
import type { PulledSource } from './types.js';

/**
 * `from(iterable)`, but for a pool that is piped directly onto it: the pool pulls the items itself, when it can use them.
 *
 * An Observable cannot be asked to wait, so `from(lines).pipe(workerPool(…))` pushes all lines at once and overflows. From
 * `pullFrom(lines)` the pool takes an item only when it may start now, and up to `buffer` items ahead from an async iterable,
 * which takes time to answer. Nothing is lost, `overflow` never applies, and memory stays flat; an endless iterable is fine.
 *
 * Whatever ends the pool, the iterator's `return()` is called, and not waited for. A drain asks for no more items: the one that
 * is on its way is run, then `return()` is called; at once, where no item is on its way or nothing waits or runs any more. A
 * harder level, an error and unsubscribing call it at once. An iterator that throws is a source that errors.
 *
 * With an operator between the two, and for any other subscriber, it is `from(iterable)`: the items are pushed, and
 * `overflow` applies. An endless generator that is pushed under `'drop-incoming'` blocks for ever: no job can end before it does.
 * Apply the operator inside the work, or to the iterable before `pullFrom`.
 *
 *     items    a b c d
 *     taken    (ab)(cd)|               workers: 2, buffer: 0, jobs of 4 frames: an item is taken when it may start
 *
 * @param iterable an array, a generator, a Node stream, a ReadableStream …
 * @returns an Observable that the pool recognises
 * @throws TypeError when it is not iterable: a string is not, and an Observable cannot be asked to wait
 * @example
 * ```ts
 * import { take } from 'rxjs';
 * import { pullFrom, workerPool } from 'rxjs-background-jobs';
 *
 * function* ids(): Generator<number> {
 *   for (let id = 1; ; id++) yield id; // endless: an id is taken when a worker is free
 * }
 * pullFrom(ids())
 *   .pipe(
 *     workerPool(async (id) => `user ${id}`, { workers: 2, buffer: 0 }),
 *     take(3),
 *   )
 *   .subscribe((user) => console.log(user)); // → user 1
 * // → user 2
 * // → user 3
 * ```
 */
export function pullFrom<J>(iterable: PulledSource<J>): Observable<J> {
  checkIterable('pullFrom', iterable);
  return pulledFrom(iterable as Iterable<J> | AsyncIterable<J>);
}
