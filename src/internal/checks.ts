// What a user gives, checked when it is given. An error names the option, the value, and what would have been right.
import { from } from 'rxjs';
import type { Observable, ObservableInput, SchedulerLike } from 'rxjs';

export function checkConfig(of: string, config: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof config !== 'object' || config === null) wrong(`${of}'s config`, 'an object', config);
  // Own properties only, each read once: what others put on Object.prototype is not an option.
  const options = Object.assign(Object.create(null) as Record<string, unknown>, config);
  for (const key in options) {
    if (!known.includes(key)) throw new TypeError(`${of} has no option ${show(key)}: ${suggest(key, known)}`);
  }
  return options;
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') wrong(name, 'a function', value);
}

/** A count: an integer of at least `least`, or Infinity. */
export function checkCount(name: string, value: unknown, least: 0 | 1): number {
  return checkNumber(
    name,
    value,
    `an integer ≥ ${least}, or Infinity`,
    (n) => n >= least && (n === Infinity || Number.isSafeInteger(n)),
  );
}

/** A duration in milliseconds, of at least 0; Infinity is never. */
export function checkDuration(name: string, value: unknown): number {
  return checkNumber(name, value, 'a number of milliseconds ≥ 0, or Infinity', (n) => n >= 0);
}

function checkNumber(name: string, value: unknown, right: string, isRight: (n: number) => boolean): number {
  if (typeof value !== 'number') wrong(name, right, value);
  if (!isRight(value)) wrong(name, right, value, RangeError);
  return value;
}

export function checkOneOf<T extends string>(name: string, value: unknown, all: readonly T[]): T {
  if (!all.includes(value as T))
    wrong(name, `one of ${all.map(show).join(', ')}`, value, TypeError, suggest(value, all));
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
  hint: string = '',
): never {
  throw new type(`${name} must be ${right}, but is ${show(value)}${hint && `: ${hint}`}`);
}

export function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** A value as an error shows it: told apart from its string, and never an error of its own. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (isObject(value)) return typeof value === 'function' ? 'a function' : 'an object';
  return String(value);
}

/** The known word that is at most two edits away, or all there are. */
function suggest(word: unknown, known: readonly string[]): string {
  const near = known.find((other) => typeof word === 'string' && isNear(word.toLowerCase(), other.toLowerCase(), 2));
  return near === undefined ? `there are ${known.join(', ')}` : `did you mean ${show(near)}?`;
}

/** Whether at most so many letters have to be added, left out or replaced. */
function isNear(a: string, b: string, edits: number): boolean {
  if (edits < 0) return false;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  if (i === a.length) return b.length - i <= edits;
  const [restOfA, restOfB] = [a.slice(i), b.slice(i)];
  return (
    isNear(restOfA.slice(1), restOfB.slice(1), edits - 1) ||
    isNear(restOfA.slice(1), restOfB, edits - 1) ||
    isNear(restOfA, restOfB.slice(1), edits - 1)
  );
}
