import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { BackgroundJobs, PoolMonitor } from '../../src/index.js';

/** The accounts of a pool for Prometheus, read when it scrapes; only the run times are recorded job by job. */
export function metricsOf(jobs: BackgroundJobs<unknown, unknown>, monitor: PoolMonitor, buffer: number): Registry {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });

  const count = (name: string, help: string, read: () => number): void => {
    new Counter({
      name,
      help,
      registers,
      // The pool counts; a Counter can only be added to, so it begins anew at each scrape.
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  };
  count('jobs_offered_total', 'Jobs that asked for a place', () => jobs.stats.offered);
  count('jobs_accepted_total', 'Jobs that were given a place', () => jobs.stats.accepted);
  count('jobs_refused_total', 'Jobs that found no place, or came during the shutdown', () => jobs.stats.refused);

  new Counter({
    name: 'jobs_ended_total',
    help: 'Accepted jobs that have ended, by how they ended',
    labelNames: ['outcome'],
    registers,
    collect() {
      this.reset();
      for (const outcome of ['completed', 'failed', 'evicted', 'aborted'] as const) {
        this.inc({ outcome }, jobs.stats[outcome]);
      }
    },
  });
  new Gauge({
    name: 'jobs',
    help: 'Accepted jobs that have not ended, by state',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of ['queued', 'delayed', 'running', 'lingering'] as const)
        this.set({ state }, jobs.stats[state]);
    },
  });
  new Gauge({
    name: 'jobs_capacity',
    help: 'Jobs that may run at once, and jobs that may wait',
    labelNames: ['of'],
    registers,
    collect() {
      this.set({ of: 'workers' }, jobs.stats.workers);
      this.set({ of: 'buffer' }, buffer);
    },
  });
  new Gauge({
    name: 'jobs_queued_seconds',
    help: 'How long jobs have waited for a worker, since the start, within 1 %',
    labelNames: ['quantile'],
    registers,
    collect() {
      const { p50, p99 } = monitor.stats.queuedFor;
      this.set({ quantile: '0.5' }, p50 / 1000);
      this.set({ quantile: '0.99' }, p99 / 1000);
    },
  });

  const runTimes = new Histogram({
    name: 'jobs_run_seconds',
    help: 'How long jobs ran, by how they ended',
    labelNames: ['outcome'],
    buckets: [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30],
    registers,
  });
  jobs.outcomes$.subscribe(({ status, attempts, ranFor }) => {
    if (attempts > 0) runTimes.observe({ outcome: status }, ranFor / 1000);
  });
  return register;
}
