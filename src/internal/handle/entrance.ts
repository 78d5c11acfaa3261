import type { Pool } from '../core/pool.js';
import type { OwnedLifecycle } from '../lifecycle/ownedLifecycle.js';
import { LinkedQueue } from '../support/linkedQueue.js';
import type { RefusalReason } from '../../types.js';
import type { Claim, Line } from './line.js';
import { PULLED } from './record.js';
import type { JobRecord } from './record.js';

/**
 * How jobs come in. Each call decides and counts at once, so that the answer of an offer is true. Hooks are told, and jobs
 * started, in one flat loop of the outermost call: jobs may offer jobs to any depth.
 */
export class Entrance<J, R> implements Claim {
  /** Jobs of callers are taken in. */
  isOpen = true;
  /** Jobs that wait for room, first come first served: those of senders, and pulled items whose place has gone to another. */
  readonly senders: LinkedQueue<JobRecord<J, R>> = new LinkedQueue();
  readonly isGroup = true;
  readonly onlyStarts = false;
  readonly readsAhead = false;
  queue: Claim['queue'] = undefined;
  ahead: Claim | undefined = undefined;
  behind: Claim | undefined = undefined;

  readonly #pool: Pool<JobRecord<J, R>, R>;
  readonly #lifecycle: OwnedLifecycle<JobRecord<J, R>, R, J>;
  readonly #line: Line;
  /** The loop of the outermost call is running. */
  #isLooping = false;

  constructor(pool: Pool<JobRecord<J, R>, R>, lifecycle: OwnedLifecycle<JobRecord<J, R>, R, J>, line: Line) {
    this.#pool = pool;
    this.#lifecycle = lifecycle;
    this.#line = line;
  }

  /** Takes the job in now, or refuses it; it never takes room for which a sender waits. */
  offer(record: JobRecord<J, R>): void {
    if (this.isOpen && !this.#isLooping && this.senders.length === 0 && this.#takeDirectly(record)) return;
    this.#arrive(record, () => {
      if (!this.isOpen) return this.#refuse(record, 'closed');
      if (!this.#read(record)) return;
      if (this.senders.length > 0) this.#refuse(record, 'full');
      else this.#place(record);
    });
  }

  /** Takes the job in now, or when there is room. A pulled item is taken in also when those of callers no longer are. */
  send(record: JobRecord<J, R>, hasTurn = false): void {
    record.isEvictable = false;
    this.#arrive(record, () => {
      if (!this.isOpen && record.door !== PULLED) return this.#refuse(record, 'closed');
      // A job that waits for room is read when it has its turn; but to be merged it needs no room.
      const isRead = this.#mayPlace(hasTurn) || this.#pool.store.merges === true;
      if (isRead && !this.#read(record)) return;
      if (isRead && this.#mayPlace(hasTurn)) return this.#place(record);
      record.keepScope();
      this.senders.push(record);
      this.#line.join(this);
    });
  }

