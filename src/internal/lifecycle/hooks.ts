import type { JobHooks } from '../../types.js';
import { checkFunction, isFunction, isObject, wrong } from '../support/checks.js';
import { reportError } from '../support/reporting.js';

export const EVENTS = ['accepted', 'started', 'retrying', 'settled', 'released'] as const;

/** Who listens to what. */
export type Listeners<J, R> = { readonly [E in keyof Required<JobHooks<J, R>>]: Required<JobHooks<J, R>>[E][] } & {
  /** Can anybody hear of a failure? What only counts cannot. */
  readonly hearers: (() => boolean)[];
};

/** Under this name a hooks object that only counts keeps a function that says whether somebody hears of outcomes from it. */
export const COUNTER: unique symbol = Symbol.for('rxjs-background-jobs:counter') as never;

/**
 * The listeners of one hooks object or of several, each looked up once.
 *
 * @throws TypeError when one is no object, or a member that is a hook's is no function
 */
export function listenersOf<J, R>(hooks: unknown): Listeners<J, R> {
  const listeners: Listeners<J, R> = {
    accepted: [],
    started: [],
    retrying: [],
    settled: [],
    released: [],
    hearers: [],
  };
  for (const [i, hook] of [hooks].flat().entries()) {
    const name = `hooks${Array.isArray(hooks) ? `[${i}]` : ''}`;
    if (!isObject(hook) || isFunction(hook)) return wrong(name, 'an object', hook);
    for (const event of EVENTS) {
      const listener = hook[event];
      // What others put on Object.prototype is not a hook.
      if (listener === undefined || listener === (Object.prototype as Record<string, unknown>)[event]) continue;
      checkFunction(`${name}.${event}`, listener);
      listeners[event].push(guarded(hook, listener as (...args: never[]) => unknown));
      if (event === 'settled') listeners.hearers.push((hook[COUNTER] as (() => boolean) | undefined) ?? (() => true));
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
