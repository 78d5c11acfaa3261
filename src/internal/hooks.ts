import type { JobHooks } from '../types.js';
import { reportError } from './reportError.js';

/** Who listens to what, looked up once. */
export type Listeners<J, R> = {
  readonly [E in keyof Required<JobHooks<J, R>>]: readonly Required<JobHooks<J, R>>[E][];
};

export function listenersOf<J, R>(hooks: readonly JobHooks<J, R>[]): Listeners<J, R> {
  const to = <E extends keyof JobHooks<J, R>>(event: E): Required<JobHooks<J, R>>[E][] =>
    hooks.flatMap((hook) => (hook[event] === undefined ? [] : [guarded(hook, hook[event])]));
  return {
    accepted: to('accepted'),
    started: to('started'),
    retrying: to('retrying'),
    settled: to('settled'),
    released: to('released'),
  };
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
