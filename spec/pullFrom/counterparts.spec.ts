import { expect } from 'chai';
import { from, map, NEVER, Observable } from 'rxjs';
import { pullFrom, workerPool } from '../../src/index.js';
import type { JobOutcome } from '../../src/index.js';
import { turn } from '../support/guard.js';
import { AsyncNumbers, collect, Feed, Jobs, Numbers } from './support.js';

describe('pullFrom', () => {
  describe('for another subscriber', () => {
    it('is from(iterable)', () => {
      const numbers = new Numbers(3);
      const results = collect(pullFrom(numbers));
      expect([results.values, results.end(), numbers.returns]).to.eql([[0, 1, 2], 'complete', 0]);
      expect(pullFrom([])).to.be.instanceOf(Observable);
    });

    it('is from(async iterable)', async () => {
      const numbers = new AsyncNumbers(3);
      const results = collect(pullFrom(numbers));
      expect(results.values).to.eql([]);
      await turn();
      expect([results.values, results.end(), numbers.returns]).to.eql([[0, 1, 2], 'complete', 0]);
    });

    it('lets go of an async iterator whose next() never settles', () => {
      const feed = new Feed();
      collect(pullFrom(feed)).unsubscribe();
      expect([feed.nexts, feed.returns]).to.eql([1, 1]);
    });

    it('pushes at a pool that another operator stands before', () => {
      const numbers = new Numbers(9);
      const results = collect(
        pullFrom(numbers).pipe(
          map((n) => n),
          workerPool(() => NEVER, { workers: 2, buffer: 3 }),
        ),
      );
      expect(results.end()).to.include({ name: 'BufferOverflowError', capacity: 3, job: 5 });
    });

    it('drops by the policy of a pool that another operator stands before', () => {
      const started: number[] = [];
      const work = (n: number): Observable<never> => (started.push(n), NEVER);
      const pool = workerPool(work, { workers: 2, buffer: 3, overflow: 'drop-incoming' });
      const numbers = new Numbers(9);
      pullFrom(numbers)
        .pipe(
          map((n) => n),
          pool,
        )
        .subscribe()
        .unsubscribe();
      expect([started, numbers.nexts]).to.eql([[0, 1], 10]);
    });
  });

  describe('its counterparts', () => {
    it('is what a pool makes of an iterable that it is given', async () => {
      for (const Source of [Numbers, AsyncNumbers]) {
        const numbers = new Source(Infinity);
        const jobs = new Jobs<number>();
        const results = collect(workerPool(jobs.work, { workers: 2, buffer: 0 })(numbers));
        await turn();
        expect([jobs.started, numbers.nexts]).to.eql([[0, 1], 2]);
        results.unsubscribe();
        expect(numbers.returns).to.equal(1);
      }
    });

    it('is named by the error of a pool that from(iterable) overflows', () => {
      const lines = ['a', 'b', 'c', 'd'];
      const results = collect(from(lines).pipe(workerPool(() => NEVER, { workers: 2, buffer: 1 })));
      expect(results.end()).to.include({ name: 'BufferOverflowError', capacity: 1, job: 'd' });
      expect((results.end() as Error).message).to.contain('pullFrom(iterable)');
    });

    it('never meets the overflow policy', () => {
      const outcomes: JobOutcome<number, number>[] = [];
      for (const overflow of ['error', 'drop-incoming', 'drop-oldest', 'replace-newest', 'clear'] as const) {
        const jobs = new Jobs<number>();
        const hooks = { settled: (outcome: JobOutcome<number, number>) => void outcomes.push(outcome) };
        const pool = workerPool(jobs.work, { workers: 2, buffer: 1, overflow, hooks });
        collect(pullFrom(new Numbers(9)).pipe(pool));
        while (jobs.running.size > 0) jobs.completeAny();
      }
      expect(outcomes.length).to.equal(45);
      expect(new Set(outcomes.map(({ status }) => status))).to.eql(new Set(['completed']));
    });
  });
});
