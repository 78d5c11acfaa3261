// What the threads of demo 15 run: plain functions of plain values, which are copied on their way.
import { scryptSync } from 'node:crypto';

export function hash(password: string): string {
  return scryptSync(password, 'salt', 32, { N: 2 ** 14 }).toString('hex');
}

/** Never ends, and never looks up: nothing in its own thread could stop it. */
export function spin(_turn: number): never {
  for (;;);
}

export function parse(text: string): number {
  if (!/^\d+$/.test(text)) throw new RangeError(`no number: ${text}`);
  return Number(text);
}
