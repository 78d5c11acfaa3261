import { Observable, Subject } from 'rxjs';

/** What was asked of an iterator. */
class Asked {
  /** Calls of `next()`. */
  nexts = 0;
  /** Calls of `next()` without an answer yet, and the most that there were at once. */
  outstanding = 0;
  most = 0;
  /** Calls of `return()`. */
  returns = 0;
}

/** The numbers from 0. `onNext` is run inside each `next()`, and may throw. */
export class Numbers extends Asked implements Iterable<number> {
  private readonly count: number;
  private readonly onNext: (n: number) => void;

  constructor(count: number, onNext: (n: number) => void = () => undefined) {
    super();
    this.count = count;
    this.onNext = onNext;
  }

  [Symbol.iterator](): Iterator<number> {
    return {
      next: () => {
        const n = this.nexts++;
        this.onNext(n);
        return n < this.count ? { value: n } : { done: true, value: undefined };
      },
      return: () => {
        this.returns++;
        return { done: true, value: undefined };
      },
    };
  }
}

/** The same, but each number takes a microtask to come. */
export class AsyncNumbers extends Asked implements AsyncIterable<number> {
  private readonly numbers: Numbers;

  constructor(count: number, onNext?: (n: number) => void) {
    super();
    this.numbers = new Numbers(count, onNext);
  }

  [Symbol.asyncIterator](): AsyncIterator<number> {
    const iterator = this.numbers[Symbol.iterator]();
    return {
      next: async () => {
        this.nexts++;
        this.most = Math.max(this.most, ++this.outstanding);
        await Promise.resolve();
        this.outstanding--;
        return iterator.next();
      },
      return: async () => {
        this.returns++;
        return { done: true, value: undefined };
      },
    };
  }
}

/** An async iterable whose items come when the spec says so. Its `return()` never settles. */
export class Feed extends Asked implements AsyncIterable<string> {
  arrive!: (item: string) => void;
  end!: () => void;
  fail!: (error: unknown) => void;

  [Symbol.asyncIterator](): AsyncIterator<string> {
    return {
      next: () => {
        this.nexts++;
        return new Promise((resolve, reject) => {
          this.arrive = (value) => resolve({ value });
          this.end = () => resolve({ done: true, value: undefined });
          this.fail = reject;
        });
      },
      return: () => {
        this.returns++;
        return new Promise(() => undefined);
      },
    };
  }
}

/** Jobs that run until the spec ends them. */
export class Jobs<J> {
  readonly started: J[] = [];
  readonly running: Map<J, Subject<J>> = new Map();
  ended = 0;

  readonly work = (job: J): Observable<J> => {
    const subject = new Subject<J>();
    this.started.push(job);
    this.running.set(job, subject);
    return subject;
  };

  complete(job: J): void {
    const subject = this.running.get(job)!;
    this.running.delete(job);
    this.ended++;
    subject.next(job);
    subject.complete();
  }

  /** Ends one of those that run. */
  completeAny(): void {
    const all = [...this.running.keys()];
    this.complete(all[(7 * this.ended) % all.length]!);
  }
}

/** As in a browser that has not made it async iterable yet. */
export function withoutIterator<T>(stream: ReadableStream<T>): ReadableStream<T> {
  return Object.defineProperty(stream, Symbol.asyncIterator, { value: undefined });
}

/** Subscribes, and tells all that comes. */
export function collect<T>(source: Observable<T>): { values: T[]; end: () => unknown; unsubscribe: () => void } {
  const values: T[] = [];
  let end: unknown;
  const subscription = source.subscribe({
    next: (value) => values.push(value),
    error: (error: unknown) => (end = error),
    complete: () => (end = 'complete'),
  });
  return { values, end: () => end, unsubscribe: () => subscription.unsubscribe() };
}
