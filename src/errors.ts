import type { DropReason } from './types.js';

// The names are accessors of the classes. A bundler can leave out the errors that are not used and shorten the names of the
// classes, the stack begins with the right name, and a logger that renames an error gives it a property of its own.

/**
 * A job arrived at a full buffer whose policy is `'error'`. It carries the refused job back.
 *
 * Recognise it by `name`: the CommonJS and the ES module copies of this package have different classes.
 */
export class BufferOverflowError<J = unknown> extends Error {
  /** As that of a JobDroppedError under another policy: one line answers for both. */
  readonly reason = 'full' as const;
  readonly capacity: number;
  readonly job: J;

  constructor(capacity: number, job: J) {
    super(
      `buffer is full (capacity ${capacity}): choose an overflow policy, or pipe pullFrom(iterable) directly onto the pool`,
    );
    this.capacity = capacity;
    this.job = job;
  }

  override get name(): 'BufferOverflowError' {
    return 'BufferOverflowError';
  }
  override set name(name: string) {
    rename(this, name);
  }
}

/**
 * A submitted or sent job was dropped: it did not run, or will not run again. It carries the job back. Where the job was
 * dropped between two attempts, `cause` is the error of the last one.
 */
export class JobDroppedError<J = unknown> extends Error {
  readonly reason: DropReason;
  readonly job: J;

  constructor(reason: DropReason, job: J, options?: { cause?: unknown }) {
    super(`job was dropped (${reason}): ${WHY[reason]}`, options);
    this.reason = reason;
    this.job = job;
  }

  override get name(): 'JobDroppedError' {
    return 'JobDroppedError';
  }
  override set name(name: string) {
    rename(this, name);
  }
}

const WHY: Readonly<Record<DropReason, string>> = {
  full: 'the buffer was full when it arrived',
  closed: 'the pool was shut down before it was accepted',
  coalesced: 'it was merged into a waiting one',
  withdrawn: 'its sender gave up before there was room',
  evicted: 'a job that arrived at the full buffer took its place',
  expired: 'it waited for too long',
  cleared: 'clear() removed what was waiting',
  shutdown: 'the pool was shut down while it waited',
};

/**
 * The reason with which a running job's signal fires when its pool is aborted, its results are unsubscribed, or its caller's
 * signal has no reason of its own.
 */
export class JobAbortedError<J = unknown> extends Error {
  readonly job: J;

  constructor(job: J, options?: { cause?: unknown }) {
    super('job was aborted', options);
    this.job = job;
  }

  override get name(): 'JobAbortedError' {
    return 'JobAbortedError';
  }
  override set name(name: string) {
    rename(this, name);
  }
}

/**
 * Another may have this leased job now: the reason with which its signal fires, and that of its outcome `'aborted'`, even where
 * its work has fulfilled.
 */
export class LeaseLostError<J = unknown> extends Error {
  readonly job: J;

  constructor(job: J) {
    super('lease was lost: another may have the job now');
    this.job = job;
  }

  override get name(): 'LeaseLostError' {
    return 'LeaseLostError';
  }
  override set name(name: string) {
    rename(this, name);
  }
}

/**
 * A job of a {@link BackgroundJobs} failed and nobody could hear of it: reported as an unhandled error. It carries the job;
 * `cause` is what the work failed with.
 */
export class JobFailedError<J = unknown> extends Error {
  readonly job: J;

  constructor(job: J, options: { cause: unknown }) {
    super(
      'job failed, and nobody could hear of it: give the pool a settled hook, subscribe to outcomes$, ' +
        'or submit the job and await its promise',
      options,
    );
    this.job = job;
  }

  override get name(): 'JobFailedError' {
    return 'JobFailedError';
  }
  override set name(name: string) {
    rename(this, name);
  }
}

/** What an assignment does to any other error. */
function rename(error: Error, value: string): void {
  Object.defineProperty(error, 'name', { value, configurable: true, enumerable: true, writable: true });
}
