import type { ShutdownLevel } from '../../types.js';
import { show } from '../support/describe.js';
import { misspelt } from '../support/suggest.js';

/** From the softest to the harshest. */
export const LEVELS: readonly ShutdownLevel[] = ['drain', 'discard', 'abort', 'abandon'];
export const DRAIN = 0;
export const DISCARD = 1;
export const ABORT = 2;
export const ABANDON = 3;

/** Milliseconds from `'abort'` to `'abandon'`, by default. */
export const DEFAULT_GRACE = 2000;

/**
 * Reads what a shutdown notifier has emitted.
 *
 * @returns the index in {@link LEVELS} of the level that is named, otherwise that of `'drain'`. A string that is nearly a level
 *   is a drain, because a typing error must not abort jobs; the caller has to report the `complaint` about it
 */
export function readLevel(value: unknown): { readonly level: number; readonly complaint?: TypeError } {
  const level = LEVELS.indexOf(value as ShutdownLevel);
  if (level >= 0) return { level };
  const near = typeof value === 'string' ? misspelt(value.trim(), LEVELS) : undefined;
  if (near === undefined) return { level: DRAIN };
  const complaint = `the shutdown notifier emitted ${show(value)}, which is no level and counts as 'drain': did you mean ${show(near)}?`;
  return { level: DRAIN, complaint: new TypeError(complaint) };
}
