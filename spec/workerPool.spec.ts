import { expect } from 'chai';
import {
  asyncScheduler,
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  exhaustMap,
  finalize,
  from,
  ignoreElements,
  mergeMap,
  NEVER,
  Observable,
  of,
  range,
  Subject,
  take,
  tap,
  throwError,
  timer,
} from 'rxjs';
import type { ObservableInput } from 'rxjs';
import type { RunHelpers } from 'rxjs/testing';
import { workerPool } from '../src/index.js';
import type { JobContext, Overflow, PoolOperator, ShutdownLevel } from '../src/index.js';
import { Accounts } from './support/accounts.js';
import { takeReported, turn } from './support/guard.js';
import { marbles } from './support/marbles.js';

/** A promise in virtual time: fulfilled `frames` after it was awaited. */
function promised<T>(value: T, frames: number): PromiseLike<T> {
  const awaited = (resolve: (value: T) => void): unknown => {
    timer(frames).subscribe(() => resolve(value));
    return { then: () => undefined };
  };
  return { then: awaited } as unknown as PromiseLike<T>;
}

/** One cold Observable for each letter, so that the window of each job's subscription can be asserted. */
function coldJobs<K extends string>(
  { cold }: RunHelpers,
  diagrams: Record<K, string>,
): { work: (job: string) => Observable<string>; windows: (job: K) => RunHelpersLogs } {
  const all = {} as Record<K, ReturnType<RunHelpers['cold']>>;
  for (const job of Object.keys(diagrams) as K[]) all[job] = cold(diagrams[job]);
  return { work: (job) => all[job as K] as Observable<string>, windows: (job) => all[job].subscriptions };
}
type RunHelpersLogs = ReturnType<RunHelpers['cold']>['subscriptions'];

const LEVELS = ['drain', 'discard', 'abort', 'abandon'] as const;

