import { expect } from 'chai';
import fc from 'fast-check';
import {
  catchError,
  concat,
  EMPTY,
  from,
  map,
  NEVER,
  Observable,
  of,
  range,
  Subject,
  take,
  throwError,
  timer,
  toArray,
  VirtualTimeScheduler,
} from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { workerPoolSettled } from '../src/index.js';
import type {
  BufferOverflowError,
  JobContext,
  JobHooks,
  JobOutcome,
  Overflow,
  PoolOperator,
  ShutdownLevel,
} from '../src/index.js';
import { Accounts } from './support/accounts.js';
import { takeReported, turn } from './support/guard.js';
import { marbles } from './support/marbles.js';

type Outcome = JobOutcome<string, unknown>;

/** A promise in virtual time, `frames` after it was awaited: fulfilled, or rejected with `error`. */
function promised<T>(value: T, frames: number, error?: unknown): PromiseLike<T> {
  const awaited = (resolve: (value: T) => void, reject: (error: unknown) => void): unknown => {
    timer(frames).subscribe(() => (error === undefined ? resolve(value) : reject(error)));
    return { then: () => undefined };
  };
  return { then: awaited } as unknown as PromiseLike<T>;
}

/** An outcome in a word: the job, what became of it, and how long it waited and ran. */
function brief(outcome: JobOutcome<unknown, unknown>): string {
  const { job, status, queuedFor, ranFor } = outcome;
  return `${String(job)} ${status} ${detail(outcome)} ${queuedFor}+${ranFor}`;
}

function detail(outcome: JobOutcome<unknown, unknown>): string {
  switch (outcome.status) {
    case 'completed':
      return String(outcome.value);
    case 'failed':
      return String(outcome.error);
    case 'dropped':
      return outcome.reason;
    case 'aborted':
      return outcome.settled ? 'settled' : 'abandoned';
  }
}

const LEVELS = ['drain', 'discard', 'abort', 'abandon'] as const;

