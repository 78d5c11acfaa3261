import { expect } from 'chai';
import {
  concatMap,
  EMPTY,
  exhaustMap,
  from,
  mergeMap,
  NEVER,
  Observable,
  of,
  range,
  Subject,
  take,
  throwError,
} from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { workerPool } from '../../src/index.js';
import type { JobContext } from '../../src/index.js';
import { turn } from '../support/guard.js';
import { marbles } from '../support/marbles.js';
import { coldJobs } from './support.js';
import type { RunHelpersLogs } from './support.js';

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

    it('can be copied with its signal: `{ ...context }` in work that takes it, and in a hook', () => {
      const copies: JobContext[] = [];
      const signals: AbortSignal[] = [];
      const copy = (context: JobContext): void => {
        copies.push({ ...context });
        signals.push(context.signal);
      };
      const hooks = { started: (_: string, context: JobContext) => copy(context) };
      const works = [
        (_: string, context: JobContext) => (copy(context), NEVER),
        (...args: [string, JobContext]) => (copy(args[1]), NEVER),
      ];
      for (const work of works)
        of('a')
          .pipe(workerPool(work, { workers: 1, buffer: 0 }))
          .subscribe()
          .unsubscribe();
      of('a')
        .pipe(workerPool((_: string) => NEVER, { workers: 1, buffer: 0, hooks }))
        .subscribe()
        .unsubscribe();
      expect(copies.map(({ signal }) => signal)).to.eql(signals);
      expect(signals.map(({ aborted }) => aborted)).to.eql([true, true, true]);
      for (const context of copies) expect(context).to.include({ worker: 1, attempt: 1, index: 0 });
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
});
