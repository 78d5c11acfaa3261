/** Two neighbouring buckets differ by 2 %, so a percentile is right within 1 %. */
const GROWTH = 1.02;
/** The first bucket, of what is taken for nothing, ends at a microsecond; the last one after some four months. */
const LEAST = 0.001;
const BUCKETS = 1520;

/** What is known of many durations, in milliseconds. */
export interface DurationSummary {
  /** How many there were. */
  readonly count: number;
  /** Their mean, 0 where there were none. */
  readonly mean: number;
  /** The longest. */
  readonly max: number;
  /** Half of them took at most so long, within 1 %. */
  readonly p50: number;
  /** 99 in 100 took at most so long, within 1 %. */
  readonly p99: number;
}

/**
 * Any number of durations in constant memory: counts in buckets that grow by a constant factor, which bounds the relative
 * error of a percentile (DDSketch: Masson, Rim and Lee, VLDB 2019).
 */
export class Durations {
  readonly #buckets = new Float64Array(BUCKETS);
  #count = 0;
  #sum = 0;
  #max = 0;

  add(duration: number): void {
    this.#count++;
    this.#sum += duration;
    if (duration > this.#max) this.#max = duration;
    const bucket = duration <= LEAST ? 0 : Math.ceil(Math.log(duration / LEAST) / Math.log(GROWTH));
    this.#buckets[Math.min(bucket, BUCKETS - 1)]!++;
  }

  get summary(): DurationSummary {
    const count = this.#count;
    return {
      count,
      mean: count === 0 ? 0 : this.#sum / count,
      max: this.#max,
      p50: this.#quantile(0.5),
      p99: this.#quantile(0.99),
    };
  }

  #quantile(q: number): number {
    const rank = Math.ceil(q * this.#count);
    let seen = 0;
    for (const [i, n] of this.#buckets.entries()) {
      seen += n;
      // The middle of the bucket, in the sense of relative error.
      if (n > 0 && seen >= rank) return i === 0 ? 0 : Math.min(this.#max, (2 * LEAST * GROWTH ** i) / (1 + GROWTH));
    }
    return 0;
  }
}
