import type { Pool } from '../core/pool.js';
import type { PoolSnapshot, PoolStats } from '../../types.js';
import type { JobRecord } from './record.js';

/** The most jobs of each kind that wait and are shown. */
const MOST_SHOWN = 100;

/** What runs and waits now. */
export function snapshotOf<J, R>(
  name: string,
  stats: PoolStats,
  { running, verdicts }: Pool<JobRecord<J, R>, R>,
  waiting: Iterable<JobRecord<J, R>>,
  now: number,
): PoolSnapshot<J> {
  return {
    name,
    stats,
    running: running.map(({ attempt, id, isLingering, job: { job }, number, startedAt }) => {
      return { job, id, worker: number, attempt, ranFor: Math.max(0, now - startedAt), lingering: isLingering };
    }),
    delayed: first(verdicts ?? [], ({ attempts, error, id, job: { job } }) => ({ job, id, attempts, error })),
    queued: first(waiting, ({ arrivedAt, id, job }) => ({ job, id, queuedFor: Math.max(0, now - arrivedAt) })),
  };
}

function first<T, S>(items: Iterable<T>, show: (item: T) => S): S[] {
  const shown: S[] = [];
  for (const item of items) if (shown.push(show(item)) === MOST_SHOWN) break;
  return shown;
}
