import type { DropReason } from './types.js';

// A name is a getter, so that a bundler can leave out the errors that are not used, and minify the others' class names.

/**
 * A job arrived at a full buffer whose policy is `'error'`. It carries the refused job back.
 *
 * Recognise it by `name`: the CommonJS and the ES module copies of this package have different classes.
 */
export class BufferOverflowError<J = unknown> extends Error {
  readonly capacity: number;
  readonly job: J;

  constructor(capacity: number, job: J) {
    super(`buffer is full (capacity ${capacity}): choose an overflow policy, or pullFrom(iterable)`);
    this.capacity = capacity;
    this.job = job;
  }

  override get name(): 'BufferOverflowError' {
    return 'BufferOverflowError';
  }
}

/** A submitted or sent job was dropped: it did not run, and will not. It carries the job back. */
export class JobDroppedError<J = unknown> extends Error {
  readonly reason: DropReason;
  readonly job: J;

  constructor(reason: DropReason, job: J) {
    super(`job was dropped (${reason}): ${WHY[reason]}`);
    this.reason = reason;
    this.job = job;
  }

  override get name(): 'JobDroppedError' {
    return 'JobDroppedError';
  }
}

const WHY: Readonly<Record<DropReason, string>> = {
  full: 'the buffer was full when it arrived',
  closed: 'the pool was shut down before it was accepted',
  coalesced: 'it was merged into a waiting one',
  withdrawn: 'its sender gave up waiting for room',
  evicted: 'a job that arrived at the full buffer took its place',
  expired: 'it waited for too long',
  cleared: 'what waited was cleared',
  shutdown: 'the pool was shut down while it waited',
};

/** The reason with which a running job's signal fires when its pool is aborted or its results are unsubscribed. */
export class JobAbortedError<J = unknown> extends Error {
  readonly job: J;

  constructor(job: J, options?: { cause?: unknown }) {
    super('job was aborted', options);
    this.job = job;
  }

  override get name(): 'JobAbortedError' {
    return 'JobAbortedError';
  }
}

/** Wraps a failure that nobody could hear of, when it is reported as unhandled. It carries the job, and the failure as its `cause`. */
export class JobFailedError<J = unknown> extends Error {
  readonly job: J;

  constructor(job: J, options: { cause: unknown }) {
    super(
      'job failed, and nobody could hear of it: submit it, subscribe to outcomes$, or give the pool a settled hook',
      options,
    );
    this.job = job;
  }

  override get name(): 'JobFailedError' {
    return 'JobFailedError';
  }
}
