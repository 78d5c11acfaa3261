import type { Observable, Subscriber } from 'rxjs';
import type { Intake } from '../core/intake.js';
import type { CoreOptions, Pool } from '../core/pool.js';
import type { Listeners } from '../lifecycle/hooks.js';
import type { OwnedLifecycle } from '../lifecycle/ownedLifecycle.js';
import { isObject } from '../support/is.js';
import type { JobOutcome } from '../../types.js';
import type { Entrance } from './entrance.js';
import type { Claim, Line } from './line.js';
import type { JobRecord } from './record.js';

/** The pipeline of all forms. It is handed in, because it is defined in a layer above this one. */
export type Pipeline = <J, R>(
  pool: Pool<J, R>,
  source: Observable<J>,
  options: { readonly shutdown: Observable<unknown>; readonly mostWorkers: number },
) => Observable<never>;

/** The options of a pool, checked, as a handle and a lender read them. */
export interface JobsOptions<J, R> extends CoreOptions<R> {
  readonly shutdown: Observable<unknown>;
  readonly hooks: Listeners<J, R> | undefined;
  readonly mostWorkers: number;
}

/** What leaseFrom keeps on its Observable. The code of leases comes with that, and is in no program that has none. */
export interface Lender<J> {
  /** Runs the jobs of one subscription on a pool of its own, for an operator. Without `deliver` the values go downstream. */
  run<R>(
    options: JobsOptions<J, R>,
    results: Subscriber<unknown>,
    pipeline: Pipeline,
    deliver?: (outcome: JobOutcome<J, R>) => void,
  ): void;
  /** Borrows jobs for a handle. @param onEnd called when all of them have been settled */
  listen<R>(parts: BorrowingParts<J, R>, onEnd: () => void): Listened;
}

/** A source that a handle listens to. */
export interface Listened extends Claim {
  readonly intake: Intake;
  /** It is in the handle's books now, and may act on it. */
  start?(): void;
}

/** The inside of a handle that borrows. */
export interface BorrowingParts<J, R> {
  readonly pool: Pool<JobRecord<J, R>, R>;
  readonly lifecycle: OwnedLifecycle<JobRecord<J, R>, R, J>;
  readonly entrance: Entrance<J, R>;
  readonly line: Line;
  /** How many jobs may be out at once. */
  readonly places: number;
  /** Makes the record of a job that comes now. */
  makeRecord(job: J): JobRecord<J, R>;
}

/** Under this name an Observable keeps its lender: two copies of the package know each other's. */
const LENDER = Symbol.for('rxjs-background-jobs:lender');

export function markLender<J>(source: Observable<J>, lender: Lender<J>): Observable<J> {
  return Object.defineProperty(source, LENDER, { value: lender });
}

/** The lender of `source`; `undefined` for any other source. */
export function lenderOf<J>(source: unknown): Lender<J> | undefined {
  return isObject(source) ? (source[LENDER] as Lender<J> | undefined) : undefined;
}
