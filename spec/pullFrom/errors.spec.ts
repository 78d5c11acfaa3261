import { expect } from 'chai';
import { finalize, NEVER, Observable, of } from 'rxjs';
import { pullFrom, workerPool } from '../../src/index.js';
import { turn } from '../support/guard.js';
import { collect, Feed, Jobs, Numbers } from './support.js';

describe('pullFrom', () => {
  describe('errors', () => {
    const error = new Error('source');
    const fail = (): never => {
      throw error;
    };

    it('gives what next() throws to the results, and stops what runs: at the first item', () => {
      const results = collect(pullFrom(new Numbers(3, fail)).pipe(workerPool(() => NEVER, { workers: 2, buffer: 0 })));
      expect(results.end()).to.equal(error);
    });

    it('gives what next() throws to the results, and stops what runs: when a worker is free again', () => {
      const jobs = new Jobs<number>();
      const log: string[] = [];
      const work = (n: number): Observable<number> => jobs.work(n).pipe(finalize(() => log.push(`finalized ${n}`)));
      const numbers = new Numbers(9, (n) => n === 2 && fail());
      const results = collect(pullFrom(numbers).pipe(workerPool(work, { workers: 2, buffer: 0 })));
      jobs.complete(0);
      expect([results.values, results.end()]).to.eql([[0], error]);
      expect(log).to.eql(['finalized 0', 'finalized 1']);
      expect(numbers.nexts).to.equal(3);
    });

    it('gives what an async next() rejects with to the results, and stops what runs', async () => {
      const log: string[] = [];
      const feed = new Feed();
      const work = (): Observable<never> => NEVER.pipe(finalize(() => log.push('finalized')));
      const results = collect(pullFrom(feed).pipe(workerPool(work, { workers: 2, buffer: 0 })));
      feed.arrive('a');
      await turn();
      feed.fail(error);
      await turn();
      expect([results.end(), log, feed.nexts, feed.returns]).to.eql([error, ['finalized'], 2, 0]);
    });

    it('takes an async next() that throws for one that rejects', () => {
      let nexts = 0;
      const next = (): never => (nexts++, fail());
      const pool = workerPool(() => NEVER, { workers: 2, buffer: 1 });
      const results = collect(pullFrom({ [Symbol.asyncIterator]: () => ({ next }) }).pipe(pool));
      expect([results.end(), nexts]).to.eql([error, 1]);
    });

    const unreadable = {
      get done(): boolean {
        throw error;
      },
    };
    for (const [what, garbage] of [
      ['undefined', undefined],
      ['null', null],
      ['5', 5],
      ["'done'", 'done'],
      ['an object that cannot be read', unreadable],
    ] as const) {
      for (const first of [true, false]) {
        const when = first ? 'at the first item' : 'when a worker is free again';
        it(`takes a next() that gives ${what} for one that throws, and does not call return(): ${when}`, async () => {
          for (const kind of ['iterator', 'asyncIterator', 'promises'] as const) {
            const jobs = new Jobs<number>();
            let [nexts, returns] = [0, 0];
            const next = (): unknown => (nexts++ === 0 && !first ? { value: 0 } : garbage);
            const iterator = {
              next: kind === 'promises' ? () => Promise.resolve(next()) : next,
              return: () => ({ done: true, value: void returns++ }),
            };
            const iterable = { [kind === 'iterator' ? Symbol.iterator : Symbol.asyncIterator]: () => iterator };
            const pool = workerPool(jobs.work, { workers: 1, buffer: 0 });
            const results = collect(pullFrom<number>(iterable as unknown as Iterable<number>).pipe(pool));
            await turn();
            if (!first) jobs.complete(0);
            await turn();
            if (garbage === unreadable) expect(results.end()).to.equal(error);
            else {
              expect(results.end()).to.be.instanceOf(TypeError);
              expect((results.end() as Error).message).to.contain(
                `what next() returns must be an object, but is ${what}`,
              );
            }
            expect([jobs.started, nexts, returns]).to.eql(first ? [[], 1, 0] : [[0], 2, 0]);
          }
        });
      }
    }

    it('gives what an iterable throws instead of an iterator to the results', () => {
      for (const iterable of [{ [Symbol.iterator]: fail }, { [Symbol.asyncIterator]: fail }]) {
        const source = pullFrom<number>(iterable);
        expect(collect(source).end()).to.equal(error);
        expect(collect(source.pipe(workerPool((n) => of(n), { workers: 1, buffer: 0 }))).end()).to.equal(error);
      }
    });
  });
});
