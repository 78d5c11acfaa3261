import { UnrecoverableError, WaitingError } from 'bullmq';
import type { Job } from 'bullmq';
import { LeaseLostError } from '../errors.js';
import type { JobOutcome } from '../types.js';

/** What the pool waits for, after it has told what became of a job that ran. */
interface Answer {
  readonly isCompletion: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * A job that a Worker has in hand. Its processor waits for `result`; BullMQ is told by how that settles.
 *
 *     processor called ──▶ settled by the pool ──▶ told to Redis ──▶ answered
 *                     └──▶ given back, or let go: somebody else has it
 */
export class HeldJob<D, R, N extends string> {
  readonly job: Job<D, R, N>;
  readonly result: Promise<R>;

  readonly #token: string;
  #resolve!: (value: R) => void;
  #reject!: (error: Error) => void;
  #answer: Answer | undefined;

  constructor(job: Job<D, R, N>, token: string) {
    this.job = job;
    this.#token = token;
    this.result = new Promise<R>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Tells BullMQ what became of the job. @returns resolves when BullMQ has it in its books */
  settle(outcome: JobOutcome<unknown, unknown>): Promise<void> {
    switch (outcome.status) {
      case 'completed':
        return this.#tell(() => this.#resolve(outcome.value as R), true);
      case 'failed':
        return this.#tell(() => this.#reject(asError(outcome.error)));
      case 'dropped':
        // Given back it would be here again at once.
        if (outcome.reason === 'expired')
          return this.#tell(() => this.#reject(new UnrecoverableError('expired: it waited for too long in the pool')));
        return this.giveBack();
      case 'aborted':
        if (!isLeaseLost(outcome.reason)) return this.giveBack();
        this.letGo();
        return Promise.resolve();
    }
  }

  /** The next Worker has it, and no attempt is counted. */
  async giveBack(): Promise<void> {
    try {
      await this.job.moveToWait(this.#token);
    } finally {
      this.letGo();
    }
  }

  /** The Worker has done with it, and tells nobody. */
  letGo(): void {
    this.#reject(new WaitingError());
  }

  #tell(tell: () => void, isCompletion = false): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#answer = { isCompletion, resolve, reject };
      tell();
    });
  }

  /** The Worker's event: Redis has it as completed. */
  onCompleted(): void {
    this.#takeAnswer()?.resolve();
  }

  /** The Worker's event: Redis has it as failed, or will try it again. A result that is no JSON fails a job that has completed. */
  onFailed(error: Error): void {
    const answer = this.#takeAnswer();
    if (answer?.isCompletion) answer.reject(error);
    else answer?.resolve();
  }

  /**
   * The Worker has done with it. Without an event before, a completion is in doubt: the lock has run out, or Redis has lost its
   * answer with the connection, and refused the same when it was told again.
   */
  async onProcessed(): Promise<void> {
    const answer = this.#takeAnswer();
    if (!answer?.isCompletion) return answer?.resolve();
    try {
      const state = await this.job.getState();
      // One that is to be removed on completion is unknown then.
      if (state === 'completed' || state === 'unknown') answer.resolve();
      else answer.reject(new LeaseLostError(this.job));
    } catch (error) {
      answer.reject(error);
    }
  }

  #takeAnswer(): Answer | undefined {
    const answer = this.#answer;
    this.#answer = undefined;
    return answer;
  }
}

function isLeaseLost(reason: unknown): boolean {
  return reason instanceof Error && reason.name === 'LeaseLostError';
}

/** BullMQ reads the message and the name of what a job failed with. */
function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error), { cause: error });
}
