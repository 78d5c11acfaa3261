import type { Observer, SchedulerLike } from 'rxjs';
import type { DropReason, EvictionReason, JobOutcome, RefusalReason } from '../../types.js';
import { listenersOf } from './hooks.js';
import type { Listeners } from './hooks.js';
import type { PoolOptions } from '../options.js';
import { DatedRing } from './timestampedFifo.js';
import type { DatedWaiting } from './timestampedFifo.js';
import type { Verdict, Worker } from '../core/worker.js';

/** What has left the queue, and when it had come. */
export type Gone<T> = readonly [item: T, arrivedAt: number];

/** A life as its pool sees it. */
export type PoolLife<T, R> = Pick<Life<T, R, unknown>, keyof Life<T, R, unknown>>;

/**
 * What becomes of the jobs of one subscription, told where somebody watches. For each event the state comes first, then the
 * hooks, then whoever asked for the job, then downstream.
 *
 * @typeParam T what the pool takes for a job
 * @typeParam J what its user does
 */
export class Life<T, R, J = T> {
  readonly queue: DatedWaiting<T>;
  readonly tellsOutcomes: boolean;

  readonly #hooks: Listeners<J, R>;
  readonly #clock: SchedulerLike;
  readonly #outcomes: Observer<JobOutcome<J, R>> | undefined;

  /** @param outcomes where outcomes go, in a form that tells them */
  constructor(
    { hooks, scheduler }: Pick<PoolOptions<J, R>, 'hooks' | 'scheduler'>,
    outcomes?: Observer<JobOutcome<J, R>>,
    queue?: DatedWaiting<T>,
  ) {
    this.#hooks = hooks ?? listenersOf([]);
    this.#clock = scheduler;
    this.#outcomes = outcomes;
    this.tellsOutcomes = outcomes !== undefined;
    this.queue = queue ?? new DatedRing(scheduler);
  }

  jobOf(item: T): J {
    return item as unknown as J;
  }

  accepted(item: T): void {
    for (const listener of this.#hooks.accepted) listener(this.jobOf(item));
  }

  refused(item: T, reason: RefusalReason): void {
    this.#drop(item, reason, 0);
  }

  /** The queue has given them up. */
  evicted(gone: readonly Gone<T>[], reason: EvictionReason): void {
    for (const [item, arrivedAt] of gone) this.#drop(item, reason, this.since(arrivedAt));
  }

  /** The queue has just given its job up to `worker`. */
  started(worker: Worker<T, R>): void {
    worker.arrivedAt = this.queue.arrivedAt;
    worker.startedAt = this.#clock.now();
    for (const listener of this.#hooks.started) listener(this.jobOf(worker.job as T), worker.attempt!);
  }

  settled(worker: Worker<T, R>, verdict: Verdict, result: unknown): void {
    const { job: item, arrivedAt, startedAt } = worker as { job: T } & typeof worker;
    const base = {
      job: this.jobOf(item),
      attempts: 1,
      queuedFor: Math.max(0, startedAt - arrivedAt),
      ranFor: this.since(startedAt),
    };
    if (verdict === 'completed') this.tell(item, { status: verdict, value: result as R, ...base });
    else if (verdict === 'failed') this.tell(item, { status: verdict, error: result, ...base });
    else this.tell(item, { status: 'aborted', reason: result, settled: verdict === 'aborted', ...base });
  }

  #drop(item: T, reason: DropReason, queuedFor: number): void {
    this.tell(item, { status: 'dropped', reason, job: this.jobOf(item), attempts: 0, queuedFor, ranFor: 0 });
  }

  protected tell(item: T, outcome: JobOutcome<J, R>): void {
    const { settled, released } = this.#hooks;
    for (const listener of settled) listener(outcome);
    if (outcome.attempts > 0) for (const listener of released) listener(outcome.job);
    this.deliver(item, outcome);
  }

  protected deliver(_item: T, outcome: JobOutcome<J, R>): void {
    this.#outcomes?.next(outcome);
  }

  /** Never negative: a wall clock may be set back. */
  protected since(time: number): number {
    return Math.max(0, this.#clock.now() - time);
  }
}
