// An engine in memory, and the forms that borrow from it.
import { of, Subject, VirtualTimeScheduler } from 'rxjs';
import type { Observable, ObservableInput, Subscription } from 'rxjs';
import { BackgroundJobs, leaseFrom, workerPool, workerPoolSettled } from '../../src/index.js';
import type { JobContext, JobHooks, JobOutcome, LeaseDemand, PoolConfig, ShutdownReport } from '../../src/index.js';

/** Lets all that is settled by microtasks come to rest. */
export async function rest(): Promise<void> {
  for (let i = 0; i < 60; i++) await Promise.resolve();
}

/** One line for an outcome. */
export function lineOf(outcome: JobOutcome<unknown, unknown>): string {
  const { job, status } = outcome;
  if (status === 'dropped') return `${String(job)} ${outcome.reason}`;
  if (status === 'failed') return `${String(job)} failed: ${nameOf(outcome.error)}`;
  if (status === 'completed') return `${String(job)} completed`;
  return `${String(job)} ${outcome.settled ? 'aborted' : 'abandoned'}: ${nameOf(outcome.reason)}`;
}

export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : String(error);
}

/** How an engine behaves where it is not plain. */
export interface Manners {
  /** It does not hear the demand's signal. */
  readonly isDeaf?: boolean;
  /** Its iterator has no `return`, or one that never settles. */
  readonly return?: 'none' | 'never';
}

/** An engine in memory: it gives jobs when it is asked, and remembers what it was told of them. */
export class Engine {
  /** What it was told, in this order. */
  readonly told: string[] = [];
  readonly outcomes: JobOutcome<string, unknown>[] = [];
  /** What must not be. */
  readonly breaches: string[] = [];
  /** Jobs that it has given, and of which it has not been told, or has not answered. */
  readonly out: Set<string> = new Set();
  readonly lost: Subject<string> = new Subject();
  /** Calls of `next()` and of `return()`. */
  nexts = 0;
  returns = 0;
  demand!: LeaseDemand;
  /** Answers what it is told: at once, until a spec says otherwise. */
  answer: (outcome: JobOutcome<string, unknown>) => unknown = () => undefined;
  /** Called when it gives a job. */
  onGiven: (job: string) => void = () => undefined;
  /** Called when it is told, before it answers. */
  onTold: (job: string) => void = () => undefined;

  readonly source: Observable<string> = leaseFrom<string>((demand) => this.open(demand), {
    settle: (outcome) => this.settle(outcome),
    lost: this.lost,
  });

  private readonly jobs: string[];
  private readonly manners: Manners;
  private taker: ((item: IteratorResult<string>) => void) | undefined;
  private failTaker: ((error: unknown) => void) | undefined;

  constructor(jobs: readonly string[] = [], manners: Manners = {}) {
    this.jobs = [...jobs];
    this.manners = manners;
  }

  /** Has these jobs too. */
  give(...jobs: string[]): void {
    this.jobs.push(...jobs);
    if (this.taker !== undefined) this.hand(this.taker);
  }

  /** Has no more jobs: its iterator ends. */
  end(): void {
    const { taker } = this;
    this.taker = undefined;
    taker?.({ done: true, value: undefined });
  }

  fail(error: unknown): void {
    if (this.taker === undefined) return;
    this.taker = undefined;
    this.failTaker!(error);
  }

