import { asyncScheduler, isObservable, NEVER } from 'rxjs';
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
  readonly shutdown: Observable<unknown>;
  readonly hooks: Listeners<J, R> | undefined;
  readonly yieldAfter: number;
  readonly scheduler: SchedulerLike;
}

const OPTIONS = ['workers', 'buffer', 'overflow', 'shutdown', 'hooks', 'yieldAfter', 'scheduler'];
/** Known, and refused for now in so many words. */
const PLANNED = ['queue', 'ttl', 'timeout', 'retry', 'rateLimit', 'ordered'];

/** @throws TypeError or RangeError that names the option and its value */
export function readPoolOptions<J, R>(
  form: string,
  work: (job: J, context: JobContext) => unknown,
  config: object,
  without: readonly string[] = [],
): PoolOptions<J, R> {
  checkFunction(`${form}'s work`, work);
  const known = OPTIONS.filter((option) => !without.includes(option));
  const options = checkConfig(form, config, [...known, ...PLANNED]);
  for (const option of PLANNED) if (options[option] !== undefined) refuse(`the option '${option}'`);
  if (isObservable(options['workers'])) refuse('an Observable as workers');
  if (options['overflow'] === 'drop-lowest') refuse("the overflow policy 'drop-lowest'");
  const { overflow = 'error', shutdown = NEVER, yieldAfter = 5, scheduler = asyncScheduler } = options;
  return {
    work: work as (job: J, context: JobContext) => ObservableInput<R>,
    workers: checkCount('workers', options['workers'], 1),
    buffer: checkCount('buffer', options['buffer'], 0),
    overflow: checkOneOf('overflow', overflow, OVERFLOWS),
    shutdown: checkNotifier('shutdown', shutdown),
    hooks: options['hooks'] === undefined ? undefined : listenersOf(options['hooks']),
    yieldAfter: checkDuration('yieldAfter', yieldAfter),
    scheduler: checkScheduler('scheduler', scheduler),
  };
}

function refuse(what: string): never {
  throw new TypeError(`${what} is not there yet: a later version of rxjs-background-jobs brings it`);
}
