import { Subject, takeUntil } from 'rxjs';
import type { Observable } from 'rxjs';
import { Deferred } from '../support/deferred.js';
import { Fifo } from '../support/fifo.js';
import type { EventLoopBudget } from './budget.js';

type Item<T> = IteratorResult<T, undefined>;
type End = { readonly isError: boolean; readonly error?: unknown };

const COMPLETED: End = { isError: false };

/** Resolves after a turn of the event loop. */
function turnOf(budget: EventLoopBudget): Promise<void> {
  return new Promise((resolve) => budget.hold({ resume: resolve }));
}

export interface ObservableIteratorParts<T> {
  readonly source: Observable<T>;
  /** Where values wait. */
  readonly untaken: { readonly length: number; take(): T };
  /** Puts a value there. What it throws is an error of the source. */
  readonly put: (value: T) => void;
  /** Called when a value that waited has been taken. */
  readonly onTaken?: () => void;
  /** Of a consumer that asks again and again for what is at hand. */
  readonly budget: EventLoopBudget;
}

/**
 * The iterator of one subscription: hands over values that come at their own time to a consumer that asks for them one by one.
 *
 * It subscribes when it is first asked. What came before an error, or the end, is handed over before it.
 */
export class ObservableIterator<T> implements AsyncIterableIterator<T, undefined> {
  readonly #parts: ObservableIteratorParts<T>;
  readonly #asked = new Fifo<Deferred<Item<T>> | undefined>(undefined);
  readonly #stop = new Subject<void>();
  #isStarted = false;
  #hasReturned = false;
  /** What it ends with when nothing waits any more. An error is told once. */
  #end: End | undefined;

  constructor(parts: ObservableIteratorParts<T>) {
    this.#parts = parts;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Item<T>> {
    const answer = new Deferred<Item<T>>();
    const { budget } = this.#parts;
    this.#asked.push(answer);
    if (!this.#isStarted) this.#subscribe();
    const isOver = budget.countAndCheck();
    this.#answer();
    // Only the consumer is held. What it is handed is taken at once, or the buffer would lose what comes meanwhile.
    if (isOver) return Promise.all([answer.promise, turnOf(budget)]).then(([item]) => item);
    return answer.promise;
  }

  /** Unsubscribes, and lets go of what waits. */
  return(value?: undefined): Promise<Item<T>> {
    this.#isStarted = true;
    this.#hasReturned = true;
    this.#stop.next();
    // An error that waited is let go of too.
    this.#end = COMPLETED;
    this.#answer();
    return Promise.resolve({ done: true, value });
  }

  /** Ends the subscription with `error`, after what waits. */
  fail(error: unknown): void {
    this.#finish({ isError: true, error });
    this.#stop.next();
  }

  #subscribe(): void {
    this.#isStarted = true;
    this.#parts.source.pipe(takeUntil(this.#stop)).subscribe({
      next: (value) => this.#take(value),
      error: (error: unknown) => this.#finish({ isError: true, error }),
      complete: () => this.#finish(COMPLETED),
    });
  }

  #take(value: T): void {
    const { put, untaken } = this.#parts;
    if (this.#asked.length > 0 && untaken.length === 0) {
      this.#asked.shift()!.resolve({ done: false, value });
      return;
    }
    try {
      put(value);
    } catch (error) {
      this.fail(error);
    }
    // A callback told of a loss may have asked, or left.
    this.#answer();
  }

  #finish(end: End): void {
    this.#end ??= end;
    this.#answer();
  }

  #answer(): void {
    const asked = this.#asked;
    const { untaken, onTaken } = this.#parts;
    if (this.#hasReturned) while (untaken.length > 0) untaken.take();
    while (asked.length > 0 && untaken.length > 0) {
      asked.shift()!.resolve({ done: false, value: untaken.take() });
      onTaken?.();
    }
    while (asked.length > 0 && this.#end !== undefined) {
      const end = this.#end;
      this.#end = COMPLETED;
      if (end.isError) asked.shift()!.reject(end.error);
      else asked.shift()!.resolve({ done: true, value: undefined });
    }
  }
}
