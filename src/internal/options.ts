import { asyncScheduler, NEVER } from 'rxjs';
import type { ObservableInput, SchedulerLike } from 'rxjs';
import type { JobContext, JobHooks, Overflow } from '../types.js';
import {
  checkConfig,
  checkCount,
  checkDuration,
  checkFunction,
  checkMethods,
  checkNotifier,
  checkOneOf,
  checkScheduler,
} from './checks.js';
import { OVERFLOWS } from './boundedRing.js';
import { listenersOf } from './hooks.js';
import type { Listeners } from './hooks.js';

/** A pool's config, checked, complete and read once. */
export interface PoolOptions<J, R> {
  readonly work: (job: J, context: JobContext) => ObservableInput<R>;
  readonly workers: number;
  readonly buffer: number;
  readonly overflow: Overflow;
  readonly shutdown: ObservableInput<unknown>;
  readonly hooks: Listeners<J, R> | undefined;
  readonly yieldAfter: number;
  readonly scheduler: SchedulerLike;
}

const OPTIONS = ['workers', 'buffer', 'overflow', 'shutdown', 'hooks', 'yieldAfter', 'scheduler'];
const HOOKS: readonly (keyof JobHooks)[] = ['accepted', 'started', 'retrying', 'settled', 'released'];

/** @throws TypeError or RangeError that names the option and its value */
export function readPoolOptions<J, R>(
  form: string,
  work: (job: J, context: JobContext) => unknown,
  config: object,
  without: readonly string[] = [],
): PoolOptions<J, R> {
  checkFunction(`${form}'s work`, work);
  const options = checkConfig(
    form,
    config,
    OPTIONS.filter((option) => !without.includes(option)),
  );
  const { overflow = 'error', shutdown = NEVER, yieldAfter = 5, scheduler = asyncScheduler } = options;
  return {
    work: work as (job: J, context: JobContext) => ObservableInput<R>,
    workers: checkCount('workers', options['workers'], 1),
    buffer: checkCount('buffer', options['buffer'], 0),
    overflow: checkOneOf('overflow', overflow, OVERFLOWS),
    shutdown: checkNotifier('shutdown', shutdown),
    hooks: options['hooks'] === undefined ? undefined : listenersOf(checkHooks<J, R>(options['hooks'])),
    yieldAfter: checkDuration('yieldAfter', yieldAfter),
    scheduler: checkScheduler('scheduler', scheduler),
  };
}

function checkHooks<J, R>(value: unknown): readonly JobHooks<J, R>[] {
  const all: unknown[] = Array.isArray(value) ? value : [value];
  all.forEach((hooks, i) => checkMethods(all.length > 1 ? `hooks[${i}]` : 'hooks', hooks, HOOKS, false));
  return all as JobHooks<J, R>[];
}
