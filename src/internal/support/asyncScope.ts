// The async context of a caller (AsyncLocalStorage, and so OpenTelemetry and request loggers) where the host has one.

/** Runs functions in the async context in which it was made. */
export interface AsyncScope {
  runInAsyncScope<A extends unknown[], R>(fn: (...args: A) => R, thisArg: unknown, ...args: A): R;
}

interface Host {
  readonly process?: {
    getBuiltinModule?(name: 'async_hooks'): { readonly AsyncResource?: new (type: string) => AsyncScope } | undefined;
  };
}

// An AsyncResource: AsyncLocalStorage.snapshot() costs a hundred times as much on Node 20.
const Scope = (globalThis as Host).process?.getBuiltinModule?.('async_hooks')?.AsyncResource;

/** The context of the call that is running now; `undefined` where the host keeps none, as browsers do. */
export function captureScope(): AsyncScope | undefined {
  return Scope && new Scope('RxJSBackgroundJob');
}

/** Calls `fn` in `scope`, or as it is where there is none. */
export function runIn<R>(scope: AsyncScope | undefined, fn: () => R): R {
  return scope ? scope.runInAsyncScope(fn, undefined) : fn();
}
