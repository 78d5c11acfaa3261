import type { ShutdownLevel } from '../../types.js';

/** From the softest to the harshest. */
export const LEVELS: readonly ShutdownLevel[] = ['drain', 'discard', 'abort', 'abandon'];
export const DRAIN = 0;
export const DISCARD = 1;
export const ABORT = 2;
export const ABANDON = 3;
