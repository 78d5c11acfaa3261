import { asyncScheduler, NEVER } from 'rxjs';
import type { Observable, ObservableInput, SchedulerLike } from 'rxjs';
import type { JobContext, Overflow } from '../types.js';
import {
  checkConfig,
  checkCount,
  checkDuration,
  checkFunction,
  checkNotifier,
  checkOneOf,
  checkScheduler,
} from './support/checks.js';
import { OVERFLOWS } from './core/boundedRing.js';
import { listenersOf } from './lifecycle/hooks.js';
import type { Listeners } from './lifecycle/hooks.js';

/** What the pool itself goes by. */
export interface CoreOptions<J, R> {
  readonly work: (job: J, context: JobContext) => ObservableInput<R>;
  readonly workers: number;
  readonly buffer: number;
  readonly overflow: Overflow;
  readonly yieldAfter: number;
  readonly scheduler: SchedulerLike;
}

/** A pool's config, checked, complete and read once. */
export interface PoolOptions<J, R> extends CoreOptions<J, R> {
  readonly shutdown: Observable<unknown>;
  readonly hooks: Listeners<J, R> | undefined;
}

export const OPTIONS: readonly string[] = [
  'workers',
  'buffer',
  'overflow',
  'shutdown',
  'hooks',
  'yieldAfter',
  'scheduler',
];
/** Known, and not there yet. */
const PLANNED = ['queue', 'ttl', 'timeout', 'retry', 'rateLimit', 'ordered'];

/** @throws TypeError or RangeError that names the option and its value */
export function readPoolOptions<J, R>(
  form: string,
  work: (job: J, context: JobContext) => unknown,
  config: object,
  known: readonly string[] = OPTIONS,
): PoolOptions<J, R> {
  checkFunction(`${form}'s work`, work);
  const {
    workers,
    buffer,
    overflow = 'error',
    shutdown = NEVER,
    hooks,
    yieldAfter = 5,
    scheduler = asyncScheduler,
  } = checkConfig(form, config, known, PLANNED);
  return {
    work: work as (job: J, context: JobContext) => ObservableInput<R>,
    workers: checkCount('workers', workers, 1, ' (an Observable is not there yet)'),
    buffer: checkCount('buffer', buffer, 0),
    overflow: checkOneOf('overflow', overflow, OVERFLOWS),
    shutdown: checkNotifier('shutdown', shutdown),
    hooks: hooks === undefined ? undefined : listenersOf(hooks),
    yieldAfter: checkDuration('yieldAfter', yieldAfter),
    scheduler: checkScheduler('scheduler', scheduler),
  };
}
