import type { Overflow } from '../../src/index.js';

/** The policies that every pool and every buffer has. */
export type AnyOverflow = Exclude<Overflow, 'drop-lowest'>;

/** An evicting policy needs something that waits: with `buffer: 0` it is refused. */
export function isPossible({ buffer, overflow }: { readonly buffer: number; readonly overflow: Overflow }): boolean {
  return buffer > 0 || overflow === 'error' || overflow === 'drop-incoming';
}
