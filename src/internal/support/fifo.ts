const SMALL = 16;
const LARGE = 1024;

const emptyRoom = (): undefined[] => new Array<undefined>(SMALL).fill(undefined);

/**
 * A first-in, first-out line of any length, O(1) at both ends.
 *
 * It starts small and doubles when it must, so a capacity of a billion allocates nothing; it lets go of an item as
 * soon as the item leaves, and of the room of a burst as soon as the burst has left.
 */
export class Ring<T> {
  length = 0;
  #items: (T | undefined)[] = emptyRoom();
  #head = 0;

  push(item: T): void {
    if (this.length === this.#items.length) this.#grow();
    this.#items[this.#at(this.length++)] = item;
  }

  /** Removes the oldest. Only when `length > 0`. */
  shift(): T {
    const oldest = this.#head;
    this.#head = this.#at(1);
    return this.#remove(oldest);
  }

  /** Removes the youngest. Only when `length > 0`. */
  pop(): T {
    return this.#remove(this.#at(this.length - 1));
  }

  /** Where the item is that is `distance` behind the oldest. The room is a power of two, so that it wraps with `&`. */
  #at(distance: number): number {
    return (this.#head + distance) & (this.#items.length - 1);
  }

  #remove(at: number): T {
    const item = this.#items[at] as T;
    this.#items[at] = undefined;
    if (--this.length === 0 && this.#items.length > LARGE) {
      this.#items = emptyRoom();
      this.#head = 0;
    }
    return item;
  }

  /** In place, because a copy costs a burst more than its jobs. What had wrapped goes behind the rest. */
  #grow(): void {
    const items = this.#items;
    const { length } = items;
    items.length *= 2;
    for (let i = 0; i < this.#head; i++) {
      items[length + i] = items[i];
      items[i] = undefined;
    }
  }
}
