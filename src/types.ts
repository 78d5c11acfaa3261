import type { Observable, ObservableInput, RetryConfig, SchedulerLike } from 'rxjs';

/**
 * What an attempt knows about itself: the second argument of `work`.
 *
 * `{ ...context }` copies all of it where `work` declares two parameters, or takes `...args`; behind a default value or
 * `arguments` it copies no signal.
 */
export interface JobContext {
  /**
   * Fires when this attempt times out, or is aborted: by a shutdown, by its caller's signal, because its lease is lost or because
   * the results are unsubscribed. It never fires when the work ends by itself. Made when first read.
   */
  readonly signal: AbortSignal;
  /** 1…N, the worker that runs this attempt. */
  readonly worker: number;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** 0…, in the order in which jobs first start; the same in all attempts of a job. */
  readonly index: number;
}

/**
 * The Observable of the platform, which some browsers have (https://wicg.github.io/observable/): `element.when('click')`. It may
 * stand where an Observable of RxJS may. RxJS 7 does not read it, and it has no `pipe`: `workerPool(…)(observable)`.
 */
export interface PlatformObservable<T> {
  /** Its subscription ends when the signal is aborted. */
  subscribe(
    observer?: { next?(value: T): void; error?(error: unknown): void; complete?(): void },
    options?: { signal?: AbortSignal },
  ): void;
  /** All its values. The library does not call it: RxJS's Observable has none, so the two types differ. */
  toArray(): PromiseLike<T[]>;
}

/**
 * What work returns: a promise, an Observable, an iterable or an async iterable of its results.
 *
 * A string is an ObservableInput of its characters; as the result of a job it is always a mistake, so it is refused.
 */
export type PromiseOrObservableOf<R> = (ObservableInput<R> & object) | PlatformObservable<R>;

/** Runs one job. */
export type Work<J, O extends PromiseOrObservableOf<unknown>> = (job: J, context: JobContext) => O;

/** What a completed job's outcome carries: a promise always has a value, a stream may have had none. */
export type LastValueOf<O> = O extends PromiseLike<infer V> ? V : ValueOf<O> | undefined;

/** What work's promise or stream emits. */
export type ValueOf<O> = O extends ObservableInput<infer V> ? V : O extends PlatformObservable<infer V> ? V : never;

/**
 * Why a job was never given a place.
 *
 * - `'full'`: the buffer was full, and `overflow` chose the arriving job.
 * - `'closed'`: the pool had been shut down.
 * - `'coalesced'`: it was merged into a waiting job, which is no loss.
 * - `'withdrawn'`: its caller gave up before there was room, by its signal or by unsubscribing.
 */
export type RefusalReason = 'full' | 'closed' | 'coalesced' | 'withdrawn';
/**
 * Why a waiting job lost its place.
 *
 * - `'evicted'`: a job that arrived at the full buffer took it.
 * - `'expired'`: it had waited for `ttl`.
 * - `'cleared'`: `clear()` was called.
 * - `'shutdown'`: the pool was shut down by `'discard'` or a harder level, or its results failed or were unsubscribed.
 */
export type EvictionReason = 'evicted' | 'expired' | 'cleared' | 'shutdown';
/** Why a job never ran, or will not run again. */
export type DropReason = RefusalReason | EvictionReason;

