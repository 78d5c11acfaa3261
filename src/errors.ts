import type { DropReason } from './types.js';

// The names are accessors of the classes. A bundler can leave out the errors that are not used and shorten the names of the
// classes, the stack begins with the right name, and a logger that renames an error gives it a property of its own.

/**
 * A job arrived at a full buffer whose policy is `'error'`. It carries the refused job back.
 *
 * Recognise it by `name`: the CommonJS and the ES module copies of this package have different classes.
 *
 * @example
 * ```ts
 * import { of } from 'rxjs';
 * import { workerPool } from 'rxjs-background-jobs';
 * import type { BufferOverflowError } from 'rxjs-background-jobs';
 *
 * of(1, 2, 3)
 *   .pipe(workerPool(async (job) => job, { workers: 1, buffer: 1 }))
 *   .subscribe({
 *     error: ({ name, capacity, job }: BufferOverflowError<number>) => console.log(name, capacity, job),
 *   }); // → BufferOverflowError 1 3
 * ```
 */
export class BufferOverflowError<J = unknown> extends Error {
  /** As that of a JobDroppedError under another policy: one line answers for both. */
  readonly reason = 'full' as const;
  /** The buffer's bound. */
  readonly capacity: number;
  /** The job, as it was offered. */
  readonly job: J;

  constructor(capacity: number, job: J) {
    super(
      titled(
        `buffer is full (capacity ${capacity}): choose an overflow policy, or pipe pullFrom(iterable) directly onto the pool`,
      ),
    );
    this.capacity = capacity;
    this.job = job;
  }

  /** Tells this error from others in any copy of the package, in a minified bundle too. */
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
 *
 * @example
 * ```ts
 * import { BackgroundJobs } from 'rxjs-background-jobs';
 * import type { JobDroppedError } from 'rxjs-background-jobs';
 *
 * const jobs = new BackgroundJobs(async (job: string) => job, { workers: 1, buffer: 0, overflow: 'drop-incoming' });
 * void jobs.submit('a');
 * jobs.submit('b').catch(({ name, reason, job }: JobDroppedError) => {
 *   console.log(name, reason, job); // → JobDroppedError full b
 * });
 * ```
 */
export class JobDroppedError<J = unknown> extends Error {
  /** Why the job was dropped. */
  readonly reason: DropReason;
  /** The job, as it was offered. */
  readonly job: J;

  constructor(reason: DropReason, job: J, options?: { cause?: unknown }) {
    super(titled(`job was dropped (${reason}): ${WHY[reason]}`), options);
    this.reason = reason;
    this.job = job;
  }

  /** Tells this error from others in any copy of the package, in a minified bundle too. */
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
 *
 * @example
 * ```ts
 * import { BackgroundJobs } from 'rxjs-background-jobs';
 * import type { JobAbortedError } from 'rxjs-background-jobs';
 *
 * const hang = (job: string, { signal }: { signal: AbortSignal }): Promise<string> =>
 *   new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error(`${job} was told to end`))));
 * const jobs = new BackgroundJobs(hang, { workers: 1, buffer: 0 });
 * jobs.submit('a').catch(({ name, job }: JobAbortedError) => console.log(name, job)); // → JobAbortedError a
 * void jobs.shutdown('abort');
 * ```
 */
export class JobAbortedError<J = unknown> extends Error {
  /** The job, as it was offered. */
  readonly job: J;

  constructor(job: J, options?: { cause?: unknown }) {
    super(titled('job was aborted'), options);
    this.job = job;
  }

  /** Tells this error from others in any copy of the package, in a minified bundle too. */
  override get name(): 'JobAbortedError' {
    return 'JobAbortedError';
  }
  override set name(name: string) {
    rename(this, name);
  }
}

/**
 * The lease of this job is lost: another consumer may have it now. It is the reason with which the job's signal fires, and that of
 * its outcome `'aborted'`, even where its work has fulfilled.
 *
 * @example
 * ```ts
 * import { Subject } from 'rxjs';
 * import { leaseFrom, workerPoolSettled } from 'rxjs-background-jobs';
 *
 * const lost = new Subject<string>();
 * async function* open(): AsyncGenerator<string> {
 *   yield 'a';
 * }
 * leaseFrom(open, { lost, settle: ({ status }) => console.log(`settled as ${status}`) }) // → settled as aborted
 *   .pipe(workerPoolSettled(async (job) => lost.next(job), { workers: 1, buffer: 0 }))
 *   .subscribe((outcome) => {
 *     if (outcome.status === 'aborted') console.log((outcome.reason as Error).name); // → LeaseLostError
 *   });
 * ```
 */
export class LeaseLostError<J = unknown> extends Error {
  /** The job, as it was offered. */
  readonly job: J;

  constructor(job: J) {
    super(titled('lease was lost: another may have the job now'));
    this.job = job;
  }

  /** Tells this error from others in any copy of the package, in a minified bundle too. */
  override get name(): 'LeaseLostError' {
    return 'LeaseLostError';
  }
  override set name(name: string) {
    rename(this, name);
  }
}

/**
 * A job of a {@link BackgroundJobs} failed and nobody could hear of it: it was not submitted, there is no `settled` hook, and nobody
 * has subscribed to `outcomes$`. It is reported as an unhandled error, which ends a Node process. It carries the job; `cause` is what
 * the work failed with.
 *
 * @example
 * ```ts
 * import { config } from 'rxjs';
 * import { BackgroundJobs } from 'rxjs-background-jobs';
 * import type { JobFailedError } from 'rxjs-background-jobs';
 *
 * // Without this it is an uncaught exception, which ends the process.
 * config.onUnhandledError = ({ name, job, cause }: JobFailedError) => console.log(name, job, cause); // → JobFailedError a no
 * const jobs = new BackgroundJobs((job: string) => Promise.reject('no'), { workers: 1, buffer: 0 });
 * jobs.offer('a');
 * ```
 */
export class JobFailedError<J = unknown> extends Error {
  /** The job, as it was offered. */
  readonly job: J;

  constructor(job: J, options: { cause: unknown }) {
    super(
      titled(
        'job failed, and nobody could hear of it: give the pool a settled hook, subscribe to outcomes$, ' +
          'or submit the job and await its promise',
      ),
      options,
    );
    this.job = job;
  }

  /** Tells this error from others in any copy of the package, in a minified bundle too. */
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

/** What a pool is called that its user has not named. */
export const UNNAMED = 'jobs';

let title = '';

/** The errors that `make` makes begin with the name of their pool, where its user has given it one: their stacks too. */
export function inPool<E>(pool: string, make: () => E): E {
  if (pool !== UNNAMED) title = `${pool}: `;
  try {
    return make();
  } finally {
    title = '';
  }
}

function titled(message: string): string {
  return title + message;
}
