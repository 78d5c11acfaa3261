import { createRequire } from 'node:module';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  BehaviorSubject,
  EMPTY,
  exhaustMap,
  finalize,
  from,
  lastValueFrom,
  mergeMap,
  NEVER,
  Observable,
  of,
  range,
  Subject,
  tap,
} from 'rxjs';
import type { ObservableInput, OperatorFunction } from 'rxjs';
import { workerPool } from '../src/index.js';
import type { Overflow } from '../src/index.js';
import { takeReported, turn } from './support/guard.js';
import {
  adapted,
  asConcatMap,
  asExhaustMap,
  asExhaustMapKeepingTheLast,
  asMergeMap,
  asMergeMapBehindABuffer,
  noDifferences,
  raw,
} from './support/oracles.js';
import type { Differences, Flatten } from './support/oracles.js';
import { programs } from './support/programs.js';
import type { Kind, Limits, Program } from './support/programs.js';
import { run, runWithPromises } from './support/runs.js';
import type { Contender, Tally } from './support/runs.js';
import { isPossible } from './support/policies.js';

/** Programs for each shape. RUNS=10000 is for the patient. */
const RUNS = Number(process.env['RUNS'] ?? 300);

interface Shape {
  readonly name: string;
  readonly limits: fc.Arbitrary<Limits>;
  readonly flatten: Flatten;
  /** RxJS's operator as it is and the pool may differ in a program that does this. The differences are deliberate. */
  readonly mayDiffer: (seen: Differences) => boolean;
}

function limits(workers: number[], buffer: number[], overflow: Overflow[]): fc.Arbitrary<Limits> {
  return fc
    .record({
      workers: fc.constantFrom(...workers),
      buffer: fc.constantFrom(...buffer),
      overflow: fc.constantFrom(...overflow),
    })
    .filter(isPossible);
}

const shapes: readonly Shape[] = [
  {
    name: 'mergeMap',
    limits: limits([1, 2, 3, Infinity], [Infinity], ['error']),
    flatten: asMergeMap,
    mayDiffer: ({ synchronous, closings }) => synchronous + closings > 0,
  },
  {
    name: 'concatMap',
    limits: limits([1], [Infinity], ['error']),
    flatten: asConcatMap,
    mayDiffer: ({ synchronous, closings }) => synchronous + closings > 0,
  },
  {
    name: 'exhaustMap',
    limits: limits([1], [0], ['drop-incoming']),
    flatten: asExhaustMap,
    mayDiffer: ({ aftermaths, closings }) => aftermaths + closings > 0,
  },
  {
    name: 'the exhaustMap that keeps the last',
    limits: limits([1], [1], ['drop-oldest']),
    flatten: asExhaustMapKeepingTheLast,
    mayDiffer: ({ synchronous, closings }) => synchronous + closings > 0,
  },
  {
    name: 'mergeMap behind a buffer',
    limits: limits([1, 2, 3], [0, 1, 2, 3], ['drop-incoming', 'drop-oldest', 'replace-newest', 'clear']),
    flatten: asMergeMapBehindABuffer,
    mayDiffer: () => true, // it is exact only with the adapter
  },
];

/** In real time, where promises settle, no settlement waits for a turn of the event loop (difference 9). */
const yieldAfter = Infinity;

const pool: Contender = ({ work }, limits) =>
  workerPool((id: number, { index }) => work(id, index), { ...limits, yieldAfter });

/** Pools that have to run as the bare one does. */
const watched: Record<string, Contender> = {
  'with hooks': ({ work }, limits) =>
    workerPool((id: number, { index }) => work(id, index), {
      ...limits,
      yieldAfter,
      hooks: { accepted() {}, started() {}, settled() {}, released() {} },
    }),
  'with signals': ({ work }, limits) =>
    workerPool((id: number, { index, signal }) => work(id, signal.aborted ? -1 : index), { ...limits, yieldAfter }),
};

