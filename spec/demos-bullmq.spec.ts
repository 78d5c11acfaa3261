import { isBuiltin } from 'node:module';
import { expect } from 'chai';
import { hasRedis, INSTALL } from '../demos/12-bullmq/redis.js';
import { killChildren, startDemo } from './support/child.js';

const cleanExit = { code: 0, signal: null };

afterEach(killChildren);

describe('demo 12, BullMQ', () => {
  it('kills a consumer in the middle, and loses nothing', async function () {
    this.timeout(60_000);
    if (!hasRedis) {
      console.log(`      ${INSTALL}`);
      this.skip();
    }
    const demo = startDemo('12-bullmq/main');
    expect(await demo.exit, demo.lines.join('\n')).to.deep.equal(cleanExit);
    expect(demo.lines).to.include.members(['first: killed', 'second: ended']);
    expect(demo.lines.at(-1)).to.equal('60 of 60 completed, 0 failed, 0 active, 0 waiting');
  });
});

describe('demo 13, SQLite', () => {
  it('lends the rows of a table, or says which Node it needs', async () => {
    const demo = startDemo('13-sqlite-lender');
    expect(await demo.exit, demo.lines.join('\n')).to.deep.equal(cleanExit);
    const said = demo.lines.filter((line) => !line.includes('Warning') && !line.includes('--trace-warnings'));
    // Asked, not loaded: Node 22 warns whoever loads it.
    if (!isBuiltin('node:sqlite'))
      expect(said).to.eql([`node:sqlite is not in Node ${process.versions.node}: this demo needs Node 22.13 or newer`]);
    else expect(said.at(-1)).to.equal('1 failed, 4 sent');
  });
});
