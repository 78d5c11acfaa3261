import type { EvictionReason, Overflow, RefusalReason } from '../types.js';
import type { Life } from './life.js';
import { Ring } from './ring.js';
import type { Ticket } from './ticket.js';
import type { Waiting } from './waiting.js';

/** What waits, and how jobs are lost from it: each loss is told before the results may complete. */
export class Buffer<J, R> {
  readonly queue: Waiting<J, R>;

  private readonly overflow: Overflow;
  private readonly life: Life<J, R> | undefined;
  private readonly onTold: () => void;
  /** Losses that are being told: one may be heard of by somebody who causes the next. */
  private telling = 0;

  /** @param onTold all who were to hear of a loss have heard */
  constructor(overflow: Overflow, life: Life<J, R> | undefined, onTold: () => void) {
    this.overflow = overflow;
    this.life = life;
    this.onTold = onTold;
    this.queue = life?.queue ?? new Ring();
  }

  get isTelling(): boolean {
    return this.telling > 0;
  }

  enqueue(job: J, ticket?: Ticket<J, R>): void {
    this.queue.push(job, ticket);
    this.life?.accepted(job);
  }

  /** Makes room for one more, as the policy says. `false`: nothing may go, or can. */
  evict(): boolean {
    const { overflow, queue } = this;
    if (queue.length === 0 || overflow === 'error' || overflow === 'drop-incoming') return false;
    if (overflow === 'clear') this.drop('evicted');
    else {
      const victim = overflow === 'drop-oldest' ? queue.shift() : queue.pop();
      this.tell((life) => life.evicted(victim, 'evicted'));
    }
    return true;
  }

  /** All that waits loses its place, at once; then it is told, the oldest first. */
  drop(reason: EvictionReason): void {
    if (this.life === undefined) while (this.queue.length > 0) this.queue.shift();
    else this.tell((life) => life.evictAll(reason));
  }

  refuse(job: J, reason: RefusalReason, ticket?: Ticket<J, R>): false {
    this.tell((life) => life.refused(job, reason, ticket));
    return false;
  }

  refuseAll(tickets: readonly Ticket<J, R>[], reason: RefusalReason): void {
    this.tell((life) => life.refusedAll(tickets, reason));
  }

  /** Their owner has taken `tickets` out of the queue. */
  withdraw(tickets: readonly Ticket<J, R>[], reason: unknown): void {
    this.tell((life) => life.withdrawn(tickets, reason));
  }

  private tell(report: (life: Life<J, R>) => void): void {
    if (this.life === undefined) return;
    this.telling++;
    report(this.life);
    if (--this.telling === 0) this.onTold();
  }
}
