import { Observable } from 'rxjs';
import { Pool } from './internal/core/pool.js';
import { watch } from './internal/lifecycle/lifecycle.js';
import { OPTIONS, readPoolOptions } from './internal/options.js';
import { PlainStore } from './internal/core/store.js';
import { ObservableIterator } from './internal/core/observableIterator.js';
import { EventLoopBudget } from './internal/core/budget.js';
import { checkIterable } from './internal/support/checks.js';
import { pullFrom } from './pullFrom.js';
import type { LastValueOf, PoolConfig, PromiseOrObservableOf, PulledSource, ValueOf, Work } from './types.js';
import { pipeline } from './workerPool.js';

const PULLED_OPTIONS = OPTIONS.filter((option) => option !== 'overflow');

/** As a pool's, but for `overflow`: what is pulled has a place. */
export type PullThroughConfig<J, R> = Omit<PoolConfig<J, R>, 'overflow'>;

/**
 * Runs each item of an iterable as a job and hands the results to a consumer that asks for them: backpressure end to end.
 *
 * A job is pulled only while the jobs that have started and the results that nobody has taken are together fewer than
 * `workers + buffer`; so a slow consumer slows the source, nothing is lost, and memory stays flat. Results come in the order
 * in which jobs end. Each iteration starts when its first result is asked for, with workers of its own. It ends when the source
 * has ended, or `shutdown` has ended the pool, and all results are taken. The first failure of a job or of the source ends it too:
 * results that are ready are handed over first, then the iteration throws. Leaving the loop aborts what runs, and calls the source
 * iterator's `return()`.
 *
 * `Observable.from(pullThrough(…))` makes the platform's Observable of it, where there is one.
 *
 * @param source where jobs are pulled from
 * @param work runs one job
 * @param config `workers` and `buffer` are required
 * @returns an async iterable of the results, for `for await`, `Readable.from` or `stream.pipeline`
 * @throws TypeError or RangeError that names the option and its value, or when the source is no iterable (a string
 *   is refused too)
 * @example
 * ```ts
 * import { pullThrough } from 'rxjs-background-jobs';
 *
 * const rows = pullThrough([1, 2, 3], async (id) => `row ${id}`, { workers: 2, buffer: 0 });
 * for await (const row of rows) console.log(row); // → row 1
 * // → row 2
 * // → row 3
 * // To a file: await pipeline(rows, createWriteStream('rows.txt')), of node:stream/promises.
 * ```
 */
export function pullThrough<J, O extends PromiseOrObservableOf<unknown>, _Inferred extends O>(
  source: PulledSource<J>,
  work: Work<J, O>,
  config: PullThroughConfig<NoInfer<J>, NoInfer<LastValueOf<O>>>,
): AsyncIterable<ValueOf<O>>;
/** With explicit type arguments, those of the job and of its result: `pullThrough<Mail, Receipt>(…)`. */
export function pullThrough<J, R>(
  source: PulledSource<J>,
  work: Work<J, PromiseOrObservableOf<R>>,
  config: PullThroughConfig<NoInfer<J>, NoInfer<R>>,
): AsyncIterable<R>;
export function pullThrough<J, R>(
  source: PulledSource<J>,
  work: Work<J, PromiseOrObservableOf<R>>,
  config: PullThroughConfig<J, R>,
): AsyncIterable<R> {
  const options = readPoolOptions<J, R>('pullThrough', work, config, PULLED_OPTIONS);
  checkIterable('pullThrough', source);
  const items = pullFrom(source);
  return {
    [Symbol.asyncIterator]() {
      const untaken = new PlainStore<R>();
      let pool: Pool<J, R> | undefined;
      const results$ = new Observable<R>((results) => {
        pool = new Pool(options, results, { observer: options.hooks && watch(options) });
        pool.untaken = () => untaken.length;
        pipeline(pool, items, options).subscribe(results);
      });
      return new ObservableIterator<R>({
        source: results$,
        untaken,
        put: (result) => untaken.push(result),
        onTaken: () => pool?.puller?.pull(),
        budget: new EventLoopBudget(options),
      });
    },
  };
}
