import { expect } from 'chai';
import { NEVER, Observable, of, Subject, take } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { pullFrom, workerPool } from '../../src/index.js';
import type { PoolConfig, ShutdownLevel } from '../../src/index.js';
import { Accounts } from '../support/accounts.js';
import { takeReported, turn } from '../support/guard.js';
import { AsyncNumbers, collect, Feed, Jobs, Numbers, withoutIterator } from './support.js';

const LEVELS: readonly ShutdownLevel[] = ['drain', 'discard', 'abort', 'abandon'];

describe('pullFrom', () => {
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

    it('is the last one when a drain comes while the next is held back for a turn of the event loop', async () => {
      const jobs = new Jobs<number>();
      const numbers = new AsyncNumbers(9);
      const shutdown = new Subject<void>();
      const work = (n: number): Observable<number> => {
        // In a microtask of its own: by then its intake waits for the turn.
        if (n === 1) queueMicrotask(() => shutdown.next());
        return jobs.work(n);
      };
      const results = collect(
        pullFrom(numbers).pipe(workerPool(work, { workers: 9, buffer: 0, yieldAfter: 0, shutdown })),
      );
      await turn();
      await turn();
      expect([jobs.started, numbers.nexts, numbers.returns, results.end()]).to.eql([[0, 1], 2, 1, undefined]);
      jobs.complete(0);
      jobs.complete(1);
      expect([results.values, results.end(), numbers.returns]).to.eql([[0, 1], 'complete', 1]);
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
});
