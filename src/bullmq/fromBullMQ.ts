import type { Job } from 'bullmq';
import { Subject } from 'rxjs';
import type { Observable } from 'rxjs';
import { leaseFrom } from '../leaseFrom.js';
import { readConfig } from './config.js';
import type { BullMQConfig } from './config.js';
import { Consumer, settle } from './consumer.js';

/**
 * The jobs of a BullMQ queue, for a pool: each belongs to the queue until the queue is told what became of it.
 *
 * A pool that is piped onto it has a Worker of BullMQ for each subscription. The Worker fetches, locks, renews, retries, limits and
 * closes; instead of running a job it hands it to the pool, and waits. It has at most `workers + buffer` jobs in hand, and is paused
 * while the pool can take none. The pool's worker, the outcome and the end of the results wait until Redis
 * has stored how the job ended.
 *
 *     queue     ab-c                    workers: 1, buffer: 1, jobs of 4 frames
 *     results   ----a---b---c           c is fetched when a is completed in Redis
 *
 * | outcome in the pool                            | in the queue                                                      |
 * | ---------------------------------------------- | ----------------------------------------------------------------- |
 * | `'completed'`                                  | completed with the value, as JSON; one that is none fails the job |
 * | `'failed'`                                     | failed, or tried again: `attempts` and `backoff` of the job. A    |
 * |                                                | DelayedError, RateLimitError, UnrecoverableError means what it does |
 * | `'dropped'` as `'expired'`                     | failed for good: given back it would be here again at once        |
 * | `'dropped'` otherwise, `'aborted'`             | waits again, at the head, and no attempt is counted               |
 * | `'aborted'` with a LeaseLostError              | nothing is told: the lock could not be renewed, another has it    |
 *
 * At a drain what has not been taken is given back, what waits and runs is finished, and the Worker closes. From `'discard'` on
 * what waits is given back, too. While Redis is away a drain waits for it; after `'abandon'` a second.
 *
 * Delivery is at least once: a process that is killed after the work and before Redis has its completion leaves a job that runs
 * again, when its lock has run out. For that, and for a process that stands still longer than a lock:
 *
 * - Raise `maxStalledCount`. BullMQ's default is 1: a job whose process is killed twice has failed for good.
 * - Keep `lockDuration` (30,000 ms) longer than anything that may block the event loop. An acknowledgement that fails with the
 *   connection is tried again after `runRetryDelay`, by default a quarter of it here.
 * - Give `stalledInterval` a whole number of milliseconds: any other is a RangeError, because it would end BullMQ's check in silence.
 * - Let Redis keep its data (`appendonly yes`) and evict nothing (`maxmemory-policy noeviction`).
 *
 * A pool that listens to several queues takes as many as it has places from each, and holds what it cannot start at once. The
 * pool's own `retry` multiplies with the `attempts` of the job, and holds its lock for the whole wait.
 *
 * @param queueName the name of the queue
 * @param options those of BullMQ's Worker, but `concurrency`; `connection` is required
 * @returns an Observable that only a pool can be piped onto, or a BackgroundJobs listen to; any other subscriber gets a TypeError
 * @throws TypeError or RangeError that names the option and its value
 * @example
 * ```ts
 * import { fromSignals, workerPoolSettled } from 'rxjs-background-jobs';
 * import { fromBullMQ } from 'rxjs-background-jobs/bullmq';
 *
 * // Mail, Receipt and send are yours.
 * fromBullMQ<Mail, Receipt>('mails', { connection: { host: 'localhost' }, maxStalledCount: 5 })
 *   .pipe(workerPoolSettled(({ data }) => send(data), { workers: 8, buffer: 0, shutdown: fromSignals('SIGTERM') }))
 *   .subscribe(({ job, status }) => console.log(job.id, status));
 * ```
 */
export function fromBullMQ<D = unknown, R = unknown, N extends string = string>(
  queueName: string,
  options: BullMQConfig<D, R, N>,
): Observable<Job<D, R, N>> {
  const config = readConfig(queueName, options);
  const lost = new Subject<Job<D, R, N>>();
  return leaseFrom((demand) => new Consumer(config, demand, lost), { settle, lost });
}
