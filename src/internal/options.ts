import { asyncScheduler, NEVER } from 'rxjs';
import type { Observable, ObservableInput } from 'rxjs';
import type { JobContext } from '../types.js';
import type { CoreOptions } from './core/pool.js';
import {
  checkConfig,
  checkCount,
  checkDuration,
  checkFunction,
  checkName,
  checkNotifier,
  checkOneOf,
  checkScheduler,
} from './support/checks.js';
import { checkEvicts, OVERFLOWS } from './core/overflow.js';
import { rateLimit } from './policies/rateLimit.js';
import { describedBy } from './queues/description.js';
import { listenersOf } from './lifecycle/hooks.js';
import type { Listeners } from './lifecycle/hooks.js';

/** A pool's config, checked, complete and read once. */
export interface PoolOptions<J, R> extends CoreOptions<R> {
  readonly name: string;
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
  'name',
  'rateLimit',
  'queue',
];
/** Options that are planned and not there yet. */
const PLANNED = ['ttl', 'timeout', 'retry', 'ordered'];

/** @throws TypeError or RangeError that names the option and its value */
export function readPoolOptions<J, R>(
  form: string,
  work: (job: J, context: JobContext) => unknown,
  config: object,
  known: readonly string[] = OPTIONS,
): PoolOptions<J, R> {
  checkFunction(`${form}'s work`, work);
  const {
    name = 'jobs',
    workers,
    buffer,
    overflow = 'error',
    shutdown = NEVER,
    hooks,
    rateLimit: rate,
    queue,
    yieldAfter = 5,
    scheduler = asyncScheduler,
  } = checkConfig(form, config, known, PLANNED);
  const listeners = hooks === undefined ? undefined : listenersOf<J, R>(hooks);
  const size = checkCount('buffer', buffer, 0);
  const policy = checkOneOf('overflow', overflow, [...OVERFLOWS, 'drop-lowest'] as const);
  if (size === 0) checkEvicts(policy, 'buffer');
  const order = queue === undefined ? undefined : describedBy('queue', queue);
  if (policy === 'drop-lowest' && !order?.isRanked)
    throw new TypeError(
      `overflow is 'drop-lowest', which goes by priority: give the pool queue: byPriority(…), or byKey(…) with it as its lane`,
    );
  return {
    work: work as (job: J, context: JobContext) => ObservableInput<R>,
    name: checkName('name', name),
    workers: checkCount('workers', workers, 1, ' (an Observable is not there yet)'),
    buffer: size,
    overflow: policy,
    shutdown: checkNotifier('shutdown', shutdown),
    hooks: listeners,
    makeStore: order?.makeStore(policy),
    policies: rate === undefined ? [] : [rateLimit(rate)],
    // Work with one parameter cannot look at its context in any way that costs something.
    showsContext: work.length !== 1 || listeners?.showsContext === true,
    yieldAfter: checkDuration('yieldAfter', yieldAfter),
    scheduler: checkScheduler('scheduler', scheduler),
  };
}
