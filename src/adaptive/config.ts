/** What {@link adaptiveWorkers} is made with. */
export interface AdaptiveWorkersConfig {
  /** The lowest limit: an integer ≥ 1. */
  readonly min: number;
  /** The highest limit: an integer ≥ `min`, or `Infinity`. */
  readonly max: number;
  /** The limit until the first round is over: an integer from `min` to `max`. @default min */
  readonly initial?: number | undefined;
  /** `'aimd'` sees failures alone, `'gradient'` sees how long attempts take too. @default 'aimd' */
  readonly algorithm?: 'aimd' | 'gradient' | undefined;
  /**
   * Of `'gradient'` alone: attempts that take so many times as long as without a queue are still no sign of one. A number ≥ 1. The
   * limit settles at about so many times the number at which a queue begins. @default 1.1
   */
  readonly tolerance?: number | undefined;
  /**
   * Does this failure say that the other side has too much to do? A failure that does not tells nothing. Asked about each failed
   * attempt, never about an abort. Give it where single jobs fail for reasons of their own, because each overload takes a fifth of the
   * limit: with one such failure in fifty, 64 workers become 11, and under `'gradient'` 2. @default every failure does
   */
  readonly isOverload?: ((error: unknown) => boolean) | undefined;
}

const OPTIONS: readonly (keyof AdaptiveWorkersConfig)[] = [
  'min',
  'max',
  'initial',
  'algorithm',
  'tolerance',
  'isOverload',
];

/** @returns the options, each checked, and read once */
export function readConfig(config: AdaptiveWorkersConfig): Required<{
  readonly [K in keyof AdaptiveWorkersConfig]: NonNullable<AdaptiveWorkersConfig[K]>;
}> {
  if (Object(config) !== config || typeof config === 'function' || Array.isArray(config))
    wrong(TypeError, `adaptiveWorkers's config`, `an object of options (${OPTIONS.join(', ')})`, config);
  const options: AdaptiveWorkersConfig = { ...config };
  for (const [key, value] of Object.entries(options)) {
    if (value !== undefined && !(OPTIONS as readonly string[]).includes(key))
      throw new TypeError(`adaptiveWorkers has no option '${key}': there are ${OPTIONS.join(', ')}`);
  }
  const min = checkNumber('min', options.min, 'an integer ≥ 1', (n) => Number.isSafeInteger(n) && n >= 1);
  const max = checkNumber('max', options.max, `an integer ≥ min (${min}), or Infinity`, (n) => isCount(n) && n >= min);
  const { initial = min, algorithm = 'aimd', tolerance, isOverload = () => true } = options;
  checkNumber('initial', initial, `an integer from min to max (${min} to ${max})`, (n) => {
    return Number.isSafeInteger(n) && n >= min && n <= max;
  });
  if (algorithm !== 'aimd' && algorithm !== 'gradient')
    wrong(TypeError, 'algorithm', `'aimd' or 'gradient'`, algorithm);
  if (tolerance !== undefined) {
    if (algorithm === 'aimd')
      throw new TypeError(
        `tolerance (${show(tolerance)}) is of algorithm 'gradient' alone: 'aimd' sees failures, so give the pool's work a timeout`,
      );
    checkNumber('tolerance', tolerance, 'a number ≥ 1', (n) => n >= 1 && n < Infinity);
  }
  if (typeof isOverload !== 'function') wrong(TypeError, 'isOverload', 'a function', isOverload);
  return { min, max, initial, algorithm, tolerance: tolerance ?? 1.1, isOverload };
}

function isCount(n: number): boolean {
  return Number.isSafeInteger(n) || n === Infinity;
}

function checkNumber(name: string, value: unknown, right: string, isRight: (n: number) => boolean): number {
  if (typeof value !== 'number') wrong(TypeError, name, right, value);
  if (!isRight(value)) wrong(RangeError, name, right, value);
  return value;
}

function wrong(type: new (message: string) => Error, name: string, right: string, value: unknown): never {
  throw new type(`${name} must be ${right}, but is ${show(value)}`);
}

/** Never with an error of its own: an object is told by its type, because what it says of itself may throw. */
function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (Array.isArray(value)) return 'an array';
  if (Object(value) === value) return typeof value === 'function' ? 'a function' : 'an object';
  return String(value);
}
