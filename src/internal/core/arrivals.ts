import { Observable, Subscription } from 'rxjs';
import type { Observer, OperatorFunction, Subscriber } from 'rxjs';
import type { Pool } from './pool.js';
import type { Worker } from './worker.js';

/**
 * Takes each job of the source into the pool, and passes on only a worker that has to be started for it. What comes out
 * completes when the pool has ended.
 */
export function arrivals<J, R>(pool: Pool<J, R>): OperatorFunction<J, Worker<J, R>> {
  return (source) =>
    new Observable((newcomers) => {
      pool.newcomers = newcomers;
      source.subscribe((pool.arrivals = new Arrivals(pool, newcomers)));
      pool.onSubscribed();
    });
}

/**
 * Observer and Subscription in one, so that RxJS subscribes it as it is. An operator would be a closure for each job, which
 * costs a tenth of a promise job. RxJS guards only subscribers of its own, so what comes after the end is ignored here.
 */
class Arrivals<J, R> extends Subscription implements Observer<J> {
  readonly #pool: Pool<J, R>;
  #isStopped = false;

  constructor(pool: Pool<J, R>, newcomers: Subscriber<Worker<J, R>>) {
    super();
    this.#pool = pool;
    // Before it is subscribed, so that a synchronous source sees `closed`.
    newcomers.add(this);
  }

  next(job: J): void {
    if (this.#isStopped) return;
    try {
      this.#pool.arrive(job);
    } catch (error) {
      this.#pool.crash(error);
    }
  }

  error(error: unknown): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#pool.failIntake(error);
    this.unsubscribe();
  }

  complete(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#pool.closeIntake();
    this.unsubscribe();
  }

  override unsubscribe(): void {
    this.#isStopped = true;
    super.unsubscribe();
  }
}
