// The policies under which the explorer and the random programs run pools: a policy is a line.
import { Observable, Subject } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import * as api from '../../src/index.js';
import type { JobHooks, PoolConfig } from '../../src/index.js';

/** Jobs are told apart by identity. */
export interface Job {
  readonly number: number;
  readonly key: number;
  readonly priority: number;
  /** Its key, or its priority, throws. */
  readonly isBad?: boolean | undefined;
}

/** A pool's config, as plain data. Durations in milliseconds. */
export interface Rules {
  readonly workers: number;
  readonly buffer: number;
  readonly overflow?:
    'error' | 'drop-incoming' | 'drop-oldest' | 'replace-newest' | 'clear' | 'drop-lowest' | undefined;
  readonly queue?: 'byPriority' | 'byKey' | 'coalesced' | undefined;
  /** Of byPriority. */
  readonly ageing?: number | undefined;
  /** Of byKey. */
  readonly limit?: number | undefined;
  /** Of byKey and coalesced. */
  readonly most?: number | undefined;
  /** Inside byKey. */
  readonly lane?: 'byPriority' | undefined;
  readonly ttl?: number | undefined;
  readonly timeout?: number | undefined;
  readonly retry?: { readonly count: number; readonly delay: number } | undefined;
  readonly rateLimit?: { readonly limit: number; readonly interval: number } | undefined;
  readonly ordered?: boolean | undefined;
  /** `workers` is an Observable, which begins with that number. */
  readonly isLive?: boolean | undefined;
}

/** A policy, and the commands that only it has. */
export interface Line extends Partial<Rules> {
  readonly commands?: readonly string[] | undefined;
  /** It has so many states that `npm test` gives it two jobs. */
  readonly isLarge?: boolean | undefined;
  /** As well, and one worker. */
  readonly isHuge?: boolean | undefined;
  /** What has to occur, or the policy has not been seen to act. */
  readonly occurs?: readonly string[] | undefined;
}

/** Each policy alone, as small as it can be seen to act on three jobs. */
export const POLICIES: Readonly<Record<string, Line>> = {
  'no policy': {},
  'drop-oldest': { overflow: 'drop-oldest', occurs: ['dropped: evicted'] },
  'replace-newest': { overflow: 'replace-newest', occurs: ['dropped: evicted'] },
  clear: { overflow: 'clear', occurs: ['dropped: evicted'] },
  rateLimit: { rateLimit: { limit: 1, interval: 10 }, isLarge: true },
  'pause and resume': { commands: ['pause 5', 'pause', 'resume'], isLarge: true },
  byPriority: { queue: 'byPriority' },
  'byPriority with ageing': { queue: 'byPriority', ageing: 10, isLarge: true },
  'drop-lowest': { queue: 'byPriority', overflow: 'drop-lowest', occurs: ['dropped: evicted'] },
  byKey: { queue: 'byKey' },
  'byKey with lanes': { queue: 'byKey', lane: 'byPriority' },
  'byKey with most': { queue: 'byKey', most: 1, overflow: 'drop-oldest', occurs: ['dropped: evicted'] },
  // Two waiting jobs of one key need more jobs than are explored: merges are in queues/coalesced.spec.ts.
  coalesced: { queue: 'coalesced' },
  'coalesced with most': { queue: 'coalesced', most: 2 },
  retry: { retry: { count: 1, delay: 10 }, isLarge: true, occurs: ['a retry starts'] },
  'retry at once': { retry: { count: 1, delay: 0 }, isLarge: true, occurs: ['a retry starts'] },
  timeout: { timeout: 10, isLarge: true, occurs: ['an attempt times out'] },
  'timeout and retry': {
    timeout: 10,
    retry: { count: 1, delay: 5 },
    isHuge: true,
    occurs: ['a retry starts', 'an attempt times out'],
  },
  ttl: { ttl: 10, isLarge: true, occurs: ['dropped: expired'] },
  ordered: { ordered: true },
  'workers: Observable': { isLive: true, commands: ['workers 0', 'workers 1', 'workers 2'], isLarge: true },
};

/** What one subscription is given beside its rules. */
export interface Parts {
  readonly scheduler: SchedulerLike;
  readonly hooks: JobHooks<Job, unknown> | readonly JobHooks<Job, unknown>[];
  /** The values of `workers`, where they are live. */
  readonly workers: Subject<number>;
}

/** @throws TypeError where a policy is not there yet */
export function configOf(rules: Rules, { scheduler, hooks, workers }: Parts): PoolConfig<Job, unknown> {
  const { buffer, overflow, ttl, timeout, retry, rateLimit, ordered } = rules;
  const live = new Observable<number>((subscriber) => {
    subscriber.next(rules.workers);
    return workers.subscribe(subscriber);
  });
  const config = {
    workers: rules.isLive ? live : rules.workers,
    buffer,
    overflow,
    ttl,
    timeout,
    retry,
    rateLimit,
    ordered,
  };
  return { ...config, queue: queueOf(rules), scheduler, hooks };
}

/** Two copies of one job are merged into the older, which stays the same object. */
const merge = (waiting: Job): Job => waiting;

function queueOf({ queue, ageing, limit, most, lane }: Rules): api.JobQueue<Job> | undefined {
  const priority = ({ priority, isBad }: Job): number => (isBad ? fail('priority') : priority);
  const key = ({ key, isBad }: Job): number => (isBad ? fail('key') : key);
  if (queue === 'byPriority') return api.byPriority(priority, { ageing });
  if (queue === 'byKey') {
    return api.byKey(key, { limit, lane: lane && api.byPriority(priority), ...(most === undefined ? {} : { most }) });
  }
  if (queue === undefined) return undefined;
  const { coalesced } = api as unknown as { coalesced?: (...parts: unknown[]) => api.JobQueue<Job> };
  if (coalesced === undefined) throw new TypeError('coalesced is not there yet');
  return coalesced(key, merge, { most });
}

function fail(callback: string): never {
  throw new Error(`${callback} throws`);
}

/** Does this version know all that `rules` ask for? */
export function isThere(rules: Rules): boolean {
  const scheduler = { now: () => 0, schedule: () => new Subject<never>().subscribe() };
  try {
    api.workerPool<Job, unknown>(() => [], configOf(rules, { scheduler, hooks: {}, workers: new Subject() }));
    return true;
  } catch {
    return false;
  }
}
