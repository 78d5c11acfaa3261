import { expect } from 'chai';
import { Observable, of, throwError } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { adaptiveWorkers } from '../src/adaptive/index.js';
import type { AdaptiveWorkers, AdaptiveWorkersConfig } from '../src/adaptive/index.js';
import { BackgroundJobs, pullFrom, workerPool, workerPoolSettled } from '../src/index.js';
import type { JobContext, JobOutcome } from '../src/index.js';
import { Downstream } from './support/downstream.js';
import type { Service } from './support/downstream.js';
import { takeReported, turn } from './support/guard.js';
import { marbles } from './support/marbles.js';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const ALGORITHMS = ['aimd', 'gradient'] as const;

interface Run {
  readonly downstream: Downstream;
  /** Each limit, and since when it held. */
  readonly limits: readonly { readonly at: number; readonly limit: number }[];
  /** The mean of the limit over a time, in seconds. */
  mean(from: number, to: number): number;
}

/** A pool that always has a next job, on a service with a knee, for so many seconds. */
function simulate(config: Partial<AdaptiveWorkersConfig>, service: Service, seed: number, seconds: number): Run {
  const scheduler = new TestScheduler(() => undefined);
  const downstream = new Downstream(service, scheduler, seed);
  const limit = adaptiveWorkers({ min: 1, max: 200, ...config });
  const limits: { at: number; limit: number }[] = [];
  function* jobs(): Generator<number> {
    for (let job = 0; scheduler.now() < seconds * 1000; job++) yield job;
  }
  const work = (): Observable<number> => downstream.request();
  const pool = { workers: limit, hooks: limit, buffer: 0, scheduler };
  scheduler.run(() => {
    limit.subscribe((value) => limits.push({ at: scheduler.now(), limit: value }));
    // What is refused errors the results of workerPool, and is an outcome of workerPoolSettled.
    if (service.refusesBeyond === undefined) pullFrom(jobs()).pipe(workerPool(work, pool)).subscribe();
    else pullFrom(jobs()).pipe(workerPoolSettled(work, pool)).subscribe();
  });
  const mean = (from: number, to: number): number => {
    let sum = 0;
    limits.forEach(({ at, limit: value }, i) => {
      const until = limits[i + 1]?.at ?? Infinity;
      sum += value * Math.max(0, Math.min(until, to * 1000) - Math.max(at, from * 1000));
    });
    return sum / (to - from) / 1000;
  };
  return { downstream, limits, mean };
}

/** What a pool tells of jobs, by hand. */
class Told {
  readonly limits: number[] = [];
  readonly workers: AdaptiveWorkers;
  #next = 0;

  constructor(workers: AdaptiveWorkers) {
    this.workers = workers;
    workers.subscribe((limit) => this.limits.push(limit));
  }

  get limit(): number {
    return this.limits.at(-1)!;
  }

