import { expect } from 'chai';
import { NEVER, Observable, of, Subject } from 'rxjs';
import { pullFrom, workerPool } from '../../src/index.js';
import type { ShutdownLevel } from '../../src/index.js';
import { Accounts } from '../support/accounts.js';
import { collect, Jobs, Numbers } from './support.js';

describe('pullFrom', () => {
  describe('re-entrancy', () => {
    for (const buffer of [0, 1, 5]) {
      it(`leaves none of three workers idle, and reads nothing ahead, when next() ends running jobs: buffer ${buffer}`, () => {
        for (let seed = 1; seed <= 50; seed++) {
          let state = seed;
          const random = (below: number): number => (state = (state * 48271) % 2147483647) % below;
          const jobs = new Jobs<number>();
          const accounts = new Accounts<number, number>({ workers: 3, buffer });
          const ahead: number[] = [];
          const numbers = new Numbers(40, (n) => {
            for (let ends = random(4); ends > 0 && jobs.running.size > 0; ends--) jobs.completeAny();
            ahead.push(n - jobs.ended);
          });
          const work = (n: number): Observable<number> => {
            if (random(4) > 0) return jobs.work(n);
            jobs.started.push(n);
            jobs.ended++;
            return of(n);
          };
          const results = collect(pullFrom(numbers).pipe(workerPool(work, { workers: 3, buffer, hooks: accounts })));
          while (jobs.running.size > 0) {
            expect(jobs.running.size).to.equal(Math.min(3, 40 - jobs.ended));
            jobs.completeAny();
          }
          accounts.settle();
          expect([accounts.breaches, Math.max(...ahead) <= 2, results.end()]).to.eql([[], true, 'complete']);
          expect(jobs.started).to.eql(Array.from({ length: 40 }, (_, i) => i));
        }
      });
    }

    it('starts as many jobs as it has workers when next() completes a running one', () => {
      const jobs = new Jobs<number>();
      const ahead: number[] = [];
      const numbers = new Numbers(20, (n) => {
        if (n >= 2 && n % 2 === 0) jobs.completeAny();
        ahead.push(n - jobs.ended);
      });
      const results = collect(pullFrom(numbers).pipe(workerPool(jobs.work, { workers: 2, buffer: 0 })));
      while (jobs.running.size > 0) {
        expect(jobs.running.size).to.equal(Math.min(2, 20 - jobs.ended));
        jobs.completeAny();
      }
      expect(Math.max(...ahead)).to.equal(1);
      expect([results.end(), jobs.started.length]).to.eql(['complete', 20]);
    });

    for (const first of [true, false]) {
      it(`refuses an item whose next() unsubscribes the results: ${first ? 'at once' : 'when a worker is free again'}`, () => {
        const jobs = new Jobs<number>();
        const accounts = new Accounts<number, number>({ workers: 2, buffer: 1 });
        const unsubscribe = new Subject<void>();
        const numbers = new Numbers(9, (n) => n === (first ? 1 : 2) && unsubscribe.next());
        const pool = workerPool(jobs.work, { workers: 2, buffer: 1, hooks: accounts });
        new Observable<number>((subscriber) => {
          unsubscribe.subscribe(() => subscriber.unsubscribe());
          pullFrom(numbers).pipe(pool).subscribe(subscriber);
        }).subscribe();
        if (!first) jobs.complete(0);
        accounts.settle();
        expect([accounts.breaches, accounts.refused, numbers.returns]).to.eql([[], 1, 1]);
        expect(jobs.started).to.eql(first ? [0] : [0, 1]);
      });
    }

    it('lets a generator unsubscribe from inside itself, and then end', () => {
      const log: string[] = [];
      const stop = new Subject<void>();
      function* letters(): Generator<string> {
        try {
          yield 'a';
          stop.next();
          log.push('goes on');
          yield 'b';
        } finally {
          log.push('finally');
        }
      }
      const work = (job: string): Observable<never> => (log.push(job), NEVER);
      const results$ = pullFrom(letters()).pipe(workerPool(work, { workers: 2, buffer: 0 }));
      new Observable<never>((subscriber) => {
        stop.subscribe(() => subscriber.unsubscribe());
        results$.subscribe(subscriber);
      }).subscribe();
      expect(log).to.eql(['a', 'goes on', 'finally']);
    });

    for (const [level, started] of [
      ['drain', [0, 1, 2]],
      ['discard', [0, 1]],
      ['abort', [0, 1]],
      ['abandon', [0, 1]],
    ] as const) {
      it(`${started.length > 2 ? 'runs' : 'refuses'} an item whose next() shuts the pool down: ${level}`, () => {
        const jobs = new Jobs<number>();
        const accounts = new Accounts<number, number>({ workers: 2, buffer: 1 });
        const shutdown = new Subject<ShutdownLevel>();
        const numbers = new Numbers(9, (n) => n === 2 && shutdown.next(level));
        const pool = workerPool(jobs.work, { workers: 2, buffer: 1, shutdown, hooks: accounts });
        const results = collect(pullFrom(numbers).pipe(pool));
        jobs.complete(0);
        expect(jobs.started).to.eql(started);
        if (level === 'drain' || level === 'discard') while (jobs.running.size > 0) jobs.completeAny();
        accounts.settle();
        expect([accounts.breaches, accounts.refused]).to.eql([[], started.length > 2 ? 0 : 1]);
        expect([results.end(), numbers.returns, numbers.nexts]).to.eql(['complete', 1, 3]);
      });
    }

    it('lets the work, and downstream, unsubscribe', () => {
      for (const inWork of [true, false]) {
        const numbers = new Numbers(Infinity);
        const stop = new Subject<void>();
        const work = (n: number): Observable<number> => {
          if (inWork && n === 3) stop.next();
          return of(n);
        };
        const seen: number[] = [];
        new Observable<number>((subscriber) => {
          stop.subscribe(() => subscriber.unsubscribe());
          pullFrom(numbers)
            .pipe(workerPool(work, { workers: 2, buffer: 2 }))
            .subscribe(subscriber);
        }).subscribe((n) => {
          seen.push(n);
          if (!inWork && n === 3) stop.next();
        });
        expect([seen.at(-1), numbers.nexts, numbers.returns]).to.eql([inWork ? 2 : 3, 4, 1]);
      }
    });
  });
});
