import type { SchedulerLike } from 'rxjs';
import { Ring } from '../support/fifo.js';

/** What waits, in the order in which it is taken. */
export interface Waiting<J> {
  readonly length: number;
  /** When the job that left last had come, if that is noted. */
  readonly arrivedAt?: number;
  push(job: J): void;
  /** Removes the oldest. Only when `length > 0`. */
  shift(): J;
  /** Removes the youngest. Only when `length > 0`. */
  pop(): J;
}

/** Notes when each job comes. */
export interface DatedWaiting<J> extends Waiting<J> {
  readonly arrivedAt: number;
}

/** A ring of jobs, and one of times beside it: nothing is allocated for a job that waits. */
export class DatedRing<J> extends Ring<J> implements DatedWaiting<J> {
  arrivedAt = 0;
  readonly #times = new Ring<number>();
  readonly #clock: SchedulerLike;

  constructor(clock: SchedulerLike) {
    super();
    this.#clock = clock;
  }

  override push(job: J): void {
    this.#times.push(this.#clock.now());
    super.push(job);
  }

  override shift(): J {
    this.arrivedAt = this.#times.shift();
    return super.shift();
  }

  override pop(): J {
    this.arrivedAt = this.#times.pop();
    return super.pop();
  }
}
