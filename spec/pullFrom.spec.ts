import { expect } from 'chai';
import { EMPTY, finalize, from, map, NEVER, Observable, of, Subject, take, toArray } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { pullFrom, workerPool } from '../src/index.js';
import type { JobOutcome, PoolConfig, ShutdownLevel } from '../src/index.js';
import { Accounts } from './support/accounts.js';
import { takeReported, turn } from './support/guard.js';
import { marbles } from './support/marbles.js';

const LEVELS: readonly ShutdownLevel[] = ['drain', 'discard', 'abort', 'abandon'];

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
class Numbers extends Asked implements Iterable<number> {
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
class AsyncNumbers extends Asked implements AsyncIterable<number> {
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
class Feed extends Asked implements AsyncIterable<string> {
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
class Jobs<J> {
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

/** A stream of the numbers from 0, which makes one when it is read and none ahead. */
function streamOfNumbers(length = Infinity): {
  stream: ReadableStream<number>;
  made: () => number;
  cancels: unknown[];
} {
  const cancels: unknown[] = [];
  let made = 0;
  const stream = new ReadableStream<number>(
    {
      pull(controller) {
        if (made < length) controller.enqueue(made++);
        else controller.close();
      },
      cancel: (reason) => void cancels.push(reason),
    },
    { highWaterMark: 0 },
  );
  return { stream, made: () => made, cancels };
}

/** As in a browser that has not made it async iterable yet. */
function withoutIterator<T>(stream: ReadableStream<T>): ReadableStream<T> {
  return Object.defineProperty(stream, Symbol.asyncIterator, { value: undefined });
}

/** Subscribes, and tells all that comes. */
function collect<T>(source: Observable<T>): { values: T[]; end: () => unknown; unsubscribe: () => void } {
  const values: T[] = [];
  let end: unknown;
  const subscription = source.subscribe({
    next: (value) => values.push(value),
    error: (error: unknown) => (end = error),
    complete: () => (end = 'complete'),
  });
  return { values, end: () => end, unsubscribe: () => subscription.unsubscribe() };
}

const BOUNDS = [
  { workers: 1, buffer: 0 },
  { workers: 1, buffer: 5 },
  { workers: 3, buffer: 0 },
  { workers: 4, buffer: 16 },
] as const;

describe('pullFrom', () => {
  describe('an iterable', () => {
    it('is asked when a job may start: two workers, four items, jobs of four frames', () =>
      marbles(({ cold, expectObservable }) => {
        const items = ['a', 'b', 'c', 'd'];
        const job = '           ----|     ';
        const expected = '      (ab)(cd)|';
        const taken = new Observable<string>((subscriber) => {
          const work = (item: string): Observable<string> => (subscriber.next(item), cold(job));
          return pullFrom(items)
            .pipe(workerPool(work, { workers: 2, buffer: 0 }))
            .subscribe(subscriber);
        });
        expectObservable(taken).toBe(expected);
      }));

    for (const { workers, buffer } of [...BOUNDS, { workers: 2, buffer: Infinity }]) {
      it(`is never read ahead, and leaves no worker idle: workers ${workers}, buffer ${buffer}`, () => {
        const jobs = new Jobs<number>();
        const ahead: number[] = [];
        const numbers = new Numbers(100, (n) => ahead.push(n - jobs.ended));
        const results = collect(pullFrom(numbers).pipe(workerPool(jobs.work, { workers, buffer })));
        while (jobs.running.size > 0) {
          expect(jobs.running.size).to.equal(Math.min(workers, 100 - jobs.ended));
          jobs.completeAny();
        }
        expect(Math.max(...ahead)).to.equal(workers - 1);
        expect(jobs.started).to.eql(Array.from({ length: 100 }, (_, i) => i));
        expect(results.end()).to.equal('complete');
        expect(numbers.nexts).to.equal(101);
      });
    }

    it('is asked when the finalizers of the job before have run', () => {
      const log: string[] = [];
      const numbers = new Numbers(2, (n) => log.push(`next ${n}`));
      const work = (n: number): Observable<number> => of(n).pipe(finalize(() => log.push(`finalized ${n}`)));
      collect(pullFrom(numbers).pipe(workerPool(work, { workers: 1, buffer: 3 })));
      expect(log).to.eql(['next 0', 'finalized 0', 'next 1', 'finalized 1', 'next 2']);
    });

    it('is not asked before the results are subscribed, and then each time anew', () => {
      const numbers = new Numbers(3);
      const results$ = pullFrom(numbers).pipe(workerPool((n) => of(n), { workers: 2, buffer: 0 }));
      expect(numbers.nexts).to.equal(0);
      const again = [1, 2, 3];
      const results = pullFrom(again).pipe(workerPool((n) => of(n), { workers: 2, buffer: 0 }));
      expect([collect(results).values, collect(results).values]).to.eql([again, again]);
      collect(results$);
      expect(numbers.nexts).to.equal(4);
    });

    it('may be empty', () => {
      const results = collect(pullFrom(new Set<number>()).pipe(workerPool((n) => of(n), { workers: 1, buffer: 0 })));
      expect([results.values, results.end()]).to.eql([[], 'complete']);
    });

    it('may be endless, under take: as many are asked for as are taken', () => {
      const log: string[] = [];
      function* endless(): Generator<number> {
        try {
          for (let n = 0; ; n++) {
            log.push(`made ${n}`);
            yield n;
          }
        } finally {
          log.push('returned');
        }
      }
      const results = collect(
        pullFrom(endless()).pipe(
          workerPool((n) => of(n), { workers: 5, buffer: 5 }),
          take(3),
        ),
      );
      expect(results.values).to.eql([0, 1, 2]);
      expect(log).to.eql(['made 0', 'made 1', 'made 2', 'returned']);
    });

    for (const workers of [1, 1000]) {
      it(`gives a million synchronous jobs on a flat stack: workers ${workers}`, () => {
        let seen = 0;
        const numbers = new Numbers(1e6);
        pullFrom(numbers)
          .pipe(workerPool((n) => of(n), { workers, buffer: 0 }))
          .subscribe(() => seen++);
        expect(seen).to.equal(1e6);
      });

      it(`gives a hundred thousand synchronous jobs behind ones that run, on a flat stack: workers ${workers}`, () => {
        const gate = new Subject<number>();
        let seen = 0;
        pullFrom(new Numbers(1e5))
          .pipe(workerPool((n) => (n < workers ? gate : of(n)), { workers, buffer: 0 }))
          .subscribe(() => seen++);
        expect(seen).to.equal(0);
        gate.complete();
        expect(seen).to.equal(1e5 - workers);
      });
    }
  });

  describe('an async iterable', () => {
    for (const { workers, buffer } of BOUNDS) {
      it(`is read up to the buffer ahead, one item at a time: workers ${workers}, buffer ${buffer}`, async () => {
        const jobs = new Jobs<number>();
        const ahead: number[] = [];
        const numbers = new AsyncNumbers(60, (n) => ahead.push(n - jobs.ended));
        const results = collect(pullFrom(numbers).pipe(workerPool(jobs.work, { workers, buffer })));
        await turn();
        while (jobs.running.size > 0) {
          expect(numbers.nexts).to.equal(Math.min(jobs.ended + workers + buffer, 61));
          expect(jobs.running.size).to.equal(Math.min(workers, 60 - jobs.ended));
          jobs.completeAny();
          await turn();
        }
        expect(Math.max(...ahead)).to.equal(workers + buffer - 1);
        expect(numbers.most).to.equal(1);
        expect(jobs.started).to.eql(Array.from({ length: 60 }, (_, i) => i));
        expect(results.end()).to.equal('complete');
      });
    }

    it('is asked once while an item is on its way, whatever happens meanwhile', async () => {
      const jobs = new Jobs<string>();
      const feed = new Feed();
      collect(pullFrom(feed).pipe(workerPool(jobs.work, { workers: 2, buffer: 2 })));
      feed.arrive('a');
      await turn();
      expect(feed.nexts).to.equal(2);
      jobs.complete('a');
      await turn();
      expect(feed.nexts).to.equal(2);
      feed.arrive('b');
      await turn();
      expect([feed.nexts, jobs.started]).to.eql([3, ['a', 'b']]);
    });

    it('may be endless, under take: as many are asked for as are taken', async () => {
      const numbers = new AsyncNumbers(Infinity);
      const results = collect(
        pullFrom(numbers).pipe(
          workerPool((n) => of(n), { workers: 2, buffer: 3 }),
          take(3),
        ),
      );
      await turn();
      expect([results.values, results.end(), numbers.returns]).to.eql([[0, 1, 2], 'complete', 1]);
      expect(numbers.nexts).to.equal(3);
    });

    it('may answer with an item instead of a promise', async () => {
      const numbers = new Numbers(3);
      const iterable = { [Symbol.asyncIterator]: () => numbers[Symbol.iterator]() as unknown as AsyncIterator<number> };
      const results = collect(pullFrom(iterable).pipe(workerPool((n) => of(n), { workers: 1, buffer: 0 })));
      await turn();
      expect([results.values, results.end()]).to.eql([[0, 1, 2], 'complete']);
    });

    it('is preferred to an iterable, where it is both', async () => {
      const both = Object.assign(new AsyncNumbers(2), { [Symbol.iterator]: () => ['wrong'][Symbol.iterator]() });
      const results = collect(pullFrom(both).pipe(workerPool((n) => of(n), { workers: 1, buffer: 0 })));
      await turn();
      expect(results.values).to.eql([0, 1]);
    });
  });

  describe('a ReadableStream', () => {
    for (const [form, shape] of [
      ['that is async iterable', (stream: ReadableStream<number>) => stream],
      ['that is not async iterable yet', withoutIterator],
    ] as const) {
      it(`${form} is read up to the buffer ahead, and cancelled when the results are unsubscribed`, async () => {
        const { stream, made, cancels } = streamOfNumbers();
        const jobs = new Jobs<number>();
        const results = collect(pullFrom(shape(stream)).pipe(workerPool(jobs.work, { workers: 2, buffer: 3 })));
        await turn();
        expect([made(), jobs.started]).to.eql([5, [0, 1]]);
        jobs.complete(1);
        await turn();
        expect([made(), jobs.started]).to.eql([6, [0, 1, 2]]);
        results.unsubscribe();
        await turn();
        expect([made(), cancels.length]).to.eql([6, 1]);
      });

      it(`${form} ends the intake when it closes, and is not cancelled`, async () => {
        const { stream, cancels } = streamOfNumbers(3);
        const results = collect(pullFrom(shape(stream)).pipe(workerPool((n) => of(n), { workers: 1, buffer: 0 })));
        await turn();
        expect([results.values, results.end(), cancels.length]).to.eql([[0, 1, 2], 'complete', 0]);
      });

      it(`${form} gives the same to any other subscriber`, async () => {
        const { stream, cancels } = streamOfNumbers();
        const results = collect(pullFrom(shape(stream)).pipe(take(3)));
        await turn();
        expect([results.values, results.end(), cancels.length]).to.eql([[0, 1, 2], 'complete', 1]);
      });
    }

    it('that somebody else reads is an error of the source', () => {
      const { stream } = streamOfNumbers();
      stream.getReader();
      const results = collect(
        pullFrom(withoutIterator(stream)).pipe(workerPool((n) => of(n), { workers: 1, buffer: 0 })),
      );
      expect(results.end()).to.be.instanceOf(TypeError);
    });
  });

  describe('the end', () => {
    interface Way {
      readonly returns: number;
      readonly config?: Partial<PoolConfig<number, number>>;
      readonly take?: number;
      readonly length?: number;
      readonly onNext?: (n: number) => void;
      readonly work?: (n: number) => ObservableInput<number>;
      /** What has happened, when two jobs run. */
      readonly act?: (results: { unsubscribe: () => void }, shutdown: Subject<ShutdownLevel>) => void;
    }
    const fails = (n: number): Observable<number> => {
      if (n === 1) throw new Error('work');
      return NEVER;
    };
    const ways: Record<string, Way> = {
      'the iterator ends': { returns: 0, length: 2, work: (n) => of(n) },
      'it is empty': { returns: 0, length: 0 },
      'the iterator fails': {
        returns: 0,
        onNext: (n) => {
          if (n === 1) throw new Error('next');
        },
      },
      'the results are unsubscribed': { returns: 1, act: (results) => results.unsubscribe() },
      'enough is taken': { returns: 1, take: 1, work: (n) => of(n) },
      'a job fails': { returns: 1, work: fails },
      'the notifier fails': { returns: 1, act: (_, shutdown) => shutdown.error(new Error('notifier')) },
    };
    for (const level of LEVELS) {
      ways[`the pool is shut down: ${level}`] = { returns: 1, act: (_, shutdown) => shutdown.next(level) };
    }
    for (const [
      way,
      { returns, take: most = Infinity, length = Infinity, onNext, work = () => NEVER, act },
    ] of Object.entries(ways)) {
      for (const Source of [Numbers, AsyncNumbers]) {
        const kind = Source === Numbers ? 'an iterator' : 'an async iterator';
        it(`calls return() of ${kind} ${returns === 1 ? 'once' : 'never'} when ${way}`, async () => {
          const numbers = new Source(length, onNext);
          const shutdown = new Subject<ShutdownLevel>();
          const results = collect(
            pullFrom<number>(numbers).pipe(workerPool(work, { workers: 2, buffer: 0, shutdown }), take(most)),
          );
          await turn();
          act?.(results, shutdown);
          const asked = numbers.nexts;
          expect(numbers.returns).to.equal(returns);
          await turn();
          results.unsubscribe();
          shutdown.next('abandon');
          await turn();
          expect(numbers.returns).to.equal(returns);
          expect(numbers.nexts).to.equal(asked);
        });
      }
    }

    /** What ends the intake in the middle of handing an item over: from inside its work, or of its result. */
    const meanwhile: Record<string, readonly [work: (n: number) => ObservableInput<number>, take: number]> = {
      'its result is the last that is taken': [(n) => of(n), 3],
      'its job fails': [(n) => (n === 2 ? fails(1) : of(n)), Infinity],
    };
    for (const level of LEVELS) meanwhile[`its work shuts the pool down: ${level}`] = [(n) => of(n), Infinity];
    for (const [way, [work, most]] of Object.entries(meanwhile)) {
      for (const Source of [Numbers, AsyncNumbers]) {
        const kind = Source === Numbers ? 'an iterator' : 'an async iterator';
        it(`asks ${kind} for nothing more when ${way}`, async () => {
          const numbers = new Source(Infinity);
          const shutdown = new Subject<ShutdownLevel>();
          const level = LEVELS.find((name) => way.endsWith(name));
          const pool = workerPool(
            (n: number) => {
              if (n === 2 && level !== undefined) shutdown.next(level);
              return work(n);
            },
            { workers: 1, buffer: 2, shutdown },
          );
          const results = collect(pullFrom<number>(numbers).pipe(pool, take(most)));
          await turn();
          expect(results.end()).not.to.equal(undefined);
          expect([numbers.nexts, numbers.returns]).to.eql([3, 1]);
        });
      }
    }

    it('asks for nothing more when an item that is handed over unsubscribes the results: three workers', () => {
      const jobs = new Jobs<number>();
      const stop = new Subject<void>();
      const returnsAtNext: number[] = [];
      const numbers = new Numbers(Infinity, (n) => {
        returnsAtNext.push(numbers.returns);
        if (n === 3) for (const job of [1, 2]) jobs.complete(job);
      });
      const work = (n: number): Observable<number> => {
        if (n === 3) stop.next();
        return jobs.work(n);
      };
      new Observable<number>((subscriber) => {
        stop.subscribe(() => subscriber.unsubscribe());
        pullFrom(numbers)
          .pipe(workerPool(work, { workers: 3, buffer: 0 }))
          .subscribe(subscriber);
      }).subscribe();
      jobs.complete(0);
      // The fifth was asked for before the fourth was started.
      expect(returnsAtNext).to.eql([0, 0, 0, 0, 0]);
      expect(numbers.returns).to.equal(1);
    });

    for (const done of [1, 'yes', {}]) {
      for (const direct of [true, false]) {
        const by = direct ? 'pullFrom itself' : 'a pool';
        it(`is whatever is truthy, as the language has it: ${typeof done}, by ${by}`, async () => {
          for (const isAsync of [false, true]) {
            let [n, returns] = [0, 0];
            const iterator = {
              next: () => ({ done: n++ > 2 ? done : 0, value: n }),
              return: () => ({ done: true, value: void returns++ }),
            };
            const iterable = { [isAsync ? Symbol.asyncIterator : Symbol.iterator]: () => iterator };
            const items = pullFrom<number>(iterable as unknown as Iterable<number>);
            const pool = workerPool((x: number) => of(x), { workers: 1, buffer: 0 });
            // Bounded, so that a spec that fails also ends.
            const results = collect((direct ? items : items.pipe(pool)).pipe(take(9)));
            await turn();
            expect([results.values, results.end(), returns]).to.eql([[1, 2, 3], 'complete', 0]);
          }
        });
      }
    }

    it('runs the finally of a generator', () => {
      const log: string[] = [];
      function* letters(): Generator<string> {
        try {
          yield 'a';
          yield 'b';
        } finally {
          log.push('finally');
        }
      }
      const results = collect(pullFrom(letters()).pipe(workerPool(() => NEVER, { workers: 1, buffer: 0 })));
      results.unsubscribe();
      expect(log).to.eql(['finally']);
    });

    it('needs no return()', async () => {
      for (const iterable of [
        { [Symbol.iterator]: () => ({ next: () => ({ value: 1 }) }) },
        { [Symbol.asyncIterator]: () => ({ next: async () => ({ value: 1 }) }) },
      ]) {
        const pool = workerPool(() => NEVER, { workers: 1, buffer: 0 });
        collect(pullFrom<number>(iterable as Iterable<number>).pipe(pool)).unsubscribe();
      }
      await turn();
    });

    it('reports what return() throws or rejects with, and nobody else notices', async () => {
      const next = (): { value: number } => ({ value: 1 });
      const returns = (): never => {
        throw new Error('return');
      };
      const pool = workerPool((n: number) => of(n), { workers: 1, buffer: 0 });
      const iterables = [
        { [Symbol.iterator]: () => ({ next, return: returns }) },
        { [Symbol.asyncIterator]: () => ({ next: async () => next(), return: async () => returns() }) },
      ];
      for (const iterable of iterables) {
        const results = collect(pullFrom<number>(iterable as Iterable<number>).pipe(pool, take(1)));
        await turn();
        await turn();
        expect([results.values, results.end()]).to.eql([[1], 'complete']);
        expect(takeReported().map(String)).to.eql(['Error: return']);
      }
    });

    for (const level of LEVELS) {
      it(`is not held up by a next() and a return() that never settle: ${level}`, async () => {
        const jobs = new Jobs<string>();
        const feed = new Feed();
        const shutdown = new Subject<ShutdownLevel>();
        const results = collect(pullFrom(feed).pipe(workerPool(jobs.work, { workers: 2, buffer: 0, shutdown })));
        feed.arrive('a');
        await turn();
        shutdown.next(level);
        if (level === 'drain' || level === 'discard') jobs.complete('a');
        expect([results.end(), feed.nexts, feed.returns]).to.eql(['complete', 2, 1]);
      });
    }

    it('is not held up by a stream whose cancel() never settles', async () => {
      const never = new Promise<void>(() => undefined);
      const stream = new ReadableStream<number>({ pull: () => never, cancel: () => never });
      const shutdown = new Subject<void>();
      const results = collect(
        pullFrom(withoutIterator(stream)).pipe(workerPool((n) => of(n), { workers: 1, buffer: 0, shutdown })),
      );
      await turn();
      shutdown.next();
      expect(results.end()).to.equal('complete');
    });
  });

  describe('an item on its way', () => {
    /** `a` runs and `b` has been asked for. */
    async function setUp(workers = 2): Promise<{
      jobs: Jobs<string>;
      feed: Feed;
      shutdown: Subject<ShutdownLevel>;
      accounts: Accounts<string, string>;
      results: ReturnType<typeof collect<string>>;
    }> {
      const jobs = new Jobs<string>();
      const feed = new Feed();
      const shutdown = new Subject<ShutdownLevel>();
      const accounts = new Accounts<string, string>({ workers, buffer: 1 });
      const pool = workerPool(jobs.work, { workers, buffer: 1, shutdown, hooks: accounts });
      const results = collect(pullFrom(feed).pipe(pool));
      feed.arrive('a');
      await turn();
      expect([feed.nexts, jobs.started]).to.eql([2, ['a']]);
      return { jobs, feed, shutdown, accounts, results };
    }

    it('is run when it arrives during the drain', async () => {
      const { jobs, feed, shutdown, accounts, results } = await setUp();
      shutdown.next('drain');
      feed.arrive('b');
      await turn();
      jobs.complete('a');
      expect(jobs.started).to.eql(['a', 'b']);
      jobs.complete('b');
      expect([results.values, results.end()]).to.eql([['a', 'b'], 'complete']);
      accounts.settle();
      expect(accounts.breaches).to.eql([]);
      expect([accounts.completed, accounts.refused, feed.nexts]).to.eql([2, 0, 2]);
    });

    it('is run when it arrives during the drain of one busy worker', async () => {
      const { jobs, feed, shutdown, results } = await setUp(1);
      shutdown.next('drain');
      feed.arrive('b');
      await turn();
      jobs.complete('a');
      jobs.complete('b');
      expect([results.values, results.end(), feed.nexts]).to.eql([['a', 'b'], 'complete', 2]);
    });

    it('is refused as closed when it arrives after the drain', async () => {
      const { jobs, feed, shutdown, accounts, results } = await setUp();
      shutdown.next('drain');
      jobs.complete('a');
      expect(results.end()).to.equal('complete');
      feed.arrive('b');
      await turn();
      accounts.settle();
      expect(accounts.log.slice(-2)).to.eql(['settled b closed', 'the end']);
      expect([accounts.breaches, accounts.refused, jobs.started]).to.eql([[], 1, ['a']]);
    });

    for (const level of LEVELS.slice(1)) {
      it(`is refused as closed when it arrives during a harder shutdown: ${level}`, async () => {
        const { jobs, feed, shutdown, accounts } = await setUp();
        shutdown.next(level);
        feed.arrive('b');
        await turn();
        expect(accounts.log).to.include('settled b closed');
        expect([accounts.breaches, accounts.refused, jobs.started]).to.eql([[], 1, ['a']]);
        if (level === 'discard') jobs.complete('a');
      });
    }

    it('is refused as closed when it arrives after the results were unsubscribed', async () => {
      const { jobs, feed, accounts, results } = await setUp();
      results.unsubscribe();
      feed.arrive('b');
      await turn();
      accounts.settle();
      expect([accounts.breaches, accounts.refused, accounts.aborted, jobs.started]).to.eql([[], 1, 1, ['a']]);
    });

    it('may turn out to be the end, or a failure, and then nobody hears of it', async () => {
      for (const settle of [(feed: Feed) => feed.end(), (feed: Feed) => feed.fail(new Error('late'))]) {
        const { jobs, feed, shutdown, results } = await setUp();
        shutdown.next('drain');
        settle(feed);
        await turn();
        expect(results.end()).to.equal(undefined);
        jobs.complete('a');
        expect([results.values, results.end()]).to.eql([['a'], 'complete']);
      }
    });
  });

  describe('errors', () => {
    const error = new Error('source');
    const fail = (): never => {
      throw error;
    };

    it('gives what next() throws to the results, and stops what runs: at the first item', () => {
      const results = collect(pullFrom(new Numbers(3, fail)).pipe(workerPool(() => NEVER, { workers: 2, buffer: 0 })));
      expect(results.end()).to.equal(error);
    });

    it('gives what next() throws to the results, and stops what runs: when a worker is free again', () => {
      const jobs = new Jobs<number>();
      const log: string[] = [];
      const work = (n: number): Observable<number> => jobs.work(n).pipe(finalize(() => log.push(`finalized ${n}`)));
      const numbers = new Numbers(9, (n) => n === 2 && fail());
      const results = collect(pullFrom(numbers).pipe(workerPool(work, { workers: 2, buffer: 0 })));
      jobs.complete(0);
      expect([results.values, results.end()]).to.eql([[0], error]);
      expect(log).to.eql(['finalized 0', 'finalized 1']);
      expect(numbers.nexts).to.equal(3);
    });

    it('gives what an async next() rejects with to the results, and stops what runs', async () => {
      const log: string[] = [];
      const feed = new Feed();
      const work = (): Observable<never> => NEVER.pipe(finalize(() => log.push('finalized')));
      const results = collect(pullFrom(feed).pipe(workerPool(work, { workers: 2, buffer: 0 })));
      feed.arrive('a');
      await turn();
      feed.fail(error);
      await turn();
      expect([results.end(), log, feed.nexts, feed.returns]).to.eql([error, ['finalized'], 2, 0]);
    });

    it('takes an async next() that throws for one that rejects', () => {
      let nexts = 0;
      const next = (): never => (nexts++, fail());
      const pool = workerPool(() => NEVER, { workers: 2, buffer: 1 });
      const results = collect(pullFrom({ [Symbol.asyncIterator]: () => ({ next }) }).pipe(pool));
      expect([results.end(), nexts]).to.eql([error, 1]);
    });

    const unreadable = {
      get done(): boolean {
        throw error;
      },
    };
    for (const [what, garbage] of [
      ['undefined', undefined],
      ['null', null],
      ['5', 5],
      ["'done'", 'done'],
      ['an object that cannot be read', unreadable],
    ] as const) {
      for (const first of [true, false]) {
        const when = first ? 'at the first item' : 'when a worker is free again';
        it(`takes a next() that gives ${what} for one that throws, and does not call return(): ${when}`, async () => {
          for (const kind of ['iterator', 'asyncIterator', 'promises'] as const) {
            const jobs = new Jobs<number>();
            let [nexts, returns] = [0, 0];
            const next = (): unknown => (nexts++ === 0 && !first ? { value: 0 } : garbage);
            const iterator = {
              next: kind === 'promises' ? () => Promise.resolve(next()) : next,
              return: () => ({ done: true, value: void returns++ }),
            };
            const iterable = { [kind === 'iterator' ? Symbol.iterator : Symbol.asyncIterator]: () => iterator };
            const pool = workerPool(jobs.work, { workers: 1, buffer: 0 });
            const results = collect(pullFrom<number>(iterable as unknown as Iterable<number>).pipe(pool));
            await turn();
            if (!first) jobs.complete(0);
            await turn();
            if (garbage === unreadable) expect(results.end()).to.equal(error);
            else {
              expect(results.end()).to.be.instanceOf(TypeError);
              expect((results.end() as Error).message).to.contain(
                `what next() returns must be an object, but is ${what}`,
              );
            }
            expect([jobs.started, nexts, returns]).to.eql(first ? [[], 1, 0] : [[0], 2, 0]);
          }
        });
      }
    }

    it('gives what an iterable throws instead of an iterator to the results', () => {
      for (const iterable of [{ [Symbol.iterator]: fail }, { [Symbol.asyncIterator]: fail }]) {
        const source = pullFrom<number>(iterable);
        expect(collect(source).end()).to.equal(error);
        expect(collect(source.pipe(workerPool((n) => of(n), { workers: 1, buffer: 0 }))).end()).to.equal(error);
      }
    });
  });

  describe('re-entrancy', () => {
    for (const buffer of [0, 1, 5]) {
      it(`leaves none of three workers idle, and reads nothing ahead, when next() ends running jobs: buffer ${buffer}`, () => {
        for (let seed = 1; seed <= 50; seed++) {
          let state = seed;
          const random = (below: number): number => (state = (state * 48271) % 2147483647) % below;
          const jobs = new Jobs<number>();
          const accounts = new Accounts<number, number>({ workers: 3, buffer });
          const ahead: number[] = [];
          const numbers = new Numbers(40, (n) => {
            for (let ends = random(4); ends > 0 && jobs.running.size > 0; ends--) jobs.completeAny();
            ahead.push(n - jobs.ended);
          });
          const work = (n: number): Observable<number> => {
            if (random(4) > 0) return jobs.work(n);
            jobs.started.push(n);
            jobs.ended++;
            return of(n);
          };
          const results = collect(pullFrom(numbers).pipe(workerPool(work, { workers: 3, buffer, hooks: accounts })));
          while (jobs.running.size > 0) {
            expect(jobs.running.size).to.equal(Math.min(3, 40 - jobs.ended));
            jobs.completeAny();
          }
          accounts.settle();
          expect([accounts.breaches, Math.max(...ahead) <= 2, results.end()]).to.eql([[], true, 'complete']);
          expect(jobs.started).to.eql(Array.from({ length: 40 }, (_, i) => i));
        }
      });
    }

    it('starts as many jobs as it has workers when next() completes a running one', () => {
      const jobs = new Jobs<number>();
      const ahead: number[] = [];
      const numbers = new Numbers(20, (n) => {
        if (n >= 2 && n % 2 === 0) jobs.completeAny();
        ahead.push(n - jobs.ended);
      });
      const results = collect(pullFrom(numbers).pipe(workerPool(jobs.work, { workers: 2, buffer: 0 })));
      while (jobs.running.size > 0) {
        expect(jobs.running.size).to.equal(Math.min(2, 20 - jobs.ended));
        jobs.completeAny();
      }
      expect(Math.max(...ahead)).to.equal(1);
      expect([results.end(), jobs.started.length]).to.eql(['complete', 20]);
    });

    for (const first of [true, false]) {
      it(`refuses an item whose next() unsubscribes the results: ${first ? 'at once' : 'when a worker is free again'}`, () => {
        const jobs = new Jobs<number>();
        const accounts = new Accounts<number, number>({ workers: 2, buffer: 1 });
        const unsubscribe = new Subject<void>();
        const numbers = new Numbers(9, (n) => n === (first ? 1 : 2) && unsubscribe.next());
        const pool = workerPool(jobs.work, { workers: 2, buffer: 1, hooks: accounts });
        new Observable<number>((subscriber) => {
          unsubscribe.subscribe(() => subscriber.unsubscribe());
          pullFrom(numbers).pipe(pool).subscribe(subscriber);
        }).subscribe();
        if (!first) jobs.complete(0);
        accounts.settle();
        expect([accounts.breaches, accounts.refused, numbers.returns]).to.eql([[], 1, 1]);
        expect(jobs.started).to.eql(first ? [0] : [0, 1]);
      });
    }

    it('lets a generator unsubscribe from inside itself, and then end', () => {
      const log: string[] = [];
      const stop = new Subject<void>();
      function* letters(): Generator<string> {
        try {
          yield 'a';
          stop.next();
          log.push('goes on');
          yield 'b';
        } finally {
          log.push('finally');
        }
      }
      const work = (job: string): Observable<never> => (log.push(job), NEVER);
      const results$ = pullFrom(letters()).pipe(workerPool(work, { workers: 2, buffer: 0 }));
      new Observable<never>((subscriber) => {
        stop.subscribe(() => subscriber.unsubscribe());
        results$.subscribe(subscriber);
      }).subscribe();
      expect(log).to.eql(['a', 'goes on', 'finally']);
    });

    for (const [level, started] of [
      ['drain', [0, 1, 2]],
      ['discard', [0, 1]],
      ['abort', [0, 1]],
      ['abandon', [0, 1]],
    ] as const) {
      it(`${started.length > 2 ? 'runs' : 'refuses'} an item whose next() shuts the pool down: ${level}`, () => {
        const jobs = new Jobs<number>();
        const accounts = new Accounts<number, number>({ workers: 2, buffer: 1 });
        const shutdown = new Subject<ShutdownLevel>();
        const numbers = new Numbers(9, (n) => n === 2 && shutdown.next(level));
        const pool = workerPool(jobs.work, { workers: 2, buffer: 1, shutdown, hooks: accounts });
        const results = collect(pullFrom(numbers).pipe(pool));
        jobs.complete(0);
        expect(jobs.started).to.eql(started);
        if (level === 'drain' || level === 'discard') while (jobs.running.size > 0) jobs.completeAny();
        accounts.settle();
        expect([accounts.breaches, accounts.refused]).to.eql([[], started.length > 2 ? 0 : 1]);
        expect([results.end(), numbers.returns, numbers.nexts]).to.eql(['complete', 1, 3]);
      });
    }

    it('lets the work, and downstream, unsubscribe', () => {
      for (const inWork of [true, false]) {
        const numbers = new Numbers(Infinity);
        const stop = new Subject<void>();
        const work = (n: number): Observable<number> => {
          if (inWork && n === 3) stop.next();
          return of(n);
        };
        const seen: number[] = [];
        new Observable<number>((subscriber) => {
          stop.subscribe(() => subscriber.unsubscribe());
          pullFrom(numbers)
            .pipe(workerPool(work, { workers: 2, buffer: 2 }))
            .subscribe(subscriber);
        }).subscribe((n) => {
          seen.push(n);
          if (!inWork && n === 3) stop.next();
        });
        expect([seen.at(-1), numbers.nexts, numbers.returns]).to.eql([inWork ? 2 : 3, 4, 1]);
      }
    });
  });

  describe('for another subscriber', () => {
    it('is from(iterable)', () => {
      const numbers = new Numbers(3);
      const results = collect(pullFrom(numbers));
      expect([results.values, results.end(), numbers.returns]).to.eql([[0, 1, 2], 'complete', 0]);
      expect(pullFrom([])).to.be.instanceOf(Observable);
    });

    it('is from(async iterable)', async () => {
      const numbers = new AsyncNumbers(3);
      const results = collect(pullFrom(numbers));
      expect(results.values).to.eql([]);
      await turn();
      expect([results.values, results.end(), numbers.returns]).to.eql([[0, 1, 2], 'complete', 0]);
    });

    it('lets go of an async iterator whose next() never settles', () => {
      const feed = new Feed();
      collect(pullFrom(feed)).unsubscribe();
      expect([feed.nexts, feed.returns]).to.eql([1, 1]);
    });

    it('pushes at a pool that another operator stands before', () => {
      const numbers = new Numbers(9);
      const results = collect(
        pullFrom(numbers).pipe(
          map((n) => n),
          workerPool(() => NEVER, { workers: 2, buffer: 3 }),
        ),
      );
      expect(results.end()).to.include({ name: 'BufferOverflowError', capacity: 3, job: 5 });
    });

    it('drops by the policy of a pool that another operator stands before', () => {
      const started: number[] = [];
      const work = (n: number): Observable<never> => (started.push(n), NEVER);
      const pool = workerPool(work, { workers: 2, buffer: 3, overflow: 'drop-incoming' });
      const numbers = new Numbers(9);
      pullFrom(numbers)
        .pipe(
          map((n) => n),
          pool,
        )
        .subscribe()
        .unsubscribe();
      expect([started, numbers.nexts]).to.eql([[0, 1], 10]);
    });
  });

  describe('its counterparts', () => {
    it('is what a pool makes of an iterable that it is given', async () => {
      for (const Source of [Numbers, AsyncNumbers]) {
        const numbers = new Source(Infinity);
        const jobs = new Jobs<number>();
        const results = collect(workerPool(jobs.work, { workers: 2, buffer: 0 })(numbers));
        await turn();
        expect([jobs.started, numbers.nexts]).to.eql([[0, 1], 2]);
        results.unsubscribe();
        expect(numbers.returns).to.equal(1);
      }
    });

    it('is named by the error of a pool that from(iterable) overflows', () => {
      const lines = ['a', 'b', 'c', 'd'];
      const results = collect(from(lines).pipe(workerPool(() => NEVER, { workers: 2, buffer: 1 })));
      expect(results.end()).to.include({ name: 'BufferOverflowError', capacity: 1, job: 'd' });
      expect((results.end() as Error).message).to.contain('pullFrom(iterable)');
    });

    it('never meets the overflow policy', () => {
      const outcomes: JobOutcome<number, number>[] = [];
      for (const overflow of ['error', 'drop-incoming', 'drop-oldest', 'replace-newest', 'clear'] as const) {
        const jobs = new Jobs<number>();
        const hooks = { settled: (outcome: JobOutcome<number, number>) => void outcomes.push(outcome) };
        const pool = workerPool(jobs.work, { workers: 2, buffer: 0, overflow, hooks });
        collect(pullFrom(new Numbers(9)).pipe(pool));
        while (jobs.running.size > 0) jobs.completeAny();
      }
      expect(outcomes.length).to.equal(45);
      expect(new Set(outcomes.map(({ status }) => status))).to.eql(new Set(['completed']));
    });
  });

  describe('what is not iterable', () => {
    const none: readonly (readonly [shown: string, value: unknown])[] = [
      ["'abc'", 'abc'],
      ["''", ''],
      ['5', 5],
      ['5n', 5n],
      ['null', null],
      ['undefined', undefined],
      ['true', true],
      ['an object', {}],
      ['an object', Promise.resolve([])],
      ['an object', { length: 1, 0: 'a' }],
      ['an object', { [Symbol.iterator]: 'a' }],
      ['a function', () => []],
    ];
    for (const [shown, value] of none) {
      it(`is refused: ${shown}`, () => {
        const rest = `source must be an Observable, an iterable or an async iterable, but is ${shown}`;
        expect(() => pullFrom(value as Iterable<number>)).to.throw(TypeError, `pullFrom's ${rest}`);
        const results = collect(workerPool((n) => of(n), { workers: 1, buffer: 0 })(value as Iterable<number>));
        expect(results.end()).to.be.instanceOf(TypeError);
        expect((results.end() as Error).message).to.equal(`a pool's ${rest}`);
      });
    }

    it('is refused: an Observable, which a pool takes as it is', () => {
      expect(() => pullFrom(EMPTY as unknown as Iterable<number>)).to.throw(TypeError, "pullFrom's source must be");
    });
  });

  it('keeps the law for any order in which jobs end', async () => {
    let seed = 1;
    const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below;
    for (let run = 0; run < 200; run++) {
      const workers = 1 + random(4);
      const buffer = random(4);
      const Source = random(2) === 0 ? Numbers : AsyncNumbers;
      const jobs = new Jobs<number>();
      const accounts = new Accounts<number, number>({ workers, buffer });
      const work = (n: number): Observable<number> => (random(3) === 0 ? of(n) : jobs.work(n));
      const pool = workerPool(work, { workers, buffer, hooks: accounts });
      const results = collect(pullFrom<number>(new Source(20)).pipe(pool, toArray()));
      for (let i = 0; results.end() === undefined && i < 500; i++) {
        if (jobs.running.size > 0) jobs.completeAny();
        for (let ticks = random(4); ticks > 0; ticks--) await Promise.resolve();
      }
      accounts.settle();
      expect([accounts.breaches, accounts.completed, accounts.refused]).to.eql([[], 20, 0]);
      expect(results.values[0]?.length).to.equal(20);
    }
  });
});
