// A turn of the event loop on hosts that have less than Node: the module is loaded afresh without what they lack.
import { expect } from 'chai';
import { asyncScheduler, lastValueFrom, range } from 'rxjs';
import { workerPool } from '../../src/index.js';
import type { Turns } from '../../src/internal/core/budget.js';

type Module = { Turns: typeof Turns };
const path = require.resolve('../../src/internal/core/budget.ts');

function loadedWithout(...missing: 'setImmediate'[]): Module {
  const host = globalThis as Record<string, unknown>;
  const kept = missing.map((name) => [name, host[name]] as const);
  const cached = require.cache[path];
  delete require.cache[path];
  for (const name of missing) host[name] = undefined;
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- a second instance of the module
    return require(path) as Module;
  } finally {
    for (const [name, value] of kept) host[name] = value;
    require.cache[path] = cached;
  }
}

describe('Turns', () => {
  for (const missing of [[], ['setImmediate']] as const) {
    it(`goes on after a turn of the loop, ${missing.length === 0 ? 'on Node' : `without ${missing.join()}`}`, async () => {
      const { Turns } = loadedWithout(...missing);
      const turns = new Turns({ yieldAfter: 0, scheduler: asyncScheduler });
      const log: string[] = [];
      expect(turns.areDue()).to.equal(false); // asks the host, and counts from now on
      const start = performance.now();
      while (performance.now() === start);
      expect(turns.areDue()).to.equal(true);
      await new Promise<void>((resolve) => {
        turns.wait(() => {
          log.push('turn');
          resolve();
        });
        void Promise.resolve().then(() => log.push('microtask'));
      });
      expect(log).to.deep.equal(['microtask', 'turn']);
      expect(turns.areDue()).to.equal(false); // counts anew
      await new Promise<void>((resolve) => turns.wait(resolve));
    });
  }

  it('holds all of a thousand workers back, not one in thirty-two of them', async () => {
    let turns = 0;
    let ended = false;
    const count = (): void => {
      if (ended) return;
      turns++;
      setImmediate(count);
    };
    setImmediate(count);
    const busy = async (job: number): Promise<number> => {
      const start = performance.now();
      while (performance.now() - start < 0.02);
      return job;
    };
    await lastValueFrom(range(0, 30_000).pipe(workerPool(busy, { workers: 1000, buffer: Infinity })));
    ended = true;
    await new Promise((resolve) => setImmediate(resolve));
    expect(turns).to.be.greaterThan(2);
  });
});