describe('workerPool', () => {
  describe('values', () => {
    it('runs each value as a job and emits what the job emits', () =>
      marbles((helpers) => {
        const { hot, expectObservable, expectSubscriptions } = helpers;
        const source = hot('    -a-----b------|   ');
        const jobs = coldJobs(helpers, { a: '--x-y|', b: '----z|' });
        const expected = '      ---x-y-----z--|   ';
        expectObservable(source.pipe(workerPool(jobs.work, { workers: 1, buffer: 0 }))).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^-------------!');
        expectSubscriptions(jobs.windows('a')).toBe('   -^----!');
        expectSubscriptions(jobs.windows('b')).toBe('   -------^----!');
      }));

    it('runs as many jobs at once as it has workers, and starts what waits in the order of arrival', () =>
      marbles((helpers) => {
        const { hot, expectObservable, expectSubscriptions } = helpers;
        const source = hot('    -abcd|          ');
        const jobs = coldJobs(helpers, { a: '----(a|)', b: '----(b|)', c: '----(c|)', d: '----(d|)' });
        const expected = '      -----ab--c(d|)  ';
        expectObservable(source.pipe(workerPool(jobs.work, { workers: 2, buffer: 2 }))).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^----!');
        expectSubscriptions(jobs.windows('a')).toBe('   -^---!');
        expectSubscriptions(jobs.windows('b')).toBe('   --^---!');
        expectSubscriptions(jobs.windows('c')).toBe('   -----^---!');
        expectSubscriptions(jobs.windows('d')).toBe('   ------^---!');
      }));

    it('emits what concurrent jobs emit as it comes', () =>
      marbles((helpers) => {
        const { hot, expectObservable, expectSubscriptions } = helpers;
        const source = hot('    ab|         ');
        const jobs = coldJobs(helpers, { a: 'p--q--r|', b: '-s--t|' });
        const expected = '      p-sq-tr|    ';
        expectObservable(source.pipe(workerPool(jobs.work, { workers: 2, buffer: 0 }))).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^-!');
        expectSubscriptions(jobs.windows('a')).toBe('   ^------!');
        expectSubscriptions(jobs.windows('b')).toBe('   -^----!');
      }));

    it('emits nothing for a job that completes empty', () =>
      marbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
        const source = hot('    -a-a--|');
        const job = cold('       -|');
        const expected = '      ------|';
        expectObservable(source.pipe(workerPool(() => job, { workers: 1, buffer: 0 }))).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^-----!');
        expectSubscriptions(job.subscriptions).toBe(['-^!', '---^!']);
      }));

    it('starts a job in the same call as next when a worker is free', () => {
      const log: string[] = [];
      const source = new Subject<number>();
      source
        .pipe(workerPool((job) => (log.push(`work ${job}`), of(job)), { workers: 1, buffer: 0 }))
        .subscribe((value) => log.push(`value ${value}`));
      source.next(1);
      log.push('next returned');
      expect(log).to.eql(['work 1', 'value 1', 'next returned']);
    });

    it('emits the value of a promise once, in the microtask in which it settles', async () => {
      const log: string[] = [];
      const source = new Subject<number>();
      const promise = Promise.resolve(1);
      source
        .pipe(workerPool(() => promise, { workers: 1, buffer: 0 }))
        .subscribe((value) => log.push(`value ${value}`));
      source.next(1);
      await promise;
      expect(log).to.eql(['value 1']);
    });
  });

  describe('context', () => {
    /** Runs `jobs` on two workers, each until it is told to end; tells what each has been given. */
    function given(jobs: number): JobContext[] {
      const contexts: JobContext[] = [];
      const open: Subject<void>[] = [];
      const work = (_job: number, context: JobContext): Observable<void> => {
        contexts.push(context);
        open.push(new Subject());
        return open.at(-1)!;
      };
      range(0, jobs)
        .pipe(workerPool(work, { workers: 2, buffer: Infinity }))
        .subscribe();
      // The younger of two running jobs ends first.
      while (open.length > 0) (open.length > 1 ? open.splice(1, 1) : open.splice(0, 1))[0]!.complete();
      return contexts;
    }

    it('numbers the workers from 1, and gives the number of a worker that has become free to the next job', () => {
      expect(given(4).map(({ worker }) => worker)).to.eql([1, 2, 2, 2]);
    });

    it('says 1 for the attempt of every job', () => {
      expect(given(3).map(({ attempt }) => attempt)).to.eql([1, 1, 1]);
    });

    it('counts starts from 0, not arrivals: a job that was dropped has no index', () => {
      const indexes: [string, number][] = [];
      const first = new Subject<never>();
      const source = new Subject<string>();
      const work = (job: string, { index }: JobContext): Observable<never> => {
        indexes.push([job, index]);
        return job === 'a' ? first : EMPTY;
      };
      source.pipe(workerPool(work, { workers: 1, buffer: 1, overflow: 'drop-oldest' })).subscribe();
      for (const job of ['a', 'b', 'c']) source.next(job);
      first.complete();
      expect(indexes).to.eql([
        ['a', 0],
        ['c', 1],
      ]);
    });

    it('makes the signal when it is first read, and only one', () => {
      const { AbortController } = globalThis;
      let made = 0;
      globalThis.AbortController = class extends AbortController {
        constructor() {
          super();
          made++;
        }
      };
      try {
        const contexts = given(3);
        expect(made).to.equal(0);
        expect(contexts[0]!.signal).to.equal(contexts[0]!.signal);
        expect(made).to.equal(1);
      } finally {
        globalThis.AbortController = AbortController;
      }
    });

    it('gives each job a signal of its own', () => {
      expect(new Set(given(3).map(({ signal }) => signal)).size).to.equal(3);
    });

    it('never fires the signal of a job that has ended, well or badly', async () => {
      const signals: AbortSignal[] = [];
      const source = new Subject<() => ObservableInput<unknown>>();
      source
        .pipe(
          workerPool((job, { signal }) => (signals.push(signal), job()), { workers: 1, buffer: 9 }),
          take(3),
        )
        .subscribe({ error: () => undefined });
      source.next(() => of(1));
      source.next(() => Promise.resolve(2));
      source.next(() => throwError(() => new Error('failed')));
      await turn();
      expect(signals.map(({ aborted }) => aborted)).to.eql([false, false, false]);
    });

    it('fires the signal with a JobAbortedError that carries the job when the results are unsubscribed', () => {
      const signals: AbortSignal[] = [];
      const source = new Subject<string>();
      const results = source
        .pipe(workerPool((_job, { signal }) => (signals.push(signal), NEVER), { workers: 1, buffer: 0 }))
        .subscribe();
      source.next('a');
      expect(signals[0]!.aborted).to.equal(false);
      results.unsubscribe();
      expect(signals[0]!.reason).to.include({ name: 'JobAbortedError', job: 'a' });
    });

    it('fires the signals of the other running jobs when one fails', () => {
      const signals: AbortSignal[] = [];
      const failing = new Subject<never>();
      from(['a', 'b'])
        .pipe(
          workerPool((job, { signal }) => (signals.push(signal), job === 'a' ? failing : NEVER), {
            workers: 2,
            buffer: 0,
          }),
        )
        .subscribe({ error: () => undefined });
      failing.error(new Error('failed'));
      expect(signals.map(({ aborted }) => aborted)).to.eql([false, true]);
    });

    it('shows an aborted signal to whoever reads it for the first time after the abort', () => {
      let context: JobContext | undefined;
      const results = of('a')
        .pipe(workerPool((_job, given) => ((context = given), NEVER), { workers: 1, buffer: 0 }))
        .subscribe();
      results.unsubscribe();
      expect(context!.signal.reason).to.include({ name: 'JobAbortedError', job: 'a' });
    });
  });

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

  describe('equal to RxJS', () => {
    type Job = (job: string) => Observable<string>;
    type Operator = (work: Job) => (source: Observable<string>) => Observable<string>;
    const twins: readonly (readonly [title: string, pool: Operator, rxjs: Operator])[] = [
      [
        'with one worker and an endless buffer is concatMap',
        (work) => workerPool(work, { workers: 1, buffer: Infinity }),
        (work) => concatMap(work),
      ],
      [
        'with two workers and an endless buffer is mergeMap(…, 2)',
        (work) => workerPool(work, { workers: 2, buffer: Infinity }),
        (work) => mergeMap(work, 2),
      ],
      [
        'with endless workers is mergeMap',
        (work) => workerPool(work, { workers: Infinity, buffer: 0 }),
        (work) => mergeMap(work),
      ],
      [
        'with one worker, no buffer and drop-incoming is exhaustMap',
        (work) => workerPool(work, { workers: 1, buffer: 0, overflow: 'drop-incoming' }),
        (work) => exhaustMap(work),
      ],
    ];
    for (const [title, pool, rxjs] of twins) {
      it(title, () => {
        const windows: [RunHelpersLogs, RunHelpersLogs][] = [];
        marbles((helpers) => {
          const { hot, expectObservable } = helpers;
          const [ours, theirs] = [hot('-a-bb--a-----b--c--|'), hot('-a-bb--a-----b--c--|')];
          const diagrams = { a: '--x--y|', b: '-(z|)', c: '--#' };
          const [our, their] = [coldJobs(helpers, diagrams), coldJobs(helpers, diagrams)];
          expectObservable(ours.pipe(pool(our.work))).toEqual(theirs.pipe(rxjs(their.work)));
          windows.push([ours.subscriptions, theirs.subscriptions]);
          for (const job of ['a', 'b', 'c'] as const) windows.push([our.windows(job), their.windows(job)]);
        });
        for (const [actual, expected] of windows) expect(actual).to.eql(expected);
      });
    }
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

      it(`${overflow}: refuses the arriving job when nothing waits that could be evicted`, () =>
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

    it('is a drain for any value that names no level', () =>
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
      }));

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

    it('takes an error of the notifier for one of the source, also during a drain', () =>
      marbles((helpers) => {
        const { hot, cold, expectObservable, expectSubscriptions } = helpers;
        for (const [notifier, intake] of [
          ['--#  ', '^-!'],
          ['-d#  ', '^!'],
        ] as const) {
          const jobs$ = hot(' a---');
          const shutdown = cold(notifier, levels);
          const jobs = coldJobs(helpers, { a: '----(a|)' });
          expectObservable(jobs$.pipe(workerPool(jobs.work, { workers: 1, buffer: 0, shutdown }))).toBe('--#');
          expectSubscriptions(jobs$.subscriptions).toBe(intake);
          expectSubscriptions(shutdown.subscriptions).toBe('^-!');
          expectSubscriptions(jobs.windows('a')).toBe('     ^-!');
        }
      }));

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

  describe('re-entrancy', () => {
    /** Who does what, when job 1 offers job 2 to the source from the place that `offers` names. */
    function nested(offers: 'work' | 'value' | 'finalizer', workers: number, buffer: number): string[] {
      const log: string[] = [];
      const source = new Subject<number>();
      const offer = (job: number, place: string): void => {
        if (job !== 1 || place !== offers) return;
        log.push(`offer from ${place}`);
        source.next(2);
        log.push('offered');
      };
      const work = (job: number): Observable<number> => {
        log.push(`work ${job}`);
        offer(job, 'work');
        return of(job).pipe(finalize(() => offer(job, 'finalizer')));
      };
      source.pipe(workerPool(work, { workers, buffer, overflow: 'drop-incoming' })).subscribe((value) => {
        log.push(`value ${value}`);
        offer(value, 'value');
      });
      source.next(1);
      return log;
    }

    it('starts a job that is offered from work at once, nested, when a worker is free', () => {
      expect(nested('work', 2, 0)).to.eql(['work 1', 'offer from work', 'work 2', 'value 2', 'offered', 'value 1']);
    });

    it('starts a job that is offered from downstream at once, nested, when a worker is free', () => {
      expect(nested('value', 2, 0)).to.eql(['work 1', 'value 1', 'offer from value', 'work 2', 'value 2', 'offered']);
    });

    it('lets a job wait that is offered from work, downstream or a finalizer while no worker is free', () => {
      expect(nested('work', 1, 1)).to.eql(['work 1', 'offer from work', 'offered', 'value 1', 'work 2', 'value 2']);
      expect(nested('value', 1, 1)).to.eql(['work 1', 'value 1', 'offer from value', 'offered', 'work 2', 'value 2']);
      expect(nested('finalizer', 1, 1)).to.eql([
        'work 1',
        'value 1',
        'offer from finalizer',
        'offered',
        'work 2',
        'value 2',
      ]);
    });

    it('counts a job as running until its finalizers have run: with no buffer, what they offer is dropped', () => {
      for (const offers of ['work', 'value', 'finalizer'] as const) {
        expect(nested(offers, 1, 0)).not.to.include('work 2');
      }
    });

    it('drops and starts in order when downstream offers to a full buffer', () => {
      const started: number[] = [];
      const source = new Subject<number>();
      const gates = [new Subject<number>(), new Subject<number>()];
      const work = (job: number): Observable<number> => (started.push(job), gates[job] ?? EMPTY);
      source.pipe(workerPool(work, { workers: 1, buffer: 2, overflow: 'drop-oldest' })).subscribe(() => source.next(4));
      for (const job of [0, 1, 2]) source.next(job);
      gates[0]!.next(0);
      gates[0]!.complete();
      expect(started).to.eql([0, 2, 4]);
    });

    it('runs a job that feeds itself from its finalizer on a flat stack', () => {
      let runs = 0;
      const source = new Subject<number>();
      const work = (job: number): Observable<number> =>
        of(job).pipe(
          finalize(() => {
            if (job < 100_000) source.next(job + 1);
          }),
        );
      source.pipe(workerPool(work, { workers: 2, buffer: 1 })).subscribe(() => runs++);
      source.next(1);
      expect(runs).to.equal(100_000);
    });
  });

  describe('two subscriptions', () => {
    it('share neither workers nor buffer nor index', () => {
      const operator = workerPool((_job: string, { worker, index }) => (seen.push([worker, index]), NEVER), {
        workers: 1,
        buffer: 1,
      });
      const seen: [number, number][] = [];
      const errors: unknown[] = [];
      const sources = [new Subject<string>(), new Subject<string>()] as const;
      const results = sources.map((source) =>
        source.pipe(operator).subscribe({ error: (error: unknown) => errors.push(error) }),
      );
      for (const job of ['a', 'b']) for (const source of sources) source.next(job);
      expect({ seen, errors }).to.eql({
        seen: [
          [1, 0],
          [1, 0],
        ],
        errors: [],
      });
      results[0]!.unsubscribe();
      expect(sources.map(({ observed }) => observed)).to.eql([false, true]);
      results[1]!.unsubscribe();
    });

    it('run one after the other as if each were the first', () =>
      marbles((helpers) => {
        const { cold, expectObservable, expectSubscriptions } = helpers;
        const source = cold('   ab|       ');
        const jobs = coldJobs(helpers, { a: '--(a|)', b: '--(b|)' });
        const results = source.pipe(workerPool(jobs.work, { workers: 1, buffer: 1 }));
        expectObservable(concat(results, timer(4).pipe(ignoreElements()), results)).toBe('--a-b-----a-(b|)');
        expectSubscriptions(source.subscriptions).toBe(['^-!', '--------^-!']);
      }));
  });

  describe('scale', () => {
    it('runs a million synchronous jobs', () => {
      let values = 0;
      range(0, 1e6)
        .pipe(workerPool((job) => of(job), { workers: 1, buffer: 0 }))
        .subscribe(() => values++);
      expect(values).to.equal(1e6);
    });

    it('runs a million synchronous jobs that wait behind one asynchronous, on a flat stack', () => {
      let values = 0;
      const source = new Subject<number>();
      const first = new Subject<number>();
      source
        .pipe(workerPool((job) => (job === 0 ? first : of(job)), { workers: 1, buffer: Infinity }))
        .subscribe(() => values++);
      for (let job = 0; job <= 1e6; job++) source.next(job);
      first.complete();
      expect(values).to.equal(1e6);
    });

    it('lets a million waiting jobs go in one discard', () => {
      let started = 0;
      let completed = false;
      const source = new Subject<number>();
      const shutdown = new Subject<ShutdownLevel>();
      const first = new Subject<number>();
      source
        .pipe(workerPool(() => (started++, first), { workers: 1, buffer: Infinity, shutdown }))
        .subscribe({ complete: () => (completed = true) });
      for (let job = 0; job <= 1e6; job++) source.next(job);
      shutdown.next('discard');
      first.complete();
      expect({ started, completed }).to.eql({ started: 1, completed: true });
    });
  });

  describe('laws', () => {
    const pool = (): PoolOperator<number, number> => workerPool((job: number) => of(job), { workers: 1, buffer: 0 });

    it('completes', () => {
      const log: unknown[] = [];
      of(1)
        .pipe(pool())
        .subscribe({ next: (value) => log.push(value), complete: () => log.push('complete') });
      expect(log).to.eql([1, 'complete']);
    });

    it('forwards errors', () => {
      const log: unknown[] = [];
      throwError(() => 'error')
        .pipe(pool())
        .subscribe({ error: (error: unknown) => log.push(error) });
      expect(log).to.eql(['error']);
    });

    it('releases the source', () => {
      const source = new Subject<number>();
      const results = source.pipe(pool()).subscribe();
      expect(source.observed).to.equal(true);
      results.unsubscribe();
      expect(source.observed).to.equal(false);
    });

    it('stops a synchronous source', () => {
      let offered = 0;
      range(0, 1000)
        .pipe(
          tap(() => offered++),
          pool(),
          take(3),
        )
        .subscribe();
      expect(offered).to.equal(3);
    });

    it('keeps the unsubscription chain', () =>
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const source = hot('    -1--2--3--|');
        const expected = '      -1--2--   ';
        const unsubscribe = '   ------!   ';
        const results = source.pipe(
          mergeMap((x) => of(x)),
          workerPool((job: string) => of(job), { workers: 1, buffer: 0 }),
          mergeMap((x) => of(x)),
        );
        expectObservable(results, unsubscribe).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^-----!');
      }));

    it('holds no state between subscriptions', () => {
      const values: number[] = [];
      const results = of(1).pipe(pool());
      results.subscribe((value) => values.push(value));
      results.subscribe((value) => values.push(value));
      expect(values).to.eql([1, 1]);
    });

    it('emits nothing after the end', async () => {
      const log: unknown[] = [];
      const shutdown = new Subject<ShutdownLevel>();
      const source = new Subject<number>();
      const late = new Subject<number>();
      const results = workerPool((job: number) => (job === 1 ? Promise.resolve(job) : late), {
        workers: 2,
        buffer: 0,
        shutdown,
      })(source);
      results.subscribe({ next: (value) => log.push(value), complete: () => log.push('complete') });
      source.next(1);
      source.next(2);
      shutdown.next('abandon');
      source.next(3);
      late.next(2);
      await turn();
      expect(log).to.eql(['complete']);
    });

    for (const overflow of ['drop-incoming', 'drop-oldest', 'replace-newest', 'clear'] as const) {
      it(`keeps the accounting law: ${overflow}`, () => {
        const accounts = new Accounts<number, number>({ workers: 2, buffer: 3 });
        const source = new Subject<number>();
        const ends = new Map<number, Subject<number>>();
        const work = (job: number): Observable<number> => {
          accounts.check(`work ${job}`);
          return defer(() => ends.set(job, new Subject()).get(job)!);
        };
        source
          .pipe(workerPool(work, { workers: 2, buffer: 3, overflow, hooks: accounts }))
          .subscribe((value) => accounts.check(`value ${value}`));
        for (let job = 0; job < 40; job++) {
          source.next(job);
          if (job % 4 !== 3) continue;
          const [oldest, end] = [...ends][0]!;
          ends.delete(oldest);
          end.next(oldest);
          end.complete();
        }
        source.complete();
        while (ends.size > 0) {
          const [oldest, end] = [...ends][0]!;
          ends.delete(oldest);
          end.complete();
        }
        accounts.settle();
        expect(accounts.breaches).to.eql([]);
        expect(accounts.offered).to.equal(40);
        expect(accounts.refused + accounts.evicted).to.be.above(0);
      });
    }
  });
});

/** The window of a subscription that lasts from the start to where the marbles in `expected` complete. */
function untilTheEndOf(expected: string): string {
  const end = expected.trim().search(/[(|]/);
  return end === 0 ? '(^!)' : `^${'-'.repeat(end - 1)}!`;
}

/** Shows any error as marbles show `#`. */
function errorAs<T>(error: unknown): (source: Observable<T>) => Observable<T> {
  return (source) => source.pipe(catchError(() => throwError(() => error)));
}
