import { expect } from 'chai';
import { NEVER, of, range, Subject, take } from 'rxjs';
import { workerPoolSettled } from '../../src/index.js';
import type { ShutdownLevel } from '../../src/index.js';
import { brief } from './support.js';

describe('workerPoolSettled', () => {
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
});
