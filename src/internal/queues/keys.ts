import { LinkedQueue } from '../support/linkedQueue.js';
import type { Linked } from '../support/linkedQueue.js';
import type { Entry, Order, OrderFactory } from './entry.js';

/** The waiting jobs of one key, and how many of the key run. */
class Lane<T> implements Linked<Lane<T>> {
  readonly key: unknown;
  readonly waiting: Order<T>;
  running = 0;
  queue: object | undefined = undefined;
  ahead: Lane<T> | undefined = undefined;
  behind: Lane<T> | undefined = undefined;

  constructor(key: unknown, waiting: Order<T>) {
    this.key = key;
    this.waiting = waiting;
  }
}

/** Jobs of one key run `limit` at a time; keys take turns. A lane without jobs that wait or run is removed. */
export class KeyedOrder<T> implements Order<T> {
  length = 0;
  startable = 0;

  readonly #key: (job: unknown) => unknown;
  readonly #limit: number;
  readonly #makeLane: OrderFactory;
  readonly #lanes = new Map<unknown, Lane<T>>();
  /** Lanes of which a job could start now: the one that was served last is the last. */
  readonly #ready = new LinkedQueue<Lane<T>>();

  constructor(key: (job: unknown) => unknown, limit: number, makeLane: OrderFactory) {
    this.#key = key;
    this.#limit = limit;
    this.#makeLane = makeLane;
  }

  add(entry: Entry<T>, job: unknown): void {
    const key = this.#key(job);
    const lane = this.#lanes.get(key) ?? new Lane<T>(key, this.#makeLane());
    this.#change(lane, () => {
      lane.waiting.add(entry, job);
      entry.lane = lane;
      this.#lanes.set(key, lane);
      this.length++;
    });
  }

  take(): Entry<T> {
    const lane = this.#ready.shift();
    let entry!: Entry<T>;
    this.#change(lane, () => {
      entry = lane.waiting.take();
      lane.running++;
      this.length--;
    });
    return entry;
  }

  remove(entry: Entry<T>): void {
    const lane = entry.lane as Lane<T>;
    this.#change(lane, () => {
      lane.waiting.remove(entry);
      this.length--;
    });
  }

  done(lane: object): void {
    this.#change(lane as Lane<T>, () => (lane as Lane<T>).running--);
  }

  /** Lane after lane, one job each: as it would be if each job ended before the next starts. */
  entries(): Entry<T>[] {
    const lanes = [...this.#lanes.values()].map(({ waiting }) => waiting.entries());
    const most = Math.max(0, ...lanes.map(({ length }) => length));
    return Array.from({ length: most }, (_, i) => lanes.flatMap((lane) => lane[i] ?? [])).flat();
  }

  #startableOf({ waiting, running }: Lane<T>): number {
    return Math.max(0, Math.min(waiting.startable, this.#limit - running));
  }

  #change(lane: Lane<T>, act: () => void): void {
    const before = this.#startableOf(lane);
    act();
    const after = this.#startableOf(lane);
    this.startable += after - before;
    if (after > 0 && lane.queue === undefined) this.#ready.push(lane);
    else if (after === 0 && lane.queue !== undefined) this.#ready.remove(lane);
    if (lane.waiting.length === 0 && lane.running === 0) this.#lanes.delete(lane.key);
  }
}
