import { Subscription } from 'rxjs';
import type { Observer } from 'rxjs';
import type { EventLoopBudget } from '../core/budget.js';
import { PulledIntake } from '../core/intake.js';
import type { Demand, Intake } from '../core/intake.js';
import type { AnyIterable } from '../core/iteration.js';
import { reportError } from '../support/reporting.js';
import type { Listened } from './lender.js';
import type { Claim, Line } from './line.js';

/** The handle, as its sources see it. */
export interface SourcesHost<J> {
  readonly budget: EventLoopBudget;
  /** Sources are asked. */
  readonly isOpen: boolean;
  /** Nothing waits or runs. */
  readonly isAtRest: boolean;
  /** Takes an item in, now or when there is room. With `hasTurn` the line has just given it a place, before any sender. */
  admit(job: J, hasTurn: boolean): void;
  /** An item that comes after its source has been left. */
  admitLate(job: J): void;
  /** Items still wait for room. */
  readonly hasWaitingItems: boolean;
  /** Nothing comes from a source any more: no item is on its way. */
  onClosed(): void;
  /** The sources close, or are cut off. */
  onClosing(isCut: boolean): void;
}

/** The iterables that a handle listens to, as the one intake of its pool. */
export class Sources<J> implements Intake {
  awaitsRest = false;

  readonly #host: SourcesHost<J>;
  readonly #line: Line;
  readonly #listened = new Set<Listened>();
  /** Those that were unsubscribed while an item was on its way. */
  readonly #leaving = new Set<Listened>();
  #isClosing = false;
  /** No item is on its way, and every lease has been settled. */
  isClosed = false;

  constructor(host: SourcesHost<J>, line: Line) {
    this.#host = host;
    this.#line = line;
  }

  /** Pulls from `iterable`. Unsubscribing asks for nothing more; an item that is on its way is taken in. */
  listenTo(iterable: AnyIterable<J>): Subscription {
    return this.join((onEnd) => new Listening(iterable, this.#host, this.#line, onEnd));
  }

  /** Listens to what `listen` makes. */
  join(listen: (onEnd: () => void) => Listened): Subscription {
    const subscription = new Subscription();
    try {
      const listening = listen(() => {
        this.#listened.delete(listening);
        this.#leaving.delete(listening);
        subscription.unsubscribe();
        this.#checkClosed();
      });
      this.#listened.add(listening);
      // Its iterator may have shut the pool down when it was asked for.
      if (!this.#host.isOpen) {
        listening.intake.cut();
        return subscription;
      }
      subscription.add(() => {
        this.#leaving.add(listening);
        this.awaitsRest = true;
        listening.intake.close();
        this.#line.leave(listening);
        if (this.#host.isAtRest) listening.intake.onRest();
        if (!this.#listened.has(listening)) this.#leaving.delete(listening);
      });
      listening.start?.();
      this.#line.join(listening);
      this.#line.pull();
    } catch (error) {
      subscription.unsubscribe();
      reportError(error);
    }
    return subscription;
  }

  close(): void {
    this.#isClosing = this.awaitsRest = true;
    // A hook told of a refused sender may free a worker, which must not ask any more.
    for (const listening of this.#listened) this.#line.leave(listening);
    this.#host.onClosing(false);
    for (const { intake } of [...this.#listened]) intake.close();
    this.#checkClosed();
  }

  onRest(): void {
    if (this.#isClosing) return this.cut();
    this.awaitsRest = false;
    if (this.#leaving.size > 0) for (const { intake } of [...this.#leaving]) intake.onRest();
  }

  cut(): void {
    if (this.isClosed) return;
    this.#isClosing = true;
    for (const listening of this.#listened) this.#line.leave(listening);
    this.#host.onClosing(true);
    for (const { intake } of [...this.#listened]) intake.cut();
    this.#checkClosed();
  }

  /** Called when an item has its place, and when a source has ended. */
  #checkClosed(): void {
    if (!this.#isClosing || this.isClosed || this.#listened.size > 0 || this.#host.hasWaitingItems) return;
    this.isClosed = true;
    this.#host.onClosed();
  }

  /** One of the items that waited has its place. */
  onSeated(): void {
    this.#checkClosed();
  }
}

/** One iterable that is listened to. While an item of it is on its way it is not in the line: a quiet one costs nothing. */
class Listening<J> implements Listened, Demand<J>, Observer<J> {
  readonly intake: PulledIntake<J>;
  readonly budget: EventLoopBudget;
  readonly isGroup = false;
  readonly onlyStarts: boolean;
  readonly readsAhead: boolean;
  queue: Claim['queue'] = undefined;
  ahead: Claim | undefined = undefined;
  behind: Claim | undefined = undefined;

  readonly #host: SourcesHost<J>;
  readonly #line: Line;
  readonly #onEnd: () => void;

  constructor(iterable: AnyIterable<J>, host: SourcesHost<J>, line: Line, onEnd: () => void) {
    this.#host = host;
    this.#line = line;
    this.#onEnd = onEnd;
    this.budget = host.budget;
    this.intake = new PulledIntake(iterable, this, this);
    this.onlyStarts = !this.intake.isAsync;
    this.readsAhead = this.intake.isAsync;
  }

  // ---- Its turn in the line

  serve(): void {
    // While its item is on its way it waits for nothing.
    this.#line.leave(this);
    this.intake.ask();
  }

  askAgain(): void {
    if (this.intake.isOpen && this.#host.isOpen) this.#line.join(this);
    this.#line.pull();
  }

  // ---- Its items

  next(job: J): void {
    // A worker that this item starts may ask for the next one.
    if (!this.intake.isAsync && this.intake.isOpen && this.#host.isOpen) this.#line.join(this);
    this.#host.admit(job, !this.intake.isAsync);
    if (!this.intake.isOpen) this.#line.leave(this);
  }

  error(error: unknown): void {
    this.complete();
    reportError(error);
  }

  complete(): void {
    this.#line.leave(this);
    this.#onEnd();
  }

  arriveLate(job: J): void {
    this.#host.admitLate(job);
  }
}
