import type { ObservableInput, SchedulerLike } from 'rxjs';

// What a user may give, checked when it is given. An error names the option, the value and what would have been right.

export function checkConfig(of: string, config: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof config !== 'object' || config === null)
    throw new TypeError(`${of} needs a config object, but got ${show(config)}`);
  // Own properties only, each read once: what others put on Object.prototype is not an option.
  const options = Object.assign(Object.create(null) as Record<string, unknown>, config);
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const near = nearest(key, known);
    throw new TypeError(
      `${of} has no option ${show(key)}${near === undefined ? `: it has ${known.join(', ')}` : `: did you mean ${show(near)}?`}`,
    );
  }
  return options;
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw new TypeError(`${name} must be a function, but is ${show(value)}`);
}

/** A count: an integer of at least `least`, or Infinity. */
export function checkCount(name: string, value: unknown, least: 0 | 1): number {
  const right = `${least === 0 ? 'an integer ≥ 0' : 'a positive integer'}, or Infinity`;
  const number = checkNumber(name, value, right);
  if (number !== Infinity && !(Number.isSafeInteger(number) && number >= least))
    throw new RangeError(`${name} must be ${right}, but is ${show(value)}`);
  return number;
}

/** A duration in milliseconds, of at least 0; Infinity is never. */
export function checkDuration(name: string, value: unknown): number {
  const right = 'a number of milliseconds ≥ 0, or Infinity';
  const number = checkNumber(name, value, right);
  if (!(number >= 0)) throw new RangeError(`${name} must be ${right}, but is ${show(value)}`);
  return number;
}

export function checkOneOf<T extends string>(name: string, value: unknown, all: readonly T[]): T {
  if (all.includes(value as T)) return value as T;
  const near = typeof value === 'string' ? nearest(value, all) : undefined;
  throw new TypeError(
    `${name} must be one of ${all.map(show).join(', ')}, but is ${show(value)}${near === undefined ? '' : `: did you mean ${show(near)}?`}`,
  );
}

export function checkSignal(of: string, value: unknown): AbortSignal | undefined {
  if (value !== undefined) checkMethods(`${of}'s signal`, value, ['addEventListener', 'removeEventListener'], true);
  return value as AbortSignal | undefined;
}

/** Something with members, of which the named ones are functions where they are there at all. */
export function checkMethods(name: string, value: unknown, methods: readonly string[], required: boolean): void {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null)
    throw new TypeError(`${name} must be an object, but is ${show(value)}`);
  for (const method of methods) {
    const member = (value as Record<string, unknown>)[method];
    if (typeof member !== 'function' && (required || member !== undefined))
      throw new TypeError(`${name}.${method} must be a function, but is ${show(member)}`);
  }
}

export function checkNotifier(name: string, value: unknown): ObservableInput<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) {
    throw new TypeError(`${name} must be an Observable, a promise or another ObservableInput, but is ${show(value)}`);
  }
  return value as ObservableInput<unknown>;
}

export function checkScheduler(name: string, value: unknown): SchedulerLike {
  checkMethods(name, value, ['now', 'schedule'], true);
  return value as SchedulerLike;
}

function checkNumber(name: string, value: unknown, right: string): number {
  if (typeof value === 'number') return value;
  throw new TypeError(`${name} must be ${right}, but is ${show(value)}`);
}

/** A value as an error shows it: told apart from its string, and never an error of its own. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

/** The known word that takes the fewest edits to reach, if they are few (Levenshtein, 1965). */
function nearest(word: string, known: readonly string[]): string | undefined {
  const distance = (a: string, b: string): number => {
    let row = Array.from({ length: b.length + 1 }, (_, i) => i);
    for (const [i, letter] of [...a].entries()) {
      const next = [i + 1];
      for (let j = 0; j < b.length; j++)
        next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (letter === b[j] ? 0 : 1)));
      row = next;
    }
    return row[b.length]!;
  };
  const ranked = known.map((candidate) => ({
    candidate,
    edits: distance(word.toLowerCase(), candidate.toLowerCase()),
  }));
  const best = ranked.reduce((a, b) => (b.edits < a.edits ? b : a));
  return best.edits <= Math.max(2, Math.floor(word.length / 3)) ? best.candidate : undefined;
}
