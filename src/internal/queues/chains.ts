/** No place. */
const NONE = -1;

/** A room has 2 ** 8 places. */
const BITS = 8;
const SIZE: number = 1 << BITS;
const WITHIN: number = SIZE - 1;

/** One of the lines of {@link Chains}. */
export class Chain {
  length = 0;
  first: number = NONE;
  last: number = NONE;
}

interface Room<T> {
  readonly items: (T | undefined)[];
  /** The place behind each: in its line, or among those that are free. */
  readonly behind: Int32Array;
}

/**
 * Many first-in, first-out lines in one memory, so that an empty line is three numbers and an item 12 bytes: an object for each
 * item cost as much as two promise jobs, most of it the collector's, and one large array a fifth of one in copies as it grew.
 */
export class Chains<T> {
  #length = 0;
  readonly #rooms: Room<T>[] = [];
  /** Places that were ever used, since the last time that all were free. */
  #used = 0;
  /** The first of those that are free again. */
  #free: number = NONE;

  push(chain: Chain, item: T): void {
    let at = this.#free;
    if (at === NONE) at = this.#newPlace();
    else this.#free = this.#rooms[at >> BITS]!.behind[at & WITHIN]!;
    this.#rooms[at >> BITS]!.items[at & WITHIN] = item;
    const { last } = chain;
    if (chain.length++ === 0) chain.first = at;
    else this.#rooms[last >> BITS]!.behind[last & WITHIN] = at;
    chain.last = at;
    this.#length++;
  }

  /** Removes the oldest of `chain`. Only when `chain.length > 0`. */
  shift(chain: Chain): T {
    const at = chain.first;
    const { items, behind } = this.#rooms[at >> BITS]!;
    const item = items[at & WITHIN] as T;
    items[at & WITHIN] = undefined;
    chain.first = behind[at & WITHIN]!;
    chain.length--;
    behind[at & WITHIN] = this.#free;
    this.#free = at;
    if (--this.#length === 0) this.#clear();
    return item;
  }

  #newPlace(): number {
    const at = this.#used++;
    if (at >> BITS === this.#rooms.length) {
      const items = new Array<T | undefined>(SIZE);
      // Or the engine takes an empty array for one of small integers, and converts it at the first item.
      items[0] = undefined;
      this.#rooms.push({ items, behind: new Int32Array(SIZE) });
    }
    return at;
  }

  /** The memory of a burst goes when nothing of it waits any more, but for one room. */
  #clear(): void {
    if (this.#rooms.length > 1) this.#rooms.length = 1;
    this.#used = 0;
    this.#free = NONE;
  }
}
