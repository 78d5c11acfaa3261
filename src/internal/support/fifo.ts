const SMALL = 16;
const LARGE = 1024;

/** An array of a fixed size, filled from the front. */
interface Room<T> {
  readonly items: T[];
  previous: Room<T> | undefined;
  next: Room<T> | undefined;
}

/**
 * A first-in, first-out line of any length, O(1) at both ends.
 *
 * It is a list of rooms of 16 places, then 32, up to 1,024: a capacity of a billion allocates nothing, a long line is never
 * copied, and the rooms of a burst go as it leaves. An item's place is cleared when the item leaves.
 */
export class Fifo<T> {
  length = 0;

  readonly #blank: T;
  #head: Room<T>;
  #tail: Room<T>;
  /** In the head room, the place of the oldest. */
  #start = 0;
  /** In the tail room, the place behind the youngest. */
  #end = 0;
  /** An empty room of the largest size, for the next that is needed. */
  #spare: Room<T> | undefined;

  /** @param blank what an empty place holds: of the items' kind, so that an engine packs a line of numbers */
  constructor(blank: T) {
    this.#blank = blank;
    this.#head = this.#tail = this.#newRoom(SMALL);
  }

  /** The oldest. Only when `length > 0`. */
  get first(): T {
    return this.#head.items[this.#start]!;
  }

  push(item: T): void {
    if (this.#end === this.#tail.items.length) this.#addRoom();
    this.#tail.items[this.#end++] = item;
    this.length++;
  }

  /** Removes the oldest. Only when `length > 0`. */
  shift(): T {
    const head = this.#head;
    const at = this.#start++;
    const item = head.items[at]!;
    head.items[at] = this.#blank;
    if (--this.length === 0) this.#start = this.#end = 0;
    else if (this.#start === head.items.length) {
      this.#head = head.next!;
      this.#head.previous = undefined;
      this.#start = 0;
      this.#keep(head);
    }
    return item;
  }

  /** Removes the youngest. Only when `length > 0`. */
  pop(): T {
    const tail = this.#tail;
    const at = --this.#end;
    const item = tail.items[at]!;
    tail.items[at] = this.#blank;
    if (--this.length === 0) this.#start = this.#end = 0;
    else if (at === 0) {
      this.#tail = tail.previous!;
      this.#tail.next = undefined;
      this.#end = this.#tail.items.length;
      this.#keep(tail);
    }
    return item;
  }

  #addRoom(): void {
    const tail = this.#tail;
    const room: Room<T> = this.#spare ?? this.#newRoom(Math.min(2 * tail.items.length, LARGE));
    this.#spare = undefined;
    room.previous = tail;
    this.#tail = tail.next = room;
    this.#end = 0;
  }

  #keep(room: Room<T>): void {
    room.previous = room.next = undefined;
    if (room.items.length === LARGE) this.#spare = room;
  }

  #newRoom(size: number): Room<T> {
    const items = new Array<T>(size);
    // Or the engine takes an empty array for one of small integers, and converts it at the first item.
    items[0] = this.#blank;
    return { items, previous: undefined, next: undefined };
  }
}
