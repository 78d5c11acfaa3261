import type { SchedulerLike } from 'rxjs';
import { Alarm } from '../support/alarm.js';

/** What the gate stands before. */
export interface GateHost {
  /** Somebody waits behind the gate: only then is its opening timed, so that an idle pool keeps no process alive. */
  readonly isAwaited: boolean;
  /** The gate has opened. */
  onOpen(): void;
  crash(error: unknown): void;
}

/**
 * Holds starts back: for reasons of which each has its own end, in milliseconds of the pool's clock. It is open when all of
 * them have come. It never opens early; a timer that fires early is set again.
 */
export class Gate {
  isOpen = true;

  readonly #host: GateHost;
  readonly #now: () => number;
  readonly #ends = new Map<object, number>();
  readonly #alarm: Alarm;

  constructor(host: GateHost, now: () => number, scheduler: SchedulerLike) {
    this.#host = host;
    this.#now = now;
    this.#alarm = new Alarm({ now, scheduler, fail: (error) => host.crash(error) }, () => this.refresh());
  }

  /** No start before `end`, for `reason`; Infinity is until {@link open}. Of one reason the later end counts. */
  shut(reason: object, end: number): void {
    this.#ends.set(reason, Math.max(end, this.#ends.get(reason) ?? -Infinity));
    this.isOpen = false;
    this.refresh();
  }

  /** `reason` holds nothing back any more. */
  open(reason: object): void {
    if (this.#ends.delete(reason)) this.refresh();
  }

  /** Does `reason` hold starts back now? */
  isShutBy(reason: object): boolean {
    return (this.#ends.get(reason) ?? -Infinity) > this.#now();
  }

  /** Looks at the clock, where the gate is shut: it opens, or its opening is timed if somebody waits. */
  refresh(): void {
    if (this.isOpen) return;
    let end = -Infinity;
    for (const other of this.#ends.values()) end = Math.max(end, other);
    // Nor does it look at a clock that may have failed.
    if (end === Infinity) return this.stop();
    if (end <= this.#now()) {
      this.#ends.clear();
      this.isOpen = true;
      this.stop();
      return this.#host.onOpen();
    }
    if (this.#host.isAwaited) this.#alarm.set(end);
    else this.stop();
  }

  /** Nothing is timed any more. */
  stop(): void {
    this.#alarm.stop();
  }
}
