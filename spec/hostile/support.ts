// Work, sources and observers that do what they must not: each job still ends once, and its slot is free again.
import { Observable, of, Subject, UnsubscriptionError } from 'rxjs';
import type { ObservableInput, Observer, Subscription } from 'rxjs';
import { workerPool, workerPoolSettled } from '../../src/index.js';
import type { JobContext, JobOutcome, PoolConfig, ShutdownLevel } from '../../src/index.js';
import { Deferred } from '../support/deferred.js';

export type Work = (job: string, context: JobContext) => ObservableInput<unknown>;
export type Config = PoolConfig<string, unknown>;
type Form = (work: Work, config: Config) => (source: Observable<string>) => Observable<unknown>;

export const forms: Record<string, Form> = { workerPool, workerPoolSettled };

/** A pool of one worker, with jobs named in `works`; any other job completes with a value of its own. */
export class Trial {
  readonly source: Subject<string> = new Subject<string>();
  readonly shutdown: Subject<ShutdownLevel> = new Subject<ShutdownLevel>();
  readonly started: string[] = [];
  readonly contexts: JobContext[] = [];
  /** What hooks hear. */
  readonly outcomes: JobOutcome<string, unknown>[] = [];
  readonly released: string[] = [];
  /** What downstream hears. */
  readonly values: unknown[] = [];
  readonly ends: unknown[] = [];
  readonly subscription: Subscription;

  constructor(
    form: string,
    works: Record<string, Work>,
    config: Partial<Config> = {},
    on: Partial<Observer<unknown>> = {},
  ) {
    const work: Work = (job, context) => {
      this.started.push(job);
      this.contexts.push(context);
      return works[job]?.(job, context) ?? (job in works ? (undefined as never) : of(`${job}!`));
    };
    const hooks = {
      settled: (outcome: JobOutcome<string, unknown>) => this.outcomes.push(outcome),
      released: (job: string) => this.released.push(job),
    };
    const pool = forms[form]!(work, { workers: 1, buffer: Infinity, shutdown: this.shutdown, hooks, ...config });
    this.subscription = this.source.pipe(pool).subscribe({
      next: (value) => {
        this.values.push(form === 'workerPool' ? value : brief(value as JobOutcome<string, unknown>));
        on.next?.(value);
      },
      error: (error: unknown) => this.ends.push({ error }),
      complete: () => this.ends.push('complete'),
    });
  }

  offer(...jobs: string[]): this {
    for (const job of jobs) this.source.next(job);
    return this;
  }

  /** What has become of each job. */
  get fates(): string[] {
    return this.outcomes.map(brief);
  }
}

export function brief(outcome: JobOutcome<string, unknown>): string {
  switch (outcome.status) {
    case 'completed':
      return `${outcome.job} completed ${String(outcome.value)}`;
    case 'failed':
      return `${outcome.job} failed ${String(outcome.error)}`;
    case 'dropped':
      return `${outcome.job} dropped ${outcome.reason}`;
    case 'aborted':
      return `${outcome.job} aborted ${outcome.settled ? 'settled' : 'abandoned'}`;
  }
}

export function each(title: string, test: (form: string) => unknown): void {
  for (const form of Object.keys(forms)) {
    it(`${title} (${form})`, async () => {
      await test(form);
    });
  }
}

type Then = (fulfil: (value: unknown) => void, reject: (error: unknown) => void) => void;
/** A thenable, as libraries of their own write them. */
export function thenable(then: Then): PromiseLike<unknown> {
  const chained = { then: () => chained };
  return {
    then: (fulfil: (value: unknown) => void, reject: (error: unknown) => void) => {
      then(fulfil, reject);
      return chained;
    },
  } as unknown as PromiseLike<unknown>;
}

/** An async iterator that answers nothing by itself, with a record of what it is asked. */
export class Asked implements AsyncIterableIterator<string> {
  readonly calls: string[] = [];
  readonly item: Deferred<IteratorResult<string>> = new Deferred();
  private readonly onReturn: () => Promise<IteratorResult<string>>;

  constructor(onReturn: () => Promise<IteratorResult<string>> = () => new Promise(() => undefined)) {
    this.onReturn = onReturn;
  }

  next(): Promise<IteratorResult<string>> {
    this.calls.push('next');
    return this.item.promise;
  }

  return(): Promise<IteratorResult<string>> {
    this.calls.push('return');
    return this.onReturn();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** What an async iterator's `next` must not answer with: a look at it throws `Error: look`. */
export const badAnswers: Record<string, () => unknown> = {
  'a `done` that throws': () => Promise.resolve(throwingAt('done')),
  'a `value` that throws': () => Promise.resolve(throwingAt('value')),
  'no promise, and a `value` that throws': () => throwingAt('value'),
  'a `then` that throws when it is read': () => throwingAt('then'),
  'a `then` that throws': () => ({ then: look }),
  'a promise with a `then` that throws': () => Object.assign(Promise.resolve(), { then: look }),
};

function throwingAt(property: string): object {
  return Object.defineProperty({ done: false }, property, { get: look });
}

function look(): never {
  throw new Error('look');
}

export function errorsOf(error: unknown): unknown[] {
  return error instanceof UnsubscriptionError ? (error.errors as unknown[]).flatMap(errorsOf) : [error];
}
