import { expect } from 'chai';
import { concat, EMPTY, NEVER, Observable, of, Subject, take, throwError } from 'rxjs';
import { workerPoolSettled } from '../../src/index.js';
import type { ShutdownLevel } from '../../src/index.js';
import { Accounts } from '../support/accounts.js';
import { marbles } from '../support/marbles.js';
import { brief } from './support.js';

describe('workerPoolSettled', () => {
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

    it('inside the outcome of an eviction ends the pool, also for the arriving job, which has its place by then', () => {
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
      expect(heard).to.eql(['b dropped evicted', 'a aborted settled', 'c dropped shutdown']);
    });
  });

  describe('re-entrancy', () => {
    it('refuses the job that is offered in answer to an eviction: the arriving one has the place by then', () => {
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
        'd dropped full',
        'a completed undefined',
        'c completed undefined',
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
});
