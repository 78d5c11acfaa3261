import type { Overflow } from '../../types.js';
import { checkCount, checkFunction, checkOneOf } from '../support/checks.js';
import { Buffer } from './buffer.js';
import { PlainStore } from './store.js';

/** The policies of a buffer that knows nothing of jobs. */
export const OVERFLOWS: readonly Overflow[] = ['error', 'drop-incoming', 'drop-oldest', 'replace-newest', 'clear'];

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
  return {
    capacity: checkCount('capacity', options['capacity'], 0),
    overflow: checkOneOf('overflow', overflow, OVERFLOWS),
    onDrop: onDrop as BufferOptions<T>['onDrop'],
  };
}

/** The pool's buffer, for values that are no jobs. */
export function valueBuffer<T>({ overflow, onDrop }: BufferOptions<T>): Buffer<T> {
  const ignore = (): void => undefined;
  return new Buffer<T>(new PlainStore(), overflow, {
    tellsOutcomes: false,
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
