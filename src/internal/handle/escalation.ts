import { Subject, Subscription } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import type { ShutdownLevel } from '../../types.js';
import { ABORT, DEFAULT_GRACE, LEVELS } from '../core/shutdown.js';
import { after } from '../support/after.js';
import { checkConfig, checkDuration, checkOneOf, checkScheduler } from '../support/checks.js';
import { tearDown } from '../support/reporting.js';

/** The levels of a shutdown that may be called more than once: the earliest deadline and the shortest grace count. */
export class Escalation {
  readonly levels: Subject<ShutdownLevel> = new Subject();

  readonly #timers = { abort: new Timer(), abandon: new Timer() };
  #clock: SchedulerLike;
  #abortGrace = Infinity;
  #hasEnded = false;

  constructor(scheduler: SchedulerLike) {
    this.#clock = scheduler;
  }

  /** @throws TypeError or RangeError that names the option and its value; then nothing has changed */
  shutdown(level: ShutdownLevel, config: object | undefined): void {
    checkOneOf('level', level, LEVELS);
    if (config !== undefined) {
      const options = checkConfig('shutdown', config, ['deadline', 'abortGrace', 'scheduler']);
      const { abortGrace = DEFAULT_GRACE, scheduler = this.#clock } = options;
      const deadline = checkDuration('deadline', options['deadline']);
      const grace = checkDuration('abortGrace', abortGrace);
      this.#clock = checkScheduler('scheduler', scheduler);
      this.#abortGrace = Math.min(this.#abortGrace, grace);
      if (LEVELS.indexOf(level) < ABORT) this.#escalateAfter(deadline, 'abort');
    }
    this.levels.next(level);
  }

  /** The pool is told of `level`, by a call or by its notifier: with `'abort'` the grace begins. */
  reached(level: unknown): void {
    if (level === 'abort') this.#escalateAfter(this.#abortGrace, 'abandon');
  }

  /** Stops all timers, for good. */
  end(): void {
    this.#hasEnded = true;
    this.#timers.abort.stop();
    this.#timers.abandon.stop();
  }

  #escalateAfter(delay: number, level: 'abort' | 'abandon'): void {
    if (!this.#hasEnded) this.#timers[level].start(delay, this.#clock, () => this.levels.next(level));
  }
}

/** One timer for any number of deadlines: the earliest counts. */
class Timer {
  #due = Infinity;
  #running = Subscription.EMPTY;

  start(delay: number, clock: SchedulerLike, onTime: () => void): void {
    const due = clock.now() + delay;
    if (due >= this.#due) return;
    tearDown(this.#running);
    this.#due = due;
    this.#running = after(delay, clock).subscribe(onTime);
  }

  stop(): void {
    tearDown(this.#running);
  }
}
