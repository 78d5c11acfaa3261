import { BackgroundJobs } from '../../src/index.js';
import type { JobOutcome, Overflow, PoolStats, ShutdownLevel } from '../../src/index.js';
import { Held } from '../support/deferred.js';
import { turn } from '../support/guard.js';
import type { AnyOverflow } from '../support/policies.js';

export const POLICIES: readonly AnyOverflow[] = ['error', 'drop-incoming', 'drop-oldest', 'replace-newest', 'clear'];
export const LEVELS: readonly ShutdownLevel[] = ['drain', 'discard', 'abort', 'abandon'];

/** An outcome in a few words: the job, and what has become of it. */
export function brief(outcome: JobOutcome<unknown, unknown>): string {
  const { job, status } = outcome;
  const detail = outcome.status === 'dropped' ? outcome.reason : status;
  return `${String(job)} ${detail}${outcome.status === 'aborted' && !outcome.settled ? ', not settled' : ''}`;
}

/** The outcomes of `jobs` from now on. */
export function outcomesOf<J>(jobs: BackgroundJobs<J, unknown>): string[] {
  const log: string[] = [];
  jobs.outcomes$.subscribe((outcome) => log.push(brief(outcome)));
  return log;
}

/** The counters that are not zero. */
export function nonZero({ workers: _, ...counters }: PoolStats): Partial<PoolStats> {
  return Object.fromEntries(Object.entries(counters).filter(([, count]) => count !== 0));
}

/** An async iterable whose items come when the spec says so. */
export class Pulled<T> implements AsyncIterable<T> {
  /** Calls of `next()` that wait for their item. */
  readonly asks: ((item: IteratorResult<T>) => void)[] = [];
  returned = 0;

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return {
      next: () => new Promise((resolve) => this.asks.push(resolve)),
      return: async () => {
        this.returned++;
        return { done: true, value: undefined };
      },
    };
  }

  async give(value: T): Promise<void> {
    this.asks.shift()!({ done: false, value });
    await turn();
  }
}

/** A handle of promise jobs that listens to an iterable, whose items come when the spec gives them. */
export function listening(
  workers: number,
  buffer: number,
  overflow?: Overflow,
): {
  readonly held: Held<string>;
  readonly source: Pulled<string>;
  readonly jobs: BackgroundJobs<string, unknown>;
  readonly outcomes: readonly string[];
} {
  const held = new Held<string>();
  const source = new Pulled<string>();
  const jobs = new BackgroundJobs(held.promises, { workers, buffer, overflow });
  const outcomes = outcomesOf(jobs);
  jobs.listenTo(source);
  return { held, source, jobs, outcomes };
}

/** An endless generator that tells what was taken from it. */
export function numbered(name: string, taken: string[], returned: string[] = []): Iterable<string> {
  return (function* () {
    try {
      for (let i = 1; ; i++) {
        taken.push(`${name}${i}`);
        yield `${name}${i}`;
      }
    } finally {
      returned.push(name);
    }
  })();
}

/** Work that throws. */
export function throwing(error: unknown): () => never {
  return () => {
    throw error;
  };
}