  #mayPlace(hasTurn: boolean): boolean {
    return (hasTurn || this.senders.length === 0) && this.#pool.hasRoom();
  }

  /** Refuses the job without looking for room. */
  refuse(record: JobRecord<J, R>, reason: RefusalReason): void {
    this.#arrive(record, () => this.#refuse(record, reason));
  }

  /** Refuses jobs that wait for room: counts all of them before the first is notified. */
  refuseSenders(reason: RefusalReason, isRefused: (record: JobRecord<J, R>) => boolean): void {
    const refused: JobRecord<J, R>[] = [];
    for (let record = this.senders.first; record !== undefined;) {
      const { behind } = record;
      if (isRefused(record)) refused.push(this.senders.remove(record));
      record = behind;
    }
    if (this.senders.length === 0) this.#line.leave(this);
    for (const record of refused) {
      record.refusal = reason;
      this.#lifecycle.countRefused(record);
    }
    // One telling: the pool must not end between two of them.
    const notify = (): void => {
      for (const record of refused) this.#lifecycle.notifyRefused(record, record.id, reason);
    };
    if (refused.length > 0) this.run(() => this.#pool.buffer.lose(notify));
  }

  /** Removes a job that waits for room. */
  remove(record: JobRecord<J, R>): void {
    this.senders.remove(record);
    if (this.senders.length === 0) this.#line.leave(this);
  }

  /** Takes in the job that has waited longest for room. */
  serve(): void {
    const record = this.senders.shift();
    if (this.senders.length === 0) this.#line.leave(this);
    record.placedAt = this.#pool.now();
    this.run(() => {
      if (!this.#read(record)) return;
      if (this.#pool.hasRoom()) return this.#place(record);
      // A callback of the order has taken the room.
      this.senders.unshift(record);
      this.#line.join(this);
    });
  }

  /** Removes jobs that wait for room and that their callers have given up. */
  withdraw(records: readonly JobRecord<J, R>[]): void {
    const leaving = new Set(records);
    this.refuseSenders('withdrawn', (record) => leaving.has(record));
  }

  /** The short ways, of a job whose acceptance nobody hears of: `submit` cost a fifth more without them. */
  #takeDirectly(record: JobRecord<J, R>): boolean {
    return this.#pool.crew.idle.length > 0 ? this.#startDirectly(record) : this.#queueDirectly(record);
  }

  /** What its start leads to is told and started as ever. */
  #startDirectly(record: JobRecord<J, R>): boolean {
    const pool = this.#pool;
    if (pool.closed || !pool.mayStartDirectly) return false;
    this.#isLooping = true;
    try {
      this.#lifecycle.countDirect();
      pool.crew.takeIdle()!.startWith(record, record.id, record.arrivedAt);
      if (pool.buffer.hasNews || pool.store.length > 0) this.#loop();
      this.#isLooping = false;
    } catch (error) {
      this.#isLooping = false;
      pool.crash(error);
    }
    return true;
  }

  #queueDirectly(record: JobRecord<J, R>): boolean {
    const pool = this.#pool;
    if (
      pool.crew.hasFree ||
      pool.policies.queued.length > 0 ||
      pool.closed ||
      !pool.isQuiet ||
      !pool.hasRoomForArrival()
    )
      return false;
    record.keepScope();
    this.#lifecycle.countDirect();
    pool.store.push(record, record.id, true);
    return true;
  }

  #loop(): void {
    const pool = this.#pool;
    do if (!pool.isLooking) pool.startWaiting();
    while (pool.buffer.notifyNext());
  }

  #arrive(record: JobRecord<J, R>, decide: () => void): void {
    this.#lifecycle.countOffered(record);
    this.run(decide);
  }

  /** Calls `decide` at once. The outermost call then notifies and starts what all calls nested in it have decided. */
  run(decide: () => void): void {
    const pool = this.#pool;
    const { buffer } = pool;
    if (this.#isLooping) {
      buffer.isDeferred = true;
      try {
        decide();
      } finally {
        buffer.isDeferred = false;
      }
      return;
    }
    this.#isLooping = true;
    try {
      decide();
      this.#loop();
      this.#isLooping = false;
    } catch (error) {
      this.#isLooping = false;
      pool.crash(error);
    }
  }

  /** Does the job need a place? A callback of the order that is asked here may have closed the pool, or given the job up. */
  #read(record: JobRecord<J, R>): boolean {
    const { buffer, store } = this.#pool;
    if (store.read === undefined) return true;
    if (buffer.isDeferred) record.keepScope();
    if (!buffer.read(record, record.id)) return false;
    const isOpen = record.door === PULLED ? this.#pool.accepting : this.isOpen;
    if (isOpen && !record.isCancelled) return true;
    this.#refuse(record, isOpen ? 'withdrawn' : 'closed');
    return false;
  }

  #place(record: JobRecord<J, R>): void {
    const pool = this.#pool;
    const { buffer, store } = pool;
    const { length } = store;
    // A job that is going to start, though others are ahead of it in the loop, is no victim for an overflow policy.
    const starts = pool.startsArrival;
    if (!starts || length > 0 || buffer.isDeferred) record.keepScope();
    // What was sent or pulled has waited for room.
    const hasRoom = record.isEvictable ? pool.hasRoomForArrival() : pool.hasRoom();
    if (!buffer.place(record, record.id, hasRoom, !starts)) record.refusal = 'full';
    pool.notifyQueued();
  }

  #refuse(record: JobRecord<J, R>, reason: RefusalReason): void {
    if (this.#pool.buffer.isDeferred) record.keepScope();
    record.refusal = reason;
    this.#pool.buffer.refuse(record, record.id, reason);
  }
}
