import { Observable, takeWhile } from 'rxjs';
import type { Subscriber, Subscription } from 'rxjs';
import type { ShutdownLevel } from '../../types.js';
import { show } from '../support/describe.js';
import { reportError } from '../support/reporting.js';
import { misspelt } from '../support/suggest.js';
import type { EventLoopBudget } from './budget.js';
import type { Gate } from './gate.js';
import type { Intake } from './intake.js';

/** From the softest to the harshest. */
export const LEVELS: readonly ShutdownLevel[] = ['drain', 'discard', 'abort', 'abandon'];
const DRAIN = 0;
const DISCARD = 1;
export const ABORT = 2;
export const ABANDON = 3;

/** Milliseconds from `'abort'` to `'abandon'`, by default. */
export const DEFAULT_GRACE = 2000;

/**
 * Reads what a shutdown notifier has emitted.
 *
 * @returns the index in {@link LEVELS} of the level that is named, otherwise that of `'drain'`. A string that is nearly a level
 *   is a drain, because a typing error must not abort jobs; the caller has to report the `complaint` about it
 */
export function readLevel(value: unknown): { readonly level: number; readonly complaint?: TypeError } {
  const level = LEVELS.indexOf(value as ShutdownLevel);
  if (level >= 0) return { level };
  const near = typeof value === 'string' ? misspelt(value.trim(), LEVELS) : undefined;
  if (near === undefined) return { level: DRAIN };
  const complaint = `the shutdown notifier emitted ${show(value)}, which is no level and counts as 'drain': did you mean ${show(near)}?`;
  return { level: DRAIN, complaint: new TypeError(complaint) };
}

/** The pool, as its shutdown sees it. */
export interface ShutdownHost {
  /** The results have ended or were unsubscribed. */
  readonly closed: boolean;
  /** Where jobs are pulled from. */
  readonly intake: Intake | undefined;
  readonly budget: EventLoopBudget;
  readonly gate: Gate;
  /** What runs, in the order in which RxJS tears it down. */
  readonly stoppable: Iterable<Stoppable>;
  /** Has `teardown` called when the results have ended. */
  onEnd(teardown: Subscription): void;
  /** Jobs are taken in no more. */
  failIntake(error: unknown): void;
  crash(error: unknown): void;
  /** Drops all that waits. */
  dropWaiting(): void;
  endWhenDone(): void;
}

/** A worker, as a shutdown sees it. */
interface Stoppable {
  /** Asks its job to end. */
  abort(): void;
  /** Does not wait for its job. After a crash nobody tells any more how it ends. */
  abandon(hasCrashed?: boolean): void;
}

/** How a pool ends: by levels, of which each waits for less than the one before; or at once, with its results. */
export class Shutdown {
  /** The index in {@link LEVELS} of the level that was reached, or -1. */
  level = -1;

  readonly #pool: ShutdownHost;

  constructor(pool: ShutdownHost) {
    this.#pool = pool;
  }

  /**
   * Emits when a pushed source has to end, for takeUntil; a pulled one is told to ask no more. The notifier itself stays
   * subscribed until the pool has ended, so that a later value can escalate.
   */
  endOfIntake(notifier: Observable<unknown>): Observable<void> {
    const pool = this.#pool;
    return new Observable((end) => {
      pool.onEnd(
        notifier.pipe(takeWhile(() => !pool.closed)).subscribe({
          next: (value) => {
            const { level, complaint } = readLevel(value);
            if (complaint !== undefined) reportError(complaint);
            try {
              this.#reach(level, end);
            } catch (error) {
              pool.crash(error);
            }
          },
          error: (error: unknown) => {
            // A shutdown that has begun goes on without its notifier.
            if (this.level >= 0) reportError(error);
            else pool.failIntake(error);
          },
        }),
      );
    });
  }

  #reach(level: number, end: Subscriber<void>): void {
    if (level <= this.level) return;
    this.level = level;
    const pool = this.#pool;
    const { intake } = pool;
    // What a hook or a sender is told of now must not start a job that is about to be dropped.
    if (level >= DISCARD) pool.gate.shut(this, Infinity);
    if (!intake) end.next();
    else if (level < DISCARD) intake.close();
    else intake.cut();
    if (level >= DISCARD) this.#dropWaiting();
    if (level >= ABORT) for (const worker of pool.stoppable) worker.abort();
    if (level >= ABANDON) for (const worker of pool.stoppable) worker.abandon();
    pool.endWhenDone();
  }

  /** At unsubscription or an error RxJS has let go of the source: aborts the running jobs, then drops what waits. */
  stop(): void {
    for (const worker of this.#pool.stoppable) worker.abort();
    this.#dropWaiting();
  }

  #dropWaiting(): void {
    this.#pool.dropWaiting();
    this.#pool.budget.release();
  }
}
