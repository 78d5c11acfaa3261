import { Observable } from 'rxjs';
import type { ObservableInput, ObservedValueOf } from 'rxjs';
import { Pool } from './internal/core/pool.js';
import { watch } from './internal/lifecycle/lifecycle.js';
import { OPTIONS, readPoolOptions } from './internal/options.js';
import { PlainStore } from './internal/core/store.js';
import { ObservableIterator } from './internal/core/observableIterator.js';
import { EventLoopBudget } from './internal/core/budget.js';
import { pullFrom } from './pullFrom.js';
import type { LastValueOf, PoolConfig, Work } from './types.js';
import { pipeline } from './workerPool.js';

const PULLED_OPTIONS = OPTIONS.filter((option) => option !== 'overflow');

/** As a pool's, but for `overflow`: what is pulled has a place. */
export type PullThroughConfig<J, R> = Omit<PoolConfig<J, R>, 'overflow'>;

/**
 * Runs each item of an iterable as a job and hands the results to a consumer that asks for them: backpressure end to end.
 *
 * A job is pulled only while the jobs that have started and the results that nobody has taken are together fewer than
 * `workers + buffer`; so a slow consumer slows the source, nothing is lost, and memory stays flat. Results come in the order
 * in which jobs end. Each iteration starts when its first result is asked for, with workers of its own. What has a result
 * is handed over before the first failure of a job or of the source, which ends it. Leaving the loop aborts what runs, and
 * calls the source iterator's `return()`.
 *
 * @param source where jobs are pulled from
 * @param work runs one job
 * @param config `workers` and `buffer` are required
 * @returns an async iterable of the results, for `for await`, `Readable.from` or `stream.pipeline`
 * @throws TypeError or RangeError that names the option and its value
 * @example
 * ```ts
 * const rows = pullThrough(ids, (id) => fetchRow(id), { workers: 8, buffer: 8 });
 * await pipeline(rows, toCsv, createWriteStream('rows.csv'));
 * ```
 */
export function pullThrough<J, O extends ObservableInput<unknown>>(
  source: Iterable<J> | AsyncIterable<J>,
  work: Work<J, O>,
  config: PullThroughConfig<NoInfer<J>, NoInfer<LastValueOf<O>>>,
): AsyncIterable<ObservedValueOf<O>> {
  const options = readPoolOptions<J, ObservedValueOf<O>>('pullThrough', work, config, PULLED_OPTIONS);
  const items = pullFrom(source);
  return {
    [Symbol.asyncIterator]() {
      const untaken = new PlainStore<ObservedValueOf<O>>();
      let pool: Pool<J, ObservedValueOf<O>> | undefined;
      const results$ = new Observable<ObservedValueOf<O>>((results) => {
        pool = new Pool(options, results, { observer: options.hooks && watch(options) });
        pool.untaken = () => untaken.length;
        pipeline(pool, items, options).subscribe(results);
      });
      return new ObservableIterator<ObservedValueOf<O>>({
        source: results$,
        untaken,
        put: (result) => untaken.push(result),
        onTaken: () => pool?.intake?.pull(),
        budget: new EventLoopBudget(options),
      });
    },
  };
}
