import { Subject, Subscription } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { DEFAULT_GRACE } from '../../gracefulShutdown.js';
import type { DeadlineConfig } from '../../gracefulShutdown.js';
import type { ShutdownLevel } from '../../types.js';
import { after } from '../support/after.js';
import { checkConfig, checkDuration, checkOneOf, checkScheduler } from '../support/checks.js';
import { ABORT, LEVELS } from '../core/shutdown.js';

/** The levels of a shutdown that is called for, again and again perhaps: the earliest deadline and the shortest grace count. */
export class Escalation {
  readonly levels: Subject<ShutdownLevel> = new Subject();

  readonly #timers = new Subscription();
  #clock: SchedulerLike;
  #abortGrace = Infinity;

  constructor(scheduler: SchedulerLike) {
    this.#clock = scheduler;
  }

  shutdown(level: ShutdownLevel, config: DeadlineConfig | undefined): void {
    checkOneOf('level', level, LEVELS);
    if (config !== undefined) {
      const options = checkConfig('shutdown', config, ['deadline', 'abortGrace', 'scheduler']);
      const { abortGrace = DEFAULT_GRACE, scheduler = this.#clock } = options;
      const deadline = checkDuration('deadline', options['deadline']);
      const grace = checkDuration('abortGrace', abortGrace);
      this.#clock = checkScheduler('scheduler', scheduler);
      this.#abortGrace = Math.min(this.#abortGrace, grace);
      if (LEVELS.indexOf(level) < ABORT) this.#later(deadline, 'abort');
    }
    this.levels.next(level);
  }

  /** Whoever has called for `level`: after the last but one the grace counts. */
  reached(level: unknown): void {
    if (level === 'abort') this.#later(this.#abortGrace, 'abandon');
  }

  /** Nothing is timed any more. */
  end(): void {
    this.#timers.unsubscribe();
  }

  #later(delay: number, level: ShutdownLevel): void {
    this.#timers.add(after(delay, this.#clock).subscribe(() => this.levels.next(level)));
  }
}
