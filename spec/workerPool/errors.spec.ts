import { expect } from 'chai';
import { EMPTY, from, NEVER, Observable, of, Subject, tap, throwError } from 'rxjs';
import { byKey, byPriority, coalesced, workerPool } from '../../src/index.js';
import type { JobDropped, JobHooks, PoolConfig, ShutdownLevel } from '../../src/index.js';
import { takeReported, turn } from '../support/guard.js';
import { marbles } from '../support/marbles.js';
import { coldJobs, errorAs } from './support.js';

describe('workerPool', () => {
  describe('errors', () => {
    it('of the source come at once, and stop what runs', () =>
      marbles((helpers) => {
        const { hot, expectObservable, expectSubscriptions } = helpers;
        const source = hot('    -ab-#      ');
        const jobs = coldJobs(helpers, { a: '------(a|)', b: '------(b|)' });
        const expected = '      ----#      ';
        expectObservable(source.pipe(workerPool(jobs.work, { workers: 1, buffer: 1 }))).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^---!');
        expectSubscriptions(jobs.windows('a')).toBe('   -^--!');
        expectSubscriptions(jobs.windows('b')).toBe([]);
      }));

    it('of a job come at once, release the source, and stop the other jobs', () =>
      marbles((helpers) => {
        const { hot, expectObservable, expectSubscriptions } = helpers;
        const source = hot('    -abc------|');
        const jobs = coldJobs(helpers, { a: '-----(a|)', b: '-x-#', c: '---(c|)' });
        const expected = '      ---x-#     ';
        expectObservable(source.pipe(workerPool(jobs.work, { workers: 2, buffer: 1 }))).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^----!');
        expectSubscriptions(jobs.windows('a')).toBe('   -^---!');
        expectSubscriptions(jobs.windows('b')).toBe('   --^--!');
        expectSubscriptions(jobs.windows('c')).toBe([]);
      }));

    it('of work that throws are errors of its job', () =>
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const source = hot('    -a---b---|');
        const expected = '      -----#    ';
        const work = (job: string): Observable<string> => {
          if (job === 'b') throw 'error';
          return EMPTY;
        };
        expectObservable(source.pipe(workerPool(work, { workers: 1, buffer: 0 }))).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^----!');
      }));

    it('of a waiting job come when its turn has come', () =>
      marbles((helpers) => {
        const { hot, expectObservable, expectSubscriptions } = helpers;
        const source = hot('    -ab|     ');
        const jobs = coldJobs(helpers, { a: '---(a|)', b: '-#' });
        const expected = '      ----a#   ';
        expectObservable(source.pipe(workerPool(jobs.work, { workers: 1, buffer: 1 }))).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^--!');
        expectSubscriptions(jobs.windows('b')).toBe('   ----^!');
      }));

    describe('reach downstream, whatever a hook does that is told of them', () => {
      const boom = (): never => {
        throw new Error('callback');
      };
      const failing = (): Observable<never> => throwError(() => new Error('work'));
      let later: Subject<never>;
      /** What fails, how, and with which error. */
      const failures: Record<string, [work: () => Observable<never>, Partial<PoolConfig<number, never>>, string]> = {
        work: [failing, {}, 'work'],
        'a key': [() => NEVER, { queue: byKey(boom) }, 'callback'],
        'a priority': [() => NEVER, { queue: byPriority(boom) }, 'callback'],
        'the key of a merge': [() => NEVER, { queue: coalesced(boom, (a) => a) }, 'callback'],
        'a notifier without a value': [failing, { retry: { delay: () => EMPTY } }, 'work'],
        'a notifier that ends later without a value': [failing, { retry: { delay: () => later } }, 'work'],
        'a full buffer': [() => NEVER, { buffer: 0 }, 'buffer is full'],
      };
      for (const [what, [work, config, message]] of Object.entries(failures)) {
        for (const end of ['drain', 'discard', 'abort', 'abandon', 'the end of the source'] as const) {
          it(`${what}, and ${end}`, () => {
            const source = new Subject<number>();
            const stop = new Subject<ShutdownLevel>();
            const told: string[] = [];
            later = new Subject();
            const hooks: JobHooks<number, never> = {
              settled: ({ status, ...outcome }) => {
                if (status === 'failed' || (outcome as JobDropped<number>).reason === 'full') {
                  if (end === 'the end of the source') source.complete();
                  else stop.next(end);
                }
              },
            };
            source.pipe(workerPool(work, { workers: 1, buffer: 1, shutdown: stop, hooks, ...config })).subscribe({
              error: (error: unknown) => told.push((error as Error).message),
              complete: () => told.push('complete'),
            });
            source.next(1);
            if (!what.includes('later')) source.next(2);
            later.complete();
            expect(told.length).to.equal(1);
            expect(told[0]).to.include(message);
          });
        }
      }
    });

    it('of a full buffer carry the job and the capacity, and stop what runs', () =>
      marbles((helpers) => {
        const { hot, expectObservable, expectSubscriptions } = helpers;
        const source = hot('    -abc--');
        const jobs = coldJobs(helpers, { a: '------(a|)' });
        const expected = '      ---#  ';
        let error: unknown;
        const results = source.pipe(
          workerPool(jobs.work, { workers: 1, buffer: 1, overflow: 'error' }),
          tap({ error: (e: unknown) => (error = e) }),
          errorAs('error'),
        );
        expectObservable(results).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^--!');
        expectSubscriptions(jobs.windows('a')).toBe('   -^-!');
        helpers.flush();
        expect(error).to.include({ name: 'BufferOverflowError', capacity: 1, job: 'c' });
        expect(error).to.be.an.instanceOf(Error);
        expect((error as Error).message).to.match(/^buffer is full \(capacity 1\)/);
      }));

    it('of a hook are reported, and the pool goes on', async () => {
      const values: string[] = [];
      const failure = new Error('in a hook');
      from(['a', 'b'])
        .pipe(
          workerPool((job) => of(job), {
            workers: 1,
            buffer: 0,
            hooks: {
              started: () => {
                throw failure;
              },
            },
          }),
        )
        .subscribe((value) => values.push(value));
      expect(values).to.eql(['a', 'b']);
      await turn();
      expect(takeReported()).to.eql([failure, failure]);
    });

    it('start nothing for whoever hears of an overflow, although a worker has become free', () => {
      const source = new Subject<string>();
      const running = new Subject<never>();
      const started: string[] = [];
      const work = (job: string): Observable<never> => (started.push(job), running);
      source.pipe(workerPool(work, { workers: 1, buffer: 0 })).subscribe({
        error: () => {
          running.complete();
          source.next('c');
        },
      });
      for (const job of ['a', 'b']) source.next(job);
      expect(started).to.eql(['a']);
    });
  });
});
