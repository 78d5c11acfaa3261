/**
 * Background jobs as an RxJS pipeline: a bounded buffer, a pool of workers, and a shutdown that loses nothing it took on.
 *
 * @module rxjs-background-jobs
 */
export { fromSignals } from './fromSignals.js';
export type { SignalName } from './fromSignals.js';
export { surviveSignals } from './surviveSignals.js';
export { fromAbortSignal } from './fromAbortSignal.js';
export { pullFrom } from './pullFrom.js';
export { leaseFrom } from './leaseFrom.js';
export { workerPool } from './workerPool.js';
export { workerPoolSettled } from './workerPoolSettled.js';
export { pullThrough } from './pullThrough.js';
export type { PullThroughConfig } from './pullThrough.js';
export { boundedBuffer } from './boundedBuffer.js';
export type { BoundedBufferConfig, BufferConfig } from './boundedBuffer.js';
export { toAsyncIterable } from './toAsyncIterable.js';
export { BackgroundJobs } from './BackgroundJobs.js';
export type { BackgroundJobsConstructor, SendConfig, SubmitConfig } from './BackgroundJobs.js';
export { byKey, byPriority, coalesced } from './queues.js';
export type { CoalesceConfig, KeyConfig, PriorityConfig } from './queues.js';
export { gracefulShutdown } from './gracefulShutdown.js';
export type { DeadlineConfig, GracefulShutdownConfig } from './gracefulShutdown.js';
export { PoolMonitor } from './PoolMonitor.js';
export type { MonitorStats, PoolMonitorConfig } from './PoolMonitor.js';
export type { DurationSummary } from './internal/support/durations.js';
export { BufferOverflowError, JobAbortedError, JobDroppedError, JobFailedError, LeaseLostError } from './errors.js';
export type * from './types.js';
