import { expect } from 'chai';
import fc from 'fast-check';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { asyncScheduler, defer, finalize, map, mergeMap, NEVER, of, Subject, timer, toArray } from 'rxjs';
import type { Observable } from 'rxjs';
import { BackgroundJobs, byKey, byPriority, pullThrough, workerPool, workerPoolSettled } from '../../src/index.js';
import type { Overflow } from '../../src/index.js';
import { Held } from '../support/deferred.js';
import { turn } from '../support/guard.js';
import { marbles } from '../support/marbles.js';

/** Distinct keys, so many waiting at once. KEYS=10000000 is for the patient. */
const KEYS = Number(process.env['KEYS'] ?? 100_000);
const BURST = 10_000;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

function heapAfterGc(): number {
  gc();
  return process.memoryUsage().heapUsed;
}

const byNumber = byPriority((job: string) => Number(job[1]));

describe('byPriority', () => {
  it('starts the highest of those that wait, and of one priority the oldest', () =>
    marbles(({ hot, cold, expectObservable }) => {
      const names: Record<string, string> = { a: 'a1', b: 'b5', c: 'c9', d: 'd5' };
      const jobs$ = hot('    -abcd---|').pipe(map((job) => names[job]!));
      const run = cold('      ------(r|)');
      const expected = '      -------a-----c-----b-----(d|)';
      const work = (job: string): Observable<string> => run.pipe(map(() => job[0]!));
      expectObservable(jobs$.pipe(workerPool(work, { workers: 1, buffer: 3, queue: byNumber }))).toBe(expected);
    }));

  it('is a stable sort of what waits, in every form', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 5 }), { maxLength: 40 }), fc.nat({ max: 2 }), async (ranks, form) => {
        const gate = new Subject<number>();
        const started: number[] = [];
        const work = (i: number): Observable<number> => {
          started.push(i);
          return i < 0 ? gate : of(i);
        };
        const queue = byPriority((i: number) => (i < 0 ? 0 : ranks[i]!));
        const config = { workers: 1, buffer: Infinity, queue };
        const source = new Subject<number>();
        let jobs: BackgroundJobs<number, number | undefined> | undefined;
        if (form === 0) source.pipe(workerPool(work, config)).subscribe();
        else if (form === 1) source.pipe(workerPoolSettled(work, { ...config, hooks: { accepted() {} } })).subscribe();
        else (jobs = new BackgroundJobs(work, config)).listenTo(source);
        source.next(-1);
        ranks.forEach((_, i) => source.next(i));
        gate.complete();
        const expected = ranks.map((_, i) => i).sort((a, b) => ranks[b]! - ranks[a]! || a - b);
        expect(started).to.eql([-1, ...expected]);
        await jobs?.shutdown();
      }),
      { numRuns: 60 },
    );
  });

  it('ages: what has waited `ageing` longer counts as much as one of a step more', () =>
    marbles(({ expectObservable }) => {
      const started: string[] = [];
      const arrivals: [number, string][] = [
        [0, 'x0'],
        [1, 'low0'],
        [12, 'high1'],
        [8, 'mid1'],
      ];
      const queue = byPriority((job: string) => Number(job.at(-1)), { ageing: 10 });
      const source = new Subject<string>();
      const work = (job: string): Observable<number> => {
        started.push(job);
        return timer(20);
      };
      source.pipe(workerPool(work, { workers: 1, buffer: 9, queue })).subscribe();
      for (const [at, job] of arrivals) asyncScheduler.schedule(() => source.next(job), at);
      expectObservable(timer(99)).toBe('99ms (a|)', { a: 0 });
      // low0 is worth 0 − 0.1, mid1 1 − 0.8, high1 1 − 1.2: high1 has come too late to pass low0.
      asyncScheduler.schedule(() => expect(started).to.eql(['x0', 'mid1', 'low0', 'high1']), 90);
    }));

  for (const [overflow, kept] of [
    ['drop-incoming', ['a1', 'c9', 'b5']],
    ['drop-oldest', ['a1', 'c9', 'd7']],
    ['replace-newest', ['a1', 'd7', 'b5']],
    ['clear', ['a1', 'd7']],
  ] as [Overflow, string[]][]) {
    it(`'${overflow}' goes by arrival, and not by priority`, () => {
      const gate = new Subject<never>();
      const started: string[] = [];
      const source = new Subject<string>();
      const work = (job: string): Observable<string> => {
        started.push(job);
        return job === 'a1' ? gate : of(job);
      };
      source.pipe(workerPool(work, { workers: 1, buffer: 2, overflow, queue: byNumber })).subscribe();
      for (const job of ['a1', 'b5', 'c9', 'd7']) source.next(job);
      gate.complete();
      expect(started).to.eql(kept);
    });
  }

  it('starts nothing before hooks have been told of all that wait: the one that starts may be the youngest', async () => {
    const log: string[] = [];
    const work = (job: string): Observable<string> => {
      log.push(`${job} starts`);
      if (job === 'a1') for (const other of ['b1', 'c3', 'd2']) jobs.offer(other);
      return of(job);
    };
    const hooks = { accepted: (job: string) => void log.push(`${job} accepted`) };
    const jobs: BackgroundJobs<string, string | undefined> = new BackgroundJobs(work, {
      workers: 1,
      buffer: 5,
      queue: byNumber,
      hooks,
    });
    jobs.offer('a1');
    expect(log).to.eql([
      ...['a1 accepted', 'a1 starts'],
      ...['b1 accepted', 'c3 accepted', 'd2 accepted'],
      ...['c3 starts', 'd2 starts', 'b1 starts'],
    ]);
    await jobs.shutdown();
  });

  it('fails the job alone whose priority throws, or is no number; in workerPool that ends the results', async () => {
    const queue = byPriority((job: string): number => {
      if (job === 'bad') throw new Error('no priority');
      return job === 'worse' ? NaN : 0;
    });
    const jobs = new BackgroundJobs(async (job: string) => job, { workers: 1, buffer: 5, queue });
    const fates = await Promise.allSettled(['good', 'bad', 'worse', 'fine'].map((job) => jobs.submit(job)));
    expect(fates.map(({ status }) => status)).to.eql(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
    expect(jobs.stats).to.include({ offered: 4, accepted: 4, completed: 2, failed: 2 });
    await jobs.shutdown();
    const errors: string[] = [];
    of('good', 'bad', 'fine')
      .pipe(workerPool(() => NEVER, { workers: 1, buffer: 5, queue }))
      .subscribe({ error: (error: unknown) => errors.push((error as Error).message) });
    expect(errors).to.eql(['no priority']);
    const outcomes: string[] = [];
    of('good', 'bad', 'fine')
      .pipe(workerPoolSettled((job: string) => of(job), { workers: 1, buffer: 5, queue }))
      .subscribe(({ job, status, attempts }) => outcomes.push(`${job} ${status} ${attempts}`));
    expect(outcomes).to.eql(['good completed 1', 'bad failed 0', 'fine completed 1']);
  });

  it('fails the job whose priority throws alone: it evicts nobody', async () => {
    const queue = byPriority((job: string): number => {
      if (job === 'bad') throw new Error('no priority');
      return 0;
    });
    const outcomes: string[] = [];
    const source = new Subject<string>();
    const end = new Subject<string>();
    const config = { workers: 1, buffer: 1, overflow: 'drop-oldest', queue } as const;
    const results = source.pipe(workerPoolSettled((job: string) => (job === 'a' ? end : of(job)), config));
    results.subscribe({
      next: (outcome) =>
        outcomes.push(`${outcome.job} ${outcome.status === 'dropped' ? outcome.reason : outcome.status}`),
      complete: () => outcomes.push('complete'),
    });
    for (const job of ['a', 'b', 'bad']) source.next(job);
    expect([...outcomes].sort()).to.eql(['bad failed']);
    source.next('c');
    source.complete();
    end.complete();
    expect(outcomes.slice(1)).to.eql(['b evicted', 'a completed', 'c completed', 'complete']);
  });

  it('is left by a job that is given up or cleared, and shown in its order', async () => {
    const held = new Held<string>();
    const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 9, queue: byNumber, yieldAfter: Infinity });
    const controller = new AbortController();
    for (const job of ['a0', 'b1', 'd3']) jobs.offer(job);
    const gone = jobs.submit('c2', { signal: controller.signal }).catch(() => 'gone');
    expect(jobs.inspect().queued.map(({ job }) => job)).to.eql(['d3', 'c2', 'b1']);
    controller.abort();
    expect([await gone, jobs.inspect().queued.map(({ job }) => job)]).to.eql(['gone', ['d3', 'b1']]);
    expect(jobs.clear().map(({ job }) => job)).to.eql(['d3', 'b1']);
    held.complete('a0');
    expect(jobs.stats).to.include({ completed: 1, aborted: 1, evicted: 2, queued: 0 });
    await jobs.shutdown();
  });

  it('refuses what is none', () => {
    expect(() => byPriority(5 as never)).to.throw(TypeError, `byPriority's priority must be a function, but is 5`);
    expect(() => byPriority(() => 0, { ageing: 0 })).to.throw(RangeError, 'ageing must be a number > 0');
    expect(() => workerPool(() => NEVER, { workers: 1, buffer: 0, queue: {} as never })).to.throw(
      TypeError,
      'queue must be made by byPriority, byKey or coalesced, but is an object',
    );
  });
});

