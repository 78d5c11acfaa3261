import type { SchedulerLike } from 'rxjs';

/** What hosts have, as far as they have it. */
interface Host {
  readonly setImmediate?: (callback: () => void) => unknown;
  readonly MessageChannel?: typeof globalThis.MessageChannel;
  readonly setTimeout: (callback: () => void) => unknown;
}

// Taken once, so that a test's fake timers do not stop the pool.
const { setImmediate, setTimeout, MessageChannel }: Host = globalThis;

/** Calls back after timers and I/O have had their turn. */
function nextTurn(callback: () => void): void {
  if (setImmediate !== undefined) setImmediate(callback);
  else if (MessageChannel !== undefined) {
    // A browser delays nested timeouts by 4 ms, and messages by nothing.
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      callback();
    };
    port2.postMessage(undefined);
  } else setTimeout(callback);
}

/**
 * Keeps jobs that settle in microtasks from starving timers and I/O: when they have run back to back for longer than the
 * budget, the next start waits for a turn of the event loop.
 *
 * A callback of the host is the sign that the loop has turned; while it has not come, time is counted. So jobs that wait
 * for anything real are never delayed.
 */
export class Turns {
  private readonly budget: number;
  private readonly scheduler: SchedulerLike;
  /** The budget is spent: every start waits. */
  due = false;
  private counting = false;
  private since = 0;
  private waiting: (() => void)[] = [];

  /** @param budget milliseconds */
  constructor(budget: number, scheduler: SchedulerLike) {
    this.budget = budget;
    this.scheduler = scheduler;
  }

  /** Has the loop not turned for too long? Asked now and then: the clock costs as much as a job. */
  areDue(): boolean {
    if (this.due) return true;
    if (this.counting) return (this.due = performance.now() - this.since > this.budget);
    if (this.budget === Infinity || this.isVirtual()) return false;
    this.counting = true;
    this.since = performance.now();
    nextTurn(() => this.resume());
    return false;
  }

  /** Calls back when the loop has turned. Only when a turn is due. */
  wait(callback: () => void): void {
    this.waiting.push(callback);
  }

  /** The loop has turned, or nothing is left to wait for. */
  resume(): void {
    this.counting = this.due = false;
    for (const callback of this.waiting.splice(0)) callback();
  }

  /** In virtual time no host is asked: a scheduler whose clock is not the wall clock has a loop of its own. */
  private isVirtual(): boolean {
    return Math.abs(this.scheduler.now() - Date.now()) > 1000;
  }
}
