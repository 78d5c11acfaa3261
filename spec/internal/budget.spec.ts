// Turns of the event loop on hosts that have less than Node, or a test's fakes: the modules are loaded afresh there.
import { expect } from 'chai';
import { asyncScheduler, lastValueFrom, range, VirtualTimeScheduler } from 'rxjs';
import { workerPool } from '../../src/index.js';
import type { EventLoopBudget, Held } from '../../src/internal/core/budget.js';

type Module = { EventLoopBudget: typeof EventLoopBudget };
const paths = ['core/budget.ts', 'support/turn.ts'].map((file) => require.resolve(`../../src/internal/${file}`));
const [budgetPath] = paths as [string, string];

/** The module, loaded while the host has `fakes` in place of what it has. */
function loadedWith(fakes: Record<string, unknown>): Module {
  const host = globalThis as Record<string, unknown>;
  const kept = Object.keys(fakes).map((name) => [name, host[name]] as const);
  const cached = paths.map((path) => require.cache[path]);
  for (const path of paths) delete require.cache[path];
  Object.assign(host, fakes);
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- a second instance of the module
    return require(budgetPath) as Module;
  } finally {
    for (const [name, value] of kept) host[name] = value;
    paths.forEach((path, i) => (require.cache[path] = cached[i]));
  }
}

/** Keeps the thread busy for so many milliseconds. */
function burn(ms: number): void {
  for (const start = performance.now(); performance.now() - start < ms;);
}

const never = (): number => 0;
/** A `process` that has no builtin modules to give, as in a browser's bundle. */
const bareProcess = Object.assign(Object.create(process) as object, { getBuiltinModule: undefined });

describe('EventLoopBudget', () => {
  const hosts: Record<string, Record<string, unknown>> = {
    'on Node': {},
    'without setImmediate': { process: bareProcess, setImmediate: undefined },
    'without setImmediate, where timers never fire': {
      process: bareProcess,
      setImmediate: undefined,
      setTimeout: never,
    },
    'where all timers are fakes': { process: bareProcess, setImmediate: never, setTimeout: never },
    'without setImmediate and MessageChannel': {
      process: bareProcess,
      setImmediate: undefined,
      MessageChannel: undefined,
    },
  };
  for (const [name, fakes] of Object.entries(hosts)) {
    it(`is used up after its time, and new after a turn of the loop: ${name}`, async () => {
      const { EventLoopBudget } = loadedWith(fakes);
      const budget = new EventLoopBudget({ yieldAfter: 100, scheduler: asyncScheduler });
      const log: string[] = [];
      expect(budget.countAndCheck()).to.equal(false); // asks the host, and counts from now on
      await Promise.resolve();
      burn(110);
      expect(budget.countAndCheck()).to.equal(true);
      await new Promise<void>((resolve) => {
        budget.hold({ resume: () => (log.push('turn'), resolve()) });
        void Promise.resolve().then(() => log.push('microtask'));
      });
      expect(log).to.deep.equal(['microtask', 'turn']);
      expect(budget.countAndCheck()).to.equal(false);
      await new Promise((resolve) => setTimeout(resolve));
    });
  }

  it('is not used up by what one call settles without a microtask in between', async () => {
    const { EventLoopBudget } = loadedWith({});
    const budget = new EventLoopBudget({ yieldAfter: 0, scheduler: asyncScheduler });
    for (let i = 0; i < 3; i++) {
      expect(budget.countAndCheck()).to.equal(false);
      burn(0.1);
    }
    await Promise.resolve();
    expect(budget.countAndCheck()).to.equal(true);
    await new Promise((resolve) => setTimeout(resolve));
  });

  it('resumes what is held one by one, and stops where the new turn is used up', async () => {
    const { EventLoopBudget } = loadedWith({});
    const budget = new EventLoopBudget({ yieldAfter: 1, scheduler: asyncScheduler });
    budget.countAndCheck();
    await Promise.resolve();
    burn(2);
    expect(budget.countAndCheck()).to.equal(true);
    const log: string[] = [];
    const held = (name: string): Held => ({ resume: () => (log.push(name), burn(2)) });
    for (const name of ['a', 'b', 'c']) budget.hold(held(name));
    const turns: string[] = [];
    await new Promise<void>((resolve) => {
      const look = (): void => {
        turns.push(log.splice(0).join());
        if (turns.filter(Boolean).length < 3) setImmediate(look);
        else resolve();
      };
      setImmediate(look);
    });
    expect(turns.filter(Boolean)).to.eql(['a', 'b', 'c']);
    await new Promise((resolve) => setTimeout(resolve));
  });

  it('releases all that is held at once', () => {
    const { EventLoopBudget } = loadedWith({});
    const budget = new EventLoopBudget({ yieldAfter: 0, scheduler: new VirtualTimeScheduler() });
    let resumed = 0;
    for (let i = 0; i < 3; i++) budget.hold({ resume: () => resumed++ });
    budget.release();
    expect(resumed).to.equal(3);
    return new Promise((resolve) => setTimeout(resolve));
  });

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
      burn(0.02);
      return job;
    };
    await lastValueFrom(range(0, 30_000).pipe(workerPool(busy, { workers: 1000, buffer: Infinity })));
    ended = true;
    await new Promise((resolve) => setImmediate(resolve));
    expect(turns).to.be.greaterThan(2);
  });
});
