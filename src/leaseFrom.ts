import { Observable } from 'rxjs';
import { markLender } from './internal/handle/lender.js';
import type { Lender } from './internal/handle/lender.js';
import { HandleBorrower, PoolBorrower } from './internal/leases/borrowers.js';
import type { LeaseOptions } from './internal/leases/lending.js';
import { checkConfig, checkFunction, checkObservable } from './internal/support/checks.js';
import type { LeaseConfig, LeaseDemand } from './types.js';

/**
 * Jobs that belong to an engine until it is told what became of them: a table, a message broker, a queue in Redis.
 *
 * A pool that is piped directly onto it opens an iterable for each subscription, and asks for a job while fewer than
 * `demand.places` are out. Every job ends in exactly one outcome, so `settle` is called exactly once for each job that the
 * iterable has given: when its work has let go and no retry follows, never at a timeout alone. The worker, the outcome and the
 * completion wait for its answer; values go downstream as they come. No policy evicts a leased job, no order merges it, `clear()`
 * passes over it, and its failure is the engine's news: it is never an unhandled error.
 *
 * | the pool                                  | what waits               | what runs                                            |
 * | ----------------------------------------- | ------------------------ | ---------------------------------------------------- |
 * | drains                                    | runs                     | finishes                                             |
 * | discards                                  | given back: `'shutdown'` | finishes                                             |
 * | aborts, fails, or is unsubscribed         | given back: `'shutdown'` | is signalled, and settled when it has let go         |
 * | abandons                                  | given back: `'shutdown'` | settled at once as `'aborted'`, with `settled: false` |
 *
 * At each of these `demand.signal` fires, then the iterator's `return()` is called, and a job that still comes is given back as
 * `'closed'`. The results complete when all leases are settled and the iterator has answered its open `next()` and `return()`.
 * After `'abandon'` they wait for a second at most.
 *
 *     fetched   (ab)--c                     workers: 1, buffer: 1, jobs of 4 frames, settle takes 2:
 *     results   ----a-----b-----c-|         c is fetched when a has been settled, and they complete when c has
 *
 * Delivery is at least once: a process that is killed between the end of the work and the answer of `settle` leaves a job that
 * the engine will give again.
 *
 * @param open opens the jobs of one subscription; an iterator that throws is a source that errors
 * @param config `settle` is required
 * @returns an Observable that only a pool can be piped onto, or a BackgroundJobs listen to; any other subscriber gets a TypeError
 * @throws TypeError that names the option and its value
 * @example
 * ```ts
 * import { setTimeout } from 'node:timers/promises';
 * import { leaseFrom, workerPoolSettled } from 'rxjs-background-jobs';
 *
 * // Stands for a table. lease: UPDATE mails SET leased_until = … WHERE … LIMIT count RETURNING *
 * const rows = [{ to: 'ann' }, { to: 'bob' }];
 * const table = {
 *   lease: async (count: number) => rows.splice(0, count),
 *   delete: (row: { to: string }) => console.log(`${row.to}'s row is deleted`), // → ann's row is deleted
 *   release: (row: { to: string }) => void rows.push(row), // → bob's row is deleted
 * };
 * const stop = new AbortController();
 * leaseFrom(
 *   async function* (demand) {
 *     while (!demand.signal.aborted) {
 *       yield* await table.lease(demand.wanted); // it changes: read it each time
 *       await setTimeout(1000, undefined, { signal: demand.signal });
 *     }
 *   },
 *   { settle: ({ job, status }) => (status === 'completed' ? table.delete(job) : table.release(job)) },
 * )
 *   .pipe(workerPoolSettled(async ({ to }) => `mail to ${to}`, { workers: 4, buffer: 4, shutdown: stop.signal }))
 *   .subscribe({
 *     next: ({ job, status }) => {
 *       console.log(job.to, status); // → ann completed
 *       if (job.to === 'bob') stop.abort(); // → bob completed
 *     },
 *     complete: () => console.log('all leases are settled'), // → all leases are settled
 *   });
 * ```
 */
export function leaseFrom<J>(
  open: (demand: LeaseDemand) => AsyncIterable<J>,
  config: LeaseConfig<NoInfer<J>>,
): Observable<J> {
  checkFunction("leaseFrom's open", open);
  const { settle, lost } = checkConfig('leaseFrom', config, ['settle', 'lost']);
  checkFunction('settle', settle);
  const lost$ = lost === undefined ? undefined : checkObservable<J>('lost', lost);
  const options = { open, settle, lost: lost$ } as LeaseOptions<J>;
  const unpooled = new Observable<J>((subscriber) => {
    subscriber.error(
      new TypeError(
        'leaseFrom: only a pool can settle leases. Pipe it directly onto workerPool(…) or workerPoolSettled(…), or give it to listenTo(…)',
      ),
    );
  });
  const lender: Lender<J> = {
    run: (form, results, pipeline, deliver) => {
      const borrower = new PoolBorrower(form, results, deliver);
      pipeline(borrower.pool, borrower.borrow(options), form).subscribe(results);
    },
    listen: (parts, onEnd) => new HandleBorrower(options, parts, onEnd),
  };
  return markLender(unpooled, lender);
}
