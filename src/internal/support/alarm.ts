import { Subscription } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { after } from './after.js';
import { tearDown } from './reporting.js';

/** One timer for many times, of which the earliest is set: it never rings early by the clock that it is set by. */
export class Alarm {
  readonly #clock: { now(): number; readonly scheduler: SchedulerLike };
  readonly #onTime: () => void;
  #timer = Subscription.EMPTY;
  /** When it rings. */
  #due = Infinity;

  constructor(clock: { now(): number; readonly scheduler: SchedulerLike }, onTime: () => void) {
    this.#clock = clock;
    this.#onTime = onTime;
  }

  /** At `due`, in place of the time that was set before. Infinity is never. */
  set(due: number): void {
    if (due === this.#due) return;
    this.stop();
    this.#due = due;
    const { now, scheduler } = this.#clock;
    this.#timer = after(Math.max(0, due - now()), scheduler).subscribe(() => {
      this.#due = Infinity;
      if (now() < due) this.set(due);
      else this.#onTime();
    });
  }

  stop(): void {
    this.#due = Infinity;
    tearDown(this.#timer);
  }
}
