import type { PolicyFactory } from '../core/policy.js';
import { checkConfig, checkCount, checkDuration } from '../support/checks.js';

/** The log has at most so many places. */
const PLACES = 1024;

/**
 * At most `limit` starts in any window `[t, t + interval)`: a sliding log of the last `limit` starts. The next one may come
 * when the oldest of them has left the window, so that a quiet spell leaves the whole window free, and no window is overdrawn.
 *
 * A place of the log is one start, or above a limit of 1,024 a group of them with the time of the last: an entry that is too
 * late can only hold starts back, by less than a thousandth of the limit. So the log stays small, and the clock is read once a
 * group (read at each start it doubled the cost of a promise job).
 *
 * @throws TypeError or RangeError that names the option and its value
 */
export function rateLimit(config: unknown): PolicyFactory | undefined {
  const options = checkConfig('rateLimit', config, ['limit', 'interval']);
  const limit = checkCount('rateLimit.limit', options['limit'], 1);
  const interval = checkDuration('rateLimit.interval', options['interval']);
  if (limit === Infinity) return undefined;
  const size = Math.ceil(limit / PLACES);
  const places = Math.floor(limit / size);
  return ({ now, shut }) => {
    /** The times of the last full groups, from the oldest at `oldest`, in a ring. */
    const times: number[] = [];
    let oldest = 0;
    /** Starts in the group that is not full yet. */
    let started = 0;
    return {
      started() {
        if (++started < size) return;
        started = 0;
        const time = now();
        if (times.length < places) times.push(time);
        else {
          times[oldest] = time;
          oldest = (oldest + 1) % places;
        }
        if (times.length < places) return;
        const end = times[oldest]! + interval;
        if (end > time) shut(end);
      },
    };
  };
}
