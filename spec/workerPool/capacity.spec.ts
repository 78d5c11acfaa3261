import { expect } from 'chai';
import { EMPTY, NEVER, Observable, of, range, Subject, tap } from 'rxjs';
import { workerPool } from '../../src/index.js';
import type { JobContext, Overflow } from '../../src/index.js';
import { marbles } from '../support/marbles.js';
import { coldJobs, errorAs } from './support.js';
import { isPossible } from '../support/policies.js';

describe('workerPool', () => {
  describe('capacity', () => {
    it('with buffer 0 runs a job only when a worker is free', () =>
      marbles((helpers) => {
        const { hot, expectObservable, expectSubscriptions } = helpers;
        const source = hot('    -ab--c-|    ');
        const jobs = coldJobs(helpers, { a: '---(a|)', b: '---(b|)', c: '---(c|)' });
        const expected = '      ----a---(c|)';
        const pool = workerPool(jobs.work, { workers: 1, buffer: 0, overflow: 'drop-incoming' });
        expectObservable(source.pipe(pool)).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^------!');
        expectSubscriptions(jobs.windows('a')).toBe('   -^--!');
        expectSubscriptions(jobs.windows('b')).toBe([]);
        expectSubscriptions(jobs.windows('c')).toBe('   -----^--!');
      }));

    it('with buffer 1 keeps one job waiting', () =>
      marbles((helpers) => {
        const { hot, expectObservable, expectSubscriptions } = helpers;
        const source = hot('    -abc---|      ');
        const jobs = coldJobs(helpers, { a: '----(a|)', b: '----(b|)', c: '----(c|)' });
        const expected = '      -----a---(b|) ';
        const pool = workerPool(jobs.work, { workers: 1, buffer: 1, overflow: 'drop-incoming' });
        expectObservable(source.pipe(pool)).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^------!');
        expectSubscriptions(jobs.windows('b')).toBe('   -----^---!');
        expectSubscriptions(jobs.windows('c')).toBe([]);
      }));

    it('is full at as many jobs as workers and buffer hold, and not before', () => {
      const source = new Subject<number>();
      let error: unknown;
      source.pipe(workerPool(() => NEVER, { workers: 3, buffer: 2 })).subscribe({ error: (e: unknown) => (error = e) });
      for (let job = 0; job < 5; job++) source.next(job);
      expect(error).to.equal(undefined);
      source.next(5);
      expect(error).to.include({ name: 'BufferOverflowError', capacity: 2, job: 5 });
    });

    it('has room again for each job that has started', () => {
      const source = new Subject<number>();
      const ends: Subject<void>[] = [];
      const work = (): Observable<void> => {
        ends.push(new Subject());
        return ends.at(-1)!;
      };
      let error: unknown;
      source.pipe(workerPool(work, { workers: 1, buffer: 1 })).subscribe({ error: (e: unknown) => (error = e) });
      source.next(0);
      for (let job = 1; job < 40; job++) {
        source.next(job);
        ends[job - 1]!.complete();
      }
      expect(error).to.equal(undefined);
      expect(ends).to.have.length(40);
    });

    it('allocates nothing for a capacity of a billion', () => {
      const source = new Subject<number>();
      const { heapUsed, external } = process.memoryUsage();
      const results = source.pipe(workerPool(() => NEVER, { workers: 1, buffer: 1e9 })).subscribe();
      source.next(1);
      source.next(2);
      const after = process.memoryUsage();
      results.unsubscribe();
      expect(after.heapUsed - heapUsed + after.external - external).to.be.below(2 ** 20);
    });

    it('with as many workers as there are jobs never waits', () => {
      const started: number[] = [];
      const results = range(0, 2000)
        .pipe(workerPool((job, { worker }) => (started.push(worker), NEVER), { workers: Infinity, buffer: 0 }))
        .subscribe();
      expect(started).to.eql(Array.from({ length: 2000 }, (_, i) => i + 1));
      results.unsubscribe();
    });

    it('with workers: Infinity goes on past the number of workers that it lets rest', () => {
      const source = new Subject<number>();
      let ends: Subject<void>[] = [];
      const seen: number[] = [];
      const work = (_job: number, { worker }: JobContext): Observable<void> => {
        seen.push(worker);
        ends.push(new Subject());
        return ends.at(-1)!;
      };
      let completed = false;
      source.pipe(workerPool(work, { workers: Infinity, buffer: 0 })).subscribe({ complete: () => (completed = true) });
      for (let round = 0; round < 2; round++) {
        for (let job = 0; job < 1500; job++) source.next(job);
        expect(new Set(seen.splice(0)).size).to.equal(1500);
        for (const end of ends.splice(0).reverse()) end.complete();
      }
      ends = [];
      source.complete();
      expect(completed).to.equal(true);
    });
  });

  describe('overflow', () => {
    // One worker, jobs of 5 frames: a runs, b and c wait, d arrives at a full buffer.
    const policies: readonly (readonly [policy: Overflow, expected: string, intake: string])[] = [
      ['error', '        ----#                  ', '^---!    '],
      ['drop-incoming', '------a----b----(c|)   ', '^-------!'],
      ['drop-oldest', '  ------a----c----(d|)   ', '^-------!'],
      ['replace-newest', '------a----b----(d|)  ', '^-------!'],
      ['clear', '        ------a----(d|)        ', '^-------!'],
    ];
    for (const [overflow, expected, intake] of policies) {
      it(`${overflow}: decides who is lost when the buffer is full`, () =>
        marbles((helpers) => {
          const { hot, expectObservable, expectSubscriptions } = helpers;
          const source = hot('-abcd---|');
          const work = (job: string): Observable<string> => helpers.cold('-----(x|)', { x: job });
          const error = { name: 'BufferOverflowError', capacity: 2, job: 'd' };
          const results = source.pipe(
            workerPool(work, { workers: 1, buffer: 2, overflow }),
            tap({ error: (actual: unknown) => expect(actual).to.include(error) }),
            errorAs('error'),
          );
          expectObservable(results).toBe(expected);
          expectSubscriptions(source.subscriptions).toBe(intake);
        }));

      if (!isPossible({ buffer: 0, overflow })) {
        it(`${overflow}: is refused with buffer: 0, when the operator is made`, () => {
          expect(() => workerPool(() => NEVER, { workers: 1, buffer: 0, overflow })).to.throw(
            TypeError,
            `overflow must be 'error' or 'drop-incoming' with buffer: 0, but is '${overflow}'`,
          );
        });
        continue;
      }

      it(`${overflow}: refuses the arriving job when nothing can wait`, () =>
        marbles((helpers) => {
          const { hot, expectObservable, expectSubscriptions } = helpers;
          const source = hot('             -ab-----|  ');
          const jobs = coldJobs(helpers, { a: '-----(a|)', b: '-----(b|)' });
          const refuses = overflow === 'error' ? '--#' : '------a-|';
          const results = source.pipe(workerPool(jobs.work, { workers: 1, buffer: 0, overflow }), errorAs('error'));
          expectObservable(results).toBe(refuses);
          expectSubscriptions(source.subscriptions).toBe(overflow === 'error' ? '^-!' : '^-------!');
          expectSubscriptions(jobs.windows('b')).toBe([]);
        }));
    }

    it('is an error when no policy is named', () => {
      let error: unknown;
      of('a', 'b')
        .pipe(workerPool(() => NEVER, { workers: 1, buffer: 0 }))
        .subscribe({ error: (e: unknown) => (error = e) });
      expect(error).to.include({ name: 'BufferOverflowError', job: 'b' });
    });

    it('drops as its doc comment draws it', () =>
      marbles((helpers) => {
        const { hot, expectObservable, expectSubscriptions } = helpers;
        const source = '                   -a-b-c--|          ';
        const expected = {
          'drop-incoming': '               ------a----(b|)    ',
          'drop-oldest': '                 ------a----(c|)    ',
        };
        for (const overflow of ['drop-incoming', 'drop-oldest'] as const) {
          const intake = hot(source);
          const work = (job: string): Observable<string> => helpers.cold('-----(x|)', { x: job });
          expectObservable(intake.pipe(workerPool(work, { workers: 1, buffer: 1, overflow }))).toBe(expected[overflow]);
          expectSubscriptions(intake.subscriptions).toBe('^-------!');
        }
      }));

    it('clear evicts all that waits, also where nothing but the arriving job is left', () => {
      const started: number[] = [];
      const source = new Subject<number>();
      const first = new Subject<never>();
      const work = (job: number): Observable<never> => (started.push(job), job === 0 ? first : EMPTY);
      source.pipe(workerPool(work, { workers: 1, buffer: 3, overflow: 'clear' })).subscribe();
      for (let job = 0; job <= 9; job++) source.next(job);
      first.complete();
      expect(started).to.eql([0, 7, 8, 9]);
    });
  });
});
