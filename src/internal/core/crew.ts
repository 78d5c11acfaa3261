import { Worker } from './worker.js';
import type { WorkerHost } from './worker.js';

/** Which workers live, and which of them are idle. */
export class Crew<J, R> {
  /** How many may work at once. */
  limit: number;
  readonly #workers = new Set<Worker<J, R>>();
  /** The one that became idle last is the next to be taken. */
  readonly idle: Worker<J, R>[] = [];
  /** The numbers of those that have retired. */
  readonly #vacant: number[] = [];

  constructor(limit: number) {
    this.limit = limit;
  }

  /** How many jobs could start now. */
  get free(): number {
    return this.idle.length + Math.max(0, this.limit - this.#workers.size);
  }

  get hasFree(): boolean {
    return this.idle.length > 0 || this.#workers.size < this.limit;
  }

  /** There are more than may work: the limit was lowered. */
  get isExcessive(): boolean {
    return this.#workers.size > this.limit;
  }

  resize(limit: number): void {
    this.limit = limit;
    while (this.isExcessive && this.idle.length > 0) this.retire(this.idle.pop()!);
  }

  /** No worker runs a job, looks for one, or is telling how one has ended. */
  get isIdle(): boolean {
    return this.idle.length === this.#workers.size;
  }

  /** Makes a worker. The caller has it subscribed. */
  spawn(host: WorkerHost<J, R>, onSubscribed: () => void): Worker<J, R> {
    const worker = new Worker<J, R>(host, this.#vacant.pop() ?? this.#workers.size + 1, onSubscribed);
    this.#workers.add(worker);
    return worker;
  }

  /** An idle worker, which the caller puts to work. */
  takeIdle(): Worker<J, R> | undefined {
    const worker = this.idle.pop();
    if (worker !== undefined) worker.isIdle = false;
    return worker;
  }

  retireIdle(): void {
    for (let worker; (worker = this.idle.pop());) this.retire(worker);
  }

  /** In the order in which their jobs were subscribed, which is the order in which RxJS tears them down. */
  inOrder(): Worker<J, R>[] {
    return [...this.#workers].sort((a, b) => a.subscriptionOrder - b.subscriptionOrder);
  }

  retire(worker: Worker<J, R>): void {
    this.#workers.delete(worker);
    this.#vacant.push(worker.number);
    worker.destination.complete();
  }
}
