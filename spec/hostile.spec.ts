// Work, sources and observers that do what they must not: each job still ends once, and its slot is free again.
import { expect } from 'chai';
import {
  concat,
  EMPTY,
  finalize,
  merge,
  mergeMap,
  NEVER,
  Observable,
  of,
  range,
  Subject,
  take,
  tap,
  throwError,
  UnsubscriptionError,
} from 'rxjs';
import type { ObservableInput, Observer, Subscription } from 'rxjs';
import { BackgroundJobs, gracefulShutdown, JobAbortedError, workerPool, workerPoolSettled } from '../src/index.js';
import type { JobContext, JobOutcome, PoolConfig, ShutdownLevel } from '../src/index.js';
import { Deferred, fateOf, unhandledRejections } from './support/deferred.js';
import { takeReported, turn } from './support/guard.js';
import { marbles } from './support/marbles.js';

type Work = (job: string, context: JobContext) => ObservableInput<unknown>;
type Config = PoolConfig<string, unknown>;
type Form = (work: Work, config: Config) => (source: Observable<string>) => Observable<unknown>;

const forms: Record<string, Form> = { workerPool, workerPoolSettled };
const LEVELS = ['drain', 'discard', 'abort', 'abandon'] as const;

/** A pool of one worker, with jobs named in `works`; any other job completes with a value of its own. */
class Trial {
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

function brief(outcome: JobOutcome<string, unknown>): string {
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

function each(title: string, test: (form: string) => unknown): void {
  for (const form of Object.keys(forms)) {
    it(`${title} (${form})`, async () => {
      await test(form);
    });
  }
}

type Then = (fulfil: (value: unknown) => void, reject: (error: unknown) => void) => void;
/** A thenable, as libraries of their own write them. */
function thenable(then: Then): PromiseLike<unknown> {
  const chained = { then: () => chained };
  return {
    then: (fulfil: (value: unknown) => void, reject: (error: unknown) => void) => {
      then(fulfil, reject);
      return chained;
    },
  } as unknown as PromiseLike<unknown>;
}

/** An async iterator that answers nothing by itself, with a record of what it is asked. */
class Asked implements AsyncIterableIterator<string> {
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

describe('hostile work', () => {
  describe('that fails', () => {
    const reasons: Record<string, unknown> = {
      undefined,
      null: null,
      'an empty string': '',
      zero: 0,
      'a symbol': Symbol('e'),
      'a frozen object': Object.freeze({ frozen: true }),
      'a frozen error': Object.freeze(new Error('frozen')),
      'a function': () => undefined,
    };
    const ways: Record<string, (error: unknown) => Work> = {
      throws: (error) => () => {
        throw error;
      },
      'rejects with': (error) => () => Promise.reject(error),
      'is a thenable that rejects with': (error) => () => thenable((_, reject) => reject(error)),
      'is a thenable whose then throws': (error) => () =>
        thenable(() => {
          throw error;
        }),
      'has a getter of then that throws': (error) => () =>
        Object.defineProperty({}, 'then', {
          get() {
            throw error;
          },
        }) as PromiseLike<unknown>,
      'errors with': (error) => () => throwError(() => error),
      'throws in its subscribe': (error) => () =>
        new Observable(() => {
          throw error;
        }),
      'is an iterable that throws': (error) => () => ({
        [Symbol.iterator]() {
          throw error;
        },
      }),
      'is an async iterable that throws': (error) => () => ({
        [Symbol.asyncIterator]() {
          throw error;
        },
      }),
      'is an async iterable that rejects with': (error) => () => ({
        [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }),
      }),
    };
    for (const [way, work] of Object.entries(ways)) {
      each(`fails its job with that very reason: ${way} anything`, async (form) => {
        for (const [name, reason] of Object.entries(reasons)) {
          const trial = new Trial(form, { x: work(reason) }).offer('x', 'b');
          await turn();
          expect(trial.outcomes[0], name).to.include({ job: 'x', status: 'failed' });
          expect((trial.outcomes[0] as { error: unknown }).error, name).to.equal(reason);
          expect(trial.released[0], name).to.equal('x');
          if (form === 'workerPool') {
            expect(trial.ends, name).to.have.lengthOf(1);
            expect(trial.ends[0], name).to.have.property('error', reason);
            expect(trial.started, name).to.eql(['x']);
          } else {
            expect(trial.values[1], name).to.equal('b completed b!');
            expect(trial.ends, name).to.eql([]);
            trial.subscription.unsubscribe();
          }
        }
      });
    }

    each('raises no unhandledRejection by rejecting with undefined, waited for or not', async (form) => {
      const late = [new Deferred<unknown>(), new Deferred<unknown>()] as const;
      const reasons = await unhandledRejections(async () => {
        new Trial(form, { x: () => Promise.reject(undefined) }).offer('x');
        const unsubscribed = new Trial(form, { x: () => late[0].promise }).offer('x');
        unsubscribed.subscription.unsubscribe();
        const abandoned = new Trial(form, { x: () => late[1].promise }).offer('x');
        abandoned.shutdown.next('abandon');
        for (const { reject } of late) reject(undefined);
        await turn();
      });
      expect(reasons).to.eql([]);
    });
  });

  describe('that returns what is no ObservableInput', () => {
    const results: Record<string, unknown> = {
      undefined,
      null: null,
      '42': 42,
      NaN,
      true: true,
      '5n': 5n,
      'a symbol': Symbol('s'),
      'an object': {},
      'a function': () => of(1),
      'an object whose then is no function': { then: 'later' },
      'a string': 'done',
      'an empty string': '',
    };
    for (const [name, result] of Object.entries(results)) {
      each(`fails its job with a TypeError: ${name}`, (form) => {
        const trial = new Trial(form, { x: () => result as never }).offer('x', 'b');
        const [outcome] = trial.outcomes;
        expect(outcome).to.include({ job: 'x', status: 'failed' });
        expect((outcome as { error: unknown }).error).to.be.an.instanceOf(TypeError);
        expect(trial.started).to.eql(form === 'workerPool' ? ['x'] : ['x', 'b']);
        trial.subscription.unsubscribe();
      });
    }

    each('is told what to do about a string', (form) => {
      const trial = new Trial(form, { x: () => 'done' as never }).offer('x');
      expect(trial.fates[0]).to.contain('"done"').and.contain('promise or an Observable of it');
    });
  });

  describe('that is a thenable', () => {
    const twice: Record<string, readonly [first: string, second: string]> = {
      'fulfils twice': ['fulfil', 'fulfil'],
      'fulfils, then rejects': ['fulfil', 'reject'],
      'rejects, then fulfils': ['reject', 'fulfil'],
      'rejects twice': ['reject', 'reject'],
    };
    for (const [name, [first, second]] of Object.entries(twice)) {
      for (const when of ['at once', 'later'] as const) {
        each(`ends once when it ${name}, ${when}, and never touches the next job`, async (form) => {
          const b = new Deferred<unknown>();
          const settle: Record<string, (value: unknown) => void> = {};
          const x = thenable((fulfil, reject) => {
            Object.assign(settle, { fulfil, reject });
            if (when === 'later') return;
            settle[first]!('first');
            settle[second]!('second');
          });
          const trial = new Trial(form, { x: () => x, b: () => b.promise }).offer('x', 'b');
          if (when === 'later') settle[first]!('first');
          settle[second]!('second');
          await turn();
          const fate = first === 'fulfil' ? 'x completed first' : 'x failed first';
          expect(trial.fates[0]).to.equal(fate);
          if (form === 'workerPool' && first === 'reject') {
            expect(trial.ends).to.eql([{ error: 'first' }]);
            return;
          }
          expect(trial.started).to.eql(['x', 'b']);
          expect(trial.fates).to.eql([fate]);
          settle[second]!('third');
          b.resolve('its own');
          await turn();
          expect(trial.fates).to.eql([fate, 'b completed its own']);
          expect(trial.values).to.eql(form === 'workerPool' ? ['first', 'its own'] : trial.fates);
          expect(trial.released).to.eql(['x', 'b']);
        });
      }
    }

    each('is asked for its then once', (form) => {
      let reads = 0;
      const x = {
        get then() {
          reads++;
          return thenable((fulfil) => fulfil('v')).then;
        },
      } as PromiseLike<unknown>;
      const trial = new Trial(form, { x: () => x }).offer('x');
      expect(trial.fates).to.eql(['x completed v']);
      expect(reads).to.equal(1);
    });

    each('has its then called as a method, once', (form) => {
      const calls: unknown[] = [];
      const x = {
        then(fulfil: (value: unknown) => void) {
          calls.push(this);
          fulfil('v');
          return thenable(() => undefined);
        },
      };
      const trial = new Trial(form, { x: () => x as unknown as PromiseLike<unknown> }).offer('x');
      expect(calls).to.eql([x]);
      expect(trial.fates).to.eql(['x completed v']);
    });

    each('has fulfilled, although its then throws after that', async (form) => {
      const x = thenable((fulfil) => {
        fulfil('v');
        throw new Error('too late');
      });
      const trial = new Trial(form, { x: () => x }).offer('x', 'b');
      await turn();
      expect(trial.fates).to.eql(['x completed v', 'b completed b!']);
      expect(trial.ends).to.eql([]);
    });

    each('may fulfil with itself, which is a value like any other', (form) => {
      const x: PromiseLike<unknown> = thenable((fulfil) => fulfil(x));
      const trial = new Trial(form, { x: () => x }).offer('x', 'b');
      expect((trial.outcomes[0] as { value: unknown }).value).to.equal(x);
      expect(trial.fates[1]).to.equal('b completed b!');
    });

    each('fails its job, as a promise that is resolved with itself', async (form) => {
      const { promise, resolve } = new Deferred<unknown>();
      resolve(promise);
      const trial = new Trial(form, { x: () => promise }).offer('x');
      await turn();
      expect((trial.outcomes[0] as { error: unknown }).error).to.be.an.instanceOf(TypeError);
    });

    each('may come from a class that extends Promise, or from another realm', async (form) => {
      class Mine extends Promise<unknown> {}
      const foreign = Object.setPrototypeOf(Promise.resolve('y!'), {
        then: Promise.prototype.then,
      }) as Promise<unknown>;
      const trial = new Trial(form, { x: () => Mine.resolve('x!'), y: () => foreign }).offer('x', 'y');
      await turn();
      expect(trial.fates).to.eql(['x completed x!', 'y completed y!']);
    });
  });

  describe('that never settles', () => {
    const kinds: Record<string, () => ObservableInput<unknown>> = {
      'a promise': () => new Promise(() => undefined),
      'a thenable': () => thenable(() => undefined),
      'an Observable': () => NEVER,
      'an async iterable': () => new Asked(),
    };
    for (const [kind, work] of Object.entries(kinds)) {
      each(`keeps its slot, and is let go at the deadline: ${kind}`, (form) =>
        marbles(({ hot, expectObservable, flush }) => {
          const started: string[] = [];
          const shutdown = gracefulShutdown({ on: hot('---x'), deadline: 4, abortGrace: 3 });
          const pool = forms[form]!((job) => (started.push(job), work()), { workers: 1, buffer: 1, shutdown });
          const results = hot('-ab').pipe(
            pool,
            mergeMap(() => EMPTY),
          );
          // What cannot be stopped is waited for: until the deadline, and the grace after that.
          const stops = kind === 'an Observable' || kind === 'an async iterable';
          expectObservable(results).toBe(stops ? '-------|' : '----------|');
          flush();
          expect(started).to.eql(['a']);
        }),
      );

      each(`keeps its slot, and no other job ever starts there: ${kind}`, async (form) => {
        const trial = new Trial(form, { x: work }).offer('x', 'b');
        trial.source.complete();
        await turn();
        expect(trial.started).to.eql(['x']);
        expect(trial.ends).to.eql([]);
        trial.shutdown.next('abandon');
        expect(trial.ends).to.eql(['complete']);
        expect(trial.fates[0]).to.equal('b dropped shutdown');
        expect(trial.fates.slice(1)).to.have.lengthOf(1);
      });
    }
  });

  describe('that settles after it was abandoned', () => {
    const settlements = ['resolve', 'reject'] as const;
    for (const settlement of settlements) {
      for (const kind of ['a promise', 'a thenable'] as const) {
        each(`is not heard of again: ${kind}, ${settlement}`, async (form) => {
          const x = new Deferred<unknown>();
          const settle = kind === 'a promise' ? x : ({} as Pick<typeof x, 'resolve' | 'reject'>);
          const late = thenable((resolve, reject) => Object.assign(settle, { resolve, reject }));
          const trial = new Trial(form, { x: () => (kind === 'a promise' ? x.promise : late) }).offer('x', 'b');
          trial.shutdown.next('abandon');
          const told = [...trial.values];
          const raised = await unhandledRejections(() => settle[settlement]('late'));
          expect(raised).to.eql([]);
          expect(trial.fates).to.eql(['b dropped shutdown', 'x aborted abandoned']);
          expect(trial.values).to.eql(told);
          expect(trial.ends).to.eql(['complete']);
          expect(trial.released).to.eql(['x']);
        });
      }
    }
  });

  describe('that ignores its signal', () => {
    each('and is fulfilled after an abort has completed: the mail went out', async (form) => {
      const x = new Deferred<unknown>();
      const trial = new Trial(form, { x: () => x.promise }).offer('x', 'b');
      trial.shutdown.next('abort');
      expect(trial.contexts[0]!.signal.aborted).to.equal(true);
      expect(trial.ends).to.eql([]);
      x.resolve('sent');
      await turn();
      expect(trial.fates).to.eql(['b dropped shutdown', 'x completed sent']);
      expect(trial.ends).to.eql(['complete']);
    });
  });

  describe('that blocks the event loop past a deadline', () => {
    const settled: Record<string, readonly [() => ObservableInput<unknown>, string]> = {
      'an Observable': [() => of('v'), 'x completed v'],
      'a promise': [() => Promise.resolve('v'), 'x completed v'],
      'a promise that rejects': [() => Promise.reject(new Error('e')), 'x failed Error: e'],
    };
    for (const [kind, [work, fate]] of Object.entries(settled)) {
      it(`has ended as it ended, if it has ended when the loop turns: ${kind}`, async () => {
        const fates: string[] = [];
        const jobs = new BackgroundJobs(
          (_job: string) => {
            void jobs.shutdown('drain', { deadline: 1, abortGrace: 0 });
            for (const end = performance.now() + 5; performance.now() < end;);
            return work();
          },
          { workers: 1, buffer: 0 },
        );
        jobs.outcomes$.subscribe((outcome) => fates.push(brief(outcome)));
        jobs.offer('x');
        await jobs.ended;
        expect(fates).to.eql([fate]);
      });
    }
  });

  describe('that is an Observable', () => {
    each('may be empty, or emit many values', (form) => {
      const trial = new Trial(form, { x: () => EMPTY, y: () => of(1, 2, 3) }).offer('x', 'y', 'b');
      expect(trial.fates).to.eql(['x completed undefined', 'y completed 3', 'b completed b!']);
      expect(trial.values).to.eql(form === 'workerPool' ? [1, 2, 3, 'b!'] : trial.fates);
    });

    each('synchronous and endless, is stopped by an abort from inside itself', (form) => {
      let emitted = 0;
      const endless = range(0, Infinity).pipe(
        tap(() => {
          if (++emitted === 1000) trial.shutdown.next('abort');
        }),
      );
      const trial: Trial = new Trial(form, { x: () => endless });
      trial.offer('x', 'b');
      expect(emitted).to.equal(1000);
      expect(trial.fates).to.eql(['x aborted settled']);
      expect(trial.ends).to.eql(['complete']);
    });

    each('that emits, errors and completes after its end is not heard of again', (form) => {
      let late!: Observer<unknown>;
      const x = new Observable<unknown>((subscriber) => {
        late = subscriber;
        subscriber.complete();
        /* eslint-disable rxjs-x/no-redundant-notify -- that is the subject */
        subscriber.next('late');
        subscriber.error('late');
        /* eslint-enable rxjs-x/no-redundant-notify */
      });
      const b = new Subject<unknown>();
      const trial = new Trial(form, { x: () => x, b: () => b }).offer('x', 'b');
      late.next('later');
      late.error('later');
      late.complete();
      expect(trial.fates).to.eql(['x completed undefined']);
      b.complete();
      expect(trial.fates).to.eql(['x completed undefined', 'b completed undefined']);
    });

    for (const [name, verdict] of [
      ['next', 'x completed v'],
      ['error', 'x failed v'],
    ] as const) {
      each(`of another library is taken, and settles its job once: ${name}`, (form) => {
        const observers: Observer<unknown>[] = [];
        const key = (Symbol as { observable?: symbol }).observable ?? '@@observable';
        const foreign = {
          [key]: () => ({
            subscribe: (observer: Observer<unknown>) => (observers.push(observer), { unsubscribe() {} }),
          }),
        };
        const trial = new Trial(form, { x: () => foreign as never }).offer('x');
        for (const observer of [...observers, ...observers]) {
          observer[name]('v');
          observer.complete();
        }
        expect(observers).to.have.lengthOf(1);
        expect(trial.fates).to.eql([verdict]);
      });
    }
  });

  describe('whose finalizer throws', () => {
    const boom = new Error('finalizer');
    const fails = <T>(source: Observable<T>): Observable<T> =>
      new Observable((subscriber) => {
        source.subscribe(subscriber);
        return () => {
          throw boom;
        };
      });

    each('synchronously: that is reported, and the next job has its slot', async (form) => {
      const trial = new Trial(form, { x: () => fails(of('x!')) }).offer('x', 'b');
      await turn();
      expect(trial.fates).to.eql(['x completed x!', 'b completed b!']);
      expect(trial.released).to.eql(['x', 'b']);
      expect(takeReported().flatMap(errorsOf)).to.eql([boom]);
    });

    each('later: that is reported, and the next job has its slot', async (form) => {
      const x = new Subject<string>();
      const trial = new Trial(form, { x: () => fails(x) }).offer('x', 'b');
      x.next('x!');
      expect(() => x.complete()).not.to.throw();
      await turn();
      expect(trial.fates).to.eql(['x completed x!', 'b completed b!']);
      expect(trial.released).to.eql(['x', 'b']);
      expect(takeReported().flatMap(errorsOf)).to.eql([boom]);
    });

    for (const when of ['synchronously', 'later']) {
      each(`after a failure, ${when}: that is reported, and the job has failed with its own error`, async (form) => {
        const x = new Subject<string>();
        const e = throwError(() => 'e');
        const trial = new Trial(form, { x: () => fails(when === 'later' ? x : e) }).offer('x', 'b');
        if (when === 'later') x.error('e');
        await turn();
        expect(trial.fates[0]).to.equal('x failed e');
        if (form === 'workerPool') expect(trial.ends).to.eql([{ error: 'e' }]);
        else expect(trial.fates[1]).to.equal('b completed b!');
        expect(takeReported().flatMap(errorsOf)).to.eql([boom]);
      });
    }

    each('at an abort: that is reported, and the pool comes to its end', async (form) => {
      const trial = new Trial(form, { x: () => fails(NEVER), y: () => fails(NEVER) }, { workers: 2 }).offer('x', 'y');
      expect(() => trial.shutdown.next('abort')).not.to.throw();
      await turn();
      expect(trial.fates).to.eql(['x aborted settled', 'y aborted settled']);
      expect(trial.ends).to.eql(['complete']);
      expect(takeReported().flatMap(errorsOf)).to.eql([boom, boom]);
    });

    each('at an unsubscription: the other jobs are stopped, and the error is seen', async (form) => {
      const stopped: string[] = [];
      const y = NEVER.pipe(finalize(() => stopped.push('y')));
      const trial = new Trial(form, { x: () => fails(NEVER), y: () => y }, { workers: 2 }).offer('x', 'y');
      let thrown: unknown[] = [];
      try {
        trial.subscription.unsubscribe();
      } catch (error) {
        thrown = errorsOf(error);
      }
      await turn();
      expect(stopped).to.eql(['y']);
      expect([...thrown, ...takeReported().flatMap(errorsOf)]).to.eql([boom]);
    });
  });

  describe('that is an async iterable', () => {
    for (const level of ['abort', 'abandon', 'unsubscription'] as const) {
      each(`is returned at once, and never waited for: ${level}`, async (form) => {
        const x = new Asked();
        const trial = new Trial(form, { x: () => x }).offer('x');
        if (level === 'unsubscription') trial.subscription.unsubscribe();
        else trial.shutdown.next(level);
        expect(x.calls).to.eql(['next', 'return']);
        expect(trial.fates).to.eql(['x aborted settled']);
        expect(trial.ends).to.eql(level === 'unsubscription' ? [] : ['complete']);
        x.item.resolve({ done: false, value: 'late' });
        await turn();
        expect(x.calls).to.eql(['next', 'return']);
        expect(trial.values).to.eql(form === 'workerPool' || level === 'unsubscription' ? [] : ['x aborted settled']);
      });
    }

    each('whose return rejects is reported, and nobody else notices', async (form) => {
      const e = new Error('return');
      const trial = new Trial(form, { x: () => new Asked(() => Promise.reject(e)) }).offer('x');
      trial.shutdown.next('abort');
      await turn();
      await turn();
      expect(trial.fates).to.eql(['x aborted settled']);
      expect(takeReported()).to.eql([e]);
    });

    for (const end of ['ends', 'fails'] as const) {
      each(`is not returned when it ${end} by itself`, async (form) => {
        const x = new Asked();
        const trial = new Trial(form, { x: () => x }).offer('x');
        if (end === 'ends') x.item.resolve({ done: true, value: undefined });
        else x.item.reject('e');
        await turn();
        expect(x.calls).to.eql(['next']);
        expect(trial.fates).to.eql([end === 'ends' ? 'x completed undefined' : 'x failed e']);
      });
    }

    each('may be a generator that cleans up after itself in its own time', async (form) => {
      const log: string[] = [];
      const gate = new Deferred();
      async function* x(): AsyncGenerator<string> {
        try {
          yield 'v';
          await gate.promise;
          yield 'late';
        } finally {
          log.push('finally');
        }
      }
      const trial = new Trial(form, { x }).offer('x');
      await turn();
      trial.shutdown.next('abort');
      expect(trial.ends).to.eql(['complete']);
      expect(log).to.eql([]);
      gate.resolve();
      await turn();
      expect(log).to.eql(['finally']);
      expect(trial.fates).to.eql(['x aborted settled']);
    });

    it('may be a ReadableStream, which is cancelled at an abort', async () => {
      const log: string[] = [];
      const x = new ReadableStream<string>({
        start: (controller) => controller.enqueue('v'),
        cancel: () => (log.push('cancel'), new Promise(() => undefined)),
      });
      const next = (): void => trial.shutdown.next('abort');
      const trial: Trial = new Trial('workerPool', { x: () => x }, {}, { next });
      trial.offer('x');
      await turn();
      expect(log).to.eql(['cancel']);
      expect(trial.values).to.eql(['v']);
      expect(trial.fates).to.eql(['x aborted settled']);
      expect(trial.ends).to.eql(['complete']);
    });

    each('may be a ReadableStream that somebody else reads: the job fails', async (form) => {
      const x = new ReadableStream<string>();
      x.getReader();
      const trial = new Trial(form, { x: () => x }).offer('x', 'b');
      await turn();
      expect((trial.outcomes[0] as { error: unknown }).error).to.be.an.instanceOf(TypeError);
      expect(trial.outcomes[0]).to.include({ job: 'x', status: 'failed' });
    });
  });

  // What work does to its own pool, and then returns or throws.
  const afterwards: Record<string, Work> = {
    'returns a value': () => of('v'),
    'returns an Observable that never ends': () => NEVER,
    'returns one that errors': () => throwError(() => 'e'),
    'returns a promise': () => Promise.resolve('v'),
    'returns a promise that rejects': () => Promise.reject(new Error('e')),
    'returns a promise that never settles': () => new Promise(() => undefined),
    'returns a thenable': () => thenable((fulfil) => fulfil('v')),
    'returns a thenable that rejects': () => thenable((_, reject) => reject('e')),
    'returns an array': () => ['v'],
    'returns an async generator': async function* () {
      yield await Promise.resolve('v');
    },
    'returns a string': () => 'v' as never,
    'returns nothing': () => undefined as never,
    throws: () => {
      throw new Error('e');
    },
  };

  describe('that unsubscribes the results', () => {
    for (const [then, work] of Object.entries(afterwards)) {
      each(`and ${then} ends once, emits nothing, and starts nothing`, async (form) => {
        let trial: Trial;
        const raised = await unhandledRejections(() => {
          const x: Work = (job, context) => {
            trial.subscription.unsubscribe();
            return work(job, context);
          };
          trial = new Trial(form, { first: () => NEVER, x }, { workers: 2 });
          trial.offer('first', 'x', 'b');
        });
        expect(raised).to.eql([]);
        expect(trial!.started).to.eql(['first', 'x']);
        expect(trial!.values).to.eql([]);
        expect(trial!.ends).to.eql([]);
        expect(trial!.contexts.map(({ signal }) => signal.aborted)).to.eql([true, true]);
        expect(trial!.released.filter((job) => job === 'x').length).to.be.at.most(1);
        expect(trial!.source.observed).to.equal(false);
      });
    }

    each('tears down what it returns after that', (form) => {
      const log: string[] = [];
      const x: Work = () => {
        trial.subscription.unsubscribe();
        return new Observable((subscriber) => {
          log.push(`subscribed ${subscriber.closed}`);
          return () => log.push('torn down');
        });
      };
      const trial: Trial = new Trial(form, { x });
      trial.offer('x');
      expect(log).to.eql(['subscribed true', 'torn down']);
    });
  });

  describe('that shuts its pool down', () => {
    // How the job ends; at an abort, and where it waits for the abandon that follows, it is aborted.
    const aborted: Record<string, string> = {
      'returns a promise': 'x completed v',
      'returns a thenable': 'x completed v',
      'returns a promise that never settles': 'x aborted abandoned',
    };
    const finished: Record<string, string> = {
      ...aborted,
      'returns a value': 'x completed v',
      'returns one that errors': 'x failed e',
      'returns a promise that rejects': 'x failed Error: e',
      'returns a thenable that rejects': 'x failed e',
      'returns an array': 'x completed v',
      'returns an async generator': 'x completed v',
      'returns a string': 'x failed TypeError',
      'returns nothing': 'x failed TypeError',
      throws: 'x failed Error: e',
    };
    for (const level of LEVELS) {
      for (const [then, work] of Object.entries(afterwards)) {
        each(`with '${level}', and ${then}, ends once`, async (form) => {
          let trial: Trial;
          const raised = await unhandledRejections(async () => {
            const x: Work = (job, context) => {
              trial.shutdown.next(level);
              return work(job, context);
            };
            trial = new Trial(form, { x }, { workers: 1 });
            trial.offer('x', 'b');
            await turn();
            trial.shutdown.next('abandon');
          });
          const { started, outcomes, released, ends } = trial!;
          expect(raised).to.eql([]);
          expect(started).to.eql(['x']);
          expect(outcomes.filter(({ job }) => job === 'x')).to.have.lengthOf(1);
          expect(released).to.eql(['x']);
          expect(ends).to.have.lengthOf(1);
          const fates: Record<string, string | undefined> = { ...(level === 'abort' ? aborted : finished) };
          const fate = level === 'abandon' ? 'x aborted abandoned' : (fates[then] ?? 'x aborted settled');
          expect(trial!.fates.find((told) => told.startsWith('x'))!.slice(0, fate.length)).to.equal(fate);
        });
      }
    }

    each('with abort hears of it by its signal, before it returns', (form) => {
      const reasons: unknown[] = [];
      const x: Work = (_job, { signal }) => {
        trial.shutdown.next('abort');
        reasons.push(signal.reason);
        return NEVER;
      };
      const trial: Trial = new Trial(form, { x });
      trial.offer('x');
      expect(reasons).to.have.lengthOf(1);
      expect(reasons[0]).to.be.an.instanceOf(JobAbortedError).and.include({ job: 'x' });
      expect(trial.fates).to.eql(['x aborted settled']);
    });
  });

  describe('that offers to its own pool', () => {
    each('when it fits: the job runs when the slot is free', (form) => {
      const x: Work = () => {
        trial.offer('b');
        return of('x!');
      };
      const trial: Trial = new Trial(form, { x }, { buffer: 1 });
      trial.offer('x');
      expect(trial.fates).to.eql(['x completed x!', 'b completed b!']);
    });

    each('when it is full: the policy decides', (form) => {
      const x: Work = () => {
        trial.offer('b', 'c');
        return of('x!');
      };
      const trial: Trial = new Trial(form, { x }, { buffer: 1, overflow: 'drop-oldest' });
      trial.offer('x');
      expect(trial.fates).to.eql(['b dropped evicted', 'x completed x!', 'c completed c!']);
    });

    each('when it is closed: nobody hears of the job', (form) => {
      const x: Work = () => {
        trial.shutdown.next('drain');
        trial.offer('b');
        return of('x!');
      };
      const trial: Trial = new Trial(form, { x });
      trial.offer('x');
      expect(trial.fates).to.eql(['x completed x!']);
      expect(trial.ends).to.eql(['complete']);
    });
  });

  it('that calls shutdown and awaits it ends at the deadline', async () => {
    const jobs: BackgroundJobs<string, unknown> = new BackgroundJobs(
      (_job: string): Promise<unknown> => jobs.shutdown('drain', { deadline: 0, abortGrace: 0 }),
      { workers: 1, buffer: 0 },
    );
    const fate = fateOf(jobs.submit('x'));
    const { level, abandoned } = await jobs.ended;
    expect(level).to.equal('abandon');
    expect(abandoned).to.eql(['x']);
    await turn();
    expect(fate.value).to.be.an.instanceOf(JobAbortedError);
  });
});

function errorsOf(error: unknown): unknown[] {
  return error instanceof UnsubscriptionError ? (error.errors as unknown[]).flatMap(errorsOf) : [error];
}

describe('hostile sources', () => {
  const run = (form: string, source: Observable<string>, work: Work = () => of('v'), config: Partial<Config> = {}) => {
    const log: string[] = [];
    const pool = forms[form]!(work, { workers: 1, buffer: 10, ...config });
    const subscription = source.pipe(pool).subscribe({
      next: () => log.push('next'),
      error: (error: unknown) => log.push(`error ${String(error)}`),
      complete: () => log.push('complete'),
    });
    return { log, subscription };
  };

  each('that are synchronous and endless start exactly three jobs under take(3)', (form) => {
    let started = 0;
    let asked = 0;
    const source = range(0, Infinity).pipe(tap(() => asked++));
    const pool = forms[form]!(() => (started++, of('v')), { workers: 2, buffer: 0 });
    (source as Observable<never>).pipe(pool, take(3)).subscribe();
    expect(started).to.equal(3);
    expect(asked).to.equal(3);
  });

  each('that go on after their end are not heard of', (form) => {
    const source = new Observable<string>((subscriber) => {
      subscriber.next('a');
      subscriber.complete();
      /* eslint-disable rxjs-x/no-redundant-notify -- that is the subject */
      subscriber.next('b');
      subscriber.error('e');
      subscriber.complete();
      /* eslint-enable rxjs-x/no-redundant-notify */
    });
    expect(run(form, source).log).to.eql(['next', 'complete']);
  });

  each('that go on after they were unsubscribed are not heard of', (form) => {
    let observer!: Observer<string>;
    const source = new Observable<string>((subscriber) => void (observer = subscriber));
    const { log, subscription } = run(form, source);
    observer.next('a');
    subscription.unsubscribe();
    observer.next('b');
    observer.error('e');
    expect(log).to.eql(['next']);
  });

  each('that are empty complete, and start nothing', (form) => {
    expect(run(form, EMPTY, () => expect.fail('work was called')).log).to.eql(['complete']);
  });

  each('that error with work in flight do so at once, or when outcomes are told, after it', (form) => {
    const job = new Subject<string>();
    const source = new Subject<string>();
    const { log } = run(form, source, () => job);
    source.next('a');
    source.next('b');
    source.error('e');
    expect(log).to.eql(form === 'workerPool' ? ['error e'] : []);
    expect(job.observed).to.equal(form === 'workerPoolSettled');
    job.complete();
    expect(log).to.eql(form === 'workerPool' ? ['error e'] : ['next', 'next', 'error e']);
  });

  each('that throw in subscribe are sources that error', (form) => {
    const source = new Observable<string>((subscriber) => {
      subscriber.next('a');
      throw 'e';
    });
    expect(run(form, source).log).to.eql(['next', 'error e']);
  });

  const teardowns = ['unsubscription', 'completion'] as const;
  for (const teardown of teardowns) {
    each(`that throw in their teardown are seen as with mergeMap: ${teardown}`, async (form) => {
      const stop = (pool: (source: Observable<string>) => Observable<unknown>) => {
        const log: unknown[] = [];
        const source = new Observable<string>((subscriber) => {
          ends.subscribe(subscriber);
          return () => {
            throw new Error('teardown');
          };
        });
        const ends = new Subject<string>();
        const results = source.pipe(pool).subscribe({
          error: (error: unknown) => log.push(error),
          complete: () => log.push('complete'),
        });
        try {
          if (teardown === 'completion') ends.complete();
          else results.unsubscribe();
        } catch (error) {
          log.push(...errorsOf(error).map(String));
        }
        return log;
      };
      const logs = [forms[form]!(() => of('v'), { workers: 1, buffer: 1 }), mergeMap(() => of('v'))].map(stop);
      await turn();
      const reported = takeReported().flatMap(errorsOf).map(String);
      expect(logs[0]).to.eql(logs[1]);
      expect(reported.slice(0, reported.length / 2)).to.eql(reported.slice(reported.length / 2));
    });
  }

  each('that offer from a hook which hears of a loss never find more than the buffer holds', (form) => {
    const waiting = new Set<string>();
    let most = 0;
    const hooks = {
      accepted: (job: string) => {
        waiting.add(job);
        most = Math.max(most, waiting.size);
      },
      started: (job: string) => waiting.delete(job),
      settled: ({ job }: JobOutcome<string, unknown>) => {
        waiting.delete(job);
        if (job.length < 5) trial.offer(`${job}'`);
      },
    };
    const trial: Trial = new Trial(form, { x: () => NEVER }, { buffer: 1, overflow: 'drop-oldest', hooks });
    trial.offer('x', 'b', 'c');
    expect(most).to.equal(1);
    expect(waiting.size).to.equal(1);
    expect(trial.started).to.eql(['x']);
    trial.subscription.unsubscribe();
  });

  each('of two subscriptions share nothing', (form) => {
    const pool = forms[form]!(() => NEVER, { workers: 1, buffer: 1 });
    const ends: unknown[] = [];
    for (const n of [1, 2]) {
      const source = new Subject<string>();
      const results = source.pipe(pool).subscribe({ error: () => ends.push(n) });
      source.next('a');
      source.next('b');
      results.unsubscribe();
    }
    expect(ends).to.eql([]);
  });
});

describe('hostile observers', () => {
  each('that throw in next are reported, and the next job runs', async (form) => {
    const e = new Error('observer');
    let heard = 0;
    const trial: Trial = new Trial(
      form,
      {},
      {},
      {
        next: () => {
          heard++;
          throw e;
        },
      },
    );
    trial.offer('a', 'b', 'c');
    trial.source.complete();
    await turn();
    expect(heard).to.equal(3);
    expect(trial.fates).to.eql(['a completed a!', 'b completed b!', 'c completed c!']);
    expect(trial.released).to.eql(['a', 'b', 'c']);
    expect(trial.ends).to.eql(['complete']);
    expect(takeReported()).to.eql([e, e, e]);
  });

  for (const kind of ['an Observable', 'a promise'] as const) {
    each(`that unsubscribe at the first value hear no second one, and nothing more starts: ${kind}`, async (form) => {
      const works = Object.fromEntries(
        ['a', 'b', 'c'].map((job) => [job, () => (kind === 'a promise' ? Promise.resolve(job) : of(job, job))]),
      );
      const trial: Trial = new Trial(form, works, {}, { next: () => trial.subscription.unsubscribe() });
      trial.offer('a', 'b', 'c');
      await turn();
      expect(trial.values).to.have.lengthOf(1);
      expect(trial.started).to.eql(['a']);
      expect(trial.ends).to.eql([]);
      expect(trial.source.observed).to.equal(false);
    });
  }

  each('that unsubscribe in the middle of a drain end it there', (form) => {
    const first = new Subject<string>();
    const jobs = ['b', 'c', 'd', 'e'];
    const trial: Trial = new Trial(
      form,
      { first: () => first },
      {},
      {
        next: () => {
          if (trial.values.length === 2) trial.subscription.unsubscribe();
        },
      },
    );
    trial.offer('first', ...jobs);
    trial.source.complete();
    first.next('v');
    first.complete();
    expect(trial.started).to.eql(['first', 'b']);
    expect(trial.values).to.have.lengthOf(2);
    expect(trial.ends).to.eql([]);
  });

  each('that offer from next have their job run in its turn', (form) => {
    const trial: Trial = new Trial(
      form,
      {},
      {},
      {
        next: () => {
          if (trial.values.length < 3) trial.offer('again');
        },
      },
    );
    trial.offer('a');
    expect(trial.started).to.eql(['a', 'again', 'again']);
    expect(trial.fates).to.have.lengthOf(3);
  });

  each('hear nothing after the end, whatever work does then', async (form) => {
    const jobs = ['a', 'b', 'c'].map((name) => ({
      name,
      stream: new Subject<unknown>(),
      later: new Deferred<unknown>(),
    }));
    const works = Object.fromEntries(
      jobs.map(({ name, stream, later }) => [
        name,
        () => (name === 'c' ? later.promise : merge(stream, concat(NEVER))),
      ]),
    );
    const trial = new Trial(form, works, { workers: 3 }).offer('a', 'b', 'c');
    trial.shutdown.next('abandon');
    const before = [...trial.values];
    for (const { stream, later } of jobs) {
      stream.next('late');
      stream.error('late');
      later.resolve('late');
    }
    await turn();
    expect(trial.values).to.eql(before);
    expect(trial.ends).to.eql(['complete']);
    expect(trial.outcomes).to.have.lengthOf(3);
  });

  for (const how of ['throws', 'rejects'] as const) {
    each(`as hooks: one that ${how} is reported, and nobody else notices`, async (form) => {
      const e = new Error('hook');
      const seen: string[] = [];
      const bad = (): unknown => {
        if (how === 'throws') throw e;
        return Promise.reject(e);
      };
      const events = ['accepted', 'started', 'settled', 'released'] as const;
      const hooks = [
        Object.fromEntries(events.map((event) => [event, bad])),
        Object.fromEntries(events.map((event) => [event, () => seen.push(event)])),
      ];
      const trial = new Trial(form, {}, { hooks }).offer('a');
      await turn();
      await turn();
      expect(seen).to.eql(events);
      expect(trial.values).to.eql([form === 'workerPool' ? 'a!' : 'a completed a!']);
      expect(takeReported()).to.eql([e, e, e, e]);
    });
  }

  each('an Observable whose own subscribe() throws: its job fails', (form) => {
    class Broken extends Observable<string> {
      override subscribe(): never {
        throw e;
      }
    }
    const e = new Error('subscribe');
    expect(new Trial(form, { a: () => new Broken() }).offer('a').fates).to.eql(['a failed Error: subscribe']);
  });
});
