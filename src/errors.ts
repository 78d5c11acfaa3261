import type { DropReason } from './types.js';

const DROPPED: Readonly<Record<DropReason, string>> = {
  full: 'the buffer was full when it arrived',
  closed: 'the pool was shut down before it arrived',
  coalesced: 'it was merged into a waiting one',
  evicted: 'a job that arrived at the full buffer took its place',
  expired: 'it waited for too long',
  shutdown: 'the pool was shut down while it waited',
};

/**
 * A job arrived at a full buffer whose policy is `'error'`. It carries the refused job back.
 *
 * Recognise it by `name`: the CommonJS and the ES module copies of this package have different classes.
 */
export class BufferOverflowError<J = unknown> extends Error {
  declare readonly name: 'BufferOverflowError';
  readonly capacity: number;
  readonly job: J;

  static {
    nameOnPrototype(this, 'BufferOverflowError');
  }

  constructor(capacity: number, job: J) {
    super(
      `buffer is full (capacity ${capacity}): choose an overflow policy, or let the pool pull: pullFrom(iterable).pipe(…)`,
    );
    this.capacity = capacity;
    this.job = job;
  }
}

/** A submitted or sent job was dropped: it did not run, and will not. It carries the job back. */
export class JobDroppedError<J = unknown> extends Error {
  declare readonly name: 'JobDroppedError';
  readonly reason: DropReason;
  readonly job: J;

  static {
    nameOnPrototype(this, 'JobDroppedError');
  }

  constructor(reason: DropReason, job: J) {
    super(`job was dropped (${reason}): ${DROPPED[reason]}`);
    this.reason = reason;
    this.job = job;
  }
}

/** The reason with which a running job's signal fires when its pool is aborted or its results are unsubscribed. */
export class JobAbortedError<J = unknown> extends Error {
  declare readonly name: 'JobAbortedError';
  readonly job: J;

  static {
    nameOnPrototype(this, 'JobAbortedError');
  }

  constructor(job: J, options?: { cause?: unknown }) {
    super('job was aborted: its pool no longer waits for it', options);
    this.job = job;
  }
}

/** As the built-in errors have it: seen in a stack's first line, and not among the properties that inspection prints. */
function nameOnPrototype(type: { prototype: object }, name: string): void {
  Object.defineProperty(type.prototype, 'name', { value: name, configurable: true, writable: true });
}
