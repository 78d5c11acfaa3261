import { expect } from 'chai';
import {
  BehaviorSubject,
  concat,
  EMPTY,
  finalize,
  firstValueFrom,
  map,
  NEVER,
  of,
  Subject,
  throwError,
  timer,
  VirtualTimeScheduler,
} from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { BackgroundJobs, pullFrom, workerPool, workerPoolSettled } from '../../src/index.js';
import { turn } from '../support/guard.js';

function virtually(program: Parameters<TestScheduler['run']>[0]): void {
  new TestScheduler((actual, expected) => void expect(actual).to.deep.equal(expected)).run(program);
}

describe('workers: Observable', () => {
  const work = (job: string) => timer(4).pipe(map(() => job));

  it('starts nothing before the first number, grows, and lets what runs finish when it shrinks', () => {
    virtually(({ cold, hot, expectObservable }) => {
      const workers = hot('--1-2----1--', { 1: 1, 2: 2 });
      const result = cold('(abcde|)').pipe(workerPool(work, { workers, buffer: 9 }));
      // a at 2, b at 4; c at 6, d at 8; one worker from 9: e when d, the last above the limit, has ended
      expectObservable(result).toBe('------a-b-c-d---(e|)');
    });
  });

  it('pauses at 0, and then only the buffer may wait', () => {
    virtually(({ flush }) => {
      const workers = new BehaviorSubject(0);
      const jobs = new BackgroundJobs(work, { workers, buffer: 1 });
      expect([jobs.offer('a'), jobs.offer('b')]).to.deep.equal([true, false]);
      expect(jobs.stats).to.include({ queued: 1, workers: 0 });
      workers.next(2);
      expect(jobs.stats).to.include({ queued: 0, running: 1, workers: 2 });
      flush();
      workers.next(0);
      workers.next(1);
      expect(jobs.stats).to.include({ completed: 1, workers: 1 });
      void jobs.shutdown();
    });
  });

  it('is turned from inside a job: a retry holds everybody, and goes first afterwards', () => {
    const starts: string[] = [];
    const workers = new BehaviorSubject(2);
    const jobs$ = new Subject<string>();
    jobs$
      .pipe(
        workerPool(
          (job: string, { attempt }: { attempt: number }) => {
            starts.push(`${job}${attempt}`);
            if (job === 'a' && attempt === 1) {
              workers.next(0);
              return throwError(() => '429');
            }
            return of(job);
          },
          { workers, buffer: 5, retry: 3 },
        ),
      )
      .subscribe();
    for (const job of ['a', 'b', 'c']) jobs$.next(job);
    expect(starts).to.deep.equal(['a1']);
    workers.next(1);
    expect(starts).to.deep.equal(['a1', 'a2', 'b1', 'c1']);
  });

  it('keeps the last number when it completes above 0, and errs at 0, when empty, with an error and with a bad value', () => {
    const errorOf = (workers: Parameters<typeof workerPool<string, string>>[1]['workers']): unknown => {
      let said: unknown = 'none';
      NEVER.pipe(workerPoolSettled(work, { workers, buffer: 1 }))
        .subscribe({ error: (error: unknown) => (said = error) })
        .unsubscribe();
      return said;
    };
    expect(errorOf(of(3))).to.equal('none');
    expect(errorOf(of(3, 0)))
      .to.have.property('message')
      .that.includes('completed at 0');
    expect(errorOf(EMPTY)).to.have.property('message').that.includes('completed at 0');
    expect(errorOf(throwError(() => 'its own'))).to.equal('its own');
    expect(
      errorOf(
        concat(
          of(-1, 2),
          throwError(() => 'later'),
        ),
      ),
    )
      .to.have.property('message')
      .that.includes('workers must be');
    expect(errorOf(of('2' as never) as never)).to.be.instanceOf(TypeError);
  });

  it('leads an iterable: nothing is pulled at 0', () => {
    const pulled: number[] = [];
    function* items(): Generator<number> {
      for (let i = 1; ; i++) {
        pulled.push(i);
        yield i;
      }
    }
    const workers = new BehaviorSubject(0);
    const results = pullFrom(items())
      .pipe(workerPool(() => NEVER, { workers, buffer: 0 }))
      .subscribe();
    expect(pulled).to.deep.equal([]);
    workers.next(2);
    expect(pulled).to.deep.equal([1, 2]);
    results.unsubscribe();
    expect(workers.observed).to.equal(false);
  });

  it('lowered in an outage, lets jobs that wait in their slots for a retry start one after another', async () => {
    for (const work of ['streams', 'promises'] as const) {
      const scheduler = new VirtualTimeScheduler();
      const workers = new BehaviorSubject(3);
      const tried = new Set<number>();
      let [running, most] = [0, 0];
      const run = (job: number): ObservableInput<number> => {
        if (!tried.has(job)) {
          tried.add(job);
          return work === 'streams' ? throwError(() => 'down') : Promise.reject(new Error('down'));
        }
        most = Math.max(most, ++running);
        const done = timer(5, scheduler).pipe(
          map(() => job),
          finalize(() => running--),
        );
        return work === 'streams' ? done : firstValueFrom(done);
      };
      const config = { workers, buffer: 0, retry: { count: 3, delay: 10 }, scheduler };
      const jobs = new BackgroundJobs(run, { ...config, overflow: 'drop-incoming' });
      for (let job = 0; job < 6; job++) {
        jobs.offer(job);
        await turn();
      }
      expect(jobs.stats, work).to.include({ accepted: 6, delayed: 6, lingering: 3 });
      workers.next(1);
      const ended = jobs.shutdown('drain', { deadline: Infinity });
      for (let step = 0; step < 12; step++) {
        scheduler.flush();
        await turn();
      }
      expect(jobs.stats, work).to.include({ completed: 6, delayed: 0, running: 0, lingering: 0 });
      expect(most, work).to.equal(1);
      await ended;
    }
  });
});
