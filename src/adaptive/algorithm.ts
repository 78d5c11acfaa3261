/** Where a limit goes, round by round. */
export interface Algorithm {
  /** The limit that holds now. It may be a fraction; a pool is told the integer below it. */
  readonly limit: number;
  /** Attempts in a round, at least. */
  readonly samples: number;
  /**
   * A round of attempts has completed without a sign of overload.
   *
   * @param time the mean of what its attempts took, in milliseconds
   * @param isReached whether as many attempts as the limit have run at once
   */
  onRound(time: number, isReached: boolean): void;
  /** An attempt of this round has failed, and its failure tells of an overload. */
  onOverload(): void;
}

export interface Bounds {
  readonly min: number;
  readonly max: number;
}

export function clamp(limit: number, { min, max }: Bounds): number {
  return limit > min ? Math.min(limit, max) : min;
}

/** The share of a limit that is left after an overload. */
export const BACK_OFF = 0.8;
