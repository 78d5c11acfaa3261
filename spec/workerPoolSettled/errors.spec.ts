import { expect } from 'chai';
import { catchError, EMPTY, map, Observable, of, Subject, throwError, timer } from 'rxjs';
import { byKey, workerPoolSettled } from '../../src/index.js';
import type { BufferOverflowError, ShutdownLevel } from '../../src/index.js';
import { marbles } from '../support/marbles.js';
import { brief } from './support.js';

describe('workerPoolSettled', () => {
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
    for (const end of ['drain', 'abandon', 'the end of the source'] as const) {
      it(`of a callback fail their job, whose hook may end the intake: ${end}`, () => {
        const source = new Subject<string>();
        const stop = new Subject<ShutdownLevel>();
        const told: string[] = [];
        const config = {
          workers: 1,
          buffer: 1,
          queue: byKey((_: string): string => {
            throw new Error('key');
          }),
          shutdown: stop,
          hooks: { settled: () => (end === 'the end of the source' ? source.complete() : stop.next(end)) },
        };
        source.pipe(workerPoolSettled((job: string) => of(job), config)).subscribe({
          next: ({ job, status }) => told.push(`${job} ${status}`),
          complete: () => told.push('complete'),
        });
        source.next('a');
        expect(told).to.eql(['a failed', 'complete']);
      });
    }

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
});
