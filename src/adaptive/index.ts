export { adaptiveWorkers } from './adaptiveWorkers.js';
export type { AdaptiveWorkers } from './adaptiveWorkers.js';
export type { AdaptiveWorkersConfig } from './config.js';