  start(count = 1): number[] {
    return Array.from({ length: count }, () => {
      this.workers.started!(0, { attempt: 1 } as JobContext, this.#next);
      return this.#next++;
    });
  }

  end(id: number, rest: object): void {
    const outcome = { job: 0, id, attempts: 1, queuedFor: 0, ranFor: 10, ...rest };
    this.workers.settled!(outcome as JobOutcome<unknown, unknown>);
    this.workers.released!(0, id);
  }

  /** As many jobs at once, all of which end so; `times` over. */
  batch(count: number, rest: object = completed, times = 1): void {
    for (let i = 0; i < times; i++) for (const id of this.start(count)) this.end(id, rest);
  }
}

const completed = { status: 'completed', value: undefined };
const failed = { status: 'failed', error: new Error('too much') };
const aborted = { status: 'aborted', reason: new Error('stop'), settled: true };

describe('adaptiveWorkers', () => {
  describe('the limit', () => {
    it('is emitted when subscribed, at each change, and to each subscriber', () => {
      const told = new Told(adaptiveWorkers({ min: 2, max: 8, initial: 4 }));
      told.batch(4, completed, 2);
      const later = new Told(told.workers);
      told.batch(8, failed);
      expect(told.limits).to.eql([4, 8, 6]);
      expect(later.limits).to.eql([8, 6]);
    });

    it('starts at min, and never leaves min and max', () => {
      for (const algorithm of ALGORITHMS) {
        const told = new Told(adaptiveWorkers({ min: 3, max: 10, algorithm }));
        for (let i = 0; i < 400; i++) told.batch(told.limit);
        expect([told.limits[0], told.limit], algorithm).to.eql([3, 10]);
        for (let i = 0; i < 100; i++) told.batch(told.limit, failed);
        expect(told.limit, algorithm).to.equal(3);
        for (const [i, limit] of told.limits.entries()) {
          expect(limit).to.be.within(3, 10);
          expect(Number.isInteger(limit)).to.be.true;
          expect(limit).not.to.equal(told.limits[i - 1]);
        }
      }
    });

    it('doubles round by round until the first overload, as the doc comment draws it, and then grows by one', () => {
      marbles(({ cold, expectObservable }) => {
        const limit = adaptiveWorkers({ min: 1, max: 8 });
        let jobs = 0;
        const work = (): Observable<never> => cold(++jobs === 20 ? '--#' : '--|');
        pullFrom(Array(100))
          .pipe(workerPoolSettled(work, { workers: limit, hooks: limit, buffer: 0 }))
          .subscribe();
        const values = { 1: 1, 2: 2, 4: 4, 6: 6, 7: 7, 8: 8 };
        expectObservable(limit, '^--------------------!').toBe('1-2---4---8-6---7---8', values);
      });
    });

    it('is told to every subscriber in the same order, also when one of them ends jobs in the middle of it', () => {
      const workers = adaptiveWorkers({ min: 1, max: 64 });
      let isFirst = true;
      workers.subscribe((limit) => {
        if (limit !== 2 || !isFirst) return;
        isFirst = false;
        new Told(workers).batch(2, completed, 4);
      });
      const told = new Told(workers);
      told.batch(1);
      expect(told.limits).to.eql([...told.limits].sort((a, b) => a - b));
      expect(told.limit).to.be.greaterThan(2);
    });

    it('never completes, and goes on without its subscribers', () => {
      const workers = adaptiveWorkers({ min: 1, max: 8 });
      let isComplete = false;
      workers.subscribe({ complete: () => (isComplete = true) }).unsubscribe();
      new Told(workers).batch(1, completed, 3);
      expect(new Told(workers).limit).to.be.greaterThan(1);
      expect(isComplete).to.be.false;
    });
  });

  for (const algorithm of ALGORITHMS) {
    describe(`'${algorithm}'`, () => {
      const make = (config: Partial<AdaptiveWorkersConfig> = {}): Told =>
        new Told(adaptiveWorkers({ min: 1, max: 100, initial: 20, algorithm, ...config }));

      it('backs off by a fifth at a failure', () => {
        const told = make();
        told.batch(1, failed);
        expect(told.limits).to.eql([20, 16]);
      });

      it('takes the failures of one burst as one overload', () => {
        const told = make();
        const ids = told.start(20);
        for (const id of ids) told.end(id, failed);
        expect(told.limits).to.eql([20, 16]);
        told.batch(1, failed);
        expect(told.limit).to.equal(12);
      });

      it('takes a failure under a lower limit of before as an overload too', () => {
        const told = make({ initial: 1 });
        const [slow] = told.start();
        for (let i = 0; i < 200; i++) told.batch(told.limit);
        expect(told.limit).to.equal(100);
        told.end(slow!, failed);
        expect(told.limit).to.equal(80);
      });

      it('goes on when an attempt of a round never ends', () => {
        const told = make();
        told.start();
        told.batch(told.limit, completed, 30);
        expect(told.limit).to.be.greaterThan(20);
      });

      it('goes on when most attempts of a round tell nothing', () => {
        const told = make({ isOverload: () => false });
        for (let i = 0; i < 100; i++) {
          const ids = told.start(told.limit);
          for (const id of ids) told.end(id, id % 3 === 0 ? completed : failed);
        }
        expect(told.limit).to.be.greaterThan(20);
      });

      it('tells the attempts of two pools apart, though their jobs have the same ids', () => {
        const workers = adaptiveWorkers({ min: 1, max: 100, initial: 20, algorithm });
        const [a, b] = [new Told(workers), new Told(workers)];
        const [first, second] = [a.start(10), b.start(10)];
        for (const id of first) a.end(id, completed);
        expect(a.limits).to.eql([20]);
        b.end(second[0]!, failed);
        expect(a.limits).to.eql([20, 16]);
        for (const id of second.slice(1)) b.end(id, failed);
        expect(a.limits).to.eql([20, 16]);
      });

      it('asks isOverload which failures count, and learns nothing from the others', () => {
        const told = make({ isOverload: (error) => error === 429 });
        told.batch(20, { status: 'failed', error: 404 }, 20);
        expect(told.limits).to.eql([20]);
        told.batch(1, { status: 'failed', error: 429 });
        expect(told.limits).to.eql([20, 16]);
      });

      it('learns nothing from aborts, drops and jobs that never ran', () => {
        const told = make();
        told.batch(20, aborted, 20);
        for (let i = 0; i < 400; i++) {
          const outcome = { job: 0, id: i, attempts: 0, queuedFor: 0, ranFor: 0 };
          told.workers.settled!({ ...outcome, status: 'dropped', reason: i % 2 ? 'full' : 'evicted' });
          told.workers.settled!({ ...outcome, status: 'aborted', reason: undefined, settled: true });
          told.workers.settled!({ ...outcome, status: 'failed', error: new Error('no key') });
        }
        expect(told.limits).to.eql([20]);
        told.batch(20, completed, 10);
        expect(told.limit).to.be.greaterThan(20);
      });

      it('does not grow while the limit is not reached', () => {
        const told = make();
        told.batch(19, completed, 100);
        expect(Math.max(...told.limits)).to.equal(20);
        expect(told.limit).to.equal(20);
      });

      it('takes each failed attempt as a failure, and the time of a retried job as none', () => {
        const told = make();
        const [id] = told.start();
        told.workers.retrying!(0, new Error('too much'), 1, id!);
        told.workers.released!(0, id!);
        expect(told.limits).to.eql([20, 16]);
        told.batch(16, { ...completed, attempts: 2, ranFor: 1e6 }, 100);
        expect(told.limits).to.eql([20, 16]);
      });

      it('is one limit for the pools that share it', () => {
        const workers = adaptiveWorkers({ min: 1, max: 100, initial: 20, algorithm });
        const [a, b] = [new Told(workers), new Told(workers)];
        a.batch(1, failed);
        b.batch(1, failed);
        expect(a.limits).to.eql([20, 16, 12]);
        expect(b.limits).to.eql(a.limits);
      });

      it('does not grow against a service that always refuses', () => {
        const { limits } = simulate({ algorithm, initial: 10 }, { knee: () => 1, refusesBeyond: 0 }, 1, 1);
        expect(limits.at(-1)!.limit).to.equal(1);
      });
    });
  }

  // Loss is all that AIMD sees: its service refuses what is a fifth over the knee. The gradient's never refuses.
  const services = {
    aimd: { service: { refusesBeyond: 1.2 }, within: 0.2 },
    gradient: { service: {}, within: 0.3 },
  } as const;
  for (const algorithm of ALGORITHMS) {
    const { service, within } = services[algorithm];
    describe(`'${algorithm}' on a service with a knee, for ten seeds`, () => {
      it(`settles within ${within * 100} % of the knee, from below and from far above`, () => {
        for (const seed of SEEDS) {
          for (const initial of [1, 100]) {
            const knee = 8 + 3 * seed;
            const run = simulate({ algorithm, initial }, { ...service, knee: () => knee }, seed, 12);
            const ratio = run.mean(7, 12) / knee;
            expect(ratio, `seed ${seed}, from ${initial}`).to.be.within(1 - within, 1 + within);
          }
        }
      });

      it('follows the knee when it moves up and down', () => {
        const knee = (now: number): number => (now < 8000 ? 20 : now < 18_000 ? 50 : 10);
        for (const seed of SEEDS) {
          const run = simulate({ algorithm }, { ...service, knee }, seed, 28);
          const means = [run.mean(5, 8) / 20, run.mean(14, 18) / 50, run.mean(22, 28) / 10];
          for (const [i, mean] of means.entries())
            expect(mean, `seed ${seed}, part ${i + 1}`).to.be.within(1 - within, 1 + within);
        }
      });

      it('keeps the service as busy as it can be', () => {
        for (const seed of SEEDS) {
          const { downstream } = simulate({ algorithm }, { ...service, knee: () => 20 }, seed, 20);
          // 20 at once, 50 ms each, for 20 seconds, in the first three of which the limit grows.
          expect(downstream.served, `seed ${seed}`).to.be.within(0.8 * 8000, 8100);
        }
      });
    });
  }

  describe(`'gradient'`, () => {
    it('settles at about tolerance times the knee', () => {
      for (const tolerance of [1, 1.5, 2]) {
        const { mean } = simulate({ algorithm: 'gradient', tolerance }, { knee: () => 30 }, 1, 30);
        expect(mean(20, 30) / 30 / tolerance, String(tolerance)).to.be.within(0.85, 1.2);
      }
    });

    it('does not creep up under a load that never pauses', () => {
      const { mean } = simulate({ algorithm: 'gradient' }, { knee: () => 20 }, 1, 150);
      expect(mean(100, 150) / 20).to.be.within(0.7, 1.3);
    });

    it('learns anew what an attempt takes, when all of them get slower or faster', () => {
      const time = (now: number): number => (now < 5000 ? 50 : now < 20_000 ? 150 : 25);
      for (const seed of SEEDS) {
        const run = simulate({ algorithm: 'gradient' }, { knee: () => 20, time }, seed, 28);
        expect(run.mean(14, 20) / 20, `slower, seed ${seed}`).to.be.within(0.7, 1.3);
        expect(run.mean(24, 28) / 20, `faster, seed ${seed}`).to.be.within(0.7, 1.3);
      }
    });

    it('begins with the time without a queue, for which it halves the limit until attempts are no faster', () => {
      const told = new Told(adaptiveWorkers({ min: 1, max: 100, initial: 80, algorithm: 'gradient' }));
      // A service that serves 12 at once, each in 10 ms.
      const play = (): void => told.batch(told.limit, { ...completed, ranFor: (10 * Math.max(12, told.limit)) / 12 });
      for (let i = 0; i < 40; i++) play();
      expect(told.limits.slice(0, 6)).to.eql([80, 40, 20, 10, 5, 13]);
      expect(told.limits.slice(5, 12).every((limit) => limit >= 12 && limit <= 15)).to.be.true;
    });

    it('begins anew with that where an overload comes before it is known', () => {
      const told = new Told(adaptiveWorkers({ min: 1, max: 100, initial: 50, algorithm: 'gradient' }));
      told.batch(50, completed, 2);
      expect(told.limits).to.eql([50, 25]);
      told.batch(1, failed);
      expect(told.limits).to.eql([50, 25, 40]);
      for (let i = 0; i < 20; i++) told.batch(told.limit, completed);
      expect(told.limits.slice(2, 5)).to.eql([40, 20, 40]);
      expect(told.limit).to.be.greaterThan(40);
    });

    it('measures the time without a queue again from time to time', () => {
      const told = new Told(adaptiveWorkers({ min: 1, max: 100, algorithm: 'gradient' }));
      // A service that serves 12 at once.
      const play = (ms: number): void =>
        told.batch(told.limit, { ...completed, ranFor: (ms * Math.max(12, told.limit)) / 12 });
      for (let i = 0; i < 1000; i++) play(10);
      for (let i = 0; i < 3000; i++) play(7);
      expect(told.limits.slice(-30).every((limit) => limit <= 15)).to.be.true;
    });

    it('takes what it measures for the time without a queue, once half of the limit has not helped', () => {
      const told = new Told(adaptiveWorkers({ min: 1, max: 100, algorithm: 'gradient' }));
      told.batch(1, failed); // No doubling from here on.
      for (let i = 0; i < 1000; i++) told.batch(told.limit);
      expect(told.limit).to.equal(100);
      const before = told.limits.length;
      for (let i = 0; i < 1000; i++) told.batch(told.limit, { ...completed, ranFor: 14 });
      expect(Math.min(...told.limits.slice(before))).to.be.within(20, 30);
      expect(told.limit).to.equal(100);
    });

    it('bears attempts that take no time', () => {
      const told = new Told(adaptiveWorkers({ min: 1, max: 16, algorithm: 'gradient' }));
      for (let i = 0; i < 500; i++) told.batch(told.limit, { ...completed, ranFor: 0 });
      expect(Math.max(...told.limits)).to.equal(16);
    });
  });

  describe('as hooks', () => {
    it('are accepted by a pool, and only count: a failure is reported as it is without them', async () => {
      const workers = adaptiveWorkers({ min: 1, max: 4, initial: 4 });
      const jobs = new BackgroundJobs((n: number) => throwError(() => new Error(String(n))), {
        workers: 1,
        buffer: 1,
        hooks: workers,
      });
      jobs.offer(1);
      await turn();
      expect(takeReported().map((error) => (error as Error).name)).to.eql(['JobFailedError']);
      expect(new Told(workers).limit).to.equal(3);
      await jobs.shutdown();
    });

    it('have counted down when results are unsubscribed in the middle', () => {
      const workers = adaptiveWorkers({ min: 1, max: 64, initial: 4 });
      const results = of(1, 2, 3, 4).pipe(
        workerPool(() => new Observable<never>(), { workers: 4, buffer: 0, hooks: workers }),
      );
      for (let i = 0; i < 20; i++) results.subscribe().unsubscribe();
      const told = new Told(workers);
      told.batch(3, completed, 50); // If the 80 were still in flight, the limit would be reached.
      expect(told.limits).to.eql([4]);
    });

    it('work on a copy, and apart from their object', () => {
      const workers = adaptiveWorkers({ min: 1, max: 8 });
      const { started, settled, released } = workers;
      const told = new Told(
        Object.assign(new Observable<number>(), { started: started!, settled: settled!, released: released! }),
      );
      const limits = new Told(workers);
      told.batch(1);
      expect(limits.limits).to.eql([1, 2]);
    });
  });

  describe('options', () => {
    const ok = { min: 1, max: 8 };
    const make = (config: unknown) => () => adaptiveWorkers(config as AdaptiveWorkersConfig);

    for (const [name, config, type, message] of [
      ['no config', undefined, TypeError, `adaptiveWorkers's config must be an object of options`],
      ['a list', [1, 2], TypeError, 'but is an array'],
      ['no min', { max: 8 }, TypeError, 'min must be an integer ≥ 1, but is undefined'],
      ['a min of 0', { ...ok, min: 0 }, RangeError, 'min must be an integer ≥ 1, but is 0'],
      ['an endless min', { ...ok, min: Infinity }, RangeError, 'min must be an integer ≥ 1, but is Infinity'],
      ['a function', { ...ok, min: () => 1 }, TypeError, 'min must be an integer ≥ 1, but is a function'],
      ['an object', { ...ok, min: {} }, TypeError, 'min must be an integer ≥ 1, but is an object'],
      ['half a min', { ...ok, min: 1.5 }, RangeError, 'min must be an integer ≥ 1, but is 1.5'],
      ['a string', { ...ok, max: '8' }, TypeError, `max must be an integer ≥ min (1), or Infinity, but is '8'`],
      ['a max below min', { min: 4, max: 3 }, RangeError, 'max must be an integer ≥ min (4), or Infinity, but is 3'],
      ['a max of NaN', { ...ok, max: NaN }, RangeError, 'but is NaN'],
      [
        'initial outside',
        { ...ok, initial: 9 },
        RangeError,
        'initial must be an integer from min to max (1 to 8), but is 9',
      ],
      [
        'an algorithm',
        { ...ok, algorithm: 'vegas' },
        TypeError,
        `algorithm must be 'aimd' or 'gradient', but is 'vegas'`,
      ],
      [
        'tolerance',
        { ...ok, algorithm: 'gradient', tolerance: 0.9 },
        RangeError,
        'tolerance must be a number ≥ 1, but is 0.9',
      ],
      ['tolerance with aimd', { ...ok, tolerance: 2 }, TypeError, `tolerance (2) is of algorithm 'gradient' alone`],
      ['isOverload', { ...ok, isOverload: true }, TypeError, 'isOverload must be a function, but is true'],
      [
        'an unknown option',
        { ...ok, limit: 8 },
        TypeError,
        `adaptiveWorkers has no option 'limit': there are min, max`,
      ],
    ] as const) {
      it(`are refused by name and value: ${name}`, () => {
        expect(make(config)).to.throw(type, message);
      });
    }

    it('that are undefined are absent, and max may be Infinity', () => {
      const options = { initial: undefined, algorithm: undefined, tolerance: undefined, isOverload: undefined };
      expect(new Told(adaptiveWorkers({ min: 2, max: Infinity, ...options })).limits).to.eql([2]);
    });
  });
});
