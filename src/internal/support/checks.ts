// Checks of what a user passes in, made in that call. An error names the option, the value, and what would have been right.
import { from, isObservable, Observable } from 'rxjs';
import type { ObservableInput, SchedulerLike } from 'rxjs';
import { isPlain, show } from './describe.js';
import { isFunction, isObject } from './is.js';
import { fromPlatform, isPlatformObservable } from './platformObservable.js';
import { unknownMember } from './suggest.js';

/** @returns the options, each read once: what is changed later has no effect */
export function checkConfig(of: string, config: unknown, known: readonly string[]): Record<string, unknown> {
  if (!isPlain(config)) wrong(`${of}'s config`, `a plain object { ${known.join(', ')} }`, config);
  // Own properties only: what others put on Object.prototype is not an option.
  const options: Record<string, unknown> = { __proto__: null, ...config };
  for (const key in options) {
    if (options[key] === undefined || known.includes(key)) continue;
    throw unknownMember(of, 'option', key, known);
  }
  return options;
}

export function checkFunction(name: string, value: unknown): void {
  if (!isFunction(value)) wrong(name, 'a function', value);
}

/** A count: an integer of at least `least`, or Infinity. */
export function checkCount(name: string, value: unknown, least: 0 | 1, note = ''): number {
  const isRight = (n: number): boolean => n >= least && (Number.isSafeInteger(n) || n === Infinity);
  return checkNumber(name, value, `an integer ≥ ${least}, or Infinity${note}`, isRight);
}

/** A duration in milliseconds, of at least 0; Infinity is never. */
export function checkDuration(name: string, value: unknown): number {
  return checkNumber(name, value, 'a number of milliseconds ≥ 0, or Infinity', (n) => n >= 0);
}

/** A number above 0, or Infinity. */
export function checkPositive(name: string, value: unknown): number {
  return checkNumber(name, value, 'a number > 0, or Infinity', (n) => n > 0);
}

function checkNumber(name: string, value: unknown, right: string, isRight: (n: number) => boolean): number {
  if (typeof value !== 'number') wrong(name, right, value);
  return isRight(value) ? value : wrong(name, right, value, '', RangeError);
}

export function checkOneOf<T extends string>(name: string, value: unknown, all: readonly T[]): T {
  if (!all.includes(value as T)) wrong(name, `one of ${all.map(show).join(', ')}`, value);
  return value as T;
}

export function checkName(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') wrong(name, 'a string that is not empty', value);
  return value;
}

/** @param hint what to do with another value, where that can be said */
export function checkObservable<T>(name: string, value: unknown, hint = ''): Observable<T> {
  if (isPlatformObservable<T>(value)) return fromPlatform(value);
  return isObservable(value) ? (value as Observable<T>) : wrong(name, 'an Observable', value, hint);
}

/** An Observable is refused with what to do instead: it cannot be asked to wait. */
export function checkIterable(caller: string, value: unknown): void {
  const methods = [Symbol.iterator, Symbol.asyncIterator, 'getReader'];
  if (isObject(value) && methods.some((method) => isFunction(value[method]))) return;
  const hint = isSubscribable(value)
    ? `, which cannot be asked to wait: ${isPlatformObservable(value) ? 'give it to workerPool(…)(source)' : 'pipe it onto workerPool(…)'} itself, or through toAsyncIterable(…)`
    : '';
  wrong(`${caller}'s source`, 'an iterable or an async iterable', value, hint);
}

export function checkSignal(of: string, value: unknown): AbortSignal | undefined {
  if (value !== undefined && !isAbortSignal(value)) wrong(`${of}'s signal`, 'an AbortSignal', value);
  return value;
}

/**
 * An AbortSignal emits once, when it is aborted.
 *
 * @param hint what to do with another value, where that can be said
 */
export function checkNotifier(name: string, value: unknown, hint = ''): Observable<unknown> {
  if (isAbortSignal(value)) return abortOf(value);
  if (isPlatformObservable(value)) return fromPlatform(value);
  try {
    if (isObject(value)) return from(value as unknown as ObservableInput<unknown>);
  } catch {
    // Said below, with the option's name.
  }
  return wrong(name, 'an Observable, another ObservableInput or an AbortSignal', value, hint);
}

export function checkScheduler(name: string, value: unknown): SchedulerLike {
  if (!isObject(value)) wrong(name, 'an object', value);
  for (const method of ['now', 'schedule']) checkFunction(`${name}.${method}`, value[method]);
  return value as unknown as SchedulerLike;
}

/** Emits once and completes when `signal` is aborted: at once, if it is already. */
export function abortOf(signal: AbortSignal): Observable<void> {
  return new Observable((subscriber) => {
    const listener = (): void => {
      subscriber.next();
      subscriber.complete();
    };
    if (signal.aborted) return listener();
    signal.addEventListener('abort', listener);
    return () => signal.removeEventListener('abort', listener);
  });
}

export function wrong(
  name: string,
  right: string,
  value: unknown,
  hint = '',
  type: new (message: string) => Error = TypeError,
): never {
  throw new type(`${name} must be ${right}, but is ${show(value)}${hint}`);
}

/** Known by its methods, so that a polyfill's and another realm's are taken too. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  return isObject(value) && typeof value['aborted'] === 'boolean' && isFunction(value['addEventListener']);
}

function isSubscribable(value: unknown): boolean {
  return isObject(value) && isFunction(value['subscribe']);
}