describe('byKey', () => {
  for (const form of ['workerPool', 'BackgroundJobs']) {
    it(`leaves nothing behind of a key that is done, of ${KEYS} keys: ${form}`, async function () {
      this.timeout(300_000);
      const work = async (n: number): Promise<number> => n;
      const config = { workers: 4, buffer: Infinity, queue: byKey((n: number) => `key ${n}`) };
      const source = new Subject<number>();
      let ended = 0;
      const pool = source.pipe(workerPool(work, config)).subscribe(() => ended++);
      const jobs = new BackgroundJobs(work, config);
      const burst = async (from: number): Promise<void> => {
        for (let n = from; n < from + BURST; n++) {
          if (form === 'workerPool') source.next(n);
          else jobs.offer(n);
        }
        await jobs.idle();
        while (form === 'workerPool' && ended < from + BURST) await turn();
      };
      await burst(0);
      const before = heapAfterGc();
      for (let n = BURST; n < KEYS; n += BURST) await burst(n);
      // A lane that stayed would be a hundred bytes, and its key as many.
      expect((heapAfterGc() - before) / KEYS, 'bytes a key').to.be.below(5);
      pool.unsubscribe();
      await jobs.shutdown();
    });
  }

  it('drops what waits of every key at a discard, also where nobody watches, and finishes what runs', () =>
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const jobs$ = hot('   (abcABC)-d');
      const shutdown = hot('-x', { x: 'discard' });
      const expected = '    ----(ab|)';
      const queue = byKey((job: string) => job.toLowerCase());
      const work = (job: string): Observable<string> => timer(4).pipe(map(() => job));
      expectObservable(jobs$.pipe(workerPool(work, { workers: 2, buffer: 9, queue, shutdown }))).toBe(expected);
      expectSubscriptions(jobs$.subscriptions).toBe('^!');
    }));

  it('runs one job of each key at once, of more keys than workers, and gives each its turn', () =>
    marbles(({ cold, expectObservable, flush }) => {
      const keys = 'abcde';
      const running = new Map<string, number>();
      let most = 0;
      const work = (job: string): Observable<string> =>
        defer(() => {
          running.set(job[0]!, (running.get(job[0]!) ?? 0) + 1);
          most = Math.max(most, ...running.values());
          return timer(2).pipe(
            map(() => job),
            finalize(() => running.set(job[0]!, running.get(job[0]!)! - 1)),
          );
        });
      const jobs$ = cold('(x|)').pipe(mergeMap(() => [...keys].flatMap((key) => [`${key}1`, `${key}2`, `${key}3`])));
      const queue = byKey((job: string) => job[0]);
      const started$ = jobs$.pipe(workerPool(work, { workers: 2, buffer: Infinity, queue }), toArray());
      expectObservable(started$.pipe(map((all) => all.join(' ')))).toBe('16ms (r|)', {
        r: 'a1 b1 c1 d1 e1 a2 b2 c2 d2 e2 a3 b3 c3 d3 e3',
      });
      flush();
      expect(most).to.equal(1);
    }));

  const byLetter = byKey((job: string) => job[0]);

  it('runs one job of a key at a time, and passes those whose key is busy', () =>
    marbles(({ hot, cold, expectObservable }) => {
      const names: Record<string, string> = { a: 'a1', b: 'a2', x: 'x1', y: 'x2' };
      const jobs$ = hot('    -(abxy)|').pipe(map((job) => names[job]!));
      const run = cold('      ----(r|)');
      const values = { a: 'a1', b: 'a2', x: 'x1', y: 'x2' };
      const work = (job: string): Observable<string> => run.pipe(map(() => job));
      expectObservable(jobs$.pipe(workerPool(work, { workers: 2, buffer: 2, queue: byLetter }))).toBe(
        '-----(ax)(by|)',
        values,
      );
    }));

  it('never runs more than `limit` of a key, keeps their order, and leaves no worker idle without need', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat({ max: 5 })), { maxLength: 60 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 4 }),
        fc.nat({ max: 2 }),
        async (steps, limit, workers, form) => {
          const ends = new Map<string, Subject<never>>();
          const started: string[] = [];
          const work = (job: string): Observable<never> => {
            started.push(job);
            const end = new Subject<never>();
            ends.set(job, end);
            return end;
          };
          const queue = byKey((job: string) => job[0], { limit });
          const config = { workers, buffer: Infinity, queue };
          const source = new Subject<string>();
          let jobs: BackgroundJobs<string, undefined> | undefined;
          if (form === 0) source.pipe(workerPool(work, config)).subscribe();
          else if (form === 1) source.pipe(workerPoolSettled(work, config)).subscribe();
          else (jobs = new BackgroundJobs(work, config)).listenTo(source);
          const waiting: string[] = [];
          const check = (): void => {
            for (const job of started) if (waiting.includes(job)) waiting.splice(waiting.indexOf(job), 1);
            const running = (key: string): number => [...ends.keys()].filter((job) => job[0] === key).length;
            for (const key of 'abc') expect(running(key)).to.be.at.most(limit);
            if (ends.size < workers) for (const job of waiting) expect(running(job[0]!)).to.equal(limit);
          };
          for (const [i, [key, act]] of steps.entries()) {
            if (act < 3) {
              waiting.push(`${key}${i}`);
              source.next(`${key}${i}`);
            } else {
              const [job, end] = [...ends][act % (ends.size || 1)] ?? [];
              ends.delete(job ?? '');
              end?.complete();
            }
            check();
          }
          for (const key of 'abc') {
            const of1 = started.filter((job) => job[0] === key).map((job) => Number(job.slice(1)));
            expect(of1).to.eql([...of1].sort((a, b) => a - b));
          }
          await jobs?.shutdown('abort');
        },
      ),
      { numRuns: 100 },
    );
  });

  it('lets the keys take turns, one start each', () => {
    const gate = new Subject<never>();
    const started: string[] = [];
    const source = new Subject<string>();
    const work = (job: string): Observable<string> => {
      started.push(job);
      return job === 'z0' ? gate : of(job);
    };
    source.pipe(workerPool(work, { workers: 1, buffer: 99, queue: byLetter })).subscribe();
    for (const job of ['z0', 'a1', 'a2', 'a3', 'b1', 'b2', 'c1']) source.next(job);
    gate.complete();
    expect(started).to.eql(['z0', 'a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  });

  it('keeps the order of its lane inside a key', () => {
    const gate = new Subject<never>();
    const started: string[] = [];
    const source = new Subject<string>();
    const queue = byKey((job: string) => job[0], { lane: byNumber });
    const work = (job: string): Observable<string> => {
      started.push(job);
      return job === 'z0' ? gate : of(job);
    };
    source.pipe(workerPool(work, { workers: 1, buffer: 99, queue })).subscribe();
    for (const job of ['z0', 'a1', 'a9', 'b1', 'b5']) source.next(job);
    gate.complete();
    expect(started).to.eql(['z0', 'a9', 'b5', 'a1', 'b1']);
  });

  it('bounds what waits, also while a worker is free and the key is busy', async () => {
    const jobs = new BackgroundJobs(() => NEVER, { workers: 2, buffer: 1, queue: byLetter });
    expect(['a1', 'a2', 'a3', 'a4'].map((job) => jobs.offer(job))).to.eql([true, true, true, false]);
    expect(jobs.stats).to.include({ running: 1, queued: 2, refused: 1 });
    expect(jobs.offer('b1')).to.equal(false);
    expect(jobs.inspect().queued.map(({ job }) => job)).to.eql(['a2', 'a3']);
    const { dropped } = await jobs.shutdown('abort');
    expect(dropped.map(({ job }) => job)).to.eql(['a2', 'a3']);
  });

  it('drains, key after key, and works in pullThrough', async () => {
    const seen: string[] = [];
    const items = ['a1', 'a2', 'b1', 'a3', 'b2'];
    const config = { workers: 2, buffer: 4, queue: byLetter };
    for await (const job of pullThrough(items, async (job: string) => job, config)) seen.push(job);
    expect(seen.sort()).to.eql([...items].sort());
  });

  it('takes no job in whose key ends the pool, or gives the job up, as it is asked for', async () => {
    const controller = new AbortController();
    const outcomes: string[] = [];
    const key = (job: string): string => {
      if (job === 'given up') controller.abort('mine');
      if (job === 'last') void jobs.shutdown();
      return job;
    };
    const jobs = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: 1, queue: byKey(key) });
    jobs.outcomes$.subscribe((outcome) =>
      outcomes.push(`${outcome.job}: ${outcome.status === 'dropped' ? outcome.reason : outcome.status}`),
    );
    const givenUp = jobs.submit('given up', { signal: controller.signal }).catch((error: unknown) => error);
    expect([await givenUp, jobs.offer('last')]).to.eql(['mine', false]);
    expect(outcomes).to.eql(['given up: withdrawn', 'last: closed']);
    await jobs.ended;
  });

  it('refuses what is none', () => {
    expect(() => byKey('key' as never)).to.throw(TypeError, `byKey's key must be a function`);
    expect(() => byKey(() => 0, { limit: 0 })).to.throw(RangeError, 'limit must be an integer ≥ 1');
    expect(() => byKey(() => 0, { lane: byKey(() => 1) })).to.throw(TypeError, 'byKey inside byKey has no meaning');
    expect(() => byKey(() => 0, { lane: 5 as never })).to.throw(TypeError, 'lane must be made by');
  });
});
