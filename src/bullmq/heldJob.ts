import { UnrecoverableError, WaitingError } from 'bullmq';
import type { Job } from 'bullmq';
import { LeaseLostError } from '../errors.js';
import type { JobOutcome } from '../types.js';
import type { GiveBacks } from './giveBacks.js';

/** What the pool waits for, after it has told what became of a job that ran. */
interface Answer {
  readonly isCompletion: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

/** How a job was fetched: what its end needs to know of that. */
interface Fetched {
  readonly token: string;
  /** Its place among all that were fetched. */
  readonly number: number;
  readonly giveBacks: GiveBacks;
  /** BullMQ removes jobs that have completed, if the job does not say otherwise. */
  readonly removesCompleted: boolean;
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

  readonly #fetched: Fetched;
  #resolve!: (value: R) => void;
  #reject!: (error: Error) => void;
  #answer: Answer | undefined;

  constructor(job: Job<D, R, N>, fetched: Fetched) {
    this.job = job;
    this.#fetched = fetched;
    this.result = new Promise<R>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Tells BullMQ what became of the job. @returns resolves when BullMQ has it in its books */
  settle(outcome: JobOutcome<unknown, unknown>): Promise<void> {
    switch (outcome.status) {
      case 'completed':
        return this.#answerOf(() => this.#resolve(outcome.value as R), true);
      case 'failed':
        return this.#answerOf(() => this.#reject(asError(outcome.error)));
      case 'dropped':
        // Given back it would be here again at once.
        if (outcome.reason === 'expired')
          return this.#answerOf(() =>
            this.#reject(new UnrecoverableError('expired: it waited for too long in the pool')),
          );
        return this.giveBack();
      case 'aborted':
        if (!isLeaseLost(outcome.reason)) return this.giveBack();
        this.release();
        return Promise.resolve();
    }
  }

  /** The next Worker has it, and no attempt is counted. */
  async giveBack(): Promise<void> {
    const { giveBacks, number, token } = this.#fetched;
    try {
      await giveBacks.add(number, () => this.job.moveToWait(token));
    } finally {
      this.release();
    }
  }

  /** The Worker has done with it, and tells nobody. */
  release(): void {
    this.#reject(new WaitingError());
  }

  #answerOf(call: () => void, isCompletion = false): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#answer = { isCompletion, resolve, reject };
      call();
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
      if (state === 'completed' || (state === 'unknown' && this.#isRemovedOnCompletion())) answer.resolve();
      else answer.reject(new LeaseLostError(this.job));
    } catch (error) {
      answer.reject(error);
    }
  }

  #isRemovedOnCompletion(): boolean {
    const { removeOnComplete } = this.job.opts;
    return removeOnComplete === undefined ? this.#fetched.removesCompleted : removeOnComplete !== false;
  }

  #takeAnswer(): Answer | undefined {
    const answer = this.#answer;
    this.#answer = undefined;
    return answer;
  }
}

/** By its name: there may be two copies of the package. */
function isLeaseLost(reason: unknown): boolean {
  return asError(reason).name === 'LeaseLostError';
}

/** BullMQ reads the name, the message and the stack of what a job failed with: of an error of any realm, or of what is none. */
function asError(thrown: unknown): Error {
  try {
    const { name, message, stack } = Object(thrown) as Partial<Error>;
    if (thrown instanceof Error && [name, message, stack].every((text) => typeof text === 'string')) return thrown;
    const error = new Error(typeof message === 'string' ? message : String(thrown), { cause: thrown });
    if (typeof name === 'string') error.name = name;
    return error;
  } catch {
    return new Error('the job failed with a value that throws when it is read', { cause: thrown });
  }
}
