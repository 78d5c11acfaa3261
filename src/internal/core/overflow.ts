import type { Overflow } from '../../types.js';
import { checkCount, checkFunction, checkOneOf, wrong } from '../support/checks.js';
import { Buffer, isEvicting } from './buffer.js';
import { PlainStore } from './store.js';

/** A policy of a buffer that knows nothing of jobs, and so of their priorities. */
type BufferOverflow = Exclude<Overflow, 'drop-lowest'>;

/** Those policies. */
export const OVERFLOWS: readonly BufferOverflow[] = [
  'error',
  'drop-incoming',
  'drop-oldest',
  'replace-newest',
  'clear',
];

/**
 * Where nothing can wait there is nothing to evict: the policy would drop the job that arrives, against its name.
 *
 * @param size the option that says how many may wait
 * @throws TypeError when the policy evicts
 */
export function checkEvicts(overflow: Overflow, size: string): void {
  if (!isEvicting(overflow)) return;
  wrong(
    'overflow',
    `'error' or 'drop-incoming' with ${size}: 0`,
    overflow,
    `: nothing waits that it could evict, and it would drop what arrives. Give it ${size}: 1 or more`,
  );
}

/** The options of a buffer on its own, checked. */
export interface BufferOptions<T> {
  readonly capacity: number;
  readonly overflow: Overflow;
  readonly onDrop: ((value: T, reason: 'full' | 'evicted') => void) | undefined;
}

/** @throws TypeError or RangeError that names the option and its value */
export function readBufferOptions<T>(options: Record<string, unknown>): BufferOptions<T> {
  const { overflow = 'error', onDrop } = options;
  if (onDrop !== undefined) checkFunction('onDrop', onDrop);
  const capacity = checkCount('capacity', options['capacity'], 0);
  const policy = checkOneOf('overflow', overflow, OVERFLOWS);
  if (capacity === 0) checkEvicts(policy, 'capacity');
  return {
    capacity,
    overflow: policy,
    onDrop: onDrop as BufferOptions<T>['onDrop'],
  };
}

/** The pool's buffer, for values that are no jobs. */
export function valueBuffer<T>({ overflow, onDrop }: BufferOptions<T>): Buffer<T> {
  const ignore = (): void => undefined;
  return new Buffer<T>(new PlainStore(), overflow, {
    emitsOutcomes: false,
    countFailed: ignore,
    notifyFailed: ignore,
    countAccepted: ignore,
    notifyAccepted: ignore,
    countRefused: ignore,
    notifyRefused: (value) => onDrop?.(value, 'full'),
    countRemoved: ignore,
    notifyRemoved: (removed) => {
      for (const { job } of removed) onDrop?.(job, 'evicted');
    },
  });
}
