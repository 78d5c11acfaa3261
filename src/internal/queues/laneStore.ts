import { Fifo } from '../support/fifo.js';
import { Chain, Chains } from './chains.js';
import { LeanStore } from './leanStore.js';

/** The waiting jobs of one key, and how many of the key run. */
class Lane extends Chain {
  readonly key: unknown;
  running = 0;
  /** It waits for its turn. */
  isReady = false;

  constructor(key: unknown) {
    super();
    this.key = key;
  }
}

/**
 * Jobs of one key run `limit` at a time, and keys take turns, as in {@link KeyedOrder}: of jobs that nobody removes or watches.
 * A job looks its lane up once, when it comes: what it gives back when it has ended is the lane itself.
 */
export class LaneStore<T> extends LeanStore<T> {
  readonly #key: (job: never) => unknown;
  readonly #limit: number;
  readonly #waiting = new Chains<T>();
  readonly #lanes = new Map<unknown, Lane>();
  /** Lanes of which a job could start now: the one that was served last is the last. */
  #ready = new Fifo<Lane | undefined>(undefined);
  /** The key of the job that was read last. */
  #arriving: unknown = undefined;

  constructor(key: (job: never) => unknown, limit: number) {
    super();
    this.#key = key;
    this.#limit = limit;
  }

  read(job: T): boolean {
    this.#arriving = this.#key(job as never);
    return false;
  }

  push(job: T): void {
    const key = this.#arriving;
    this.#arriving = undefined;
    let lane = this.#lanes.get(key);
    if (lane === undefined) this.#lanes.set(key, (lane = new Lane(key)));
    this.#waiting.push(lane, job);
    this.length++;
    if (lane.length + lane.running > this.#limit) this.locked++;
    else this.#checkReady(lane);
  }

  take(): T {
    const lane = this.#ready.shift()!;
    lane.isReady = false;
    const job = this.#waiting.shift(lane);
    lane.running++;
    this.length--;
    this.lane = lane;
    this.#checkReady(lane);
    return job;
  }

  done(lane: Lane): void {
    // Or its key, which may be a job, would be held until the next one is taken.
    if (this.lane === lane) this.lane = undefined;
    // One of those that were locked may start instead.
    if (lane.length + lane.running > this.#limit) this.locked--;
    lane.running--;
    if (lane.length > 0) this.#checkReady(lane);
    else this.#dropIfIdle(lane);
  }

  *drain(): Generator<T, void> {
    this.#ready = new Fifo<Lane | undefined>(undefined);
    for (const lane of this.#lanes.values()) {
      lane.isReady = false;
      while (lane.length > 0) {
        if (lane.length + lane.running > this.#limit) this.locked--;
        this.length--;
        yield this.#waiting.shift(lane);
      }
      this.#dropIfIdle(lane);
    }
  }

  #checkReady(lane: Lane): void {
    if (lane.isReady || lane.length === 0 || lane.running >= this.#limit) return;
    lane.isReady = true;
    this.#ready.push(lane);
  }

  /** A key of which nothing waits or runs leaves nothing behind. */
  #dropIfIdle({ key, length, running }: Lane): void {
    if (length === 0 && running === 0) this.#lanes.delete(key);
  }
}
