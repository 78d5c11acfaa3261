// The forms of the pool, driven like the model, and watched from the outside: by work, hooks, results and promises.
import { getEventListeners } from 'node:events';
import { Observable, Subject } from 'rxjs';
import type { ObservableInput, Subscriber, Subscription } from 'rxjs';
import { BackgroundJobs, workerPool, workerPoolSettled } from '../../src/index.js';
import type { JobContext, JobHooks, JobOutcome, PoolStats, ShutdownReport } from '../../src/index.js';
import { Deferred } from './deferred.js';
import { Actor, HARSHNESS, listens, reportOf } from './model.js';
import type { Harshness, How, Job, Plan, Setting, SubmitOptions } from './model.js';

type Outcome = JobOutcome<Job, unknown>;
type Handle = BackgroundJobs<Job, unknown>;

export function formOf(setting: Setting): Real {
  return setting.form === 'BackgroundJobs' ? new RealHandle(setting) : new RealOperator(setting);
}

/** What work can be told to do, and where it looks. */
export abstract class Real extends Actor {
  readonly open: Map<number, (how: How) => void> = new Map();
  /** The worker that each job was given. */
  readonly workers: Map<number, number> = new Map();
  idled = 0;
  report: string | undefined;
  stats: PoolStats | undefined;
  protected readonly hooks: JobHooks<Job, unknown> = {
    accepted: (job) => this.hook('accepted', job, `accepted ${job.id}`),
    started: (job) => this.hook('started', job, `started ${job.id}`),
    settled: (outcome) => this.hook('settled', outcome.job, describe(outcome)),
    released: (job) => this.hook('released', job, `released ${job.id}`),
  };

  private hook(place: 'accepted' | 'started' | 'settled' | 'released', job: Job, event: string): void {
    this.note(event);
    this.reach(place, job);
  }

  /** Numbers of its own that a form has left behind. */
  abstract leaks(): string[];

  end(id: number, how: How): void {
    const end = this.open.get(id);
    if (end === undefined) this.log.push(`${id} cannot end: its work was not called`);
    else end(how);
  }

  protected readonly work = (job: Job, context: JobContext): ObservableInput<unknown> => {
    const { id, plan } = job;
    const { kind } = plan;
    const deferred = new Deferred<unknown>();
    this.workers.set(id, context.worker);
    if (listens(plan)) {
      const { signal } = context;
      signal.addEventListener('abort', () => {
        this.note(`signalled ${id}: ${nameOf(signal.reason)}`);
        if (kind === 'obeys') deferred.reject(signal.reason);
        if (kind === 'answers') deferred.resolve(`${id}?`);
        this.reach('signal', job);
      });
    }
    if (kind === 'promise' || kind === 'obeys' || kind === 'answers') {
      this.ends(id, (how) => (how === 'complete' ? deferred.resolve(`${id}!`) : deferred.reject(`error ${id}`)));
    }
    this.note(`work ${id} #${context.index}`);
    this.reach('work', job);
    switch (kind) {
      case 'throws':
        throw `error ${id}`;
      case 'resolved':
        return Promise.resolve(`${id}!`);
      case 'rejected':
        return Promise.reject(`error ${id}`);
      case 'promise':
      case 'obeys':
      case 'answers':
        return deferred.promise;
      case 'thenable':
      case 'double thenable':
      case 'sync thenable':
      case 'sync refusal':
        return this.thenable(id, kind);
      default:
        return this.stream(id, kind);
    }
  };

  /** A promise is not told values. */
  private ends(id: number, end: (how: 'complete' | 'error') => void): void {
    this.open.set(id, (how) => {
      if (how === 'value') return;
      this.open.delete(id);
      end(how);
    });
  }

  private thenable(id: number, kind: Plan['kind']): PromiseLike<unknown> {
    const then = (fulfil: (value: unknown) => void, reject: (error: unknown) => void): unknown => {
      if (kind === 'sync thenable') fulfil(`${id}!`);
      else if (kind === 'sync refusal') reject(`error ${id}`);
      else {
        this.ends(id, (how) => {
          if (how === 'error') reject(`error ${id}`);
          else fulfil(`${id}!`);
          if (kind !== 'double thenable') return;
          fulfil(`late ${id}`);
          reject(`late ${id}`);
        });
      }
      return { then: () => undefined };
    };
    return { then } as unknown as PromiseLike<unknown>;
  }

