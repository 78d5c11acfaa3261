import { from, Observable } from 'rxjs';
import type { Observer, Subscriber } from 'rxjs';
import { JobAbortedError } from '../errors.js';
import { Attempt } from './attempt.js';
import type { Pool } from './pool.js';
import { reportError } from './reportError.js';
import type { Ticket } from './ticket.js';
import { isNativePromise, streamOf, thenOf } from './workResult.js';

/** Once in this many promise jobs of a pool it is asked whether the event loop needs a turn. */
const STRIDE = 32;

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
  ticket: Ticket<J, R> | undefined;

  private readonly pool: Pool<J, R>;
  /** The job's number among the subscriptions. */
  private order = 0;
  private state: State = 'free';
  private verdict: Verdict | undefined;
  /** The last value of a stream; with the verdict, its error. */
  private result: unknown;
  private abortReason: unknown;
  /** The work is a promise: it cannot be stopped, and its value comes alone and with the verdict. */
  private promised = false;
  private stream: Observable<R> | undefined;
  private subscriber: Subscriber<R> | undefined;

  constructor(pool: Pool<J, R>, id: number) {
    this.pool = pool;
    this.id = id;
  }

  /** The job's place in the order of teardown, which is that of subscriptions: last, where `work` has not returned yet. */
  get place(): number {
    const isSubscribed = this.state !== 'starting' || this.subscriber !== undefined;
    return isSubscribed ? this.order : this.pool.subscribed + this.attempt!.index;
  }

  /** Takes job after job for as long as they end before their call returns: any number of them, on a flat stack. */
  proceed(): void {
    const { pool } = this;
    while (this.state === 'free') {
      if (!pool.hasNext()) return pool.rest(this);
      this.start(pool.take());
    }
  }

  private start(job: J): void {
    const { pool } = this;
    const { life } = pool;
    const attempt = new Attempt(this.id, 1, pool.started++);
    pool.busy++;
    this.state = 'starting';
    this.verdict = undefined;
    this.abortReason = undefined;
    this.promised = false;
    this.job = job;
    this.attempt = attempt;
    try {
      if (life !== undefined) {
        life.started(this);
        if (this.abortReason !== undefined) return this.settleRejected(this.abortReason);
      }
      const result = pool.work(job, attempt);
      if (isNativePromise(result)) {
        this.order = pool.subscribed++;
        this.promised = true;
        if (this.state === 'starting') this.state = 'awaiting';
        result.then(this.fulfilled, this.rejected);
        return;
      }
      const then = thenOf(result);
      this.promised = then !== undefined;
      this.stream = then === undefined ? streamOf(result) : from({ then });
    } catch (error) {
      this.settleRejected(error);
      return;
    }
    this.observe();
  }

  // ---- A native promise settles once, so these two serve one job after another.

  private readonly fulfilled = (value: R): void => {
    if (this.state !== 'awaiting') return;
    this.settle('completed', value);
    this.proceedInTurn();
  };

  private readonly rejected = (error: unknown): void => {
    if (this.state !== 'awaiting') return;
    this.settleRejected(error);
    this.proceedInTurn();
  };

  private proceedInTurn(): void {
    const { pool } = this;
    const isAsked = pool.turns.due || ++pool.promises % STRIDE === 0;
    if (!isAsked || !pool.mustWait(this)) this.proceed();
  }

  private settleRejected(error: unknown): void {
    if (this.abortReason === undefined) this.settle('failed', error);
    else this.settle('aborted', this.abortReason);
  }

  // ---- A stream, or a thenable. The worker is its Observer.

  /** Around each job's stream in turn, so that its Subscriber is known before it is subscribed: a synchronous one sees `closed`. */
  private readonly run = new Observable<R>((subscriber) => {
    this.subscriber = subscriber;
    // As in RxJS: what was unsubscribed inside `work` is subscribed all the same, and torn down at once.
    if (this.pool.closed && !this.promised) subscriber.unsubscribe();
    try {
      this.stream!.subscribe(subscriber);
    } catch (error) {
      // The teardown of a stream that has ended already; nobody would hear of it here.
      if (!subscriber.closed) throw error;
      reportError(error);
    }
  });

  private observe(): void {
    const { pool } = this;
    if (this.state === 'ended') {
      // Abandoned inside `work`: a promise's rejection has been answered already.
      if (this.promised) this.stream!.subscribe({ error: () => undefined });
      return;
    }
    const cancelled = this.abortReason !== undefined && !this.promised;
    if (!cancelled || pool.closed) {
      this.order = pool.subscribed++;
      this.run.subscribe(this);
      if (this.state !== 'starting') return;
    }
    if (this.verdict !== undefined) this.settle(this.verdict, this.result);
    else if (cancelled) this.settle('aborted', this.abortReason);
    else this.state = this.promised ? 'awaiting' : 'running';
  }

  next(value: R): void {
    this.result = value;
    if (!this.promised && !this.pool.tellsOutcomes) this.out.next(value);
  }

  error(error: unknown): void {
    if (this.abortReason !== undefined) this.finish('aborted', this.abortReason);
    else if (this.pool.tellsOutcomes) this.finish('failed', error);
    else this.settle('failed', error);
  }

  complete(): void {
    this.finish('completed', this.result);
  }

  /** The Observer hears of the end before the teardown: the slot is free, and the next job may start, only after it. */
  private finish(verdict: Verdict, result: unknown): void {
    this.verdict = verdict;
    this.result = result;
    this.letGo();
    if (this.state === 'starting') return;
    this.settle(verdict, result);
    this.proceed();
  }

  // ---- The end of a job

  /** State, then hooks, then downstream. The caller goes on to the next start. Once per start, whoever is first. */
  private settle(verdict: Verdict, result: unknown): void {
    const { pool } = this;
    if (this.state === 'free' || this.state === 'ended') return;
    const fatal = verdict === 'abandoned' || (verdict === 'failed' && !pool.tellsOutcomes);
    this.state = fatal ? 'ended' : 'free';
    pool.busy--;
    pool.life?.settled(this, verdict, result);
    this.result = this.job = this.attempt = this.stream = undefined;
    if (pool.tellsOutcomes) return;
    if (verdict === 'failed') this.out.error(result);
    else if (verdict === 'completed' && this.promised) {
      // As in RxJS, downstream is told while the job still has its slot.
      pool.busy++;
      this.out.next(result);
      pool.busy--;
    }
  }

  /** Asks the job to end, for `reason` or because its pool does. A stream ends at once; a promise is judged by how it settles. */
  abort(reason?: unknown): void {
    if (this.state === 'ended') return this.letGo();
    if (this.state === 'free' || this.verdict !== undefined || this.abortReason !== undefined) return;
    const attempt = this.attempt!;
    const wasRunning = this.state === 'running';
    this.abortReason = reason === undefined ? new JobAbortedError(this.job as J) : reason;
    // A stream is unsubscribed before it is signalled, so that it cannot answer the signal with an error.
    const stopped = this.subscriber !== undefined && !this.promised;
    if (stopped) {
      this.verdict = 'aborted';
      this.letGo();
    }
    Attempt.abort(attempt, this.abortReason);
    if (!stopped) return;
    this.settle('aborted', this.abortReason);
    if (wasRunning) this.proceed();
  }

  /** Does not wait for a job that {@link abort} could only ask. */
  abandon(): void {
    if (this.state === 'free' || this.state === 'ended' || this.verdict !== undefined) return;
    this.settle('abandoned', this.abortReason);
    this.letGo();
    this.pool.rest(this);
  }

  private letGo(): void {
    const { subscriber } = this;
    this.subscriber = undefined;
    try {
      subscriber?.unsubscribe();
    } catch (error) {
      reportError(error);
    }
  }
}
