import { from, timer, toArray } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { workerPoolSettled } from '../../src/index.js';
import type { JobContext, JobHooks, JobOutcome } from '../../src/index.js';

export type Outcome = JobOutcome<string, unknown>;

/** A promise in virtual time, `frames` after it was awaited: fulfilled, or rejected with `error`. */
export function promised<T>(value: T, frames: number, error?: unknown): PromiseLike<T> {
  const awaited = (resolve: (value: T) => void, reject: (error: unknown) => void): unknown => {
    timer(frames).subscribe(() => (error === undefined ? resolve(value) : reject(error)));
    return { then: () => undefined };
  };
  return { then: awaited } as unknown as PromiseLike<T>;
}

/** An outcome in a word: the job, what became of it, and how long it waited and ran. */
export function brief(outcome: JobOutcome<unknown, unknown>): string {
  const { job, status, queuedFor, ranFor } = outcome;
  return `${String(job)} ${status} ${detail(outcome)} ${queuedFor}+${ranFor}`;
}

function detail(outcome: JobOutcome<unknown, unknown>): string {
  switch (outcome.status) {
    case 'completed':
      return String(outcome.value);
    case 'failed':
      return String(outcome.error);
    case 'dropped':
      return outcome.reason;
    case 'aborted':
      return outcome.settled ? 'settled' : 'abandoned';
  }
}

export function thrower(error: unknown): () => never {
  return () => {
    throw error;
  };
}

/** The outcomes of `jobs`, one after the other. */
export function settledJobs<J>(
  jobs: readonly J[],
  work: (job: J, context: JobContext) => ObservableInput<unknown>,
  config: { readonly hooks?: JobHooks<J> | readonly JobHooks<J>[] } = {},
): Promise<JobOutcome<J, unknown>[]> {
  return new Promise((resolve, reject) => {
    from(jobs)
      .pipe(workerPoolSettled(work, { workers: 1, buffer: Infinity, ...config }), toArray())
      .subscribe({ next: resolve, error: reject });
  });
}
