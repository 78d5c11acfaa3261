// The platform's Observable, where the host has none: what the specs need of https://wicg.github.io/observable/, step by step.

interface Observer<T> {
  next?(value: T): void;
  error?(error: unknown): void;
  complete?(): void;
}

export interface Options {
  readonly signal?: AbortSignal;
}

/** What the specs provoke, a host would report. */
export const reportedByThePlatform: unknown[] = [];

function guarded(fn: () => void): void {
  try {
    fn();
  } catch (error) {
    reportedByThePlatform.push(error);
  }
}

/** What a producer is given: one for all observers, for as long as there is one. */
export class Subscriber<T> {
  readonly #observers = new Set<Observer<T>>();
  readonly #controller = new AbortController();
  readonly #teardowns: (() => void)[] = [];
  active = true;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  join(observer: Observer<T>, signal: AbortSignal | undefined): void {
    this.#observers.add(observer);
    signal?.addEventListener('abort', () => {
      this.#observers.delete(observer);
      if (this.#observers.size === 0) this.#close(signal.reason);
    });
  }

  next(value: T): void {
    for (const observer of [...this.#observers]) guarded(() => observer.next?.(value));
  }

  error(error: unknown): void {
    if (!this.active) return void reportedByThePlatform.push(error);
    const observers = [...this.#observers];
    this.#close(error);
    for (const observer of observers) {
      if (observer.error) guarded(() => observer.error!(error));
      else reportedByThePlatform.push(error);
    }
  }

  complete(): void {
    if (!this.active) return;
    const observers = [...this.#observers];
    this.#close();
    for (const observer of observers) guarded(() => observer.complete?.());
  }

  addTeardown(teardown: () => void): void {
    if (this.active) this.#teardowns.push(teardown);
    else guarded(teardown);
  }

  #close(reason?: unknown): void {
    if (!this.active) return;
    this.active = false;
    this.#observers.clear();
    this.#controller.abort(reason);
    for (const teardown of this.#teardowns.splice(0).reverse()) guarded(teardown);
  }
}

export class WicgObservable<T> {
  readonly #produce: (subscriber: Subscriber<T>) => void;
  #subscriber: Subscriber<T> | undefined;

  constructor(produce: (subscriber: Subscriber<T>) => void) {
    this.#produce = produce;
  }

  get [Symbol.toStringTag](): string {
    return 'Observable';
  }

  /** Of another, an async iterable, an iterable or a promise. */
  static from<T>(value: WicgObservable<T> | AsyncIterable<T> | Iterable<T> | PromiseLike<T>): WicgObservable<T> {
    if (value instanceof WicgObservable) return value;
    if (Symbol.asyncIterator in value) return new WicgObservable((subscriber) => void readAsync(value, subscriber));
    if (Symbol.iterator in value) {
      return new WicgObservable((subscriber) => {
        for (const item of value) {
          if (!subscriber.active) return;
          subscriber.next(item);
        }
        subscriber.complete();
      });
    }
    return new WicgObservable((subscriber) => {
      value.then(
        (result) => {
          subscriber.next(result);
          subscriber.complete();
        },
        (error: unknown) => subscriber.error(error),
      );
    });
  }

  subscribe(observer: Observer<T> | ((value: T) => void) = {}, { signal }: Options = {}): void {
    if (signal?.aborted) return;
    const internal = typeof observer === 'function' ? { next: observer } : observer;
    if (this.#subscriber?.active) return this.#subscriber.join(internal, signal);
    const subscriber = (this.#subscriber = new Subscriber<T>());
    subscriber.join(internal, signal);
    try {
      this.#produce(subscriber);
    } catch (error) {
      subscriber.error(error);
    }
  }

  toArray({ signal }: Options = {}): Promise<T[]> {
    return new Promise((resolve, reject) => {
      const values: T[] = [];
      const leave = (): void => reject(signal!.reason as Error);
      signal?.addEventListener('abort', leave);
      this.subscribe(
        { next: (value) => values.push(value), error: reject, complete: () => resolve(values) },
        signal && { signal },
      );
    });
  }
}

async function readAsync<T>(iterable: AsyncIterable<T>, subscriber: Subscriber<T>): Promise<void> {
  const iterator = iterable[Symbol.asyncIterator]();
  subscriber.addTeardown(() => void iterator.return?.());
  try {
    while (subscriber.active) {
      const item = await iterator.next();
      if (!subscriber.active) return;
      if (item.done) return subscriber.complete();
      subscriber.next(item.value);
    }
  } catch (error) {
    subscriber.error(error);
  }
}

/** As `target.when(type)`. */
export function when(target: EventTarget, type: string): WicgObservable<Event> {
  return new WicgObservable((subscriber) => {
    target.addEventListener(type, (event) => subscriber.next(event), { signal: subscriber.signal });
  });
}
