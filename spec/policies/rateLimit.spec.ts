import { expect } from 'chai';
import fc from 'fast-check';
import { asyncScheduler, concat, from, merge, NEVER, of, Subject, timer, VirtualTimeScheduler } from 'rxjs';
import type { Observable } from 'rxjs';
import { BackgroundJobs, pullFrom, pullThrough, workerPool, workerPoolSettled } from '../../src/index.js';
import { turn } from '../support/guard.js';
import { marbles } from '../support/marbles.js';

describe('rateLimit', () => {
  it('lets a start pass when the oldest of the last `limit` has left the window, and none before', () =>
    marbles(({ hot, expectObservable }) => {
      const jobs$ = hot('abc-----d---ef|');
      const expected = ' ab--------cd--------e(f|)';
      const rate = { limit: 2, interval: 10 };
      expectObservable(jobs$.pipe(workerPool((job) => of(job), { workers: 4, buffer: 9, rateLimit: rate }))).toBe(
        expected,
      );
    }));

  describe('keeps a timer, and so a process, only for somebody who waits', () => {
    type Jobs = BackgroundJobs<number, number | undefined>;
    const handle = (scheduler: VirtualTimeScheduler): Jobs =>
      new BackgroundJobs((n: number) => of(n), {
        workers: 1,
        buffer: 5,
        scheduler,
        rateLimit: { limit: 1, interval: 100 },
      });

    it('an iterable that is listened to while the window is full, or in a pause', async () => {
      for (const shut of [(jobs: Jobs) => void jobs.offer(0), (jobs: Jobs) => jobs.pause(100)]) {
        const scheduler = new VirtualTimeScheduler();
        const jobs = handle(scheduler);
        shut(jobs);
        const before = jobs.stats.completed;
        expect(scheduler.actions.length).to.equal(0);
        jobs.listenTo([1, 2]);
        scheduler.flush();
        expect(jobs.stats.completed - before).to.equal(2);
        await jobs.shutdown();
      }
    });

    it('and no longer: jobs that are cleared, or given up', async () => {
      for (const drop of [
        (jobs: Jobs) => void jobs.clear(),
        (_: unknown, controller: AbortController) => controller.abort(),
      ]) {
        const scheduler = new VirtualTimeScheduler();
        const controller = new AbortController();
        const jobs = handle(scheduler);
        jobs.offer(0);
        const given = jobs.submit(1, { signal: controller.signal }).catch(() => undefined);
        expect(scheduler.actions.length).to.equal(1);
        drop(jobs, controller);
        expect(scheduler.actions.length).to.equal(0);
        await given;
        await jobs.shutdown();
      }
    });

    it('and no longer: an iterable that is not listened to any more', async () => {
      const scheduler = new VirtualTimeScheduler();
      const jobs = handle(scheduler);
      jobs.offer(0);
      const subscription = jobs.listenTo([1, 2]);
      expect(scheduler.actions.length).to.equal(1);
      subscription.unsubscribe();
      expect(scheduler.actions.length).to.equal(0);
      await jobs.shutdown();
    });

    it('and no longer: a pause that is over before its time', async () => {
      const scheduler = new VirtualTimeScheduler();
      const jobs = new BackgroundJobs((n: number) => of(n), { workers: 1, buffer: 5, scheduler });
      jobs.pause(1000);
      jobs.offer(0);
      expect(scheduler.actions.length).to.equal(1);
      jobs.resume();
      expect([jobs.stats.completed, scheduler.actions.length]).to.eql([1, 0]);
      await jobs.shutdown();
    });

    it('and no longer: a job that has expired behind the window', () => {
      const scheduler = new VirtualTimeScheduler();
      const config = { workers: 1, buffer: 5, scheduler, ttl: 10, rateLimit: { limit: 1, interval: 100 } };
      const outcomes: string[] = [];
      const source = new Subject<number>();
      source
        .pipe(workerPoolSettled((n: number) => of(n), config))
        .subscribe(({ job, status }) => outcomes.push(`${scheduler.now()}: ${job} ${status}`));
      source.next(0);
      source.next(1);
      scheduler.schedule(() => {
        // The action that runs is taken off the line before it is executed.
        expect(scheduler.actions.length).to.equal(0);
        expect(outcomes).to.eql(['0: 0 completed', '10: 1 dropped']);
      }, 11);
      scheduler.flush();
      expect(scheduler.now()).to.equal(11);
      source.complete();
    });
  });

  it('leaves the whole window free after a quiet spell', () =>
    marbles(({ hot, expectObservable }) => {
      const jobs$ = hot('(ab) 96ms (cd)');
      const rate = { limit: 2, interval: 10 };
      const limited = jobs$.pipe(workerPool((job) => of(job), { workers: 1, buffer: 9, rateLimit: rate }));
      expectObservable(limited).toBe('(ab) 96ms (cd)');
    }));

  it('counts starts, and not what runs', () =>
    marbles(({ hot, cold, expectObservable }) => {
      const jobs$ = hot('(ab)-----|');
      const slow = cold('--------------(r|)');
      const expected = ' --------------r---------(r|)';
      const rate = { limit: 1, interval: 10 };
      expectObservable(jobs$.pipe(workerPool(() => slow, { workers: 2, buffer: 9, rateLimit: rate }))).toBe(expected);
    }));

  it('lets `workers + buffer` wait while the window is full; then the overflow policy decides', () =>
    marbles(({ hot }) => {
      const jobs$ = hot('(abcdef)--|');
      const rate = { limit: 1, interval: 20 };
      const config = { workers: 2, buffer: 1, overflow: 'drop-incoming', rateLimit: rate } as const;
      const seen: string[] = [];
      jobs$
        .pipe(workerPoolSettled((job) => of(job), config))
        .subscribe(({ job, status }) => seen.push(`${asyncScheduler.now()} ${job} ${status}`));
      asyncScheduler.schedule(() => {
        expect(seen.slice(0, 3)).to.eql(['0 a completed', '0 e dropped', '0 f dropped']);
        expect(seen.slice(3)).to.eql(['20 b completed', '40 c completed', '60 d completed']);
      }, 90);
    }));

  it('overdraws no window, and starts nothing later than it must, whatever arrives when, in every form', () => {
    const arrivals = fc.array(fc.nat({ max: 60 }), { minLength: 1, maxLength: 30 });
    const limits = fc.record({ limit: fc.integer({ min: 1, max: 4 }), interval: fc.integer({ min: 1, max: 25 }) });
    fc.assert(
      fc.property(arrivals, limits, fc.nat({ max: 2 }), (at, rateLimit, form) => {
        const starts: number[] = [];
        const work = (): Observable<number> => {
          starts.push(asyncScheduler.now());
          return of(0);
        };
        marbles(() => {
          const jobs$ = merge(...at.map((ms) => timer(ms)));
          const config = { workers: 2, buffer: Infinity, rateLimit };
          if (form === 0) jobs$.pipe(workerPool(work, config)).subscribe();
          else if (form === 1) jobs$.pipe(workerPoolSettled(work, config)).subscribe();
          else new BackgroundJobs(work, config).listenTo(jobs$);
        });
        const { limit, interval } = rateLimit;
        const model: number[] = [];
        for (const time of [...at].sort((a, b) => a - b)) {
          const free = model.length < limit ? 0 : model[model.length - limit]! + interval;
          model.push(Math.max(time, free, model.at(-1) ?? 0));
        }
        expect(starts).to.eql(model);
      }),
      { numRuns: 150 },
    );
  });

  for (const limit of [1024, 1025, 5000]) {
    it(`overdraws no window of ${limit} either, and holds back a thousandth of it at most`, () => {
      const starts: number[] = [];
      marbles(() => {
        const work = (n: number): Observable<number> => {
          starts.push(asyncScheduler.now());
          return of(n);
        };
        const jobs$ = from(Array.from({ length: 3 * limit }, (_, i) => i));
        jobs$.pipe(workerPool(work, { workers: 4, buffer: Infinity, rateLimit: { limit, interval: 10 } })).subscribe();
      });
      const counts = [0, 10, 20].map((time) => starts.filter((start) => start === time).length);
      for (const count of counts) expect(count).to.be.within(limit - Math.ceil(limit / 1024), limit);
      expect(starts.length).to.equal(3 * limit);
    });
  }

  it('asks a sync iterable for nothing while the window is full', () =>
    marbles(({ expectObservable, flush }) => {
      const taken: number[] = [];
      const numbers = function* (): Generator<number> {
        for (let i = 0; i < 4; i++) {
          taken.push(asyncScheduler.now());
          yield i;
        }
      };
      const rate = { limit: 1, interval: 10 };
      const limited = pullFrom(numbers()).pipe(workerPool((n) => of(n), { workers: 2, buffer: 3, rateLimit: rate }));
      expectObservable(limited).toBe('a 9ms b 9ms c 9ms d 9ms |', { a: 0, b: 1, c: 2, d: 3 });
      flush();
      expect(taken).to.eql([0, 10, 20, 30]);
    }));

  it('is drained at its own pace, and dropped by a discard', () =>
    marbles(({ hot, expectObservable }) => {
      const config = { workers: 1, buffer: 9, rateLimit: { limit: 1, interval: 10 } };
      const drained = hot('(abc)|').pipe(workerPool((job) => of(job), { ...config, shutdown: hot('-x') }));
      expectObservable(drained).toBe('a 9ms b 9ms (c|)');
      const discarded = hot('(abc)-').pipe(
        workerPool((job) => of(job), { ...config, shutdown: hot('------x', { x: 'discard' }) }),
      );
      expectObservable(discarded).toBe('a-----|');
    }));

  it('leaves no timer behind: at the end, at an unsubscription, and where nothing waits', async () => {
    const rateLimit = { limit: 1, interval: 60_000 };
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    await turn(); // mocha's own timer is there by now
    const before = timers();
    const jobs = new BackgroundJobs(async (n: number) => n, { workers: 1, buffer: 5, rateLimit });
    await jobs.submit(1);
    expect(timers()).to.equal(before);
    jobs.offer(2);
    expect(timers()).to.equal(before + 1);
    await jobs.shutdown('discard');
    expect(timers()).to.equal(before);
    const results = concat(from([1, 2, 3]), NEVER)
      .pipe(workerPool((n) => of(n), { workers: 1, buffer: 5, rateLimit }))
      .subscribe();
    expect(timers()).to.equal(before + 1);
    results.unsubscribe();
    expect(timers()).to.equal(before);
    await turn();
  });

  it('holds in pullThrough too', async () => {
    const seen: number[] = [];
    const rateLimit = { limit: 2, interval: 5 };
    for await (const n of pullThrough([1, 2, 3, 4, 5], (n) => [n], { workers: 3, buffer: 3, rateLimit })) seen.push(n);
    expect(seen).to.eql([1, 2, 3, 4, 5]);
  });

  it('is off with a limit of Infinity', () =>
    marbles(({ hot, expectObservable }) => {
      const rateLimit = { limit: Infinity, interval: Infinity };
      expectObservable(hot('(abc)').pipe(workerPool((job) => of(job), { workers: 1, buffer: 0, rateLimit }))).toBe(
        '(abc)',
      );
    }));

  for (const [rateLimit, message] of [
    [5, 'rateLimit'],
    [{ limit: 0, interval: 1 }, 'rateLimit.limit must be an integer ≥ 1'],
    [{ limit: 1.5, interval: 1 }, 'rateLimit.limit must be'],
    [{ limit: 1, interval: -1 }, 'rateLimit.interval must be'],
    [{ limit: 1 }, 'rateLimit.interval must be'],
    [{ limit: 1, interval: 1, per: 2 }, "rateLimit has no option 'per'"],
  ] as const) {
    it(`refuses ${JSON.stringify(rateLimit)}`, () => {
      expect(() => workerPool((n: number) => of(n), { workers: 1, buffer: 0, rateLimit: rateLimit as never })).to.throw(
        message,
      );
    });
  }
});

