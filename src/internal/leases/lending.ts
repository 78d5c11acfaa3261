import { BehaviorSubject, Subject, Subscription } from 'rxjs';
import type { Observable } from 'rxjs';
import { inPool, LeaseLostError } from '../../errors.js';
import type { JobOutcome, LeaseDemand } from '../../types.js';
import type { Held } from '../core/budget.js';
import type { Intake } from '../core/intake.js';
import { asyncIteratorOf, checkItem, isAsyncIterable } from '../core/iteration.js';
import { ABANDON } from '../core/shutdown.js';
import type { Pool } from '../core/pool.js';
import { after } from '../support/after.js';
import { captureScope, runIn } from '../support/asyncScope.js';
import { wrong } from '../support/checks.js';
import { isFunction, isObject } from '../support/is.js';
import { callAndReport, reportError, tearDown } from '../support/reporting.js';
import { JobLease } from './lease.js';
import type { LeasedRecord, Outcome } from './lease.js';

/** Milliseconds that an abandoned pool waits for engines at most. */
const LONGEST_GOODBYE = 1000;

/** Who borrows the jobs, for a pool or a handle. */
export interface Borrower<J> {
  readonly pool: Pick<Pool<never, never>, 'budget' | 'name' | 'placesChanged' | 'readAhead' | 'scheduler' | 'shutdown'>;
  /** How many jobs may be out at once. */
  readonly places: number;
  makeRecord(job: J): LeasedRecord<J>;
  /** Takes the job in, now or when there is room. */
  admit(record: LeasedRecord<J>): void;
  /** Refuses a job that has come too late. */
  refuse(record: LeasedRecord<J>): void;
  /** Aborts the job, wherever it is. */
  withdraw(record: LeasedRecord<J>, reason: unknown): void;
  /** Calls `notify`, which tells of something that has been counted. What that leads to is told and started as ever. */
  announce(notify: () => void): void;
  /** There may be a place for a job of this lending. */
  askAgain(): void;
  /** The engine has failed. */
  fail(error: unknown): void;
  /** Nothing is lent any more, and everything that was has been settled. */
  end(): void;
}

/** What leaseFrom was given, checked. */
export interface LeaseOptions<J> {
  readonly open: (demand: LeaseDemand) => AsyncIterable<J>;
  readonly settle: (outcome: JobOutcome<J, unknown>) => unknown;
  readonly lost: Observable<J> | undefined;
}

/**
 * The jobs of an engine, for one subscription. It asks for one after the other while fewer are out than there are places, and
 * has ended when each has been settled, and the iterator has answered whatever it was asked.
 *
 *     open ──close──▶ closed ──▶ ended     after 'abandon' within a second
 */
export class Lending<J> implements Intake, Held {
  readonly awaitsRest = false;
  isOpen = true;

  readonly #borrower: Borrower<J>;
  readonly #options: LeaseOptions<J>;
  readonly #iterator: AsyncIterator<J>;
  /** The async context of the subscription, in which the engine is asked. */
  readonly #scope = captureScope();
  readonly #out = new Set<JobLease<J>>();
  /** Of the leases of which the engine has been told, and has not answered: what ends the wait for it. */
  readonly #unanswered = new Map<JobLease<J>, () => void>();
  readonly #places: BehaviorSubject<number>;
  readonly #demand = new AbortController();
  readonly #subscriptions = new Subscription();
  /** An item has been asked for, or has not found its place. */
  #isOutstanding = false;
  #isReturning = false;
  #goodbye: Subscription | undefined;
  /** The engine is waited for no longer. */
  #isOver = false;
  #hasEnded = false;

  constructor(options: LeaseOptions<J>, borrower: Borrower<J>) {
    this.#borrower = borrower;
    this.#options = options;
    this.#places = new BehaviorSubject(borrower.places);
    this.#iterator = this.#openIterator();
  }

  /** The borrower is ready. */
  start(): void {
    const [borrower, { lost }] = [this.#borrower, this.#options];
    const { pool } = borrower;
    const changes = (pool.placesChanged ??= new Subject<void>());
    this.#subscriptions.add(changes.subscribe(() => this.#onPlacesChanged()));
    this.#subscriptions.add(
      lost?.subscribe({
        next: (job) => this.#lose(job),
        // Who does not hear what is lost must not go on.
        error: (error: unknown) => {
          borrower.fail(error);
          this.close();
        },
      }),
    );
  }

