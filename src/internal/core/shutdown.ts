import type { ShutdownLevel } from '../../types.js';

/** From the softest to the harshest. */
export const LEVELS: readonly ShutdownLevel[] = ['drain', 'discard', 'abort', 'abandon'];
export const DRAIN = 0;
export const DISCARD = 1;
export const ABORT = 2;
export const ABANDON = 3;

/** The level that a notifier's value names, or `'drain'`. */
export function levelOf(value: unknown): number {
  return Math.max(DRAIN, LEVELS.indexOf(value as ShutdownLevel));
}
