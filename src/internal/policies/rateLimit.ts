import type { PolicyFactory } from '../core/policy.js';
import { checkConfig, checkCount, checkDuration } from '../support/checks.js';

/**
 * At most `limit` starts in any window `[t, t + interval)`: a sliding log of the last `limit` starts. The next one may come
 * when the oldest of them has left the window, so that a quiet spell leaves the whole window free, and no window is overdrawn.
 *
 * @throws TypeError or RangeError that names the option and its value
 */
export function rateLimit(config: unknown): PolicyFactory {
  const options = checkConfig('rateLimit', config, ['limit', 'interval']);
  const limit = checkCount('rateLimit.limit', options['limit'], 1);
  const interval = checkDuration('rateLimit.interval', options['interval']);
  return ({ now, shut }) => {
    /** The last starts, from the oldest at `oldest`, in a ring. */
    const starts: number[] = [];
    let oldest = 0;
    return {
      started() {
        const time = now();
        if (starts.length < limit) starts.push(time);
        else {
          starts[oldest] = time;
          oldest = (oldest + 1) % limit;
        }
        if (starts.length < limit) return;
        const end = starts[oldest]! + interval;
        if (end > time) shut(end);
      },
    };
  };
}
