import type { JobStore } from '../core/store.js';
import type { Entry } from './entry.js';
import type { Victims } from './victims.js';

/** Which of the waiting jobs starts next. It calls nothing of the user's: what that says is in the entries. */
export interface Order<T> {
  readonly length: number;
  /** How many of them could start now. */
  readonly startable: number;
  /** The rank of the next one, -Infinity when there is none; absent where ranks do not decide. */
  readonly nextRank?: number;
  add(entry: Entry<T>): void;
  /** Removes the next one. Only when `startable > 0`. */
  take(): Entry<T>;
  remove(entry: Entry<T>): void;
  /** In the order in which they would start. */
  entries(): Entry<T>[];

  // ---- Where jobs have keys

  /** Would `entry` have to wait for those of its key that run? */
  isLocked?(entry: Entry<T>): boolean;
  /** Those of its key that an overflow policy may choose, where a key's jobs have a bound of their own. */
  victims?(entry: Entry<T>): Victims<T> | undefined;
  /** A job of `lane` has ended, and its slot is free. */
  done?(lane: object): void;

  /** Does none of its key that runs keep the lane of a waiting job from its next start? */
  isReady?(entry: Entry<T>): boolean;
  /** Makes its lane, which is ready, the next of all. */
  promote?(entry: Entry<T>): void;

  // ---- Where jobs are merged

  /** The waiting job into which `entry` is to be merged: no other is merged into it until it is released. */
  claim?(entry: Entry<T>): Entry<T> | undefined;
  /** Of a job that still waits. */
  release?(waiting: Entry<T>): void;
}

/** Makes an order, for one subscription. @param isByRank the overflow policy chooses the lowest rank */
export type OrderFactory = <T>(isByRank: boolean) => Order<T>;

/** What a description says of the jobs, and how they are kept. */
export interface QueueRules {
  readonly kind: 'byPriority' | 'byKey' | 'coalesced';
  /** Jobs have ranks, so that one can be the lowest. */
  readonly isRanked: boolean;
  /** Asks the user's callbacks about a job that arrives, and keeps their answers in its entry. */
  readonly read: (entry: Entry<unknown>, job: never) => void;
  readonly makeOrder: OrderFactory;
  /** Makes the store of jobs that leave only to start, where such an order has one. */
  readonly makeLean?: (<T>() => JobStore<T>) | undefined;
  /** Where a job that arrives is merged into one that waits: what both are together. */
  readonly merge?: ((waiting: never, incoming: never) => unknown) | undefined;
}