describe('workerPoolSettled', () => {
  describe('outcomes', () => {
    it('come as its doc comment draws them', () =>
      marbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
        const source = hot('    -a-b-c--|       ');
        const job = cold('       -----|         ');
        const expected = '      -----ba----(c|) ';
        const pool = workerPoolSettled(() => job, { workers: 1, buffer: 1, overflow: 'drop-oldest' });
        expectObservable(source.pipe(pool, map(brief))).toBe(expected, {
          a: 'a completed undefined 0+5',
          b: 'b dropped evicted 2+0',
          c: 'c completed undefined 1+5',
        });
        expectSubscriptions(source.subscriptions).toBe('^-------!');
        expectSubscriptions(job.subscriptions).toBe(['-^----!', '------^----!']);
      }));

    // One worker, one place, a job of 5 frames, that is offered at frame 1; the level comes at frame 3.
    const kinds: readonly (readonly [
      what: string,
      work: () => ObservableInput<unknown>,
      at: number,
      outcome: string,
    ])[] = [
      ['a stream that completes', () => concat(of('x', 'y'), timer(5)), 6, 'completed 0 0+5'],
      ['a stream that completes empty', () => timer(5).pipe(take(0)), 1, 'completed undefined 0+0'],
      [
        'a stream that errors',
        () =>
          concat(
            timer(5),
            throwError(() => 'e'),
          ),
        6,
        'failed e 0+5',
      ],
      ['a promise that is fulfilled', () => promised('x', 5), 6, 'completed x 0+5'],
      ['a promise that is rejected', () => promised('x', 5, 'e'), 6, 'failed e 0+5'],
      ['an array', () => ['x', 'y'], 1, 'completed y 0+0'],
      ['an error that is thrown', thrower('e'), 1, 'failed e 0+0'],
    ];
    for (const [what, work, at, outcome] of kinds) {
      it(`tell how a job has ended: ${what}`, () =>
        marbles(({ hot, expectObservable }) => {
          const results = hot('-a').pipe(workerPoolSettled(work, { workers: 1, buffer: 0 }), map(brief));
          expectObservable(results).toBe(`${'-'.repeat(at)}x`, { x: `a ${outcome}` });
        }));
    }

    // a runs from frame 1, b waits from frame 2; the level comes at frame 4.
    const stopped: readonly (readonly [
      level: ShutdownLevel,
      what: string,
      work: () => ObservableInput<unknown>,
      expected: string,
      last: string,
    ])[] = [
      ['drain', 'a stream', () => timer(5), '      ------a----(z|)', 'b completed 0 4+5'],
      ['discard', 'a stream', () => timer(5), '    ----b-(z|)     ', 'a completed 0 0+5'],
      ['discard', 'a promise', () => promised('x', 5), '----b-(z|)  ', 'a completed x 0+5'],
      ['abort', 'a stream', () => timer(5), '      ----(bz|)      ', 'a aborted settled 0+3'],
      ['abort', 'a promise that is fulfilled', () => promised('x', 5), '----b-(z|)', 'a completed x 0+5'],
      ['abort', 'a promise that is rejected', () => promised('x', 5, 'e'), '----b-(z|)', 'a aborted settled 0+5'],
      ['abandon', 'a stream', () => timer(5), '    ----(bz|)      ', 'a aborted settled 0+3'],
      ['abandon', 'a promise', () => promised('x', 5), '----(bz|)   ', 'a aborted abandoned 0+3'],
      ['abandon', 'a promise that is rejected', () => promised('x', 5, 'e'), '----(bz|)', 'a aborted abandoned 0+3'],
    ];
    for (const [level, what, work, expected, last] of stopped) {
      it(`tell what a shutdown has done to a job: ${level}, ${what}`, () =>
        marbles(({ hot, expectObservable, expectSubscriptions }) => {
          const source = hot('   -ab--------');
          const shutdown = hot(' ----x------', { x: level });
          const results = source.pipe(workerPoolSettled(work, { workers: 1, buffer: 1, shutdown }), map(brief));
          expectObservable(results).toBe(expected, { a: 'a completed 0 0+5', b: 'b dropped shutdown 2+0', z: last });
          expectSubscriptions(source.subscriptions).toBe('^---!');
        }));
    }

    const losses: readonly (readonly [overflow: Overflow, expected: string])[] = [
      ['drop-incoming', '  ---c--a----(b|)     '],
      ['drop-oldest', '    ---x--a----(y|)     '],
      ['replace-newest', ' ---x--a----(y|)     '],
      ['clear', '          ---x--a----(y|)     '],
    ];
    for (const [overflow, expected] of losses) {
      it(`tell who is lost at a full buffer, at once: ${overflow}`, () =>
        marbles(({ hot, expectObservable, expectSubscriptions }) => {
          const source = hot('-abc-----|');
          const pool = workerPoolSettled(() => timer(5), { workers: 1, buffer: 1, overflow });
          expectObservable(source.pipe(pool, map(brief))).toBe(expected, {
            a: 'a completed 0 0+5',
            b: 'b completed 0 4+5',
            c: 'c dropped full 0+0',
            x: 'b dropped evicted 1+0',
            y: 'c completed 0 3+5',
          });
          expectSubscriptions(source.subscriptions).toBe('^--------!');
        }));
    }

    it('tell of all that clear evicts, the oldest first, before the arriving job has its place', () => {
      const log: string[] = [];
      const source = new Subject<string>();
      const hooks = { accepted: (job: string) => log.push(`accepted ${job}`) };
      source
        .pipe(workerPoolSettled(() => NEVER, { workers: 1, buffer: 2, overflow: 'clear', hooks }))
        .subscribe(({ job, status }) => log.push(`${status} ${job}`))
        .add(() => log.push('end'));
      for (const job of ['a', 'b', 'c', 'd']) source.next(job);
      expect(log).to.eql(['accepted a', 'accepted b', 'accepted c', 'dropped b', 'dropped c', 'accepted d']);
    });

    it('count the attempts that were started: 1, or 0 for a job that never ran', () => {
      const attempts: [string, number][] = [];
      const source = new Subject<string>();
      const shutdown = new Subject<ShutdownLevel>();
      source
        .pipe(workerPoolSettled(() => NEVER, { workers: 1, buffer: 1, overflow: 'drop-incoming', shutdown }))
        .subscribe((outcome) => attempts.push([outcome.job, outcome.attempts]));
      for (const job of ['runs', 'waits', 'is refused']) source.next(job);
      shutdown.next('abort');
      expect(attempts).to.eql([
        ['is refused', 0],
        ['waits', 0],
        ['runs', 1],
      ]);
    });

    it('come in the order in which jobs end', () =>
      marbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
        const source = hot('    (abc|)    ');
        const jobs = { a: cold('-----|'), b: cold('--#'), c: cold('---|') };
        const expected = '      --bc-(a|)';
        const work = (job: string): Observable<string> => jobs[job as keyof typeof jobs];
        const results = source.pipe(
          workerPoolSettled(work, { workers: 3, buffer: 0 }),
          map(({ job }) => job),
        );
        expectObservable(results).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('(^!)');
      }));

    it('carry the error of a job as it is', async () => {
      const outcomes = await settledJobs<unknown>([undefined, null, 'e', Object.freeze({})], (error) =>
        Promise.reject(error),
      );
      expect(outcomes.map((outcome) => outcome.status === 'failed' && outcome.error === outcome.job)).to.eql([
        true,
        true,
        true,
        true,
      ]);
    });

    it('carry the reason of the signal of a job that was aborted', () => {
      const outcomes: Outcome[] = [];
      let signal: AbortSignal | undefined;
      const shutdown = new Subject<ShutdownLevel>();
      concat(of('a'), NEVER)
        .pipe(
          workerPoolSettled((_job, context) => ((signal = context.signal), NEVER), { workers: 1, buffer: 0, shutdown }),
        )
        .subscribe((outcome) => outcomes.push(outcome));
      shutdown.next('abort');
      expect(outcomes).to.have.length(1);
      expect(outcomes[0]).to.include({ status: 'aborted', reason: signal!.reason as unknown, settled: true });
      expect(signal!.reason).to.include({ name: 'JobAbortedError', job: 'a' });
    });

    for (const [how, settle, status] of [
      ['is fulfilled', (resolve: () => void) => resolve(), 'completed'],
      ['is rejected', (_resolve: unknown, reject: (error: unknown) => void) => reject(new Error('late')), 'aborted'],
    ] as const) {
      it(`judge a promise by how it settles after an abort: it ${how}`, async () => {
        const outcomes: string[] = [];
        let settlePromise!: () => void;
        const promise = new Promise<void>((resolve, reject) => (settlePromise = () => settle(resolve, reject)));
        const shutdown = new Subject<ShutdownLevel>();
        const source = new Subject<string>();
        source
          .pipe(workerPoolSettled(() => promise, { workers: 1, buffer: 0, shutdown }))
          .subscribe({ next: (outcome) => outcomes.push(outcome.status), complete: () => outcomes.push('complete') });
        source.next('a');
        shutdown.next('abort');
        await turn();
        expect(outcomes).to.eql([]);
        settlePromise();
        await turn();
        expect(outcomes).to.eql([status, 'complete']);
      });
    }

    it('are timed by the scheduler', () => {
      const scheduler = new VirtualTimeScheduler();
      const outcomes: string[] = [];
      const source = new Subject<string>();
      const first = new Subject<string>();
      source
        .pipe(workerPoolSettled((job) => (job === 'a' ? first : of(job)), { workers: 1, buffer: 1, scheduler }))
        .subscribe((outcome) => outcomes.push(brief(outcome)));
      source.next('a');
      scheduler.frame = 20;
      source.next('b');
      scheduler.frame = 300;
      first.complete();
      expect(outcomes).to.eql(['a completed undefined 0+300', 'b completed b 280+0']);
    });

    it('tell no negative time when the clock is set back', () => {
      const scheduler = new VirtualTimeScheduler();
      scheduler.frame = 3_600_000;
      const outcomes: string[] = [];
      const source = new Subject<string>();
      const first = new Subject<string>();
      source
        .pipe(
          workerPoolSettled((job) => (job === 'a' ? first : of(job)), {
            workers: 1,
            buffer: 1,
            overflow: 'drop-oldest',
            scheduler,
          }),
        )
        .subscribe((outcome) => outcomes.push(brief(outcome)));
      source.next('a');
      source.next('b');
      scheduler.frame = 0;
      source.next('c');
      scheduler.frame = -10;
      first.complete();
      expect(outcomes).to.eql(['b dropped evicted 0+0', 'a completed undefined 0+0', 'c completed c 0+0']);
    });
  });

  describe('capacity', () => {
    it('is free for a job that is offered in answer to an outcome, also with buffer 0', () => {
      const log: string[] = [];
      const source = new Subject<number>();
      source.pipe(workerPoolSettled((job) => of(job), { workers: 1, buffer: 0 })).subscribe((outcome) => {
        log.push(brief(outcome).replace(/ \S+$/, ''));
        if (outcome.job < 4) source.next(outcome.job + 1);
      });
      source.next(1);
      expect(log).to.eql(['1 completed 1', '2 completed 2', '3 completed 3', '4 completed 4']);
    });

    it('is full at as many jobs as workers and buffer hold', () => {
      const refused: number[] = [];
      range(0, 8)
        .pipe(
          workerPoolSettled(() => NEVER, { workers: 3, buffer: 2, overflow: 'drop-incoming' }),
          take(3),
        )
        .subscribe(({ job }) => refused.push(job));
      expect(refused).to.eql([5, 6, 7]);
    });
  });

  describe('completion', () => {
    it('waits for what runs and for what waits', () =>
      marbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
        const source = hot('    (ab|)   ');
        const job = cold('       ---|   ');
        const expected = '      ---a--(b|)';
        const results = source.pipe(
          workerPoolSettled(() => job, { workers: 1, buffer: 1 }),
          map((outcome) => outcome.job),
        );
        expectObservable(results).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('(^!)');
        expectSubscriptions(job.subscriptions).toBe(['^--!', '---^--!']);
      }));

    it('comes with that of an empty source, and of one whose jobs have ended', () =>
      marbles(({ hot, cold, expectObservable }) => {
        const pool = workerPoolSettled(() => EMPTY, { workers: 2, buffer: 0 });
        expectObservable(cold('|').pipe(pool)).toBe('|');
        expectObservable(
          hot('-a--|').pipe(
            pool,
            map((outcome) => outcome.job),
          ),
        ).toBe('-a--|');
      }));
  });

  describe('errors', () => {
    it('of jobs are outcomes, and the pool goes on', () =>
      marbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
        const source = hot('    -ab-------|   ');
        const jobs = { a: cold(' --#'), b: cold('--|') };
        const expected = '      ---a-b----|   ';
        const work = (job: string): Observable<string> => jobs[job as keyof typeof jobs];
        expectObservable(source.pipe(workerPoolSettled(work, { workers: 1, buffer: 1 }), map(brief))).toBe(expected, {
          a: 'a failed error 0+2',
          b: 'b completed undefined 1+2',
        });
        expectSubscriptions(source.subscriptions).toBe('^---------!');
      }));

    // a runs from frame 1, b waits from frame 2; jobs of 5 frames.
    const ends: readonly (readonly [
      what: string,
      source: string,
      notifier: string,
      expected: string,
      intake: string,
    ])[] = [
      ['the source', '          -ab-#-----', '-----     ', '------a----(b#)', '^---!'],
      ['the source, nobody works', '----#   ', '-----     ', '----#          ', '^---!'],
      ['the notifier', '        -ab-------', '----#     ', '------a----(b#)', '^---!'],
      ['the notifier, draining', '-ab-------', '-----#  ', '------a----(b#)', '^----!'],
      ['the notifier, ended source', '-ab|   ', '-----#  ', '------a----(b#)', '^--!'],
    ];
    for (const [what, diagram, notifier, expected, intake] of ends) {
      it(`end the intake, let what was accepted end, and come then: ${what}`, () =>
        marbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
          const source = hot(diagram);
          const shutdown = cold(notifier);
          const pool = workerPoolSettled(() => timer(5), { workers: 1, buffer: 1, shutdown });
          expectObservable(source.pipe(pool, map(brief))).toBe(expected, {
            a: 'a completed 0 0+5',
            b: 'b completed 0 4+5',
          });
          expectSubscriptions(source.subscriptions).toBe(intake);
        }));
    }

    it('of a full buffer are told as a refusal first, and come when what was accepted has ended', () =>
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const source = hot('    -abc-d---       ');
        const expected = '      ---c--a----(b#) ';
        const pool = workerPoolSettled(() => timer(5), { workers: 1, buffer: 1, overflow: 'error' });
        const results = source.pipe(
          pool,
          map(brief),
          catchError((error: unknown) => {
            const { name, capacity, job } = error as BufferOverflowError;
            return throwError(() => [name, capacity, job]);
          }),
        );
        const values = { a: 'a completed 0 0+5', b: 'b completed 0 4+5', c: 'c dropped full 0+0' };
        expectObservable(results).toBe(expected, values, ['BufferOverflowError', 1, 'c']);
        expectSubscriptions(source.subscriptions).toBe('^--!');
      }));

    it('can be cut short by a later level', () =>
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const source = hot('    -ab#-----');
        const shutdown = hot('  -----x---', { x: 'abort' });
        const expected = '      -----(ba#)';
        const pool = workerPoolSettled(() => timer(9), { workers: 1, buffer: 1, shutdown });
        const values = { a: 'a aborted settled 0+4', b: 'b dropped shutdown 3+0' };
        expectObservable(source.pipe(pool, map(brief))).toBe(expected, values);
        expectSubscriptions(source.subscriptions).toBe('^--!');
        expectSubscriptions(shutdown.subscriptions).toBe('^----!');
      }));

    it('are the first that came, when a second one follows', () =>
      marbles(({ hot, cold, expectObservable }) => {
        const source = hot('    -a#', undefined, 'first');
        const shutdown = cold(' ---#', undefined, 'second');
        const results = source.pipe(
          workerPoolSettled(() => timer(5), { workers: 1, buffer: 0, shutdown }),
          map(brief),
        );
        expectObservable(results).toBe('------(a#)', { a: 'a completed 0 0+5' }, 'first');
      }));
  });

  describe('order', () => {
    it('is, for one event: hooks in array order, downstream, the next start', () => {
      const log: string[] = [];
      const source = new Subject<string>();
      const ends: Subject<void>[] = [];
      const work = (job: string): Observable<void> => {
        log.push(`work ${job}`);
        ends.push(new Subject());
        return ends.at(-1)!;
      };
      const named = (name: string): JobHooks<string> => ({
        accepted: (job) => log.push(`${name} accepted ${job}`),
        started: (job) => log.push(`${name} started ${job}`),
        settled: ({ job, status }) => log.push(`${name} ${status} ${job}`),
        released: (job) => log.push(`${name} released ${job}`),
      });
      source
        .pipe(
          workerPoolSettled(work, {
            workers: 1,
            buffer: 1,
            overflow: 'drop-oldest',
            hooks: [named('1st'), named('2nd')],
          }),
        )
        .subscribe(({ job, status }) => log.push(`${status} ${job}`));
      source.next('a');
      expect(log.splice(0)).to.eql(['1st accepted a', '2nd accepted a', '1st started a', '2nd started a', 'work a']);
      source.next('b');
      expect(log.splice(0)).to.eql(['1st accepted b', '2nd accepted b']);
      source.next('c');
      expect(log.splice(0)).to.eql(['1st dropped b', '2nd dropped b', 'dropped b', '1st accepted c', '2nd accepted c']);
      ends[0]!.complete();
      expect(log).to.eql([
        '1st completed a',
        '2nd completed a',
        '1st released a',
        '2nd released a',
        'completed a',
        '1st started c',
        '2nd started c',
        'work c',
      ]);
    });

    it('is, at an abort: the end of the intake, what waits, the oldest first, then what runs', () => {
      const log: string[] = [];
      const source = new Subject<string>();
      const shutdown = new Subject<ShutdownLevel>();
      source
        .pipe(workerPoolSettled(() => NEVER, { workers: 2, buffer: 2, shutdown }))
        .subscribe(({ job, status }) => log.push(`${status} ${job}, source ${source.observed ? 'open' : 'released'}`));
      for (const job of ['a', 'b', 'c', 'd']) source.next(job);
      shutdown.next('abort');
      expect(log).to.eql([
        'dropped c, source released',
        'dropped d, source released',
        'aborted a, source released',
        'aborted b, source released',
      ]);
    });

    it('has a finalizer before the outcome', () => {
      const log: string[] = [];
      const work = (job: string): Observable<string> =>
        new Observable((subscriber) => {
          subscriber.next(job);
          subscriber.complete();
          return () => log.push('finalizer');
        });
      of('a')
        .pipe(workerPoolSettled(work, { workers: 1, buffer: 0 }))
        .subscribe(({ status }) => log.push(status));
      expect(log).to.eql(['finalizer', 'completed']);
    });
  });

  describe('hooks', () => {
    /** Every event of the lives of a, which runs, of b, which waits and is evicted, of c, which waits, and of a refused d. */
    function lives(hooks: (log: string[]) => JobHooks<string>): string[] {
      const log: string[] = [];
      const source = new Subject<string>();
      const first = new Subject<never>();
      const work = (job: string): Observable<never> => (log.push(`work ${job}`), job === 'a' ? first : EMPTY);
      const overflow = 'drop-oldest';
      source.pipe(workerPoolSettled(work, { workers: 1, buffer: 1, overflow, hooks: hooks(log) })).subscribe();
      for (const job of ['a', 'b', 'c']) source.next(job);
      first.complete();
      source.complete();
      return log;
    }

    it('accepted: the job has a place, it starts at once or it waits', () => {
      expect(lives((log) => ({ accepted: (job) => log.push(`accepted ${job}`) }))).to.eql([
        'accepted a',
        'work a',
        'accepted b',
        'accepted c',
        'work c',
      ]);
    });

    it('started: work is called next, with the same context', () => {
      const contexts: unknown[] = [];
      of('a')
        .pipe(
          workerPoolSettled((_job, context) => (contexts.push(context), EMPTY), {
            workers: 1,
            buffer: 0,
            hooks: { started: (_job, context) => contexts.push(context) },
          }),
        )
        .subscribe();
      expect(contexts).to.have.length(2);
      expect(contexts[0]).to.equal(contexts[1]);
      expect(lives((log) => ({ started: (job) => log.push(`started ${job}`) }))).to.eql([
        'started a',
        'work a',
        'started c',
        'work c',
      ]);
    });

    it('settled: the job has ended, exactly once for each job offered, with the outcome that downstream gets', () => {
      expect(lives((log) => ({ settled: ({ job, status }) => log.push(`${status} ${job}`) }))).to.eql([
        'work a',
        'dropped b',
        'completed a',
        'work c',
        'completed c',
      ]);
      const [heard, got]: [Outcome[], Outcome[]] = [[], []];
      from(['a', 'b', 'c'])
        .pipe(
          workerPoolSettled((job) => (job === 'a' ? promised(job, 0) : EMPTY), {
            workers: 1,
            buffer: 1,
            overflow: 'drop-incoming',
            hooks: { settled: (outcome) => heard.push(outcome) },
          }),
          take(1),
        )
        .subscribe((outcome) => got.push(outcome));
      expect(got).to.have.length(1);
      expect(heard[0]).to.equal(got[0]);
    });

    it('settled: also of a job that was refused', () => {
      const heard: string[] = [];
      from(['a', 'b'])
        .pipe(
          workerPoolSettled(() => NEVER, {
            workers: 1,
            buffer: 0,
            overflow: 'drop-incoming',
            hooks: { settled: (outcome) => heard.push(brief(outcome)) },
          }),
          take(1),
        )
        .subscribe();
      expect(heard).to.eql(['b dropped full 0+0', heard[1]]);
      expect(heard[1]).to.match(/^a aborted settled/);
    });

    it('released: the worker is free again, once for each start, after settled', () => {
      const events: (log: string[]) => JobHooks<string> = (log) => ({
        settled: ({ job, status }) => log.push(`${status} ${job}`),
        released: (job) => log.push(`released ${job}`),
      });
      expect(lives(events)).to.eql([
        'work a',
        'dropped b',
        'completed a',
        'released a',
        'work c',
        'completed c',
        'released c',
      ]);
    });

    it('released: has a place for the job that it offers, also with buffer 0', () => {
      const started: number[] = [];
      const source = new Subject<number>();
      const hooks: JobHooks<number> = { released: (job) => job < 3 && source.next(job + 1) };
      source.pipe(workerPoolSettled((job) => (started.push(job), EMPTY), { workers: 1, buffer: 0, hooks })).subscribe();
      source.next(1);
      expect(started).to.eql([1, 2, 3]);
    });

    it('retrying: never, while there is no retry', () => {
      expect(lives((log) => ({ retrying: () => log.push('retrying') }))).to.eql(['work a', 'work c']);
    });

    it('hear of what a shutdown and an unsubscription do', () => {
      for (const end of ['abort', 'unsubscribe'] as const) {
        const log: string[] = [];
        const source = new Subject<string>();
        const shutdown = new Subject<ShutdownLevel>();
        const hooks: JobHooks<string> = {
          settled: (outcome) => log.push(brief(outcome).replace(/ \S+$/, '')),
          released: (job) => log.push(`released ${job}`),
        };
        const results = source
          .pipe(workerPoolSettled(() => NEVER, { workers: 1, buffer: 1, shutdown, hooks }))
          .subscribe();
        for (const job of ['a', 'b']) source.next(job);
        if (end === 'abort') shutdown.next(end);
        else results.unsubscribe();
        const [a, b] = [['a aborted settled', 'released a'], ['b dropped shutdown']];
        // An unsubscription is RxJS's own: what runs is stopped before the buffer is let go.
        expect(log).to.eql(end === 'abort' ? [...b, ...a] : [...a, ...b]);
      }
    });

    it('are called as methods, also those that a class has', () => {
      class Counter implements JobHooks<string> {
        count = 0;
        accepted(): void {
          this.count++;
        }
      }
      const counter = new Counter();
      from(['a', 'b'])
        .pipe(workerPoolSettled(() => EMPTY, { workers: 1, buffer: 0, hooks: counter }))
        .subscribe();
      expect(counter.count).to.equal(2);
    });

    const events = ['accepted', 'started', 'settled', 'released'] as const;
    for (const event of events) {
      for (const [how, hook] of [
        ['throws', thrower('in a hook')],
        ['rejects', () => Promise.reject(new Error('in a hook'))],
      ] as const) {
        it(`${event}: one that ${how} is reported, and neither the pool nor the next hook notices`, async () => {
          let calls = 0;
          const outcomes = await settledJobs(['a', 'b'], (job) => of(job), {
            hooks: [{ [event]: hook }, { [event]: () => calls++ }],
          });
          expect(outcomes.map(({ status }) => status)).to.eql(['completed', 'completed']);
          expect(calls).to.equal(2);
          await turn();
          expect(takeReported().map(String)).to.eql(
            how === 'throws' ? ['in a hook', 'in a hook'] : ['Error: in a hook', 'Error: in a hook'],
          );
        });
      }

      it(`${event}: one that offers a job does so as any other`, () => {
        const accounts = new Accounts<number, number>({ workers: 1, buffer: 9 });
        const source = new Subject<number>();
        let offers = 0;
        const offer: JobHooks<number> = { [event]: () => offers++ < 5 && source.next(10 + offers) };
        source
          .pipe(workerPoolSettled((job) => of(job), { workers: 1, buffer: 9, hooks: [accounts, offer] }))
          .subscribe((outcome) => accounts.check(`outcome ${outcome.job}`));
        source.next(1);
        accounts.settle();
        expect(accounts.breaches).to.eql([]);
        expect(accounts.completed).to.equal(6);
      });

      for (const level of LEVELS) {
        if (level === 'abandon' && event === 'started') continue;
        it(`${event}: one that shuts down is obeyed at once: ${level}`, () => {
          const accounts = new Accounts<string, string>({ workers: 1, buffer: 9 });
          const source = new Subject<string>();
          const shutdown = new Subject<ShutdownLevel>();
          const gate = new Subject<string>();
          const started: string[] = [];
          let completed = false;
          const stop: JobHooks<string> = { [event]: () => shutdown.next(level) };
          source
            .pipe(
              workerPoolSettled((job) => (started.push(job), gate), {
                workers: 1,
                buffer: 9,
                shutdown,
                hooks: [accounts, stop],
              }),
            )
            .subscribe({ complete: () => (completed = true) });
          for (const job of ['a', 'b']) source.next(job);
          gate.complete();
          accounts.settle();
          expect(accounts.breaches).to.eql([]);
          expect({ completed, observed: source.observed }).to.eql({ completed: true, observed: false });
          const runs = {
            accepted: { drain: ['a'], discard: [], abort: [], abandon: [] },
            started: { drain: ['a'], discard: ['a'], abort: [], abandon: [] },
            settled: { drain: ['a', 'b'], discard: ['a'], abort: ['a'], abandon: ['a'] },
            released: { drain: ['a', 'b'], discard: ['a'], abort: ['a'], abandon: ['a'] },
          };
          expect(started).to.eql(runs[event][level]);
        });
      }

      for (const level of LEVELS) {
        if (level === 'abandon' && event === 'started') continue;
        it(`${event}: one that shuts down while promises run settles each job once: ${level}`, async () => {
          const accounts = new Accounts<string, string>({ workers: 2, buffer: 9 });
          const source = new Subject<string>();
          const shutdown = new Subject<ShutdownLevel>();
          let completed = false;
          const stop: JobHooks<string> = { [event]: () => shutdown.next(level) };
          const hooks = [accounts, stop];
          const work = (job: string): Promise<string> => Promise.resolve(job);
          source
            .pipe(workerPoolSettled(work, { workers: 2, buffer: 9, shutdown, hooks }))
            .subscribe({ complete: () => (completed = true) });
          for (const job of ['a', 'b', 'c']) source.next(job);
          await turn();
          accounts.settle();
          expect(accounts.breaches).to.eql([]);
          expect(completed).to.equal(true);
        });
      }

      it(`${event}: one that unsubscribes is obeyed at once`, () => {
        const accounts = new Accounts<string, string>({ workers: 1, buffer: 9 });
        const source = new Subject<string>();
        const gate = new Subject<string>();
        const started: string[] = [];
        const stop: JobHooks<string> = { [event]: () => results.unsubscribe() };
        const work = (job: string): Observable<string> => (started.push(job), gate);
        const results = source
          .pipe(workerPoolSettled(work, { workers: 1, buffer: 9, hooks: [accounts, stop] }))
          .subscribe(() => accounts.breaches.push('an outcome after the unsubscription'));
        for (const job of ['a', 'b']) source.next(job);
        gate.complete();
        accounts.settle();
        expect(accounts.breaches).to.eql([]);
        expect([source.observed, gate.observed]).to.eql([false, false]);
        expect(started).to.eql(event === 'accepted' || event === 'started' ? [] : ['a']);
      });
    }
  });

  describe('unsubscription', () => {
    it('releases the source and the running jobs; nobody is told', () =>
      marbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
        const source = hot('    -abc------');
        const job = cold('       ----------');
        const expected = '      ----------';
        const unsubscribe = '   -----!    ';
        expectObservable(source.pipe(workerPoolSettled(() => job, { workers: 2, buffer: 1 })), unsubscribe).toBe(
          expected,
        );
        expectSubscriptions(source.subscriptions).toBe('^----!');
        expectSubscriptions(job.subscriptions).toBe(['   -^---!', '--^--!']);
      }));

    it('inside an outcome does not report the job again, and starts nothing that waits', () => {
      for (const result of [() => of(1), () => throwError(() => 'e'), () => NEVER]) {
        const accounts = new Accounts<string, unknown>({ workers: 1, buffer: 3 });
        const source = new Subject<string>();
        const shutdown = new Subject<ShutdownLevel>();
        const gate = new Subject<void>();
        const work = (): Observable<unknown> => concat(gate, result());
        source.pipe(workerPoolSettled(work, { workers: 1, buffer: 3, shutdown, hooks: accounts }), take(1)).subscribe();
        for (const job of ['a', 'b', 'c']) source.next(job);
        gate.complete();
        shutdown.next('abort');
        accounts.settle();
        expect(accounts.breaches).to.eql([]);
        expect(accounts.log.filter((event) => event.startsWith('settled a'))).to.have.length(1);
        expect(accounts.log.filter((event) => event.startsWith('started'))).to.have.length(1);
      }
    });

    it('inside the outcome of a drop ends the pool before the arriving job is taken in', () => {
      const heard: string[] = [];
      const source = new Subject<string>();
      source
        .pipe(
          workerPoolSettled(() => NEVER, {
            workers: 1,
            buffer: 1,
            overflow: 'drop-oldest',
            hooks: { settled: (outcome) => heard.push(brief(outcome).replace(/ \S+$/, '')) },
          }),
          take(1),
        )
        .subscribe();
      for (const job of ['a', 'b', 'c']) source.next(job);
      expect(heard).to.eql(['b dropped evicted', 'a aborted settled', 'c dropped closed']);
    });
  });

  describe('re-entrancy', () => {
    it('gives the place to the job that is offered in answer to an eviction: it is the newer', () => {
      const outcomes: string[] = [];
      const source = new Subject<string>();
      const first = new Subject<never>();
      source
        .pipe(
          workerPoolSettled((job) => (job === 'a' ? first : EMPTY), {
            workers: 1,
            buffer: 1,
            overflow: 'drop-oldest',
          }),
        )
        .subscribe((outcome) => {
          outcomes.push(brief(outcome).replace(/ \S+$/, ''));
          if (outcome.job === 'b') source.next('d');
        });
      for (const job of ['a', 'b', 'c']) source.next(job);
      first.complete();
      expect(outcomes).to.eql([
        'b dropped evicted',
        'c dropped full',
        'a completed undefined',
        'd completed undefined',
      ]);
    });

    it('runs any number of jobs that are each offered in answer to an outcome on a flat stack', () => {
      let outcomes = 0;
      const source = new Subject<number>();
      source.pipe(workerPoolSettled((job) => of(job), { workers: 1, buffer: 0 })).subscribe(({ job }) => {
        outcomes++;
        if (job < 100_000) source.next(job + 1);
      });
      source.next(1);
      expect(outcomes).to.equal(100_000);
    });
  });

  describe('two subscriptions', () => {
    it('share neither workers nor buffer', () => {
      const operator = workerPoolSettled((_job: number) => NEVER, {
        workers: 1,
        buffer: 1,
        overflow: 'drop-incoming',
      });
      const refused: number[] = [];
      const sources = [new Subject<number>(), new Subject<number>()];
      const results = sources.map((source) => source.pipe(operator).subscribe(({ job }) => refused.push(job)));
      for (const job of [1, 2, 3]) sources[0]!.next(job);
      for (const job of [4, 5]) sources[1]!.next(job);
      expect(refused).to.eql([3]);
      for (const subscription of results) subscription.unsubscribe();
    });
  });

  describe('scale', () => {
    it('tells of a million synchronous jobs that wait behind one asynchronous, on a flat stack', () => {
      let outcomes = 0;
      const source = new Subject<number>();
      const first = new Subject<number>();
      source
        .pipe(workerPoolSettled((job) => (job === 0 ? first : of(job)), { workers: 1, buffer: Infinity }))
        .subscribe(() => outcomes++);
      for (let job = 0; job <= 1e6; job++) source.next(job);
      expect(outcomes).to.equal(0);
      first.complete();
      expect(outcomes).to.equal(1e6 + 1);
    });

    it('tells of a million jobs that are discarded in one call', () => {
      let dropped = 0;
      const source = new Subject<number>();
      const shutdown = new Subject<ShutdownLevel>();
      source
        .pipe(workerPoolSettled(() => NEVER, { workers: 1, buffer: Infinity, shutdown }))
        .subscribe(({ status }) => status === 'dropped' && dropped++);
      for (let job = 0; job <= 1e6; job++) source.next(job);
      shutdown.next('abort');
      expect(dropped).to.equal(1e6);
    });
  });

  describe('laws', () => {
    const pool = (): PoolOperator<number, JobOutcome<number, number | undefined>> =>
      workerPoolSettled((job: number) => of(job), { workers: 1, buffer: 0 });

    it('completes', () => {
      const log: unknown[] = [];
      of(1)
        .pipe(pool())
        .subscribe({ next: ({ status }) => log.push(status), complete: () => log.push('complete') });
      expect(log).to.eql(['completed', 'complete']);
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
      range(0, Infinity)
        .pipe(
          map((job) => (offered++, job)),
          pool(),
          take(3),
        )
        .subscribe();
      expect(offered).to.equal(3);
    });

    it('holds no state between subscriptions', () => {
      const jobs: number[] = [];
      const results = of(1).pipe(pool());
      results.subscribe(({ job }) => jobs.push(job));
      results.subscribe(({ job }) => jobs.push(job));
      expect(jobs).to.eql([1, 1]);
    });

    it('emits nothing after the end', async () => {
      const log: unknown[] = [];
      const shutdown = new Subject<ShutdownLevel>();
      const source = new Subject<string>();
      const work = (): Promise<string> => Promise.resolve('late');
      source
        .pipe(workerPoolSettled(work, { workers: 1, buffer: 0, shutdown }))
        .subscribe({ next: ({ status }) => log.push(status), complete: () => log.push('complete') });
      source.next('a');
      shutdown.next('abandon');
      source.next('b');
      await turn();
      expect(log).to.eql(['aborted', 'complete']);
    });

    // A tape says what everybody does: the caller, work, a hook and downstream each take the next act from it.
    const acts = [
      'nothing',
      'offer',
      'end the oldest',
      'end the youngest',
      'fail the oldest',
      'drain',
      'discard',
      'abort',
    ] as const;
    const results = ['later', 'at once', 'throws', 'fails at once'] as const;
    const tapes = fc.record({
      acts: fc.array(
        fc.oneof(
          { weight: 30, arbitrary: fc.constantFrom(...acts.slice(0, 5)) },
          { weight: 1, arbitrary: fc.constantFrom(...acts) },
        ),
        { maxLength: 60, size: 'max' },
      ),
      results: fc.array(fc.constantFrom(...results), { minLength: 1, maxLength: 8 }),
      workers: fc.integer({ min: 1, max: 3 }),
      buffer: fc.integer({ min: 0, max: 3 }),
      overflow: fc.constantFrom<Overflow>('drop-incoming', 'drop-oldest', 'replace-newest', 'error'),
    });

    it('keeps the accounting law, whoever does what inside work, hooks and downstream', () => {
      fc.assert(
        fc.property(tapes, ({ acts, results, workers, buffer, overflow }) => {
          const accounts = new Accounts<number, unknown>({ workers, buffer });
          const source = new Subject<number>();
          const shutdown = new Subject<ShutdownLevel>();
          const open = new Map<number, Subject<string>>();
          const told: number[] = [];
          let offered = 0;
          let started = 0;
          let at = 0;
          let depth = 0;
          const end = (which: number, error?: string): void => {
            const entry = [...open].at(which);
            if (entry === undefined) return;
            open.delete(entry[0]);
            if (error === undefined) entry[1].complete();
            else entry[1].error(error);
          };
          const act = (): void => {
            const what = acts[at++];
            if (what === undefined || depth > 20) return;
            depth++;
            if (what === 'offer') source.next(offered++);
            else if (what === 'end the oldest') end(0);
            else if (what === 'end the youngest') end(-1);
            else if (what === 'fail the oldest') end(0, 'failed');
            else if (what !== 'nothing') shutdown.next(what);
            depth--;
          };
          const work = (job: number): Observable<string> => {
            accounts.check(`work ${job}`);
            act();
            const result = results[started++ % results.length];
            if (result === 'throws') throw 'thrown';
            if (result === 'at once') return of('x');
            if (result === 'fails at once') return throwError(() => 'failed');
            open.set(job, new Subject());
            return open.get(job)!;
          };
          const hooks: JobHooks<number>[] = [accounts, { accepted: act, started: act, settled: act, released: act }];
          let ended = false;
          source.pipe(workerPoolSettled(work, { workers, buffer, overflow, shutdown, hooks })).subscribe({
            next: ({ job }) => {
              told.push(job);
              accounts.check(`outcome ${job}`);
              act();
            },
            error: () => (ended = true),
            complete: () => (ended = true),
          });
          while (at < acts.length) act();
          source.complete();
          while (open.size > 0) end(0);
          accounts.settle();
          expect(accounts.breaches).to.eql([]);
          expect(ended).to.equal(true);
          expect(new Set(told).size).to.equal(told.length);
        }),
        { numRuns: 500 },
      );
    });
  });
});

function thrower(error: unknown): () => never {
  return () => {
    throw error;
  };
}

/** The outcomes of `jobs`, one after the other. */
function settledJobs<J>(
  jobs: readonly J[],
  work: (job: J, context: JobContext) => ObservableInput<unknown>,
  config: { readonly hooks?: JobHooks<J> | readonly JobHooks<J>[] } = {},
): Promise<JobOutcome<J, unknown>[]> {
  return new Promise((resolve, reject) => {
    from(jobs)
      .pipe(workerPoolSettled(work, { workers: 1, buffer: Infinity, ...config }), toArray())
      .subscribe({ next: resolve, error: reject });
  });
}
