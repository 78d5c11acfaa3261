import { expect } from 'chai';
import { finalize, mergeMap, NEVER, Observable, of, range, Subject, take } from 'rxjs';
import { workerPool } from '../../src/index.js';
import { marbles } from '../support/marbles.js';
import { coldJobs } from './support.js';

describe('workerPool', () => {
  describe('unsubscription', () => {
    it('releases the source and the running jobs, and starts nothing that waits', () =>
      marbles((helpers) => {
        const { hot, expectObservable, expectSubscriptions } = helpers;
        const source = hot('    -abc------');
        const jobs = coldJobs(helpers, { a: '--x----', b: '--y----', c: '--z----' });
        const expected = '      ---xy---- ';
        const unsubscribe = '   -----!    ';
        expectObservable(source.pipe(workerPool(jobs.work, { workers: 2, buffer: 1 })), unsubscribe).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^----!');
        expectSubscriptions(jobs.windows('a')).toBe('   -^---!');
        expectSubscriptions(jobs.windows('b')).toBe('   --^--!');
        expectSubscriptions(jobs.windows('c')).toBe([]);
      }));

    /** What is torn down, in order, when the results of jobs 1, 2 and 3 on three workers are unsubscribed. */
    function teardowns(
      operator: (work: (job: number) => Observable<never>) => (source: Observable<number>) => Observable<never>,
    ): string[] {
      const log: string[] = [];
      const source = new Subject<number>();
      const results = source
        .pipe(
          finalize(() => log.push('source')),
          operator((job) => NEVER.pipe(finalize(() => log.push(`job ${job}`)))),
        )
        .subscribe();
      for (const job of [1, 2, 3]) source.next(job);
      results.unsubscribe();
      return log;
    }

    it('stops the source first, then the jobs in the order of their subscriptions, as mergeMap does', () => {
      const pool = teardowns((work) => workerPool(work, { workers: 3, buffer: 0 }));
      expect(pool).to.eql(['source', 'job 1', 'job 2', 'job 3']);
      expect(pool).to.eql(teardowns((work) => mergeMap(work)));
    });

    it('stops the jobs in the order of their subscriptions, not of their workers', () => {
      const log: string[] = [];
      const source = new Subject<string>();
      const first = new Subject<never>();
      const results = source
        .pipe(
          workerPool((job) => (job === 'a' ? first : NEVER).pipe(finalize(() => log.push(job))), {
            workers: 2,
            buffer: 0,
          }),
        )
        .subscribe();
      source.next('a');
      source.next('b');
      first.complete();
      source.next('c');
      log.length = 0;
      results.unsubscribe();
      expect(log).to.eql(['b', 'c']);
    });

    it('inside a value stops the job that emits it, and starts no other', () => {
      const started: number[] = [];
      const values: number[] = [];
      const source = new Subject<number>();
      const gate = new Subject<void>();
      const work = (job: number): Observable<number> => {
        started.push(job);
        return gate.pipe(mergeMap(() => [job, -job]));
      };
      source.pipe(workerPool(work, { workers: 2, buffer: 2 }), take(1)).subscribe((value) => values.push(value));
      for (const job of [1, 2, 3, 4]) source.next(job);
      gate.next();
      expect({ started, values }).to.eql({ started: [1, 2], values: [1] });
      expect([source.observed, gate.observed]).to.eql([false, false]);
    });

    it('inside a finalizer starts no further job', () => {
      const started: number[] = [];
      const source = new Subject<number>();
      const first = new Subject<never>();
      const work = (job: number): Observable<never> => {
        started.push(job);
        return first.pipe(finalize(() => results.unsubscribe()));
      };
      const results = source.pipe(workerPool(work, { workers: 1, buffer: 2 })).subscribe();
      for (const job of [1, 2, 3]) source.next(job);
      first.complete();
      expect(started).to.eql([1]);
      expect(source.observed).to.equal(false);
    });

    it('inside work tears down at once what the work returns', () => {
      const log: string[] = [];
      const source = new Subject<number>();
      const results = source
        .pipe(
          workerPool(
            () => {
              results.unsubscribe();
              return new Observable<never>(({ closed }) => {
                log.push(`subscribed, closed: ${closed}`);
                return () => log.push('torn down');
              });
            },
            { workers: 1, buffer: 0 },
          ),
        )
        .subscribe();
      source.next(1);
      expect(log).to.eql(['subscribed, closed: true', 'torn down']);
    });

    it('stops a job that emits synchronously without end', () => {
      const values: number[] = [];
      of(1)
        .pipe(
          workerPool(() => range(0, Infinity), { workers: 1, buffer: 0 }),
          take(3),
        )
        .subscribe((value) => values.push(value));
      expect(values).to.eql([0, 1, 2]);
    });

    it('starts exactly three jobs of a synchronous, endless source under take(3)', () => {
      for (const workers of [1, 2, Infinity]) {
        let started = 0;
        const values: number[] = [];
        range(0, Infinity)
          .pipe(
            workerPool((job) => (started++, of(job)), { workers, buffer: 0 }),
            take(3),
          )
          .subscribe((value) => values.push(value));
        expect({ started, values }).to.eql({ started: 3, values: [0, 1, 2] });
      }
    });
  });
});
