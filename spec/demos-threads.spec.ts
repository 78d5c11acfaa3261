import { expect } from 'chai';
import { availableParallelism } from 'node:os';
import { killChildren, startDemo } from './support/child.js';

afterEach(killChildren);

describe('demo 15, threads', () => {
  it('compares all cores with one, kills what spins, keeps errors, and closes its threads with the pipeline', async function () {
    this.timeout(60_000);
    const demo = startDemo('15-threads');
    expect(await demo.exit, demo.lines.join('\n')).to.deep.equal({ code: 0, signal: null });
    const [scrypt, ...others] = demo.lines;
    // How much faster depends on who else uses the cores.
    const compared = /^scrypt: 1 thread (\d+) ms, (\d+) threads (\d+) ms, ratio ([\d.]+)$/.exec(scrypt!);
    const [one, cores, all, ratio] = compared!.slice(1).map(Number) as [number, number, number, number];
    expect(cores).to.equal(availableParallelism());
    expect(ratio).to.be.closeTo(one / all, 0.05);
    expect(others).to.eql([
      'endless loops: TimeoutError; 0 of their threads live on',
      'parse: 42',
      'parse: RangeError: no number: forty-two; a RangeError: true; thrown in tasks.ts:14',
      'the pipeline has ended: 0 threads are left',
    ]);
  });
});
