// Three tenants share three workers, and one of them floods the pool. Three pictures of the same jobs:
//
// 1. First come, first served: the flood fills the buffer, and the others lose their jobs.
// 2. A lane for each tenant: at most two of its jobs run, at most four wait, and the tenants take turns. So only the flood
//    loses jobs. Inside a lane urgent jobs (capitals) go first: job c of the flood waits until no more of them come.
// 3. The same with ageing: twelve ticks of waiting weigh as much as being urgent, so job c has its turn in time.
//
// In virtual time, so the pictures are exact. A column is a tick, and each job takes four of them.
//
// Run it with: node -r ts-node/register/transpile-only demos/11-tenants.ts
import { delay, map, merge, of } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { byKey, byPriority, workerPoolSettled } from '../src/index.js';
import type { JobQueue } from '../src/index.js';

const TICKS = 4;
const OFFERS = {
  flood: 'abcDEFGHIJKLMNOPQRSTUVWXYZ--------',
  brisk: '--a--b--c--D--e--f--g--h--i-------',
  small: '-------a--------B--------c--------',
};

type Tenant = keyof typeof OFFERS;
interface Job {
  readonly tenant: Tenant;
  readonly letter: string;
}
const tenants = Object.keys(OFFERS) as Tenant[];

function lanes(ageing: number): JobQueue<Job> {
  const urgency = ({ letter }: Job): number => (letter === letter.toUpperCase() ? 1 : 0);
  return byKey(({ tenant }: Job) => tenant, { limit: 2, most: 4, lane: byPriority(urgency, { ageing }) });
}

/** Writes into the first row that is free at this tick, or into a new one. */
function write(rows: string[], tick: number, marks: string): void {
  const free = rows.findIndex((row) => row.length <= tick);
  const row = free < 0 ? rows.length : free;
  rows[row] = (rows[row] ?? '').padEnd(tick) + marks;
}

function draw(title: string, queue?: JobQueue<Job>): void {
  const runs: Record<Tenant, string[]> = { flood: [], brisk: [], small: [] };
  const lost: Record<Tenant, string[]> = { flood: [], brisk: [], small: [] };
  const clock = new TestScheduler(() => undefined);
  clock.run(({ hot }) => {
    const offers = tenants.map((tenant) => hot(OFFERS[tenant]).pipe(map((letter): Job => ({ tenant, letter }))));
    const started = ({ tenant, letter }: Job): void => write(runs[tenant], clock.now(), letter.repeat(TICKS));
    const config = { workers: 3, buffer: 9, overflow: 'drop-incoming', queue, hooks: { started } } as const;
    const work = (job: Job) => of(job).pipe(delay(TICKS));
    merge(...offers)
      .pipe(workerPoolSettled(work, config))
      .subscribe(({ job: { tenant, letter }, status }) => {
        if (status === 'dropped') write(lost[tenant], clock.now(), letter);
      });
  });

  console.log(`\n${title}`);
  for (const tenant of tenants) {
    console.log(`  ${tenant}  offers  ${OFFERS[tenant]}`);
    for (const row of runs[tenant]) console.log(`         runs    ${row}`);
    for (const row of lost[tenant]) console.log(`         lost    ${row}`);
  }
}

console.log('3 workers, buffer: 9, overflow: drop-incoming');
console.log('a letter is a job, a capital an urgent one; a column is a tick, and each job runs for four');
draw('1. first come, first served');
draw('2. byKey(tenant, { limit: 2, most: 4, lane: byPriority(urgency) })', lanes(Infinity));
draw('3. byKey(tenant, { limit: 2, most: 4, lane: byPriority(urgency, { ageing: 12 }) })', lanes(12));
