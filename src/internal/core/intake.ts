import { from, isObservable, Observable } from 'rxjs';
import type { Observer } from 'rxjs';
import type { JobSource, PlatformObservable } from '../../types.js';
import { captureScope } from '../support/asyncScope.js';
import type { AsyncScope } from '../support/asyncScope.js';
import { wrong } from '../support/checks.js';
import { isFunction, isObject } from '../support/is.js';
import { fromPlatform, isPlatformObservable } from '../support/platformObservable.js';
import type { EventLoopBudget, Held } from './budget.js';
import { asyncIteratorOf, checkItem, fromAsyncIterable, isAsyncIterable, returnQuietly } from './iteration.js';
import type { AnyIterable } from './iteration.js';

/** What runs the items of an iterable, as its intake sees it: a pool, or a handle's source. */
export interface Demand<J> {
  /** Takes in, or refuses, an item that was on its way when its intake ended. */
  arriveLate(job: J): void;
  readonly budget: EventLoopBudget;
  /** The last item has found its place: `intake` may be asked again. */
  askAgain(intake: Puller): void;
  /** Of a pool that its workers ask for jobs. */
  readonly looking?: LookingDemand<J>;
}

/** A pool whose workers look for jobs, and that pulls an iterable by itself. */
export interface LookingDemand<J> {
  /**
   * Would an item that came now start at once? A synchronous iterator is asked for its next item only then.
   *
   * @param isNested a worker that another item has started asks, for itself alone
   */
  canStart(isNested: boolean): boolean;
  /** Is there a place for an item that takes its time to come? */
  mayReadAhead(): boolean;
  /** A worker is looking for a job, and none waits for it. */
  readonly isLooking: boolean;
  /** Hands an item to that worker. */
  give(job: J): void;
}

/** Who could give a job. */
export interface Puller {
  /** Jobs may start, or wait, that could not before. */
  pull(): void;
}

/** What a pool pulls its jobs from. */
export interface Intake {
  /** It wants to hear when nothing waits or runs any more. */
  readonly awaitsRest: boolean;
  /** It has closed, and the results must not complete yet. */
  readonly holdsEnd?: boolean;
  /** Nothing more is asked for. What has been asked for is taken in when it comes. */
  close(): void;
  /** Nothing waits or runs any more. */
  onRest(): void;
  /** Ends it, without the item that is still on its way. */
  cut(): void;
}

/** Under this name an Observable keeps the iterable that it was made from: two copies of the package know each other's. */
const PULLED_FROM = Symbol.for('rxjs-background-jobs:pulledFrom');

/** An Observable of the items that remembers the iterable. */
export function pulledFrom<J>(iterable: AnyIterable<J>): Observable<J> {
  const source = isAsyncIterable(iterable) ? fromAsyncIterable(iterable) : from(iterable);
  return Object.defineProperty(source, PULLED_FROM, { value: iterable });
}

/** The iterable behind `source`, or `undefined` for an Observable that cannot be asked to wait. */
export function iterableOf<J>(source: JobSource<J>): AnyIterable<J> | undefined {
  if (!isObject(source)) return source as AnyIterable<J>;
  const marked = (source as { readonly [PULLED_FROM]?: AnyIterable<J> })[PULLED_FROM];
  if (marked !== undefined) return marked;
  return isObservable(source) || isPlatformObservable(source) ? undefined : (source as AnyIterable<J>);
}

/** A source that cannot be asked to wait, for RxJS. */
export function observableOf<J>(source: Observable<J> | PlatformObservable<J>): Observable<J> {
  return isPlatformObservable<J>(source) ? fromPlatform(source) : source;
}

/** @throws TypeError that names the caller and what it was given, when that is not iterable */
export function checkSource(by: string, value: unknown): void {
  const isIterable = isObject(value) && (isFunction(value[Symbol.iterator]) || isAsyncIterable(value));
  if (!isIterable) wrong(`${by}'s source`, 'an Observable, an iterable or an async iterable', value);
}

/** A pool with one intake, which it asks for jobs. */
interface IntakeHost {
  intake: Intake | undefined;
  puller: Puller | undefined;
}

/** The jobs of `source`: an Observable's as they come, an iterable's as they can be used. */
export function intake<J>(source: JobSource<J>, pool: Demand<J> & IntakeHost): Observable<J> {
  const iterable = iterableOf(source);
  if (iterable === undefined && isObject(source)) return observableOf(source as Observable<J> | PlatformObservable<J>);
  checkSource('a pool', iterable);
  return new Observable((jobs) => {
    const pulled = new PulledIntake(iterable as AnyIterable<J>, pool, jobs);
    pool.intake = pool.puller = pulled;
    jobs.add(() => pulled.cut());
    pulled.pull();
  });
}

