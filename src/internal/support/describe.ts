// How values are shown in errors: by what they are, told apart from their strings, and never with an error of their own.
import { isFunction, isObject } from './is.js';

/** `'5'`, `5n`, `undefined`, `a Promise`, `an async function` … */
export function show(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'bigint') return `${value}n`;
  return isObject(value) ? withArticle(kindOf(value)) : String(value);
}

/** What is said of the result of `work` that is none. */
export function badResult(value: unknown): TypeError {
  const hint = value === undefined ? 'is a return missing?' : 'return a promise or an Observable of it';
  return new TypeError(
    `work must return a promise, an Observable, an iterable or an async iterable, but returned ${show(value)}: ${hint}`,
  );
}

const LONGEST = 60;

function quote(text: string): string {
  return text.length > LONGEST ? `'${text.slice(0, LONGEST)}…'` : `'${text}'`;
}

/** Classes that are known by a method: there are copies of them, polyfills and subclasses. */
const KINDS = {
  listenTo: 'BackgroundJobs',
  lift: 'Observable',
  subscribe: 'Observable that is not of RxJS',
  then: 'Promise',
};

/** What the language has a name for, and people say in words: `async generator function`. */
const LANGUAGE = /^Array$|(Function|Generator)$/;

function kindOf(value: Record<PropertyKey, unknown>): string {
  try {
    const tag = Object.prototype.toString.call(value).slice(8, -1);
    if (LANGUAGE.test(tag)) return tag.replace(/\B(?=[A-Z])/g, ' ').toLowerCase();
    for (const [method, kind] of Object.entries(KINDS)) if (isFunction(value[method])) return kind;
    if (tag !== 'Object') return tag;
    const name = !isPlain(value) && (value['constructor'] as { readonly name?: unknown } | undefined)?.name;
    return name && typeof name === 'string' ? `instance of ${name}` : 'object';
  } catch {
    return 'object'; // A revoked Proxy, or a getter that throws.
  }
}

/** An object literal, of this realm or another, or an object without a prototype. */
export function isPlain(value: unknown): value is Record<PropertyKey, unknown> {
  if (!isObject(value)) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function withArticle(noun: string): string {
  return `${/^[aeio]/i.test(noun) ? 'an' : 'a'} ${noun}`;
}
