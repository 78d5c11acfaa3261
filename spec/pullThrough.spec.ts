import { expect } from 'chai';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { finalize, from, NEVER, Observable, of, Subject, throwError } from 'rxjs';
import { pullFrom, pullThrough } from '../src/index.js';
import type { JobContext, PullThroughConfig, ShutdownLevel } from '../src/index.js';
import { Accounts } from './support/accounts.js';
import { fateOf, Held } from './support/deferred.js';
import { turn } from './support/guard.js';

const DONE = { done: true, value: undefined };

/** The numbers from 0, and what was asked of them. */
class Numbers {
  /** Items that were given. */
  pulled = 0;
  /** Calls of `return()`. */
  returns = 0;
  private readonly count: number;
  private readonly onNext: (n: number) => void;

  constructor(count = Infinity, onNext: (n: number) => void = () => undefined) {
    this.count = count;
    this.onNext = onNext;
  }

  get sync(): Iterable<number> {
    return { [Symbol.iterator]: () => this.iterator() };
  }

  /** The same, but each number takes a microtask to come. */
  get async(): AsyncIterable<number> {
    const { next, return: returns } = this.iterator();
    return {
      [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve().then(next), return: async () => returns() }),
    };
  }

  private iterator(): { next: () => IteratorResult<number>; return: () => IteratorResult<number> } {
    return {
      next: () => {
        this.onNext(this.pulled);
        return this.pulled < this.count ? { value: this.pulled++ } : { done: true, value: undefined };
      },
      return: () => ({ done: true, value: void this.returns++ }),
    };
  }
}

/** Everything that a loop gets, and how it ends. */
async function loop<T>(iterable: AsyncIterable<T>): Promise<[values: T[], end: unknown]> {
  const values: T[] = [];
  try {
    for await (const value of iterable) values.push(value);
    return [values, 'end'];
  } catch (error) {
    return [values, error];
  }
}

