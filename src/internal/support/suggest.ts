// What somebody may have meant.
import type { ShutdownLevel } from '../../types.js';
import { show } from './describe.js';

/** `did you mean 'buffer'?`, or all there are. */
export function suggest(word: string, known: readonly string[]): string {
  const near = known.find((other) => distance(word, other) <= (other.length > 4 ? 2 : 1));
  return near === undefined ? `there are ${known.join(', ')}` : `did you mean ${show(near)}?`;
}

/** The known word of which `word` is a misspelling: other capitals, or one letter too many, missing, wrong or exchanged. */
export function misspelt<T extends string>(word: string, known: readonly T[]): T | undefined {
  return known.find((other) => distance(word, other) <= 1);
}

/**
 * Reads what a shutdown notifier has emitted.
 *
 * @param levels from the softest to the harshest
 * @returns the index in `levels` of the level that is named, otherwise 0. `complaint` is there for a string that is nearly a
 *   level. It is not obeyed, because a typing error must not abort jobs. It is to be reported, so that it is not lost
 */
export function readLevel(
  value: unknown,
  levels: readonly ShutdownLevel[],
): { readonly level: number; readonly complaint?: TypeError } {
  const level = levels.indexOf(value as ShutdownLevel);
  if (level >= 0 || typeof value !== 'string') return { level: Math.max(0, level) };
  const near = misspelt(value.trim(), levels);
  if (near === undefined) return { level: 0 };
  const complaint = `the shutdown notifier emitted ${show(value)}, which is no level and counts as ${show(levels[0])}: did you mean ${show(near)}?`;
  return { level: 0, complaint: new TypeError(complaint) };
}

/** How many letters must be added, removed, replaced or exchanged with their neighbour; capitals do not count. */
function distance(from: string, to: string): number {
  if (Math.abs(from.length - to.length) > 2) return Infinity;
  const a = from.toLowerCase();
  const b = to.toLowerCase();
  // Row i, column j: the distance of the first i letters of `a` to the first j letters of `b`.
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const above = rows[i - 1]!;
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
