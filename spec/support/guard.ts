// Fails any spec that leaves something behind: an unhandled error, a warning, a signal listener, a timer.
import { config } from 'rxjs';

const reported: unknown[] = [];
const warnings: Error[] = [];
let before: Record<string, number> = {};

process.on('warning', (warning) => {
  // ts-node's own, on Node 22 and later: fs.Stats is deprecated.
  if ((warning as { code?: string }).code !== 'DEP0180') warnings.push(warning);
});

/** The errors that RxJS, or a pool, has reported as unhandled since the last call. A spec that provokes some must take them. */
export function takeReported(): unknown[] {
  return reported.splice(0);
}

/**
 * A few turns of the event loop. RxJS has then reported what it reports in a timer of no delay, and a pool has resumed what it
 * held back, also where a loaded machine has used up its budget of time in between.
 */
export async function turn(): Promise<void> {
  for (let i = 0; i < 3; i++) await oneTurn();
}

function oneTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(() => setImmediate(resolve)));
}

function census(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const event of process.eventNames()) counts[`listeners of ${String(event)}`] = process.listenerCount(event);
  for (const resource of process.getActiveResourcesInfo()) {
    if (resource === 'Timeout' || resource === 'Immediate') counts[resource] = (counts[resource] ?? 0) + 1;
  }
  return counts;
}

export const mochaHooks = {
  async beforeEach(): Promise<void> {
    await oneTurn(); // so that mocha's own timer for this hook is counted too, as it is in the other one
    config.onUnhandledError = (error) => reported.push(error);
    before = census();
  },

  async afterEach(): Promise<void> {
    // A spec may have let a turn race with a promise, and not have waited for it.
    await turn();
    const after = census();
    const left = Object.keys(after).filter((kind) => after[kind]! > (before[kind] ?? 0));
    const found = [
      ...takeReported().map((error) => `an unhandled error: ${String(error)}`),
      ...warnings.splice(0).map((warning) => `a warning: ${String(warning)}`),
      ...left.map((kind) => `${kind}: ${before[kind] ?? 0} before, ${after[kind]} after`),
    ];
    if (found.length > 0) throw new Error(`left behind by the spec: ${found.join('; ')}`);
  },
};
