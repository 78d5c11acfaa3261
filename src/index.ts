export { fromSignals } from './fromSignals.js';
export type { SignalName } from './fromSignals.js';
export { pullFrom } from './pullFrom.js';
export { workerPool } from './workerPool.js';
export { workerPoolSettled } from './workerPoolSettled.js';
export { gracefulShutdown } from './gracefulShutdown.js';
export type { DeadlineConfig, GracefulShutdownConfig } from './gracefulShutdown.js';
export { BufferOverflowError, JobAbortedError } from './errors.js';
export type * from './types.js';
