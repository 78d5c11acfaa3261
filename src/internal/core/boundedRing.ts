import { BufferOverflowError } from '../../errors.js';
import type { Overflow } from '../../types.js';
import { checkCount, checkFunction, checkOneOf } from '../support/checks.js';
import { Ring } from '../support/fifo.js';

/** The policies of a buffer that knows nothing of jobs. */
export const OVERFLOWS: readonly Overflow[] = ['error', 'drop-incoming', 'drop-oldest', 'replace-newest', 'clear'];

export type OnDrop<T> = (value: T, reason: 'full' | 'evicted') => void;

export interface RingOptions<T> {
  readonly capacity: number;
  readonly overflow: Overflow;
  readonly onDrop: OnDrop<T> | undefined;
}

export function readRingOptions<T>(options: Record<string, unknown>): RingOptions<T> {
  const { overflow = 'error', onDrop } = options;
  if (onDrop !== undefined) checkFunction('onDrop', onDrop);
  return {
    capacity: checkCount('capacity', options['capacity'], 0),
    overflow: checkOneOf('overflow', overflow, OVERFLOWS),
    onDrop: onDrop as OnDrop<T> | undefined,
  };
}

/** A ring with a bound, and a policy for what comes when it is full. */
export class BoundedRing<T> extends Ring<T> {
  readonly #options: RingOptions<T>;

  constructor(options: RingOptions<T>) {
    super();
    this.#options = options;
  }

  /** @throws BufferOverflowError when it is full and the policy is `'error'` */
  offer(value: T): void {
    const { capacity, overflow, onDrop } = this.#options;
    if (this.length >= capacity) {
      const gone: T[] = [];
      if (overflow === 'drop-oldest' && this.length > 0) gone.push(this.shift());
      else if (overflow === 'replace-newest' && this.length > 0) gone.push(this.pop());
      else if (overflow === 'clear') while (this.length > 0) gone.push(this.shift());
      for (const victim of gone) onDrop?.(victim, 'evicted');
      // Nothing could go, or whoever heard of it has filled the place.
      if (this.length >= capacity) {
        onDrop?.(value, 'full');
        if (overflow === 'error') throw new BufferOverflowError(capacity, value);
        return;
      }
    }
    this.push(value);
  }
}
