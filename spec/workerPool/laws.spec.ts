import { expect } from 'chai';
import {
  concat,
  defer,
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
import { workerPool } from '../../src/index.js';
import type { PoolOperator, ShutdownLevel } from '../../src/index.js';
import { Accounts } from '../support/accounts.js';
import { turn } from '../support/guard.js';
import { marbles } from '../support/marbles.js';
import { coldJobs } from './support.js';

describe('workerPool', () => {
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
