// Promises, and jobs, that settle when the spec says so.
import { Observable, Subject } from 'rxjs';
import type { JobContext } from '../../src/index.js';
import { turn } from './guard.js';

export class Deferred<T = void> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  reject!: (error: unknown) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/** What is known of a promise by now. */
export interface Fate {
  status: 'open' | 'fulfilled' | 'rejected';
  /** Its value, or what it was rejected with. */
  value: unknown;
}

export function fateOf(promise: Promise<unknown>): Fate {
  const fate: Fate = { status: 'open', value: undefined };
  const settle = (status: Fate['status']) => (value: unknown) => void Object.assign(fate, { status, value });
  promise.then(settle('fulfilled'), settle('rejected'));
  return fate;
}

interface End {
  complete(value: unknown): void;
  fail(error: unknown): void;
}

/** Work whose jobs end when the spec says so. Jobs that run at the same time have to be distinct. */
export class Held<J> {
  /** The jobs whose work was called, in this order. */
  readonly called: J[] = [];
  readonly contexts: Map<J, JobContext> = new Map();
  /** The jobs whose Observable was unsubscribed before its end. */
  readonly stopped: J[] = [];
  private readonly ends = new Map<J, End>();

  /** The jobs as promises. */
  readonly promises = (job: J, context: JobContext): Promise<unknown> => {
    const { promise, resolve, reject } = new Deferred<unknown>();
    this.begin(job, context, { complete: resolve, fail: reject });
    return promise;
  };

  /** The jobs as Observables: they end in the call that ends them. */
  readonly streams = (job: J, context: JobContext): Observable<unknown> => {
    const values = new Subject<unknown>();
    this.begin(job, context, {
      complete: (value) => {
        values.next(value);
        values.complete();
      },
      fail: (error) => values.error(error),
    });
    return new Observable((subscriber) => {
      values.subscribe(subscriber);
      return () => {
        if (this.ends.delete(job)) this.stopped.push(job);
      };
    });
  };

  runs(job: J): boolean {
    return this.ends.has(job);
  }

  /** Ends `job` with `value`, or else with a value of its own. */
  complete(job: J, value: unknown = `${String(job)}!`): void {
    this.end(job).complete(value);
  }

  fail(job: J, error: unknown): void {
    this.end(job).fail(error);
  }

  private begin(job: J, context: JobContext, end: End): void {
    this.called.push(job);
    this.contexts.set(job, context);
    this.ends.set(job, end);
  }

  private end(job: J): End {
    const end = this.ends.get(job);
    if (end === undefined) throw new Error(`${String(job)} does not run`);
    this.ends.delete(job);
    return end;
  }
}

/** The reasons of the promises that `act` has left rejected, with nobody to see it. mocha's own listeners do not hear of them. */
export async function unhandledRejections(act: () => unknown): Promise<unknown[]> {
  const reasons: unknown[] = [];
  const listener = (reason: unknown): void => void reasons.push(reason);
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', listener);
  try {
    await act();
    await turn();
  } finally {
    process.removeAllListeners('unhandledRejection');
    for (const other of others) process.on('unhandledRejection', other);
  }
  return reasons;
}