/** What must have occurred, and not only been generated, over all programs. */
const FEATURES: readonly (readonly [feature: string, event: RegExp])[] = [
  ['1 worker', /^1 workers$/],
  ['2 workers', /^2 workers$/],
  ['3 workers', /^3 workers$/],
  ['Infinity workers', /^Infinity workers$/],
  ['a program compared with RxJS as it is', /^compared with RxJS/],
  ['a job starts', /^a job starts$/],
  ['a job waits', /^a job waits$/],
  ['a job is lost', /^a job is lost$/],
  ['a job starts inside the start of another', /^a job starts inside/],
  ['a plain synchronous job (of, array, iterable)', /^a plain job$/],
  ['a job completes inside its subscription', /^a job ends inside/],
  ['a job with several values', /^a job with several values$/],
  ['an empty job', /without a value$/],
  ['a job that never ends', /^a job that never ends$/],
  ['a job errors', /^a job errors$/],
  ['work throws', /^work throws$/],
  ['subscribe throws', /^a subscription throws$/],
  ['work returns what is no ObservableInput', /^work returns what/],
  ['an interop job', /^an interop job/],
  ['a promise, a thenable', /^a (promise|thenable)$/],
  ['a promise or thenable rejects', /rejects$/],
  ['a teardown function runs', /^a teardown function/],
  ['a finalizer runs that was added late', /^a finalizer added late/],
  ['a job goes on after its end', /^a job goes on/],
  ['a job sees that it is closed', /^a job sees/],
  ['a synchronous source sees that it is closed', /^a synchronous source sees/],
  ['the source is a Subject', /^a subject is/],
  ['the source is an Observable', /^a subscriber is/],
  ['the source emits inside its subscription', /^the source emits, from the source$/],
  ['the source emits at a frame', /^the source emits, from the timeline$/],
  ['the source emits from work', /^the source emits, from work$/],
  ['the source emits from the subscription of a job', /^the source emits, from the subscription/],
  ['the source emits from a job that has ended', /^the source emits, from a job that has ended$/],
  ['the source emits from downstream next', /^the source emits, from downstream next$/],
  ['the source emits from a finalizer', /^the source emits, from a finalizer$/],
  ['the source completes', /^the source completes, from the (source|timeline)$/],
  ['the source completes, re-entrantly', /^the source completes, from (?!the (source|timeline)$)/],
  ['the source errors', /^the source errors, from the (source|timeline)$/],
  ['the source errors, re-entrantly', /^the source errors, from (?!the (source|timeline)$)/],
  ['a job is ended by another, or by downstream', /^a job (is completed|errors), from (?!the timeline$)/],
  ['downstream unsubscribes in next', /^downstream unsubscribes, in downstream next$/],
  ['downstream unsubscribes in a synchronous emission', /^downstream leaves in the middle/],
  ['downstream unsubscribes in work', /^downstream unsubscribes, in work$/],
  ['downstream unsubscribes in a finalizer', /^downstream unsubscribes, in a finalizer$/],
  ['downstream unsubscribes at a frame', /^downstream unsubscribes, in the timeline$/],
  ['downstream throws', /^downstream throws$/],
  ['several running jobs are torn down at once', /^several running jobs/],
  ['the results are subscribed once more', /^the results are subscribed once more$/],
];

/** What has occurred, by shape. */
const tallies = new Map<string, Tally>();

function tallyOf(shape: Shape): Tally {
  const tally = tallies.get(shape.name) ?? new Map<string, number>();
  tallies.set(shape.name, tally);
  return tally;
}

function check(kind: Kind, shape: Shape, numRuns: number, test: (program: Program) => void): void {
  fc.assert(fc.property(programs(kind, shape.limits), test), { numRuns });
}

/** Fails with the first line that differs, and what came before it. */
function expectSameLog(actual: string, expected: string, whose: string): void {
  if (actual === expected) return;
  const lines = expected.split('\n');
  const ours = actual.split('\n');
  const at = lines.findIndex((line, i) => line !== ours[i]);
  const i = at === -1 ? lines.length : at;
  const tell = (sign: string, from: string[]): string[] => from.slice(i, i + 12).map((line) => `${sign} ${line}`);
  const story = [
    ...lines.slice(Math.max(0, i - 40), i).map((line) => `  ${line}`),
    ...tell('-', lines),
    ...tell('+', ours),
  ];
  throw new Error(`${whose} (+) leaves the log that is expected (-) in line ${i}:\n${story.join('\n')}`);
}

