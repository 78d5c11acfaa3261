import { from, Observable } from 'rxjs';
import type { Observer, Subscriber } from 'rxjs';
import { JobAbortedError } from '../../errors.js';
import { Attempt } from './attempt.js';
import { isFunction } from '../support/checks.js';
import type { Pool } from './pool.js';
import { reportError } from '../support/reporting.js';
import { isNativePromise, readResult } from './workResult.js';

/** The place of a job whose `work` has not returned yet: behind all that are subscribed. */
const LAST = 2 ** 52;

/** What a slot does. */
type State = 'free' | 'starting' | 'running' | 'awaiting' | 'ended';
/** What has become of the job in the slot. */
export type Verdict = 'completed' | 'failed' | 'aborted' | 'abandoned';

/**
 * One worker of a pool. mergeMap subscribes to it once; it takes job after job from the buffer, and it is the Observer of
 * the job that it runs. Nothing but a context is allocated for a job.
 *
 *     free ──▶ starting ──▶ running   (a stream)  ──▶ free
 *                      └──▶ awaiting  (a promise) ──▶ free
 *     ended: for good, because its job failed the pool or was abandoned
 *
 * A stream's job ends in two steps, since it may complete inside the call that subscribes to it: first the verdict, then,
 * when its finalizers have run, the settlement that frees the slot.
 */
export class Worker<J, R> implements Observer<R> {
  readonly id: number;
  /** Where results go: mergeMap's subscriber. */
  out!: Subscriber<unknown>;
  job: J | undefined;
  attempt: Attempt | undefined;
  /** The scheduler's time at the job's arrival and start, where somebody looks at outcomes. */
  arrivedAt = 0;
  startedAt = 0;
  /** In the order of teardown, which is that of subscriptions. */
  place = 0;

  readonly #pool: Pool<J, R>;
  #state: State = 'free';
  #verdict: Verdict | undefined;
  /** The last value of a stream; with the verdict, its error. */
  #result: unknown;
  #abortReason: unknown;
  /** The work is a promise: it cannot be stopped, and its value comes alone and with the verdict. */
  #promised = false;
  #stream: Observable<R> | undefined;
  #subscriber: Subscriber<R> | undefined;

  constructor(pool: Pool<J, R>, id: number) {
    this.#pool = pool;
    this.id = id;
  }

  /** Takes job after job for as long as they end before their call returns: any number of them, on a flat stack. */
  proceed(): void {
    const pool = this.#pool;
    while (this.#state === 'free') {
      if (!pool.hasNext()) return pool.rest(this);
      this.#start(pool.take());
    }
  }

  #start(job: J): void {
    const pool = this.#pool;
    const { life } = pool;
    const attempt = new Attempt(this.id, pool.started++);
    pool.busy++;
    this.#state = 'starting';
    this.#promised = false;
    this.job = job;
    this.attempt = attempt;
    this.place = LAST + attempt.index;
    try {
      if (life) {
        life.started(this);
        if (this.#abortReason !== undefined || this.#state !== 'starting') return this.#settle('aborted');
      }
      const result = pool.options.work(job, attempt);
      if (isNativePromise(result)) {
        this.place = pool.subscribed++;
        this.#promised = true;
        if (this.#state === 'starting') this.#state = 'awaiting';
        result.then(this.#fulfilled, this.#rejected);
        return;
      }
      const read = readResult(result);
      this.#promised = isFunction(read);
      this.#stream = isFunction(read) ? from({ then: read }) : read;
    } catch (error) {
      return this.#settle('failed', error);
    }
    this.#observe();
  }

  // ---- A native promise settles once, so these two serve one job after another.

  readonly #fulfilled = (value: R): void => this.#answer('completed', value);
  readonly #rejected = (error: unknown): void => this.#answer('failed', error);

  #answer(verdict: Verdict, result: unknown): void {
    this.#settle(verdict, result);
    const pool = this.#pool;
    const { turns } = pool;
    if (turns.mustAsk() && turns.areDue() && pool.hasNext()) turns.wait(() => this.proceed());
    else this.proceed();
  }

  // ---- A stream, or a thenable. The worker is its Observer.

  /** Around each job's stream in turn, so that its Subscriber is known before it is subscribed: a synchronous one sees `closed`. */
  readonly #run = new Observable<R>((subscriber) => {
    this.#subscriber = subscriber;
    // As in RxJS: what was unsubscribed inside `work` is subscribed all the same, and torn down at once.
    if (this.#pool.closed && !this.#promised) subscriber.unsubscribe();
    try {
      this.#stream!.subscribe(subscriber);
    } catch (error) {
      // The teardown of a stream that has ended already; nobody would hear of it here.
      if (!subscriber.closed) throw error;
      reportError(error);
    }
  });