  private stream(id: number, kind: Plan['kind']): Observable<unknown> {
    return new Observable((subscriber) => {
      this.note(`subscribed ${id}`);
      subscriber.add(() => this.note(`finalized ${id}`));
      if (kind === 'values') for (const i of [0, 1]) subscriber.next(`${id}.${i}`);
      if (kind === 'fails') {
        subscriber.next(`${id}.0`);
        subscriber.error(`error ${id}`);
      }
      if (kind === 'values' || kind === 'empty') subscriber.complete();
      else if (kind !== 'fails' && !subscriber.closed) {
        let values = 0;
        this.open.set(id, (how) => {
          if (how === 'value') return subscriber.next(`${id}.${values++}`);
          this.open.delete(id);
          if (how === 'error') subscriber.error(`error ${id}`);
          else subscriber.complete();
          if (kind !== 'late stream') return;
          /* eslint-disable rxjs-x/no-redundant-notify -- that is the subject */
          subscriber.next(`late ${id}`);
          subscriber.error(`late ${id}`);
          subscriber.complete();
          /* eslint-enable rxjs-x/no-redundant-notify */
        });
      }
    });
  }
}

class RealOperator extends Real {
  private readonly levels = new Subject<Harshness>();
  private source: Subscriber<Job> | undefined;
  private readonly results: Subscription;

  constructor(setting: Setting) {
    super();
    const { workers, buffer, overflow, hooks } = setting;
    const config = { workers, buffer, overflow, shutdown: this.levels, yieldAfter: Infinity };
    const watched = hooks ? { ...config, hooks: this.hooks } : config;
    const jobs = new Observable<Job>((source) => {
      this.source = source;
      source.add(() => {
        this.source = undefined;
        this.note('the source is released');
      });
    });
    const work = (job: Job, context: JobContext): ObservableInput<unknown> => this.work(job, context);
    const end = {
      error: (error: unknown) => this.note(`failed ${nameOf(error)}`),
      complete: () => this.note('complete'),
    };
    if (setting.form === 'workerPool') {
      this.results = jobs.pipe(workerPool(work, watched)).subscribe({
        next: (value) => {
          this.note(`next ${String(value)}`);
          // A value is named after its job.
          this.reach('told', this.all.get(parseInt(String(value)))!);
        },
        ...end,
      });
    } else {
      this.results = jobs.pipe(workerPoolSettled(work, watched)).subscribe({
        next: (outcome) => {
          this.note(`told ${describe(outcome)}`);
          this.reach('told', outcome.job);
        },
        ...end,
      });
    }
  }

  private readonly all = new Map<number, Job>();

  protected snapshot(): string {
    return '';
  }

  protected override job(plan: Plan): Job {
    const job = super.job(plan);
    this.all.set(job.id, job);
    return job;
  }

  leaks(): string[] {
    return [
      ...(this.levels.observed ? ['the shutdown notifier is still observed'] : []),
      ...(this.source !== undefined ? ['the source is still observed'] : []),
    ];
  }

  offer(plan: Plan): void {
    const job = this.job(plan);
    this.source?.next(job);
  }

  shutdown(level: Harshness): void {
    this.levels.next(level);
  }

  complete(): void {
    this.source?.complete();
  }

  fail(): void {
    this.source?.error('source');
  }

  unsubscribe(): void {
    this.results.unsubscribe();
  }

  send(): void {}
  submit(): void {}
  listenTo(): void {}
  idle(): void {}
  giveUp(): void {}
}

class RealHandle extends Real {
  private readonly handle: Handle;
  private readonly controllers = new Map<number, AbortController>();
  private readonly sources: Subscription[] = [];

  constructor(setting: Setting) {
    super();
    const { workers, buffer, overflow, hooks, watched } = setting;
    const config = { workers, buffer, overflow, yieldAfter: Infinity };
    this.handle = new BackgroundJobs(this.work, hooks ? { ...config, hooks: this.hooks } : config);
    void this.handle.ended.then((report) => (this.report = describeReport(report)));
    if (!watched) return;
    this.handle.outcomes$.subscribe({
      next: (outcome) => {
        this.note(`told ${describe(outcome)}`);
        this.reach('told', outcome.job);
      },
      complete: () => this.note('complete'),
    });
  }

  protected snapshot(): string {
    this.stats = this.handle.stats;
    return numbers(this.stats);
  }

  leaks(): string[] {
    return [
      ...[...this.controllers].flatMap(([id, { signal }]) =>
        getEventListeners(signal, 'abort').length > 0 ? [`the signal of ${id} is still listened to`] : [],
      ),
      ...(this.sources.every(({ closed }) => closed) ? [] : ['a source is still listened to']),
    ];
  }

