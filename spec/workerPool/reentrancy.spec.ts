import { expect } from 'chai';
import { EMPTY, finalize, Observable, of, range, Subject } from 'rxjs';
import { workerPool } from '../../src/index.js';
import type { ShutdownLevel } from '../../src/index.js';

describe('workerPool', () => {
  describe('re-entrancy', () => {
    /** Who does what, when job 1 offers job 2 to the source from the place that `offers` names. */
    function nested(offers: 'work' | 'value' | 'finalizer', workers: number, buffer: number): string[] {
      const log: string[] = [];
      const source = new Subject<number>();
      const offer = (job: number, place: string): void => {
        if (job !== 1 || place !== offers) return;
        log.push(`offer from ${place}`);
        source.next(2);
        log.push('offered');
      };
      const work = (job: number): Observable<number> => {
        log.push(`work ${job}`);
        offer(job, 'work');
        return of(job).pipe(finalize(() => offer(job, 'finalizer')));
      };
      source.pipe(workerPool(work, { workers, buffer, overflow: 'drop-incoming' })).subscribe((value) => {
        log.push(`value ${value}`);
        offer(value, 'value');
      });
      source.next(1);
      return log;
    }

    it('starts a job that is offered from work at once, nested, when a worker is free', () => {
      expect(nested('work', 2, 0)).to.eql(['work 1', 'offer from work', 'work 2', 'value 2', 'offered', 'value 1']);
    });

    it('starts a job that is offered from downstream at once, nested, when a worker is free', () => {
      expect(nested('value', 2, 0)).to.eql(['work 1', 'value 1', 'offer from value', 'work 2', 'value 2', 'offered']);
    });

    it('lets a job wait that is offered from work, downstream or a finalizer while no worker is free', () => {
      expect(nested('work', 1, 1)).to.eql(['work 1', 'offer from work', 'offered', 'value 1', 'work 2', 'value 2']);
      expect(nested('value', 1, 1)).to.eql(['work 1', 'value 1', 'offer from value', 'offered', 'work 2', 'value 2']);
      expect(nested('finalizer', 1, 1)).to.eql([
        'work 1',
        'value 1',
        'offer from finalizer',
        'offered',
        'work 2',
        'value 2',
      ]);
    });

    it('counts a job as running until its finalizers have run: with no buffer, what they offer is dropped', () => {
      for (const offers of ['work', 'value', 'finalizer'] as const) {
        expect(nested(offers, 1, 0)).not.to.include('work 2');
      }
    });

    it('drops and starts in order when downstream offers to a full buffer', () => {
      const started: number[] = [];
      const source = new Subject<number>();
      const gates = [new Subject<number>(), new Subject<number>()];
      const work = (job: number): Observable<number> => (started.push(job), gates[job] ?? EMPTY);
      source.pipe(workerPool(work, { workers: 1, buffer: 2, overflow: 'drop-oldest' })).subscribe(() => source.next(4));
      for (const job of [0, 1, 2]) source.next(job);
      gates[0]!.next(0);
      gates[0]!.complete();
      expect(started).to.eql([0, 2, 4]);
    });

    it('runs a job that feeds itself from its finalizer on a flat stack', () => {
      let runs = 0;
      const source = new Subject<number>();
      const work = (job: number): Observable<number> =>
        of(job).pipe(
          finalize(() => {
            if (job < 100_000) source.next(job + 1);
          }),
        );
      source.pipe(workerPool(work, { workers: 2, buffer: 1 })).subscribe(() => runs++);
      source.next(1);
      expect(runs).to.equal(100_000);
    });
  });

  describe('scale', () => {
    it('runs a million synchronous jobs', () => {
      let values = 0;
      range(0, 1e6)
        .pipe(workerPool((job) => of(job), { workers: 1, buffer: 0 }))
        .subscribe(() => values++);
      expect(values).to.equal(1e6);
    });

    it('runs a million synchronous jobs that wait behind one asynchronous, on a flat stack', () => {
      let values = 0;
      const source = new Subject<number>();
      const first = new Subject<number>();
      source
        .pipe(workerPool((job) => (job === 0 ? first : of(job)), { workers: 1, buffer: Infinity }))
        .subscribe(() => values++);
      for (let job = 0; job <= 1e6; job++) source.next(job);
      first.complete();
      expect(values).to.equal(1e6);
    });

    it('lets a million waiting jobs go in one discard', () => {
      let started = 0;
      let completed = false;
      const source = new Subject<number>();
      const shutdown = new Subject<ShutdownLevel>();
      const first = new Subject<number>();
      source
        .pipe(workerPool(() => (started++, first), { workers: 1, buffer: Infinity, shutdown }))
        .subscribe({ complete: () => (completed = true) });
      for (let job = 0; job <= 1e6; job++) source.next(job);
      shutdown.next('discard');
      first.complete();
      expect({ started, completed }).to.eql({ started: 1, completed: true });
    });
  });
});
