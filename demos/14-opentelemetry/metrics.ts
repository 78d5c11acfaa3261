import type { Meter } from '@opentelemetry/api';
import { PoolMonitor } from '../../src/index.js';
import type { JobHooks } from '../../src/index.js';

/** Seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Hooks that count and time the jobs of one pool. There are no semantic names for jobs yet: these follow `jvm.executor.*`. */
export function measureJobs(meter: Meter, pool: string): JobHooks[] {
  const attributes = { 'job.pool.name': pool };
  const monitor = new PoolMonitor();
  meter
    .createObservableUpDownCounter('job.pool.queue.size', { unit: '{job}', description: 'Jobs that wait for a worker' })
    .addCallback((result) => result.observe(monitor.stats.queued, attributes));
  meter
    .createObservableUpDownCounter('job.pool.workers.count', {
      unit: '{worker}',
      description: 'Workers that are taken',
    })
    .addCallback((result) => {
      for (const state of ['running', 'lingering'] as const)
        result.observe(monitor.stats[state], { ...attributes, state });
    });
  const jobs = meter.createCounter('job.pool.jobs', { unit: '{job}', description: 'Jobs that have ended' });
  const advice = { explicitBucketBoundaries: BUCKETS };
  const waits = meter.createHistogram('job.pool.wait_time', {
    unit: 's',
    description: 'From the arrival of a job to its first start',
    advice,
  });
  const durations = meter.createHistogram('messaging.process.duration', {
    unit: 's',
    description: 'Of each attempt',
    advice,
  });

  const starts = new Map<number, number>();
  const onJudged = (id: number, error?: string): void => {
    const start = starts.get(id);
    if (start === undefined) return;
    starts.delete(id);
    durations.record((performance.now() - start) / 1000, {
      ...attributes,
      ...(error !== undefined && { 'error.type': error }),
    });
  };
  const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '_OTHER');
  return [
    monitor,
    {
      started: (_job, _context, id) => void starts.set(id, performance.now()),
      retrying: (_job, error, _attempt, id) => onJudged(id, nameOf(error)),
      settled: (outcome) => {
        const { attempts, id, queuedFor, status: outcomeName } = outcome;
        onJudged(id, outcome.status === 'failed' ? nameOf(outcome.error) : undefined);
        if (attempts > 0) waits.record(queuedFor / 1000, attributes);
        jobs.add(1, {
          ...attributes,
          outcome: outcomeName,
          ...(outcome.status === 'dropped' && { 'drop.reason': outcome.reason }),
        });
      },
    },
  ];
}
