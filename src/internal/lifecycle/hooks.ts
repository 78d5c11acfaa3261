import type { JobHooks } from '../../types.js';
import { checkFunction, isFunction, isObject, wrong } from '../support/checks.js';
import { isPlain, show } from '../support/describe.js';
import { reportError } from '../support/reporting.js';
import { misspelt, suggest } from '../support/suggest.js';

/** The hooks, by event, in array order. */
export type Listeners<J, R> = { readonly [E in keyof Required<JobHooks<J, R>>]: Required<JobHooks<J, R>>[E][] } & {
  /** Each says whether somebody hears of a failure through one hooks object. An object that only counts says no. */
  readonly hearers: (() => boolean)[];
  /** May anybody look at the context in any way? What only counts reads its `attempt`. */
  showsContext: boolean;
};

/** A hooks object that only counts has a function of this name, which says whether somebody hears of outcomes from it. */
export const COUNTER: unique symbol = Symbol.for('rxjs-background-jobs:counter') as never;

export const EVENTS: readonly (keyof JobHooks)[] = ['accepted', 'started', 'retrying', 'settled', 'released'];

/**
 * The listeners of one hooks object or of several, each looked up once.
 *
 * @throws TypeError when one is no object, has no hook, has one that is no function, or has a misspelt one
 */
export function listenersOf<J, R>(hooks: unknown): Listeners<J, R> {
  const listeners: Listeners<J, R> = {
    accepted: [],
    started: [],
    retrying: [],
    settled: [],
    released: [],
    hearers: [],
    showsContext: false,
  };
  const isList = Array.isArray(hooks);
  for (const [i, hook] of (isList ? [...(hooks as unknown[])] : [hooks]).entries()) {
    const name = isList ? `hooks[${i}]` : 'hooks';
    if (!isObject(hook) || isFunction(hook) || Array.isArray(hook)) wrong(name, 'an object of hooks', hook);
    const found = hooksOf(name, hook);
    if (isPlain(hook)) checkMembers(name, hook);
    else checkClass(name, hook, found);
    for (const [event, listener] of found) listeners[event].push(guarded(hook, listener));
    const counter = hook[COUNTER] as (() => boolean) | undefined;
    if (found.has('settled')) listeners.hearers.push(counter ?? (() => true));
    if (found.has('started') && !counter) listeners.showsContext = true;
  }
  return listeners;
}

type Listener = (...args: never[]) => unknown;

function hooksOf(name: string, hook: Record<PropertyKey, unknown>): Map<keyof JobHooks, Listener> {
  const found = new Map<keyof JobHooks, Listener>();
  for (const event of EVENTS) {
    const listener = hook[event];
    // What others put on Object.prototype is not a hook.
    if (listener === undefined || listener === (Object.prototype as Record<string, unknown>)[event]) continue;
    checkFunction(`${name}.${event}`, listener);
    found.set(event, listener as Listener);
  }
  return found;
}

/** An object literal has hooks and nothing else. */
function checkMembers(name: string, hook: Record<PropertyKey, unknown>): void {
  for (const member of Object.keys(hook)) {
    if (!EVENTS.includes(member as keyof JobHooks) && hook[member] !== undefined)
      throw new TypeError(`${name} has no hook ${show(member)}: ${meant(bare(member))}`);
  }
}

/** An object of a class has at least one hook. Its other methods are its own business, unless one is a misspelt hook. */
function checkClass(name: string, hook: object, found: ReadonlyMap<keyof JobHooks, Listener>): void {
  const missing = EVENTS.filter((event) => !found.has(event));
  for (const method of methodsOf(hook)) {
    const near = misspelt(bare(method), missing);
    if (near !== undefined && method !== near)
      throw new TypeError(`${name} has no hook ${show(method)}: did you mean ${show(near)}?`);
  }
  if (found.size === 0) wrong(name, `an object of hooks (${EVENTS.join(', ')})`, hook, ', which has none of them');
}

/** The names of the methods of an object and of its class. Getters are not called. */
function methodsOf(hook: object): string[] {
  const names: string[] = [];
  // Up to Object.prototype, of whatever realm.
  for (let owner = hook; Object.getPrototypeOf(owner) !== null; owner = Object.getPrototypeOf(owner) as object) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(owner)))
      if (isFunction(value)) names.push(name);
  }
  return names;
}

function meant(member: string): string {
  return /^(complet|succe|fail|error|drop|abort|done|finish|end)/i.test(member)
    ? `'settled' is told how each job has ended`
    : suggest(member, EVENTS);
}

/** Hooks are not named like event handlers: `onSettled` means `settled`. */
function bare(name: string): string {
  return name.replace(/^on(?=[A-Z])/, '');
}

/** Reports what a hook throws, as RxJS reports a subscriber that throws: neither the pool nor another hook is disturbed. */
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
