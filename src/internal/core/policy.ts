/** What a policy may do to its pool. It never knows what a job is, and starts none. */
export interface PoolDoors {
  /** Milliseconds, by the pool's clock. */
  now(): number;
  /** No job starts before `end`, for this policy. */
  shut(end: number): void;
}

/** A policy of one subscription. */
export interface Policy {
  /** A job has started. */
  started?(): void;
}

/** Makes a policy for one subscription: state lives there. */
export type PolicyFactory = (doors: PoolDoors) => Policy;
