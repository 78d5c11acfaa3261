import type { SchedulerLike } from 'rxjs';

/** Once in this many promise jobs, and items of async iterables, the clock is looked at. */
const STRIDE = 32;

interface Host {
  readonly setImmediate?: (callback: () => void) => unknown;
  readonly setTimeout: (callback: () => void) => unknown;
}

// Taken once, so that a test's fake timers do not stop the pool.
const host: Host = globalThis;
/** Calls back after timers and I/O have had their turn. */
const nextTurn = host.setImmediate ?? host.setTimeout;

export interface TurnsOptions {
  /** Milliseconds of jobs back to back. */
  readonly yieldAfter: number;
  readonly scheduler: SchedulerLike;
}

/**
 * Keeps promise jobs, and async iterables that have their items at hand, from starving timers and I/O: when they have come back
 * to back for longer than the budget, the next start or item waits for a turn of the event loop.
 *
 * A callback of the host is the sign that the loop has turned; while it has not come, time is counted. So jobs that wait
 * for anything real are never delayed.
 */
export class Turns {
  readonly #options: TurnsOptions;
  /** When the host was asked for a turn that has not come yet. */
  #since: number | undefined;
  #events = 0;
  /** As was found out last: then everybody asks. */
  #isDue = false;
  #waiting: (() => void)[] = [];

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** A promise job has settled, or an item has come: is it time to ask whether a turn is due? The clock costs as much as a job. */
  mustAsk(): boolean {
    return this.#isDue || ++this.#events % STRIDE === 0;
  }

  /** Has the loop not turned for too long? */
  areDue(): boolean {
    const { yieldAfter, scheduler } = this.#options;
    const now = performance.now();
    if (this.#since === undefined) {
      // In virtual time no host is asked: a scheduler whose clock is not the wall clock has a loop of its own.
      if (yieldAfter === Infinity || Math.abs(scheduler.now() - Date.now()) > 1000) return false;
      this.#since = now;
      nextTurn(() => this.resume());
    }
    return (this.#isDue = now - this.#since > yieldAfter);
  }

  /** Calls back when the loop has turned. Only when a turn is due. */
  wait(callback: () => void): void {
    this.#waiting.push(callback);
  }

  /** The loop has turned, or nothing is left to wait for. */
  resume(): void {
    this.#since = undefined;
    for (const callback of this.#waiting.splice(0)) callback();
  }
}
