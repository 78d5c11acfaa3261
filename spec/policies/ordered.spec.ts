import { expect } from 'chai';
import * as fc from 'fast-check';
import {
  concatMap,
  EMPTY,
  from,
  map,
  materialize,
  mergeMap,
  NEVER,
  Observable,
  of,
  Subject,
  timer,
  VirtualTimeScheduler,
} from 'rxjs';
import type { ObservableNotification } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import {
  BackgroundJobs,
  byKey,
  byPriority,
  coalesced,
  pullFrom,
  pullThrough,
  workerPool,
  workerPoolSettled,
} from '../../src/index.js';
import type { JobOutcome, PoolConfig } from '../../src/index.js';
import { Deferred, fateOf } from '../support/deferred.js';
import { turn } from '../support/guard.js';
import { marbles } from '../support/marbles.js';

const { RUNS = '300', SEED } = process.env;

/** Each job is a marble diagram. */
type Job = string;

/** The definition: mergeMap over all jobs, and each one's results held until all before it has been told. */
function inOrder(work: (job: Job) => Observable<string>, workers: number) {
  return (source: Observable<Job>): Observable<string> =>
    new Observable((results) => {
      const held: ObservableNotification<string>[][] = [];
      let first = 0;
      let started = 0;
      let hasCompleted = false;
      const tell = (): void => {
        for (; held[first] !== undefined; first++) {
          for (let told; (told = held[first]!.shift()) !== undefined && told.kind !== 'C';) {
            if (told.kind === 'E') return results.error(told.error);
            results.next(told.value);
          }
          if (!ended.has(first)) return;
        }
        if (hasCompleted && first === started) results.complete();
      };
      const ended = new Set<number>();
      const run = (job: Job, i: number) => {
        started = i + 1;
        held[i] = [];
        return work(job).pipe(
          materialize(),
          map((notification) => [i, notification] as const),
        );
      };
      return source.pipe(mergeMap(run, workers)).subscribe({
        next: ([i, notification]) => {
          held[i]!.push(notification);
          if (notification.kind === 'C') ended.add(i);
          tell();
        },
        complete: () => {
          hasCompleted = true;
          tell();
        },
      });
    });
}

/** How long a job runs, in frames. */
const TOOK: Record<string, number> = { a: 5, b: 2, c: 2, d: 6 };

/** Jobs that end when the program says so, in the order of their starts. */
class Bench {
  readonly started: string[] = [];
  readonly ends = new Map<string, Subject<string>>();

  readonly work = (job: string, { attempt }: { attempt: number }): Observable<string> => {
    const name = attempt === 1 ? job : `${job}${attempt}`;
    this.started.push(name);
    const end = new Subject<string>();
    this.ends.set(name, end);
    return end;
  };

  emit(name: string, value: string): void {
    this.ends.get(name)!.next(value);
  }

  end(...names: string[]): void {
    for (const name of names) {
      this.emit(name, name);
      this.ends.get(name)!.complete();
    }
  }

  fail(name: string): void {
    this.ends.get(name)!.error(`${name} failed`);
  }
}

/** What an Observable tells, as a list of words. */
function told(results: Observable<unknown>): string[] {
  const log: string[] = [];
  const show = (value: unknown): string => {
    if (typeof value === 'string') return value;
    const { status, job } = value as JobOutcome<string, unknown>;
    return `${status} ${job}`;
  };
  results.subscribe({
    next: (value) => log.push(show(value)),
    error: (error: unknown) => log.push(`error: ${String(error)}`),
    complete: () => log.push('complete'),
  });
  return log;
}

/** Results of `ordered: true` and their frames, as a list. */
function logOf(results: Observable<unknown>, scheduler: TestScheduler, log: unknown[]): void {
  results.subscribe({
    next: (value) => log.push([scheduler.now(), value]),
    error: (error: unknown) => log.push([scheduler.now(), 'error', error]),
    complete: () => log.push([scheduler.now(), 'complete']),
  });
}