  #openIterator(): AsyncIterator<J> {
    const [borrower, lending] = [this.#borrower, this];
    const iterable: unknown = this.#options.open({
      get places() {
        return borrower.places;
      },
      places$: this.#places.asObservable(),
      get wanted() {
        return lending.#wanted();
      },
      signal: this.#demand.signal,
    });
    if (isObject(iterable) && isAsyncIterable<J>(iterable)) return asyncIteratorOf(iterable);
    return wrong("what leaseFrom's open returns", 'an async iterable', iterable);
  }

  // ---- Asking

  #wanted(): number {
    const { places, pool } = this.#borrower;
    return this.isOpen ? Math.max(0, Math.min(places - this.#out.size, pool.readAhead)) : 0;
  }

  /** No item is on its way, and another may be out. */
  get canAsk(): boolean {
    return this.isOpen && !this.#isOutstanding && this.#out.size < this.#borrower.places;
  }

  /** Asks for one item. */
  ask(): void {
    this.#isOutstanding = true;
    runIn(this.#scope, () => {
      try {
        Promise.resolve(this.#iterator.next()).then(this.#onItem, this.#onError);
      } catch (error) {
        this.#onError(error);
      }
    });
  }

  readonly #onItem = (item: IteratorResult<J>): void => {
    let isDone: boolean;
    let job: J | undefined;
    try {
      isDone = Boolean(checkItem(item).done);
      if (!isDone) job = item.value as J;
    } catch (error) {
      return this.#onError(error);
    }
    if (isDone) {
      this.#isOutstanding = false;
      this.#stopAsking();
      return this.#endWhenSettled();
    }
    const record = this.#borrower.makeRecord(job as J);
    const lease = new JobLease<J>(record, this);
    record.lease = lease;
    this.#out.add(lease);
    if (!this.isOpen) {
      this.#isOutstanding = false;
      return this.#borrower.refuse(record);
    }
    this.#borrower.admit(record);
    // An engine that has its jobs at hand would never let timers and I/O have their turn.
    const { budget } = this.#borrower.pool;
    if (budget.countAndCheck()) budget.hold(this);
    else this.resume();
  };

  /** The item has found its place, and the event loop has had its turn. */
  resume(): void {
    this.#isOutstanding = false;
    this.#borrower.askAgain();
    this.#endWhenSettled();
  }

  readonly #onError = (error: unknown): void => {
    this.#isOutstanding = false;
    // A receive that was aborted is no failure.
    if (this.isOpen) {
      this.#stopAsking();
      this.#borrower.fail(error);
    }
    this.#endWhenSettled();
  };

  #onPlacesChanged(): void {
    const { places } = this.#borrower;
    if (!this.isOpen) return;
    if (places !== this.#places.value) this.#places.next(places);
    this.#borrower.askAgain();
  }

  // ---- The end of a job

  #lose(job: J): void {
    for (const lease of this.#out) {
      const { record } = lease;
      if (record.job !== job || lease.isLost || lease.isEnding) continue;
      const error = inPool(this.#borrower.pool.name, () => new LeaseLostError(job));
      lease.lose(error);
      return this.#borrower.withdraw(record, error);
    }
  }

  settle(lease: JobLease<J>, outcome: Outcome, onAnswer: (outcome: Outcome) => void): void {
    const onEnd = (answered: Outcome): void => {
      // The engine may answer after the wait for it has ended.
      if (!this.#out.delete(lease)) return;
      this.#unanswered.delete(lease);
      onAnswer(answered);
      this.#borrower.askAgain();
      this.#endWhenSettled();
    };
    const onRefused = (error: unknown): void => {
      if (outcome.status !== 'completed' || !this.#out.has(lease)) reportError(error);
      onEnd(outcome.status === 'completed' ? failed(outcome, error) : outcome);
    };
    let answered: Promise<unknown> | undefined;
    try {
      const answer = runIn(lease.record.scope, () => this.#options.settle(outcome as JobOutcome<J, unknown>));
      // A look at the answer may throw as well, as at a revoked Proxy. A promise of ours has no `then` that misbehaves.
      if (isThenable(answer)) answered = new Promise((resolve) => resolve(answer));
    } catch (error) {
      return onRefused(error);
    }
    if (answered === undefined) return onEnd(outcome);
    this.#unanswered.set(lease, () => onEnd(outcome));
    answered.then(() => onEnd(outcome), onRefused);
  }

  giveBack(lease: JobLease<J>, outcome: Outcome, onAnswer: (outcome: Outcome) => void): void {
    let isCalling = true;
    this.settle(lease, outcome, (answered) => {
      if (isCalling) onAnswer(answered);
      else this.#borrower.announce(() => onAnswer(answered));
    });
    isCalling = false;
  }

  // ---- The end

  get holdsEnd(): boolean {
    return !this.#hasEnded;
  }

  onRest(): void {
    // Jobs that are out do not rest.
  }

  close(): void {
    if (this.isOpen) {
      this.#isReturning = true;
      this.#stopAsking();
      this.#return();
    }
    this.#endWhenSettled();
  }

  cut(): void {
    this.close();
    const { pool } = this.#borrower;
    if (this.#hasEnded || this.#goodbye || pool.shutdown.level < ABANDON) return;
    this.#goodbye = after(LONGEST_GOODBYE, pool.scheduler).subscribe(() => {
      for (const end of [...this.#unanswered.values()]) end();
      this.#isOver = true;
      this.#endWhenSettled();
    });
    this.#subscriptions.add(this.#goodbye);
  }

  #stopAsking(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    callAndReport(() => this.#places.complete());
    this.#demand.abort();
  }

  #return(): void {
    const onReturned = (): void => {
      this.#isReturning = false;
      this.#endWhenSettled();
    };
    try {
      Promise.resolve(this.#iterator.return?.()).then(onReturned, (error: unknown) => {
        reportError(error);
        onReturned();
      });
    } catch (error) {
      reportError(error);
      this.#isReturning = false;
    }
  }

  #endWhenSettled(): void {
    if (this.isOpen || this.#hasEnded) return;
    if (!this.#isOver && (this.#isOutstanding || this.#isReturning || this.#out.size > 0)) return;
    this.#hasEnded = true;
    tearDown(this.#subscriptions);
    this.#borrower.end();
  }
}

function isThenable(value: unknown): boolean {
  return isObject(value) && isFunction(value['then']);
}

/** The work has completed, but the engine would not have it. */
function failed({ job, id, attempts, queuedFor, ranFor }: Outcome, error: unknown): Outcome {
  return { status: 'failed', error, job, id, attempts, queuedFor, ranFor };
}
