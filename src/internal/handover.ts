import { Subject, takeUntil } from 'rxjs';
import type { Observable } from 'rxjs';
import { Promised } from './promised.js';
import type { Ring } from './ring.js';

type Item<T> = IteratorResult<T, undefined>;

/**
 * The iterator of one subscription: hands values that come at their own time over to whoever asks for them one by one.
 *
 * It subscribes when it is first asked. What came before an error, or the end, is handed over before it.
 */
export class Handover<T> implements AsyncIterator<T, undefined> {
  private readonly source: Observable<T>;
  private readonly untaken: Ring<T>;
  private readonly put: (value: T) => void;
  private readonly onTaken: () => void;
  private readonly asked: Promised<Item<T>>[] = [];
  private readonly stop = new Subject<void>();
  private started = false;
  /** What it ends with when nothing waits any more. An error is told once. */
  private end: { readonly error?: unknown } | undefined;

  /**
   * @param untaken where values wait
   * @param put how one is put there; what it throws is taken for an error of the source
   * @param onTaken told when a value that waited has been taken
   */
  constructor(source: Observable<T>, untaken: Ring<T>, put: (value: T) => void, onTaken: () => void = () => undefined) {
    this.source = source;
    this.untaken = untaken;
    this.put = put;
    this.onTaken = onTaken;
  }

  next(): Promise<Item<T>> {
    const answer = new Promised<Item<T>>();
    if (this.untaken.length > 0) {
      answer.resolve({ done: false, value: this.untaken.shift() });
      this.onTaken();
    } else {
      this.asked.push(answer);
      if (this.end !== undefined) this.answerAll();
      else if (!this.started) this.subscribe();
    }
    return answer.promise;
  }

  /** Unsubscribes, and lets go of what waits. */
  return(): Promise<Item<T>> {
    this.started = true;
    this.stop.next();
    while (this.untaken.length > 0) this.untaken.shift();
    this.finish({});
    return Promise.resolve({ done: true, value: undefined });
  }

  private subscribe(): void {
    this.started = true;
    this.source.pipe(takeUntil(this.stop)).subscribe({
      next: (value) => this.take(value),
      error: (error: unknown) => this.finish({ error }),
      complete: () => this.finish({}),
    });
  }

  private take(value: T): void {
    const answer = this.asked.shift();
    if (answer !== undefined) return answer.resolve({ done: false, value });
    try {
      this.put(value);
    } catch (error) {
      this.finish({ error });
      this.stop.next();
    }
  }

  private finish(end: { readonly error?: unknown }): void {
    this.end ??= end;
    this.answerAll();
  }

  private answerAll(): void {
    for (const answer of this.asked.splice(0)) {
      if (this.end !== undefined && 'error' in this.end) {
        answer.reject(this.end.error);
        this.end = {};
      } else answer.resolve({ done: true, value: undefined });
    }
  }
}
