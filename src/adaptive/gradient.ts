import { BACK_OFF, clamp } from './algorithm.js';
import type { Algorithm, Bounds } from './algorithm.js';

/** Attempts in a round, at least. With fewer, chance decides: some attempts of one kind take twice as long as others. */
const SAMPLES = 20;
/** Attempts in a round of a probe, at least, as in Envoy: all rounds until the next probe are measured by it. */
const PROBE_SAMPLES = 40;
/** Rounds from one probe to the next. The first probes come after a quarter, a half and three quarters of them. */
const ROUNDS = 40;
/** How much a round counts in the estimate. */
const SMOOTHING = 0.5;
/** How much a probe counts in the baseline, at least: the first four count alike. */
const PROBE_SMOOTHING = 0.25;
/** Times that differ by this factor differ by more than chance. */
const FAR = 1.5;
/** With half as many at once, an attempt takes this share of the time or less: there was a queue. Without one it takes as long. */
const FASTER = 0.65;

/**
 * Follows how much longer attempts take than without a queue, after Netflix's Gradient2Limit.
 *
 * There the time without a queue is the mean of a long while. Under a load that never pauses that mean comes to contain the
 * queue, and the limit creeps up. Here it is measured, as Envoy does it, in probes: rounds under a lower limit. A probe halves
 * the limit until that makes attempts no faster, so that there is no queue in what it finds.
 */
export class Gradient implements Algorithm {
  limit: number;
  readonly #tolerance: number;
  readonly #bounds: Bounds;
  /** The limit outside of probes. */
  #estimate: number;
  /** Until the first queue, or overload, the limit doubles. */
  #isStarting = true;
  /** In a probe: what an attempt took before the limit was last halved. The first probe begins with a round under the whole limit. */
  #slower: number | undefined = Infinity;
  /** What an attempt took in the last round under the estimate. */
  #time: number | undefined;
  /** What an attempt takes without a queue, in milliseconds: known after the first probe. */
  #baseline: number | undefined;
  /** Probes that have found this baseline. */
  #probes = 0;
  /** The estimate when the last probe ended, or after the last overload. */
  #probed: number;
  #roundsToProbe = 0;

  constructor(initial: number, bounds: Bounds, tolerance: number) {
    this.limit = this.#estimate = this.#probed = initial;
    this.#bounds = bounds;
    this.#tolerance = tolerance;
  }

  get samples(): number {
    return this.#slower === undefined || this.#baseline === undefined ? SAMPLES : PROBE_SAMPLES;
  }

  onRound(time: number, isReached: boolean): void {
    if (this.#slower !== undefined) this.#probe(time, this.#slower);
    // A limit that is not reached says nothing, except in a probe: there is even less of a queue.
    else if (isReached) this.#follow(time, this.#baseline!);
  }

  onOverload(): void {
    this.#isStarting = false;
    this.#estimate = clamp(this.#estimate * BACK_OFF, this.#bounds);
    if (this.#baseline === undefined) this.#beginProbe(Infinity, this.#estimate);
    else this.#resume();
  }

  #follow(time: number, baseline: number): void {
    const bearable = baseline * this.#tolerance;
    this.#time = time;
    // Where attempts take so much longer, either the limit is far too high or the baseline is wrong; a probe tells.
    const isFar = time > bearable * FAR || time * 2 < baseline;
    if (isFar || this.#hasHalved() || --this.#roundsToProbe <= 0) return this.#beginProbe(time, this.#estimate / 2);
    const gradient = time > bearable ? bearable / time : 1;
    // Room to grow. There it is 4, which is a lot for a limit of 5.
    const room = 0.5 + this.#estimate / 20;
    const wanted = this.#estimate * gradient + room;
    const next = this.#isStarting ? this.#estimate * 2 : this.#estimate + (wanted - this.#estimate) * SMOOTHING;
    this.limit = this.#estimate = clamp(next, this.#bounds);
  }

  /** Half as many at once have not helped: what an attempt takes without a queue may have changed. */
  #hasHalved(): boolean {
    return this.#estimate < this.#probed / 2;
  }

  #beginProbe(slower: number, limit: number): void {
    this.#slower = slower;
    this.limit = clamp(limit, this.#bounds);
  }

  #probe(time: number, slower: number): void {
    if (slower === Infinity) this.#time = time;
    if (time < slower * FASTER && Math.floor(this.limit) > this.#bounds.min) this.#beginProbe(time, this.limit / 2);
    else {
      this.#learn(time);
      this.#resume();
    }
  }

  #resume(): void {
    this.#slower = undefined;
    this.limit = this.#probed = this.#estimate;
  }

  /** @param time what an attempt takes without a queue, by a probe */
  #learn(time: number): void {
    const old = this.#baseline ?? time;
    if (this.#hasHalved() || time > old * FAR || old > time * FAR) this.#probes = 0;
    this.#probes++;
    this.#roundsToProbe = Math.min(1, this.#probes / 4) * ROUNDS;
    this.#baseline = this.#probes === 1 ? time : old + (time - old) * Math.max(1 / this.#probes, PROBE_SMOOTHING);
    // A limit that is far too high falls at once to where it belongs: rounds under it are long.
    const bearable = this.#baseline * this.#tolerance;
    if (this.#time! <= bearable * FAR) return;
    this.#isStarting = false;
    this.#estimate = clamp((this.#estimate * bearable) / this.#time!, this.#bounds);
  }
}
