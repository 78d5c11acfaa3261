import type { JobHooks } from '../types.js';
import { checkFunction, isObject, wrong } from './checks.js';
import { reportError } from './reportError.js';

const EVENTS = ['accepted', 'started', 'retrying', 'settled', 'released'] as const satisfies (keyof JobHooks)[];

/** Who listens to what. */
export type Listeners<J, R> = { readonly [E in keyof Required<JobHooks<J, R>>]: Required<JobHooks<J, R>>[E][] };

/**
 * The listeners of one hooks object or of several, each looked up once.
 *
 * @throws TypeError when one is no object, or a member that is a hook's is no function
 */
export function listenersOf<J, R>(hooks: unknown = []): Listeners<J, R> {
  const listeners: Listeners<J, R> = { accepted: [], started: [], retrying: [], settled: [], released: [] };
  const all: readonly unknown[] = Array.isArray(hooks) ? hooks : [hooks];
  for (const [i, hook] of all.entries()) {
    const name = Array.isArray(hooks) ? `hooks[${i}]` : 'hooks';
    if (!isObject(hook) || typeof hook === 'function') return wrong(name, 'an object', hook);
    for (const event of EVENTS) {
      const listener = hook[event];
      // What others put on Object.prototype is not a hook.
      if (listener === undefined || listener === (Object.prototype as Record<string, unknown>)[event]) continue;
      checkFunction(`${name}.${event}`, listener);
      listeners[event].push(guarded(hook, listener as (...args: never[]) => unknown));
    }
  }
  return listeners;
}

/** What a hook throws is reported, as RxJS reports a subscriber that throws, and nobody else notices. */
function guarded<A extends never[]>(hook: object, listener: (...args: A) => unknown): (...args: A) => void {
  return (...args) => {
    try {
      const result = listener.apply(hook, args);
      if (result instanceof Promise) result.catch(reportError);
    } catch (error) {
      reportError(error);
    }
  };
}
