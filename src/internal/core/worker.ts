import { Observable } from 'rxjs';
import type { ObservableInput, Subscriber } from 'rxjs';
import { inPool, JobAbortedError } from '../../errors.js';
import type { JobContext, JobOutcome } from '../../types.js';
import { runIn } from '../support/asyncScope.js';
import { reportError, tearDown } from '../support/reporting.js';
import { Attempt, contextOf } from './attempt.js';
import type { EventLoopBudget, Held } from './budget.js';
import { Delayed } from './delayed.js';
import type { Holder, Verdicts } from './delayed.js';
import { AsyncIteration } from './iteration.js';
import type { JobObserver, Lease, Owned, Slot, Verdict } from './observer.js';
import type { PoliciesByEvent } from './policy.js';
import { readResult, Run } from './run.js';
import type { Result, RunOwner } from './run.js';
import type { Slots } from './slots.js';
import type { JobStore } from './store.js';
import { isTraced, Trace } from './tracing.js';
import type { Turn, Turns } from './turns.js';

/** The place in the order of teardown of a job whose `work` has not returned yet: behind all that are subscribed. */
const UNSUBSCRIBED = 2 ** 52;

const nativeThen: Promise<unknown>['then'] = Promise.prototype.then;

// What a slot does.
const FREE = 0;
const STARTING = 1;
/** A stream runs. */
const RUNNING = 2;
/** A promise, a thenable or an async iterable is waited for: it cannot be stopped. */
const AWAITING = 3;
/** The job has settled, and is held until the event loop has turned. */
const SETTLED = 4;
/** The attempt has been judged, and its work has not let go yet. */
const LINGERING = 5;
/** The job waits here for its retry: there is no room for it elsewhere. */
const HOLDING = 6;
/** For good: the worker's job failed the pool, or was abandoned. */
const ENDED = 7;
/** The engine that owns the job is told how it has ended. */
const SETTLING = 8;

/** The pool, as one of its workers sees it. */
export interface WorkerHost<J, R> {
  /** For whom traces the pool. */
  readonly name: string;
  readonly work: (job: never, context: JobContext) => ObservableInput<R>;
  /** `work` may look at its context in any way. */
  readonly showsContext: boolean;
  readonly observer: JobObserver<J, R> | undefined;
  /** What the pool takes for a job is a record that somebody owns. */
  readonly isOwned: boolean;
  readonly slots: Slots;
  readonly store: JobStore<J>;
  readonly budget: EventLoopBudget;
  readonly policies: PoliciesByEvent;
  /** Says whether a failure is the end. */
  readonly verdicts: Verdicts<J> | undefined;
  /** Keeps results until it is their turn. */
  readonly turns: Turns | undefined;
  /** The results have ended or were unsubscribed: nothing starts any more. */
  readonly closed: boolean;
  /** Values of jobs go downstream. */
  readonly emitsValues: boolean;
  /** Looks for a job, also at who could give one. */
  findNext(): boolean;
  /** The retry whose turn it is, before what waits. */
  takeDue(): Delayed<J> | undefined;
  /** May a retry start in the slot in which a job waits for its own? */
  mayStartHeld(): boolean;
  /** A retry has started: another may have the place in which it waited. */
  onRetryStarted(): void;
  /** Another job has started, and may have taken the turn of a retry. */
  onStarted(): void;
  /** The worker has found no job. */
  rest(worker: Worker<J, R>): void;
  emit(value: R, turn: Turn | undefined): void;
  /** The value of a promise, told while the job still has its slot. */
  emitLast(value: R, turn: Turn | undefined): void;
  /** An exception that is none of the job's. */
  crash(error: unknown): void;
}

/**
 * One worker of a pool. mergeMap subscribes to its `life` once; it takes job after job from the buffer. A slot's machine:
 *
 *     FREE ──▶ STARTING ──▶ RUNNING  (a stream)  ──────────────▶ FREE
 *                      └──▶ AWAITING (a promise) ──▶ SETTLED ───▶ FREE
 *                                      │ timed out: LINGERING ──▶ FREE
 *     failed, and no room for those that wait for their retry: HOLDING ──▶ STARTING, or FREE
 *     a leased job, where FREE is above: SETTLING ──▶ FREE; it does not linger, but is judged when its work has let go
 *
 * A stream's job ends in two steps, because it may complete inside the call that subscribes to it: first the verdict, then,
 * when its finalizers have run, the settlement that frees the slot.
 */
