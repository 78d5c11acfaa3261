import { expect } from 'chai';
import { concat, map, NEVER, Observable, of, Subject, throwError, timer, VirtualTimeScheduler } from 'rxjs';
import { BackgroundJobs, PoolMonitor, workerPool, workerPoolSettled } from '../src/index.js';
import type { JobHooks, JobOutcome, MonitorStats, ShutdownLevel } from '../src/index.js';
import { Accounts } from './support/accounts.js';
import { Held } from './support/deferred.js';
import { takeReported, turn } from './support/guard.js';
import { marbles } from './support/marbles.js';
import { isPossible } from './support/policies.js';

const NONE = { count: 0, mean: 0, max: 0, p50: 0, p99: 0 };

/** Pseudo-random integers, the same in each run. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => Math.floor(((state = (state * 48271) % 2147483647) / 2147483647) * below);
}

/** What does not balance. */
function breachesOf(stats: MonitorStats): string[] {
  const { offered, accepted, refused, completed, failed, evicted, aborted, queued, delayed, running } = stats;
  const breaches: string[] = [];
  if (offered !== accepted + refused) breaches.push('offered');
  if (accepted !== completed + failed + evicted + aborted + queued + delayed + running) breaches.push('accepted');
  const counts = Object.entries(stats).filter(([, count]) => typeof count === 'number');
  for (const [name, count] of counts) if (count < 0) breaches.push(`${name} ${count}`);
  return breaches;
}

/** By the nearest rank. */
function exact(durations: readonly number[], quantile: number): number {
  const sorted = Float64Array.from(durations).sort();
  return sorted[Math.ceil(quantile * sorted.length) - 1]!;
}

function expectSummary(told: MonitorStats['ranFor'], durations: readonly number[]): void {
  const sum = durations.reduce((a, b) => a + b, 0);
  expect([told.count, told.max]).to.eql([durations.length, Math.max(...durations)]);
  expect(told.mean).to.be.closeTo(sum / durations.length, 1e-9 * sum);
  for (const [percentile, quantile] of [
    [told.p50, 0.5],
    [told.p99, 0.99],
  ] as const) {
    // prettier-ignore
    const right = exact(durations, quantile);
    expect(percentile, String(quantile)).to.be.closeTo(right, 0.01 * right);
  }
}

/** Tells `monitor` of a job that took that long. */
function tell(monitor: PoolMonitor, queuedFor: number, ranFor: number): void {
  monitor.accepted(0);
  monitor.started(0, { attempt: 1 });
  monitor.settled({ status: 'completed', job: 0, id: 0, value: 0, attempts: 1, queuedFor, ranFor });
  monitor.released(0);
}