/**
 * Takes one item after the other for as long as the demand lasts: none ahead of a start where the iterator answers at once,
 * and as far as there is room where it takes its time.
 *
 *     open ──close──▶ closing ──▶ ended     no item is on its way any more, or `cut`: then return()
 */
export class PulledIntake<J> implements Intake, Puller, Held {
  readonly isAsync: boolean;
  /** An item has been asked for and has not come. */
  isOutstanding = false;

  readonly #demand: Demand<J>;
  readonly #jobs: Observer<J>;
  readonly #iterator: Iterator<J> | AsyncIterator<J>;
  /** The async context of the subscription, in which `next()` is called. */
  readonly #scope: AsyncScope | undefined;
  /** Nothing more is asked for. */
  awaitsRest = false;
  /** Nothing is taken any more: the iterator is at its end, or has been told to return. */
  #isEnded = false;
  /** Items are being handed over: a worker that one of them starts may call `pull` meanwhile. */
  #isHanding = false;

  constructor(iterable: AnyIterable<J>, demand: Demand<J>, jobs: Observer<J>) {
    this.isAsync = isAsyncIterable<J>(iterable);
    this.#demand = demand;
    this.#jobs = jobs;
    this.#scope = captureScope();
    this.#iterator = isAsyncIterable<J>(iterable) ? asyncIteratorOf(iterable) : iterable[Symbol.iterator]();
  }

  get isOpen(): boolean {
    return !this.awaitsRest && !this.#isEnded;
  }

  pull(): void {
    const isNested = this.#isHanding;
    this.#isHanding = true;
    while (this.#isWanted(isNested)) this.ask();
    this.#isHanding = isNested;
  }

  #isWanted(isNested: boolean): boolean {
    if (!this.isOpen || this.isOutstanding) return false;
    const { looking } = this.#demand;
    return this.isAsync ? looking!.mayReadAhead() : looking!.canStart(isNested);
  }

  /** Asks for one item. */
  ask(): void {
    if (this.#scope === undefined) this.#ask();
    else this.#scope.runInAsyncScope(this.#ask, this);
  }

  #ask(): void {
    this.isOutstanding = true;
    try {
      const item = this.#iterator.next();
      if (this.isAsync) Promise.resolve(item).then(this.#onItem, this.#onError);
      else this.#onItem(item as IteratorResult<J>);
    } catch (error) {
      this.#onError(error);
    }
  }

  readonly #onItem = (item: IteratorResult<J>): void => {
    const demand = this.#demand;
    const hasLeft = this.#isEnded;
    let isDone: boolean;
    let job: J;
    try {
      isDone = Boolean(checkItem(item).done);
      job = item.value as J;
    } catch (error) {
      return this.#onError(error);
    }
    if (isDone) {
      this.isOutstanding = false;
      this.#isEnded = true;
      return this.#jobs.complete();
    }
    // An async iterator is asked for its next item only when this one has found its place.
    this.isOutstanding = this.isAsync;
    if (hasLeft) {
      this.isOutstanding = false;
      // A generator could not be told while it was busy.
      if (!this.isAsync) returnQuietly(this.#iterator);
      return demand.arriveLate(job);
    }
    if (demand.looking?.isLooking) demand.looking.give(job);
    else this.#jobs.next(job);
    if (this.awaitsRest) {
      this.isOutstanding = false;
      return this.cut();
    }
    if (!this.isAsync || this.#isEnded) return;
    // An iterator that has its items at hand would never let timers and I/O have their turn.
    if (demand.budget.countAndCheck()) demand.budget.hold(this);
    else this.resume();
  };

  /** The item has found its place, and the event loop has had its turn. */
  resume(): void {
    this.isOutstanding = false;
    if (this.awaitsRest) this.cut();
    else this.#demand.askAgain(this);
  }

  readonly #onError = (error: unknown): void => {
    this.isOutstanding = false;
    this.#isEnded = true;
    // Nobody has asked for anything any more.
    if (this.awaitsRest) this.#jobs.complete();
    else this.#jobs.error(error);
  };

  close(): void {
    if (!this.isOpen) return;
    this.awaitsRest = true;
    if (!this.isOutstanding) this.cut();
  }

  onRest(): void {
    if (this.awaitsRest) this.cut();
  }

  cut(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    // A generator that is busy cannot be told now.
    if (this.isAsync || !this.isOutstanding) returnQuietly(this.#iterator);
    this.#jobs.complete();
  }
}
