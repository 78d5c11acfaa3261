import { asyncScheduler, NEVER } from 'rxjs';
import type { Observable, ObservableInput } from 'rxjs';
import { UNNAMED } from '../errors.js';
import type { JobContext } from '../types.js';
import type { CoreOptions } from './core/pool.js';
import type { StoreFactory } from './core/store.js';
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
import { POLICIES, policiesOf } from './policies/index.js';
import { describedBy } from './queues/description.js';
import { TimestampedFifo } from './lifecycle/timestampedFifo.js';
import { listenersOf } from './lifecycle/hooks.js';
import type { Listeners } from './lifecycle/hooks.js';

/** A pool's config, checked, complete and read once. */
export interface PoolOptions<J, R> extends CoreOptions<R> {
  readonly shutdown: Observable<unknown>;
  readonly hooks: Listeners<J, R> | undefined;
  /** The most that may ever run at once. */
  readonly mostWorkers: number;
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
  'queue',
  ...POLICIES,
];

/** @throws TypeError or RangeError that names the option and its value */
export function readPoolOptions<J, R>(
  form: string,
  work: (job: J, context: JobContext) => unknown,
  config: object,
  known: readonly string[] = OPTIONS,
): PoolOptions<J, R> {
  checkFunction(`${form}'s work`, work);
  const options = checkConfig(form, config, known);
  const {
    name = UNNAMED,
    buffer,
    overflow = 'error',
    shutdown = NEVER,
    hooks,
    queue,
    ttl,
    yieldAfter = 5,
    scheduler = asyncScheduler,
  } = options;
  const listeners = hooks === undefined ? undefined : listenersOf<J, R>(hooks);
  const size = checkCount('buffer', buffer, 0);
  const policy = checkOneOf('overflow', overflow, [...OVERFLOWS, 'drop-lowest'] as const);
  if (size === 0) checkEvicts(policy, 'buffer');
  const order = queue === undefined ? undefined : describedBy('queue', queue);
  if (policy === 'drop-lowest' && !order?.isRanked)
    throw new TypeError(
      `overflow is 'drop-lowest', which goes by priority: give the pool queue: byPriority(…), or byKey(…) with it as its lane`,
    );
  const policies = policiesOf(options);
  return {
    work: work as (job: J, context: JobContext) => ObservableInput<R>,
    name: checkName('name', name),
    ...policies,
    buffer: size,
    overflow: policy,
    shutdown: checkNotifier('shutdown', shutdown),
    hooks: listeners,
    makeStore:
      order?.makeStore(policy, ttl !== undefined, policies.turns !== undefined) ??
      (ttl === undefined ? undefined : timestamped),
    // Work with one parameter cannot look at its context in any way that costs something.
    showsContext: work.length !== 1 || listeners?.showsContext === true,
    yieldAfter: checkDuration('yieldAfter', yieldAfter),
    scheduler: checkScheduler('scheduler', scheduler),
  };
}

/** A form's own store keeps no times where nobody asks for them. */
const timestamped: StoreFactory = (now, isOwned) => (isOwned ? undefined : new TimestampedFifo(now));
