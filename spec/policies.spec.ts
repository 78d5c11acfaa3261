// Random programs of all policies together, in every form, held against the rules that hold under any of them.
import { expect } from 'chai';
import fc from 'fast-check';
import { takeReported, turn } from './support/guard.js';
import { FORMS, programs, WORKS } from './support/policyPrograms.js';
import type { Form, Program } from './support/policyPrograms.js';
import { run } from './support/policyRuns.js';
import { isThere } from './support/rules.js';
import type { Rules } from './support/rules.js';

/** Programs for each form. RUNS=10000 is for the patient. */
const RUNS = Math.ceil(Number(process.env['RUNS'] ?? 400) * 0.4);
/** The same programs each time, so that what has to occur does; another seed is another walk. */
const SEED = Number(process.env['SEED'] ?? 1);

const LEAST: Rules = { workers: 1, buffer: 1 };

/** What has to have occurred, or the programs were of less than they say. */
function required(form: Form): string[] {
  const isHandle = form === 'BackgroundJobs' || form.startsWith('listenTo');
  const policies: [name: string, rules: Partial<Rules>, occurs: readonly string[]][] = [
    ['rateLimit', { rateLimit: { limit: 1, interval: 1 } }, []],
    ['byPriority', { queue: 'byPriority' }, []],
    ['byKey', { queue: 'byKey' }, []],
    ['coalesced', { queue: 'coalesced' }, form === 'BackgroundJobs' ? ['dropped: coalesced'] : []],
    ['most', { queue: 'byKey', most: 1 }, []],
    ['drop-lowest', { queue: 'byPriority', overflow: 'drop-lowest' }, []],
    ['retry', { retry: { count: 1, delay: 1 } }, ['a retry starts', 'an attempt fails, and another follows']],
    ['timeout', { timeout: 1 }, ['an attempt times out', 'work obeys a timeout']],
    ['ttl', { ttl: 1 }, form === 'pullThrough' || form === 'workerPool of pullFrom' ? [] : ['dropped: expired']],
    ['ordered', { ordered: true }, []],
    ['isLive', { isLive: true }, ['workers change']],
  ];
  // What pullThrough pulls has a place: no overflow policy applies.
  const left = form === 'pullThrough' ? 'drop-lowest' : '';
  const there = policies.filter(([name, rules]) => name !== left && isThere({ ...LEAST, ...rules }));
  return [
    ...there.flatMap(([name, , occurs]) => [name, ...occurs]),
    ...WORKS.map((work) => `work: ${work}`),
    ...['drain', 'discard', 'abort', 'abandon', 'running → completed', 'running → aborted', 'the results complete'],
    ...(isHandle ? ['pause', 'resume', 'running → failed'] : ['downstream leaves']),
    ...(form === 'BackgroundJobs'
      ? ['offer', 'send', 'submit', 'submit, wait', 'a caller gives up', 'queued → aborted', 'dropped: withdrawn']
      : []),
    ...(form === 'workerPool' || form === 'workerPool of pullFrom' || form === 'pullThrough'
      ? ['the results fail']
      : []),
    ...(form === 'pullThrough' || form === 'workerPool of pullFrom' || form === 'listenTo an iterable'
      ? []
      : ['dropped: evicted', 'dropped: full', 'dropped: shutdown']),
  ];
}

async function check(program: Program, tally: Map<string, number>): Promise<void> {
  const breaches = await run(program, tally);
  if (breaches.length > 0) throw new Error(breaches.join('\n'));
}

describe('all policies together', function () {
  this.timeout(20_000 + RUNS * 100);

  for (const form of FORMS) {
    it(`${form} keeps the law, the bounds, the windows and every promise`, async () => {
      const tally = new Map<string, number>();
      const any = programs(form, isThere);
      await fc.assert(
        fc.asyncProperty(any, (program) => check(program, tally)),
        { numRuns: RUNS, seed: SEED },
      );
      await turn();
      expect([...new Set(takeReported().map(String))], 'reported').to.deep.equal([]);
      expect(
        required(form).filter((what) => !tally.has(what)),
        'never occurred',
      ).to.deep.equal([]);
    });
  }
});
