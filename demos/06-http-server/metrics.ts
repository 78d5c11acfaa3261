import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { BackgroundJobs } from '../../src/index.js';

/** Seconds. */
const BUCKETS = [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30];

/**
 * A pool for Prometheus, by the names of demo 14 as Prometheus writes them. What there is now is read when it scrapes; what has
 * ended is recorded job by job.
 */
export function metricsOf(jobs: BackgroundJobs<unknown, unknown>, buffer: number): Registry {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });

  new Gauge({
    name: 'job_pool_queue_size',
    help: 'Jobs that wait for a worker',
    registers,
    collect() {
      this.set(jobs.stats.queued);
    },
  });
  new Gauge({ name: 'job_pool_queue_limit', help: 'Jobs that may wait', registers }).set(buffer);
  new Gauge({
    name: 'job_pool_workers_count',
    help: 'Workers, by what they do; lingering: the attempt has been judged, and its work has not ended',
    labelNames: ['state'],
    registers,
    collect() {
      const { lingering, running, workers } = jobs.stats;
      this.set({ state: 'running' }, running);
      this.set({ state: 'lingering' }, lingering);
      this.set({ state: 'idle' }, workers - running - lingering);
    },
  });

  const ended = new Counter({
    name: 'job_pool_jobs_total',
    help: 'Jobs that have ended, by how they ended, and why they were dropped',
    labelNames: ['outcome', 'drop_reason'],
    registers,
  });
  // Known from the start, so that the first one is an increase.
  for (const outcome of ['completed', 'failed', 'aborted']) ended.inc({ outcome }, 0);
  for (const drop_reason of ['full', 'closed', 'shutdown']) ended.inc({ outcome: 'dropped', drop_reason }, 0);
  const waits = new Histogram({
    name: 'job_pool_wait_time_seconds',
    help: 'From the arrival of a job to its first start',
    buckets: BUCKETS,
    registers,
  });
  const durations = new Histogram({
    name: 'messaging_process_duration_seconds',
    help: 'How long jobs ran; error_type: of those that failed',
    labelNames: ['error_type'],
    buckets: BUCKETS,
    registers,
  });

  jobs.outcomes$.subscribe((outcome) => {
    const { attempts, queuedFor, ranFor, status } = outcome;
    ended.inc(status === 'dropped' ? { outcome: status, drop_reason: outcome.reason } : { outcome: status });
    if (attempts === 0) return;
    waits.observe(queuedFor / 1000);
    const error_type = status === 'failed' && outcome.error instanceof Error ? outcome.error.name : undefined;
    durations.observe(error_type === undefined ? {} : { error_type }, ranFor / 1000);
  });
  return register;
}
