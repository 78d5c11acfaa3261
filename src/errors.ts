import type { DropReason } from './types.js';

/** Named on the instance, not by a static block, so that a bundler can leave out the errors that are not used. */
abstract class PoolError extends Error {
  constructor(name: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    // Not enumerable, as a built-in error's name is not.
    Object.defineProperty(this, 'name', { value: name, configurable: true, writable: true });
    // V8 has written the stack's first line already, with the name of Error.
    (Error as { captureStackTrace?: (error: Error, above: unknown) => void }).captureStackTrace?.(this, new.target);
  }
}

/**
 * A job arrived at a full buffer whose policy is `'error'`. It carries the refused job back.
 *
 * Recognise it by `name`: the CommonJS and the ES module copies of this package have different classes.
 */
export class BufferOverflowError<J = unknown> extends PoolError {
  declare readonly name: 'BufferOverflowError';
  readonly capacity: number;
  readonly job: J;

  constructor(capacity: number, job: J) {
    super(
      'BufferOverflowError',
      `buffer is full (capacity ${capacity}): choose an overflow policy, or let the pool pull: pullFrom(iterable).pipe(…)`,
    );
    this.capacity = capacity;
    this.job = job;
  }
}

/** A submitted or sent job was dropped: it did not run, and will not. It carries the job back. */
export class JobDroppedError<J = unknown> extends PoolError {
  declare readonly name: 'JobDroppedError';
  readonly reason: DropReason;
  readonly job: J;

  constructor(reason: DropReason, job: J) {
    super('JobDroppedError', `job was dropped (${reason}): ${WHY[reason]}`);
    this.reason = reason;
    this.job = job;
  }
}

const WHY: Readonly<Record<DropReason, string>> = {
  full: 'the buffer was full when it arrived',
  closed: 'the pool was shut down before it was accepted',
  coalesced: 'it was merged into a waiting one',
  evicted: 'a job that arrived at the full buffer took its place',
  expired: 'it waited for too long',
  shutdown: 'the pool was shut down while it waited',
};

/** The reason with which a running job's signal fires when its pool is aborted or its results are unsubscribed. */
export class JobAbortedError<J = unknown> extends PoolError {
  declare readonly name: 'JobAbortedError';
  readonly job: J;

  constructor(job: J, options?: { cause?: unknown }) {
    super('JobAbortedError', 'job was aborted: its pool no longer waits for it', options);
    this.job = job;
  }
}
