import { LinkedQueue } from '../support/linkedQueue.js';
import type { Linked } from '../support/linkedQueue.js';
import { isBefore } from './entry.js';
import type { Entry } from './entry.js';
import { Heap } from '../support/heap.js';
import type { InHeap } from '../support/heap.js';

/** The place of a waiting job among the {@link Victims}. */
export class Mark<T> implements Linked<Mark<T>>, InHeap {
  readonly entry: Entry<T>;
  at = 0;
  queue: object | undefined = undefined;
  ahead: Mark<T> | undefined = undefined;
  behind: Mark<T> | undefined = undefined;
  readonly #victims: Victims<T>;

  constructor(entry: Entry<T>, victims: Victims<T>) {
    this.entry = entry;
    this.#victims = victims;
  }

  leave(): void {
    this.#victims.remove(this);
  }
}

/** The waiting jobs of which an overflow policy chooses one: of a pool, or of one key. */
export class Victims<T> {
  /** At so many a job that arrives meets the policy. */
  readonly capacity: number;
  /** In the order of arrival. */
  readonly #line = new LinkedQueue<Mark<T>>();
  /** The lowest rank first, and of one rank the youngest: only where the policy chooses by rank. */
  readonly #byRank: Heap<Mark<T>> | undefined;

  constructor(capacity: number, isByRank: boolean) {
    this.capacity = capacity;
    this.#byRank = isByRank ? new Heap<Mark<T>>((a, b) => isBefore(b.entry, a.entry)) : undefined;
  }

  get length(): number {
    return this.#line.length;
  }

  get oldest(): Entry<T> | undefined {
    return this.#line.first?.entry;
  }

  get newest(): Entry<T> | undefined {
    return this.#line.last?.entry;
  }

  get lowest(): Entry<T> | undefined {
    return this.#byRank?.first?.entry;
  }

  add(entry: Entry<T>): Mark<T> {
    const mark = new Mark(entry, this);
    this.#line.push(mark);
    this.#byRank?.push(mark);
    return mark;
  }

  remove(mark: Mark<T>): void {
    this.#line.remove(mark);
    this.#byRank?.remove(mark);
  }
}
