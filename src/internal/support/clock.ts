import type { SchedulerLike } from 'rxjs';

/** A clock this far from the wall clock is a virtual one: milliseconds. */
const NEAR = 1000;

/** Does `scheduler` keep the time of the world, or one of its own? */
export function isRealTime(scheduler: SchedulerLike): boolean {
  const now: unknown = scheduler.now();
  if (typeof now !== 'number') throw new TypeError(`scheduler.now() must return a number, but returned ${typeof now}`);
  return Math.abs(now - Date.now()) <= NEAR;
}

/** Milliseconds by `scheduler` where its time is virtual; else by the host's monotonic clock, which no wall clock moves. */
export function clockOf(scheduler: SchedulerLike): () => number {
  // Looked up at each reading: a test may put fake timers in place meanwhile.
  if (isRealTime(scheduler) && typeof performance === 'object') return () => performance.now();
  return () => scheduler.now();
}

const resolved = Promise.resolve();

/**
 * As `now`, but read once for all that happens before the next microtask, for as long as nobody looks at `watched`: a reading costs
 * as much as a promise.
 */
export function oncePerRound(now: () => number, watched: { readonly observed: boolean }): () => number {
  let time: number | undefined;
  const forget = (): void => {
    time = undefined;
  };
  return () => {
    if (watched.observed) return now();
    if (time === undefined) {
      time = now();
      // Costs less than queueMicrotask, and no test puts a fake in its place.
      void resolved.then(forget);
    }
    return time;
  };
}

/** As `now`, but once that throws or returns no number, the time stands still and `onFault` is called: a pool's accounts need no clock. */
export function unfailing(now: () => number, onFault: (error: unknown) => void): () => number {
  let last = 0;
  let hasFailed = false;
  return () => {
    if (hasFailed) return last;
    try {
      const time: unknown = now();
      if (typeof time !== 'number')
        throw new TypeError(`scheduler.now() must return a number, but returned ${typeof time}`);
      return (last = time);
    } catch (error) {
      hasFailed = true;
      onFault(error);
      return last;
    }
  };
}
