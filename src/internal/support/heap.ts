/** A member of a {@link Heap}. */
export interface InHeap {
  /** Its place there. */
  at: number;
}

/** A binary heap: the first is found at once, any member leaves in O(log n). */
export class Heap<N extends InHeap> {
  readonly #members: N[] = [];
  readonly #isBefore: (a: N, b: N) => boolean;

  constructor(isBefore: (a: N, b: N) => boolean) {
    this.#isBefore = isBefore;
  }

  get length(): number {
    return this.#members.length;
  }

  get first(): N | undefined {
    return this.#members[0];
  }

  push(member: N): void {
    this.#up(member, this.#members.push(member) - 1);
  }

  /** Removes the first. Only when `length > 0`. */
  shift(): N {
    const first = this.#members[0]!;
    this.remove(first);
    return first;
  }

  remove(member: N): void {
    const last = this.#members.pop()!;
    if (last === member) return;
    this.#down(last, member.at);
    this.#up(last, last.at);
  }

  inOrder(): N[] {
    return [...this.#members].sort((a, b) => (this.#isBefore(a, b) ? -1 : 1));
  }

  #up(member: N, at: number): void {
    const members = this.#members;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.#isBefore(member, members[above]!)) break;
      this.#put(members[above]!, at);
      at = above;
    }
    this.#put(member, at);
  }

  #down(member: N, at: number): void {
    const members = this.#members;
    for (let child: number; (child = 2 * at + 1) < members.length; at = child) {
      if (child + 1 < members.length && this.#isBefore(members[child + 1]!, members[child]!)) child++;
      if (!this.#isBefore(members[child]!, member)) break;
      this.#put(members[child]!, at);
    }
    this.#put(member, at);
  }

  #put(member: N, at: number): void {
    this.#members[at] = member;
    member.at = at;
  }
}
