import { Ring } from './ring.js';
import type { Ticket } from './ticket.js';

/** What waits, in the order in which it is taken. */
export interface Waiting<J, R> {
  readonly length: number;
  push(job: J, ticket?: Ticket<J, R>): void;
  /** Removes the oldest. Only when `length > 0`. */
  shift(): J;
  /** Removes the youngest. Only when `length > 0`. */
  pop(): J;
}

/** Knows of the job that left last when it had come, and its ticket if it has one. */
export interface DatedWaiting<J, R> extends Waiting<J, R> {
  readonly arrivedAt: number;
  /** Whoever reads it lets go of it. */
  ticket: Ticket<J, R> | undefined;
}

/** A ring of jobs, and one of times beside it: nothing is allocated for a job that waits. */
export class DatedRing<J, R> extends Ring<J> implements DatedWaiting<J, R> {
  arrivedAt = 0;
  ticket: undefined;
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
