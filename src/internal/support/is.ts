export function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return Object(value) === value;
}

export function isFunction(value: unknown): value is (...args: never[]) => unknown {
  return typeof value === 'function';
}