/** What every outcome tells, however the job ended. */
export interface OutcomeBase<J> {
  /** The job as it was offered; a merged one as it ran. */
  readonly job: J;
  /**
   * 0…, in the order in which jobs were offered to this pool: the same in every hook and in the outcome, so that two equal
   * jobs can be told apart.
   */
  readonly id: number;
  /** Attempts that were started; 0 when the job never ran. */
  readonly attempts: number;
  /** Milliseconds from arrival to the first start, or to the drop. */
  readonly queuedFor: number;
  /** Milliseconds in attempts; waiting for a retry does not count. */
  readonly ranFor: number;
}
/** The work completed: a promise was fulfilled, a stream came to its end. */
export interface JobCompleted<J, R> extends OutcomeBase<J> {
  /** Tells this outcome from the others. */
  readonly status: 'completed';
  /** The promise's value, or the stream's last one. */
  readonly value: R;
}
/** The work threw, rejected or errored. */
export interface JobFailed<J> extends OutcomeBase<J> {
  /** Tells this outcome from the others. */
  readonly status: 'failed';
  /** What the last attempt threw or rejected with, or RxJS's TimeoutError. */
  readonly error: unknown;
}
/** The job never ran, or will not run again. */
export interface JobDropped<J> extends OutcomeBase<J> {
  /** Tells this outcome from the others. */
  readonly status: 'dropped';
  /** Why the job was not run, or will not run again. */
  readonly reason: DropReason;
  /** What its last attempt failed with, where it had one: it was dropped between two attempts. */
  readonly error?: unknown;
}
/**
 * The job was given up: by a shutdown, by the signal of its caller, or because the results were unsubscribed. `attempts` is 0
 * where it still waited.
 */
export interface JobAborted<J> extends OutcomeBase<J> {
  /** Tells this outcome from the others. */
  readonly status: 'aborted';
  /** The reason with which the attempt's signal has fired, or would have. */
  readonly reason: unknown;
  /** `false` after `'abandon'`: the work was still running when the pool let go of it. */
  readonly settled: boolean;
}
/**
 * Every job offered to a pool ends in exactly one of these, told apart by `status`.
 *
 * @example
 * ```ts
 * import { of } from 'rxjs';
 * import { workerPoolSettled } from 'rxjs-background-jobs';
 * import type { JobOutcome } from 'rxjs-background-jobs';
 *
 * function describe(outcome: JobOutcome<string, number>): string {
 *   switch (outcome.status) {
 *     case 'completed':
 *       return `${outcome.job} is ${outcome.value} long`;
 *     case 'failed':
 *       return `${outcome.job} failed after ${outcome.attempts} attempts: ${String(outcome.error)}`;
 *     case 'dropped':
 *       return `${outcome.job} was not run: ${outcome.reason}`;
 *     case 'aborted':
 *       return `${outcome.job} was told to end`;
 *   }
 * }
 * of('ann', 'bob', 'eve')
 *   .pipe(workerPoolSettled(async (name) => name.length, { workers: 1, buffer: 1, overflow: 'drop-incoming' }))
 *   .subscribe((outcome) => console.log(describe(outcome))); // → eve was not run: full
 * // → ann is 3 long
 * // → bob is 3 long
 * ```
 */
export type JobOutcome<J, R> = JobCompleted<J, R> | JobFailed<J> | JobDropped<J> | JobAborted<J>;

/**
 * The accounts of a pool at one moment. At every moment, also inside work and callbacks:
 *
 *     offered  = accepted + refused + waiting
 *     accepted = completed + failed + evicted + aborted + queued + delayed + running
 */
export interface PoolStats {
  /** Jobs that have come, in any way. It never falls. */
  readonly offered: number;
  /** Got a place, to run or to wait. */
  readonly accepted: number;
  /** Never had a place: dropped as `'full'`, `'closed'`, `'coalesced'` or `'withdrawn'`. */
  readonly refused: number;
  /** Senders that wait for room, and items of an iterable whose place has gone to another. */
  readonly waiting: number;
  /** Ended as `'completed'`. */
  readonly completed: number;
  /** Ended as `'failed'`. */
  readonly failed: number;
  /** Lost their place: dropped as `'evicted'`, `'expired'`, `'cleared'` or `'shutdown'`. */
  readonly evicted: number;
  /** Ended as `'aborted'`. */
  readonly aborted: number;
  /** Waiting for a worker. */
  readonly queued: number;
  /** Between two attempts. */
  readonly delayed: number;
  /** In an attempt that has no verdict yet. */
  readonly running: number;
  /**
   * Slots that are taken though their attempt is over: it has timed out and its work goes on, or its job waits there for a retry
   * because `workers + buffer` others do so already.
   */
  readonly lingering: number;
  /** Jobs that may run at once. */
  readonly workers: number;
}