describe('ordered', () => {
  it('emits results in the order of arrival, although jobs run side by side', () => {
    marbles(({ cold, expectObservable }) => {
      const work = (job: string) => timer(TOOK[job]!).pipe(map(() => job));
      const result = cold('abcd|').pipe(workerPool(work, { workers: 2, buffer: 9, ordered: true }));
      // b ends at 3 and c at 5, both wait for a; d runs from 5 to 11
      expectObservable(result).toBe('-----(abc)-(d|)');
    });
  });

  it('equals mergeMap with the results of each job held until it is their turn', () => {
    const marble = fc
      .tuple(
        fc.array(fc.constantFrom('-', '--', 'x', '(xy)'), { maxLength: 4 }),
        fc.constantFrom('|', '|', '|', '-|', '#'),
      )
      .map(([parts, end]) => parts.join('') + end);
    const programs = fc.record({
      workers: fc.integer({ min: 1, max: 3 }),
      jobs: fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), marble), { minLength: 1, maxLength: 8 }),
    });
    let told = 0;
    fc.assert(
      fc.property(programs, ({ workers, jobs }) => {
        const logs = [false, true].map((isOracle) => {
          const scheduler = new TestScheduler(() => undefined);
          const log: unknown[] = [];
          scheduler.run(({ cold }) => {
            const work = (job: Job) => cold(job);
            // Emitted one after another, at once or some frames apart.
            const source = from(jobs).pipe(
              concatMap(([gap, job]) => (gap === 0 ? of(job) : timer(gap).pipe(map(() => job)))),
            );
            const pool = workerPool<Job, string>(work, { workers, buffer: Infinity, ordered: true });
            logOf(source.pipe(isOracle ? inOrder(work, workers) : pool), scheduler, log);
          });
          return log;
        });
        told += logs[0]!.length;
        expect(logs[0]).to.deep.equal(logs[1]);
      }),
      { numRuns: Number(RUNS), ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
    );
    expect(told).to.be.greaterThan(Number(RUNS));
  });

  describe('what is told when', () => {
    it('a job of many values is told in full, and as it goes on when nothing is before it', () => {
      const { work, started, ...bench } = parts();
      const jobs = new Subject<string>();
      const log = told(jobs.pipe(workerPool(work, { workers: 3, buffer: 3, ordered: true })));
      for (const job of ['a', 'b', 'c']) jobs.next(job);
      bench.emit('a', 'a1');
      bench.emit('c', 'c1');
      bench.emit('b', 'b1');
      bench.end('c');
      expect(log).to.eql(['a1']);
      bench.end('a');
      expect(log).to.eql(['a1', 'a', 'b1']);
      bench.emit('b', 'b2');
      bench.end('b');
      expect(log).to.eql(['a1', 'a', 'b1', 'b2', 'b', 'c1', 'c']);
      jobs.complete();
      expect(log.at(-1)).to.equal('complete');
      expect(started).to.eql(['a', 'b', 'c']);
    });

    it("a job's error is told in its turn; the source is let go at once, and nothing starts behind it", () => {
      const { work, started, ...bench } = parts();
      const jobs = new Subject<string>();
      const hooks: string[] = [];
      const config = {
        workers: 2,
        buffer: 3,
        ordered: true,
        hooks: { settled: ({ status, job }: JobOutcome<string, unknown>) => hooks.push(`${status} ${job}`) },
      };
      const log = told(jobs.pipe(workerPool(work, config)));
      for (const job of ['a', 'b', 'c']) jobs.next(job);
      bench.fail('b');
      expect(hooks).to.eql(['failed b']);
      expect(jobs.observed).to.equal(false);
      expect(started).to.eql(['a', 'b']);
      expect(log).to.eql([]);
      bench.end('a');
      expect(log).to.eql(['a', 'error: b failed']);
      expect(hooks).to.eql(['failed b', 'completed a', 'dropped c']);
    });

    it('of two failures the first in order ends the results', () => {
      const { work, ...bench } = parts();
      const jobs = new Subject<string>();
      const log = told(jobs.pipe(workerPool(work, { workers: 3, buffer: 3, ordered: true })));
      for (const job of ['a', 'b', 'c']) jobs.next(job);
      bench.fail('c');
      bench.fail('b');
      bench.end('a');
      expect(log).to.eql(['a', 'error: b failed']);
    });

    it('what is before a failed job still starts, on its worker', () => {
      const { work, started, ...bench } = parts();
      const scheduler = new VirtualTimeScheduler();
      const jobs = new Subject<string>();
      const rateLimit = { limit: 2, interval: 10 };
      const config = {
        workers: 1,
        buffer: 3,
        queue: byKey((job: string) => job[0]),
        rateLimit,
        ordered: true,
        scheduler,
      };
      const log = told(jobs.pipe(workerPool(work, config)));
      for (const job of ['x1', 'x2', 'y1', 'z1']) jobs.next(job);
      bench.end('x1');
      // Keys take turns, and x2 waits for the window.
      bench.fail('y1');
      scheduler.flush();
      expect(started).to.eql(['x1', 'y1', 'x2']);
      bench.end('x2');
      expect(log).to.eql(['x1', 'x2', 'error: y1 failed']);
    });

    it('so does what is before a failed job and behind one that runs', () => {
      const { work, started, ...bench } = parts();
      const jobs = new Subject<string>();
      const queue = byKey((job: string) => job[0]);
      jobs
        .pipe(workerPool(work, { workers: 2, buffer: 2, queue, ordered: true }))
        .subscribe({ error: () => undefined });
      for (const job of ['a1', 'b1', 'b2', 'c1']) jobs.next(job);
      bench.end('b1');
      expect(started).to.eql(['a1', 'b1', 'c1']);
      bench.fail('c1');
      expect(started).to.eql(['a1', 'b1', 'c1', 'b2']);
      bench.end('b2', 'a1');
    });

    it('what is before a failed job waits, too, while as many as there are places have not been told', () => {
      const { work, started, ...bench } = parts();
      const jobs = new Subject<string>();
      const queue = byKey((job: string) => job[0]);
      jobs
        .pipe(workerPool(work, { workers: 3, buffer: 1, queue, ordered: true }))
        .subscribe({ error: () => undefined });
      for (const job of ['a1', 'b1', 'b2', 'c1']) jobs.next(job);
      bench.end('c1');
      jobs.next('d1');
      bench.fail('d1');
      bench.end('b1');
      expect(started).to.eql(['a1', 'b1', 'c1', 'd1']);
      bench.end('a1');
      expect(started).to.eql(['a1', 'b1', 'c1', 'd1', 'b2']);
      bench.end('b2');
    });

    it('the failure of a job that has nothing before it is told before its teardown, as without the option', () => {
      const log: string[] = [];
      const work = () =>
        new Observable<string>((values) => {
          values.add(() => log.push('teardown'));
          values.error('no');
        });
      of('a')
        .pipe(workerPool(work, { workers: 2, buffer: 3, ordered: true }))
        .subscribe({ error: () => log.push('error') });
      expect(log).to.eql(['error', 'teardown']);
    });

    it('outcomes of jobs that ran come in the order of arrival, a drop at once', () => {
      const { work, ...bench } = parts();
      const jobs = new Subject<string>();
      const config = { workers: 2, buffer: 0, overflow: 'drop-incoming', ordered: true } as const;
      const log = told(jobs.pipe(workerPoolSettled(work, config)));
      for (const job of ['a', 'b', 'c']) jobs.next(job);
      expect(log).to.eql(['dropped c']);
      bench.fail('b');
      expect(log).to.eql(['dropped c']);
      bench.end('a');
      expect(log).to.eql(['dropped c', 'completed a', 'failed b']);
      jobs.complete();
      expect(log.at(-1)).to.equal('complete');
    });

    it('in the handle outcomes$ has the order, and a promise is settled at once', async () => {
      const { work, ...bench } = parts();
      const jobs = new BackgroundJobs(work, { workers: 2, buffer: 0, ordered: true });
      const log = told(jobs.outcomes$);
      const slow = jobs.submit('a');
      const quick = jobs.submit('b');
      bench.end('b');
      expect(await quick).to.equal('b');
      expect(jobs.stats.completed).to.equal(1);
      expect(log).to.eql([]);
      bench.end('a');
      expect(await slow).to.equal('a');
      expect(log).to.eql(['completed a', 'completed b']);
      await jobs.shutdown();
      expect(log.at(-1)).to.equal('complete');
    });

    it('a job that waits for its retry keeps its turn', () => {
      const { work, ...bench } = parts();
      const jobs = new Subject<string>();
      const again = new Subject<void>();
      const config = { workers: 2, buffer: 2, retry: { delay: () => again }, ordered: true };
      const log = told(jobs.pipe(workerPool(work, config)));
      for (const job of ['a', 'b']) jobs.next(job);
      bench.emit('a', 'first try');
      bench.fail('a');
      bench.end('b');
      expect(log).to.eql(['first try']);
      again.next();
      bench.end('a2');
      expect(log).to.eql(['first try', 'a2', 'b']);
    });

    it('a retry whose wait fails is an error in its turn', () => {
      const { work, ...bench } = parts();
      const jobs = new Subject<string>();
      const again = new Subject<void>();
      const config = { workers: 2, buffer: 2, retry: { delay: () => again }, ordered: true };
      const log = told(jobs.pipe(workerPool(work, config)));
      for (const job of ['a', 'b']) jobs.next(job);
      bench.fail('b');
      again.error('no more');
      expect(log).to.eql([]);
      bench.end('a');
      expect(log).to.eql(['a', 'error: no more']);
    });

    it('no outcome is lost of jobs that end between two attempts, whatever their callers do when they are told', async () => {
      type Handle = BackgroundJobs<string, string | undefined>;
      const ends: Record<string, (jobs: Handle, wait: Subject<void>, callers: readonly AbortController[]) => unknown> =
        {
          discard: (jobs) => jobs.shutdown('discard'),
          abort: (jobs) => jobs.shutdown('abort'),
          abandon: (jobs) => jobs.shutdown('abandon'),
          clear: (jobs) => jobs.clear(),
          'their wait fails': (_jobs, wait) => wait.error('no more'),
          'their callers give up': (_jobs, _wait, callers) => callers.forEach((caller) => caller.abort()),
        };
      for (const [title, end] of Object.entries(ends)) {
        const { work, ...bench } = parts();
        const wait = new Subject<void>();
        const config = { workers: 3, buffer: 2, retry: { delay: () => wait }, ordered: true };
        const jobs = new BackgroundJobs(work, config);
        const log: number[] = [];
        jobs.outcomes$.subscribe(({ id }) => log.push(id));
        const callers = ['b', 'd'].map(() => new AbortController());
        const errors: unknown[] = [];
        jobs.submit$('a').subscribe({ error: (error: unknown) => errors.push(error) });
        const given = callers.map(({ signal }, i) => fateOf(jobs.submit('bd'[i]!, { signal })));
        bench.fail('a');
        jobs.submit$('c').subscribe({ error: (error: unknown) => errors.push(error) });
        bench.fail('b');
        bench.fail('d');
        bench.fail('c');
        expect(jobs.stats.delayed, title).to.equal(4);
        end(jobs, wait, callers);
        if (title === 'their callers give up') jobs.clear();
        await turn();
        expect([log.length, new Set(log).size], title).to.eql([4, 4]);
        expect(errors.length, title).to.equal(2);
        expect(
          given.map(({ status }) => status),
          title,
        ).to.eql(['rejected', 'rejected']);
        await jobs.shutdown();
      }
    });

    it('jobs that a shutdown ends let the ones behind them be told', () => {
      for (const level of ['discard', 'abort', 'abandon'] as const) {
        const { work, ...bench } = parts();
        const jobs = new Subject<string>();
        const levels = new Subject<string>();
        const config = { workers: 3, buffer: 2, retry: { delay: 5 }, shutdown: levels, ordered: true };
        const log = told(jobs.pipe(workerPoolSettled(work, config)));
        for (const job of ['a', 'b', 'c']) jobs.next(job);
        bench.fail('a');
        bench.end('b');
        expect(log, level).to.eql([]);
        levels.next(level);
        if (level === 'discard') {
          expect(log).to.eql(['dropped a', 'completed b']);
          bench.end('c');
          expect(log).to.eql(['dropped a', 'completed b', 'completed c', 'complete']);
        } else expect(log, level).to.eql(['dropped a', 'completed b', 'aborted c', 'complete']);
      }
    });

    it('the results complete after the last that was held, though downstream ends the last job meanwhile', () => {
      const { work, ...bench } = parts();
      const log: string[] = [];
      from(['a', 'b', 'c'])
        .pipe(workerPool(work, { workers: 3, buffer: 0, ordered: true }))
        .subscribe({
          next: (value) => {
            log.push(value);
            if (value === 'a') bench.end('c');
          },
          complete: () => log.push('complete'),
        });
      bench.end('b');
      bench.end('a');
      expect(log).to.eql(['a', 'b', 'c', 'complete']);
    });

    it('what a job emits while its held values are told comes behind them', () => {
      const { work, ...bench } = parts();
      const log: string[] = [];
      from(['a', 'b'])
        .pipe(workerPool(work, { workers: 2, buffer: 0, ordered: true }))
        .subscribe((value) => {
          log.push(value);
          if (value === 'b1') bench.emit('b', 'b3');
        });
      bench.emit('b', 'b1');
      bench.emit('b', 'b2');
      bench.end('a');
      bench.end('b');
      expect(log).to.eql(['a', 'b1', 'b2', 'b3', 'b']);
    });

    it('downstream may leave while it is told what was held', () => {
      const { work, ...bench } = parts();
      const log: string[] = [];
      const results = from(['a', 'b', 'c'])
        .pipe(workerPool(work, { workers: 3, buffer: 0, ordered: true }))
        .subscribe((value) => {
          log.push(value);
          if (value === 'b') results.unsubscribe();
        });
      bench.end('c', 'b');
      bench.end('a');
      expect(log).to.eql(['a', 'b']);
    });
  });

  describe('what may start', () => {
    it('as many jobs as there are places have started and not been told, and workers are busy until then', () => {
      const { work, started, ...bench } = parts();
      const jobs = new Subject<string>();
      const config = { workers: 2, buffer: 3, overflow: 'drop-incoming', ordered: true } as const;
      const log = told(jobs.pipe(workerPool(work, config)));
      for (const job of ['a', 'b', 'c', 'd', 'e']) jobs.next(job);
      bench.end('b', 'c', 'd');
      jobs.next('f');
      bench.end('e');
      // a runs, b to e are held: five places
      expect(started).to.eql(['a', 'b', 'c', 'd', 'e']);
      expect(log).to.eql([]);
      bench.end('a');
      expect(log).to.eql(['a', 'b', 'c', 'd', 'e']);
      expect(started.at(-1)).to.equal('f');
    });

    it('all that may start do so when what was held has been told, and not only on the worker whose job has ended', () => {
      const { work, started, ...bench } = parts();
      const jobs = new Subject<string>();
      jobs.pipe(workerPool(work, { workers: 2, buffer: 2, ordered: true })).subscribe();
      for (const job of ['a', 'b', 'c', 'd']) jobs.next(job);
      bench.end('b', 'c', 'd');
      for (const job of ['e', 'f']) jobs.next(job);
      expect(started).to.eql(['a', 'b', 'c', 'd']);
      bench.end('a');
      expect(started).to.eql(['a', 'b', 'c', 'd', 'e', 'f']);
    });

    it('no more than the places wait meanwhile', () => {
      const { work, started, ...bench } = parts();
      const jobs = new BackgroundJobs(work, { workers: 1, buffer: 1, retry: { delay: () => NEVER }, ordered: true });
      expect(jobs.offer('a')).to.equal(true);
      bench.fail('a');
      expect(jobs.offer('b')).to.equal(true);
      bench.end('b');
      // a keeps its place for its retry
      expect(['c', 'd'].map((job) => jobs.offer(job))).to.eql([true, false]);
      expect(started).to.eql(['a', 'b']);
      return jobs.shutdown('abandon');
    });

    it('a job that arrives meanwhile meets the overflow policy, although a worker is free', () => {
      const { work, ...bench } = parts();
      const jobs = new Subject<string>();
      const log = told(jobs.pipe(workerPool(work, { workers: 2, buffer: 1, ordered: true })));
      for (const job of ['a', 'b', 'c']) jobs.next(job);
      bench.end('b', 'c');
      for (const job of ['d', 'e']) jobs.next(job);
      expect(log).to.eql([]);
      jobs.next('f');
      expect(log).to.have.lengthOf(1);
      expect(log[0]).to.include('BufferOverflowError');
    });

    it('a place is kept for the first in order while those of its key that run are in its way', async () => {
      const { work, started, ...bench } = parts();
      const clock = new VirtualTimeScheduler();
      const jobs = new Subject<string>();
      const stuck = new Deferred<string>();
      const config: PoolConfig<string, string | undefined> = {
        workers: 2,
        buffer: 2,
        timeout: 5,
        queue: byKey((job) => job[0]),
        ordered: true,
        scheduler: clock,
      };
      const log = told(
        jobs.pipe(
          workerPoolSettled((job: string, context) => (job === 'x1' ? stuck.promise : work(job, context)), config),
        ),
      );
      for (const job of ['x1', 'x2', 'y1']) jobs.next(job);
      clock.flush();
      expect(log).to.eql(['failed x1']);
      for (const job of ['z1', 'v1']) {
        jobs.next(job);
        bench.end(job);
      }
      // Of four places y1, z1 and v1 have three: the last is for x2, which waits until the work of x1 has let go.
      jobs.next('w1');
      expect(started).to.eql(['y1', 'z1', 'v1']);
      stuck.resolve('late');
      await turn();
      expect(started).to.eql(['y1', 'z1', 'v1', 'x2']);
      bench.end('x2');
      expect(log.slice(1)).to.eql(['completed x2', 'failed y1', 'completed z1', 'completed v1']);
      expect(started.at(-1)).to.equal('w1');
    });

    it('the first in order starts also where the places are fewer than when the others started', () => {
      const { work, started, ...bench } = parts();
      const jobs = new Subject<string>();
      const workers = new Subject<number>();
      const config: PoolConfig<string, string> = { workers, buffer: 2, queue: byKey((job) => job[0]), ordered: true };
      const log = told(jobs.pipe(workerPool(work, config)));
      workers.next(5);
      for (const job of ['x1', 'x2', 'y1', 'z1', 'v1', 'w1', 'u1']) jobs.next(job);
      expect(started).to.eql(['x1', 'y1', 'z1', 'v1', 'w1']);
      workers.next(1);
      bench.end('y1', 'z1', 'v1', 'w1');
      bench.end('x1');
      expect(log).to.eql(['x1']);
      // u1 has had its turn before x2.
      expect(started.slice(5)).to.eql(['x2']);
      bench.end('x2');
      expect(log).to.eql(['x1', 'x2', 'y1', 'z1', 'v1', 'w1']);
      expect(started.at(-1)).to.equal('u1');
    });

    it('a due retry is not held', () => {
      const { work, started, ...bench } = parts();
      const jobs = new Subject<string>();
      const again = new Subject<void>();
      const config = { workers: 1, buffer: 1, retry: { delay: () => again }, ordered: true };
      const log = told(jobs.pipe(workerPool(work, config)));
      jobs.next('a');
      bench.fail('a');
      jobs.next('b');
      bench.end('b');
      jobs.next('c');
      expect(started).to.eql(['a', 'b']);
      again.next();
      expect(started).to.eql(['a', 'b', 'a2']);
      bench.end('a2');
      expect(log).to.eql(['a2', 'b']);
      expect(started.at(-1)).to.equal('c');
    });

    it('a job that is evicted lets the ones behind it be told', () => {
      const { work, started, ...bench } = parts();
      const jobs = new Subject<string>();
      const config: PoolConfig<string, string> = {
        workers: 2,
        buffer: 1,
        overflow: 'drop-oldest',
        queue: byKey((job) => job[0]),
        ordered: true,
      };
      const log = told(jobs.pipe(workerPool(work, config)));
      for (const job of ['x1', 'x2', 'y1']) jobs.next(job);
      bench.end('y1');
      for (const job of ['z1', 'x3']) jobs.next(job);
      expect(started).to.eql(['x1', 'y1', 'z1']);
      bench.end('x1');
      expect(log).to.eql(['x1', 'y1']);
      expect(started.at(-1)).to.equal('x3');
    });

    it('a job that expires lets the ones behind it be told', () => {
      const { work, ...bench } = parts();
      const clock = new VirtualTimeScheduler();
      const jobs = new Subject<string>();
      const config: PoolConfig<string, string | undefined> = {
        workers: 2,
        buffer: 1,
        timeout: 5,
        ttl: 7,
        queue: byKey((job) => job[0]),
        ordered: true,
        scheduler: clock,
      };
      // The work of x1 does not let go, and x2 cannot start.
      const deaf = (job: string, context: { attempt: number }) =>
        job === 'x1' ? new Promise<string>(() => undefined) : work(job, context);
      const log = told(jobs.pipe(workerPoolSettled(deaf, config)));
      for (const job of ['x1', 'x2', 'y1']) jobs.next(job);
      bench.end('y1');
      expect(log).to.eql([]);
      clock.flush();
      expect(log).to.eql(['failed x1', 'dropped x2', 'completed y1']);
    });

    it('a job that leaves while the gate is shut lets the ones behind it be told at once', () => {
      const base = { workers: 2, buffer: 1, queue: byKey((job: string) => job[0]), ordered: true };
      const evicting = parts();
      const jobs = new Subject<string>();
      const config = { ...base, overflow: 'drop-oldest', rateLimit: { limit: 2, interval: Infinity } } as const;
      const log = told(jobs.pipe(workerPool(evicting.work, config)));
      for (const job of ['x1', 'x2', 'y1']) jobs.next(job);
      evicting.end('y1', 'x1');
      for (const job of ['v1', 'w1']) jobs.next(job);
      expect(log).to.eql(['x1']);
      jobs.next('u1');
      expect(log).to.eql(['x1', 'y1']);
      const ending = parts();
      const more = new Subject<string>();
      const shutdown = new Subject<string>();
      const limited = { ...base, rateLimit: { limit: 2, interval: Infinity }, shutdown };
      const rest = told(more.pipe(workerPool(ending.work, limited)));
      for (const job of ['x1', 'x2', 'y1']) more.next(job);
      ending.end('y1', 'x1');
      shutdown.next('discard');
      expect(rest).to.eql(['x1', 'y1', 'complete']);
    });

    it('so does a job that its caller gives up while it waits', async () => {
      const { work, ...bench } = parts();
      const jobs = new BackgroundJobs(work, { workers: 2, buffer: 1, queue: byKey((job) => job[0]), ordered: true });
      const log = told(jobs.outcomes$);
      const caller = new AbortController();
      jobs.offer('x1');
      const given = fateOf(jobs.submit('x2', { signal: caller.signal }));
      jobs.offer('y1');
      bench.end('y1');
      jobs.pause();
      bench.end('x1');
      expect(log).to.eql(['completed x1']);
      caller.abort('no more');
      expect(log).to.eql(['completed x1', 'aborted x2', 'completed y1']);
      await turn();
      expect(given.status).to.equal('rejected');
      await jobs.shutdown('abandon');
    });

    it('the results complete after what is told when the first in order expires', () => {
      const { work, ...bench } = parts();
      const scheduler = new VirtualTimeScheduler();
      const jobs = new Subject<string>();
      const config = {
        workers: 3,
        buffer: 1,
        ttl: 10,
        queue: byKey((job: string) => job[0]),
        rateLimit: { limit: 3, interval: 100 },
        ordered: true,
        scheduler,
      };
      const log: string[] = [];
      jobs.pipe(workerPool(work, config)).subscribe({
        next: (value) => {
          log.push(value);
          if (value === 'y1') jobs.complete();
        },
        complete: () => log.push('complete'),
      });
      for (const job of ['x1', 'x2', 'y1', 'z1']) jobs.next(job);
      bench.end('y1', 'z1', 'x1');
      expect(log).to.eql(['x1']);
      scheduler.flush();
      expect(log).to.eql(['x1', 'y1', 'z1', 'complete']);
    });

    it('merged jobs are told at the place of the first', () => {
      const { work, started, ...bench } = parts();
      const jobs = new Subject<string>();
      const queue = coalesced<string>(
        (job) => job[0],
        (waiting, incoming) => waiting + incoming,
      );
      const log = told(jobs.pipe(workerPool(work, { workers: 2, buffer: 4, queue, ordered: true })));
      for (const job of ['a', 'b', 'c', 'd', 'c']) jobs.next(job);
      bench.end('b');
      bench.end('cc');
      bench.end('d');
      expect(log).to.eql([]);
      bench.end('a');
      expect(started).to.eql(['a', 'b', 'cc', 'd']);
      expect(log).to.eql(['a', 'b', 'cc', 'd']);
    });

    it('no more is asked of an iterable than may start or wait', () => {
      for (const form of ['workerPool', 'pullThrough']) {
        const { work, started, ...bench } = parts();
        let asked = 0;
        function* items(): Generator<string> {
          for (const item of 'abcdefgh') {
            asked++;
            yield item;
          }
        }
        const config = { workers: 2, buffer: 2, ordered: true };
        const results =
          form === 'workerPool'
            ? pullFrom(items()).pipe(workerPool(work, config)).subscribe()
            : pullThrough(items(), work, config)[Symbol.asyncIterator]();
        if ('next' in results) void results.next();
        bench.end('b', 'c');
        expect(started, form).to.eql(['a', 'b', 'c', 'd']);
        bench.end('d');
        expect(asked, form).to.equal(4);
        bench.end('a');
        expect(started.length, form).to.be.greaterThan(4);
        if ('unsubscribe' in results) results.unsubscribe();
        else void results.return!();
      }
    });
  });

  it('pullThrough counts what is held among the results that nobody has taken', async () => {
    const { work, started, ...bench } = parts();
    // Turns of the loop are not the subject.
    const config = { workers: 2, buffer: 3, ordered: true, yieldAfter: Infinity };
    const results = pullThrough([...'abcdefgh'], work, config)[Symbol.asyncIterator]();
    const first = results.next();
    bench.end('a');
    expect(await first).to.eql({ done: false, value: 'a' });
    bench.end('b', 'c');
    // b and c have not been taken; d is the first in order, and does not end.
    bench.end('e');
    await turn();
    expect(started).to.eql(['a', 'b', 'c', 'd', 'e', 'f']);
    bench.end('f');
    await turn();
    expect(started).to.have.lengthOf(6);
    expect((await results.next()).value).to.equal('b');
    await turn();
    expect(started.at(-1)).to.equal('g');
    await results.return!();
  });

  it('a job that expires as another ends leaves room for the next item', () => {
    marbles(({ expectObservable }) => {
      const work = (job: string) => timer(job === 'a1' ? 7 : 3).pipe(map(() => job));
      const config = { workers: 2, buffer: 0, ttl: 4, queue: byKey((job: string) => job[0]), ordered: true };
      const result = pullFrom(['b0', 'a1', 'a2', 'c3', 'c4']).pipe(workerPool(work, config));
      // a2 has waited for a1 since 3, and both end at 7.
      expectObservable(result).toBe('---b---a--c--(d|)', { b: 'b0', a: 'a1', c: 'c3', d: 'c4' });
    });
  });

  it('false is as if it were not there', () => {
    const { work, ...bench } = parts();
    const log = told(from(['a', 'b']).pipe(workerPool(work, { workers: 2, buffer: 0, ordered: false })));
    bench.end('b', 'a');
    expect(log).to.eql(['b', 'a', 'complete']);
  });

  it('is refused with priorities, which it contradicts, and where it is no boolean', () => {
    const config = { workers: 2, buffer: 2, ordered: true };
    const priority = byPriority<string>(() => 0);
    for (const queue of [priority, byKey<string>((job) => job, { lane: priority })]) {
      expect(() => workerPool(of, { ...config, queue })).to.throw(
        TypeError,
        'ordered is true, and queue goes by priority',
      );
    }
    expect(() => workerPool(of, { ...config, ordered: 1 as never })).to.throw(TypeError, 'ordered must be a boolean');
    expect(() => workerPool(of, { ...config, ordered: false, queue: priority })).not.to.throw();
  });

  it('jobs that complete at once run on a flat stack, behind one that does not', () => {
    const first = new Subject<string>();
    const count = 20_000;
    const log: unknown[] = [];
    from(Array.from({ length: count }, (_, i) => i))
      .pipe(
        workerPool((i: number): Observable<unknown> => (i === 0 ? first : i % 2 === 0 ? EMPTY : of(i)), {
          workers: 2,
          buffer: Infinity,
          ordered: true,
        }),
      )
      .subscribe((value) => log.push(value));
    expect(log).to.eql([]);
    first.complete();
    expect(log).to.have.lengthOf(count / 2);
  });
});

/** A bench whose members can be used without it. */
function parts(): {
  work: Bench['work'];
  started: string[];
  emit: Bench['emit'];
  end: Bench['end'];
  fail: Bench['fail'];
} {
  const bench = new Bench();
  return {
    work: bench.work,
    started: bench.started,
    emit: (name, value) => bench.emit(name, value),
    end: (...names) => bench.end(...names),
    fail: (name) => bench.fail(name),
  };
}
