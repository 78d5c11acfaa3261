import type { JobHooks } from '../../types.js';
import { checkFunction, wrong } from '../support/checks.js';
import { isFunction, isObject } from '../support/is.js';
import { isPlain } from '../support/describe.js';
import { reportError } from '../support/reporting.js';
import { misspelt, unknownMember } from '../support/suggest.js';

/** The hooks, by event, in array order. */
export type Listeners<J, R> = { readonly [E in keyof Required<JobHooks<J, R>>]: Required<JobHooks<J, R>>[E][] } & {
  /** Each says whether somebody hears of a failure through one hooks object. An object that only counts says no. */
  readonly hearers: (() => boolean)[];
  /** May anybody look at the context in any way? What only counts reads its `attempt`. */
  showsContext: boolean;
};

/** A hooks object that only counts has a function of this name, which says whether somebody hears of outcomes from it. */
export const COUNTER: unique symbol = Symbol.for('rxjs-background-jobs:counter') as never;

/** An outcome of a job that ended between two attempts has a property of this name: its numbers alone do not say so. */
export const WAS_DELAYED: unique symbol = Symbol.for('rxjs-background-jobs:wasDelayed') as never;

export const EVENTS: readonly (keyof JobHooks)[] = ['accepted', 'started', 'retrying', 'settled', 'released'];
const HOOKS = `an object of hooks (${EVENTS.join(', ')})`;

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
  for (const [i, hook] of (isList ? (hooks as unknown[]) : [hooks]).entries()) {
    const name = isList ? `hooks[${i}]` : 'hooks';
    if (!isObject(hook)) wrong(name, HOOKS, hook);
    const missing: string[] = [];
    for (const event of EVENTS) {
      const listener = hook[event];
      // What others put on Object.prototype is not a hook.
      if (listener === undefined || listener === (Object.prototype as Record<string, unknown>)[event])
        missing.push(event);
      else {
        checkFunction(`${name}.${event}`, listener);
        listeners[event].push(guarded(hook, listener as Listener));
      }
    }
    checkMembers(name, hook, missing);
    const counter = hook[COUNTER] as (() => boolean) | undefined;
    if (!missing.includes('settled')) listeners.hearers.push(counter ?? (() => true));
    if (!missing.includes('started') && !counter) listeners.showsContext = true;
  }
  return listeners;
}

type Listener = (...args: never[]) => unknown;

/**
 * An object literal has hooks and nothing else. An object of a class has at least one; its other members are its own business,
 * unless a method is a misspelt hook, or one that is named like an event handler: `onSettled`. Getters are not called.
 */
function checkMembers(name: string, hook: Record<PropertyKey, unknown>, missing: readonly string[]): void {
  const refuse = (member: string): never => {
    throw unknownMember(name, 'hook', member, EVENTS, `; 'settled' is told how each job has ended`);
  };
  if (isPlain(hook)) {
    for (const member of Object.keys(hook))
      if (!(EVENTS as readonly string[]).includes(member) && hook[member] !== undefined) refuse(member);
    return;
  }
  // Up to Object.prototype, of whatever realm.
  for (let owner: object = hook; Object.getPrototypeOf(owner) !== null; owner = Object.getPrototypeOf(owner) as object)
    for (const [member, { value }] of Object.entries(Object.getOwnPropertyDescriptors(owner)))
      if (isFunction(value) && !missing.includes(member) && misspelt(member.replace(/^on/, ''), missing))
        refuse(member);
  if (missing.length === EVENTS.length) wrong(name, HOOKS, hook);
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