/** What a pool has at one moment, for people to look at: a copy, never a view. */
export interface PoolSnapshot<J> {
  /** The option `name`. */
  readonly name: string;
  /** The accounts at that moment. */
  readonly stats: PoolStats;
  /** Each slot that is taken. */
  readonly running: readonly {
    /** The job. */
    readonly job: J;
    /** The same as in its hooks and its outcome. */
    readonly id: number;
    /** 1…N, the worker that runs it. */
    readonly worker: number;
    /** 1 for the first attempt. */
    readonly attempt: number;
    /** Milliseconds in this attempt. */
    readonly ranFor: number;
    /** The attempt is over, and its slot is still taken, as {@link PoolStats.lingering} says. */
    readonly lingering: boolean;
  }[];
  /** Between two attempts, at most 100. */
  readonly delayed: readonly {
    /** The job. */
    readonly job: J;
    /** The same as in its hooks and its outcome. */
    readonly id: number;
    /** Attempts that were started. */
    readonly attempts: number;
    /** What the last attempt failed with. */
    readonly error: unknown;
  }[];
  /** In the order in which they would start, at most 100. */
  readonly queued: readonly {
    /** The job. */
    readonly job: J;
    /** The same as in its hooks and its outcome. */
    readonly id: number;
    /** Milliseconds since its arrival. */
    readonly queuedFor: number;
  }[];
}

/** What a shutdown has left. */
export interface ShutdownReport<J> {
  /** The hardest level reached. */
  readonly level: ShutdownLevel;
  /** The accounts at the end. */
  readonly stats: PoolStats;
  /** Accepted, and will not run, because of this shutdown: all that were dropped as `'shutdown'`. */
  readonly dropped: readonly JobDropped<J>[];
  /**
   * Started, and told to end by this shutdown: `settled` is false where the pool did not wait for the work, after `'abandon'`.
   * `dropped` and `aborted` together are all that was taken on and not done.
   */
  readonly aborted: readonly JobAborted<J>[];
}

/**
 * Callbacks that watch the life of every job. Each is called after the state has changed and before downstream is told.
 * What a hook throws is reported, as RxJS reports a subscriber that throws, and the pool goes on. A hook may offer a job or
 * shut the pool down; the hooks after it in the array may then be told of the consequences first. `id` is that of the job's
 * outcome.
 *
 * @example
 * ```ts
 * import { pullFrom, workerPool } from 'rxjs-background-jobs';
 * import type { JobHooks } from 'rxjs-background-jobs';
 *
 * const log: JobHooks<string, string> = {
 *   started: (job, { worker, attempt }, id) => console.log(`job ${id}, ${job}: attempt ${attempt} on worker ${worker}`),
 *   settled: ({ id, status }) => console.log(`job ${id}: ${status}`),
 * };
 * pullFrom(['a']).pipe(workerPool(async (job) => job, { workers: 1, buffer: 0, hooks: log })).subscribe();
 * // → job 0, a: attempt 1 on worker 1
 * // → job 0: completed
 * ```
 */
export interface JobHooks<J = unknown, R = unknown> {
  /** The job has a place: it will start at once, or it waits. */
  accepted?(job: J, id: number): void;
  /** An attempt begins: `work` is called next. */
  started?(job: J, context: JobContext, id: number): void;
  /** An attempt failed and another will follow, unless the job ends while it waits: it is delayed. */
  retrying?(job: J, error: unknown, attempt: number, id: number): void;
  /** The job has ended. Exactly once for each job offered, also for one that was refused. */
  settled?(outcome: JobOutcome<J, R>): void;
  /** The worker is free again, or `'abandon'` has let go of it. Once per start: after `settled`, before downstream is told. */
  released?(job: J, id: number): void;
}

