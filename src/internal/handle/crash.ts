import type { Pool } from '../core/pool.js';
import { ABANDON } from '../core/shutdown.js';
import { callAndReport } from '../support/reporting.js';

/**
 * Ends a pool in which something has thrown: nothing is taken in, started or waited for any more, and every job gets its outcome.
 * No step that throws keeps the next one from being taken.
 */
export function abandonAll<J, R>(pool: Pool<J, R>): void {
  const { buffer, gate, intake, shutdown } = pool;
  shutdown.level = ABANDON;
  gate.shut(shutdown, Infinity);
  callAndReport(() => intake?.cut());
  callAndReport(() => pool.dropWaiting());
  for (const worker of pool.stoppable) {
    callAndReport(() => worker.abort());
    callAndReport(() => worker.abandon(true));
  }
  while (buffer.hasNews) callAndReport(() => void buffer.notifyNext());
}
