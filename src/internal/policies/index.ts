import { isObservable } from 'rxjs';
import type { PolicyFactory, VerdictsFactory } from '../core/policy.js';
import { checkCount } from '../support/checks.js';
import { fromPlatform, isPlatformObservable } from '../support/platformObservable.js';
import type { TurnsFactory } from '../core/turns.js';
import { liveWorkers } from './liveWorkers.js';
import { ordered } from './ordered.js';
import { rateLimit } from './rateLimit.js';
import { retry } from './retry.js';
import { timeout } from './timeout.js';
import { ttl } from './ttl.js';

/** The options that are policies. One that is off is not there. */
export const POLICIES: readonly string[] = ['ttl', 'timeout', 'retry', 'rateLimit', 'ordered'];

const TABLE: Readonly<Record<string, (value: unknown) => PolicyFactory | undefined>> = { rateLimit, timeout, ttl };

/** What the policies of a config come to. */
export interface Policies {
  /** At first. */
  readonly workers: number;
  /** The most that may ever run at once. */
  readonly mostWorkers: number;
  readonly policies: readonly PolicyFactory[];
  readonly verdicts: VerdictsFactory | undefined;
  readonly turns: TurnsFactory | undefined;
}

/** @throws TypeError or RangeError that names the option and its value */
export function policiesOf(options: Readonly<Record<string, unknown>>): Policies {
  const { workers: given } = options;
  const workers = isPlatformObservable(given) ? fromPlatform(given) : given;
  const isLive = isObservable(workers);
  const policies: (PolicyFactory | undefined)[] = isLive ? [liveWorkers(workers)] : [];
  for (const [name, make] of Object.entries(TABLE)) if (options[name] !== undefined) policies.push(make(options[name]));
  const fixed = isLive ? 0 : checkCount('workers', workers, 1, ', or an Observable of such numbers');
  return {
    workers: fixed,
    mostWorkers: isLive ? Infinity : fixed,
    policies: policies.filter((policy) => policy !== undefined),
    verdicts: options['retry'] === undefined ? undefined : retry(options['retry']),
    turns: options['ordered'] === undefined ? undefined : ordered(options['ordered']),
  };
}