/** Pseudo-random integers, the same in each run. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => (state = (state * 48271) % 2147483647) % below;
}

describe('pullThrough', () => {
  describe('results', () => {
    for (const form of ['sync', 'async'] as const) {
      it(`come in the order in which jobs end: ${form}`, async () => {
        const held = new Held<number>();
        const results = pullThrough(new Numbers(3)[form], held.streams, { workers: 3, buffer: 0 });
        const all = loop(results);
        await turn();
        for (const n of [1, 2, 0]) held.complete(n, n);
        expect(await all).to.eql([[1, 2, 0], 'end']);
      });

      it(`may be of any kind: ${form}`, async () => {
        const kinds = [of('a'), Promise.resolve('b'), ['c'], (async function* () { yield 'd'; })()]; // prettier-ignore
        const results = pullThrough(new Numbers(4)[form], (n) => kinds[n]!, { workers: 1, buffer: 2 });
        expect(await loop(results)).to.eql([['a', 'b', 'c', 'd'], 'end']);
      });
    }

    it('are handed over to all who wait, in the order in which they asked', async () => {
      const held = new Held<number>();
      const iterator = pullThrough(new Numbers(2).sync, held.streams, { workers: 2, buffer: 0 })[
        Symbol.asyncIterator
      ]();
      const answers = [iterator.next(), iterator.next(), iterator.next()];
      held.complete(1, 'b');
      held.complete(0, 'a');
      expect(await Promise.all(answers)).to.eql([{ done: false, value: 'b' }, { done: false, value: 'a' }, DONE]);
    });

    it('are not worked for before the first is asked for', async () => {
      const numbers = new Numbers(2);
      const iterator = pullThrough(numbers.sync, (n) => of(n), { workers: 2, buffer: 0 })[Symbol.asyncIterator]();
      await turn();
      expect(numbers.pulled).to.equal(0);
      await iterator.next();
      expect(numbers.pulled).to.equal(2);
    });

    it('may be none', async () => {
      expect(await loop(pullThrough([], () => of(1), { workers: 1, buffer: 0 }))).to.eql([[], 'end']);
      expect(await loop(pullThrough([1, 2], () => from([]), { workers: 1, buffer: 0 }))).to.eql([[], 'end']);
    });

    it('are those of the items of what pullFrom has made', async () => {
      const numbers = new Numbers(Infinity);
      expect(() => pullThrough(pullFrom(numbers.sync) as never, () => NEVER, { workers: 1, buffer: 0 })).to.throw(
        TypeError,
        'an iterable or an async iterable',
      );
    });
  });

  describe('backpressure', () => {
    for (const { workers, buffer } of [
      { workers: 1, buffer: 0 },
      { workers: 1, buffer: 3 },
      { workers: 3, buffer: 0 },
      { workers: 2, buffer: 4 },
    ]) {
      for (const form of ['sync', 'async'] as const) {
        it(`has as many jobs started and results untaken as there are places: ${form}, workers ${workers}, buffer ${buffer}`, async () => {
          const random = randomFrom(1 + workers + 10 * buffer);
          const total = 60;
          const held = new Held<number>();
          const running: number[] = [];
          let [taken, ended] = [0, 0];
          let most = 0;
          const numbers = new Numbers(total, (n) => (most = Math.max(most, n - taken)));
          const accounts = new Accounts<number, unknown>({ workers, buffer });
          const work = (n: number, context: JobContext): Observable<unknown> => {
            running.push(n);
            return held.streams(n, context);
          };
          const results = pullThrough(numbers[form], work, { workers, buffer, hooks: accounts });
          const iterator = results[Symbol.asyncIterator]();
          const answers: Promise<IteratorResult<unknown>>[] = [];
          let asked = 0;
          const ask = (): void => {
            asked++;
            taken = Math.min(asked, ended);
            answers.push(iterator.next());
          };
          ask();
          for (let i = 0; taken < total && i < 5000; i++) {
            await turn();
            const places = taken + workers + buffer;
            // A synchronous iterator is asked for what may start at once; the other for what may wait, too.
            const expected = form === 'sync' ? Math.min(ended + workers, places) : places;
            expect(numbers.pulled).to.equal(Math.min(total, expected));
            expect(running.length).to.equal(Math.min(workers, numbers.pulled - ended));
            if (running.length > 0 && (asked >= Math.min(total, ended + 2) || random(3) > 0)) {
              ended++;
              taken = Math.min(asked, ended);
              const [n] = running.splice(random(running.length), 1);
              held.complete(n!, n);
            } else ask();
          }
          const last = iterator.next();
          await turn();
          accounts.settle();
          expect(most).to.equal(workers + buffer - 1);
          expect(await last).to.eql(DONE);
          expect([accounts.breaches, accounts.completed]).to.eql([[], total]);
          const values = (await Promise.all(answers)).map(({ value }) => value as number);
          expect(values.sort((a, b) => a - b)).to.eql([...Array(total).keys()]);
        }).timeout(10_000);
      }
    }

    for (const form of ['sync', 'async'] as const) {
      it(`reaches from a slow Writable to the source: ${form}`, async () => {
        const [workers, buffer, highWaterMark] = [2, 3, 4];
        const written: number[] = [];
        let most = 0;
        const numbers = new Numbers(500, (n) => (most = Math.max(most, n - written.length)));
        const slow = new Writable({
          objectMode: true,
          highWaterMark,
          write(n: number, _, done) {
            setImmediate(() => {
              written.push(n);
              done();
            });
          },
        });
        await pipeline(
          pullThrough(numbers[form], (n) => Promise.resolve(n), { workers, buffer }),
          slow,
        );
        expect(written.sort((a, b) => a - b)).to.eql([...Array(500).keys()]);
        // What the stream holds comes on top: its buffer, and the one that is handed over.
        expect(most).to.be.within(workers + buffer, workers + buffer + highWaterMark + 1);
      });
    }

    it('is what a Readable makes of it', async () => {
      const numbers = new Numbers(100);
      const results = pullThrough(numbers.sync, (n) => of(n), { workers: 2, buffer: 0 });
      const readable = Readable.from(results, { highWaterMark: 3 });
      readable.once('readable', () => undefined);
      for (let i = 0; i < 5; i++) await turn();
      expect(numbers.pulled).to.be.within(3, 3 + 2 + 1);
      readable.destroy();
      await turn();
      expect(numbers.returns).to.equal(1);
    });

    it('counts each value of a job that has several', async () => {
      const numbers = new Numbers(4);
      const results = pullThrough(numbers.sync, (n) => of(n, n + 0.1, n + 0.2), { workers: 1, buffer: 1 });
      const seen: [value: number, pulled: number][] = [];
      for await (const value of results) seen.push([value, numbers.pulled]);
      expect(seen.map(([value]) => value)).to.eql([0, 0.1, 0.2, 1, 1.1, 1.2, 2, 2.1, 2.2, 3, 3.1, 3.2]);
      // Two places: a job is pulled when at most one value is left.
      expect(seen.map(([, pulled]) => pulled)).to.eql([1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4]);
    });

    it('is not held up by a job that has no value', async () => {
      const numbers = new Numbers(1000);
      const results = pullThrough(numbers.async, (n) => (n % 10 === 9 ? of(n) : from([])), { workers: 2, buffer: 1 });
      const [values, end] = await loop(results);
      expect([values.length, end, numbers.pulled]).to.eql([100, 'end', 1000]);
    });

    it('asks no worker to wait where the consumer is the faster', async () => {
      const held = new Held<number>();
      const all = loop(pullThrough(new Numbers(30).sync, held.streams, { workers: 3, buffer: 0 }));
      for (let n = 0; n < 30; n++) {
        expect(held.called.length).to.equal(Math.min(30, n + 3));
        held.complete(n, n);
        await turn();
      }
      expect((await all)[0]).to.eql([...Array(30).keys()]);
    });

    it('is on a flat stack: 100,000 synchronous jobs', async () => {
      for (const buffer of [0, 1e5]) {
        let seen = 0;
        for await (const n of pullThrough(new Numbers(1e5).sync, (job) => of(job), { workers: 10, buffer })) {
          if (n !== seen++) throw new Error(`${n} is the ${seen}th`);
        }
        expect(seen).to.equal(1e5);
      }
    });
  });

  describe('errors', () => {
    const error = new Error('planted');

    it('of a job come after the results that had come, end it, and abort what runs', async () => {
      const held = new Held<number>();
      const numbers = new Numbers();
      const iterator = pullThrough(numbers.sync, held.streams, { workers: 3, buffer: 5 })[Symbol.asyncIterator]();
      const first = iterator.next();
      for (const n of [0, 1, 2]) held.complete(n, n);
      held.fail(3, error);
      expect([held.stopped, numbers.returns]).to.eql([[4, 5], 1]);
      const answers = [first, iterator.next(), iterator.next(), iterator.next(), iterator.next()];
      const told = await Promise.allSettled(answers);
      expect(told).to.eql([
        ...[0, 1, 2].map((value) => ({ status: 'fulfilled', value: { done: false, value } })),
        { status: 'rejected', reason: error },
        { status: 'fulfilled', value: DONE },
      ]);
      expect(held.called).to.eql([0, 1, 2, 3, 4, 5]);
    });

    it('of the source come after the results that had come', async () => {
      const next = (n: number): void => {
        if (n === 4) throw error;
      };
      for (const form of ['sync', 'async'] as const) {
        const numbers = new Numbers(Infinity, next);
        const results = pullThrough(numbers[form], (n) => of(n), { workers: 2, buffer: 8 });
        expect(await loop(results)).to.eql([[0, 1, 2, 3], error]);
        expect(numbers.returns).to.equal(0);
      }
    });

    it('of the source abort what runs', async () => {
      const held = new Held<number>();
      const numbers = new Numbers(Infinity, (n) => {
        if (n === 2) throw error;
      });
      const all = loop(pullThrough(numbers.sync, held.promises, { workers: 3, buffer: 0 }));
      expect(await all).to.eql([[], error]);
      expect([...held.contexts.values()].map(({ signal }) => signal.aborted)).to.eql([true, true]);
    });

    it('of the notifier come after the results that had come', async () => {
      const shutdown = new Subject<void>();
      const numbers = new Numbers(2);
      const iterator = pullThrough(numbers.sync, (n) => (n === 0 ? of(n, 5) : NEVER), {
        workers: 2,
        buffer: 2,
        shutdown,
      })[Symbol.asyncIterator]();
      await iterator.next();
      shutdown.error(error);
      expect(await iterator.next()).to.eql({ done: false, value: 5 });
      expect(await iterator.next().catch((thrown: unknown) => thrown)).to.equal(error);
    });

    it('that nobody has asked for are no unhandled errors', async () => {
      const iterator = pullThrough([1, 2], (n) => (n === 1 ? of(n) : throwError(() => error)), {
        workers: 2,
        buffer: 0,
      })[Symbol.asyncIterator]();
      await iterator.next();
      await turn();
      expect(await iterator.next().catch((thrown: unknown) => thrown)).to.equal(error);
    });

    it('of a consumer reach the source: a Writable that fails', async () => {
      const numbers = new Numbers();
      const signals: AbortSignal[] = [];
      const failing = new Writable({
        objectMode: true,
        highWaterMark: 1,
        write: (n: number, _, done) => done(n === 5 ? error : null),
      });
      const results = pullThrough(
        numbers.async,
        (n, { signal }) => {
          signals.push(signal);
          return n < 6 ? Promise.resolve(n) : new Promise<number>(() => undefined);
        },
        { workers: 2, buffer: 0 },
      );
      const thrown: unknown = await pipeline(results, failing).catch((reason: unknown) => reason);
      await turn();
      expect([thrown, numbers.returns]).to.eql([error, 1]);
      expect(signals.map(({ aborted }) => aborted)).to.eql(signals.map((_, i) => i > 5));
      expect(signals.length).to.be.greaterThan(6);
    });
  });

  describe('leaving the loop', () => {
    for (const form of ['sync', 'async'] as const) {
      for (const leave of ['break', 'throw'] as const) {
        it(`aborts what runs, and calls return() of the source: ${leave}, ${form}`, async () => {
          const held = new Held<number>();
          const numbers = new Numbers();
          const results = pullThrough(numbers[form], held.promises, { workers: 2, buffer: 1 });
          const left = (async () => {
            for await (const n of results) {
              if (n !== 0) continue;
              if (leave === 'break') break;
              throw new Error(leave);
            }
          })().catch(() => undefined);
          await turn();
          held.complete(0, 0);
          await left;
          const { pulled } = numbers;
          expect([...held.contexts.values()].map(({ signal }) => signal.aborted)).to.eql([false, true, true]);
          await turn();
          expect([numbers.returns, numbers.pulled, held.called]).to.eql([1, pulled, [0, 1, 2]]);
          for (const n of [1, 2]) held.complete(n, n);
          await turn();
          expect([numbers.returns, numbers.pulled]).to.eql([1, pulled]);
        });
      }
    }

    it('does so in the call of return(), and lets go of what nobody has taken', async () => {
      const log: string[] = [];
      const numbers = new Numbers();
      const work = (n: number): Observable<number> =>
        n < 3 ? of(n) : NEVER.pipe(finalize(() => log.push(`finalized ${n}`)));
      const iterator = pullThrough(numbers.sync, work, { workers: 2, buffer: 3 })[Symbol.asyncIterator]();
      await iterator.next();
      const answer = iterator.return!();
      expect([log, numbers.returns, numbers.pulled]).to.eql([['finalized 3', 'finalized 4'], 1, 5]);
      expect([await answer, await iterator.next(), await iterator.return!()]).to.eql([DONE, DONE, DONE]);
      expect([numbers.returns, numbers.pulled]).to.eql([1, 5]);
    });

    it('answers those who still wait', async () => {
      const iterator = pullThrough(new Numbers().sync, () => NEVER, { workers: 2, buffer: 3 })[Symbol.asyncIterator]();
      const answers = [iterator.next(), iterator.next()];
      void iterator.return!();
      expect(await Promise.all(answers)).to.eql([DONE, DONE]);
    });

    it('is not held up by a source that does not answer', async () => {
      const never = new Promise<never>(() => undefined);
      const source = { [Symbol.asyncIterator]: () => ({ next: () => never, return: () => never }) };
      const iterator = pullThrough(source, () => NEVER, { workers: 2, buffer: 3 })[Symbol.asyncIterator]();
      const answer = iterator.next();
      expect(await iterator.return!()).to.eql(DONE);
      expect(await answer).to.eql(DONE);
    });

    it('before the first result is asked for leaves the source alone', async () => {
      const numbers = new Numbers();
      const iterator = pullThrough(numbers.sync, () => NEVER, { workers: 2, buffer: 3 })[Symbol.asyncIterator]();
      await iterator.return!();
      expect([await iterator.next(), numbers.pulled, numbers.returns]).to.eql([DONE, 0, 0]);
    });
  });

  describe('shutdown', () => {
    const levels: readonly (readonly [level: ShutdownLevel, values: number[]])[] = [
      ['drain', [0, 1, 2, 3, 4]],
      ['discard', [0, 1, 2]],
      ['abort', [0]],
      ['abandon', [0]],
    ];
    for (const [level, values] of levels) {
      it(`hands over what came of the jobs that it waits for, and then ends: ${level}`, async () => {
        const held = new Held<number>();
        const numbers = new Numbers();
        const shutdown = new Subject<ShutdownLevel>();
        const results = pullThrough(numbers.async, held.streams, { workers: 2, buffer: 2, shutdown });
        const iterator = results[Symbol.asyncIterator]();
        const first = iterator.next();
        await turn();
        held.complete(0, 0);
        await turn();
        // Two run, and two wait.
        expect([held.called, numbers.pulled]).to.eql([[0, 1, 2], 5]);
        shutdown.next(level);
        for (const n of [1, 2, 3, 4]) {
          if (held.runs(n)) held.complete(n, n);
        }
        const seen: unknown[] = [(await first).value];
        for (let item = await iterator.next(); !item.done; item = await iterator.next()) seen.push(item.value);
        expect([seen, numbers.returns]).to.eql([values, 1]);
      });
    }
  });

  describe('iterations', () => {
    it('have a source, workers and results of their own', async () => {
      const held = new Held<string>();
      const letters = ['a', 'b'];
      let run = 0;
      const source = { [Symbol.iterator]: () => letters.map((letter) => `${letter}${run}`)[Symbol.iterator]() };
      const results = pullThrough(source, held.streams, { workers: 1, buffer: 0 });
      const one = results[Symbol.asyncIterator]();
      const first = one.next();
      run = 1;
      const two = results[Symbol.asyncIterator]();
      const second = two.next();
      expect(held.called).to.eql(['a0', 'a1']);
      held.complete('a1');
      expect(await second).to.eql({ done: false, value: 'a1!' });
      expect(held.called).to.eql(['a0', 'a1', 'b1']);
      void two.return!();
      expect(held.stopped).to.eql(['b1']);
      held.complete('a0');
      expect(await first).to.eql({ done: false, value: 'a0!' });
      const last = fateOf(one.next());
      held.complete('b0');
      await turn();
      expect(last).to.eql({ status: 'fulfilled', value: { done: false, value: 'b0!' } });
    });

    it('begin anew each time', async () => {
      const results = pullThrough([1, 2, 3], (n) => of(n), { workers: 2, buffer: 1 });
      for (let i = 0; i < 3; i++) expect(await loop(results)).to.eql([[1, 2, 3], 'end']);
    });
  });

  describe('config', () => {
    const right = { workers: 1, buffer: 0 };
    const wrong: readonly (readonly [title: string, config: object, type: ErrorConstructor, message: string])[] = [
      [
        'an overflow, since what is pulled has a place',
        { ...right, overflow: 'clear' },
        TypeError,
        "no option 'overflow'",
      ],
      ['no workers', { buffer: 0 }, TypeError, 'workers must be'],
      ['0 workers', { ...right, workers: 0 }, RangeError, 'workers must be'],
      ['no buffer', { workers: 1 }, TypeError, 'buffer must be'],
    ];
    for (const [title, config, type, message] of wrong) {
      it(`is refused at once: ${title}`, () => {
        const refused = config as PullThroughConfig<number, number>;
        expect(() => pullThrough([1], (n) => of(n), refused)).to.throw(type, message);
      });
    }

    it('is refused at once: a source that is not iterable', () => {
      expect(() => pullThrough('abc' as never, () => NEVER, right)).to.throw(TypeError, "but is 'abc'");
      expect(() => pullThrough(undefined as never, () => NEVER, right)).to.throw(TypeError, 'but is undefined');
    });

    it('is refused at once: work that is no function', () => {
      expect(() => pullThrough([1], 'work' as never, right)).to.throw(TypeError, 'work must be a function');
    });
  });
});
