import { catchError, merge, NEVER, Observable, Subject, Subscription, takeUntil, tap } from 'rxjs';
import type { Observer, Subscriber } from 'rxjs';
import { BufferOverflowError, inPool, JobAbortedError, JobDroppedError, JobFailedError } from '../../errors.js';
import type {
  JobAborted,
  JobDropped,
  JobOutcome,
  JobSource,
  PoolSnapshot,
  PoolStats,
  ShutdownLevel,
  ShutdownReport,
} from '../../types.js';
import { checkSource, iterableOf, observableOf } from '../core/intake.js';
import type { AnyIterable } from '../core/iteration.js';
import type { Delayed } from '../core/delayed.js';
import { Pool } from '../core/pool.js';
import { ABORT, LEVELS } from '../core/shutdown.js';
import type { Removed } from '../core/store.js';
import { OwnedLifecycle } from '../lifecycle/ownedLifecycle.js';
import type { JobOwner } from '../lifecycle/ownedLifecycle.js';
import { runIn } from '../support/asyncScope.js';
import { clockOf, isRealTime, oncePerRound, unfailing } from '../support/clock.js';
import { Deferred } from '../support/deferred.js';
import { checkDuration } from '../support/checks.js';
import { isObject } from '../support/is.js';
import { reportError } from '../support/reporting.js';
import { Cancellation } from './cancellation.js';
import { abandonAll } from './crash.js';
import { Entrance } from './entrance.js';
import { Escalation } from './escalation.js';
import { lenderOf } from './lender.js';
import type { BorrowingParts, JobsOptions, Pipeline } from './lender.js';
import { Line } from './line.js';
import { JobRecord, OBSERVED, OFFERED, PULLED, RecordStore, SENT, SUBMITTED } from './record.js';
import type { Door } from './record.js';
import { snapshotOf } from './snapshot.js';
import { Sources } from './sources.js';
import type { SourcesHost } from './sources.js';

/** For the gate: a caller holds starts back. */
const PAUSE = {};

/** What a caller of `send` or `submit` may say. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly wait?: boolean | undefined;
}

/** The inside of a BackgroundJobs: records, senders and promises around a pool, which queues, runs and ends the jobs. */
export class Jobs<J, R> implements JobOwner<JobRecord<J, R>, R, J>, SourcesHost<J> {
  readonly outcomes$: Observable<JobOutcome<J, R>>;
  readonly ended: Promise<ShutdownReport<J>>;

  readonly #options: JobsOptions<J, R>;
  readonly #now: () => number;
  /** While nobody watches: may be some microtasks old. */
  readonly #roughNow: () => number;
  readonly #store: RecordStore<J, R>;
  readonly #lifecycle: OwnedLifecycle<JobRecord<J, R>, R, J>;
  #pool!: Pool<JobRecord<J, R>, R>;
  #entrance!: Entrance<J, R>;
  #sources!: Sources<J>;
  #borrowing!: BorrowingParts<J, R>;
  readonly #cancellation = new Cancellation<J, R>((records, { reason }) => this.#cancel(records, reason));
  readonly #escalation: Escalation;
  readonly #outcomes = new Subject<JobOutcome<J, R>>();
  /** Ends the sources that are pushed. */
  readonly #closing = new Subject<void>();
  readonly #ended = new Deferred<ShutdownReport<J>>();
  readonly #dropped: JobDropped<J>[] = [];
  readonly #aborted: JobAborted<J>[] = [];
  #idlers: (() => void)[] = [];
  #ids = 0;
  /** The pipeline has thrown, and engines have yet to answer. */
  #endsWhenClosed = false;

