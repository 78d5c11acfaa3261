import { expect } from 'chai';
import { Observable, of, toArray } from 'rxjs';
import { pullFrom, workerPool } from '../../src/index.js';
import { Accounts } from '../support/accounts.js';
import { AsyncNumbers, collect, Jobs, Numbers } from './support.js';

describe('pullFrom', () => {
  it('keeps the law for any order in which jobs end', async () => {
    let seed = 1;
    const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below;
    for (let run = 0; run < 200; run++) {
      const workers = 1 + random(4);
      const buffer = random(4);
      const Source = random(2) === 0 ? Numbers : AsyncNumbers;
      const jobs = new Jobs<number>();
      const accounts = new Accounts<number, number>({ workers, buffer });
      const work = (n: number): Observable<number> => (random(3) === 0 ? of(n) : jobs.work(n));
      // The program knows microtasks only: nothing waits for a turn of the event loop.
      const pool = workerPool(work, { workers, buffer, hooks: accounts, yieldAfter: Infinity });
      const results = collect(pullFrom<number>(new Source(20)).pipe(pool, toArray()));
      for (let i = 0; results.end() === undefined && i < 500; i++) {
        if (jobs.running.size > 0) jobs.completeAny();
        for (let ticks = random(4); ticks > 0; ticks--) await Promise.resolve();
      }
      accounts.settle();
      expect([accounts.breaches, accounts.completed, accounts.refused]).to.eql([[], 20, 0]);
      expect(results.values[0]?.length).to.equal(20);
    }
  });
});
