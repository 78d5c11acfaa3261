import { expect } from 'chai';
import fc from 'fast-check';
import { concat, EMPTY, from, NEVER, Observable, of, Subject, throwError } from 'rxjs';
import { toAsyncIterable } from '../src/index.js';
import type { BufferConfig } from '../src/index.js';
import { fateOf } from './support/deferred.js';
import { turn } from './support/guard.js';
import { isPossible } from './support/policies.js';
import type { AnyOverflow } from './support/policies.js';

const POLICIES: readonly AnyOverflow[] = ['error', 'drop-incoming', 'drop-oldest', 'replace-newest', 'clear'];

const DONE = { done: true, value: undefined };

function iterate<T>(source: Observable<T>, config: BufferConfig<T>): AsyncIterator<T> {
  return toAsyncIterable(source, config)[Symbol.asyncIterator]();
}

/** What is known of a call of `next()` after a turn of the loop. */
async function answerOf(result: Promise<IteratorResult<unknown>>): Promise<unknown> {
  const fate = fateOf(result);
  await turn();
  return fate.status === 'open' ? 'open' : fate.value;
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

/** The numbers from 0 for as long as somebody listens, and how many were made. */
function endless(): { source: Observable<number>; made: () => number } {
  let made = 0;
  function* numbers(): Generator<number> {
    for (;;) yield made++;
  }
  return { source: from(numbers()), made: () => made };
}

describe('toAsyncIterable', () => {
  describe('values', () => {
    it('are handed over in their order, and then the end', async () => {
      expect(await loop(toAsyncIterable(of(1, 2, 3), { capacity: 2 }))).to.eql([[1, 2, 3], 'end']);
      expect(await loop(toAsyncIterable(EMPTY, { capacity: 0 }))).to.eql([[], 'end']);
    });

    it('are handed over to those who wait, in the order in which they asked', async () => {
      const source = new Subject<string>();
      const iterator = iterate(source, { capacity: 0 });
      const answers = [iterator.next(), iterator.next(), iterator.next()];
      source.next('a');
      source.next('b');
      expect(await Promise.all(answers.slice(0, 2))).to.eql([
        { done: false, value: 'a' },
        { done: false, value: 'b' },
      ]);
      expect(await answerOf(answers[2]!)).to.equal('open');
      source.complete();
      expect(await answers[2]).to.eql(DONE);
    });

    it('are handed over also to a consumer that waits for a turn of the loop because it has computed for long', async () => {
      const source = new Subject<number>();
      const lost: number[] = [];
      const iterator = iterate(source, { capacity: 0, overflow: 'drop-incoming', onDrop: (value) => lost.push(value) });
      const fates: ReturnType<typeof fateOf>[] = [];
      for (let n = 0; n < 3; n++) {
        fates.push(fateOf(iterator.next()));
        for (const start = performance.now(); performance.now() - start < 4;);
        // A microtask later, in the same turn of the loop.
        await Promise.resolve();
        source.next(n);
      }
      await turn();
      expect(lost).to.eql([]);
      expect(fates.map(({ value }) => value)).to.eql([0, 1, 2].map((value) => ({ done: false, value })));
      await iterator.return!();
    });

    it('come from an iterator that may be looped over itself', async () => {
      const iterator = iterate(of(1, 2, 3), { capacity: 2 }) as AsyncIterableIterator<number>;
      await iterator.next();
      expect(await loop(iterator)).to.eql([[2, 3], 'end']);
    });

    it('may be undefined', async () => {
      expect(await loop(toAsyncIterable(of(undefined, undefined), { capacity: 1 }))).to.eql([
        [undefined, undefined],
        'end',
      ]);
    });

    it('are not asked for before the first next()', async () => {
      let subscriptions = 0;
      const source = new Observable<number>((subscriber) => {
        subscriptions++;
        subscriber.next(1);
      });
      const iterator = iterate(source, { capacity: 0 });
      expect(subscriptions).to.equal(0);
      const answer = iterator.next();
      expect(subscriptions).to.equal(1);
      expect(await answer).to.eql({ done: false, value: 1 });
      void iterator.next();
      expect(subscriptions).to.equal(1);
    });

    it('of a slow consumer wait, first in, first out', async () => {
      const source = new Subject<number>();
      const seen: number[] = [];
      const consumed = (async () => {
        for await (const n of toAsyncIterable(source, { capacity: 10 })) {
          seen.push(n);
          if (n === 0) for (let i = 1; i <= 10; i++) source.next(i);
          if (n === 10) break;
        }
      })();
      source.next(0);
      await consumed;
      expect(seen).to.eql([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    });
  });

  describe('overflow', () => {
    type Row = readonly [capacity: number, overflow: AnyOverflow, taken: number[], lost: string[]];
    const table: readonly Row[] = [
      [0, 'drop-incoming', [], ['1 full', '2 full', '3 full', '4 full']],
      [1, 'drop-incoming', [1], ['2 full', '3 full', '4 full']],
      [1, 'drop-oldest', [4], ['1 evicted', '2 evicted', '3 evicted']],
      [1, 'replace-newest', [4], ['1 evicted', '2 evicted', '3 evicted']],
      [1, 'clear', [4], ['1 evicted', '2 evicted', '3 evicted']],
      [3, 'drop-incoming', [1, 2, 3], ['4 full']],
      [3, 'drop-oldest', [2, 3, 4], ['1 evicted']],
      [3, 'replace-newest', [1, 2, 4], ['3 evicted']],
      [3, 'clear', [4], ['1 evicted', '2 evicted', '3 evicted']],
      ...POLICIES.map((overflow): Row => [4, overflow, [1, 2, 3, 4], []]),
      ...POLICIES.map((overflow): Row => [Infinity, overflow, [1, 2, 3, 4], []]),
    ];
    for (const [capacity, overflow, taken, lost] of table) {
      it(`loses as the policy says: ${overflow}, capacity ${capacity}`, async () => {
        const told: string[] = [];
        const onDrop = (value: number, reason: string): void => void told.push(`${value} ${reason}`);
        const source = of(0, 1, 2, 3, 4);
        const [values, end] = await loop(toAsyncIterable(source, { capacity, overflow, onDrop }));
        expect([values, end, told]).to.eql([[0, ...taken], 'end', lost]);
      });
    }

    for (const [capacity, taken] of [
      [0, [0]],
      [1, [0, 1]],
      [3, [0, 1, 2, 3]],
    ] as const) {
      for (const overflow of ['error', undefined] as const) {
        it(`is an error after what waits, and stops the source: policy ${overflow}, capacity ${capacity}`, async () => {
          const told: string[] = [];
          const onDrop = (value: number, reason: string): void => void told.push(`${value} ${reason}`);
          const { source, made } = endless();
          const [values, end] = await loop(toAsyncIterable(source, { capacity, overflow, onDrop }));
          expect(values).to.eql(taken);
          expect(end).to.include({ name: 'BufferOverflowError', capacity, job: capacity + 1 });
          expect([told, made()]).to.eql([[`${capacity + 1} full`], capacity + 2]);
        });
      }
    }

    it('is an error also where onDrop throws: that one', async () => {
      const error = new Error('onDrop');
      const onDrop = (): never => {
        throw error;
      };
      for (const overflow of POLICIES) {
        const source = new Subject<number>();
        const iterator = iterate(source, { capacity: 1, overflow, onDrop });
        void iterator.next();
        for (let i = 0; i < 3; i++) source.next(i);
        expect(source.observed).to.equal(false);
        const answers = [iterator.next(), iterator.next(), iterator.next()].map(answerOf);
        // The one that was told of has lost its place; the arriving one had taken it by then.
        const kept = overflow === 'error' || overflow === 'drop-incoming' ? 1 : 2;
        expect(await Promise.all(answers)).to.eql([{ done: false, value: kept }, error, DONE]);
      }
    });
  });

  describe('the end', () => {
    const error = new Error('source');

    it('comes after what waits: an error, once', async () => {
      const source = concat(
        of(1, 2, 3),
        throwError(() => error),
      );
      const iterator = iterate(source, { capacity: 5 });
      const answers = [await iterator.next(), await iterator.next(), await iterator.next()];
      expect(answers).to.eql([1, 2, 3].map((value) => ({ done: false, value })));
      expect(await answerOf(iterator.next())).to.equal(error);
      expect(await iterator.next()).to.eql(DONE);
    });

    it('comes after what waits: the completion, again and again', async () => {
      const iterator = iterate(of(1, 2), { capacity: 5 });
      await iterator.next();
      await iterator.next();
      for (let i = 0; i < 3; i++) expect(await iterator.next()).to.eql(DONE);
    });

    it('answers all that wait: an error is told to the first', async () => {
      const source = new Subject<number>();
      const iterator = iterate(source, { capacity: 0 });
      const answers = [iterator.next(), iterator.next(), iterator.next()].map(answerOf);
      source.error(error);
      expect(await Promise.all(answers)).to.eql([error, DONE, DONE]);
    });

    it('that nobody has asked for is no unhandled error', async () => {
      const source = new Subject<number>();
      const iterator = iterate(source, { capacity: 0 });
      void iterator.next();
      source.next(1);
      source.error(error);
      await turn();
      expect(await answerOf(iterator.next())).to.equal(error);
    });

    it('may come inside the first next()', async () => {
      expect(
        await loop(
          toAsyncIterable(
            throwError(() => error),
            { capacity: 0 },
          ),
        ),
      ).to.eql([[], error]);
    });
  });

  describe('leaving', () => {
    it('unsubscribes, and lets go of what waits: break, and a throw', async () => {
      for (const leave of ['break', 'throw'] as const) {
        const source = new Subject<number>();
        const iterable = toAsyncIterable(source, { capacity: 5 });
        const seen: number[] = [];
        const left = (async () => {
          for await (const n of iterable) {
            seen.push(n);
            expect(source.observed).to.equal(true);
            if (leave === 'break') break;
            throw new Error(leave);
          }
        })().catch((thrown: unknown) => thrown);
        source.next(1);
        source.next(2);
        const thrown = await left;
        expect([seen, source.observed]).to.eql([[1], false]);
        expect(thrown instanceof Error).to.equal(leave === 'throw');
      }
    });

    it('unsubscribes in the call of return(), and what waited is gone', async () => {
      const source = new Subject<number>();
      const iterator = iterate(source, { capacity: 5 });
      void iterator.next();
      for (let i = 0; i < 3; i++) source.next(i);
      const answer = iterator.return!();
      expect(source.observed).to.equal(false);
      expect([await answer, await iterator.next(), await iterator.return!()]).to.eql([DONE, DONE, DONE]);
    });

    it('answers those who still wait', async () => {
      const iterator = iterate(NEVER, { capacity: 5 });
      const answers = [iterator.next(), iterator.next()];
      void iterator.return!();
      expect(await Promise.all(answers)).to.eql([DONE, DONE]);
    });

    it('before the first next() is to never subscribe', async () => {
      let subscribed = false;
      const iterator = iterate(new Observable<number>(() => void (subscribed = true)), { capacity: 5 });
      expect(await iterator.return!()).to.eql(DONE);
      expect([await iterator.next(), subscribed]).to.eql([DONE, false]);
    });

    it('lets go of an error that had waited, too', async () => {
      const failing = concat(
        of(1, 2),
        throwError(() => new Error('late')),
      );
      const iterator = iterate(failing, { capacity: 2 });
      expect(await iterator.next()).to.eql({ done: false, value: 1 });
      await iterator.return!();
      expect(await iterator.next()).to.eql(DONE);
    });
  });

  describe('re-entrancy', () => {
    /** One value waits and the next one takes its place, of which `hears` hears. */
    function evict(hears: (iterator: AsyncIterator<number>) => void): AsyncIterator<number> {
      const source = new Subject<number>();
      const iterator = iterate(source, { capacity: 1, overflow: 'drop-oldest', onDrop: () => hears(iterator) });
      void iterator.next();
      for (let i = 0; i < 3; i++) source.next(i);
      return iterator;
    }

    it('gives the value that has arrived to whoever asks from inside onDrop', async () => {
      const answers: Promise<unknown>[] = [];
      evict((iterator) => void answers.push(answerOf(iterator.next())));
      expect(await Promise.all(answers)).to.eql([{ done: false, value: 2 }]);
    });

    it('gives the values that have arrived to those who ask from inside onDrop, one each, in order', async () => {
      const source = new Subject<number>();
      const answers: Promise<unknown>[] = [];
      const onDrop = (): void => void answers.push(answerOf(iterator.next()), answerOf(iterator.next()));
      const iterator = iterate(source, { capacity: 2, overflow: 'clear', onDrop });
      void iterator.next();
      for (let i = 0; i < 7; i++) source.next(i);
      const values = (await Promise.all(answers)).map((answer) => (answer as { value: unknown }).value);
      expect(values).to.eql([3, 4, 5, 6]);
    });

    it('gives nothing to whoever has left from inside onDrop', async () => {
      const iterator = evict((left) => void left.return!());
      expect([await iterator.next(), await iterator.next()]).to.eql([DONE, DONE]);
    });

    it('gives the arriving value to the consumer that asks, and leaves, from inside onDrop', async () => {
      const answers: Promise<unknown>[] = [];
      evict((iterator) => {
        answers.push(answerOf(iterator.next()));
        void iterator.return!();
      });
      expect(await Promise.all(answers)).to.eql([{ done: false, value: 2 }]);
    });

    it('refuses a value that is emitted from inside onDrop: the arriving one has the place by then', async () => {
      const source = new Subject<number>();
      const lost: string[] = [];
      const onDrop = (value: number, reason: string): void => {
        lost.push(`${value} ${reason}`);
        if (value === 1) source.next(3);
      };
      const iterator = iterate(source, { capacity: 1, overflow: 'drop-oldest', onDrop });
      void iterator.next();
      for (let i = 0; i < 3; i++) source.next(i);
      expect([await iterator.next(), lost]).to.eql([{ done: false, value: 2 }, ['1 evicted', '3 full']]);
    });

    it('lets the source ask, and leave, while it is being subscribed', async () => {
      const answers: Promise<unknown>[] = [];
      let closed = false;
      const source = new Observable<number>((subscriber) => {
        answers.push(answerOf(iterator.next()));
        subscriber.next(1);
        subscriber.next(2);
        void iterator.return!();
        closed = subscriber.closed;
      });
      const iterator = iterate(source, { capacity: 5 });
      answers.unshift(answerOf(iterator.next()));
      const values = (await Promise.all(answers)).map((answer) => (answer as { value: unknown }).value);
      expect([values, closed]).to.eql([[1, 2], true]);
    });
  });

  describe('size', () => {
    // A line of which the first is removed by moving all others takes half a minute.
    for (const [what, first] of [
      ['calls of next() wait for as many values', 'next'],
      ['values wait for as many calls of next()', 'value'],
    ] as const) {
      it(`is no matter: 200,000 ${what}`, async () => {
        const source = new Subject<number>();
        const iterator = iterate(source, { capacity: Infinity });
        const answers: Promise<IteratorResult<number>>[] = [];
        const ask = (): void => void answers.push(iterator.next());
        ask();
        source.next(0);
        if (first === 'next') for (let i = 1; i < 2e5; i++) ask();
        for (let i = 1; i < 2e5; i++) source.next(i);
        if (first === 'value') for (let i = 1; i < 2e5; i++) ask();
        const values = (await Promise.all(answers)).map(({ value }) => value as number);
        expect(values.length).to.equal(2e5);
        expect(values.every((value, i) => value === i)).to.equal(true);
      }).timeout(8000);
    }
  });

  describe('iterations', () => {
    it('have a subscription and a buffer of their own', async () => {
      const source = new Subject<number>();
      const iterable = toAsyncIterable(source, { capacity: 1, overflow: 'drop-oldest' });
      const [one, two] = [iterable[Symbol.asyncIterator](), iterable[Symbol.asyncIterator]()];
      const first = one.next();
      source.next(0);
      const second = two.next();
      source.next(1);
      source.next(2);
      expect([await first, await second]).to.eql([0, 1].map((value) => ({ done: false, value })));
      expect([await one.next(), await two.next()]).to.eql([2, 2].map((value) => ({ done: false, value })));
      void one.return!();
      source.next(3);
      expect([await one.next(), await two.next()]).to.eql([DONE, { done: false, value: 3 }]);
    });

    it('begin anew each time', async () => {
      const iterable = toAsyncIterable(of(1, 2), { capacity: 1 });
      for (let i = 0; i < 3; i++) expect(await loop(iterable)).to.eql([[1, 2], 'end']);
    });
  });

  describe('config', () => {
    const wrong: readonly (readonly [title: string, config: object, type: ErrorConstructor, message: string])[] = [
      ['no capacity', {}, TypeError, 'capacity must be an integer ≥ 0, or Infinity, but is undefined'],
      ['a capacity of -1', { capacity: -1 }, RangeError, 'capacity must be'],
      ['a capacity of 0.5', { capacity: 0.5 }, RangeError, 'capacity must be'],
      ['an unknown policy', { capacity: 1, overflow: 'drop-newest' }, TypeError, 'overflow must be one of'],
      ['an onDrop that is no function', { capacity: 1, onDrop: 1 }, TypeError, 'onDrop must be a function'],
      ['an unknown option', { capacity: 1, demand: NEVER }, TypeError, "toAsyncIterable has no option 'demand'"],
    ];
    for (const [title, config, type, message] of wrong) {
      it(`is refused at once: ${title}`, () => {
        expect(() => toAsyncIterable(NEVER, config as BufferConfig<never>)).to.throw(type, message);
      });
    }
  });

  it('is the model, for any order of values, calls of next() and ends', async () => {
    const event = fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom('value' as const, 'next' as const) },
      { weight: 1, arbitrary: fc.constantFrom('complete' as const, 'error' as const, 'return' as const) },
    );
    const program = fc.array(event, { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0, 1, 3, Infinity),
        fc.constantFrom(...POLICIES),
        program,
        async (capacity, overflow, events) => {
          fc.pre(isPossible({ buffer: capacity, overflow }));
          const error = new Error('source');
          const source = new Subject<number>();
          const iterator = iterate(source, { capacity, overflow });
          const answers: Promise<unknown>[] = [];

          const expected: unknown[] = [];
          const waiting: number[] = [];
          const asked: number[] = [];
          let ends: unknown[] = [];
          let [started, over, next] = [false, false, 0];
          const answer = (): void => {
            while (asked.length > 0 && waiting.length > 0)
              expected[asked.shift()!] = { done: false, value: waiting.shift() };
            while (over && asked.length > 0) expected[asked.shift()!] = ends.shift() ?? DONE;
          };
          const arrive = (value: number): void => {
            if (waiting.length < Math.max(capacity, asked.length)) waiting.push(value);
            else if (overflow === 'error') {
              ends = ['BufferOverflowError'];
              over = true;
            } else if (overflow !== 'drop-incoming' && capacity > 0) {
              const from = overflow === 'replace-newest' ? waiting.length - 1 : 0;
              waiting.splice(from, overflow === 'clear' ? Infinity : 1);
              waiting.push(value);
            }
          };
          for (const happens of events) {
            if (happens === 'next') {
              started = true;
              asked.push(answers.length);
              expected.push('open');
              const answered = iterator.next().catch((thrown: unknown) => (thrown as Error).name);
              answers.push(Promise.race([answered, turn().then(() => 'open')]));
              // A Subject tells those who come late of its end.
              if (source.hasError && !over) ends = ['Error'];
              if (source.isStopped) over = true;
            } else if (happens === 'value') {
              if (started && !over && !source.isStopped) arrive(next);
              source.next(next++);
            } else if (happens === 'return') {
              [started, over, ends] = [true, true, []];
              waiting.length = 0;
              void iterator.return!();
            } else {
              if (!over && !source.isStopped && started) {
                over = true;
                if (happens === 'error') ends = ['Error'];
              }
              if (happens === 'error') source.error(error);
              else source.complete();
            }
            answer();
            expect(source.observed).to.equal(started && !over);
          }
          expect(await Promise.all(answers)).to.eql(expected);
        },
      ),
      { numRuns: 200 },
    );
  });
});
