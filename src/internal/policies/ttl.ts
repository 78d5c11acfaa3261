import type { PolicyFactory } from '../core/policy.js';
import { Alarm } from '../support/alarm.js';
import { checkDuration } from '../support/checks.js';

/**
 * A job that has waited this long for its first start is dropped as `'expired'`. The times are in the order of arrival, so one
 * timer is enough; a job whose time came while the event loop was busy does not start either.
 *
 * @throws TypeError or RangeError that names the option and its value
 */
export function ttl(value: unknown): PolicyFactory | undefined {
  const duration = checkDuration('ttl', value);
  if (duration === Infinity) return undefined;
  return (doors) => {
    const expire = (): void => {
      while (doors.oldestArrival + duration <= doors.now()) doors.dropOldest('expired');
      alarm.set(doors.oldestArrival + duration);
    };
    const alarm = new Alarm(doors, () => {
      expire();
      doors.wake();
    });
    return {
      // Once it is set it is early enough for all that come later.
      queued: () => {
        if (alarm.due === Infinity) alarm.set(doors.oldestArrival + duration);
      },
      looking: () => {
        if (alarm.due <= doors.now()) expire();
      },
      emptied: () => alarm.stop(),
      stop: () => alarm.stop(),
    };
  };
}
