import { expect } from 'chai';
import {
  BehaviorSubject,
  EMPTY,
  finalize,
  from,
  mergeMap,
  NEVER,
  Observable,
  of,
  Subject,
  throwError,
  timer,
  TimeoutError,
  toArray,
  VirtualTimeScheduler,
} from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { BackgroundJobs, byKey, byPriority, workerPool, workerPoolSettled } from '../../src/index.js';
import type { JobOutcome, PoolConfig } from '../../src/index.js';
import { Deferred, fateOf } from '../support/deferred.js';
import { turn } from '../support/guard.js';

function virtually(program: Parameters<TestScheduler['run']>[0]): void {
  new TestScheduler((actual, expected) => void expect(actual).to.deep.equal(expected)).run(program);
}

/** Work that fails so many times for each job, each attempt after some frames. */
function failing(
  times: number,
  frames = 2,
): (job: string, context: { attempt: number }) => ReturnType<typeof timer> | never {
  return ((job: string, { attempt }: { attempt: number }) =>
    timer(frames).pipe(mergeMap(() => (attempt <= times ? throwError(() => `${job}${attempt}`) : of(job))))) as never;
}

describe('retry', () => {
  it('tries a failed job again, after its delay', () => {
    virtually(({ cold, expectObservable }) => {
      const result = cold('a|').pipe(workerPool(failing(2), { workers: 1, buffer: 1, retry: { count: 2, delay: 3 } }));
      // 2 frames, fails, 3 to wait, twice, and 2 frames more
      expectObservable(result).toBe('------------(a|)');
    });
  });

  it('ends the results of workerPool with the last error when the count is used up', () => {
    virtually(({ cold, expectObservable }) => {
      const result = cold('a|').pipe(workerPool(failing(9), { workers: 1, buffer: 1, retry: 1 }));
      expectObservable(result).toBe('----#', undefined, 'a2');
    });
  });

  it('frees the worker while a job waits for its retry', () => {
    virtually(({ cold, expectObservable }) => {
      const work = (job: string, { attempt }: { attempt: number }) =>
        job === 'a' && attempt === 1 ? throwError(() => 'no') : timer(2).pipe(mergeMap(() => of(job)));
      const result = cold('ab|').pipe(workerPool(work, { workers: 1, buffer: 1, retry: { delay: 4 } }));
      expectObservable(result).toBe('---b--(a|)');
    });
  });

  it('starts a due retry before what waits, and never twice in a row while something else may start', () => {
    const starts: string[] = [];
    const ends: JobOutcome<string, string | undefined>[] = [];
    const work = (job: string, { attempt }: { attempt: number }) => {
      starts.push(`${job}${attempt}`);
      return job === 'x' && attempt < 5 ? throwError(() => 'no') : of(job);
    };
    from(['x', 'a', 'b'])
      .pipe(workerPoolSettled(work, { workers: 1, buffer: 9, retry: 9 }))
      .subscribe((outcome) => ends.push(outcome));
    // From a synchronous source each job arrives when the one before has ended.
    expect(starts).to.deep.equal(['x1', 'x2', 'x3', 'x4', 'x5', 'a1', 'b1']);
    starts.length = 0;
    const gate$ = new BehaviorSubject(0);
    const jobs$ = new Subject<string>();
    jobs$.pipe(workerPoolSettled(work, { workers: gate$, buffer: 9, retry: 9 })).subscribe();
    for (const job of ['x', 'a', 'b', 'c']) jobs$.next(job);
    gate$.next(1);
    expect(starts).to.deep.equal(['x1', 'x2', 'a1', 'x3', 'b1', 'x4', 'c1', 'x5']);
    expect(ends.map(({ job, attempts }) => `${job}${attempts}`)).to.deep.equal(['x5', 'a1', 'b1']);
  });

  it('lets what waits with a higher rank go first', () => {
    const starts: string[] = [];
    const gate$ = new BehaviorSubject(0);
    const jobs$ = new Subject<number>();
    const work = (job: number, { attempt }: { attempt: number }) => {
      starts.push(`${job}.${attempt}`);
      if (job === 1 && attempt === 1) jobs$.next(9);
      return job === 1 && attempt < 3 ? throwError(() => 'no') : of(job);
    };
    jobs$.pipe(workerPool(work, { workers: gate$, buffer: 9, retry: 5, queue: byPriority((n) => n) })).subscribe();
    jobs$.next(1);
    jobs$.next(0);
    gate$.next(1);
    expect(starts).to.deep.equal(['1.1', '9.1', '1.2', '0.1', '1.3']);
  });

  it('keeps room for itself beside what waits for its key: such an offer is refused, one of another key is not', () => {
    const wait = new Subject<void>();
    const ends = new Subject<string>();
    const work = (_job: string, { attempt }: { attempt: number }) => (attempt === 1 ? throwError(() => 'no') : ends);
    const config = {
      workers: 1,
      buffer: 1,
      overflow: 'drop-incoming',
      retry: { count: 1, delay: () => wait },
    } as const;
    const jobs = new BackgroundJobs(work, { ...config, queue: byKey((job) => job[0]) });
    expect(['x1', 'x2', 'x3'].map((job) => jobs.offer(job))).to.eql([true, true, false]);
    // It fails at once, too, and waits as x1 does.
    expect(jobs.offer('y1')).to.equal(true);
    wait.next();
    const { queued, running, lingering } = jobs.stats;
    expect([queued, running, lingering]).to.eql([1, 1, 0]);
    return jobs.shutdown('abandon');
  });

  it('fails no job that its caller gives up as its wait begins', async () => {
    const controller = new AbortController();
    const delay = (): Observable<never> =>
      new Observable((wait) => {
        controller.abort('given up');
        wait.error('of the wait');
      });
    const jobs = new BackgroundJobs(() => throwError(() => 'no'), { workers: 1, buffer: 0, retry: { delay } });
    const outcomes: string[] = [];
    jobs.outcomes$.subscribe(({ status, attempts }) => outcomes.push(`${status} after ${attempts}`));
    const reason = await jobs.submit('a', { signal: controller.signal }).catch((error: unknown) => error);
    expect(reason).to.equal('given up');
    expect(outcomes).to.eql(['aborted after 1']);
    await jobs.shutdown();
  });

  describe('of a job that is given up when it has failed', () => {
    /** Where the caller gives up. */
    const moments: Record<
      string,
      (giveUp: () => void) => Partial<PoolConfig<string, unknown>> & { work?: () => unknown }
    > = {
      'while its end is held until the event loop turns': () => ({ yieldAfter: 0 }),
      'inside the delay function': (giveUp) => ({
        retry: {
          delay: () => {
            giveUp();
            return timer(0);
          },
        },
      }),
      'inside the finalizer of its stream': (giveUp) => ({
        work: () => throwError(() => 'no').pipe(finalize(giveUp)),
      }),
    };

    for (const [moment, configOf] of Object.entries(moments)) {
      it(`starts no other attempt: ${moment}`, async () => {
        const controller = new AbortController();
        const { work = () => Promise.reject(new Error('no')), ...config } = configOf(() => controller.abort('left'));
        let starts = 0;
        const outcomes: JobOutcome<string, unknown>[] = [];
        const jobs = new BackgroundJobs<string, unknown>(
          () => {
            starts++;
            return work() as Promise<unknown>;
          },
          { workers: 1, buffer: 1, retry: 5, hooks: { settled: (outcome) => outcomes.push(outcome) }, ...config },
        );
        const fate = fateOf(jobs.submit('a', { signal: controller.signal }));
        if (moment.startsWith('while')) {
          await Promise.resolve();
          await Promise.resolve();
          expect(outcomes).to.eql([]);
          controller.abort('left');
        }
        await jobs.shutdown();
        expect(starts).to.equal(1);
        expect(fate).to.eql({ status: 'rejected', value: 'left' });
        expect(outcomes.map(({ status, attempts }) => [status, attempts])).to.eql([['aborted', 1]]);
      });
    }

    it('starts no other attempt where its work goes on after a timeout: that has failed', async () => {
      const scheduler = new VirtualTimeScheduler();
      const controller = new AbortController();
      const work = new Deferred();
      const outcomes: JobOutcome<string, unknown>[] = [];
      const jobs = new BackgroundJobs<string, unknown>(() => work.promise, {
        workers: 1,
        buffer: 1,
        scheduler,
        timeout: 10,
        retry: { delay: () => (controller.abort('left'), of(0)) },
        hooks: { settled: (outcome) => outcomes.push(outcome) },
      });
      const fate = fateOf(jobs.submit('a', { signal: controller.signal }));
      scheduler.flush();
      expect(outcomes.map(({ status, attempts }) => [status, attempts])).to.eql([['failed', 1]]);
      expect(outcomes[0]).to.have.property('error').that.is.an.instanceOf(TimeoutError);
      expect(jobs.stats).to.include({ running: 0, lingering: 1, delayed: 0 });
      work.resolve();
      await jobs.shutdown();
      expect(fate).to.eql({ status: 'rejected', value: 'left' });
      expect(outcomes).to.have.lengthOf(1);
    });
  });

  it('tells the attempts of a job that starts in the slot of another, from inside its retrying hook', () => {
    const scheduler = new VirtualTimeScheduler();
    const attempts: Record<string, number> = {};
    const told: string[] = [];
    const jobs: BackgroundJobs<string, unknown> = new BackgroundJobs<string, unknown>(
      (job, { attempt }) => {
        attempts[job] = attempt;
        return timer(4, scheduler).pipe(mergeMap(() => (attempt === 1 ? throwError(() => 'no') : of(job))));
      },
      {
        workers: 1,
        buffer: 0,
        overflow: 'drop-incoming',
        scheduler,
        retry: { count: 2, delay: 2 },
        hooks: {
          // `b` has no place but its slot: `a`, which is due, starts there.
          retrying: (job) => void (job === 'b' && (jobs.pause(), jobs.resume())),
          settled: ({ job, attempts: number }) => void told.push(`${job} ${number} of ${attempts[job]!}`),
        },
      },
    );
    jobs.offer('a');
    scheduler.schedule(() => jobs.offer('b'), 5);
    scheduler.flush();
    expect(told).to.eql(['a 2 of 2', 'b 2 of 2']);
  });

  it('has a job that timed out wait in its slot, too, until there is room elsewhere', async () => {
    const scheduler = new VirtualTimeScheduler();
    const late = new Deferred();
    const work = (job: string) => (job === 'late' ? late.promise : throwError(() => 'no'));
    const config = { workers: 2, buffer: 0, timeout: 5, retry: { delay: () => NEVER }, scheduler };
    const jobs = new BackgroundJobs(work, config);
    const controller = new AbortController();
    jobs.submit('a', { signal: controller.signal }).catch(() => undefined);
    jobs.offer('b');
    jobs.offer('late');
    scheduler.flush();
    expect(jobs.stats).to.include({ running: 0, delayed: 3, lingering: 1 });
    late.resolve();
    await turn();
    expect(jobs.stats).to.include({ running: 0, delayed: 3, lingering: 1 });
    controller.abort();
    expect(jobs.stats).to.include({ aborted: 1, delayed: 2, lingering: 0 });
    await jobs.shutdown('abandon');
  });

  it('keeps the key of a job locked through its retries', () => {
    virtually(({ cold, expectObservable }) => {
      const work = (job: string, { attempt }: { attempt: number }) =>
        job === 'a' && attempt === 1 ? throwError(() => 'no') : timer(1).pipe(mergeMap(() => of(job)));
      const config: PoolConfig<string, string> = {
        workers: 2,
        buffer: 4,
        retry: { delay: 5 },
        queue: byKey(() => 'key'),
      };
      expectObservable(cold('(ab|)').pipe(workerPool(work, config))).toBe('------a(b|)');
    });
  });

  it('has a job wait in its slot where the room of those that wait is full', () => {
    virtually(({ flush }) => {
      const work = (): never => {
        throw new Error('no');
      };
      const hooks: string[] = [];
      const jobs = new BackgroundJobs<string, string>(work, {
        workers: 1,
        buffer: 0,
        retry: { count: 1, delay: 10 },
        overflow: 'drop-incoming',
        hooks: {
          retrying: (job) => hooks.push(`retrying ${job}`),
          released: (job) => hooks.push(`released ${job}`),
          settled: ({ job, attempts }) => hooks.push(`settled ${job} ${attempts}`),
        },
      });
      expect([jobs.offer('a'), jobs.offer('b'), jobs.offer('c')]).to.deep.equal([true, true, false]);
      expect(jobs.stats).to.include({ delayed: 2, lingering: 1, running: 0, refused: 1 });
      expect(jobs.inspect().delayed.map(({ job }) => job)).to.deep.equal(['a', 'b']);
      flush();
      expect(jobs.stats).to.include({ delayed: 0, lingering: 0, running: 0, failed: 2 });
      expect(hooks.filter((line) => line.startsWith('released'))).to.have.length(4);
      void jobs.shutdown();
    });
  });

  it('gives a freed place to the job that waits in its slot', () => {
    virtually(({ flush }) => {
      const controller = new AbortController();
      const jobs = new BackgroundJobs<string, string>(() => throwError(() => 'no') as never, {
        workers: 1,
        buffer: 0,
        retry: { count: 1, delay: 10 },
      });
      jobs.outcomes$.subscribe();
      const a = jobs.submit('a', { signal: controller.signal });
      a.catch(() => undefined);
      jobs.offer('b');
      expect(jobs.stats).to.include({ delayed: 2, lingering: 1 });
      controller.abort();
      expect(jobs.stats).to.include({ delayed: 1, lingering: 0, aborted: 1 });
      flush();
      void jobs.shutdown();
    });
  });

  it('fails the job with its last error when the notifier completes without a value, and with its own when it errors', () => {
    const errors = (delay: PoolConfig<string, string>['retry'] & object): unknown[] => {
      const failures: unknown[] = [];
      of('a')
        .pipe(workerPoolSettled(() => throwError(() => 'its own') as never, { workers: 1, buffer: 0, retry: delay }))
        .subscribe((outcome) => failures.push(outcome.status === 'failed' && [outcome.error, outcome.attempts]));
      return failures;
    };
    expect(errors({ delay: () => EMPTY })).to.deep.equal([['its own', 1]]);
    expect(errors({ delay: () => throwError(() => 'of the notifier') })).to.deep.equal([['of the notifier', 1]]);
    const thrown = errors({
      delay: () => {
        throw new Error('thrown');
      },
    });
    expect(thrown).to.have.nested.property('[0][0].message', 'thrown');
    expect(errors({ delay: () => 5 as never }))
      .to.have.nested.property('[0][0].message')
      .that.includes('retry.delay');
    let error: unknown;
    of('a')
      .pipe(
        workerPool(() => throwError(() => 'last') as never, { workers: 1, buffer: 0, retry: { delay: () => EMPTY } }),
      )
      .subscribe({ error: (e: unknown) => (error = e) });
    expect(error).to.equal('last');
  });

  it('counts anew after a value, where resetOnSuccess says so', () => {
    const attempts: number[] = [];
    const work = (_: string, { attempt }: { attempt: number }) => {
      attempts.push(attempt);
      return from([attempt]).pipe(
        mergeMap((n) => (n < 4 ? from([of(n), throwError(() => 'no')]).pipe(mergeMap((x) => x)) : of(n))),
      );
    };
    of('a')
      .pipe(workerPool(work, { workers: 1, buffer: 0, retry: { count: 1, resetOnSuccess: true } }), toArray())
      .subscribe((values) => expect(values).to.deep.equal([1, 2, 3, 4]));
    expect(attempts).to.deep.equal([1, 2, 3, 4]);
  });

  it('drops what is delayed with its last error: by clear, by a discard; and retries nothing after it', async () => {
    const jobs = new BackgroundJobs<string, string>(() => throwError(() => 'no') as never, {
      workers: 2,
      buffer: 2,
      retry: { delay: () => NEVER },
    });
    jobs.offer('a');
    jobs.pause();
    jobs.offer('b');
    const dropped = jobs.clear();
    expect(dropped.map(({ job, attempts, error }) => [job, attempts, error])).to.deep.equal([
      ['a', 1, 'no'],
      ['b', 0, undefined],
    ]);
    jobs.resume();
    jobs.offer('c');
    expect(jobs.stats).to.include({ delayed: 1, queued: 0, evicted: 2 });
    const report = await jobs.shutdown('discard');
    expect(report.dropped).to.have.length(1);
    expect(report.dropped[0]).to.include({ job: 'c', attempts: 1, reason: 'shutdown', error: 'no' });
  });

  it('waits for a delayed job at a drain, and does not retry an abort', async () => {
    const jobs = new BackgroundJobs<string, string>(
      (job, { attempt, signal }) =>
        job === 'slow'
          ? new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))))
          : attempt === 1
            ? Promise.reject(new Error('no'))
            : Promise.resolve(job),
      { workers: 2, buffer: 2, retry: { count: 3, delay: 1 } },
    );
    const ok = jobs.submit('ok');
    const controller = new AbortController();
    const slow = jobs.submit('slow', { signal: controller.signal });
    controller.abort(new Error('enough'));
    expect(await slow.catch((error: Error) => error.message)).to.equal('enough');
    const report = await jobs.shutdown();
    expect(await ok).to.equal('ok');
    expect(report.stats).to.include({ completed: 1, aborted: 1, failed: 0, delayed: 0 });
  });

  for (const [value, said] of [
    [-1, 'retry must be'],
    [{ count: 1.5 }, 'retry.count must be'],
    [{ delay: 'x' }, 'retry.delay must be'],
    [{ resetOnSuccess: 1 }, 'retry.resetOnSuccess must be'],
    [{ times: 3 }, "has no option 'times'"],
  ] as const) {
    it(`refuses ${JSON.stringify(value)}`, () => {
      expect(() => workerPool(() => of(1), { workers: 1, buffer: 0, retry: value as never })).to.throw(said);
    });
  }

  it('is off at 0', () => {
    let attempts = 0;
    of('a')
      .pipe(workerPoolSettled(() => (attempts++, throwError(() => 'no')) as never, { workers: 1, buffer: 0, retry: 0 }))
      .subscribe();
    expect(attempts).to.equal(1);
  });
});
