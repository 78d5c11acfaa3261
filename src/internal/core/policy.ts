import type { SchedulerLike } from 'rxjs';
import type { EvictionReason } from '../../types.js';
import type { Delayed, Verdicts } from './delayed.js';
import type { Slot } from './observer.js';

/** What a policy may do to its pool. It never knows what a job is, and starts none. */
export interface PoolDoors {
  /** Milliseconds, by the pool's clock. */
  now(): number;
  /** Delays are scheduled here. */
  readonly scheduler: SchedulerLike;
  /** No job starts before `end`, for this policy. */
  shut(end: number): void;
  /** So many jobs may run at once from now on. What runs, and what waits, keeps its place. */
  resize(workers: number): void;
  /** When the job arrived that has waited longest; Infinity when none waits. */
  readonly oldestArrival: number;
  /** Drops that job. */
  dropOldest(reason: EvictionReason): void;
  /** Jobs have left, or may start. */
  wake(): void;
  /** Ends the results with an error. */
  fail(error: unknown): void;
}

/** A policy of one subscription. */
export interface Policy {
  /** A job has started. */
  started?(slot: Slot): void;
  /** The attempt of that slot has been judged. */
  judged?(slot: Slot): void;
  /** A job has come to wait. */
  queued?(): void;
  /** A worker looks for its next job. */
  looking?(): void;
  /** Nothing waits. */
  emptied?(): void;
  /** The results have ended. */
  stop?(): void;
}

type Event = 'started' | 'judged' | 'queued' | 'looking' | 'emptied';

/** Policies by the events that they are told of: asking each of them for each event cost a tenth of a promise job. */
export type PoliciesByEvent = { readonly [E in Event]: readonly Required<Pick<Policy, E>>[] };

export function byEvent(policies: readonly Policy[]): PoliciesByEvent {
  const listening = <E extends Event>(event: E) =>
    policies.filter((policy) => policy[event] !== undefined) as readonly unknown[] as PoliciesByEvent[E];
  return {
    started: listening('started'),
    judged: listening('judged'),
    queued: listening('queued'),
    looking: listening('looking'),
    emptied: listening('emptied'),
  };
}

/** Makes a policy for one subscription: state lives there. */
export type PolicyFactory = (doors: PoolDoors) => Policy;

/** What the one policy that decides on failures may do as well. */
export interface VerdictDoors<T> extends Pick<PoolDoors, 'scheduler'> {
  /** Workers and buffer together: so many jobs may wait for their retry. */
  readonly places: number;
  /** Jobs start by their ranks. */
  readonly isRanked: boolean;
  /** A retry is due, or a slot has been let go. */
  wake(): void;
  /** The job's wait has ended without another attempt. */
  failDelayed(delayed: Delayed<T>, error: unknown): void;
  /** A job of `lane` has ended. */
  unlock(lane: object): void;
}

export type VerdictsFactory = <T>(doors: VerdictDoors<T>) => Verdicts<T> & Policy;