  constructor(options: JobsOptions<J, R>, pipeline: Pipeline) {
    this.#options = options;
    this.#now = unfailing(clockOf(options.scheduler), (error) => queueMicrotask(() => this.#pool.crash(error)));
    const { hooks, makeStore } = options;
    // An order, and a ttl, go by the times of arrival.
    const isExact = hooks !== undefined || makeStore !== undefined || !isRealTime(options.scheduler);
    this.#roughNow = isExact ? this.#now : oncePerRound(this.#now, this.#outcomes);
    this.#store = (makeStore?.(this.#now, true) as RecordStore<J, R> | undefined) ?? new RecordStore<J, R>();
    this.#lifecycle = new OwnedLifecycle({
      hooks,
      now: this.#now,
      roughNow: this.#roughNow,
      store: this.#store,
      deliver: (outcome) => this.#onOutcome(outcome),
      owner: this,
    });
    this.#escalation = new Escalation(options.scheduler);
    this.ended = this.#ended.promise;
    this.outcomes$ = this.#outcomes.asObservable();
    let failure: { readonly error: unknown } | undefined;
    let isMade = false;
    new Observable<never>((results) => {
      const pool = this.#make(results);
      isMade = true;
      const shutdown = merge(reported(options.shutdown), this.#escalation.levels).pipe(
        tap((level) => this.#escalation.reached(level)),
      );
      pipeline(pool, NEVER, { shutdown, mostWorkers: options.mostWorkers }).subscribe(results);
    }).subscribe({
      error: (error: unknown) => {
        if (isMade) this.#onCrash(error);
        else failure = { error };
      },
      complete: () => this.#onEnd(),
    });
    // What has thrown is the scheduler's clock.
    if (failure) throw failure.error;
  }

  #make(results: Subscriber<never>): Pool<JobRecord<J, R>, R> {
    const options = this.#options;
    // An overflow is the caller's error (offer is false, submit rejects), and the pool goes on.
    const overflow = options.overflow === 'error' ? 'drop-incoming' : options.overflow;
    const pool = new Pool<JobRecord<J, R>, R>({ ...options, overflow }, results, {
      observer: this.#lifecycle,
      isOwned: true,
      crashesLater: true,
    });
    const line = new Line(pool);
    this.#pool = pool;
    this.#entrance = new Entrance(pool, this.#lifecycle, line);
    this.#sources = new Sources<J>(this, line);
    pool.intake = this.#sources;
    this.#borrowing = this.#partsWith(line);
    return pool;
  }

  #partsWith(line: Line): BorrowingParts<J, R> {
    const [pool, entrance, lifecycle, options] = [this.#pool, this.#entrance, this.#lifecycle, this.#options];
    const isPaused = (): boolean => this.paused;
    return {
      pool,
      entrance,
      lifecycle,
      line,
      get places() {
        return isPaused() ? options.buffer : pool.places;
      },
      makeRecord: (job) => this.#record(job, PULLED),
    };
  }

  // ---- Ways in

  offer(job: J): boolean {
    const record = this.#record(job, OFFERED);
    this.#entrance.offer(record);
    return record.refusal === undefined;
  }

  send(job: J, options?: CallOptions): Promise<void> {
    return this.#call(this.#record(job, SENT), true, options?.signal).promise as Promise<void>;
  }

  submit(job: J, options?: CallOptions): Promise<R> {
    const record = this.#record(job, SUBMITTED);
    if (options === undefined) this.#entrance.offer(record);
    else this.#call(record, options.wait === true, options.signal);
    return record.promise as Promise<R>;
  }

  submit$(job: J, wait: boolean): Observable<R> {
    return new Observable((values) => {
      const record = this.#record(job, OBSERVED);
      record.values = values;
      values.add(() => {
        // It has ended by itself.
        if (record.values === undefined) return;
        record.values = undefined;
        this.#cancel([record], undefined);
      });
      this.#call(record, wait, undefined);
    });
  }

  #record(job: J, door: Door): JobRecord<J, R> {
    return new JobRecord(job, door, this.#ids++, this.#roughNow());
  }

  #call(record: JobRecord<J, R>, wait: boolean, signal: AbortSignal | undefined): JobRecord<J, R> {
    if (signal?.aborted) {
      record.rejectQuietly(this.#reasonOf(signal.reason, record.job));
      this.#entrance.refuse(record, 'withdrawn');
      return record;
    }
    if (signal !== undefined) {
      record.keepScope();
      this.#cancellation.watch(record, signal);
    }
    if (wait) this.#entrance.send(record);
    else this.#entrance.offer(record);
    return record;
  }

  listenTo(source: JobSource<J>): Subscription {
    const lender = lenderOf<J>(source);
    if (lender !== undefined) {
      if (!this.#entrance.isOpen) return Subscription.EMPTY;
      return this.#sources.join((onEnd) => lender.listen(this.#borrowing, onEnd));
    }
    const iterable = iterableOf(source);
    if (iterable !== undefined || !isObject(source)) {
      checkSource('listenTo', iterable);
      return this.#entrance.isOpen ? this.#sources.listenTo(iterable as AnyIterable<J>) : Subscription.EMPTY;
    }
    if (!this.#entrance.isOpen) return Subscription.EMPTY;
    const { buffer, overflow } = this.#options;
    if (overflow === 'error' && buffer !== Infinity) {
      throw new TypeError(
        `listenTo: an Observable cannot be asked to wait, and at a full buffer (${buffer}) overflow is 'error': choose another overflow policy, or listen to an iterable`,
      );
    }
    return observableOf(source as Observable<J>)
      .pipe(takeUntil(this.#closing))
      .subscribe({ next: (job) => this.#entrance.offer(this.#record(job, OFFERED)), error: reportError });
  }

  // ---- What the sources need

  get budget(): Pool<JobRecord<J, R>, R>['budget'] {
    return this.#pool.budget;
  }

  get isOpen(): boolean {
    return this.#entrance.isOpen;
  }

  get isAtRest(): boolean {
    const { delayed, leaving } = this.#lifecycle.accounts;
    return this.#pool.slots.active === 0 && this.#store.length === 0 && delayed === 0 && leaving === 0;
  }

  get hasWaitingItems(): boolean {
    return this.#entrance.senders.length > 0;
  }

  admit(job: J, hasTurn: boolean): void {
    this.#entrance.send(this.#record(job, PULLED), hasTurn);
  }

  admitLate(job: J): void {
    const record = this.#record(job, PULLED);
    if (this.#entrance.isOpen) this.#entrance.send(record);
    else this.#entrance.refuse(record, 'closed');
  }

  onClosing(isCut: boolean): void {
    this.#entrance.isOpen = false;
    // A pulled item has no caller who could be told of a refusal: a drain runs it. A leased one is given back.
    this.#entrance.refuseSenders('closed', ({ door, lease }) => isCut || door !== PULLED || lease !== undefined);
    this.#closing.next();
  }

  onClosed(): void {
    this.#pool.closeIntake();
    if (this.#endsWhenClosed) this.#onEnd();
  }

  // ---- The owner of the jobs

  onAccepted(record: JobRecord<J, R>): void {
    if (record.door === PULLED) return this.#sources.onSeated();
    if (record.door !== SENT) return;
    this.#cancellation.unwatch(record);
    const { budget } = this.#pool;
    if (budget.countAndCheck()) budget.hold(record);
    else record.resume();
  }

  onValue({ values, party }: JobRecord<J, R>, value: R): void {
    values?.next(value);
    if (party === undefined) return;
    for (const follower of party.followers) runIn(follower.scope, () => follower.values?.next(value));
  }

  onSettled(record: JobRecord<J, R>, outcome: JobOutcome<J, R>): void {
    if (outcome.status === 'dropped' && outcome.reason === 'coalesced') return this.#onMerged(record);
    const { slot, party } = record;
    if (record.signal !== undefined) this.#cancellation.unwatch(record);
    record.slot = undefined;
    if (outcome.status === 'dropped' && outcome.reason === 'shutdown') this.#dropped.push(outcome);
    if (outcome.status === 'aborted' && slot !== undefined && !record.isCancelled) this.#aborted.push(outcome);
    const isPromise = slot?.isPromise === true;
    const isCallerTold =
      party === undefined ? record.isCalled : party.followers.size > 0 || (record.isCalled && !party.hasLeaderLeft);
    const isInCall = slot?.isInCall === true;
    if (party === undefined) this.#notifyCaller(record, outcome, isPromise, isInCall);
    else this.#notifyParty(party, outcome, isPromise, isInCall);
    if (outcome.status === 'failed' && !isCallerTold && record.lease === undefined && !this.#isHeard()) {
      reportError(inPool(this.#options.name, () => new JobFailedError(outcome.job, { cause: outcome.error })));
    }
  }

  /** The short way of most jobs of `submit`: no outcome is made where nobody but the caller is told. */
  onCompletedUnheard(record: JobRecord<J, R>, value: R): boolean {
    const { door, lease, party, signal } = record;
    if (door !== SUBMITTED || (signal ?? party ?? lease) !== undefined || this.#outcomes.observed) return false;
    const isInCall = record.slot!.isInCall;
    record.slot = undefined;
    if (isInCall) this.#settleInCall(() => record.resolve!(value));
    else record.resolve!(value);
    if (this.#idlers.length > 0) this.#wakeIdlersLater();
    return true;
  }

  #notifyCaller(record: JobRecord<J, R>, outcome: JobOutcome<J, R>, isPromise: boolean, isInCall: boolean): void {
    const { door, values } = record;
    if (door === SUBMITTED && isInCall) this.#settleInCall(() => this.#settlePromise(record, outcome));
    else if (door === SUBMITTED) this.#settlePromise(record, outcome);
    else if (values !== undefined) {
      record.values = undefined;
      this.#endValues(values, outcome, isPromise);
    } else if (door === SENT && record.refusal !== undefined)
      record.rejectQuietly(this.#errorOf(outcome as JobDropped<J>));
  }

  // ---- Merged jobs

  /** The job is in a waiting one now: its sender, or its source, may go on, and a caller of `submit` waits for that one. */
  #onMerged(record: JobRecord<J, R>): void {
    if (!record.isCalled) this.onAccepted(record);
  }

  /** Each in the context of its own call; a drop carries the job of its own call back. */
  #notifyParty(
    { leader, firstJob, followers }: NonNullable<JobRecord<J, R>['party']>,
    outcome: JobOutcome<J, R>,
    isPromise: boolean,
    isInCall: boolean,
  ): void {
    const own = (job: J): JobOutcome<J, R> => (outcome.status === 'dropped' ? { ...outcome, job } : outcome);
    leader.party = undefined;
    this.#notifyCaller(leader, own(firstJob), isPromise, isInCall);
    for (const follower of followers) {
      follower.party = undefined;
      this.#cancellation.unwatch(follower);
      runIn(follower.scope, () => this.#notifyCaller(follower, own(follower.job), isPromise, isInCall));
    }
  }

  onReleased(): void {
    this.#wakeIdlersLater();
  }

  /** Of a synchronous job only the promise can be held: a caller who awaits one after the other must not starve the event loop. */
  #settleInCall(settle: () => void): void {
    const { budget } = this.#pool;
    if (budget.countAndCheck()) budget.hold({ resume: settle });
    else settle();
  }

  #settlePromise(record: JobRecord<J, R>, outcome: JobOutcome<J, R>): void {
    if (outcome.status === 'completed') record.resolve!(outcome.value);
    else if (outcome.status === 'failed') record.reject!(outcome.error);
    else record.rejectQuietly(outcome.status === 'aborted' ? outcome.reason : this.#errorOf(outcome));
  }

  #endValues(values: Observer<R>, outcome: JobOutcome<J, R>, isPromise: boolean): void {
    if (outcome.status === 'completed') {
      if (isPromise) values.next(outcome.value);
      values.complete();
    } else if (outcome.status === 'failed') values.error(outcome.error);
    else values.error(outcome.status === 'aborted' ? outcome.reason : this.#errorOf(outcome));
  }

  #errorOf({ job, reason }: JobDropped<J>): Error {
    const { buffer, name, overflow } = this.#options;
    const isOverflow = reason === 'full' && overflow === 'error';
    return inPool(name, () => (isOverflow ? new BufferOverflowError(buffer, job) : new JobDroppedError(reason, job)));
  }

  /** A signal may have no reason, as in React Native. */
  #reasonOf(reason: unknown, job: J): unknown {
    return reason === undefined ? inPool(this.#options.name, () => new JobAbortedError(job)) : reason;
  }

  #isHeard(): boolean {
    return this.#outcomes.observed || (this.#options.hooks?.hearers.some((hears) => hears()) ?? false);
  }

  #onOutcome(outcome: JobOutcome<J, R>): void {
    if (this.#outcomes.observed) this.#outcomes.next(outcome);
    if (this.#idlers.length > 0) this.#wakeIdlersLater();
  }

  // ---- Callers that give jobs up

  /** Removes those that wait before it aborts those that run: a worker's next job must not be one of them. */
  #cancel(callers: readonly JobRecord<J, R>[], reason: unknown): void {
    for (const record of callers) {
      this.#cancellation.unwatch(record);
      record.rejectQuietly(this.#reasonOf(reason, record.job));
    }
    const records: JobRecord<J, R>[] = [];
    for (const record of callers) {
      const givenUp = record.party === undefined ? record : record.party.leave(record);
      if (givenUp !== undefined) records.push(givenUp);
    }
    if (records.length === 0) return;
    const entrance = this.#entrance;
    const sending = records.filter(({ queue }) => queue === entrance.senders);
    const { verdicts } = this.#pool;
    const isDelayed = ({ delayed }: JobRecord<J, R>): boolean =>
      delayed !== undefined && verdicts!.has(delayed as Delayed<JobRecord<J, R>>);
    const queued = records.filter((record) => this.#store.has(record) || isDelayed(record));
    for (const record of records) record.isCancelled = this.#pool.shutdown.level < ABORT;
    for (const record of queued) {
      if (record.delayed === undefined) this.#store.remove(record);
      else verdicts!.remove(record.delayed as Delayed<JobRecord<J, R>>);
    }
    this.#lifecycle.countWithdrawn(queued);
    if (sending.length > 0) entrance.withdraw(sending);
    entrance.run(() => {
      for (const record of queued) {
        this.#pool.buffer.lose(() => this.#lifecycle.notifyWithdrawn(record, this.#reasonOf(reason, record.job)));
      }
    });
    for (const { slot, job } of records) slot?.abort(this.#reasonOf(reason, job));
    verdicts?.vacate();
    this.#pool.puller?.pull();
  }

  clear(): readonly JobDropped<J>[] {
    const [pool, store] = [this.#pool, this.#store];
    const removed: Removed<JobRecord<J, R>>[] = [];
    // Leased jobs are their engine's.
    this.#entrance.run(() => {
      for (const delayed of [...(pool.verdicts ?? [])]) {
        if (delayed.job.lease !== undefined) continue;
        pool.verdicts!.remove(delayed);
        removed.push(delayed);
      }
      for (const record of [...store]) {
        if (record.lease !== undefined) continue;
        store.remove(record);
        removed.push({ job: record, id: record.id, arrivedAt: record.arrivedAt });
      }
      pool.buffer.notifyRemoved(removed, 'cleared');
      pool.verdicts?.vacate();
      pool.turns?.onLeft();
    });
    const dropped = removed.map((record) => this.#lifecycle.droppedOf(record, 'cleared'));
    this.#pool.puller?.pull();
    return dropped;
  }

  // ---- Pauses

  /** Of several pauses the latest end counts. */
  pause(ms: number): void {
    this.#pool.gate.shut(PAUSE, this.#now() + checkDuration('pause', ms));
    this.#pool.placesChanged?.next();
  }

  resume(): void {
    this.#pool.gate.open(PAUSE);
    this.#pool.placesChanged?.next();
  }

  get paused(): boolean {
    return this.#pool.gate.isShutBy(PAUSE);
  }

  // ---- What is known

  get stats(): PoolStats {
    const { offered, accepted, refused, completed, failed, evicted, aborted, running, delayed, leaving, returning } =
      this.#lifecycle.accounts;
    return {
      offered,
      accepted,
      refused,
      waiting: this.#entrance.senders.length + returning,
      completed,
      failed,
      evicted,
      aborted,
      queued: this.#store.length + leaving,
      delayed,
      running,
      lingering: this.#pool.slots.lingering,
      workers: this.#pool.workers,
    };
  }

  get level(): ShutdownLevel | undefined {
    return LEVELS[this.#pool.shutdown.level];
  }

  inspect(): PoolSnapshot<J> {
    return snapshotOf(this.#options.name, this.stats, this.#pool, this.#store, this.#now());
  }

  // ---- The end

  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idlers.push(resolve);
      this.#wakeIdlersLater();
    });
  }

  /** Not in this call, in which a worker may still find its next job. */
  #wakeIdlersLater(): void {
    if (this.#idlers.length > 0) queueMicrotask(() => this.#wakeIdlers());
  }

  #wakeIdlers(): void {
    if (!this.isAtRest) return;
    for (const wake of this.#idlers.splice(0)) wake();
  }

  /** @throws TypeError or RangeError for a level or a deadline that is none */
  shutdown(level: ShutdownLevel, config: object | undefined): Promise<ShutdownReport<J>> {
    this.#escalation.shutdown(level, config);
    return this.ended;
  }

  #onEnd(): void {
    this.#entrance.isOpen = false;
    this.#escalation.end();
    this.#outcomes.complete();
    const level = this.level!;
    this.#ended.resolve({ level, stats: this.stats, dropped: this.#dropped, aborted: this.#aborted });
    this.#wakeIdlers();
  }

  /** The pipeline has thrown. */
  #onCrash(error: unknown): void {
    abandonAll(this.#pool);
    if (this.#sources.isClosed) this.#onEnd();
    else this.#endsWhenClosed = true;
    reportError(error);
  }
}

/** Reports an error of the notifier, in place of passing it on: the pool goes on. */
function reported(notifier: Observable<unknown>): Observable<unknown> {
  return notifier.pipe(
    catchError((error: unknown) => {
      reportError(error);
      return NEVER;
    }),
  );
}
