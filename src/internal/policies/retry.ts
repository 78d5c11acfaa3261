import { of, take } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Delayed, Holder, Verdicts } from '../core/delayed.js';
import type { Slot } from '../core/observer.js';
import type { Policy, VerdictDoors, VerdictsFactory } from '../core/policy.js';
import { after } from '../support/after.js';
import { checkConfig, checkCount, checkDuration, checkNotifier, wrong } from '../support/checks.js';
import { isFunction, isObject } from '../support/is.js';
import { LinkedQueue } from '../support/linkedQueue.js';
import { tearDown } from '../support/reporting.js';

const NONE: readonly Holder[] = [];

/** RxJS's RetryConfig, checked. */
interface RetryOptions {
  readonly count: number;
  readonly delay: number | ((error: unknown, retryCount: number) => unknown) | undefined;
  readonly resetOnSuccess: boolean;
}

/**
 * A failed job is tried again, as by RxJS's `retry`: a number of times, each after a delay. Its wait frees the worker.
 *
 * @throws TypeError or RangeError that names the option and its value
 */
export function retry(value: unknown): VerdictsFactory | undefined {
  const options = readRetry(value);
  if (options.count === 0) return undefined;
  return <T>(doors: VerdictDoors<T>) => new Retries<T>(doors, options);
}

function readRetry(value: unknown): RetryOptions {
  if (!isObject(value)) return { count: checkCount('retry', value, 0), delay: undefined, resetOnSuccess: false };
  const {
    count = Infinity,
    delay,
    resetOnSuccess = false,
  } = checkConfig('retry', value, ['count', 'delay', 'resetOnSuccess']);
  if (typeof resetOnSuccess !== 'boolean') wrong('retry.resetOnSuccess', 'a boolean', resetOnSuccess);
  return {
    count: checkCount('retry.count', count, 0),
    delay:
      delay === undefined || isFunction(delay) ? (delay as RetryOptions['delay']) : checkDuration('retry.delay', delay),
    resetOnSuccess,
  };
}

/**
 * The jobs between two attempts. A job has one of the places, or it waits in its slot (`holder`), where its last attempt may
 * linger as well. It is startable in any slot when it has a place, its time has come, and its work has let go.
 */
class Retries<T> implements Verdicts<T>, Policy {
  readonly resetsOnSuccess: boolean;
  hasJustStarted = false;

  readonly #doors: VerdictDoors<T>;
  readonly #options: RetryOptions;
  readonly #all = new Set<Delayed<T>>();
  /** Those that are startable. */
  readonly #due = new LinkedQueue<Delayed<T>>();
  /** Those without a place. */
  readonly #unseated = new Set<Delayed<T>>();
  /** How many hold a slot. */
  #holding = 0;
  /** Removed, and not told yet. */
  #removed: Delayed<T>[] = [];
  #isOver = false;
  #isVacating = false;

  constructor(doors: VerdictDoors<T>, options: RetryOptions) {
    this.#doors = doors;
    this.#options = options;
    this.resetsOnSuccess = options.resetOnSuccess;
  }

  get delayed(): number {
    return this.#all.size;
  }

  get startable(): number {
    return this.#due.length;
  }

