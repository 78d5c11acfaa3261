import { map, NEVER, switchMap, timer } from 'rxjs';
import type { Observable, SchedulerLike } from 'rxjs';

/** The longest delay that a host's timer takes; anything above fires at once. */
const LONGEST = 2 ** 31 - 1;

/** Emits once and completes, `delay` milliseconds after its subscription: never at once because it is long, and not at all for Infinity. */
export function after(delay: number, scheduler: SchedulerLike): Observable<void> {
  if (delay === Infinity) return NEVER;
  if (delay > LONGEST) return timer(LONGEST, scheduler).pipe(switchMap(() => after(delay - LONGEST, scheduler)));
  return timer(delay, scheduler).pipe(map(() => undefined));
}
