import type { JobStore } from '../core/store.js';
import { Fifo } from '../support/fifo.js';

/** A fifo of jobs, and beside it their ids and the times of their arrival: nothing is allocated for a job that waits. */
export class TimestampedFifo<T> implements JobStore<T> {
  readonly locked = 0;
  readonly isFifo = true;
  readonly lane: undefined;
  readonly rank = 0;
  length = 0;
  id = 0;
  arrivedAt = 0;
  readonly #jobs = new Fifo<T | undefined>(undefined);
  readonly #ids = new Fifo(0);
  // A blank that is no integer: the engine keeps such a line as plain numbers.
  readonly #times = new Fifo(0.5);
  readonly #now: () => number;

  /** @param now milliseconds, by the clock of the pool */
  constructor(now: () => number) {
    this.#now = now;
  }

  get oldestArrival(): number {
    return this.#times.first;
  }

  get evictable(): number {
    return this.#jobs.length;
  }

  push(job: T, id: number): void {
    this.#times.push(this.#now());
    this.#ids.push(id);
    this.#jobs.push(job);
    this.length++;
  }

  take(): T {
    this.length--;
    this.arrivedAt = this.#times.shift();
    this.id = this.#ids.shift();
    return this.#jobs.shift() as T;
  }

  evictOldest(): T {
    return this.take();
  }

  evictNewest(): T {
    this.length--;
    this.arrivedAt = this.#times.pop();
    this.id = this.#ids.pop();
    return this.#jobs.pop() as T;
  }
}
