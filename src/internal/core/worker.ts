import { Observable } from 'rxjs';
import type { ObservableInput, Subscriber } from 'rxjs';
import { JobAbortedError } from '../../errors.js';
import type { JobContext } from '../../types.js';
import { reportError } from '../support/reporting.js';
import { Attempt, contextOf } from './attempt.js';
import type { EventLoopBudget, Held } from './budget.js';
import { AsyncIteration } from './iteration.js';
import type { JobObserver, Owned, Slot, Verdict } from './observer.js';
import type { Policy } from './policy.js';
import { isNativePromise, nativeThen, readResult, Run } from './run.js';
import type { RunOwner } from './run.js';
import type { JobStore } from './store.js';

/** The place in the order of teardown of a job whose `work` has not returned yet: behind all that are subscribed. */
const UNSUBSCRIBED = 2 ** 52;

// What a slot does.
const FREE = 0;
const STARTING = 1;
/** A stream runs. */
const RUNNING = 2;
/** A promise, a thenable or an async iterable is waited for: it cannot be stopped. */
const AWAITING = 3;
/** The job has settled, and is held until the event loop has turned. */
const SETTLED = 4;
/** For good: the worker's job failed the pool, or was abandoned. */
const ENDED = 5;

/** The slots of a pool, counted. */
export class Slots {
  /** Slots in use. */
  active = 0;
  /** Jobs started so far: the next one's index. */
  #started = 0;
  /** Jobs subscribed so far: the next one's place in the order of teardown. */
  #subscribed = 0;

  /** @returns the index of the start */
  take(): number {
    this.active++;
    return this.#started++;
  }

  free(): void {
    this.active--;
  }

  /** @returns the place of a subscription in the order of teardown */
  subscribe(): number {
    return this.#subscribed++;
  }
}

/** The pool, as one of its workers sees it. */
export interface WorkerHost<J, R> {
  readonly work: (job: never, context: JobContext) => ObservableInput<R>;
  /** `work` may look at its context in any way. */
  readonly showsContext: boolean;
  readonly observer: JobObserver<J, R> | undefined;
  /** What the pool takes for a job is a record that somebody owns. */
  readonly isOwned: boolean;
  readonly slots: Slots;
  readonly store: JobStore<J>;
  readonly budget: EventLoopBudget;
  /** Told of each start. */
  readonly policies: readonly Policy[];
  /** The results have ended or were unsubscribed: nothing starts any more. */
  readonly closed: boolean;
  /** Values of jobs go downstream. */
  readonly emitsValues: boolean;
  /** Looks for a job, also at who could give one. */
  findNext(): boolean;
  /** The worker has found no job. */
  rest(worker: Worker<J, R>): void;
  emit(value: R): void;
  /** The value of a promise, told while the job still has its slot. */
  emitLast(value: R): void;
  /** An exception that is none of the job's. */
  crash(error: unknown): void;
}

/**
 * One worker of a pool. mergeMap subscribes to its `life` once; it takes job after job from the buffer. A slot's machine:
 *
 *     FREE ──▶ STARTING ──▶ RUNNING  (a stream)  ─────────────▶ FREE
 *                      └──▶ AWAITING (a promise) ──▶ SETTLED ──▶ FREE
 *
 * A stream's job ends in two steps, because it may complete inside the call that subscribes to it: first the verdict, then,
 * when its finalizers have run, the settlement that frees the slot.
 */
export class Worker<J, R> implements Slot<J>, Held, RunOwner<R> {
  readonly number: number;
  job!: J;
  id = 0;
  arrivedAt = 0;
  startedAt = 0;
  /** The order of teardown, which is that of subscriptions. */
  subscriptionOrder = 0;
  /** mergeMap's subscriber: it ends with the worker. */
  destination!: Subscriber<unknown>;