/**
 * What happens to a job that arrives at a full buffer. The name says who loses.
 *
 * - `'error'`: the arriving job; the results error with a BufferOverflowError that carries it. A BackgroundJobs goes on.
 * - `'drop-incoming'`: the arriving job.
 * - `'drop-oldest'`: the job that has waited longest.
 * - `'replace-newest'`: the youngest of the waiting jobs.
 * - `'clear'`: all waiting jobs.
 * - `'drop-lowest'`: with `queue: byPriority(…)`, the waiting job of the lowest priority, ageing counted, and of one priority
 *   the youngest. An arriving job that is no higher than that is the one: it is refused.
 *
 * An evicting policy needs something that waits: with `buffer: 0` it is a TypeError. Where nothing that waits may be evicted
 * the arriving job is refused. Hooks and outcomes tell of a loss when the arriving job has its place;
 * a job that a listener offers in answer evicts nobody. In a BackgroundJobs no job is evicted that was sent, submitted with
 * `wait` or pulled from an iterable.
 *
 * A policy does not slow its source down. A source that pushes for ever in one call, as `from` does with an endless generator,
 * never lets a job end: give the pool the iterable itself ({@link pullFrom}).
 */
export type Overflow = 'error' | 'drop-incoming' | 'drop-oldest' | 'replace-newest' | 'clear' | 'drop-lowest';

/**
 * How a pool ends. Each level waits for less than the one before it, and a shutdown can escalate but never step back.
 *
 * - `'drain'`: the intake stops; what waits and what runs finishes.
 * - `'discard'`: the waiting jobs are dropped; what runs finishes.
 * - `'abort'`: as `'discard'`, and running jobs are signalled: Observables are unsubscribed, promises and async generators
 *   are waited for.
 * - `'abandon'`: as `'abort'`, and nothing is waited for.
 */
export type ShutdownLevel = 'drain' | 'discard' | 'abort' | 'abandon';

declare const queueOf: unique symbol;
/** The order of what waits, as byPriority, byKey and coalesced describe it. Opaque, and without state. */
export interface JobQueue<J> {
  /** Nothing is here: it tells the compiler of what jobs the order is. */
  [queueOf](job: J): void;
}

declare const calledHere: unique symbol;
/** Nothing is of this type: the compiler's message about what is given names it, and so says what the option is called. */
interface CalledHere<Name extends string> {
  readonly [calledHere]: Name;
}

/** The options by the names that they have in other libraries: each is an error that says what to write here. */
interface MisnamedOptions {
  /** @deprecated It is called `workers` here. */
  readonly concurrency?: CalledHere<'workers'> | undefined;
  /** @deprecated It is called `workers` here. */
  readonly concurrent?: CalledHere<'workers'> | undefined;
  /** @deprecated It is called `buffer` here. */
  readonly size?: CalledHere<'buffer'> | undefined;
  /** @deprecated It is called `buffer` here. */
  readonly max?: CalledHere<'buffer'> | undefined;
  /** @deprecated It is called `overflow` here. */
  readonly strategy?: CalledHere<'overflow'> | undefined;
  /** @deprecated Write `retry: n`. */
  readonly retries?: CalledHere<'retry: n'> | undefined;
  /** @deprecated Write `retry: n - 1`, which does not count the first attempt. */
  readonly attempts?: CalledHere<'retry: n - 1'> | undefined;
  /** @deprecated Write `queue: byPriority((job) => …)`. */
  readonly priority?: CalledHere<'queue: byPriority((job) => …)'> | undefined;
  /** @deprecated Write `rateLimit: { limit, interval }`. */
  readonly interval?: CalledHere<'rateLimit: { limit, interval }'> | undefined;
  /** @deprecated Write `shutdown: signal`, which lets accepted jobs finish. */
  readonly signal?: CalledHere<'shutdown: signal'> | undefined;
}

