/** A member of a {@link LinkedQueue}: its links are its own, so that it can leave from the middle at no cost. */
export interface Linked<N> {
  /** The queue in which it waits. */
  queue: object | undefined;
  ahead: N | undefined;
  behind: N | undefined;
}

/** A first-in, first-out line whose members can also leave from its middle. */
export class LinkedQueue<N extends Linked<N>> {
  length = 0;
  first: N | undefined;
  last: N | undefined;

  push(member: N): void {
    const { last } = this;
    member.queue = this;
    member.ahead = last;
    if (last === undefined) this.first = member;
    else last.behind = member;
    this.last = member;
    this.length++;
  }

  /** Before all others. */
  unshift(member: N): void {
    const { first } = this;
    member.queue = this;
    member.behind = first;
    if (first === undefined) this.last = member;
    else first.ahead = member;
    this.first = member;
    this.length++;
  }

  /** Removes the oldest. Only when `length > 0`. */
  shift(): N {
    return this.remove(this.first!);
  }

  /** Removes a member. */
  remove(member: N): N {
    const { ahead, behind } = member;
    if (ahead === undefined) this.first = behind;
    else ahead.behind = behind;
    if (behind === undefined) this.last = ahead;
    else behind.ahead = ahead;
    member.queue = member.ahead = member.behind = undefined;
    this.length--;
    return member;
  }
}
