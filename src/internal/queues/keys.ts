import { LinkedQueue } from '../support/linkedQueue.js';
import type { Linked } from '../support/linkedQueue.js';
import type { Entry } from './entry.js';
import type { Order, OrderFactory } from './order.js';
import { Victims } from './victims.js';

/** The waiting jobs of one key, and how many of the key run. */
class Lane<T> implements Linked<Lane<T>> {
  readonly key: unknown;
  readonly waiting: Order<T>;
  /** Where the lane has a bound. */
  readonly victims: Victims<T> | undefined;
  running = 0;
  queue: object | undefined = undefined;
  ahead: Lane<T> | undefined = undefined;
  behind: Lane<T> | undefined = undefined;

  constructor(key: unknown, waiting: Order<T>, victims: Victims<T> | undefined) {
    this.key = key;
    this.waiting = waiting;
    this.victims = victims;
  }
}

/** How the jobs of one key are treated. */
interface LaneRules {
  /** So many run at once. */
  readonly limit: number;
  /** So many may wait, of those that an overflow policy may choose. */
  readonly most: number;
  readonly makeOrder: OrderFactory;
}

/** Jobs of one key run `limit` at a time; keys take turns. A lane without jobs that wait or run is removed. */
export class KeyedOrder<T> implements Order<T> {
  length = 0;
  startable = 0;

  readonly #rules: LaneRules;
  readonly #isByRank: boolean;
  readonly #lanes = new Map<unknown, Lane<T>>();
  /** Lanes of which a job could start now: the one that was served last is the last. */
  readonly #ready = new LinkedQueue<Lane<T>>();

  constructor(rules: LaneRules, isByRank: boolean) {
    this.#rules = rules;
    this.#isByRank = isByRank;
  }

  add(entry: Entry<T>): void {
    const { key } = entry;
    let lane = this.#lanes.get(key);
    if (lane === undefined) this.#lanes.set(key, (lane = this.#newLane(key)));
    const before = this.#startableOf(lane);
    lane.waiting.add(entry);
    entry.lane = lane;
    this.length++;
    this.#changed(lane, before);
  }

  take(): Entry<T> {
    const lane = this.#ready.shift();
    const before = this.#startableOf(lane);
    const entry = lane.waiting.take();
    lane.running++;
    this.length--;
    this.#changed(lane, before);
    return entry;
  }

  remove(entry: Entry<T>): void {
    const lane = entry.lane as Lane<T>;
    const before = this.#startableOf(lane);
    lane.waiting.remove(entry);
    this.length--;
    this.#changed(lane, before);
  }

  done(lane: object): void {
    const before = this.#startableOf(lane as Lane<T>);
    (lane as Lane<T>).running--;
    this.#changed(lane as Lane<T>, before);
  }

  isReady({ lane }: Entry<T>): boolean {
    return (lane as Lane<T>).queue !== undefined;
  }

  promote({ lane }: Entry<T>): void {
    this.#ready.unshift(this.#ready.remove(lane as Lane<T>));
  }

  isLocked({ key }: Entry<T>): boolean {
    const lane = this.#lanes.get(key);
    return lane !== undefined && this.#startableOf(lane) + lane.running >= this.#rules.limit;
  }

  victims({ key }: Entry<T>): Victims<T> | undefined {
    return this.#lanes.get(key)?.victims;
  }

  claim(entry: Entry<T>): Entry<T> | undefined {
    return this.#lanes.get(entry.key)?.waiting.claim?.(entry);
  }

  release(waiting: Entry<T>): void {
    (waiting.lane as Lane<T>).waiting.release!(waiting);
  }

  /** Lane after lane, one job each: as it would be if each job ended before the next starts. */
  entries(): Entry<T>[] {
    const lanes = [...this.#lanes.values()].map(({ waiting }) => waiting.entries());
    const most = Math.max(0, ...lanes.map(({ length }) => length));
    return Array.from({ length: most }, (_, i) => lanes.flatMap((lane) => lane[i] ?? [])).flat();
  }

  #newLane(key: unknown): Lane<T> {
    const { most, makeOrder } = this.#rules;
    const victims = most === Infinity ? undefined : new Victims<T>(most, this.#isByRank);
    return new Lane<T>(key, makeOrder<T>(this.#isByRank), victims);
  }

  #startableOf({ waiting, running }: Lane<T>): number {
    return Math.max(0, Math.min(waiting.startable, this.#rules.limit - running));
  }

  /** @param before what could start of it before the change */
  #changed(lane: Lane<T>, before: number): void {
    const after = this.#startableOf(lane);
    this.startable += after - before;
    if (after > 0 && lane.queue === undefined) this.#ready.push(lane);
    else if (after === 0 && lane.queue !== undefined) this.#ready.remove(lane);
    if (lane.waiting.length === 0 && lane.running === 0) this.#lanes.delete(lane.key);
  }
}
