// On generated programs: each job that an engine has given is settled once, after its work has let go and before the end.
import { expect } from 'chai';
import fc from 'fast-check';
import { BehaviorSubject, Observable, timer } from 'rxjs';
import type { JobContext, PoolStats } from '../../src/index.js';
import { takeReported, turn } from '../support/guard.js';
import { Engine, FORMS, rest, Run } from './support.js';
import type { Form } from './support.js';

const RUNS = Number(process.env['RUNS'] ?? 400);
/** When the program drains, and when it abandons. */
const DRAIN = 100;
const ABANDON = 200;

/** How a job runs, and how its engine answers. */
interface Plan {
  readonly at: number;
  readonly kind: 'promise' | 'stream' | 'sync';
  readonly duration: number;
  /** Attempts that fail. */
  readonly fails: number;
  /** It ends when its signal fires. */
  readonly hears: boolean;
  readonly answersAfter: number | undefined;
  readonly isRefused: boolean;
}

type Deed =
  | { readonly deed: 'shutdown'; readonly level: string }
  | { readonly deed: 'lost'; readonly job: number }
  | { readonly deed: 'workers'; readonly workers: number }
  | { readonly deed: 'unsubscribe' | 'clear' | 'offer' | 'pause' | 'resume' | 'end' | 'fail' };

interface Program {
  readonly form: Form;
  readonly workers: number;
  readonly buffer: number;
  readonly retry: { readonly count: number; readonly delay: number } | undefined;
  readonly timeout: number | undefined;
  readonly ttl: number | undefined;
  readonly isDeaf: boolean;
  readonly jobs: readonly Plan[];
  readonly deeds: readonly (Deed & { readonly at: number })[];
}

const time = fc.integer({ min: 0, max: 60 });
const delay = fc.integer({ min: 0, max: 12 });
const deed: fc.Arbitrary<Deed> = fc.oneof(
  fc.record({
    deed: fc.constant('shutdown' as const),
    level: fc.constantFrom('drain', 'discard', 'abort', 'abandon'),
  }),
  fc.record({ deed: fc.constant('lost' as const), job: fc.nat(9) }),
  fc.record({ deed: fc.constant('workers' as const), workers: fc.nat(3) }),
  fc.record({
    deed: fc.constantFrom('unsubscribe', 'clear', 'offer', 'pause', 'resume', 'end', 'fail' as const),
  }),
);
const programs: fc.Arbitrary<Program> = fc.record({
  form: fc.constantFrom(...FORMS),
  workers: fc.integer({ min: 1, max: 3 }),
  buffer: fc.nat(3),
  retry: fc.option(fc.record({ count: fc.nat(2), delay }), { nil: undefined }),
  timeout: fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined }),
  ttl: fc.option(fc.integer({ min: 0, max: 10 }), { nil: undefined }),
  isDeaf: fc.boolean(),
  jobs: fc.array(
    fc.record({
      at: time,
      kind: fc.constantFrom('promise', 'stream', 'sync' as const),
      duration: delay,
      fails: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(3)),
      hears: fc.boolean(),
      answersAfter: fc.option(delay, { nil: undefined }),
      isRefused: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.constant(true)),
    }),
    { maxLength: 10 },
  ),
  deeds: fc.array(
    fc.tuple(time, deed).map(([at, what]) => ({ ...what, at })),
    { maxLength: 5 },
  ),
});

/** What came up, so that no part of the programs is there for nothing. */
const tally = new Map<string, number>();
const count = (what: string): void => void tally.set(what, (tally.get(what) ?? 0) + 1);

