// What a user may have meant by a word that is not known.
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
