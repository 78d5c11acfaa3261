import { expect } from 'chai';
import {
  BehaviorSubject,
  catchError,
  throwError,
  NEVER,
  of,
  Subject,
  timer,
  TimeoutError,
  map,
  mergeMap,
  VirtualTimeScheduler,
} from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { BackgroundJobs, byKey, workerPool, workerPoolSettled } from '../../src/index.js';
import type { ShutdownLevel } from '../../src/index.js';
import { Deferred, fateOf } from '../support/deferred.js';

function virtually(program: Parameters<TestScheduler['run']>[0]): void {
  new TestScheduler((actual, expected) => void expect(actual).to.deep.equal(expected)).run(program);
}

/** Two errors are never equal: they have stacks. */
const nameOfError = catchError((error: unknown) => throwError(() => (error as Error).name));

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** As knex and mongoose have it: a thenable that is no promise. */
function lazily<T>(promise: Promise<T>): Promise<T> {
  return { then: promise.then.bind(promise) } as Promise<T>;
}

describe('timeout', () => {
  it('fails an attempt that takes longer, with the TimeoutError of RxJS, and unsubscribes its stream', () => {
    virtually(({ cold, expectObservable, expectSubscriptions }) => {
      const slow = cold('---------x|');
      const result = cold('ab|').pipe(
        workerPoolSettled(() => slow, { workers: 2, buffer: 0, timeout: 5 }),
        map((outcome) =>
          outcome.status === 'failed' && outcome.error instanceof TimeoutError ? outcome.job : 'other',
        ),
      );
      expectObservable(result).toBe('-----a(b|)');
      expectSubscriptions(slow.subscriptions).toBe(['^----!', '-^----!']);
    });
  });

  it('lets an attempt be that ends in the very frame, and errors the results of workerPool', () => {
    virtually(({ cold, expectObservable }) => {
      const work = (frames: number) => timer(frames).pipe(map(() => frames));
      const result = cold('a-b|', { a: 5, b: 6 }).pipe(
        workerPool(work, { workers: 2, buffer: 0, timeout: 5 }),
        nameOfError,
      );
      expectObservable(result).toBe('-----a-#', { a: 5 }, 'TimeoutError');
    });
  });

  it('gives each attempt its whole time and a fresh signal', () => {
    virtually(({ cold, expectObservable }) => {
      const signals: AbortSignal[] = [];
      const work = (_: string, { attempt, signal }: { attempt: number; signal: AbortSignal }) => {
        signals.push(signal);
        return attempt === 1 ? NEVER : timer(4).pipe(map(() => signals.map(({ aborted }) => aborted)));
      };
      const result = cold('a|').pipe(workerPool(work, { workers: 1, buffer: 0, timeout: 5, retry: 1 }));
      expectObservable(result).toBe('---------(a|)', { a: [true, false] });
    });
  });

  it('keeps the slot of work that ignores its signal: executions never exceed the workers, nor one for each key or job', async () => {
    const done = new Map<string, (() => void)[]>();
    const running = new Map<string, number>();
    const log: string[] = [];
    let executions = 0;
    const jobs = new BackgroundJobs<string, string>(
      (job) => {
        executions++;
        running.set(job, (running.get(job) ?? 0) + 1);
        log.push(`${executions} ${running.get(job)!}`);
        return new Promise((resolve) => {
          done.set(job, [
            ...(done.get(job) ?? []),
            () => {
              executions--;
              running.set(job, running.get(job)! - 1);
              resolve(job);
            },
          ]);
        });
      },
      {
        workers: 2,
        buffer: 4,
        timeout: 1,
        retry: 1,
        queue: byKey((job: string) => job),
        hooks: {
          released: (job) => log.push(`released ${job}`),
          settled: ({ job, status }) => log.push(`${status} ${job}`),
        },
      },
    );
    const timedOut = new Subject<void>();
    const failed = jobs.submit('a').catch((error: Error) => error.name);
    jobs.offer('b');
    jobs.offer('a');
    timedOut.complete();
    while (jobs.stats.lingering < 2) await tick();
    expect(jobs.stats).to.include({ running: 0, lingering: 2, delayed: 2, queued: 1 });
    expect(jobs.inspect().running.map(({ lingering }) => lingering)).to.deep.equal([true, true]);
    expect(executions).to.equal(2);
    done.get('a')!.shift()!();
    while (jobs.stats.failed < 1) await tick();
    expect(await failed).to.equal('TimeoutError');
    expect(executions).to.equal(2);
    for (const [, ends] of done) for (const end of ends.splice(0)) end();
    const report = jobs.shutdown();
    while (jobs.stats.running + jobs.stats.lingering + jobs.stats.queued + jobs.stats.delayed > 0) {
      for (const [, ends] of done) for (const end of ends.splice(0)) end();
      await tick();
    }
    await report;
    for (const line of log) if (/^\d/.test(line)) expect(Number(line[0]), line).to.be.at.most(2);
    for (const line of log) if (/^\d/.test(line)) expect(line, line).to.match(/ 1$/);
    const { completed, failed: failures } = jobs.stats;
    expect(completed + failures).to.equal(3);
  });

  it('waits for a lingering slot at a drain, and not at an abandon', async () => {
    const make = (): { jobs: BackgroundJobs<string, string>; end: () => void } => {
      let end!: () => void;
      const jobs = new BackgroundJobs<string, string>(() => new Promise((resolve) => (end = () => resolve('late'))), {
        workers: 1,
        buffer: 1,
        timeout: 1,
      });
      jobs.outcomes$.subscribe();
      jobs.offer('a');
      return { jobs, end: () => end() };
    };
    const first = make();
    while (first.jobs.stats.lingering === 0) await tick();
    let hasEnded = false;
    const report = first.jobs.shutdown().then(() => (hasEnded = true));
    await tick();
    expect(hasEnded).to.equal(false);
    first.end();
    await report;
    expect(first.jobs.stats).to.include({ failed: 1, completed: 0, lingering: 0 });
    const second = make();
    while (second.jobs.stats.lingering === 0) await tick();
    expect((await second.jobs.shutdown('abandon')).stats).to.include({ failed: 1, lingering: 0 });
  });

  it('tells downstream of an outcome in whose settled hook the pool is abandoned', () => {
    const scheduler = new VirtualTimeScheduler();
    const stop = new Subject<ShutdownLevel>();
    const log: string[] = [];
    const work = (): Promise<string> => new Promise(() => undefined);
    const hooks = { settled: () => stop.next('abandon'), released: () => log.push('released') };
    const source = new BehaviorSubject('a');
    source
      .pipe(workerPoolSettled(work, { workers: 1, buffer: 1, timeout: 5, scheduler, shutdown: stop, hooks }))
      .subscribe({ next: ({ status }) => log.push(status), complete: () => log.push('complete') });
    scheduler.flush();
    expect(log).to.eql(['failed', 'released', 'complete']);
  });

  it('judges an async generator at once, and keeps its slot until return() has settled', async () => {
    let letGo!: () => void;
    const jobs = new BackgroundJobs<string, string>(
      async function* () {
        try {
          await new Promise<void>((resolve) => (letGo = resolve));
          yield 'x';
        } finally {
          await Promise.resolve();
        }
      } as never,
      { workers: 1, buffer: 1, timeout: 1 },
    );
    const end = jobs.submit('a').catch((error: Error) => error.name);
    expect(await end).to.equal('TimeoutError');
    expect(jobs.stats).to.include({ lingering: 1, failed: 1 });
    letGo();
    await jobs.idle();
    expect(jobs.stats).to.include({ lingering: 0 });
    await jobs.shutdown();
  });

  it('ignores what a timed-out attempt brings late: the next job on its worker has its own result', async () => {
    for (const late of ['a promise', 'a thenable'] as const) {
      for (const isFulfilled of [true, false]) {
        const clock = new VirtualTimeScheduler();
        const stuck = new Deferred<string>();
        const first = late === 'a promise' ? stuck.promise : lazily(stuck.promise);
        const values = new Subject<string>();
        const others: Record<string, () => ObservableInput<string>> = {
          stream: () => values,
          thenable: () => lazily(Promise.resolve('thenable')),
          promise: () => Promise.resolve('promise'),
        };
        const jobs = new BackgroundJobs((job: string) => others[job]?.() ?? first, {
          workers: 1,
          buffer: 3,
          timeout: 5,
          scheduler: clock,
        });
        const timedOut = fateOf(jobs.submit('first'));
        const results = Object.keys(others).map((job) => jobs.submit(job));
        clock.flush();
        await tick();
        expect([timedOut.status, jobs.stats.lingering], late).to.eql(['rejected', 1]);
        if (isFulfilled) stuck.resolve('late');
        else stuck.reject('late');
        await tick();
        values.next('stream');
        values.complete();
        expect(await Promise.all(results), late).to.eql(Object.keys(others));
        expect(jobs.stats).to.include({ completed: 3, failed: 1, lingering: 0 });
        await jobs.shutdown();
      }
    }
  });

  it('sets no timer for a job: one for all, and none is left', () => {
    virtually(({ cold, expectObservable }) => {
      const result = cold('a|').pipe(
        workerPool(() => of('a').pipe(mergeMap((x) => timer(1).pipe(map(() => x)))), {
          workers: 1,
          buffer: 0,
          timeout: 1e9,
        }),
      );
      expectObservable(result).toBe('-(a|)');
    });
  });

  it('refuses what is no duration', () => {
    for (const value of [-1, NaN, '5']) {
      expect(() => workerPool(() => of(1), { workers: 1, buffer: 0, timeout: value as never })).to.throw(
        'timeout must be',
      );
    }
    expect(() => workerPool(() => of(1), { workers: 1, buffer: 0, timeout: Infinity, ttl: Infinity })).not.to.throw();
  });
});
