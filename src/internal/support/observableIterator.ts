import { Subject, takeUntil } from 'rxjs';
import type { Observable } from 'rxjs';
import { Promised } from './deferred.js';
import { Ring } from './fifo.js';

type Item<T> = IteratorResult<T, undefined>;

/**
 * The iterator of one subscription: hands values that come at their own time over to whoever asks for them one by one.
 *
 * It subscribes when it is first asked. What came before an error, or the end, is handed over before it.
 */
export class Handover<T> implements AsyncIterator<T, undefined> {
  readonly #source: Observable<T>;
  readonly #untaken: Ring<T>;
  readonly #put: (value: T) => void;
  readonly #onTaken: () => void;
  readonly #asked = new Ring<Promised<Item<T>>>();
  readonly #stop = new Subject<void>();
  #started = false;
  #returned = false;
  /** What it ends with when nothing waits any more. An error is told once. */
  #end: { readonly error?: unknown } | undefined;

  /**
   * @param untaken where values wait
   * @param put how one is put there; what it throws is taken for an error of the source
   * @param onTaken told when a value that waited has been taken
   */
  constructor(source: Observable<T>, untaken: Ring<T>, put: (value: T) => void, onTaken: () => void = () => undefined) {
    this.#source = source;
    this.#untaken = untaken;
    this.#put = put;
    this.#onTaken = onTaken;
  }

  next(): Promise<Item<T>> {
    const answer = new Promised<Item<T>>();
    this.#asked.push(answer);
    if (!this.#started) this.#subscribe();
    this.#answer();
    return answer.promise;
  }

  /** Unsubscribes, and lets go of what waits. */
  return(): Promise<Item<T>> {
    this.#started = true;
    this.#returned = true;
    this.#stop.next();
    // An error that waited is let go of too.
    this.#end = {};
    this.#answer();
    return Promise.resolve({ done: true, value: undefined });
  }

  #subscribe(): void {
    this.#started = true;
    this.#source.pipe(takeUntil(this.#stop)).subscribe({
      next: (value) => this.#take(value),
      error: (error: unknown) => this.#finish({ error }),
      complete: () => this.#finish({}),
    });
  }

  #take(value: T): void {
    if (this.#asked.length > 0 && this.#untaken.length === 0) {
      this.#asked.shift().resolve({ done: false, value });
      return;
    }
    try {
      this.#put(value);
    } catch (error) {
      this.#finish({ error });
      this.#stop.next();
    }
    // Whoever heard of a loss may have asked, or left.
    this.#answer();
  }

  #finish(end: { readonly error?: unknown }): void {
    this.#end ??= end;
    this.#answer();
  }

  #answer(): void {
    const asked = this.#asked;
    const untaken = this.#untaken;
    if (this.#returned) while (untaken.length > 0) untaken.shift();
    while (asked.length > 0 && untaken.length > 0) {
      asked.shift().resolve({ done: false, value: untaken.shift() });
      this.#onTaken();
    }
    while (asked.length > 0 && this.#end !== undefined) {
      const end = this.#end;
      this.#end = {};
      if ('error' in end) asked.shift().reject(end.error);
      else asked.shift().resolve({ done: true, value: undefined });
    }
  }
}
