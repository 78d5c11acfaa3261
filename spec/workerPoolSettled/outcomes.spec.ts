import { expect } from 'chai';
import { concat, map, NEVER, Observable, of, Subject, take, throwError, timer, VirtualTimeScheduler } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { workerPoolSettled } from '../../src/index.js';
import type { Overflow, ShutdownLevel } from '../../src/index.js';
import { turn } from '../support/guard.js';
import { marbles } from '../support/marbles.js';
import { brief, promised, settledJobs, thrower } from './support.js';
import type { Outcome } from './support.js';

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

    it('come before the end also of a job whose arrival opens the gate to one that ends the pool', () => {
      for (const hooks of [undefined, { settled: () => undefined }]) {
        const scheduler = new VirtualTimeScheduler();
        const source = new Subject<string>();
        const stop = new Subject<ShutdownLevel>();
        const told: string[] = [];
        const work = (job: string): Observable<never> =>
          new Observable((subscriber) => {
            subscriber.add(() => job === 'b' && stop.next('abort'));
            subscriber.error(new Error(job));
          });
        const config = { workers: 1, buffer: 1, rateLimit: { limit: 1, interval: 3 }, scheduler, shutdown: stop };
        source
          .pipe(workerPoolSettled(work, { ...config, overflow: 'drop-incoming', ...(hooks && { hooks }) }))
          .subscribe({ next: ({ job, status }) => told.push(`${job} ${status}`), complete: () => told.push('end') });
        source.next('a');
        source.next('b');
        scheduler.frame = 3;
        source.next('c');
        expect(told).to.eql(['a failed', 'b failed', 'c dropped', 'end']);
        scheduler.flush();
      }
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
});
