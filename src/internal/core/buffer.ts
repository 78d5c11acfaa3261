import type { EvictionReason, Overflow, RefusalReason } from '../../types.js';
import type { Gone, PoolLife } from '../lifecycle/lifecycle.js';
import { Ring } from '../support/fifo.js';
import type { Waiting } from '../lifecycle/timestampedFifo.js';

/** What waits, and how jobs are lost from it: each loss is told before the results may complete. */
export class Buffer<T, R> {
  readonly queue: Waiting<T>;

  readonly #life: PoolLife<T, R> | undefined;
  readonly #onTold: () => void;
  /** Losses that are being told: one may be heard of by somebody who causes the next. */
  #telling = 0;

  /** @param onTold all who were to hear of a loss have heard */
  constructor(life: PoolLife<T, R> | undefined, onTold: () => void) {
    this.#life = life;
    this.#onTold = onTold;
    this.queue = life?.queue ?? new Ring();
  }

  get isTelling(): boolean {
    return this.#telling > 0;
  }

  enqueue(job: T): void {
    this.queue.push(job);
    this.#life?.accepted(job);
  }

  /** Makes room for one more, as the policy says. `false`: nothing may go, or can. */
  evict(overflow: Overflow): boolean {
    const { length } = this.queue;
    if (length === 0 || overflow === 'error' || overflow === 'drop-incoming') return false;
    this.#lose(overflow === 'clear' ? length : 1, overflow === 'replace-newest' ? 'pop' : 'shift', 'evicted');
    return true;
  }

  /** All that waits loses its place. */
  drop(reason: EvictionReason): void {
    this.#lose(this.queue.length, 'shift', reason);
  }

  /** At once; then it is told: nobody who hears of one finds the next still waiting. */
  #lose(count: number, end: 'shift' | 'pop', reason: EvictionReason): void {
    const { queue } = this;
    const gone: Gone<T>[] = [];
    while (count-- > 0) {
      const job = queue[end]();
      if (this.#life) gone.push([job, queue.arrivedAt!]);
    }
    this.tell((life) => life.evicted(gone, reason));
  }

  refuse(job: T, reason: RefusalReason): false {
    this.tell((life) => life.refused(job, reason));
    return false;
  }

  tell(report: (life: PoolLife<T, R>) => void): void {
    if (!this.#life) return;
    this.#telling++;
    report(this.#life);
    if (--this.#telling === 0) this.#onTold();
  }
}