export class Worker<J, R> implements Slot<J>, Held, RunOwner<R>, Holder {
  readonly number: number;
  /** It has found no job, and waits to be given one. */
  isIdle = false;
  job!: J;
  id = 0;
  arrivedAt = 0;
  startedAt = 0;
  retries = 0;
  earlier: Delayed<J> | undefined;
  rank = 0;
  turn: Turn | undefined;
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
  /** An abort that came when the job had failed, and before that was told: the job is not tried again. */
  #lateAbort: { readonly reason: unknown } | undefined;
  /** It is being told how the job has ended. */
  #isNotifying = false;
  /** It was abandoned meanwhile. */
  #isLeft = false;
  /** Of a leased job that was judged while its work had not let go: that is what its end will be. */
  #failure: { readonly error: unknown } | undefined;
  /** Of an attempt that is traced, until it is judged. */
  #trace: Trace | undefined;
  /** It cannot be stopped: its value comes alone and with the verdict. */
  isPromise = false;
  isInCall = false;
  #run: Run<R> | undefined;
  #iteration: AsyncIteration<R> | undefined;
  /** The job whose last attempt lingers here, or which waits here for its retry. */
  #held: Delayed<J> | undefined;
  /** Hooks have been told that the slot is free again. */
  #isReleaseNotified = false;

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
  #payload(): unknown {
    return this.#host.isOwned ? (this.job as Owned).job : this.job;
  }

  get hasJob(): boolean {
    return this.#state !== FREE && this.#state !== ENDED && this.#state !== HOLDING;
  }

  get isLingering(): boolean {
    return this.#state === LINGERING;
  }

  get attempt(): number {
    return this.#attempt!.attempt;
  }

  /** For the observer: the job that the slot has, or had. */
  get index(): number {
    return this.#attempt!.index;
  }

  get context(): JobContext {
    return (this.#context ??= this.#host.showsContext ? contextOf(this.#attempt!) : this.#attempt!);
  }

  // ---- Starts

  /** Starts jobs for as long as they end before their call returns: any number of them, on a flat stack. */
  proceed(): void {
    const host = this.#host;
    for (;;) {
      if (this.#state === HOLDING) {
        if (!this.#proceedHeld()) return;
      } else if (this.#state !== FREE || this.isIdle) return;
      else if (!host.findNext()) return host.rest(this);
      else {
        const { store, verdicts } = host;
        const due = verdicts && host.takeDue();
        if (due) this.#restart(due);
        else {
          host.turns?.choose();
          const job = store.take();
          this.#lane = store.lane;
          if (verdicts) this.rank = store.rank;
          this.#start(job, store.id, store.arrivedAt);
          if (verdicts) host.onStarted();
        }
        if (this.#state === FREE && !this.isIdle && host.budget.countSynchronous()) return host.budget.hold(this);
      }
    }
  }

  /** Starts the job that waits here, or one that is due before it, with which it changes places. */
  #proceedHeld(): boolean {
    const host = this.#host;
    const mayStart = host.mayStartHeld();
    const held = this.#held;
    // The gate may just have opened, and this slot have started its job.
    if (!mayStart || held === undefined || this.#state !== HOLDING || !host.verdicts!.canStart(held)) return false;
    if (!this.#isReleaseNotified) {
      // A hook that is told of it may pause the pool, or take the job away.
      this.#notifyRelease();
      return true;
    }
    const due = host.verdicts!.exchange(held);
    this.#held = undefined;
    host.slots.holding--;
    host.slots.lingering--;
    host.slots.active--;
    this.#state = FREE;
    this.#restart(due);
    return true;
  }

  #restart(due: Delayed<J>): void {
    this.#lane = due.lane;
    this.rank = due.rank;
    this.#start(due.job, due.id, due.arrivedAt, due);
    this.#host.onRetryStarted();
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

  #start(job: J, id: number, arrivedAt: number, earlier?: Delayed<J>): void {
    const host = this.#host;
    const { slots, policies, verdicts } = host;
    slots.active++;
    const index = earlier === undefined ? slots.started++ : earlier.index;
    const attempt = earlier === undefined ? 1 : earlier.attempts + 1;
    this.#state = STARTING;
    this.isPromise = this.#isReleaseNotified = false;
    this.job = job;
    this.id = id;
    this.arrivedAt = arrivedAt;
    this.#attempt = new Attempt(this.number, attempt, index);
    this.subscriptionOrder = UNSUBSCRIBED + index;
    if (host.turns !== undefined) this.turn = earlier?.turn ?? host.turns.begin(host.store.order ?? index);
    if (verdicts !== undefined) {
      this.earlier = earlier;
      this.retries = earlier === undefined ? 0 : earlier.retries;
    }
    const owned = host.isOwned ? (job as Owned) : undefined;
    if (owned !== undefined) {
      owned.slot = this;
      owned.delayed = undefined;
    }
    host.observer?.countStarted(this);
    if (policies.started.length > 0) for (const policy of policies.started) policy.started(this);
    if (owned === undefined) return this.#callWork();
    // A timeout judges the job outside of its caller's call, whatever its work returns.
    if (policies.judged.length > 0) owned.keepScope();
    if (owned.scope === undefined) this.#callWork();
    else owned.scope.runInAsyncScope(this.#callWork, this);
  }

  #callWork(): void {
    const host = this.#host;
    const { observer, work } = host;
    try {
      if (observer?.hearsStarted) observer.notifyStarted(this);
      // A hook may have ended the job; or a policy has thrown, and the pool has ended.
      if (this.#abort !== undefined || this.#state !== STARTING) return this.#settle('aborted');
      const result = isTraced() ? this.#callTraced() : work(this.#payload() as never, this.context);
      if (result instanceof Promise && result.then === nativeThen) {
        this.subscriptionOrder = host.slots.subscribed++;
        this.isPromise = true;
        if (this.#state === STARTING) this.#state = AWAITING;
        host.budget.begin();
        this.#trace?.end();
        // Without a second look at the promise's `then`, which may have another answer by now.
        return void nativeThen.call(result, this.#onFulfilled as (value: unknown) => void, this.#onRejected);
      }
      this.#observe(result);
    } catch (error) {
      // What throws when the job has ended is none of its own.
      if (this.#state === FREE || this.#verdict) host.crash(error);
      else this.#settle('failed', error);
    }
  }

  #callTraced(): ObservableInput<R> {
    const { isOwned, name, observer, work } = this.#host;
    const job = this.#payload();
    this.#trace = new Trace({
      pool: name,
      ...(observer && { id: this.id }),
      ...(isOwned && { awaited: (this.job as Owned).isCalled }),
      job,
      attempt: this.attempt,
      worker: this.number,
    });
    return this.#trace.start(() => work(job as never, this.context));
  }

  // ---- A promise with the language's own `then` settles once, so these two serve one job after another.

  readonly #onFulfilled = (value: R): void => this.#onSettled('completed', value);
  readonly #onRejected = (error: unknown): void => this.#onSettled('failed', error);

  #onSettled(verdict: Verdict, result: unknown): void {
    if (this.#state >= ENDED) return;
    try {
      if (this.#isHeld(verdict, result)) return;
      this.#settle(verdict, result);
      this.#host.budget.wakeUp(this.#startNext);
    } catch (error) {
      this.#host.crash(error);
    }
  }

  readonly #startNext = (): void => this.proceed();

  #lease(): Lease | undefined {
    return this.#host.isOwned ? (this.job as Owned).lease : undefined;
  }

  /** Will it end the results, in this call? */
  #isFatal(verdict: Verdict): boolean {
    const { emitsValues, verdicts } = this.#host;
    if (verdict !== 'failed' || !emitsValues || verdicts !== undefined) return false;
    return this.#abort === undefined && this.#lease() === undefined && this.turn?.isFirst !== false;
  }

  /** A failure that ends the results is told at once. */
  #isHeld(verdict: Verdict, result: unknown): boolean {
    const host = this.#host;
    if (this.#state === LINGERING || !host.budget.countAndCheck() || this.#isFatal(verdict)) return false;
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
    if (this.#state >= ENDED) {
      // Abandoned inside `work`. A thenable's rejection is looked at, so that it is not unhandled.
      if (read.kind === 'thenable') read.stream.subscribe({ error: () => undefined });
      return;
    }
    const isCancelled = this.#abort !== undefined && !this.isPromise;
    if (!isCancelled || host.closed) {
      this.subscriptionOrder = host.slots.subscribed++;
      if (host.isOwned) (this.job as Owned).keepScope();
      const trace = this.#trace;
      const run = (this.#run = new Run<R>(trace === undefined ? this : trace.ownerOutside(this)));
      // As in RxJS: what was unsubscribed inside `work` is subscribed all the same, and torn down at once.
      if (host.closed && !this.isPromise) run.unsubscribe();
      try {
        if (trace === undefined) this.#subscribe(read, run);
        else trace.subscribe(() => this.#subscribe(read, run));
        trace?.end();
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

  #subscribe(read: Result<R>, run: Run<R>): void {
    if (read.kind === 'iterable') this.#iterate(read.iterable, run);
    else read.stream.subscribe(run);
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
    else if (this.#abort !== undefined) this.#stopIteration(iteration, run);
  }

  onValue(value: R): void {
    const { emitsValues, observer, verdicts } = this.#host;
    this.#result = value;
    if (this.isPromise) return;
    if (verdicts?.resetsOnSuccess) this.retries = 0;
    if (emitsValues) this.#host.emit(value, this.turn);
    else observer!.emitted?.(this, value);
  }

  onError(run: Run<R>, error: unknown): void {
    if (!this.#isFatal('failed')) return this.#finish(run, 'failed', error);
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
    if (this.#state === STARTING || this.#state >= ENDED) return;
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

  /** The work has let go. The caller goes on to the next start. */
  #settle(verdict: Verdict, result?: unknown): void {
    if (this.#state >= ENDED) return;
    if (this.#state === LINGERING) return this.#onWorkSettled();
    if (this.#failure !== undefined) {
      return this.#notifyEngine(this.#lease()!, verdict === 'abandoned' ? verdict : 'failed', this.#failure.error);
    }
    if (verdict !== 'completed' && this.#abort !== undefined) {
      result = this.#abort.reason;
      if (verdict === 'failed') verdict = 'aborted';
    }
    this.#judge(verdict, result, true);
  }

  /** State, then hooks, then downstream. Once per start. */
  #judge(verdict: Verdict, result: unknown, isReleased: boolean): void {
    const { policies, verdicts } = this.#host;
    if (policies.judged.length > 0) for (const policy of policies.judged) policy.judged(this);
    if (this.#trace !== undefined) this.#endTrace(this.#trace, verdict, result);
    if (verdict === 'failed' && verdicts !== undefined) this.#judgeFailure(verdicts, result, isReleased);
    else this.#conclude(verdict, result, isReleased);
  }

  /** Is the failure the end? */
  #judgeFailure(verdicts: Verdicts<J>, error: unknown, isReleased: boolean): void {
    // What the user's delay function does to the job now comes too late.
    this.#verdict = 'failed';
    let delay: Observable<unknown> | undefined;
    try {
      delay = verdicts.delayOf(this, error);
    } catch (thrown) {
      error = thrown;
    }
    if (delay === undefined) return this.#conclude('failed', error, isReleased);
    if (this.#lateAbort === undefined) return this.#delay(error, delay, isReleased);
    if (!isReleased) return this.#conclude('failed', error, false);
    this.#conclude('aborted', this.#reasonOf(this.#lateAbort.reason), true);
  }

  /** There is no other attempt. */
  #conclude(verdict: Verdict, result: unknown, isReleased: boolean): void {
    const lease = this.#lease();
    if (lease === undefined) this.#end(verdict, result, isReleased);
    else if (isReleased) this.#notifyEngine(lease, verdict, result);
    else this.#failure = { error: result };
  }

  #endTrace(trace: Trace, verdict: Verdict, result: unknown): void {
    this.#trace = undefined;
    // What a subscriber of the channel does to the job now comes too late.
    this.#verdict = verdict;
    trace.judge(verdict, result);
  }

  /** Its engine first: until that has answered, the job keeps its slot. Values go downstream as they come. */
  #notifyEngine(lease: Lease, verdict: Verdict, result: unknown): void {
    const host = this.#host;
    this.#state = SETTLING;
    this.#verdict = verdict;
    if (verdict === 'completed' && this.isPromise && host.emitsValues && !lease.isLost)
      host.emit(result as R, this.turn);
    let isCalling = true;
    lease.settle(host.observer!.outcomeOf(this, verdict, result), (answer, error, outcome) => {
      try {
        runIn((this.job as Owned).scope, () => this.#end(answer, error, true, outcome as JobOutcome<never, R>));
        if (isCalling) return;
        if (answer === 'abandoned') host.rest(this);
        else this.proceed();
      } catch (thrown) {
        host.crash(thrown);
      }
    });
    isCalling = false;
  }

  /** @param outcome where an engine has been told of it already, and the value has gone downstream */
  #end(verdict: Verdict, result: unknown, isReleased: boolean, outcome?: JobOutcome<unknown, R>): void {
    const host = this.#host;
    const { observer } = host;
    const { isPromise, turn } = this;
    this.isInCall = this.#state === STARTING;
    const endsResults = verdict === 'failed' && host.emitsValues;
    const isFatal = endsResults && turn?.isFirst !== false;
    if (isFatal || verdict === 'abandoned') this.#state = ENDED;
    else this.#state = isReleased ? FREE : LINGERING;
    if (this.#state === LINGERING) host.slots.lingering++;
    else this.#free();
    this.#verdict = this.#abort = this.#lateAbort = this.#failure = undefined;
    this.#isReleaseNotified = this.#state !== LINGERING;
    this.#isNotifying = true;
    if (outcome) observer!.answered(this, outcome);
    else observer?.settled(this, verdict, result, this.#isReleaseNotified);
    this.#isNotifying = false;
    this.#forget();
    if (isFatal) this.destination.error(result);
    else if (verdict === 'completed' && isPromise && host.emitsValues && !outcome) host.emitLast(result as R, turn);
    if (endsResults) turn?.fail(result);
    else turn?.end();
    if (!this.#isLeft) return;
    this.#isLeft = false;
    this.abandon();
  }

  /** The job has failed, and is tried again. */
  #delay(error: unknown, delay: Observable<unknown>, isReleased: boolean): void {
    const { observer, slots, verdicts } = this.#host;
    const delayed = new Delayed(this, error, this.#lane, isReleased);
    this.#lane = undefined;
    if (this.#host.isOwned) {
      const owned = this.job as Owned;
      owned.keepScope();
      owned.slot = undefined;
      owned.delayed = delayed;
    }
    const isSeated = verdicts!.add(delayed);
    if (isReleased && isSeated) {
      this.#state = FREE;
      slots.active--;
    } else {
      this.#state = isReleased ? HOLDING : LINGERING;
      slots.lingering++;
      if (isReleased) slots.holding++;
      this.#held = delayed;
      verdicts!.hold(delayed, this);
    }
    this.#verdict = this.#abort = undefined;
    this.#isReleaseNotified = this.#state === FREE;
    const attempt = this.#attempt;
    observer?.retrying(this, error, delayed, this.#isReleaseNotified);
    // A hook may have had another job's retry started here.
    if (this.#attempt === attempt) this.#forget();
    verdicts!.wait(delayed, delay);
  }

  /** What the attempt was given. The job itself is kept until hooks have been told that its slot is free. */
  #forget(): void {
    this.#result = this.earlier = this.turn = undefined;
    if (this.#isReleaseNotified) this.#forgetJob();
  }

  #forgetJob(): void {
    this.#attempt = this.#context = this.#iteration = undefined;
    this.job = undefined as J;
  }

  #free(): void {
    const { slots, store } = this.#host;
    slots.active--;
    if (this.#lane !== undefined) store.done!(this.#lane);
    this.#lane = undefined;
  }

  /** The work of a judged attempt has settled. Its job may still have to wait here for its retry. */
  #onWorkSettled(): void {
    // What a thenable has brought too late is not the next job's.
    this.#verdict = this.#result = undefined;
    const held = this.#held;
    if (held !== undefined && !this.#host.verdicts!.onReleased(held)) {
      this.#state = HOLDING;
      this.#host.slots.holding++;
      return;
    }
    this.#leave();
  }

  #leave(): void {
    this.#held = undefined;
    this.#state = FREE;
    this.#host.slots.lingering--;
    this.#free();
    if (!this.#isReleaseNotified) this.#notifyRelease();
  }

  #notifyRelease(): void {
    const { id, job } = this;
    this.#isReleaseNotified = true;
    this.#forgetJob();
    this.#host.observer?.released(job, id);
  }

  /** The job that waits here, or whose attempt lingers here, has got a place elsewhere, or is given up. */
  vacate(isGivenUp: boolean): void {
    if (isGivenUp) this.#lane = this.#held!.lane;
    this.#held = undefined;
    if (this.#state !== HOLDING) return;
    this.#host.slots.holding--;
    this.#leave();
    this.#host.rest(this);
  }

  /** Judges the attempt as failed, although its work may go on: a stream ends, a promise keeps the slot until it settles. */
  fail(error: unknown): void {
    if ((this.#state !== RUNNING && this.#state !== AWAITING) || this.#verdict || this.#abort !== undefined) return;
    const [attempt, iteration, run] = [this.#attempt!, this.#iteration, this.#run];
    this.#verdict = 'failed';
    const isStopped = run !== undefined && !this.isPromise && iteration === undefined;
    if (iteration !== undefined) this.#stopIteration(iteration, run!);
    else if (isStopped) this.#teardown(run);
    Attempt.abort(attempt, error);
    const scope = this.#host.isOwned ? (this.job as Owned).scope : undefined;
    runIn(scope, () => this.#judge('failed', error, isStopped));
    if (isStopped) this.proceed();
  }

  /** Asks the job to end, with `reason` for its signal. A stream ends at once; a promise is judged by how it settles. */
  abort(reason?: unknown): void {
    if (this.#state === ENDED) return this.#run && this.#teardown(this.#run);
    if (!this.hasJob || this.isLingering || this.#abort !== undefined) return;
    if (this.#verdict) {
      this.#lateAbort ??= { reason };
      return;
    }
    const attempt = this.#attempt!;
    const iteration = this.#iteration;
    const run = this.#run;
    const wasRunning = this.#state === RUNNING;
    this.#abort = { reason: this.#reasonOf(reason) };
    if (iteration !== undefined) {
      this.#stopIteration(iteration, run!);
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

  #reasonOf(reason: unknown): unknown {
    return reason === undefined ? inPool(this.#host.name, () => new JobAbortedError(this.#payload())) : reason;
  }

  /** An async generator may be in the middle of an await: the slot is taken until its `return()` has settled. */
  #stopIteration(iteration: AsyncIteration<R>, run: Run<R>): void {
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
    if (!this.hasJob || this.#state === SETTLING) return;
    if (this.#state === SETTLED) return this.resume();
    if (this.isLingering) {
      // Further down the stack its outcome is on its way downstream.
      if (this.#isNotifying) return void (this.#isLeft = true);
      this.#leave();
      this.#state = ENDED;
      return this.#host.rest(this);
    }
    // Its end is being told now, further down the stack; after a crash nobody tells it any more.
    if (this.#verdict && !this.#failure && !hasCrashed) return;
    const run = this.#run;
    this.#settle(this.#failure ? 'abandoned' : (this.#verdict ?? 'abandoned'), this.#result);
    if (run) this.#teardown(run);
    if (this.#state !== SETTLING) this.#host.rest(this);
  }

  #teardown(run: Run<R>): void {
    if (this.#run === run) this.#run = undefined;
    tearDown(run);
  }
}