describe('pause', () => {
  it('starts no job until resume, or for so long; the later end counts', () =>
    marbles(({ hot, expectObservable }) => {
      const jobs = new BackgroundJobs((job: string) => of(job), { workers: 2, buffer: 9, overflow: 'drop-incoming' });
      const done = new Subject<string>();
      jobs.outcomes$.subscribe(({ job }) => done.next(job));
      jobs.listenTo(hot('a-b-----c---d--------e'));
      const expected = ' a------bc-----d------e';
      const at = (ms: number, act: () => void): void => void asyncScheduler.schedule(act, ms);
      at(1, () => jobs.pause(6));
      at(3, () => jobs.pause(2));
      at(9, () => jobs.pause());
      at(14, () => jobs.resume());
      expectObservable(done).toBe(expected);
      at(10, () => expect([jobs.paused, jobs.stats.queued]).to.eql([true, 0]));
      at(13, () => expect([jobs.paused, jobs.stats.queued]).to.eql([true, 1]));
      at(15, () => expect([jobs.paused, jobs.stats.queued]).to.eql([false, 0]));
    }));

  it('is waited for by a drain, and not by its deadline; what runs goes on', () =>
    marbles(({ cold, expectObservable }) => {
      const slow = cold('---(r|)');
      const jobs = new BackgroundJobs(() => slow, { workers: 1, buffer: 9 });
      const done = new Subject<string>();
      jobs.outcomes$.subscribe({
        next: ({ job, status }) => done.next(`${String(job)} ${status}`),
        complete: () => done.complete(),
      });
      for (const job of ['a', 'b']) jobs.offer(job);
      jobs.pause();
      void jobs.shutdown({ deadline: 20 });
      expectObservable(done).toBe('---a 16ms (b|)', { a: 'a completed', b: 'b dropped' });
    }));

  it('reads an async iterable no further ahead than `buffer`', async () => {
    let asked = 0;
    const numbers = async function* (): AsyncGenerator<number> {
      for (;;) yield asked++;
    };
    const jobs = new BackgroundJobs(() => NEVER, { workers: 3, buffer: 2 });
    jobs.pause();
    jobs.listenTo(numbers());
    await turn();
    expect([asked, jobs.stats.queued]).to.eql([2, 2]);
    jobs.resume();
    await turn();
    expect([asked, jobs.stats.queued, jobs.stats.running]).to.eql([5, 2, 3]);
    await jobs.shutdown('abort');
  });

  it('lets `workers + buffer` wait, and refuses what is no duration', async () => {
    const jobs = new BackgroundJobs(async (n: number) => n, { workers: 2, buffer: 1 });
    jobs.pause();
    expect([1, 2, 3, 4].map((n) => jobs.offer(n))).to.eql([true, true, true, false]);
    expect(() => jobs.pause(-1)).to.throw(RangeError, 'pause must be');
    jobs.resume();
    await jobs.idle();
    expect(jobs.stats).to.include({ completed: 3, refused: 1 });
    await jobs.shutdown();
  });
});
