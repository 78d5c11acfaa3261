// A turn of the event loop on hosts that have less than Node: the module is loaded afresh without what they lack.
import { expect } from 'chai';
import { asyncScheduler } from 'rxjs';
import type { Turns } from '../../src/internal/turns.js';

type Module = { Turns: typeof Turns };
const path = require.resolve('../../src/internal/turns.ts');

function loadedWithout(...missing: ('setImmediate' | 'MessageChannel')[]): Module {
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
  for (const missing of [[], ['setImmediate'], ['setImmediate', 'MessageChannel']] as const) {
    it(`goes on after a turn of the loop, ${missing.length === 0 ? 'on Node' : `without ${missing.join(' and ')}`}`, async () => {
      const { Turns } = loadedWithout(...missing);
      const turns = new Turns(0, asyncScheduler);
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
});
