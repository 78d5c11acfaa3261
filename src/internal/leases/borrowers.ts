import { Observable } from 'rxjs';
import type { Subscriber } from 'rxjs';
import type { Delayed } from '../core/delayed.js';
import type { Puller } from '../core/intake.js';
import { Pool } from '../core/pool.js';
import { ABORT } from '../core/shutdown.js';
import type { BorrowingParts, JobsOptions, Listened } from '../handle/lender.js';
import type { Claim } from '../handle/line.js';
import { JobRecord, PULLED, RecordStore } from '../handle/record.js';
import { OwnedLifecycle } from '../lifecycle/ownedLifecycle.js';
import { clockOf } from '../support/clock.js';
import { reportError } from '../support/reporting.js';
import type { JobOutcome } from '../../types.js';
import { Lending } from './lending.js';
import type { Borrower, LeaseOptions } from './lending.js';

/** Takes a job out of a pool that another has now: one that waits never starts, one that runs is told to end. */
function withdraw<J, R>(
  pool: Pool<JobRecord<J, R>, R>,
  lifecycle: OwnedLifecycle<JobRecord<J, R>, R, J>,
  record: JobRecord<J, R>,
  reason: unknown,
  announce: (notify: () => void) => void,
): void {
  const { verdicts } = pool;
  const store = pool.store as RecordStore<J, R>;
  const delayed = record.delayed as Delayed<JobRecord<J, R>> | undefined;
  record.isCancelled = pool.shutdown.level < ABORT;
  if (store.has(record)) store.remove(record);
  else if (delayed !== undefined && verdicts!.has(delayed)) verdicts!.remove(delayed);
  else return record.slot?.abort(reason);
  lifecycle.countWithdrawn([record]);
  announce(() => lifecycle.notifyWithdrawn(record, reason));
  verdicts?.vacate();
  pool.wake();
}

/** The pool of an operator. What it takes for a job is a record, as in a handle. */
export class PoolBorrower<J, R> implements Borrower<J>, Puller {
  readonly pool: Pool<JobRecord<J, R>, R>;

  readonly #now: () => number;
  readonly #lifecycle: OwnedLifecycle<JobRecord<J, R>, R, J>;
  #jobs!: Subscriber<JobRecord<J, R>>;
  #lending!: Lending<J>;
  #ids = 0;

  /** @param deliver takes the outcomes; without it values go downstream */
  constructor(
    options: JobsOptions<J, R>,
    results: Subscriber<unknown>,
    deliver: ((outcome: JobOutcome<J, R>) => void) | undefined,
  ) {
    const { hooks, makeStore, scheduler } = options;
    const now = (this.#now = clockOf(scheduler));
    const observer = (this.#lifecycle = new OwnedLifecycle<JobRecord<J, R>, R, J>({
      hooks,
      now,
      store: makeStore?.<JobRecord<J, R>>(now, true) ?? new RecordStore<J, R>(),
      deliver,
    }));
    this.pool = new Pool(options, results, { observer, isOwned: true, failsAtEnd: deliver !== undefined });
  }

  /** The jobs, as they are borrowed. */
  borrow(options: LeaseOptions<J>): Observable<JobRecord<J, R>> {
    return new Observable((jobs) => {
      this.#jobs = jobs;
      const lending = (this.#lending = new Lending(options, this));
      this.pool.intake = lending;
      this.pool.puller = this;
      jobs.add(() => lending.cut());
      lending.start();
      this.pull();
    });
  }

  get places(): number {
    return this.pool.places;
  }

  pull(): void {
    if (this.#lending.canAsk && this.pool.mayReadAhead()) this.#lending.ask();
  }

  askAgain(): void {
    this.pull();
  }

  makeRecord(job: J): JobRecord<J, R> {
    return new JobRecord<J, R>(job, PULLED, this.#ids++, this.#now());
  }

  admit(record: JobRecord<J, R>): void {
    this.#jobs.next(record);
  }

  refuse(record: JobRecord<J, R>): void {
    this.pool.arriveLate(record);
  }

  withdraw(record: JobRecord<J, R>, reason: unknown): void {
    withdraw(this.pool, this.#lifecycle, record, reason, (notify) => this.pool.buffer.lose(notify));
  }

  announce(notify: () => void): void {
    this.pool.buffer.lose(notify);
    this.pool.wake();
  }

  fail(error: unknown): void {
    this.#jobs.error(error);
  }

  end(): void {
    this.#jobs.complete();
    this.pool.endWhenDone();
  }
}

/** A handle's. While an item is on its way, or as many are out as may be, it is not in the handle's line. */
export class HandleBorrower<J, R> implements Borrower<J>, Listened {
  readonly intake: Lending<J>;
  readonly isGroup = false;
  readonly onlyStarts = false;
  readonly readsAhead = true;
  queue: Claim['queue'] = undefined;
  ahead: Claim | undefined = undefined;
  behind: Claim | undefined = undefined;

  readonly #parts: BorrowingParts<J, R>;
  readonly #onEnd: () => void;

  constructor(options: LeaseOptions<J>, parts: BorrowingParts<J, R>, onEnd: () => void) {
    this.#parts = parts;
    this.#onEnd = onEnd;
    this.intake = new Lending(options, this);
  }

  start(): void {
    this.intake.start();
  }

  get pool(): Pool<JobRecord<J, R>, R> {
    return this.#parts.pool;
  }

  get places(): number {
    return this.#parts.places;
  }

  /** Its turn in the line. */
  serve(): void {
    this.#parts.line.leave(this);
    if (this.intake.canAsk) this.intake.ask();
  }

  askAgain(): void {
    const { line } = this.#parts;
    if (this.intake.canAsk) line.join(this);
    line.pull();
  }

  makeRecord(job: J): JobRecord<J, R> {
    return this.#parts.makeRecord(job);
  }

  admit(record: JobRecord<J, R>): void {
    this.#parts.entrance.send(record);
  }

  refuse(record: JobRecord<J, R>): void {
    this.#parts.entrance.refuse(record, 'closed');
  }

  withdraw(record: JobRecord<J, R>, reason: unknown): void {
    const { entrance, lifecycle } = this.#parts;
    const announce = (notify: () => void): void => entrance.run(() => this.pool.buffer.lose(notify));
    if (record.queue !== entrance.senders) return withdraw(this.pool, lifecycle, record, reason, announce);
    // It waits for room, and has no place.
    entrance.remove(record);
    lifecycle.countLostSender();
    announce(() => lifecycle.notifyLostSender(record, reason));
  }

  announce(notify: () => void): void {
    this.#parts.entrance.run(() => this.pool.buffer.lose(notify));
    this.pool.wake();
  }

  fail(error: unknown): void {
    reportError(error);
  }

  end(): void {
    this.#parts.line.leave(this);
    this.#onEnd();
  }
}
