import { Fifo } from '../support/fifo.js';
import { Heap } from '../support/heap.js';
import type { InHeap } from '../support/heap.js';
import { LeanStore } from './leanStore.js';
import { rankOf } from './priority.js';

/** The jobs of one rank, in the order of arrival. */
class Level<T> extends Fifo<T | undefined> implements InHeap {
  rank: number;
  at = 0;

  constructor(rank: number) {
    super(undefined);
    this.rank = rank;
  }
}

/** The highest rank first, and of one rank the oldest, as {@link LevelOrder}: of jobs that nobody removes or watches. */
export class LevelStore<T> extends LeanStore<T> {
  readonly #priority: (job: never) => unknown;
  readonly #levels = new Map<number, Level<T>>();
  readonly #ranks = new Heap<Level<T>>((a, b) => a.rank > b.rank);
  /** The one that was emptied last, for the next rank that comes. */
  #spare: Level<T> | undefined;
  /** Of the job that was read last. */
  #arriving = 0;

  constructor(priority: (job: never) => unknown) {
    super();
    this.#priority = priority;
  }

  get nextRank(): number {
    return this.#ranks.first?.rank ?? -Infinity;
  }

  read(job: T): boolean {
    this.#arriving = rankOf(this.#priority(job as never), 0, Infinity);
    return false;
  }

  push(job: T): void {
    const rank = this.#arriving;
    let level = this.#levels.get(rank);
    if (level === undefined) this.#levels.set(rank, (level = this.#newLevel(rank)));
    level.push(job);
    this.length++;
  }

  take(): T {
    const level = this.#ranks.first!;
    const job = level.shift() as T;
    if (level.length === 0) {
      this.#ranks.remove(level);
      this.#levels.delete(level.rank);
      this.#spare = level;
    }
    this.length--;
    this.rank = level.rank;
    return job;
  }

  #newLevel(rank: number): Level<T> {
    const level = this.#spare ?? new Level<T>(rank);
    this.#spare = undefined;
    level.rank = rank;
    this.#ranks.push(level);
    return level;
  }
}
