import type { JobContext } from '../../types.js';

/** One start of one job. An AbortController costs more than all the rest together, so it is made when somebody asks. */
export class Attempt implements JobContext {
  readonly worker: number;
  /** There are no retries yet. */
  readonly attempt = 1;
  readonly index: number;
  #controller: AbortController | undefined;

  constructor(worker: number, index: number) {
    this.worker = worker;
    this.index = index;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  /** Not a method, because `work` holds the attempt and may only listen. What reads its signal later finds it aborted. */
  static abort(attempt: Attempt, reason: unknown): void {
    attempt.#controller ??= new AbortController();
    attempt.#controller.abort(reason);
  }
}
