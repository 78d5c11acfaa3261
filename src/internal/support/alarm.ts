import { Subscription } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { after } from './after.js';
import { tearDown } from './reporting.js';

interface AlarmClock {
  now(): number;
  readonly scheduler: SchedulerLike;
  /** The scheduler, or what is called in time, has thrown. */
  fail(error: unknown): void;
}

/** One timer for many times, of which the earliest is set: it never rings early by the clock that it is set by. */
export class Alarm {
  readonly #clock: AlarmClock;
  readonly #onTime: () => void;
  #timer = Subscription.EMPTY;
  /** When it rings. */
  due: number = Infinity;

  constructor(clock: AlarmClock, onTime: () => void) {
    this.#clock = clock;
    this.#onTime = onTime;
  }

  /** At `due`, in place of the time that was set before. Infinity is never. */
  set(due: number): void {
    if (due === this.due) return;
    this.stop();
    this.due = due;
    const { fail, now, scheduler } = this.#clock;
    this.#timer = after(Math.max(0, due - now()), scheduler).subscribe({
      next: () => {
        this.due = Infinity;
        try {
          if (now() < due) this.set(due);
          else this.#onTime();
        } catch (error) {
          fail(error);
        }
      },
      error: fail,
    });
  }

  stop(): void {
    this.due = Infinity;
    tearDown(this.#timer);
  }
}