/**
 * What a pool is given.
 *
 * Each policy, in a line. Small letters have completed, capitals are failed or dropped: the outcomes of a `workerPoolSettled`. Only
 * `d` has another key.
 *
 *     source                                 -abcd---|                       1 worker, buffer: 9, jobs of 5 frames
 *     no policy                              ------a----b----c----(d|)
 *     ttl: 9                                 ------a----b-D--(c|)            d has waited for 9 frames: dropped as 'expired'
 *     timeout: 6                             ------a-----B----c----(d|)      b hangs, and fails with a TimeoutError
 *     retry: { count: 1, delay: 2 }          ------a---------c----b----(d|)  b fails once; while it waits c has the worker
 *       and ordered: true                    ------a--------------(bc)-(d|)  c completes first, and is told behind b
 *     rateLimit: { limit: 2, interval: 12 }  ------a----b------c----(d|)     c starts 12 frames after a
 *     workers: 1-------0-----1               ------a----b-------c----(d|)    at 0 nothing starts, and b goes on
 *     jobs.pause(6) at 8                     ------a----b-------c----(d|)    the same, for a BackgroundJobs
 *     queue: byPriority(letter)              ------a----d----c----(b|)       the highest first; of one priority the oldest
 *       buffer: 2, 'drop-lowest'             ----B-a----d----(c|)            d takes the place of b
 *     queue: byKey(key)                      ------a----d----b----(c|)       keys take turns, one start each
 *       { limit: 2 }, 3 workers              ------ab-d-(c|)                 c waits for a, though a worker is free
 *       { most: 1 }, 'drop-oldest'           ---B--a----d----(c|)            of each key only the newest waits
 *       { lane: byPriority(urgent) }         ------a----d----c----(b|)       c is urgent, within its key
 *     queue: coalesced(key, merge)           ---C--a----m----(d|)            c is merged into b, which waits: m
 *
 * Where two options meet:
 *
 * | these                    | do this                                                                                    |
 * | ------------------------ | ------------------------------------------------------------------------------------------ |
 * | `timeout` and `retry`    | each attempt has its whole time; the next one waits until the work of the last has let go  |
 * | `retry` and `queue`      | a key stays locked through the retries of its job; a job of a higher priority goes first   |
 * | `retry` and `buffer`     | `workers + buffer` jobs may wait for a retry beside those in the buffer; no policy evicts them |
 * | `retry` and `rateLimit`  | every attempt is a start                                                                   |
 * | `ttl` and `retry`        | the time is for the first start only                                                       |
 * | `ttl` and `queue`        | a job expires also while its key is locked                                                 |
 * | `rateLimit` and `buffer` | while no job may start, the places of free workers count: up to `workers + buffer` may wait |
 * | `pause` and `buffer`     | the same; a drain waits for the end of the pause, its deadline does not                    |
 * | `workers` at 0           | there are no such places: `buffer` may wait                                                |
 * | `most` and `overflow`    | a key of which `most` jobs wait is a full buffer: the policy chooses among them             |
 * | `ordered` and `retry`    | a job that waits for its retry keeps its turn, and its place: those behind it are held     |
 * | `ordered` and `queue`    | a place is kept for the first in order while it waits; with `byPriority` it is a TypeError  |
 *
 * @example
 * ```ts
 * import { of } from 'rxjs';
 * import { workerPoolSettled } from 'rxjs-background-jobs';
 * import type { PoolConfig } from 'rxjs-background-jobs';
 *
 * const config: PoolConfig<number, number> = {
 *   workers: 5,
 *   buffer: 100, // acceptable delay × workers ÷ duration of a job
 *   overflow: 'drop-incoming',
 *   timeout: 5_000,
 *   retry: { count: 2, delay: 1 },
 * };
 * const fail = async (job: number): Promise<number> => Promise.reject(new Error(`no ${job}`));
 * of(1)
 *   .pipe(workerPoolSettled(fail, config))
 *   .subscribe(({ status, attempts }) => console.log(status, attempts)); // → failed 3
 * ```
 */
