import { BehaviorSubject, Observable } from 'rxjs';
import type { JobContext, JobHooks, JobOutcome } from '../types.js';
import { Aimd } from './aimd.js';
import { readConfig } from './config.js';
import type { AdaptiveWorkersConfig } from './config.js';
import { Gradient } from './gradient.js';
import { Rounds } from './rounds.js';

/** A limit for `workers`, and the hooks from which it learns. */
export interface AdaptiveWorkers extends Observable<number>, JobHooks {}

/**
 * Finds how many jobs at once the other side can bear: a limit that grows while all goes well, and falls at a sign of overload.
 *
 * Give it to a pool twice: as `workers`, and as one of its `hooks`. It emits the limit when subscribed, and each change: integers
 * from `min` to `max`. It never completes. All its subscriptions share what it has learned: a pool that is subscribed again goes on
 * with the limit of before. Given to several pools it is one limit, learned from the jobs of all of them, and each pool may run as
 * many as it says.
 *
 *     limit    1-2---4---8-6---7---8     'aimd', min: 1, max: 8, always a next job of 2 frames; one fails at frame 12
 *
 * It learns from attempts, in rounds of as many as the limit. Until the first sign of overload the limit doubles in each round.
 *
 * - `'aimd'` adds 1 in each further round. It sees failures alone, and settles within 20 % of the number at which they begin: where
 *   the other side refuses or fails what is above its capacity. Where it only gets slower, give the pool a `timeout`, or use
 *   `'gradient'`.
 * - `'gradient'` grows while attempts take at most `tolerance` times as long as without a queue, and falls in proportion to the
 *   excess. To know that time it lets half of the limit run for one round in forty, and less where that makes attempts faster. For
 *   jobs of one kind: where some take ten times as long as others, it follows chance.
 *
 * Under both an overload takes a fifth of the limit, once for all attempts that were running. A limit that is not reached does not
 * grow: a quiet time says nothing. An abort or a drop is no overload; `isOverload` says which failures are. Each failed attempt
 * of a job that is retried is asked about, and what such a job took is not measured. Its hooks do not count as listeners: a failed
 * job of a BackgroundJobs that nobody else hears of is still an unhandled error.
 *
 * After `AIMDLimit` and `Gradient2Limit` of Netflix's concurrency-limits
 * (https://github.com/Netflix/concurrency-limits/tree/main/concurrency-limits-core/src/main/java/com/netflix/concurrency/limits/limit),
 * with two changes. `AIMDLimit` adds 1 at each success; here it is in each round, as in TCP's congestion avoidance
 * (https://www.rfc-editor.org/rfc/rfc5681#section-3.1). `Gradient2Limit` compares with a long mean, which under a load that never
 * pauses contains the queue; here it is measured in probes, as in Envoy's gradient controller
 * (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/adaptive_concurrency_filter). That retried jobs are not
 * measured is Karn's algorithm (https://www.rfc-editor.org/rfc/rfc6298#section-3).
 *
 * @param config `min` and `max` are required
 * @returns an Observable of the limit that is a pool's hooks too
 * @throws TypeError or RangeError that names the option and its value
 * @example
 * ```ts
 * import { take, toArray } from 'rxjs';
 * import { pullFrom, workerPoolSettled } from 'rxjs-background-jobs';
 * import { adaptiveWorkers } from 'rxjs-background-jobs/adaptive';
 *
 * let calls = 0;
 * async function load(): Promise<void> {
 *   if (calls === 10) throw new Error('429'); // the other side bears ten at once
 *   calls++;
 *   await new Promise((resolve) => setTimeout(resolve, 1)).finally(() => calls--);
 * }
 * const limit = adaptiveWorkers({ min: 1, max: 64, isOverload: (error) => String(error).includes('429') });
 * limit.pipe(take(6), toArray()).subscribe((limits) => console.log(limits.join(' '))); // → 1 2 4 8 16 12
 * pullFrom(Array(100))
 *   .pipe(workerPoolSettled(load, { workers: limit, hooks: limit, buffer: 0 }))
 *   .subscribe({ complete: () => console.log('done') }); // → done
 * ```
 */
export function adaptiveWorkers(config: AdaptiveWorkersConfig): AdaptiveWorkers {
  const { min, max, initial, algorithm: name, tolerance, isOverload } = readConfig(config);
  const bounds = { min, max };
  const algorithm = name === 'aimd' ? new Aimd(initial, bounds) : new Gradient(initial, bounds, tolerance);
  const rounds = new Rounds(algorithm);
  const limits = new BehaviorSubject(initial);
  let isEmitting = false;

  /** A pool that is told a limit may start jobs, whose ends change it again: subscribers are told of that afterwards, in order. */
  function emit(): void {
    if (isEmitting) return;
    isEmitting = true;
    try {
      for (let limit; (limit = Math.floor(algorithm.limit)) !== limits.value;) limits.next(limit);
    } finally {
      isEmitting = false;
    }
  }

  function failed(error: unknown, id: number): void {
    if (!isOverload(error)) return;
    rounds.overloaded(id);
    emit();
  }

  const hooks = {
    started(_job: unknown, _context: JobContext, id: number): void {
      rounds.started(id);
    },
    retrying(_job: unknown, error: unknown, _attempt: number, id: number): void {
      failed(error, id);
    },
    settled(outcome: JobOutcome<unknown, unknown>): void {
      if (outcome.status === 'failed') failed(outcome.error, outcome.id);
      // What several attempts took says nothing of one (Karn's algorithm).
      else if (outcome.status === 'completed' && outcome.attempts === 1) rounds.completed(outcome.id, outcome.ranFor);
    },
    released(_job: unknown, id: number): void {
      rounds.released(id);
      emit();
    },
    // It only counts: a failure of which nobody else hears is still reported.
    [Symbol.for('rxjs-background-jobs:counter')]: () => false,
  };
  return Object.assign(new Observable<number>((subscriber) => limits.subscribe(subscriber)), hooks);
}
