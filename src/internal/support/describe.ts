// How values are shown in errors: by what they are, told apart from their strings, and never with an error of their own.

/** `'5'`, `5n`, `undefined`, `a Promise`, `an async function` … */
export function show(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'bigint') return `${value}n`;
  if ((typeof value === 'object' && value !== null) || typeof value === 'function') return withArticle(kindOf(value));
  return String(value);
}

/** What is said of the result of `work` that is none. */
export function badResult(value: unknown): TypeError {
  const hint = value === undefined ? 'is a return missing?' : 'return a promise or an Observable of it';
  return new TypeError(
    'work must return a promise (as an async function does), an Observable, an iterable or an async iterable, ' +
      `but returned ${show(value)}: ${hint}`,
  );
}

const LONGEST = 60;

function quote(text: string): string {
  return text.length > LONGEST ? `'${text.slice(0, LONGEST)}…'` : `'${text}'`;
}

/** Classes that are known by their methods: there are copies of them, polyfills and subclasses. */
const KINDS: readonly (readonly [kind: string, ...methods: string[]])[] = [
  ['BackgroundJobs', 'offer', 'submit', 'listenTo'],
  ['Observable', 'subscribe', 'pipe'],
  ['Promise', 'then'],
];

/** What the language has a name for, and people say in words: `async generator function`. */
const LANGUAGE = /^(Array|Function|AsyncFunction|(Async)?Generator(Function)?)$/;

function kindOf(value: object): string {
  try {
    const tag = Object.prototype.toString.call(value).slice(8, -1);
    if (LANGUAGE.test(tag)) return tag.replace(/\B(?=[A-Z])/g, ' ').toLowerCase();
    const members = value as Record<string, unknown>;
    const known = KINDS.find(([, ...methods]) => methods.every((method) => typeof members[method] === 'function'));
    if (known) return known[0];
    if (tag !== 'Object') return tag;
    if (isPlain(value)) return 'object';
    const { name } = Object(members['constructor']) as { readonly name?: unknown };
    return typeof name === 'string' && name !== '' ? `instance of ${name}` : 'object';
  } catch {
    return 'object'; // A revoked Proxy, or a getter that throws.
  }
}

/** An object literal, of this realm or another, or an object without a prototype. */
export function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function withArticle(noun: string): string {
  return `${/^[aeio]/i.test(noun) ? 'an' : 'a'} ${noun}`;
}