  #observe(): void {
    const pool = this.#pool;
    if (this.#state === 'ended') {
      // Abandoned inside `work`: a promise's rejection has been answered already.
      if (this.#promised) this.#stream!.subscribe({ error: () => undefined });
      return;
    }
    const isCancelled = this.#abortReason !== undefined && !this.#promised;
    if (!isCancelled || pool.closed) {
      this.place = pool.subscribed++;
      this.#run.subscribe(this);
      if (this.#state !== 'starting') return;
    }
    if (this.#verdict) this.#settle(this.#verdict, this.#result);
    else if (isCancelled) this.#settle('aborted');
    else this.#state = this.#promised ? 'awaiting' : 'running';
  }

  next(value: R): void {
    this.#result = value;
    if (!this.#promised && !this.#pool.life?.tellsOutcomes) this.out.next(value);
  }

  error(error: unknown): void {
    const isFatal = this.#abortReason === undefined && !this.#pool.life?.tellsOutcomes;
    // Downstream hears of it before the teardown, as it does in RxJS.
    if (isFatal) this.#settle('failed', error);
    else this.#finish('failed', error);
  }

  complete(): void {
    this.#finish('completed', this.#result);
  }

  /** The Observer hears of the end before the teardown: the slot is free, and the next job may start, only after it. */
  #finish(verdict: Verdict, result: unknown): void {
    this.#verdict = verdict;
    this.#result = result;
    this.#letGo();
    if (this.#state === 'starting') return;
    this.#settle(verdict, result);
    this.proceed();
  }

  // ---- The end of a job

  /** State, then hooks, then downstream. The caller goes on to the next start. Once per start, whoever is first. */
  #settle(verdict: Verdict, result?: unknown): void {
    const pool = this.#pool;
    const { life } = pool;
    if (this.#state === 'ended') return;
    if (verdict !== 'completed' && this.#abortReason !== undefined) {
      result = this.#abortReason;
      if (verdict === 'failed') verdict = 'aborted';
    }
    const isFailure = verdict === 'failed' && !life?.tellsOutcomes;
    this.#state = isFailure || verdict === 'abandoned' ? 'ended' : 'free';
    pool.busy--;
    life?.settled(this, verdict, result);
    this.#result = this.#verdict = this.#abortReason = this.job = this.attempt = this.#stream = undefined;
    if (isFailure) this.out.error(result);
    else if (verdict === 'completed' && this.#promised && !life?.tellsOutcomes) {
      // As in RxJS, downstream is told while the job still has its slot.
      pool.busy++;
      this.out.next(result);
      pool.busy--;
    }
  }

  /** Asks the job to end, for `reason` or because its pool does. A stream ends at once; a promise is judged by how it settles. */
  abort(reason?: unknown): void {
    if (this.#state === 'ended') return this.#letGo();
    if (this.#state === 'free' || this.#verdict || this.#abortReason !== undefined) return;
    const { life } = this.#pool;
    const attempt = this.attempt!;
    const job = this.job as J;
    const wasRunning = this.#state === 'running';
    this.#abortReason = reason === undefined ? new JobAbortedError(life ? life.jobOf(job) : job) : reason;
    // A stream is unsubscribed before it is signalled, so that it cannot answer the signal with an error.
    const isStopped = this.#subscriber && !this.#promised;
    if (isStopped) {
      this.#verdict = 'aborted';
      this.#letGo();
    }
    Attempt.abort(attempt, this.#abortReason);
    if (!isStopped) return;
    this.#settle('aborted');
    if (wasRunning) this.proceed();
  }

  /** Does not wait for a job that {@link abort} could only ask. */
  abandon(): void {
    if (this.#state === 'free' || this.#state === 'ended' || this.#verdict) return;
    this.#settle('abandoned');
    this.#letGo();
    this.#pool.rest(this);
  }

  #letGo(): void {
    const subscriber = this.#subscriber;
    this.#subscriber = undefined;
    try {
      subscriber?.unsubscribe();
    } catch (error) {
      reportError(error);
    }
  }
}
