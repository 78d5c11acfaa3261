import { Observable } from 'rxjs';
import { Pool } from './internal/core/pool.js';
import { lenderOf } from './internal/handle/lender.js';
import { watch } from './internal/lifecycle/lifecycle.js';
import { readPoolOptions } from './internal/options.js';
import type { JobOutcome, LastValueOf, PoolConfig, PoolOperator, PromiseOrObservableOf, Work } from './types.js';
import { pipeline } from './workerPool.js';

/**
 * As {@link workerPool}, but emits one outcome for each job that was offered, and goes on when a job fails.
 *
 * `completed` carries the last value, `failed` the error, `dropped` says why the job never ran, `aborted` that a shutdown told
 * it to end. Outcomes come in the order in which jobs end. What waits and what starts is as in workerPool; a slot is
 * free before its outcome is told, so that a job offered in answer to an outcome has a place.
 *
 * An error of the source, of the shutdown notifier, or a full buffer whose policy is `'error'` ends the intake; what was
 * accepted runs to its end and is told; then the results error. Unsubscribing aborts what runs; hooks are told of it.
 *
 *     source      -a-b-c--|          1 worker, buffer: 1, 'drop-oldest', jobs of 5 frames
 *     outcomes    -----ba----(c|)    b: dropped, 'evicted'; a and c: completed
 *
 * @param work runs one job; a synchronous throw is a failure of the job
 * @param config `workers` and `buffer` are required
 * @returns an operator; each subscription has workers and a buffer of its own
 * @throws TypeError or RangeError that names the option and its value, when the operator is made
 * @example
 * ```ts
 * import { of } from 'rxjs';
 * import { workerPoolSettled } from 'rxjs-background-jobs';
 *
 * const send = async (mail: string): Promise<string> => {
 *   if (mail === 'b') throw new Error('no such mailbox');
 *   return `sent ${mail}`;
 * };
 * of('a', 'b', 'c')
 *   .pipe(workerPoolSettled(send, { workers: 1, buffer: 1000 }))
 *   .subscribe((outcome) => {
 *     if (outcome.status === 'completed') console.log(outcome.value); // → sent a
 *     if (outcome.status === 'failed') console.log(outcome.job, String(outcome.error)); // → b Error: no such mailbox
 *   }); // → sent c
 * ```
 */
export function workerPoolSettled<J, O extends PromiseOrObservableOf<unknown>, _Inferred extends O>(
  work: Work<J, O>,
  config: PoolConfig<NoInfer<J>, NoInfer<LastValueOf<O>>>,
): PoolOperator<J, JobOutcome<J, LastValueOf<O>>>;
/**
 * With explicit type arguments, those of the job and of its result: `workerPoolSettled<Mail, Receipt>(…)`. A stream may end
 * without a value, so for one the result's is `Receipt | undefined`.
 */
export function workerPoolSettled<J, R>(
  work: Work<J, PromiseOrObservableOf<R>>,
  config: PoolConfig<NoInfer<J>, NoInfer<R>>,
): PoolOperator<J, JobOutcome<J, R>>;
export function workerPoolSettled<J, R>(
  work: Work<J, PromiseOrObservableOf<R>>,
  config: PoolConfig<J, R>,
): PoolOperator<J, JobOutcome<J, R>> {
  const options = readPoolOptions<J, R>('workerPoolSettled', work, config);
  return (source) =>
    new Observable((results) => {
      const deliver = (outcome: JobOutcome<J, R>): void => results.next(outcome);
      const lender = lenderOf<J>(source);
      if (lender !== undefined) return lender.run(options, results, pipeline, deliver);
      const observer = watch(options, deliver);
      const pool = new Pool(options, results, { observer, failsAtEnd: true });
      pipeline(pool, source, options).subscribe(results);
    });
}
