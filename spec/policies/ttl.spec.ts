import { expect } from 'chai';
import { of, timer, map } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { BackgroundJobs, byKey, byPriority, workerPool, workerPoolSettled } from '../../src/index.js';
import type { JobOutcome } from '../../src/index.js';

function virtually(program: Parameters<TestScheduler['run']>[0]): void {
  new TestScheduler((actual, expected) => void expect(actual).to.deep.equal(expected)).run(program);
}

const saidOf = (outcome: JobOutcome<string, unknown>): string =>
  outcome.status === 'dropped' ? outcome.reason[0]! : outcome.job;

describe('ttl', () => {
  const work = (job: string) => timer(5).pipe(map(() => job));

  it('drops what has waited so long for its first start, as expired', () => {
    virtually(({ cold, expectObservable }) => {
      const config = { workers: 1, buffer: 3, ttl: 3 };
      expectObservable(cold('abc------|').pipe(workerPoolSettled(work, config), map(saidOf))).toBe('----e(ae)|', {
        e: 'e',
        a: 'a',
      });
    });
  });

  it('starts nothing whose time is up in that very frame', () => {
    virtually(({ cold, expectObservable }) => {
      expectObservable(cold('ab|').pipe(workerPool(work, { workers: 1, buffer: 1, ttl: 4 }))).toBe('-----(a|)');
      expectObservable(cold('ab|').pipe(workerPool(work, { workers: 1, buffer: 1, ttl: 5 }))).toBe('-----a----(b|)');
    });
  });

  for (const [name, queue] of [
    ['byPriority', byPriority<string>((job) => job.charCodeAt(0))],
    ['byKey', byKey<string>(() => 'one')],
  ] as const) {
    it(`takes the oldest, whatever the order of starts: ${name}`, () => {
      virtually(({ cold, expectObservable }) => {
        const outcomes = cold('abc------|').pipe(
          workerPoolSettled(work, { workers: 1, buffer: 3, ttl: 3, queue }),
          map((outcome) => outcome.job),
        );
        expectObservable(outcomes).toBe('----b(ac)|');
      });
    });
  }

  it('holds in the handle too, is for waiting jobs only, and leaves no timer when nothing waits', () => {
    virtually(({ flush }) => {
      const jobs = new BackgroundJobs(work, { workers: 1, buffer: 3, ttl: 3, retry: { delay: 9 } });
      const outcomes: string[] = [];
      jobs.outcomes$.subscribe((outcome) => outcomes.push(`${outcome.job} ${outcome.status}`));
      for (const job of ['a', 'b']) jobs.offer(job);
      jobs.clear();
      jobs.offer('c');
      flush();
      expect(outcomes).to.deep.equal(['b dropped', 'c dropped', 'a completed']);
      expect(jobs.stats).to.include({ queued: 0, evicted: 2, completed: 1 });
      void jobs.shutdown();
    });
  });

  it('refuses what is no duration', () => {
    expect(() => workerPool(() => of(1), { workers: 1, buffer: 0, ttl: -1 })).to.throw('ttl must be');
  });
});