export interface PoolConfig<J, R> extends MisnamedOptions {
  /**
   * The pool's name, where there are several: a string that is not empty. The messages of the pool's errors begin with it, but for
   * the default; `inspect()` shows it, and it is told on the tracing channel of Node's diagnostics_channel,
   * `rxjs-background-jobs:job.run`. @default 'jobs'
   */
  readonly name?: string | undefined;
  /**
   * Jobs at once: a positive integer, or `Infinity`; or an Observable of such numbers and 0. Before its first value it counts as 0.
   * At 0 nothing starts and only `buffer` may wait. A lower number lets what runs finish. When the Observable completes above 0 its
   * last number stays; its completion at 0, its error and a bad value are the results' error.
   */
  readonly workers: number | Observable<number> | PlatformObservable<number>;
  /** Jobs that may wait: an integer ≥ 0, or `Infinity`. */
  readonly buffer: number;
  /** What happens to a job that arrives at a full buffer. @default 'error' */
  readonly overflow?: Overflow | undefined;
  /**
   * As takeUntil's notifier: a value that names a level is that level, any other value is `'drain'`. An AbortSignal is a
   * drain when it is aborted. A string that is nearly a level is a drain too, and is reported as a TypeError. The pool stays
   * subscribed until it has ended, so that a later value can escalate; a lower level is ignored.
   *
   * The notifier's completion is ignored. Its error before the first value counts as an error of the source; a later one is
   * reported, and the shutdown goes on. A BackgroundJobs reports both, and goes on. @default never
   */
  readonly shutdown?: ObservableInput<unknown> | PlatformObservable<unknown> | AbortSignal | undefined;
  /** Callbacks that watch the life of every job. @default none */
  readonly hooks?: JobHooks<J, R> | readonly JobHooks<J, R>[] | undefined;
  /**
   * The order in which waiting jobs start: `byPriority(…)`, `byKey(…)`, `coalesced(…)`. An evicting policy takes the oldest
   * (youngest) of all, whatever their keys; where a key has `most` jobs that wait, of that key.
   * @default first come, first served
   */
  readonly queue?: JobQueue<J> | undefined;
  /** Milliseconds, ≥ 0: a job that has waited so long for its first start is dropped as `'expired'`. @default none */
  readonly ttl?: number | undefined;
  /**
   * Milliseconds, ≥ 0, that each attempt may take. It is a verdict: the attempt has failed with RxJS's TimeoutError, its signal fires,
   * an Observable is unsubscribed. Work that ignores its signal keeps its slot (it is `lingering`) until it settles. @default none
   */
  readonly timeout?: number | undefined;
  /**
   * A failed job is tried again: so many times (an integer ≥ 0, or `Infinity`; 1 means two attempts), or as RxJS's RetryConfig says,
   * which without a `count` is for ever; its `delay` is in milliseconds, or a function. While a job waits for its retry its worker is
   * free and its key stays locked. `workers + buffer` jobs may wait so; beyond that a job waits in its slot. A due retry starts before
   * what waits, but never twice in a row while something else may start. A delay notifier that completes without a value fails the
   * job with its last error. An abort is not retried; from `'discard'` on nothing is. @default none
   */
  readonly retry?: number | RetryConfig | undefined;
  /**
   * At most `limit` starts (an integer ≥ 1) in any window of `interval` milliseconds (≥ 0), for the whole pool. A job that has to
   * wait for the window takes a place: up to `workers + buffer` may wait; of an iterable nothing is asked ahead. @default none
   */
  readonly rateLimit?:
    | {
        /** Starts in a window: an integer ≥ 1. */
        readonly limit: number;
        /** Milliseconds, ≥ 0: the length of the window. */
        readonly interval: number;
      }
    | undefined;
  /**
   * Results, or outcomes of jobs that ran, come in the order of arrival, as with RxJava's `concatMapEager`; starts do not change.
   * What a job emits before its turn is held. At most `workers + buffer` jobs have started and have not told all; then only the
   * first in order may start. In workerPool a later job's failure is told in its turn, too: the source ends at once, and
   * nothing starts behind it. In BackgroundJobs it orders `outcomes$`; promises are settled at once. @default false
   */
  readonly ordered?: boolean | undefined;
  /**
   * Milliseconds, ≥ 0, for which the pool may keep the event loop busy: with jobs that settle in microtasks, items of iterables,
   * senders, and waiting jobs that it starts by itself. Then the next one waits for a turn of the loop, so that timers and I/O
   * are not starved. Synchronous jobs of an Observable, or of calls, run in the call that brings them. Work that waits for a
   * timer or I/O is not delayed, and nothing is in virtual time. `Infinity` turns it off. @default 5
   */
  readonly yieldAfter?: number | undefined;
  /**
   * The clock of `ttl`, `timeout`, `retry`, `rateLimit` and `pause`, of ageing, of a BackgroundJobs' deadlines, and of the times that
   * are reported. It never runs work, and `yieldAfter` does not use it. @default asyncScheduler
   */
  readonly scheduler?: SchedulerLike | undefined;
}

