import type { Observer, SchedulerLike } from 'rxjs';
import type { EvictionReason, JobOutcome, RefusalReason } from '../types.js';
import type { Listeners } from './hooks.js';
import { Ring } from './ring.js';
import type { Verdict, Worker } from './worker.js';

/**
 * What has become of the jobs of one subscription, kept only where hooks or outcomes are watched. For each event the state
 * has changed already; the hooks hear of it, then downstream.
 */
export class Life<J, R> {
  readonly queue: Ring<J>;
  readonly tellsOutcomes: boolean;

  private readonly hooks: Listeners<J, R>;
  private readonly outcomes: Observer<unknown> | undefined;
  private readonly now: () => number;
  /** When each waiting job came. Only where somebody looks at outcomes: the clock is most of their cost. */
  private readonly arrivals: DatedRing<J> | undefined;

  /** @param outcomes where outcomes go, in a form that tells them */
  constructor(hooks: Listeners<J, R>, scheduler: SchedulerLike, outcomes?: Observer<unknown>) {
    this.hooks = hooks;
    this.outcomes = outcomes;
    this.tellsOutcomes = outcomes !== undefined;
    this.now = () => scheduler.now();
    this.arrivals = this.tellsOutcomes || hooks.settled.length > 0 ? new DatedRing(this.now) : undefined;
    this.queue = this.arrivals ?? new Ring();
  }

  accepted(job: J): void {
    for (const listener of this.hooks.accepted) listener(job);
  }

  refused(job: J, reason: RefusalReason): void {
    this.tell({ status: 'dropped', reason, job, attempts: 0, queuedFor: 0, ranFor: 0 });
  }

  /** The queue has just given `job` up. */
  evicted(job: J, reason: EvictionReason): void {
    if (this.arrivals !== undefined) this.lost(job, reason, this.arrivals.arrivedAt);
  }

  /** The queue gives all up at once: nobody who hears of one sees the next one still waiting. */
  evictAll(reason: EvictionReason): void {
    const gone: [J, number][] = [];
    while (this.queue.length > 0) gone.push([this.queue.shift(), this.arrivals?.arrivedAt ?? 0]);
    for (const [job, arrivedAt] of gone) this.lost(job, reason, arrivedAt);
  }

  private lost(job: J, reason: EvictionReason, arrivedAt: number): void {
    this.tell({ status: 'dropped', reason, job, attempts: 0, queuedFor: this.since(arrivedAt), ranFor: 0 });
  }

  /** The queue has just given the job up to `worker`. */
  started(worker: Worker<J, R>): void {
    if (this.arrivals !== undefined) {
      worker.arrivedAt = this.arrivals.arrivedAt;
      worker.startedAt = this.now();
    }
    for (const listener of this.hooks.started) listener(worker.job as J, worker.attempt!);
  }

  settled(worker: Worker<J, R>, verdict: Verdict, result: unknown): void {
    const job = worker.job as J;
    const outcome = this.arrivals && this.outcomeOf(worker, verdict, result);
    if (outcome !== undefined) for (const listener of this.hooks.settled) listener(outcome);
    for (const listener of this.hooks.released) listener(job);
    if (outcome !== undefined && this.outcomes !== undefined) worker.out.next(outcome);
  }

  private outcomeOf(worker: Worker<J, R>, verdict: Verdict, result: unknown): JobOutcome<J, R> {
    const base = {
      job: worker.job as J,
      attempts: 1,
      queuedFor: Math.max(0, worker.startedAt - worker.arrivedAt),
      ranFor: this.since(worker.startedAt),
    };
    switch (verdict) {
      case 'completed':
        return { status: verdict, value: result as R, ...base };
      case 'failed':
        return { status: verdict, error: result, ...base };
      case 'aborted':
      case 'abandoned':
        return { status: 'aborted', reason: result, settled: verdict === 'aborted', ...base };
    }
  }

  private tell(outcome: JobOutcome<J, R>): void {
    for (const listener of this.hooks.settled) listener(outcome);
    this.outcomes?.next(outcome);
  }

  /** Never negative: a wall clock may be set back. */
  private since(time: number): number {
    return Math.max(0, this.now() - time);
  }
}

/** A waiting line that remembers when each job came. */
class DatedRing<J> extends Ring<J> {
  /** When the job that was given up last had come. */
  arrivedAt = 0;
  private readonly times = new Ring<number>();
  private readonly now: () => number;

  constructor(now: () => number) {
    super();
    this.now = now;
  }

  override push(job: J): void {
    this.times.push(this.now());
    super.push(job);
  }

  override shift(): J {
    this.arrivedAt = this.times.shift();
    return super.shift();
  }

  override pop(): J {
    this.arrivedAt = this.times.pop();
    return super.pop();
  }
}
