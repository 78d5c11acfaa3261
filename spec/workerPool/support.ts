import { catchError, Observable, throwError } from 'rxjs';
import type { RunHelpers } from 'rxjs/testing';

/** One cold Observable for each letter, so that the window of each job's subscription can be asserted. */
export function coldJobs<K extends string>(
  { cold }: RunHelpers,
  diagrams: Record<K, string>,
): { work: (job: string) => Observable<string>; windows: (job: K) => RunHelpersLogs } {
  const all = {} as Record<K, ReturnType<RunHelpers['cold']>>;
  for (const job of Object.keys(diagrams) as K[]) all[job] = cold(diagrams[job]);
  return { work: (job) => all[job as K] as Observable<string>, windows: (job) => all[job].subscriptions };
}
export type RunHelpersLogs = ReturnType<RunHelpers['cold']>['subscriptions'];

/** Shows any error as marbles show `#`. */
export function errorAs<T>(error: unknown): (source: Observable<T>) => Observable<T> {
  return (source) => source.pipe(catchError(() => throwError(() => error)));
}