/** @returns what must not be */
async function breachesOf(program: Program): Promise<string[]> {
  const { form, jobs } = program;
  const breaches: string[] = [];
  const engine = new Engine([], { isDeaf: program.isDeaf });
  const workers = new BehaviorSubject(program.workers);
  /** Attempts whose work has not let go. */
  const busy = new Map<string, number>();
  const planOf = (job: string): Plan | undefined => jobs[Number(job)];
  const work = (job: string, context: JobContext): Promise<string> | Observable<string> => {
    const { kind, duration, fails, hears } = planOf(job) ?? { kind: 'promise', duration: 5, fails: 0, hears: true };
    busy.set(job, (busy.get(job) ?? 0) + 1);
    const letGo = (): void => void busy.set(job, busy.get(job)! - 1);
    const isFailing = context.attempt <= fails;
    if (kind !== 'promise') {
      return new Observable((subscriber) => {
        const end = (): void => (isFailing ? subscriber.error(new Error('no')) : subscriber.complete());
        subscriber.next(job);
        subscriber.add(letGo);
        if (kind === 'sync') end();
        else subscriber.add(timer(duration, run.clock).subscribe(end));
      });
    }
    return new Promise((resolve, reject) => {
      const end = (fail: boolean): void => {
        subscription.unsubscribe();
        letGo();
        if (fail) reject(new Error('no'));
        else resolve(job);
      };
      const subscription = timer(duration, run.clock).subscribe(() => end(isFailing));
      if (hears) context.signal.addEventListener('abort', () => end(true));
    });
  };
  engine.answer = ({ job, status }) => {
    count(`told ${status}`);
    const { answersAfter, isRefused } = planOf(job)!;
    if (answersAfter === undefined) {
      if (isRefused) throw new Error('refused');
      return undefined;
    }
    return new Promise<void>((resolve, reject) => {
      timer(answersAfter, run.clock).subscribe(() => (isRefused ? reject(new Error('refused')) : resolve()));
    });
  };
  let ended = 0;
  let isAbandoned = false;
  const checkLaw = (): void => {
    if (run?.pool !== undefined) breaches.push(...unbalanced(run.pool.stats));
  };
  engine.onTold = (job) => {
    checkLaw();
    const outcome = engine.outcomes.at(-1)!;
    const isWaitedFor = outcome.status !== 'aborted' || outcome.settled;
    if (isWaitedFor && (busy.get(job) ?? 0) > 0 && !isAbandoned) breaches.push(`told of ${job} before its work let go`);
  };
  const settled = new Map<string, number>();
  const hooks = {
    settled: ({ job }: { job: string }) => {
      settled.set(job, (settled.get(job) ?? 0) + 1);
      if (ended > 0 && !isOver && planOf(job) !== undefined) breaches.push(`${job} had its outcome after the end`);
      if (planOf(job) !== undefined && !engine.told.some((line) => line.startsWith(`${job} `)))
        breaches.push(`the outcome of ${job} was told before its engine was`);
      checkLaw();
    },
    started: checkLaw,
    retrying: checkLaw,
    released: checkLaw,
    accepted: checkLaw,
  };
  let isOver = false;
  let run: Run = undefined as never;
  run = new Run(form, engine, work, {
    workers,
    buffer: program.buffer,
    retry: program.retry,
    timeout: program.timeout,
    ttl: program.ttl,
    overflow: program.buffer > 0 ? 'drop-oldest' : 'drop-incoming',
    hooks,
  });
  const at = (when: number, act: () => void): void => void run.clock.schedule(act, when);
  jobs.forEach(({ at: when }, i) => at(when, () => engine.give(String(i))));
  let offers = 0;
  for (const what of program.deeds) {
    at(what.at, () => {
      count(what.deed);
      if (what.deed === 'shutdown') {
        isAbandoned ||= what.level === 'abandon';
        void run.shutdown(what.level);
      } else if (what.deed === 'lost') engine.lost.next(String(what.job));
      else if (what.deed === 'workers') workers.next(what.workers);
      else if (what.deed === 'end') engine.end();
      else if (what.deed === 'fail') engine.fail(new Error('engine'));
      else if (run.pool === undefined) {
        if (what.deed === 'unsubscribe') run.unsubscribe();
      } else if (what.deed === 'unsubscribe') run.listening!.unsubscribe();
      else if (what.deed === 'offer') run.pool.offer(`offered ${offers++}`);
      else run.pool[what.deed]();
    });
  }
  at(DRAIN, () => {
    workers.next(3);
    run.pool?.resume();
    void run.shutdown('drain');
  });
  at(ABANDON, () => {
    isAbandoned = true;
    void run.shutdown('abandon');
  });
  for (let now = 0; now <= ABANDON + 1001; now++) {
    if (now > ABANDON && now < ABANDON + 1000) continue;
    if (now === ABANDON + 1001) isOver = true;
    await run.at(now);
    if (run.end === 'complete') ended++;
  }
  const isUnsubscribed = form !== 'listenTo' && program.deeds.some((what) => what.deed === 'unsubscribe');
  if (run.end === undefined && !isUnsubscribed) breaches.push('there was no end');
  if (engine.out.size > 0) breaches.push(`still out: ${[...engine.out].join()}`);
  const told = engine.outcomes.map(({ job }) => job);
  if (new Set(told).size !== told.length) breaches.push(`told twice: ${engine.told.join(', ')}`);
  for (const job of told) if (settled.get(job) !== 1) breaches.push(`${job} has ${settled.get(job) ?? 0} outcomes`);
  if (told.length > 0) count('with leases');
  await turn();
  takeReported();
  return [...engine.breaches, ...breaches];
}

/** The law of the accounts, where it does not hold. */
function unbalanced(stats: PoolStats): string[] {
  const { offered, accepted, refused, waiting, completed, failed, evicted, aborted, queued, delayed, running } = stats;
  const breaches: string[] = [];
  if (offered !== accepted + refused + waiting) breaches.push(`offered: ${JSON.stringify(stats)}`);
  if (accepted !== completed + failed + evicted + aborted + queued + delayed + running)
    breaches.push(`accepted: ${JSON.stringify(stats)}`);
  if (Object.values(stats).some((n) => (n as number) < 0)) breaches.push(`negative: ${JSON.stringify(stats)}`);
  return breaches;
}

describe('leaseFrom: laws', () => {
  it(`hold on ${RUNS} generated programs`, async () => {
    await fc.assert(
      fc.asyncProperty(programs, async (program) => {
        expect(await breachesOf(program)).to.eql([]);
      }),
      { numRuns: RUNS },
    );
    for (const status of ['completed', 'failed', 'dropped', 'aborted']) {
      expect(tally.get(`told ${status}`), status).to.be.greaterThan(RUNS / 50);
    }
    for (const what of [
      'shutdown',
      'lost',
      'workers',
      'unsubscribe',
      'clear',
      'offer',
      'pause',
      'resume',
      'end',
      'fail',
    ])
      expect(tally.get(what), what).to.be.greaterThan(0);
    await rest();
  }).timeout(600_000);
});
