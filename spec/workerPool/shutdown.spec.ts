import { expect } from 'chai';
import { asyncScheduler, EMPTY, NEVER, Observable, of, range, Subject, throwError, timer } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { workerPool } from '../../src/index.js';
import type { JobContext, PoolOperator, ShutdownLevel } from '../../src/index.js';
import { takeReported, turn } from '../support/guard.js';
import { marbles } from '../support/marbles.js';
import { coldJobs } from './support.js';

/** A promise in virtual time: fulfilled `frames` after it was awaited. */
function promised<T>(value: T, frames: number): PromiseLike<T> {
  const awaited = (resolve: (value: T) => void): unknown => {
    timer(frames).subscribe(() => resolve(value));
    return { then: () => undefined };
  };
  return { then: awaited } as unknown as PromiseLike<T>;
}

const LEVELS = ['drain', 'discard', 'abort', 'abandon'] as const;

describe('workerPool', () => {
  describe('completion', () => {
    it('waits for what runs and for what waits', () =>
      marbles((helpers) => {
        const { hot, expectObservable, expectSubscriptions } = helpers;
        const source = hot('    (abc|)               ');
        const jobs = coldJobs(helpers, { a: '---a|', b: '---b|', c: '---c-|' });
        const expected = '      ---a---b---c-|       ';
        expectObservable(source.pipe(workerPool(jobs.work, { workers: 1, buffer: 2 }))).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('(^!)');
        expectSubscriptions(jobs.windows('c')).toBe('   --------^----!');
      }));

    it('comes with that of the source when nobody works', () =>
      marbles((helpers) => {
        const { hot, expectObservable, expectSubscriptions } = helpers;
        const source = hot('    -a------|');
        const jobs = coldJobs(helpers, { a: '--(a|)' });
        const expected = '      ---a----|';
        expectObservable(source.pipe(workerPool(jobs.work, { workers: 3, buffer: 2 }))).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^-------!');
      }));

    it('comes at once for an empty source', () =>
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('   |');
        expectObservable(source.pipe(workerPool(() => NEVER, { workers: 1, buffer: 0 }))).toBe('|');
        expectSubscriptions(source.subscriptions).toBe('(^!)');
      }));

    it('does not come while the source is open, or while a job is', () =>
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const [open, ended] = [hot('-a---'), hot('-a--|')];
        expectObservable(open.pipe(workerPool(() => EMPTY, { workers: 1, buffer: 0 }))).toBe('-');
        expectObservable(ended.pipe(workerPool(() => NEVER, { workers: 1, buffer: 0 }))).toBe('-');
        expectSubscriptions(open.subscriptions).toBe('^');
        expectSubscriptions(ended.subscriptions).toBe('^---!');
      }));
  });

  describe('shutdown', () => {
    const levels = { d: 'drain', i: 'discard', a: 'abort', n: 'abandon' } as const;

    /**
     * One worker, one place, jobs of 5 frames: a runs from frame 1, b waits from frame 3 and runs from 6 to 11.
     * The level comes at the frame that the row names; '' is never, and shows what would have been.
     */
    const source = '          -a-b---------|   ';
    const rows: readonly (readonly [state: string, notifier: string, expected: string, intake: string])[] = [
      ['never', '             -------------    ', ' ------a----b-|    ', '^------------!'],
      ['drain, idle', '       d                ', ' |                 ', '(^!)          '],
      ['discard, idle', '     i                ', ' |                 ', '(^!)          '],
      ['abort, idle', '       a                ', ' |                 ', '(^!)          '],
      ['abandon, idle', '     n                ', ' |                 ', '(^!)          '],
      ['drain, running', '    --d              ', ' ------(a|)        ', '^-!           '],
      ['discard, running', '  --i              ', ' ------(a|)        ', '^-!           '],
      ['abort, running', '    --a              ', ' --|               ', '^-!           '],
      ['abandon, running', '  --n              ', ' --|               ', '^-!           '],
      ['drain, full', '       ----d            ', ' ------a----(b|)   ', '^---!         '],
      ['discard, full', '     ----i            ', ' ------(a|)        ', '^---!         '],
      ['abort, full', '       ----a            ', ' ----|             ', '^---!         '],
      ['abandon, full', '     ----n            ', ' ----|             ', '^---!         '],
      ['drain, resting', '    ------------d    ', ' ------a----b|     ', '^-----------! '],
      ['discard, resting', '  ------------i    ', ' ------a----b|     ', '^-----------! '],
      ['abort, resting', '    ------------a    ', ' ------a----b|     ', '^-----------! '],
      ['abandon, resting', '  ------------n    ', ' ------a----b|     ', '^-----------! '],
      ['drain, drain', '      ----dd           ', ' ------a----(b|)   ', '^---!         '],
      ['drain, discard', '    ----di           ', ' ------(a|)        ', '^---!         '],
      ['drain, abort', '      ----da           ', ' -----|            ', '^---!         '],
      ['drain, abandon', '    ----dn           ', ' -----|            ', '^---!         '],
      ['discard, drain', '    ----id           ', ' ------(a|)        ', '^---!         '],
      ['discard, discard', '  ----ii           ', ' ------(a|)        ', '^---!         '],
      ['discard, abort', '    ----ia           ', ' -----|            ', '^---!         '],
      ['discard, abandon', '  ----in           ', ' -----|            ', '^---!         '],
      ['abort, after the end', '--------------a', ' ------a----b-|    ', '^------------!'],
      ['every level at once', '----(dian)       ', ' ----|             ', '^---!         '],
    ];
    for (const [state, notifier, expected, intake] of rows) {
      it(`ends as its level says: ${state}`, () =>
        marbles((helpers) => {
          const { hot, expectObservable, expectSubscriptions } = helpers;
          const jobs$ = hot(source);
          const shutdown = hot(notifier, levels);
          const work = (job: string): Observable<string> => helpers.cold('-----(x|)', { x: job });
          expectObservable(jobs$.pipe(workerPool(work, { workers: 1, buffer: 1, shutdown }))).toBe(expected);
          expectSubscriptions(jobs$.subscriptions).toBe(intake);
          expectSubscriptions(shutdown.subscriptions).toBe(untilTheEndOf(expected));
        }));
    }

    for (const [level, expected] of [
      ['d', '-----(a|)'],
      ['i', '-----(a|)'],
      ['a', '----|    '],
      ['n', '----|    '],
    ] as const) {
      it(`can be asked for while the end of the source is a drain already: ${levels[level]}`, () =>
        marbles((helpers) => {
          const { hot, expectObservable, expectSubscriptions } = helpers;
          const jobs$ = hot('     a-|      ');
          const shutdown = hot(`  ----${level}`, levels);
          const jobs = coldJobs(helpers, { a: '-----(a|)' });
          expectObservable(jobs$.pipe(workerPool(jobs.work, { workers: 1, buffer: 1, shutdown }))).toBe(expected);
          expectSubscriptions(jobs$.subscriptions).toBe('^-!');
          expectSubscriptions(shutdown.subscriptions).toBe(untilTheEndOf(expected));
        }));
    }

    /** The same with promises, which cannot be stopped: a is signalled at an abort, and its value is waited for. */
    const promises: readonly (readonly [levels: string, expected: string, signalled: number | undefined])[] = [
      ['d-', ' ------a----(b|)', undefined],
      ['dd', ' ------a----(b|)', undefined],
      ['di', ' ------(a|)     ', undefined],
      ['da', ' ------(a|)     ', 5],
      ['dn', ' -----|         ', 5],
      ['i-', ' ------(a|)     ', undefined],
      ['id', ' ------(a|)     ', undefined],
      ['ii', ' ------(a|)     ', undefined],
      ['ia', ' ------(a|)     ', 5],
      ['in', ' -----|         ', 5],
      ['a-', ' ------(a|)     ', 4],
      ['ad', ' ------(a|)     ', 4],
      ['ai', ' ------(a|)     ', 4],
      ['aa', ' ------(a|)     ', 4],
      ['an', ' -----|         ', 4],
      ['n-', ' ----|          ', 4],
      ['nd', ' ----|          ', 4],
      ['ni', ' ----|          ', 4],
      ['na', ' ----|          ', 4],
      ['nn', ' ----|          ', 4],
    ];
    for (const [steps, expected, signalled] of promises) {
      const named = [...steps].filter((step) => step !== '-').map((step) => levels[step as keyof typeof levels]);
      it(`waits for a running promise as long as the level says: ${named.join(', then ')}`, () => {
        let at: number | undefined;
        marbles((helpers) => {
          const { hot, expectObservable, expectSubscriptions } = helpers;
          const jobs$ = hot(source);
          const shutdown = hot(`----${steps}`, levels);
          const work = (job: string, { signal }: JobContext): PromiseLike<string> => {
            signal.addEventListener('abort', () => (at = asyncScheduler.now()));
            return promised(job, 5);
          };
          expectObservable(jobs$.pipe(workerPool(work, { workers: 1, buffer: 1, shutdown }))).toBe(expected);
          expectSubscriptions(jobs$.subscriptions).toBe('^---!');
          expectSubscriptions(shutdown.subscriptions).toBe(untilTheEndOf(expected));
        });
        expect(at).to.equal(signalled);
      });
    }

    it('reaches each level before the source is subscribed, when the notifier emits synchronously', () =>
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        for (const level of LEVELS) {
          const jobs$ = hot('(ab)');
          const results = jobs$.pipe(workerPool(() => NEVER, { workers: 1, buffer: 0, shutdown: of(level) }));
          expectObservable(results).toBe('|');
          expectSubscriptions(jobs$.subscriptions).toBe([]);
        }
      }));

    it('lets go of a notifier that emits synchronously without end, when there is nothing to wait for', () => {
      let completed = false;
      const pool = workerPool(() => NEVER, { workers: 1, buffer: 0, shutdown: range(0, Infinity) });
      NEVER.pipe(pool).subscribe({ complete: () => (completed = true) });
      expect(completed).to.equal(true);
    });

    it('is a drain for any value that names no level, and reports one that nearly does', async () => {
      marbles((helpers) => {
        const { hot, expectObservable, expectSubscriptions } = helpers;
        for (const value of [undefined, null, 0, 3, 'Abort', 'abort ', 'SIGTERM', ['abort'], { level: 'abort' }]) {
          const jobs$ = hot('   -ab-------|     ');
          const shutdown = hot('---x            ', { x: value });
          const work = (job: string): Observable<string> => helpers.cold('---(x|)', { x: job });
          const expected = '    ----a--(b|)     ';
          expectObservable(jobs$.pipe(workerPool(work, { workers: 1, buffer: 1, shutdown }))).toBe(expected);
          expectSubscriptions(jobs$.subscriptions).toBe('^--!');
        }
      });
      await turn();
      const reported = takeReported() as Error[];
      expect(reported.map(({ name, message }) => [name, message.replace(/.*: /, '')])).to.eql([
        ['TypeError', "did you mean 'abort'?"],
        ['TypeError', "did you mean 'abort'?"],
      ]);
    });

    it('ignores the completion of the notifier', () =>
      marbles((helpers) => {
        const { hot, cold, expectObservable, expectSubscriptions } = helpers;
        const jobs$ = hot('     -a-----|    ');
        const shutdown = cold(' --|         ');
        const jobs = coldJobs(helpers, { a: '---(a|)' });
        const expected = '      ----a--|    ';
        expectObservable(jobs$.pipe(workerPool(jobs.work, { workers: 1, buffer: 0, shutdown }))).toBe(expected);
        expectSubscriptions(jobs$.subscriptions).toBe('   ^------!');
        expectSubscriptions(shutdown.subscriptions).toBe(' ^-!');
      }));

    it('takes an error of the notifier before its first value for one of the source', () =>
      marbles((helpers) => {
        const { hot, cold, expectObservable, expectSubscriptions } = helpers;
        const jobs$ = hot('     a---     ');
        const shutdown = cold(' --#      ');
        const jobs = coldJobs(helpers, { a: '----(a|)' });
        expectObservable(jobs$.pipe(workerPool(jobs.work, { workers: 1, buffer: 0, shutdown }))).toBe('--#');
        expectSubscriptions(jobs$.subscriptions).toBe('    ^-!');
        expectSubscriptions(shutdown.subscriptions).toBe('  ^-!');
        expectSubscriptions(jobs.windows('a')).toBe('       ^-!');
      }));

    it('reports an error of the notifier after the drain has begun, and goes on with the drain', async () => {
      marbles((helpers) => {
        const { hot, cold, expectObservable, expectSubscriptions } = helpers;
        const jobs$ = hot('     a---     ');
        const shutdown = cold(' -d#      ', levels);
        const jobs = coldJobs(helpers, { a: '----(a|)' });
        expectObservable(jobs$.pipe(workerPool(jobs.work, { workers: 1, buffer: 0, shutdown }))).toBe('----(a|)');
        expectSubscriptions(jobs$.subscriptions).toBe('    ^!');
        expectSubscriptions(jobs.windows('a')).toBe('       ^---!');
      });
      await turn();
      expect(takeReported()).to.eql(['error']);
    });

    it('does not subscribe to the source when the notifier errors synchronously', () =>
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const jobs$ = hot('a---');
        const shutdown = throwError(() => 'error');
        expectObservable(jobs$.pipe(workerPool(() => NEVER, { workers: 1, buffer: 0, shutdown }))).toBe('#');
        expectSubscriptions(jobs$.subscriptions).toBe([]);
      }));

    it('releases the notifier when the results are unsubscribed or error', () =>
      marbles((helpers) => {
        const { hot, cold, expectObservable, expectSubscriptions } = helpers;
        const jobs = coldJobs(helpers, { a: '---#' });
        const [first, second] = [cold('-'), cold('-')];
        const pool = (shutdown: ObservableInput<unknown>): PoolOperator<string, string> =>
          workerPool(jobs.work, { workers: 1, buffer: 0, shutdown });
        expectObservable(hot('-a--').pipe(pool(first)), '^-!').toBe('---');
        expectObservable(hot('-a--').pipe(pool(second))).toBe('     ----#');
        expectSubscriptions(first.subscriptions).toBe('             ^-!');
        expectSubscriptions(second.subscriptions).toBe('            ^---!');
      }));

    for (const [levels, started] of [
      [['drain'], ['a', 'b']],
      [['discard', 'drain'], ['a']],
    ] as const) {
      it(`${started.length > 1 ? 'runs' : 'drops'} an item that was on its way at the ${levels.join(', then ')}`, async () => {
        const seen: string[] = [];
        const shutdown = new Subject<ShutdownLevel>();
        const first = new Subject<never>();
        let arrive!: (item: IteratorResult<string>) => void;
        const next = (): Promise<IteratorResult<string>> => new Promise((resolve) => (arrive = resolve));
        const work = (job: string): Observable<never> => (seen.push(job), job === 'a' ? first : EMPTY);
        workerPool(work, { workers: 2, buffer: 0, shutdown })({ [Symbol.asyncIterator]: () => ({ next }) }).subscribe();
        arrive({ value: 'a' });
        await turn();
        for (const level of levels) shutdown.next(level);
        arrive({ value: 'b' });
        await turn();
        first.complete();
        expect(seen).to.eql(started);
      });
    }

    it('takes a promise for a notifier', async () => {
      const log: string[] = [];
      const notified = Promise.resolve('drain');
      NEVER.pipe(workerPool(() => NEVER, { workers: 1, buffer: 0, shutdown: notified })).subscribe({
        complete: () => log.push('complete'),
      });
      expect(log).to.eql([]);
      await notified;
      expect(log).to.eql(['complete']);
    });

    for (const level of LEVELS) {
      it(`can be asked for by the work itself: ${level}`, () => {
        const log: string[] = [];
        const shutdown = new Subject<ShutdownLevel>();
        const source = new Subject<string>();
        const work = (job: string): Observable<string> => {
          shutdown.next(level);
          return of(job);
        };
        source
          .pipe(workerPool(work, { workers: 1, buffer: 1, shutdown }))
          .subscribe({ next: (value) => log.push(value), complete: () => log.push('complete') });
        source.next('a');
        const ends = level === 'drain' || level === 'discard';
        expect(log).to.eql(ends ? ['a', 'complete'] : ['complete']);
        expect([source.observed, shutdown.observed]).to.eql([false, false]);
      });

      it(`can be asked for by downstream, in answer to a value: ${level}`, () => {
        const log: string[] = [];
        const shutdown = new Subject<ShutdownLevel>();
        const source = new Subject<string>();
        const first = new Subject<string>();
        source
          .pipe(workerPool((job) => (job === 'a' ? first : of(job)), { workers: 1, buffer: 1, shutdown }))
          .subscribe({
            next: (value) => {
              log.push(value);
              shutdown.next(level);
            },
            complete: () => log.push('complete'),
          });
        source.next('a');
        source.next('b');
        first.next('a');
        first.complete();
        expect(log).to.eql(level === 'drain' ? ['a', 'b', 'complete'] : ['a', 'complete']);
        expect([source.observed, shutdown.observed, first.observed]).to.eql([false, false, false]);
      });
    }
  });
});

/** The window of a subscription that lasts from the start to where the marbles in `expected` complete. */
function untilTheEndOf(expected: string): string {
  const end = expected.trim().search(/[(|]/);
  return end === 0 ? '(^!)' : `^${'-'.repeat(end - 1)}!`;
}
