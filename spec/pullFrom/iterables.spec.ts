import { expect } from 'chai';
import { EMPTY, finalize, identity, Observable, of, Subject, take } from 'rxjs';
import { pullFrom, workerPool } from '../../src/index.js';
import { turn } from '../support/guard.js';
import { marbles } from '../support/marbles.js';
import { AsyncNumbers, collect, Feed, Jobs, Numbers, withoutIterator } from './support.js';

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

      it(`${form} and fails is an error of the results, and nobody reads it any more`, async () => {
        const error = new Error('stream');
        const pool = workerPool((n: number) => of(n), { workers: 1, buffer: 0 });
        for (const read of [pool, identity]) {
          const stream = new ReadableStream<number>({ pull: () => Promise.reject(error) });
          const results = collect(pullFrom(shape(stream)).pipe(read));
          await turn();
          expect([results.values, results.end(), stream.locked]).to.eql([[], error, false]);
        }
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
      ['a Promise', Promise.resolve([])],
      ['an object', { length: 1, 0: 'a' }],
      ['an object', { [Symbol.iterator]: 'a' }],
      ['a function', () => []],
    ];
    for (const [shown, value] of none) {
      it(`is refused: ${shown}`, () => {
        const rest = `an iterable or an async iterable, but is ${shown}`;
        expect(() => pullFrom(value as Iterable<number>)).to.throw(TypeError, `pullFrom's source must be ${rest}`);
        const results = collect(workerPool((n) => of(n), { workers: 1, buffer: 0 })(value as Iterable<number>));
        expect(results.end()).to.be.instanceOf(TypeError);
        expect((results.end() as Error).message).to.equal(`a pool's source must be an Observable, ${rest}`);
      });
    }

    it('is refused: an Observable, which a pool takes as it is', () => {
      expect(() => pullFrom(EMPTY as unknown as Iterable<number>)).to.throw(TypeError, "pullFrom's source must be");
    });
  });
});