/** What a pool takes its jobs from. */
export type JobSource<J> = Observable<J> | PlatformObservable<J> | PulledSource<J>;

/** What a pool can ask for its next job. */
export type PulledSource<J> = Iterable<J> | AsyncIterable<J> | ReadableStreamOf<J>;

/** A ReadableStream, such as the body of a Response. Its own type is no AsyncIterable in every version of the DOM's types. */
export interface ReadableStreamOf<J> {
  /** As the platform's. */
  getReader(): {
    /** Asks for the next chunk. */
    read(): PromiseLike<{
      /** Whether the stream is at its end. */
      done: boolean;
      /** The chunk. */
      value?: NoInfer<J> | undefined;
    }>;
  };
  /** Never called. TypeScript tells from it what the stream is of, because `getReader` is overloaded. */
  pipeTo(destination: { getWriter(): { write(chunk?: J): unknown } }): unknown;
}

/** What a pool wants of an engine, as {@link leaseFrom}'s `open` is told: one for each subscription. */
export interface LeaseDemand {
  /**
   * How many jobs may be out at once, those that wait for a retry included: `workers + buffer`, as it is now. It is `buffer` alone
   * while `workers` is 0, or a BackgroundJobs is paused. An engine that fetches by itself takes it for its concurrency.
   */
  readonly places: number;
  /** The same when it is subscribed, and at each change. Completes when no job is wanted any more. */
  readonly places$: Observable<number>;
  /**
   * How many more could start or wait now: the size of the next batch, where the engine is polled. An item that was fetched and not
   * yet yielded when the pool drains is never settled: the engine has to wait until its lease runs out.
   */
  readonly wanted: number;
  /** Fires when no job is wanted any more, before the iterator's `return()`. A `next()` that rejects after it is no error. */
  readonly signal: AbortSignal;
}

/** How {@link leaseFrom} tells the engine what became of its jobs. */
export interface LeaseConfig<J> {
  /**
   * Called once for each job that the iterable has given: when its work has let go and no retry follows, or when it is given back
   * (`'dropped'`). A promise is awaited: only then is the worker free, the outcome told, and may the stream complete. Where it
   * throws or rejects after `'completed'` the job has failed with that; otherwise the error is reported.
   */
  readonly settle: (outcome: JobOutcome<J, unknown>) => unknown;
  /**
   * Jobs that another may have now: one that waits never starts, one that runs is told to end. Each ends as `'aborted'` with a
   * {@link LeaseLostError}, even where its work fulfils, and is settled so. Its error is one of the source. @default none
   */
  readonly lost?: Observable<J> | PlatformObservable<J> | undefined;
}

/** Made by {@link workerPool} and {@link workerPoolSettled}: an operator for `pipe`. */
export interface PoolOperator<J, R> {
  /**
   * Makes the results of a source's jobs.
   *
   * @param source where jobs come from: an Observable pushes them, an iterable is pulled
   * @returns a cold Observable: each subscription has workers and a buffer of its own
   */
  (source: JobSource<J>): Observable<R>;
}
