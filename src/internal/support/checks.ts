// What a user gives, checked when it is given. An error names the option, the value, and what would have been right.
import { from } from 'rxjs';
import type { Observable, ObservableInput, SchedulerLike } from 'rxjs';

export function checkConfig(
  of: string,
  config: unknown,
  known: readonly string[],
  planned: readonly string[] = [],
): Record<string, unknown> {
  if (!isObject(config) || isFunction(config)) wrong(`${of}'s config`, 'an object', config);
  // Own properties only, each read once: what others put on Object.prototype is not an option.
  const options: Record<string, unknown> = { __proto__: null, ...config };
  for (const key in options) {
    if (options[key] !== undefined && !known.includes(key))
      throw new TypeError(
        `${of} has no option ${show(key)}: ${planned.includes(key) ? 'it is not there yet' : suggest(key, known)}`,
      );
  }
  return options;
}

export function checkFunction(name: string, value: unknown): void {
  if (!isFunction(value)) wrong(name, 'a function', value);
}

export function checkString(name: string, value: unknown): string {
  return typeof value === 'string' ? value : wrong(name, 'a string', value);
}

/** A count: an integer of at least `least`, or Infinity. */
export function checkCount(name: string, value: unknown, least: 0 | 1, note = ''): number {
  return checkNumber(name, value, `an integer ≥ ${least}, or Infinity${note}`, least, Number.isSafeInteger);
}

/** A duration in milliseconds, of at least 0; Infinity is never. */
export function checkDuration(name: string, value: unknown): number {
  return checkNumber(name, value, 'a number of milliseconds ≥ 0, or Infinity', 0, () => true);
}

function checkNumber(
  name: string,
  value: unknown,
  right: string,
  least: number,
  isRight: (n: number) => boolean,
): number {
  if (typeof value !== 'number') wrong(name, right, value);
  if (!(value >= least) || !(isRight(value) || value === Infinity)) wrong(name, right, value, RangeError);
  return value;
}

export function checkOneOf<T extends string>(name: string, value: unknown, all: readonly T[]): T {
  if (!all.includes(value as T)) wrong(name, `one of ${all.map(show).join(', ')}`, value);
  return value as T;
}

function checkMethods(name: string, value: unknown, methods: readonly string[]): void {
  if (!isObject(value)) wrong(name, 'an object', value);
  for (const method of methods) checkFunction(`${name}.${method}`, value[method]);
}

export function checkObservable(name: string, value: unknown): void {
  checkMethods(name, value, ['subscribe']);
}

export function checkSignal(of: string, value: unknown): AbortSignal | undefined {
  if (value !== undefined) checkMethods(`${of}'s signal`, value, ['addEventListener', 'removeEventListener']);
  return value as AbortSignal | undefined;
}

export function checkNotifier(name: string, value: unknown): Observable<unknown> {
  try {
    if (isObject(value)) return from(value as unknown as ObservableInput<unknown>);
  } catch {
    // Said below, with the option's name.
  }
  return wrong(name, 'an Observable or another ObservableInput', value);
}

export function checkScheduler(name: string, value: unknown): SchedulerLike {
  checkMethods(name, value, ['now', 'schedule']);
  return value as SchedulerLike;
}

export function wrong(
  name: string,
  right: string,
  value: unknown,
  type: new (message: string) => Error = TypeError,
): never {
  throw new type(`${name} must be ${right}, but is ${show(value)}`);
}

export function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return Object(value) === value;
}

export function isFunction(value: unknown): value is (...args: never[]) => unknown {
  return typeof value === 'function';
}

/** A value as an error shows it: told apart from its string, and never an error of its own. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) return 'an array';
  if (isFunction(value)) return 'a function';
  if (isObject(value)) return 'an object';
  return String(value);
}

/** The known word that is near, or all there are. */
function suggest(word: string, known: readonly string[]): string {
  const near = known.find((other) => strangers(word, other) + strangers(other, word) < 3);
  return near ? `did you mean ${show(near)}?` : `there are ${known.join(', ')}`;
}

/** How many letters of `a` are not in `b`: with those of `b` that are not in `a`, a lower bound of their edit distance. */
function strangers(a: string, b: string): number {
  return [...a.toLowerCase()].filter((letter) => !b.toLowerCase().includes(letter)).length;
}
