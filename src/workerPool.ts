import { mergeMap, Observable, takeUntil } from 'rxjs';
import type { ObservedValueOf } from 'rxjs';
import { arrivals } from './internal/core/arrivals.js';
import { intake } from './internal/core/intake.js';
import { Pool } from './internal/core/pool.js';
import { lenderOf } from './internal/handle/lender.js';
import { watch } from './internal/lifecycle/lifecycle.js';
import { readPoolOptions } from './internal/options.js';
import type { JobSource, LastValueOf, PoolConfig, PoolOperator, PromiseOrObservableOf, Work } from './types.js';

/**
 * Runs each value of the source as a job, on a fixed number of workers behind a bounded buffer, and emits what the jobs emit.
 *
 * A job starts in the same call as `next` when a worker is free; otherwise it waits, first come first served, in the buffer;
 * at a full buffer `overflow` says who is lost. A job's finalizers have run before the next waiting job starts. The results
 * complete when the source has completed (or `shutdown` has ended it) and everything that was taken on has settled; they
 * error with the first job that fails, with an error of the source, or with a BufferOverflowError. Unsubscribing stops the
 * source first, then the running jobs in the order of their subscriptions, and lets go of what waits.
 *
 * With `buffer: Infinity` it is mergeMap (one worker: concatMap); with one worker, `buffer: 0` and `'drop-incoming'` it is exhaustMap;
 * with one worker, `buffer: 1` and `'drop-oldest'` the exhaustMap that keeps the last. Same values, frames, errors, subscription
 * windows, `index`, re-entrancy and order of teardown, and never slower with a long line, except:
 *
 * 1. Any number of synchronous jobs runs on a flat stack.
 * 2. A job's finalizer has always run before the next waiting job starts.
 * 3. The exhaustMap shape frees its slot as mergeMap does: finalizers first.
 * 4. Once the results are closed nothing starts, also when downstream unsubscribes from inside a finalizer; a subscriber that
 *    is closed already does not reach the source.
 * 5. A finalizer that throws is reported and frees its slot; bad options are refused, and so is a string as the result of work.
 * 6. Starts nest in one another 64 deep; beyond that an arriving job is queued, and the worker below on the stack takes it.
 * 7. Jobs are torn down as one block: a finalizer that downstream adds between two of them runs after both.
 * 8. An async iterator's `return()` is called at once on unsubscription, not after its next value.
 * 9. Where the event loop has had no turn for `yieldAfter`, a settlement waits for one; `Infinity` turns that off.
 *
 *     source                    -a-b-c--|          1 worker, buffer: 1, jobs of 5 frames
 *     drop-incoming    output   ------a----(b|)    c is lost
 *     drop-oldest      output   ------a----(c|)    b is lost
 *
 * A job that has waited runs in the async context (AsyncLocalStorage) of the call that freed its worker. Where it must be that
 * of its emission, bind it there: `map((job) => AsyncResource.bind(() => work(job)))`.
 *
 * @param work runs one job; a synchronous throw is a failure of the job
 * @param config `workers` and `buffer` are required
 * @returns an operator; each subscription has workers and a buffer of its own
 * @throws TypeError or RangeError that names the option and its value, when the operator is made
 * @example
 * ```ts
 * import { of } from 'rxjs';
 * import { workerPool } from 'rxjs-background-jobs';
 *
 * const resize = async (photo: string, { signal }: { signal: AbortSignal }): Promise<string> => {
 *   signal.throwIfAborted(); // pass the signal on: fetch(url, { signal })
 *   return `small ${photo}`;
 * };
 * of('a.jpg', 'b.jpg', 'c.jpg')
 *   .pipe(workerPool(resize, { workers: 1, buffer: 1, overflow: 'drop-oldest' }))
 *   .subscribe((photo) => console.log(photo)); // → small a.jpg
 * // → small c.jpg
 * ```
 */
export function workerPool<J, O extends PromiseOrObservableOf<unknown>, _Inferred extends O>(
  work: Work<J, O>,
  config: PoolConfig<NoInfer<J>, NoInfer<LastValueOf<O>>>,
): PoolOperator<J, ObservedValueOf<O>>;
/** With explicit type arguments, those of the job and of its result: `workerPool<Mail, Receipt>(…)`. */
export function workerPool<J, R>(
  work: Work<J, PromiseOrObservableOf<R>>,
  config: PoolConfig<NoInfer<J>, NoInfer<R>>,
): PoolOperator<J, R>;
export function workerPool<J, R>(
  work: Work<J, PromiseOrObservableOf<R>>,
  config: PoolConfig<J, R>,
): PoolOperator<J, R> {
  const options = readPoolOptions<J, R>('workerPool', work, config);
  return (source) =>
    new Observable((results) => {
      const lender = lenderOf<J>(source);
      if (lender !== undefined) return lender.run(options, results, pipeline);
      const pool = new Pool(options, results, { observer: options.hooks && watch(options) });
      pipeline(pool, source, options).subscribe(results);
    });
}

/** The pipeline of every form. What the jobs emit goes to the results directly; RxJS holds the workers, and sees nothing else. */
export function pipeline<J, R>(
  pool: Pool<J, R>,
  source: JobSource<J>,
  { shutdown, mostWorkers }: { readonly shutdown: Observable<unknown>; readonly mostWorkers: number },
): Observable<never> {
  return intake(source, pool).pipe(
    takeUntil(pool.shutdown.endOfIntake(shutdown)),
    arrivals(pool),
    mergeMap((worker) => worker.life, mostWorkers),
  );
}
