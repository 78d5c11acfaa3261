import { expect } from 'chai';
import fc from 'fast-check';
import { Durations } from '../../src/internal/support/durations.js';
import type { DurationSummary } from '../../src/internal/support/durations.js';

/** Below this it is nothing: a microsecond. */
const LEAST = 0.001;

function summaryOf(durations: Iterable<number>): DurationSummary {
  const all = new Durations();
  for (const duration of durations) all.add(duration);
  return all.summary;
}

/** By the nearest rank: the smallest that at least this part of all does not exceed. */
function exact(durations: readonly number[], quantile: number): number {
  const sorted = Float64Array.from(durations).sort();
  return sorted[Math.ceil(quantile * sorted.length) - 1]!;
}

/** Is `told` what it should be, within 1 %, or nothing where that is what it is taken for? */
function isNear(told: number, right: number): boolean {
  return right <= LEAST ? told === 0 : Math.abs(told - right) <= 0.01 * right;
}

describe('Durations', () => {
  it('are none at first', () => {
    expect(new Durations().summary).to.eql({ count: 0, mean: 0, max: 0, p50: 0, p99: 0 });
  });

  it('know how many there were, their mean and the longest exactly', () => {
    expect(summaryOf([1, 2, 3, 4, 0.5])).to.include({ count: 5, mean: 2.1, max: 4 });
    expect(summaryOf([0, 0])).to.eql({ count: 2, mean: 0, max: 0, p50: 0, p99: 0 });
  });

  it('tell percentiles within 1 %, of one', () => {
    for (let duration = 0.0011; duration < 1e10; duration *= 1.0137) {
      const { p50, p99 } = summaryOf([duration]);
      expect(isNear(p50, duration), `${p50} for ${duration}`).to.equal(true);
      expect(p99).to.equal(p50);
    }
  });

  it('tell percentiles within 1 % at the borders of the buckets', () => {
    for (let i = 1; i < 1500; i++) {
      for (const factor of [0.999999, 1, 1.000001]) {
        const duration = LEAST * 1.02 ** i * factor;
        const { p50 } = summaryOf([duration, duration, duration * 1e9]);
        expect(isNear(p50, duration), `${p50} for ${duration}`).to.equal(true);
      }
    }
  });

  const kinds: Record<string, fc.Arbitrary<number>> = {
    'of milliseconds': fc.nat(10_000),
    'below a millisecond': fc.double({ min: LEAST * 1.01, max: 1, noNaN: true }),
    'of any size': fc.double({ min: -2.9, max: 9, noNaN: true }).map((exponent) => 10 ** exponent),
    'mostly none': fc.oneof(
      { weight: 3, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.double({ min: 0.1, max: 100, noNaN: true }) },
    ),
    'all alike but few': fc.oneof(
      { weight: 30, arbitrary: fc.constant(7) },
      { weight: 1, arbitrary: fc.constantFrom(0.01, 0.1, 1000, 1e6) },
    ),
  };
  for (const [kind, duration] of Object.entries(kinds)) {
    it(`tell percentiles within 1 %: ${kind}`, () => {
      fc.assert(
        fc.property(fc.array(duration, { minLength: 1, maxLength: 300 }), (durations) => {
          const { count, mean, max, p50, p99 } = summaryOf(durations);
          expect([count, max]).to.eql([durations.length, Math.max(...durations)]);
          const sum = durations.reduce((a, b) => a + b, 0);
          expect(Math.abs(mean * count - sum)).to.be.at.most(1e-9 * sum);
          expect(isNear(p50, exact(durations, 0.5)), `p50 ${p50} for ${exact(durations, 0.5)}`).to.equal(true);
          expect(isNear(p99, exact(durations, 0.99)), `p99 ${p99} for ${exact(durations, 0.99)}`).to.equal(true);
          expect(p99).to.be.at.most(max);
        }),
        { numRuns: 100 },
      );
    });
  }

  it('know the 99th of a hundred from the hundredth', () => {
    const durations = Array.from({ length: 100 }, (_, i) => (i < 98 ? 1 : i === 98 ? 50 : 1000));
    expect(isNear(summaryOf(durations).p99, 50)).to.equal(true);
    expect(isNear(summaryOf([...durations, 1000]).p99, 1000)).to.equal(true);
  });

  it('take less than a microsecond for nothing', () => {
    for (const duration of [0, Number.MIN_VALUE, 1e-9, LEAST]) {
      expect(summaryOf([duration, duration, 5])).to.include({ p50: 0, max: 5 });
    }
  });

  it('of more than any bucket holds are told as the longest there is, or less', () => {
    for (const duration of [1e11, 1e300, Number.MAX_VALUE]) {
      const { p50, max } = summaryOf([duration]);
      expect(max).to.equal(duration);
      expect(p50).to.be.within(1e10, duration);
    }
    expect(summaryOf([1, 1, Infinity])).to.include({ max: Infinity, mean: Infinity });
  });

  it('are counted in any order alike', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1 }), (durations) => {
        const backwards = summaryOf([...durations].reverse());
        expect(backwards).to.eql(summaryOf(durations));
      }),
    );
  });

  it('are summed up whenever asked, and go on', () => {
    const durations = new Durations();
    durations.add(10);
    const before = durations.summary;
    durations.add(30);
    expect(before).to.include({ count: 1, mean: 10 });
    expect(durations.summary).to.include({ count: 2, mean: 20, max: 30 });
    expect(durations.summary).to.eql(durations.summary);
  });

  it('take no more room, however many there are', () => {
    const durations = new Durations();
    const size = (): number => {
      const parts: unknown[] = Object.values(durations);
      return parts.flatMap((part) => (typeof part === 'object' ? Object.keys(part!) : ['a number'])).length;
    };
    const before = size();
    for (let i = 0; i < 1e5; i++) durations.add(i % 5000);
    expect(size()).to.equal(before);
    expect(durations.summary.count).to.equal(1e5);
  });
});
