// What a user may have meant by a word that is not known.
import { show } from './describe.js';
import { SYNONYMS } from './synonyms.js';

/**
 * The error of a member that is none of `known`: it names the one that was meant, says what another library's word is called
 * here, or names all that there are.
 *
 * @param kind what the members are
 * @param note on all of them
 */
export function unknownMember(
  of: string,
  kind: 'option' | 'hook',
  member: string,
  known: readonly string[],
  note = '',
): TypeError {
  const near = known.find((other) => isNear(member, other, other.length > 4 ? 2 : 1));
  const hint = near === undefined ? undefined : `did you mean ${show(near)}?`;
  const all = `there are ${known.join(', ')}${note}`;
  return new TypeError(`${of} has no ${kind} ${show(member)}: ${hint ?? translated(member, known) ?? all}`);
}

/** What another library's word is called here, where it means one of the known options. A long word may be misspelt. */
function translated(word: string, known: readonly string[]): string | undefined {
  for (const [options, words, hint] of SYNONYMS) {
    const option = options.split(' ').find((other) => known.includes(other));
    if (option !== undefined && words.split(' ').some((other) => isNear(word, other, other.length > 6 ? 1 : 0)))
      return hint ?? `it is called ${show(option)} here`;
  }
  return undefined;
}

/** The known word of which `word` is a misspelling: other capitals, or one letter too many, missing, wrong or exchanged. */
export function misspelt<T extends string>(word: string, known: readonly T[]): T | undefined {
  return known.find((other) => isNear(word, other, 1));
}

/** May `edits` letters be added, removed, replaced or exchanged with their neighbour to make the words equal? Capitals do not count. */
function isNear(from: string, to: string, edits: number): boolean {
  const [a, b] = [from.toLowerCase(), to.toLowerCase()];
  if (a === b) return true;
  if (edits === 0) return false;
  let i = 0;
  while (a[i] === b[i]) i++;
  const isNearBehind = (inA: number, inB: number): boolean => isNear(a.slice(i + inA), b.slice(i + inB), edits - 1);
  const isExchanged = a[i] === b[i + 1] && a[i + 1] === b[i];
  return isNearBehind(1, 0) || isNearBehind(0, 1) || isNearBehind(1, 1) || (isExchanged && isNearBehind(2, 2));
}