describe('workerPool equals RxJS', function () {
  this.timeout(20_000 + RUNS * 60);

  for (const shape of shapes) {
    describe(shape.name, () => {
      it('runs each program as RxJS does, watched or not', () => {
        const tally = tallyOf(shape);
        for (const kind of ['any', 'plain'] as const) {
          check(kind, shape, kind === 'any' ? RUNS : RUNS / 4, (program) => {
            const seen = noDifferences();
            const log = run(program, pool, tally);
            expectSameLog(log, run(program, adapted(shape.flatten, seen)), 'the pool');
            if (!shape.mayDiffer(seen)) {
              expectSameLog(log, run(program, raw(shape.flatten)), 'the pool, beside RxJS as it is,');
              tally.set('compared with RxJS as it is', (tally.get('compared with RxJS as it is') ?? 0) + 1);
            }
            for (const [which, contender] of Object.entries(watched)) {
              expectSameLog(run(program, contender), log, `the pool ${which}`);
            }
          });
        }
      });

      it('is compared through an adapter that changes nothing but what is meant', () => {
        for (const kind of ['any', 'plain'] as const) {
          check(kind, shape, RUNS / 4, (program) => {
            const seen = noDifferences();
            const log = run(program, adapted(shape.flatten, seen));
            if (!shape.mayDiffer(seen)) expectSameLog(log, run(program, raw(shape.flatten)), 'RxJS as it is');
          });
        }
      });

      it('runs promises and thenables as RxJS does', async () => {
        const tally = tallyOf(shape);
        await fc.assert(
          fc.asyncProperty(programs('promises', shape.limits), async (program) => {
            const seen = noDifferences();
            const log = await runWithPromises(program, pool, tally);
            expectSameLog(log, await runWithPromises(program, adapted(shape.flatten, seen)), 'the pool');
            if (!shape.mayDiffer(seen)) {
              expectSameLog(log, await runWithPromises(program, raw(shape.flatten)), 'the pool, beside RxJS as it is,');
            }
            for (const [which, contender] of Object.entries(watched)) {
              expectSameLog(await runWithPromises(program, contender), log, `the pool ${which}`);
            }
          }),
          { numRuns: RUNS / 4 },
        );
      });
    });
  }

  describe('in all these programs', () => {
    it('each of these has occurred', function () {
      // Only when mocha was told to run some of the shapes: then there is nothing to count for the others.
      if (shapes.some(({ name }) => !tallies.has(name))) this.skip();
      const rows = FEATURES.map(([feature, pattern]) => {
        const counts = [...tallies.values()].map((tally) => {
          const matching = [...tally].filter(([event]) => pattern.test(event));
          return matching.reduce((sum, [, count]) => sum + count, 0);
        });
        return { feature, counts };
      });
      const line = (feature: string, cells: unknown[]): string =>
        `    ${feature.padEnd(58)}${cells.map((cell) => String(cell).padStart(8)).join('')}`;
      const titles = ['merge', 'concat', 'exhaust', 'last', 'bounded'];
      console.log(['', line('', titles), ...rows.map(({ feature, counts }) => line(feature, counts))].join('\n'));
      const missing = rows.filter(({ counts }) => counts.every((count) => count === 0)).map(({ feature }) => feature);
      expect(missing, 'never occurred').to.deep.equal([]);
    });
  });
});

/** One way to run jobs, RxJS's or the pool's. */
type Operator = (work: (job: number) => ObservableInput<unknown>) => OperatorFunction<number, unknown>;

const asPool =
  (config: Limits): Operator =>
  (work) =>
    workerPool((job: number) => work(job), config);
const oneWorker: Limits = { workers: 1, buffer: Infinity, overflow: 'error' };
const exhausting: Limits = { workers: 1, buffer: 0, overflow: 'drop-incoming' };