  offer(plan: Plan): void {
    const job = this.job(plan);
    this.note(`offered ${job.id}: ${this.handle.offer(job)}`);
  }

  send(plan: Plan, signal: SubmitOptions['signal']): void {
    const job = this.job(plan);
    this.promise(
      job,
      () => this.handle.send(job, { signal: this.signal(job, signal) }),
      () => 'fulfilled',
    );
  }

  submit(plan: Plan, { wait, signal }: SubmitOptions): void {
    const job = this.job(plan);
    this.promise(
      job,
      () => this.handle.submit(job, { signal: this.signal(job, signal), wait }),
      (value) => `fulfilled ${String(value)}`,
    );
  }

  private signal({ id }: Job, when: SubmitOptions['signal']): AbortSignal | undefined {
    if (when === 'none') return undefined;
    const controller = new AbortController();
    this.controllers.set(id, controller);
    if (when === 'aborted') controller.abort(`reason ${id}`);
    return controller.signal;
  }

  private promise({ id }: Job, call: () => Promise<unknown>, fulfilled: (value: unknown) => string): void {
    this.fates.set(id, 'open');
    const settle = (fate: string): void => {
      // A promise of the language cannot settle twice.
      this.fates.set(id, fate);
    };
    call().then(
      (value) => settle(fulfilled(value)),
      (error: unknown) => settle(`rejected ${nameOf(error)}`),
    );
  }

  giveUp(id: number): void {
    this.controllers.get(id)!.abort(`reason ${id}`);
  }

  listenTo(plans: readonly Plan[], form: 'iterable' | 'observable'): void {
    if (form === 'observable') {
      const source = new Observable<Job>((subscriber) => {
        for (const plan of plans) {
          if (subscriber.closed) return;
          subscriber.next(this.job(plan));
        }
        subscriber.complete();
      });
      try {
        this.sources.push(this.handle.listenTo(source));
      } catch (error) {
        // It could only overflow: it is refused where it is wired.
        if (!(error instanceof TypeError) || !error.message.startsWith('listenTo: ')) throw error;
      }
      return;
    }
    const rest = [...plans];
    const iterator: IterableIterator<Job> = {
      [Symbol.iterator]: () => iterator,
      next: () => {
        const plan = rest.shift();
        const job = plan && this.job(plan);
        this.note(job === undefined ? 'the iterable is at its end' : `pulled ${job.id}`);
        return job === undefined ? { done: true, value: undefined } : { done: false, value: job };
      },
      return: () => {
        this.note('the iterable is let go');
        return { done: true, value: undefined };
      },
    };
    this.sources.push(this.handle.listenTo(iterator));
  }

  idle(): void {
    void this.handle.idle().then(() => this.idled++);
  }

  shutdown(level: Harshness): void {
    void this.handle.shutdown(level);
  }

  complete(): void {}
  fail(): void {}
  unsubscribe(): void {}
}

function numbers(stats: PoolStats): string {
  const { offered, accepted, refused, waiting, completed, failed, evicted, aborted, queued, running } = stats;
  return ` [${[offered, accepted, refused, waiting, completed, failed, evicted, aborted, queued, running].join(' ')}]`;
}

function describeReport({ level, dropped, aborted, stats }: ShutdownReport<Job>): string {
  if (!HARSHNESS.includes(level)) return `level ${String(level)}`;
  const ids = (jobs: readonly Job[]): number[] => jobs.map(({ id }) => id);
  return reportOf(level, ids(dropped.map(({ job }) => job)), ids(aborted.map(({ job }) => job)), numbers(stats));
}

function describe(outcome: Outcome): string {
  return `${outcome.job.id} ${outcome.status} ${detail(outcome)} after ${outcome.attempts}`;
}

function detail(outcome: Outcome): string {
  switch (outcome.status) {
    case 'completed':
      return String(outcome.value);
    case 'failed':
      return nameOf(outcome.error);
    case 'dropped':
      return outcome.reason;
    case 'aborted':
      return `${nameOf(outcome.reason)} ${outcome.settled}`;
  }
}

/** An error by its name and its reason, anything else by itself. */
export function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { name, reason } = error as Error & { reason?: string };
  return name === 'JobDroppedError' ? `${name} ${reason}` : name === 'TypeError' ? String(error.stack) : name;
}
