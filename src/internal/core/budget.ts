import type { SchedulerLike } from 'rxjs';
import { isRealTime } from '../support/clock.js';
import { Fifo } from '../support/fifo.js';
import { requestTurn } from '../support/turn.js';
import type { Turn } from '../support/turn.js';

/** The clock is read at least once in so many events. */
const LONGEST_STRIDE = 32;
/** After so many events in one turn, the next turn is waited for. */
const MANY = 32;

// The real one, whatever fake timers a test puts in place later.
const { performance } = globalThis;
const realNow = performance.now.bind(performance);

/** Costs less than queueMicrotask, and no test puts a fake in its place. */
const resolved = Promise.resolve();

/** What waits for a turn of the event loop. */
export interface Held {
  /** The loop has turned, or nothing is held any more. */
  resume(): void;
}

/**
 * A budget of time for what settles in microtasks: jobs, items of async iterables, senders, consumers. Once it is used up
 * they are held until the event loop has had a turn, so that timers and I/O are not starved. What waits for anything real is
 * not delayed, because the loop turns meanwhile.
 *
 * The clock is read after 1, 2, 4 … 32 events, and sooner where the last ones were slow, so that no more than one event runs
 * beyond the budget. What one call of the user's settles without a microtask in between is that call's own affair, and is
 * not held. In virtual time no clock of the host is read, and nothing is held.
 */
export class EventLoopBudget {
  readonly #yieldAfter: number;
  readonly #held = new Fifo<Held | undefined>(undefined);
  /** Events until the clock is read. */
  #countdown: number;
  #stride = 1;
  /** Those of this turn, about. */
  #events = 0;
  /** When the first event of this turn was counted. */
  #since = 0;
  #lastRead = 0;
  /** Milliseconds of the slowest event, as measured between two readings; half as much with each turn. */
  #slowest = 0;
  /** The turn that the host has been asked for, and that has not come yet. */
  #turn: Turn | undefined;
  /** No microtask has run since the clock was read. */
  #isSameCall = false;
  /** What waits is being started: no source and no caller brings it now. */
  #isWakeUp = false;
  /** The last answer of `countAndCheck`; while true, every event is held without a look at the clock. */
  #isUsedUp = false;

  constructor({ yieldAfter, scheduler }: { readonly yieldAfter: number; readonly scheduler: SchedulerLike }) {
    this.#yieldAfter = yieldAfter;
    this.#countdown = yieldAfter === Infinity || !isRealTime(scheduler) ? Infinity : 1;
  }

  /** A job runs that settles in a later call. What arrives with it in this one is not held, but its time counts. */
  begin(): void {
    if (this.#turn === undefined && this.#countdown !== Infinity) this.#isOver();
  }

  /** Counts one event. `true`: the budget is used up, and the caller has to {@link hold} what comes next. */
  countAndCheck(): boolean {
    return this.#isUsedUp || (--this.#countdown <= 0 && this.#isOver() && !this.#isSameCall);
  }

  /**
   * Counts a job that has ended in the call that started it. `true`: the budget is used up, and the worker has to {@link hold}
   * its next start: in a wake-up. A source, or a caller, that brings such jobs spends its own call on them.
   */
  countSynchronous(): boolean {
    return this.#isWakeUp && --this.#countdown <= 0 && this.#isOver();
  }

  /** Calls `start`, which starts what waits. */
  wakeUp(start: () => void): void {
    const before = this.#isWakeUp;
    this.#isWakeUp = true;
    try {
      start();
    } finally {
      this.#isWakeUp = before;
    }
  }

  /** Calls `held.resume()` after a turn of the event loop. Only when {@link countAndCheck} said so. */
  hold(held: Held): void {
    this.#held.push(held);
    this.#request().ref?.();
  }

  /** Resumes all that is held, at once: the pool ends. */
  release(): void {
    this.#resumeHeld(() => false);
  }

  /** Reads the clock. */
  #isOver(): boolean {
    const now = realNow();
    if (this.#turn === undefined) {
      this.#since = this.#lastRead = now;
      this.#stride = this.#countdown = 1;
      this.#slowest /= 2;
      this.#events = 0;
      this.#request();
      this.#watchCall();
      return false;
    }
    // The slowest, and not the last one: settlements that cost nothing may each have started a job that has yet to compute.
    this.#slowest = Math.max(this.#slowest, (now - this.#lastRead) / this.#stride);
    this.#lastRead = now;
    const left = this.#yieldAfter - (now - this.#since);
    if (left <= 0) {
      this.#isUsedUp = !this.#isSameCall;
      this.#countdown = 1;
      return true;
    }
    this.#stride = Math.max(1, Math.min(2 * this.#stride, LONGEST_STRIDE, Math.floor(left / this.#slowest)));
    this.#countdown = this.#stride;
    // Where many come back to back, the turn will be waited for.
    if ((this.#events += this.#stride) >= MANY) this.#turn.ref?.();
    this.#watchCall();
    return false;
  }

  #watchCall(): void {
    if (this.#isSameCall) return;
    this.#isSameCall = true;
    void resolved.then(this.#onMicrotask);
  }

  readonly #onMicrotask = (): void => {
    this.#isSameCall = false;
  };

  #request(): Turn {
    return (this.#turn ??= requestTurn(this.#onTurn));
  }

  /** One after the other, for as long as the new turn's budget lasts. */
  readonly #onTurn = (): void => {
    this.#turn = undefined;
    this.#countdown = 1;
    this.wakeUp(() => this.#resumeHeld(() => this.#isOver()));
    if (this.#held.length > 0) this.#request().ref?.();
  };

  /** Resumes what is held now, and not what comes meanwhile. */
  #resumeHeld(isOver: () => boolean): void {
    this.#isUsedUp = false;
    for (let { length } = this.#held; length > 0 && this.#held.length > 0 && !isOver(); length--)
      this.#held.shift()!.resume();
  }
}
