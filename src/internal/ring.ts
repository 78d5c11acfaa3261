const SMALL = 16;
const LARGE = 1024;

/**
 * A first-in, first-out line of any length, O(1) at both ends.
 *
 * It starts small and doubles when it must, so a capacity of a billion allocates nothing; it lets go of an item as
 * soon as the item leaves, and of the room of a burst as soon as the burst has left.
 */
export class Ring<T> {
  length = 0;
  private items: (T | undefined)[] = new Array<T | undefined>(SMALL).fill(undefined);
  private head = 0;

  push(item: T): void {
    if (this.length === this.items.length) this.grow();
    this.items[(this.head + this.length++) & (this.items.length - 1)] = item;
  }

  /** Removes the oldest. Only when `length > 0`. */
  shift(): T {
    const item = this.items[this.head] as T;
    this.items[this.head] = undefined;
    this.head = (this.head + 1) & (this.items.length - 1);
    if (--this.length === 0) this.shrink();
    return item;
  }

  /** Removes the youngest. Only when `length > 0`. */
  pop(): T {
    const tail = (this.head + --this.length) & (this.items.length - 1);
    const item = this.items[tail] as T;
    this.items[tail] = undefined;
    if (this.length === 0) this.shrink();
    return item;
  }

  private grow(): void {
    const { items, head } = this;
    // The length is a power of two, so that an index wraps with `&`. What had wrapped goes behind the rest.
    const { length } = items;
    items.length = 2 * length;
    for (let i = 0; i < head; i++) {
      items[length + i] = items[i];
      items[i] = undefined;
    }
  }

  private shrink(): void {
    if (this.items.length <= LARGE) return;
    this.items = new Array<T | undefined>(SMALL).fill(undefined);
    this.head = 0;
  }
}
