/**
 * A limit for a pool's `workers` that finds out how many jobs at once the other side bears.
 *
 * @module rxjs-background-jobs/adaptive
 */
export { adaptiveWorkers } from './adaptiveWorkers.js';
export type { AdaptiveWorkers } from './adaptiveWorkers.js';
export type { AdaptiveWorkersConfig } from './config.js';