  #hasPlace(): boolean {
    return this.#all.size - this.#unseated.size < this.#doors.places;
  }

  started({ earlier }: Slot): void {
    this.hasJustStarted = earlier !== undefined;
  }

  // ---- A failure

  delayOf({ retries }: { readonly retries: number }, error: unknown): Observable<unknown> | undefined {
    const { count, delay } = this.#options;
    if (this.#isOver || retries >= count) return undefined;
    if (delay === undefined) return of(undefined);
    if (!isFunction(delay)) return after(delay, this.#doors.scheduler);
    const notifier = checkNotifier('what retry.delay returns', delay(error, retries + 1));
    return this.#isOver ? undefined : notifier;
  }

  has(delayed: Delayed<T>): boolean {
    return this.#all.has(delayed);
  }

  add(delayed: Delayed<T>): boolean {
    const isSeated = this.#hasPlace();
    this.#all.add(delayed);
    if (!isSeated) this.#unseated.add(delayed);
    return isSeated;
  }

  get slotless(): number {
    return this.#all.size - this.#holding;
  }

  hold(delayed: Delayed<T>, holder: Holder): void {
    delayed.holder = holder;
    this.#holding++;
  }

  #release(delayed: Delayed<T>): void {
    delayed.holder = undefined;
    this.#holding--;
  }

  wait(delayed: Delayed<T>, delay: Observable<unknown>): void {
    // A hook that was told of the failure may have taken the job away.
    if (!this.#all.has(delayed)) return;
    let isCalling = true;
    delayed.timer = delay.pipe(take(1)).subscribe({
      next: () => {
        delayed.isDue = true;
        this.#checkDue(delayed);
        // The worker that has called looks for its next job anyway.
        if (!isCalling) this.#doors.wake();
      },
      error: (error: unknown) => this.#fail(delayed, error),
      complete: () => {
        if (!delayed.isDue) this.#fail(delayed, delayed.error);
      },
    });
    isCalling = false;
    if (!this.#all.has(delayed)) tearDown(delayed.timer);
  }

  #fail(delayed: Delayed<T>, error: unknown): void {
    if (!this.#all.has(delayed)) return;
    this.#forget(delayed);
    this.#doors.failDelayed(delayed, error);
    // Not before: a hook that is told may have the turns of those that were removed ended.
    this.#removed.push(delayed);
    this.vacate();
  }

  onReleased(delayed: Delayed<T>): boolean {
    delayed.hasSettled = true;
    if (this.#unseated.has(delayed) && !this.#hasPlace()) return false;
    this.#unseated.delete(delayed);
    this.#release(delayed);
    this.#checkDue(delayed);
    return true;
  }

  #checkDue(delayed: Delayed<T>): void {
    if (delayed.isDue && delayed.holder === undefined) this.#due.push(delayed);
  }

  // ---- The next attempt

  get next(): Delayed<T> {
    let next = this.#due.first!;
    if (!this.#doors.isRanked) return next;
    for (let other = next.behind; other !== undefined; other = other.behind) if (other.rank > next.rank) next = other;
    return next;
  }

  take(): Delayed<T> {
    const next = this.#due.remove(this.next);
    this.#all.delete(next);
    return next;
  }

  canStart(held: Delayed<T>): boolean {
    return held.isDue || this.#due.length > 0;
  }

  exchange(held: Delayed<T>): Delayed<T> {
    const next = this.#due.length > 0 ? this.take() : held;
    this.#all.delete(next);
    this.#unseated.delete(held);
    this.#release(held);
    if (next !== held) this.#checkDue(held);
    return next;
  }

  get holders(): readonly Holder[] {
    // Asked after each start.
    if (this.#unseated.size === 0) return NONE;
    const holders: Holder[] = [];
    for (const delayed of this.#unseated) {
      if (delayed.hasSettled && this.canStart(delayed)) holders.push(delayed.holder!);
    }
    return holders;
  }

  // ---- The end

  remove(delayed: Delayed<T>): void {
    this.#forget(delayed);
    this.#removed.push(delayed);
  }

  #forget(delayed: Delayed<T>): void {
    this.#all.delete(delayed);
    this.#unseated.delete(delayed);
    if (delayed.holder !== undefined) this.#holding--;
    tearDown(delayed.timer);
    if (delayed.queue !== undefined) this.#due.remove(delayed);
  }

  removeAll(): Delayed<T>[] {
    const all = [...this.#all];
    for (const delayed of all) this.remove(delayed);
    return all;
  }

  giveUp(): void {
    this.#isOver = true;
  }

  vacate(): void {
    if (this.#isVacating) return;
    this.#isVacating = true;
    for (let delayed; (delayed = this.#removed.shift());) {
      const { holder, lane, turn } = delayed;
      if (holder !== undefined) holder.vacate(true);
      else if (lane !== undefined) this.#doors.unlock(lane);
      turn?.leave();
    }
    for (const delayed of this.#unseated) {
      if (!this.#hasPlace()) break;
      this.#unseated.delete(delayed);
      if (!delayed.hasSettled) continue;
      const { holder } = delayed;
      this.#release(delayed);
      this.#checkDue(delayed);
      holder!.vacate(false);
    }
    this.#isVacating = false;
    this.#doors.wake();
  }

  [Symbol.iterator](): Iterator<Delayed<T>> {
    return this.#all.values();
  }
}