describe('workerPool differs from RxJS on purpose', () => {
  it('1: any number of synchronous jobs runs on a flat stack', () => {
    /** How deep the stack is in the work of synchronous jobs that have waited for a slow one. */
    const depths = (operator: Operator, waiting: number, every = 1): number[] => {
      const found: number[] = [];
      const source = new Subject<number>();
      const first = new Subject<number>();
      const work = (job: number): Observable<number> => {
        if (job === 0) return first;
        if (job % every === 0) found.push(new Error().stack!.split('\n').length);
        return of(job);
      };
      source.pipe(operator(work)).subscribe();
      for (let job = 0; job <= waiting; job++) source.next(job);
      first.complete();
      return found;
    };
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = Infinity;
    try {
      // Some 800 of them overflow it, and then the results error or, as often, hang.
      const [one, two, three] = depths((work) => mergeMap(work, 1), 3);
      expect(two! - one!).to.be.above(5);
      expect(three! - two!).to.equal(two! - one!);
      const flat = depths(asPool(oneWorker), 20_000, 1_000);
      expect(flat).to.have.lengthOf(20);
      expect(new Set(flat).size).to.equal(1);
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  });

  it("2: a job's finalizer has run before the next waiting job starts, also when the job completes synchronously", () => {
    const play = (operator: Operator): string[] => {
      const log: string[] = [];
      const source = new Subject<number>();
      const work = (job: number): Observable<never> => {
        log.push(`start ${job}`);
        if (job === 0) source.next(1); // waits
        return EMPTY.pipe(finalize(() => log.push(`finalize ${job}`)));
      };
      source.pipe(operator(work)).subscribe();
      source.next(0);
      return log;
    };
    expect(play((work) => mergeMap(work, 1))).to.deep.equal(['start 0', 'start 1', 'finalize 1', 'finalize 0']);
    expect(play(asPool(oneWorker))).to.deep.equal(['start 0', 'finalize 0', 'start 1', 'finalize 1']);
  });

  it('3: the exhaustMap shape frees its slot as mergeMap does, finalizers first', () => {
    const play = (operator: Operator): string[] => {
      const log: string[] = [];
      const source = new Subject<number>();
      const end = new Subject<never>();
      const work = (job: number): Observable<never> => {
        log.push(`start ${job}`);
        return end.pipe(
          finalize(() => {
            log.push(`finalize ${job} {`);
            if (job === 0) source.next(1);
            log.push('}');
          }),
        );
      };
      source.pipe(operator(work)).subscribe({ complete: () => log.push('complete') });
      source.next(0);
      end.complete();
      source.complete();
      return log;
    };
    const emptying = ['finalize 0 {', '}'];
    expect(play((work) => exhaustMap(work))).to.deep.equal([
      ...['start 0', 'finalize 0 {', 'start 1', 'finalize 1 {', '}', '}'],
      'complete',
    ]);
    expect(play(asPool(exhausting))).to.deep.equal(['start 0', ...emptying, 'complete']);
  });

  it('3: so the exhaustMap shape completes when the finalizers of its last job have run', () => {
    const play = (operator: Operator): string[] => {
      const log: string[] = [];
      const end = new Subject<never>();
      const work = (): Observable<never> => end.pipe(finalize(() => log.push('finalize')));
      of(0)
        .pipe(operator(work))
        .subscribe({ complete: () => log.push('complete') });
      end.complete();
      return log;
    };
    expect(play((work) => exhaustMap(work))).to.deep.equal(['complete', 'finalize']);
    expect(play((work) => mergeMap(work))).to.deep.equal(['finalize', 'complete']);
    expect(play(asPool(exhausting))).to.deep.equal(['finalize', 'complete']);
  });

  it('4: when downstream unsubscribes from inside a finalizer, no further job starts', () => {
    const play = (operator: Operator): string[] => {
      const log: string[] = [];
      const source = new Subject<number>();
      const end = new Subject<never>();
      const work = (job: number): Observable<never> => {
        log.push(`start ${job}`);
        return end.pipe(finalize(() => subscription.unsubscribe()));
      };
      const subscription = source.pipe(operator(work)).subscribe();
      source.next(0);
      source.next(1);
      end.complete();
      return log;
    };
    expect(play((work) => mergeMap(work, 1))).to.deep.equal(['start 0', 'start 1']);
    expect(play(asPool(oneWorker))).to.deep.equal(['start 0']);
  });

  it('4: nor when a job completes after that, inside the same unsubscription', () => {
    const play = (operator: Operator): string[] => {
      const log: string[] = [];
      const source = new Subject<number>();
      const end = new Subject<never>();
      const work = (job: number): Observable<never> => {
        log.push(`start ${job}`);
        return end;
      };
      const subscription = source
        .pipe(
          finalize(() => end.complete()),
          operator(work),
        )
        .subscribe();
      source.next(0);
      source.next(1);
      subscription.unsubscribe();
      return log;
    };
    expect(play((work) => mergeMap(work, 1))).to.deep.equal(['start 0', 'start 1']);
    expect(play(asPool(oneWorker))).to.deep.equal(['start 0']);
  });

  it('5: a finalizer that throws is reported, and frees its slot', async () => {
    const play = (operator: Operator): string[] => {
      const log: string[] = [];
      const source = new Subject<number>();
      const first = new Subject<never>();
      const work = (job: number): Observable<never> => {
        log.push(`start ${job}`);
        return first.pipe(
          finalize(() => {
            if (job === 0) throw new Error('in a finalizer');
          }),
        );
      };
      source.pipe(operator(work)).subscribe({ complete: () => log.push('complete') });
      source.next(0);
      source.next(1);
      source.complete();
      try {
        first.complete();
      } catch {
        log.push('thrown to whoever ended the job');
      }
      return log;
    };
    expect(play((work) => mergeMap(work, 1))).to.deep.equal(['start 0', 'thrown to whoever ended the job']);
    await turn();
    expect(takeReported()).to.deep.equal([]);

    expect(play(asPool(oneWorker))).to.deep.equal(['start 0', 'start 1', 'complete']);
    await turn();
    expect(takeReported().map(String).join()).to.contain('in a finalizer');
  });

  it('5: bad options are refused', () => {
    for (const workers of [0, -1, NaN]) {
      const heard: string[] = [];
      of(1, 2)
        .pipe(mergeMap((job) => of(job), workers))
        .subscribe({ next: () => heard.push('next'), complete: () => heard.push('complete') });
      expect(heard, 'mergeMap is silent for good').to.deep.equal([]);
      expect(() => workerPool((job: number) => of(job), { ...oneWorker, workers })).to.throw(
        RangeError,
        String(workers),
      );
    }
  });

  it('a subscriber that is closed already does not reach the source', () => {
    const subscriptions = (operator: Operator): number => {
      let count = 0;
      const source = new Observable<number>(() => {
        count++;
      });
      new Observable((subscriber) => {
        subscriber.unsubscribe();
        source.pipe(operator(() => EMPTY)).subscribe(subscriber);
      }).subscribe();
      return count;
    };
    expect(subscriptions((work) => mergeMap(work, 1))).to.equal(1);
    expect(subscriptions(asPool(oneWorker))).to.equal(0);
  });

  it('a finalizer that downstream adds runs after the jobs of the workers that lived by then', () => {
    const play = (operator: Operator): string[] => {
      const log: string[] = [];
      const source = new BehaviorSubject(0);
      const first = new Subject<never>();
      const work = (job: number): Observable<never> =>
        (job === 0 ? first : NEVER).pipe(finalize(() => log.push(`job ${job}`)));
      const subscription = source
        .pipe(
          operator(work),
          finalize(() => log.push('downstream')),
        )
        .subscribe();
      source.next(1);
      first.complete();
      subscription.unsubscribe();
      return log;
    };
    // Job 0 was subscribed before the finalizer of downstream was there, job 1 after. Both have the same worker.
    expect(play((work) => mergeMap(work, 1))).to.deep.equal(['job 0', 'downstream', 'job 1']);
    expect(play(asPool(oneWorker))).to.deep.equal(['job 0', 'job 1', 'downstream']);
  });
});

describe('workerPool', () => {
  it('has mergeMap merge its workers, not its jobs', async () => {
    const JOBS = 10_000;
    const require = createRequire(__filename);
    const rxjsFile = require.resolve('rxjs');
    const rxjs = require('rxjs') as typeof import('rxjs');
    let merged = 0;
    const counting = (project: (value: unknown, index: number) => Observable<unknown>, concurrent: number) =>
      rxjs.mergeMap((value: unknown, index) => {
        const inner = project(value, index);
        return new rxjs.Observable((subscriber) => {
          merged++;
          return inner.subscribe(subscriber);
        });
      }, concurrent);

    // The pool's own modules once more, with a mergeMap that counts.
    const cached = Object.entries(require.cache);
    const rxjsModule = require.cache[rxjsFile]!;
    let fresh: typeof workerPool;
    try {
      for (const [file] of cached) if (!file.includes('node_modules')) delete require.cache[file];
      rxjsModule.exports = { ...rxjs, mergeMap: counting };
      ({ workerPool: fresh } = require('../src/index.js') as typeof import('../src/index.js'));
    } finally {
      rxjsModule.exports = rxjs;
      for (const [file, module] of cached) require.cache[file] = module;
    }
    expect(fresh).not.to.equal(workerPool);

    for (const [kind, work] of Object.entries({
      promises: async (job: number) => job,
      'synchronous jobs': (job: number) => of(job),
      'Observables that take a microtask': (job: number) => from(Promise.resolve(job)),
    })) {
      for (const workers of [1, 8]) {
        merged = 0;
        let values = 0;
        const pool = fresh(work as (job: number) => Promise<number>, { workers, buffer: Infinity });
        await lastValueFrom(
          range(0, JOBS).pipe(
            pool,
            tap(() => values++),
          ),
        );
        expect(values, kind).to.equal(JOBS);
        expect(merged, `${kind}: inner subscriptions of mergeMap`).to.be.within(1, workers);
      }
    }
  });
});
