import { expect } from 'chai';
import { killChildren, startDemo } from './support/child.js';

afterEach(killChildren);

describe('demo 16, adaptive', () => {
  interface Row {
    readonly second: number;
    readonly knee: number;
    readonly refused: number;
    readonly ms: number;
    readonly limit: number;
    readonly bar: string;
  }
  let plots: Record<string, Row[]>;

  /** The plots by their algorithms. */
  function parse(lines: readonly string[]): Record<string, Row[]> {
    const parsed: Record<string, Row[]> = {};
    let rows: Row[] = [];
    for (const line of lines) {
      const algorithm = /^'(\w+)', on a service /.exec(line)?.[1];
      if (algorithm !== undefined) rows = parsed[algorithm] = [];
      const found = /^ *(\d+) +(\d+) +(\d+) +(\d+) ms +(\d+) {2}([█▒]+)$/.exec(line);
      if (found === null) continue;
      const [second, knee, refused, ms, limit] = found.slice(1, 6).map(Number) as [
        number,
        number,
        number,
        number,
        number,
      ];
      rows.push({ second, knee, refused, ms, limit, bar: found[6]! });
    }
    return parsed;
  }

  before(async () => {
    const demo = startDemo('16-adaptive');
    expect(await demo.exit, demo.lines.join('\n')).to.deep.equal({ code: 0, signal: null });
    plots = parse(demo.lines);
  });

  it('plots thirty seconds of each algorithm, and a bar as long as the limit', () => {
    expect(Object.keys(plots)).to.eql(['aimd', 'gradient']);
    for (const rows of Object.values(plots)) {
      expect(rows.map(({ second }) => second)).to.eql(Array.from({ length: 30 }, (_, i) => i + 1));
      for (const { limit, knee, bar } of rows) {
        expect(bar).to.have.lengthOf(limit);
        expect(bar.lastIndexOf('█') + 1).to.equal(Math.min(limit, knee));
      }
    }
  });

  it('shows limits that have followed the knee five seconds after it moved', () => {
    for (const [algorithm, within] of [
      ['aimd', 0.2],
      ['gradient', 0.3],
    ] as const) {
      for (const end of [10, 20, 30]) {
        const rows = plots[algorithm]!.slice(end - 5, end);
        const mean = rows.reduce((sum, { limit }) => sum + limit, 0) / rows.length;
        expect(mean / rows[0]!.knee, `${algorithm}, at ${end} s`).to.be.within(1 - within, 1 + within);
      }
    }
  });

  it('shows refusals with one service and latency with the other', () => {
    const { aimd, gradient } = plots as { aimd: Row[]; gradient: Row[] };
    expect(aimd.reduce((sum, { refused }) => sum + refused, 0)).to.be.greaterThan(0);
    expect(Math.max(...aimd.map(({ ms }) => ms))).to.be.lessThan(70);
    expect(gradient.every(({ refused }) => refused === 0)).to.be.true;
    expect(gradient[20]!.ms, 'when the knee has fallen from 50 to 10').to.be.greaterThan(100);
    expect(gradient[29]!.ms).to.be.lessThan(70);
  });
});