  private open(demand: LeaseDemand): AsyncIterable<string> {
    this.demand = demand;
    demand.signal.addEventListener('abort', () => {
      if (!this.manners.isDeaf) this.fail(new Error('the receive was aborted'));
    });
    const iterator: AsyncIterator<string> = {
      next: () => {
        this.nexts++;
        if (this.out.size >= demand.places)
          this.breaches.push(`asked while ${this.out.size} of ${demand.places} are out`);
        if (demand.wanted < 1) this.breaches.push('asked while none is wanted');
        return new Promise((resolve, reject) => {
          this.failTaker = reject;
          if (this.jobs.length > 0) this.hand(resolve);
          else this.taker = resolve;
        });
      },
      ...(this.manners.return !== 'none' && {
        return: () => {
          this.returns++;
          if (!demand.signal.aborted) this.breaches.push('told to return before the signal');
          if (this.manners.return === 'never') return new Promise<never>(() => undefined);
          return Promise.resolve({ done: true, value: undefined } as const);
        },
      }),
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  private hand(taker: (item: IteratorResult<string>) => void): void {
    const job = this.jobs.shift()!;
    this.taker = undefined;
    this.out.add(job);
    this.onGiven(job);
    taker({ value: job });
  }

  private settle(outcome: JobOutcome<string, unknown>): unknown {
    const { job } = outcome;
    this.told.push(lineOf(outcome));
    this.outcomes.push(outcome);
    if (!this.out.has(job)) this.breaches.push(`told of ${job}, which is not out`);
    this.onTold(job);
    let answer: unknown;
    try {
      answer = this.answer(outcome);
    } catch (error) {
      this.out.delete(job);
      throw error;
    }
    const onAnswered = (): void => {
      this.out.delete(job);
    };
    if (!(answer instanceof Promise)) onAnswered();
    else answer.then(onAnswered, onAnswered);
    return answer;
  }
}

export type Form = 'workerPool' | 'workerPoolSettled' | 'listenTo';
export const FORMS: readonly Form[] = ['workerPool', 'workerPoolSettled', 'listenTo'];

export type Work = (job: string, context: JobContext) => ObservableInput<unknown> & object;

export interface Lent {
  readonly source: Observable<string>;
}

/** Work that ends at once. */
export const echo: Work = (job) => of(job);

/** A form that borrows from one engine or from several, on a clock of its own. */
export class Run {
  readonly clock: VirtualTimeScheduler = new VirtualTimeScheduler(undefined, 0);
  /** What hooks and downstream were told, in this order: values, outcomes as hooks have them, and the end. */
  readonly log: string[] = [];
  /** `complete`, or the error's name; of a handle that it has ended. */
  end: string | undefined;
  error: unknown;
  report: ShutdownReport<string> | undefined;
  pool: BackgroundJobs<string, unknown> | undefined;
  /** What the handle listens to. */
  listening: Subscription | undefined;

  private readonly levels = new Subject<string>();
  private results: Subscription | undefined;

  constructor(form: Form, lent: Lent | readonly Lent[], work: Work, config: Partial<PoolConfig<string, unknown>> = {}) {
    const { log, clock } = this;
    const hooks: JobHooks<string, unknown>[] = [{ settled: (outcome) => log.push(lineOf(outcome)) }];
    if (config.hooks !== undefined) hooks.push(config.hooks as JobHooks<string, unknown>);
    const options = { workers: 1, buffer: 1, scheduler: clock, shutdown: this.levels, ...config, hooks };
    const all = 'source' in lent ? [lent] : lent;
    const observer = {
      error: (error: unknown) => {
        this.error = error;
        log.push((this.end = nameOf(error)));
      },
      complete: () => log.push((this.end = 'complete')),
    };
    if (form === 'workerPool') {
      const values = all[0]!.source.pipe(workerPool(work, options));
      this.results = values.subscribe({ next: (value) => log.push(`value ${String(value)}`), ...observer });
    } else if (form === 'workerPoolSettled') {
      const outcomes = all[0]!.source.pipe(workerPoolSettled(work, options));
      this.results = outcomes.subscribe(observer);
    } else {
      const pool = new BackgroundJobs<string, unknown>(work, options);
      this.pool = pool;
      void pool.ended.then((report) => {
        this.report = report;
        log.push((this.end = 'complete'));
      });
      for (const { source } of all) this.listening = pool.listenTo(source);
    }
  }

  async shutdown(level: string): Promise<void> {
    this.levels.next(level);
    await rest();
  }

  unsubscribe(): void {
    this.results!.unsubscribe();
  }

  /** Goes on to that time. */
  async at(time: number): Promise<void> {
    await rest();
    this.clock.maxFrames = time;
    for (let next; (next = this.clock.actions[0]) !== undefined && next.delay <= time;) {
      this.clock.maxFrames = next.delay;
      this.clock.flush();
      await rest();
    }
    this.clock.frame = time;
  }
}
