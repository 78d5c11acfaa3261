// The doc comment of PoolConfig draws each policy in a line: here each line is run.
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { asyncScheduler, map, NEVER, Subject, timer } from 'rxjs';
import type { Observable } from 'rxjs';
import { BackgroundJobs, byKey, byPriority, coalesced, workerPoolSettled } from '../src/index.js';
import type { JobOutcome, PoolConfig, Work } from '../src/index.js';
import { marbles } from './support/marbles.js';

const reference = readFileSync(join(__dirname, '../src/types.ts'), 'utf8').replace(/^ \* ?/gm, '');
const [, SOURCE, block] = /^ {4}source +(\S+) +1 worker, buffer: 9, jobs of 5 frames\n((?: {4}.*\n)+)/m.exec(
  reference,
)!;
/** By what stands at its left: a line's marbles. */
const drawn = new Map(
  [...block!.matchAll(/^ {4} *(\S.*?) {2,}(\S+)(?: {2}.*)?$/gm)].map(([, label, line]) => [label!, line!]),
);

type StringWork = Work<string, Observable<string>>;
type Config = Partial<PoolConfig<string, string>> & { readonly work?: StringWork };

const takes5: StringWork = (job) => timer(5).pipe(map(() => job));
const bHangs: StringWork = (job, context) => (job === 'b' ? NEVER : takes5(job, context));
const bFailsOnce: StringWork = (job, context) =>
  job === 'b' && context.attempt === 1 ? timer(5).pipe(map(() => fail())) : takes5(job, context);
function fail(): never {
  throw new Error('no');
}

const letter = (job: string): number => job.charCodeAt(0);
const urgent = (job: string): number => (job === 'c' ? 1 : 0);
const key = (job: string): string => (job === 'd' ? 'd' : 'a, b and c');
const merge = (waiting: string, incoming: string): string => waiting + incoming;

const CONFIGS: Readonly<Record<string, Config>> = {
  'no policy': {},
  'ttl: 9': { ttl: 9 },
  'timeout: 6': { timeout: 6, work: bHangs },
  'retry: { count: 1, delay: 2 }': { retry: { count: 1, delay: 2 }, work: bFailsOnce },
  '  and ordered: true': { retry: { count: 1, delay: 2 }, work: bFailsOnce, ordered: true },
  'rateLimit: { limit: 2, interval: 12 }': { rateLimit: { limit: 2, interval: 12 } },
  'queue: byPriority(letter)': { queue: byPriority(letter) },
  "  buffer: 2, 'drop-lowest'": { queue: byPriority(letter), buffer: 2, overflow: 'drop-lowest' },
  'queue: byKey(key)': { queue: byKey(key) },
  '  { limit: 2 }, 3 workers': { queue: byKey(key, { limit: 2 }), workers: 3 },
  "  { most: 1 }, 'drop-oldest'": { queue: byKey(key, { most: 1 }), overflow: 'drop-oldest' },
  '  { lane: byPriority(urgent) }': { queue: byKey(key, { lane: byPriority(urgent) }) },
  'queue: coalesced(key, merge)': { queue: coalesced(key, merge) },
};

/** A job that has completed is its letter, and any other a capital; m is what has been merged. */
const markOf = ({ job, status }: JobOutcome<string, unknown>): string =>
  status === 'completed' ? (job.length > 1 ? 'm' : job) : job.toUpperCase();

describe('the reference, each policy', () => {
  const labels = [...Object.keys(CONFIGS).map((label) => label.trim()), 'workers', 'jobs.pause(6) at 8'];

  it('has a program here for each line', () => {
    expect([...drawn.keys()].map((label) => label.replace(/^workers: .*/, 'workers')).sort()).to.eql(labels.sort());
  });

  for (const [label, { work = takes5, ...config }] of Object.entries(CONFIGS)) {
    it(label.trim(), () =>
      marbles(({ hot, expectObservable }) => {
        const outcomes = hot(SOURCE!).pipe(workerPoolSettled(work, { workers: 1, buffer: 9, ...config }));
        expectObservable(outcomes.pipe(map(markOf))).toBe(drawn.get(label.trim())!);
      }),
    );
  }

  it('workers', () =>
    marbles(({ hot, expectObservable }) => {
      const [label, line] = [...drawn].find(([name]) => name.startsWith('workers: '))!;
      const workers = hot(label.slice('workers: '.length)).pipe(map((marble) => Number(marble)));
      const outcomes = hot(SOURCE!).pipe(workerPoolSettled(takes5, { workers, buffer: 9 }));
      expectObservable(outcomes.pipe(map(markOf))).toBe(line);
    }));

  it('pause', () =>
    marbles(({ hot, expectObservable }) => {
      const jobs = new BackgroundJobs(takes5, { workers: 1, buffer: 9, overflow: 'drop-incoming' });
      const seen = new Subject<string>();
      jobs.outcomes$.pipe(map(markOf)).subscribe(seen);
      jobs.listenTo(hot(SOURCE!)).add(() => void jobs.shutdown());
      asyncScheduler.schedule(() => jobs.pause(6), 8);
      expectObservable(seen).toBe(drawn.get('jobs.pause(6) at 8')!);
    }));
});
