// Every order of the commands of a handle, for up to three jobs on up to two workers, under each policy alone.
import { expect } from 'chai';
import { explore } from './support/explorer.js';
import type { Bounds, Door, Found, Returns } from './support/explorer.js';
import { isThere, POLICIES } from './support/rules.js';
import type { Line } from './support/rules.js';

/** Above 400, RUNS=10000 for one, three jobs under each policy, with all kinds of work, on each size of pool. */
const IS_PATIENT = Number(process.env['RUNS'] ?? 400) > 400;

const DOORS: readonly (readonly Door[])[] = [
  ['submit', 'send'],
  ['offer', 'send'],
  ['submit', 'send'],
];
const TWO_DOORS: readonly (readonly Door[])[] = [
  ['submit', 'send'],
  ['submit', 'send', 'offer'],
];
const MIXED: readonly Returns[] = ['promise', 'stream', 'obedient'];
/** Workers and buffer. */
const SIZES: readonly (readonly [number, number])[] = [
  [1, 0],
  [1, 1],
  [2, 0],
  [2, 1],
];

function bounds({ commands = [], isHuge = false, isLarge = isHuge, ...policy }: Line): Bounds[] {
  const sizes = IS_PATIENT ? SIZES : isHuge ? SIZES.slice(0, 2) : isLarge ? SIZES.slice(0, 3) : SIZES.slice(1, 3);
  const works: readonly (readonly Returns[])[] = IS_PATIENT ? [MIXED, ['promise'], ['stream']] : [MIXED];
  return sizes.flatMap(([workers, buffer]) =>
    works.map((returns) => ({
      rules: { workers, buffer, ...policy },
      returns,
      doors: isLarge && !IS_PATIENT ? TWO_DOORS : DOORS,
      commands,
      hasLags: IS_PATIENT,
      ways: 1,
    })),
  );
}

function show({ order, breaches, log }: Found): string {
  return `${order.join(', ')}\n    ${breaches.join('\n    ')}\n  after\n    ${log.join('\n    ')}`;
}

describe('the explorer', function () {
  this.timeout(IS_PATIENT ? 1_800_000 : 60_000);

  const stackTraceLimit = Error.stackTraceLimit;
  before(() => (Error.stackTraceLimit = 0)); // each abort makes an error
  after(() => (Error.stackTraceLimit = stackTraceLimit));

  for (const [name, line] of Object.entries(POLICIES)) {
    const all = bounds(line).filter(({ rules }) => isThere(rules));
    // Policies that this version does not have yet are shown as pending.
    const check = all.length > 0 ? it : it.skip;
    check(`${name}: every order keeps the law, the bounds and every promise`, async () => {
      const tally = new Map<string, number>();
      for (const each of all) {
        const { found } = await explore(each, tally);
        const { workers, buffer } = each.rules;
        expect(found.map(show).join('\n'), `${workers} workers, buffer ${buffer}`).to.equal('');
      }
      const occurred = [...(line.occurs ?? []), 'running → completed', 'running → failed', 'running → aborted'];
      expect(
        [...occurred, 'dropped: closed', 'dropped: shutdown', 'queued → aborted', 'dropped: withdrawn'].filter(
          (what) => !tally.has(what),
        ),
        'never occurred',
      ).to.deep.equal([]);
    });
  }
});