describe('PoolMonitor', () => {
  describe('stats', () => {
    it('are nothing at first', () => {
      const counts = { offered: 0, accepted: 0, refused: 0, completed: 0, failed: 0, evicted: 0, aborted: 0 };
      const now = { queued: 0, delayed: 0, running: 0, lingering: 0, queuedFor: NONE, ranFor: NONE };
      expect(new PoolMonitor().stats).to.eql({ ...counts, ...now });
    });

    it('count what becomes of each job', () => {
      const monitor = new PoolMonitor<string, unknown>();
      const held = new Held<string>();
      const source = new Subject<string>();
      const shutdown = new Subject<ShutdownLevel>();
      const config = { workers: 2, buffer: 1, overflow: 'drop-oldest', shutdown, hooks: monitor } as const;
      workerPoolSettled(held.streams, config)(source).subscribe();
      for (const job of ['a', 'b', 'c', 'd']) source.next(job);
      const four = { offered: 4, accepted: 4, refused: 0, evicted: 1 };
      expect(monitor.stats).to.include({ ...four, queued: 1, running: 2, lingering: 0, completed: 0 });
      held.complete('a');
      held.fail('b', new Error('b'));
      expect(monitor.stats).to.include({ ...four, queued: 0, running: 1, completed: 1, failed: 1 });
      shutdown.next('abort');
      expect(monitor.stats).to.include({ ...four, queued: 0, running: 0, completed: 1, failed: 1, aborted: 1 });
      expect(monitor.stats).to.include({ lingering: 0, delayed: 0 });
    });

    it('count those that never had a place as refused, and no time for them', () => {
      const monitor = new PoolMonitor();
      const config = { workers: 1, buffer: 0, overflow: 'drop-incoming', hooks: monitor } as const;
      of(1, 2, 3)
        .pipe(workerPool(() => NEVER, config))
        .subscribe()
        .unsubscribe();
      expect(monitor.stats).to.include({ offered: 3, accepted: 1, refused: 2, aborted: 1 });
      expect([monitor.stats.queuedFor.count, monitor.stats.ranFor.count]).to.eql([1, 1]);
    });

    it('count a job between two attempts as delayed, and its slot as lingering until it is free', () => {
      const monitor = new PoolMonitor();
      const seen: unknown[] = [];
      const look = (): void => {
        const { queued, delayed, running, lingering } = monitor.stats;
        expect(breachesOf(monitor.stats)).to.eql([]);
        seen.push([queued, delayed, running, lingering].join(' '));
      };
      const outcome = { job: 1, id: 0, queuedFor: 0, ranFor: 0 };
      monitor.accepted(1);
      look();
      monitor.started(1, { attempt: 1 });
      look();
      monitor.retrying(1);
      look();
      monitor.released(1);
      look();
      monitor.started(1, { attempt: 2 });
      look();
      monitor.retrying(1);
      monitor.released(1);
      monitor.settled({ ...outcome, status: 'dropped', reason: 'shutdown', attempts: 2 });
      look();
      expect(seen).to.eql(['1 0 0 0', '0 0 1 0', '0 1 0 1', '0 1 0 0', '0 0 1 0', '0 0 0 0']);
      expect(monitor.stats).to.include({ accepted: 1, evicted: 1 });
    });

    for (const overflow of ['error', 'drop-incoming', 'drop-oldest', 'replace-newest', 'clear'] as const) {
      it(`obey the law at every hook, and are what a ledger of the jobs says: ${overflow}`, () => {
        for (let seed = 1; seed <= 40; seed++) {
          const random = randomFrom(seed * 7919);
          const workers = 1 + random(3);
          const bounds = { workers, buffer: isPossible({ buffer: 0, overflow }) ? random(4) : 1 + random(3) };
          const monitor = new PoolMonitor<number, unknown>();
          const accounts = new Accounts<number, unknown>(bounds);
          const wrong: string[] = [];
          let looks = 0;
          const look = (): void => {
            looks++;
            const { stats } = monitor;
            wrong.push(...breachesOf(stats));
            for (const name of ['offered', 'refused', 'completed', 'failed', 'evicted', 'aborted'] as const)
              if (stats[name] !== accounts[name]) wrong.push(name);
            if (stats.accepted !== accounts.admitted) wrong.push('admitted');
            if (stats.queued !== accounts.queued.size) wrong.push('waiting');
            if (stats.running !== accounts.running.size) wrong.push('running');
            if (stats.running + stats.lingering > bounds.workers) wrong.push('slots');
          };
          const looking: JobHooks<number, unknown> = {
            accepted: look,
            started: look,
            settled: look,
            released: look,
          };
          const held = new Held<number>();
          const source = new Subject<number>();
          const shutdown = new Subject<ShutdownLevel>();
          const form = random(2) === 0 ? workerPool : workerPoolSettled;
          const pool = form<number, unknown>(
            (n, context) => (look(), random(3) === 0 ? of(n) : held.streams(n, context)),
            { ...bounds, overflow: overflow, shutdown, hooks: [monitor, accounts, looking] },
          );
          const results = pool(source).subscribe({ next: look, error: look, complete: look });
          for (let job = 0; job < 60; job++) {
            if (random(3) > 0) source.next(job);
            const runs = held.called.filter((one) => held.runs(one));
            if (random(2) > 0 && runs.length > 0) {
              if (random(15) === 0) held.fail(runs[random(runs.length)]!, new Error('job'));
              else held.complete(runs[random(runs.length)]!);
            }
            if (random(200) === 0) shutdown.next((['drain', 'discard', 'abort', 'abandon'] as const)[random(4)]!);
            look();
          }
          results.unsubscribe();
          look();
          expect([wrong, accounts.breaches]).to.eql([[], []]);
          expect(looks).to.be.greaterThan(60);
          expect(monitor.stats).to.include({ queued: 0, running: 0, delayed: 0, lingering: 0 });
        }
      });
    }

    it('of several pools add up', () => {
      const monitor = new PoolMonitor();
      const held = [new Held<number>(), new Held<number>()];
      const pools = held.map(({ streams }) =>
        of(1, 2, 3)
          .pipe(workerPool(streams, { workers: 1, buffer: 2, hooks: [{}, monitor] }))
          .subscribe(),
      );
      expect(monitor.stats).to.include({ offered: 6, accepted: 6, queued: 4, running: 2 });
      held[0]!.complete(1);
      expect(monitor.stats).to.include({ completed: 1, queued: 3, running: 2 });
      for (const pool of pools) pool.unsubscribe();
      expect(monitor.stats).to.include({ completed: 1, aborted: 2, evicted: 3, queued: 0, running: 0, lingering: 0 });
    });
  });

  describe('queuedFor and ranFor', () => {
    it('are how long jobs waited and ran, within 1 %: one worker and a burst', () => {
      const random = randomFrom(5);
      const scheduler = new VirtualTimeScheduler();
      const monitor = new PoolMonitor<number, unknown>();
      const runs = Array.from({ length: 500 }, () => 1 + random(50));
      const waits = runs.map((_, i) => runs.slice(0, i).reduce((a, b) => a + b, 0));
      const work = (n: number): Observable<number> => timer(runs[n]!, scheduler);
      of(...runs.keys())
        .pipe(workerPool(work, { workers: 1, buffer: Infinity, scheduler, hooks: monitor }))
        .subscribe();
      scheduler.flush();
      expectSummary(monitor.stats.ranFor, runs);
      expectSummary(monitor.stats.queuedFor, waits);
    });

    for (const [kind, durationOf] of [
      ['milliseconds', (random: (below: number) => number) => random(5000)],
      ['less than a millisecond', (random: (below: number) => number) => (2 + random(998)) / 1000],
      ['mostly nothing', (random: (below: number) => number) => Math.max(0, random(100) - 80)],
      ['of any size', (random: (below: number) => number) => 10 ** (random(1100) / 100 - 2.5)],
    ] as const) {
      it(`are right within 1 %: ${kind}`, () => {
        const random = randomFrom(3);
        const monitor = new PoolMonitor();
        const waits = Array.from({ length: 3000 }, () => durationOf(random));
        const runs = waits.map(() => durationOf(random));
        for (const [i, wait] of waits.entries()) tell(monitor, wait, runs[i]!);
        expectSummary(monitor.stats.queuedFor, waits);
        expectSummary(monitor.stats.ranFor, runs);
      });
    }

    it('take no more memory, however many jobs there are', () => {
      const monitor = new PoolMonitor();
      const size = (): number => {
        const seen = new Set<unknown>();
        const visit = (value: unknown): void => {
          if (typeof value !== 'object' || value === null || seen.has(value)) return;
          seen.add(value);
          if (ArrayBuffer.isView(value)) seen.add(value.byteLength);
          else Object.values(value).forEach(visit);
        };
        visit(monitor);
        return seen.size;
      };
      tell(monitor, 1, 1);
      const before = size();
      for (let i = 1; i < 1e5; i++) tell(monitor, i % 777, i % 7777);
      expect(size()).to.equal(before);
      expect(monitor.stats.ranFor.count).to.equal(1e5);
    });
  });

  describe('stats$', () => {
    const accepted = ({ accepted: count }: MonitorStats): string => String(count);

    it('are told at once, and then at most once in the interval, and never while nothing changes', () =>
      marbles(({ cold, expectObservable }) => {
        const monitor = new PoolMonitor({ interval: 10 });
        const changes = ' ---a--a--------a 33ms a';
        const expected = '0------------2---------3 35ms 4';
        cold(changes).subscribe((job) => monitor.accepted(job));
        expectObservable(monitor.stats$.pipe(map(accepted))).toBe(expected);
      }));

    it('are told each interval while all the time something changes: with what holds then', () =>
      marbles(({ cold, expectObservable }) => {
        const monitor = new PoolMonitor({ interval: 5 });
        const changes = ' -a-a-a-a-a----';
        const expected = '0-----3----5--';
        cold(changes).subscribe((job) => monitor.accepted(job));
        expectObservable(monitor.stats$.pipe(map(accepted)), '--------------!').toBe(expected);
      }));

    it('are told a second after a change by default', () =>
      marbles(({ cold, expectObservable }) => {
        const monitor = new PoolMonitor();
        cold('-a').subscribe((job) => monitor.accepted(job));
        expectObservable(monitor.stats$.pipe(map(accepted))).toBe('0 1000ms 1');
      }));

    it('are told in the frame of the change where the interval is 0, but not in the change', () => {
      const scheduler = new VirtualTimeScheduler();
      const monitor = new PoolMonitor({ interval: 0, scheduler });
      const seen: string[] = [];
      monitor.stats$.subscribe((stats) => seen.push(accepted(stats)));
      monitor.accepted(1);
      monitor.accepted(2);
      expect(seen).to.eql(['0']);
      scheduler.flush();
      expect([seen, scheduler.frame]).to.eql([['0', '2'], 0]);
    });

    for (const event of ['accepted', 'started', 'retrying', 'settled', 'released'] as const) {
      it(`are told after each kind of change: ${event}`, () => {
        const scheduler = new VirtualTimeScheduler();
        const monitor = new PoolMonitor({ interval: 10, scheduler });
        let told = 0;
        monitor.stats$.subscribe(() => told++);
        const outcome = {
          status: 'dropped',
          reason: 'full',
          job: 1,
          id: 0,
          attempts: 0,
          queuedFor: 0,
          ranFor: 0,
        } as const;
        if (event === 'settled') monitor.settled(outcome);
        else if (event === 'started') monitor.started(1, { attempt: 1 });
        else monitor[event](1);
        scheduler.flush();
        expect(told).to.equal(2);
      });
    }

    it('keep a timer only after a change, and only while somebody listens', () => {
      const scheduler = new VirtualTimeScheduler();
      const timers = (): number => scheduler.actions.length;
      const monitor = new PoolMonitor({ interval: 10, scheduler });
      monitor.accepted(1);
      expect(timers()).to.equal(0);
      const listening = monitor.stats$.subscribe();
      expect(timers()).to.equal(0);
      monitor.accepted(2);
      monitor.accepted(3);
      expect(timers()).to.equal(1);
      scheduler.flush();
      expect(timers()).to.equal(0);
      listening.unsubscribe();
      monitor.accepted(4);
      expect(timers()).to.equal(0);
    });

    it('are told once, at once, where the interval is Infinity', async () => {
      const monitor = new PoolMonitor({ interval: Infinity });
      let told = 0;
      const listening = monitor.stats$.subscribe(() => told++);
      const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
      const before = timers();
      monitor.accepted(1);
      expect(timers()).to.equal(before);
      for (let i = 0; i < 5; i++) await turn();
      listening.unsubscribe();
      expect(told).to.equal(1);
    });

    for (const interval of [2 ** 31, 2 ** 33 + 5]) {
      it(`are told when the interval is over, and not at once because it is long: ${interval}`, async () => {
        const scheduler = new VirtualTimeScheduler();
        const virtual = new PoolMonitor({ interval, scheduler });
        const at: number[] = [];
        virtual.stats$.subscribe(() => at.push(scheduler.frame));
        virtual.accepted(1);
        scheduler.flush();
        expect(at).to.eql([0, interval]);
        const real = new PoolMonitor({ interval });
        let told = 0;
        const listening = real.stats$.subscribe(() => told++);
        real.accepted(1);
        for (let i = 0; i < 5; i++) await turn();
        listening.unsubscribe();
        expect(told).to.equal(1);
      });
    }

    it('are timed for each listener, and go on when a pool has ended', () => {
      const scheduler = new VirtualTimeScheduler();
      const monitor = new PoolMonitor<number, number>({ interval: 10, scheduler });
      const seen: string[] = [];
      const log = (name: string) => (stats: MonitorStats) =>
        seen.push(`${name} ${scheduler.frame}: ${stats.completed}`);
      monitor.stats$.subscribe({ next: log('a'), complete: () => seen.push('complete') });
      of(1)
        .pipe(workerPool((n) => of(n), { workers: 1, buffer: 0, hooks: monitor }))
        .subscribe();
      scheduler.schedule(() => monitor.stats$.subscribe(log('b')), 5);
      scheduler.schedule(() => void monitor.accepted(1), 7);
      scheduler.flush();
      expect(seen).to.eql(['a 0: 0', 'b 5: 1', 'a 10: 1', 'b 17: 1']);
    });
  });

  describe('outcomes$', () => {
    it('are those of the jobs, of every kind, from now on and without an end', () => {
      const monitor = new PoolMonitor<number, number>();
      const seen: string[] = [];
      const tellOf = (outcome: JobOutcome<number, number>): void =>
        void seen.push(`${outcome.job} ${outcome.status === 'dropped' ? outcome.reason : outcome.status}`);
      const work = (n: number): Observable<number> =>
        n === 2 ? throwError(() => new Error('2')) : n < 4 ? of(n) : NEVER;
      const pool = workerPoolSettled(work, { workers: 1, buffer: 1, overflow: 'drop-oldest', hooks: monitor });
      of(0).pipe(pool).subscribe();
      monitor.outcomes$.subscribe({ next: tellOf, complete: () => seen.push('complete') });
      concat(of(1, 2, 3, 4, 5, 6), NEVER)
        .pipe(pool)
        .subscribe()
        .unsubscribe();
      expect(seen).to.eql(['1 completed', '2 failed', '3 completed', '5 evicted', '4 aborted', '6 shutdown']);
    });

    it('are the very ones that downstream is told', () => {
      const monitor = new PoolMonitor<number, number | undefined>();
      const hooked: JobOutcome<number, number | undefined>[] = [];
      const results: JobOutcome<number, number | undefined>[] = [];
      monitor.outcomes$.subscribe((outcome) => hooked.push(outcome));
      of(1, 2)
        .pipe(workerPoolSettled((n) => of(n), { workers: 1, buffer: 1, hooks: monitor }))
        .subscribe((outcome) => results.push(outcome));
      expect(hooked.length).to.equal(2);
      expect(hooked).to.eql(results);
    });

    it('are told when the accounts are right', () => {
      const monitor = new PoolMonitor<number, number>();
      const seen: number[] = [];
      monitor.outcomes$.subscribe(() => seen.push(monitor.stats.completed));
      of(1, 2)
        .pipe(workerPool((n) => of(n), { workers: 1, buffer: 1, hooks: monitor }))
        .subscribe();
      expect(seen).to.eql([1, 2]);
    });

    it('hurt nobody when a listener throws', async () => {
      const monitor = new PoolMonitor<number, number>();
      const seen: number[] = [];
      monitor.outcomes$.subscribe(() => {
        throw new Error('listener');
      });
      of(1, 2)
        .pipe(workerPool((n) => of(n), { workers: 1, buffer: 1, hooks: monitor }))
        .subscribe((n) => seen.push(n));
      await turn();
      expect([seen, takeReported().map(String)]).to.eql([
        [1, 2],
        ['Error: listener', 'Error: listener'],
      ]);
      expect(monitor.stats.completed).to.equal(2);
    });
  });

  describe('of a job that ends between two attempts', () => {
    const ends: Record<
      string,
      (wait: Subject<void>, caller: AbortController, jobs: BackgroundJobs<unknown, unknown>) => void
    > = {
      'its wait fails': (wait) => wait.error('no more'),
      'its wait ends without a value': (wait) => wait.complete(),
      'its caller gives up': (_wait, caller) => caller.abort('enough'),
      'it is cleared': (_wait, _caller, jobs) => void jobs.clear(),
    };
    for (const [title, end] of Object.entries(ends)) {
      it(`counts it as delayed no more: ${title}`, async () => {
        const monitor = new PoolMonitor();
        const wait = new Subject<void>();
        const caller = new AbortController();
        const fail = (): Observable<unknown> => throwError(() => 'no');
        const jobs = new BackgroundJobs(fail, { workers: 1, buffer: 1, retry: { delay: () => wait }, hooks: monitor });
        const result = jobs.submit(1, { signal: caller.signal }).catch(() => undefined);
        expect(monitor.stats).to.include({ delayed: 1, running: 0 });
        end(wait, caller, jobs);
        const { waiting: _waiting, workers: _workers, ...stats } = jobs.stats;
        expect(monitor.stats).to.include(stats);
        expect(stats).to.include({ delayed: 0, running: 0, lingering: 0 });
        await result;
        await jobs.shutdown();
      });
    }
  });

  describe('config', () => {
    const wrong: readonly (readonly [title: string, config: object, type: ErrorConstructor, message: string])[] = [
      ['an interval of -1', { interval: -1 }, RangeError, 'interval must be a number of milliseconds ≥ 0, or Infinity'],
      ['an interval of NaN', { interval: NaN }, RangeError, 'interval must be'],
      ["an interval of '5'", { interval: '5' }, TypeError, "but is '5'"],
      ['a scheduler that cannot schedule', { scheduler: { now: Date.now } }, TypeError, 'scheduler.schedule must be'],
      ['an unknown option', { intervall: 5 }, TypeError, "did you mean 'interval'?"],
    ];
    for (const [title, config, type, message] of wrong) {
      it(`is refused: ${title}`, () => {
        expect(() => new PoolMonitor(config)).to.throw(type, message);
      });
    }

    it('may be left out, or say undefined', () => {
      expect(new PoolMonitor({ interval: undefined, scheduler: undefined }).stats.offered).to.equal(0);
    });
  });
});
