import type { JobContext } from '../../types.js';

/** One start of one job. An AbortController costs more than all the rest together, so it is made when the signal is read. */
export class Attempt implements JobContext {
  readonly worker: number;
  readonly attempt: number;
  readonly index: number;
  #controller: AbortController | undefined;
  #abort: { readonly reason: unknown } | undefined;

  constructor(worker: number, attempt: number, index: number) {
    this.worker = worker;
    this.attempt = attempt;
    this.index = index;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abort !== undefined) this.#controller.abort(this.#abort.reason);
    }
    return this.#controller.signal;
  }

  /** Static, because `work` may have the attempt as its context, and must not abort itself. */
  static abort(attempt: Attempt, reason: unknown): void {
    attempt.#abort = { reason };
    attempt.#controller?.abort(reason);
  }
}

/** The attempt with four properties of its own: `{ ...context }` and a Proxy keep the signal. */
export function contextOf(attempt: Attempt): JobContext {
  return {
    worker: attempt.worker,
    attempt: attempt.attempt,
    index: attempt.index,
    get signal() {
      return attempt.signal;
    },
  };
}