  readonly #host: WorkerHost<J, R>;
  #onSubscribed: (() => void) | undefined;
  #state = FREE;
  /** Of the job's key, where keys have limits. */
  #lane: object | undefined;
  #attempt: Attempt | undefined;
  #context: JobContext | undefined;
  #verdict: Verdict | undefined;
  /** The last value of a stream; with the verdict, its error or its value. */
  #result: unknown;
  #abort: { readonly reason: unknown } | undefined;
  /** It cannot be stopped: its value comes alone and with the verdict. */
  isPromise = false;
  #run: Run<R> | undefined;
  #iteration: AsyncIteration<R> | undefined;

  /** @param onSubscribed called when mergeMap has subscribed, before the first job */
  constructor(host: WorkerHost<J, R>, number: number, onSubscribed: () => void) {
    this.#host = host;
    this.number = number;
    this.#onSubscribed = onSubscribed;
  }

  /** As mergeMap merges it: it lives until the intake has ended and nothing waits. */
  get life(): Observable<never> {
    return new Observable((destination) => {
      this.destination = destination;
      this.#onSubscribed!();
      // Or the first job would be held for as long as the worker lives.
      this.#onSubscribed = undefined;
      this.proceed();
    });
  }

  /** What the job is to its user. */
  get #payload(): unknown {
    return this.#host.isOwned ? (this.job as Owned).job : this.job;
  }

  get hasJob(): boolean {
    return this.#state !== FREE && this.#state !== ENDED;
  }

  get context(): JobContext {
    return (this.#context ??= this.#host.showsContext ? contextOf(this.#attempt!) : this.#attempt!);
  }

  // ---- Starts

  /** Starts jobs for as long as they end before their call returns: any number of them, on a flat stack. */
  proceed(): void {
    const host = this.#host;
    while (this.#state === FREE) {
      if (!host.findNext()) return host.rest(this);
      const { store } = host;
      const job = store.take();
      this.#lane = store.lane;
      this.#start(job, store.id, store.arrivedAt);
    }
  }

  /** Starts `job`, which has not waited. */
  startWith(job: J, id: number, arrivedAt: number): void {
    this.#start(job, id, arrivedAt);
    if (this.#state === FREE) this.proceed();
  }

  /** After a turn of the event loop. */
  resume(): void {
    try {
      if (this.#state === SETTLED) this.#settleInScope(this.#verdict!, this.#result);
      this.proceed();
    } catch (error) {
      this.#host.crash(error);
    }
  }

  #start(job: J, id: number, arrivedAt: number): void {
    const host = this.#host;
    const index = host.slots.take();
    for (const policy of host.policies) policy.started?.();
    this.#state = STARTING;
    this.isPromise = false;
    this.job = job;
    this.id = id;
    this.arrivedAt = arrivedAt;
    this.#attempt = new Attempt(this.number, index);
    this.subscriptionOrder = UNSUBSCRIBED + index;
    const scope = host.isOwned ? (job as Owned).scope : undefined;
    if (scope === undefined) this.#callWork();
    else scope.runInAsyncScope(this.#callWork, this);
  }

  #callWork(): void {
    const host = this.#host;
    const { observer, work } = host;
    try {
      if (observer) {
        observer.started(this);
        if (this.#abort !== undefined || this.#state !== STARTING) return this.#settle('aborted');
      }
      const result = work(this.#payload as never, this.context);
      if (isNativePromise(result)) {
        this.subscriptionOrder = host.slots.subscribe();
        this.isPromise = true;
        if (this.#state === STARTING) this.#state = AWAITING;
        host.budget.begin();
        // Without a second look at the promise's `then`, which may have another answer by now.
        return void nativeThen.call(result, this.#onFulfilled as (value: unknown) => void, this.#onRejected);
      }
      this.#observe(result);
    } catch (error) {
      this.#settle('failed', error);
    }
  }

  // ---- A native promise settles once, so these two serve one job after another.

  readonly #onFulfilled = (value: R): void => this.#onSettled('completed', value);
  readonly #onRejected = (error: unknown): void => this.#onSettled('failed', error);

  #onSettled(verdict: Verdict, result: unknown): void {
    if (this.#state === ENDED) return;
    try {
      if (this.#isHeld(verdict, result)) return;
      this.#settle(verdict, result);
      this.proceed();
    } catch (error) {
      this.#host.crash(error);
    }
  }

  /** A failure that ends the results is told at once. */
  #isHeld(verdict: Verdict, result: unknown): boolean {
    const host = this.#host;
    if (!host.budget.countAndCheck() || (verdict === 'failed' && this.#abort === undefined && host.emitsValues)) {
      return false;
    }
    if (host.isOwned) (this.job as Owned).keepScope();
    this.#state = SETTLED;
    this.#verdict = verdict;
    this.#result = result;
    host.budget.hold(this);
    return true;
  }

  // ---- A stream, a thenable or an async iterable

  #observe(result: ObservableInput<R>): void {
    const host = this.#host;
    const read = readResult(result);
    this.isPromise = read.kind === 'thenable';
    if (this.#state === ENDED) {
      // Abandoned inside `work`. A thenable's rejection is looked at, so that it is not unhandled.
      if (read.kind === 'thenable') read.stream.subscribe({ error: () => undefined });
      return;
    }
    const isCancelled = this.#abort !== undefined && !this.isPromise;
    if (!isCancelled || host.closed) {
      this.subscriptionOrder = host.slots.subscribe();
      if (host.isOwned) (this.job as Owned).keepScope();
      const run = (this.#run = new Run<R>(this));
      // As in RxJS: what was unsubscribed inside `work` is subscribed all the same, and torn down at once.
      if (host.closed && !this.isPromise) run.unsubscribe();
      try {
        if (read.kind === 'iterable') this.#iterate(read.iterable, run);
        else read.stream.subscribe(run);
      } catch (error) {
        // The teardown of a stream that has ended already; its subscriber would not hear of an error any more.
        if (run.closed) reportError(error);
        else {
          this.#teardown(run);
          throw error;
        }
      }
      if (this.#state !== STARTING) return;
    }
    if (this.#verdict) this.#settle(this.#verdict, this.#result);
    else if (isCancelled) this.#settle('aborted');
    else {
      this.#state = this.isPromise ? AWAITING : RUNNING;
      host.budget.begin();
    }
  }

  #iterate(iterable: AsyncIterable<R>, run: Run<R>): void {
    if (run.closed) return;
    // An abort from inside the iterator can only ask: what it has begun there, it may have to await.
    this.isPromise = true;
    const iteration = new AsyncIteration(iterable, run, this.#host.budget);
    if (this.#abort === undefined && !run.closed) iteration.start();
    this.isPromise = false;
    this.#iteration = iteration;
    if (run.closed) void iteration.stop()?.catch(reportError);
    else if (this.#abort !== undefined) this.#leave(iteration, run);
  }

  onValue(value: R): void {
    const { emitsValues, observer } = this.#host;
    this.#result = value;
    if (this.isPromise) return;
    if (emitsValues) this.#host.emit(value);
    else observer!.emitted?.(this, value);
  }

  onError(run: Run<R>, error: unknown): void {
    const isFatal = this.#abort === undefined && this.#host.emitsValues;
    if (!isFatal) return this.#finish(run, 'failed', error);
    // Downstream hears of it before the teardown, as it does in RxJS.
    this.#settle('failed', error);
    this.#teardown(run);
  }

  onComplete(run: Run<R>): void {
    this.#finish(run, 'completed', this.#result);
  }

  /** The stream has ended: the slot is free, and the next job may start, only after its teardown. */
  #finish(run: Run<R>, verdict: Verdict, result: unknown): void {
    this.#verdict = verdict;
    this.#result = result;
    this.#iteration = undefined;
    this.#teardown(run);
    if (this.#state === STARTING || this.#state === ENDED) return;
    try {
      if (this.#isHeld(verdict, result)) return;
      this.#settleInScope(verdict, result);
      this.proceed();
    } catch (error) {
      this.#host.crash(error);
    }
  }

  // ---- The end of a job

  #settleInScope(verdict: Verdict, result: unknown): void {
    const scope = this.#host.isOwned ? (this.job as Owned).scope : undefined;
    if (scope === undefined) this.#settle(verdict, result);
    else scope.runInAsyncScope(this.#settle, this, verdict, result);
  }

  /** State, then hooks, then downstream. The caller goes on to the next start. Once per start. */
  #settle(verdict: Verdict, result?: unknown): void {
    const host = this.#host;
    const { observer } = host;
    if (this.#state === ENDED) return;
    if (verdict !== 'completed' && this.#abort !== undefined) {
      result = this.#abort.reason;
      if (verdict === 'failed') verdict = 'aborted';
    }
    const isFatal = verdict === 'failed' && host.emitsValues;
    const isPromise = this.isPromise;
    this.#state = isFatal || verdict === 'abandoned' ? ENDED : FREE;
    this.#verdict = this.#abort = this.#iteration = undefined;
    host.slots.free();
    if (this.#lane !== undefined) host.store.done!(this.#lane);
    this.#lane = undefined;
    observer?.settled(this, verdict, result);
    this.#result = this.#attempt = this.#context = undefined;
    this.job = undefined as J;
    if (isFatal) this.destination.error(result);
    else if (verdict === 'completed' && isPromise && host.emitsValues) host.emitLast(result as R);
  }

  /** Asks the job to end, with `reason` for its signal. A stream ends at once; a promise is judged by how it settles. */
  abort(reason?: unknown): void {
    if (this.#state === ENDED) return this.#run && this.#teardown(this.#run);
    if (this.#state === FREE || this.#verdict || this.#abort !== undefined) return;
    const attempt = this.#attempt!;
    const iteration = this.#iteration;
    const run = this.#run;
    const wasRunning = this.#state === RUNNING;
    this.#abort = { reason: reason === undefined ? new JobAbortedError(this.#payload) : reason };
    if (iteration !== undefined) {
      this.#leave(iteration, run!);
      return Attempt.abort(attempt, this.#abort.reason);
    }
    // A stream is unsubscribed before it is signalled, so that it cannot answer the signal with an error.
    const isStopped = run !== undefined && !this.isPromise;
    if (isStopped) {
      this.#verdict = 'aborted';
      this.#teardown(run);
    }
    const { reason: given } = this.#abort;
    Attempt.abort(attempt, given);
    if (!isStopped) return;
    this.#settleInScope('aborted', undefined);
    if (wasRunning) this.proceed();
  }

  /** An async generator may be in the middle of an await: the slot is taken until its `return()` has settled. */
  #leave(iteration: AsyncIteration<R>, run: Run<R>): void {
    const rest = iteration.stop();
    this.#teardown(run);
    this.isPromise = true;
    if (this.#state === RUNNING) this.#state = AWAITING;
    const onRest = (): void => {
      if (this.#iteration === iteration) this.#onSettled('aborted', undefined);
    };
    (rest ?? Promise.resolve()).then(onRest, (error: unknown) => {
      reportError(error);
      onRest();
    });
  }

  /** Does not wait for a job that {@link abort} could only ask. */
  abandon(hasCrashed = false): void {
    if (this.#state === FREE || this.#state === ENDED) return;
    if (this.#state === SETTLED) return this.resume();
    // Its end is being told now, further down the stack; after a crash nobody tells it any more.
    if (this.#verdict && !hasCrashed) return;
    const run = this.#run;
    this.#settle(this.#verdict ?? 'abandoned', this.#result);
    if (run) this.#teardown(run);
    this.#host.rest(this);
  }

  #teardown(run: Run<R>): void {
    if (this.#run === run) this.#run = undefined;
    try {
      run.unsubscribe();
    } catch (error) {
      reportError(error);
    }
  }
}
