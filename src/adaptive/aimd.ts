import { BACK_OFF, clamp } from './algorithm.js';
import type { Algorithm, Bounds } from './algorithm.js';

/** Additive increase, multiplicative decrease, after Netflix's AIMDLimit. As in TCP it adds one a round, not one a sample. */
export class Aimd implements Algorithm {
  limit: number;
  readonly samples = 1;
  readonly #bounds: Bounds;
  /** Until the first overload the limit doubles, as in TCP's slow start: it may be far from where it belongs. */
  #isStarting = true;

  constructor(initial: number, bounds: Bounds) {
    this.limit = initial;
    this.#bounds = bounds;
  }

  onRound(_time: number, isReached: boolean): void {
    if (isReached) this.limit = clamp(this.#isStarting ? this.limit * 2 : this.limit + 1, this.#bounds);
  }

  onOverload(): void {
    this.#isStarting = false;
    this.limit = clamp(this.limit * BACK_OFF, this.#bounds);
  }
}
