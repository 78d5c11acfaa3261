// "Coming from": each line of the README's tables is run, there with the library that it names and here with ours, on the same
// jobs. What is not the same is said in the line's last column, and asserted here.
import { expect } from 'chai';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { BehaviorSubject, from, isObservable, lastValueFrom, map, mergeMap, Observable, timer, toArray } from 'rxjs';
import type { OperatorFunction } from 'rxjs';
import * as library from '../src/index.js';
import { marbles } from './support/marbles.js';

const root = join(__dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

interface Row {
  readonly from: string;
  readonly there: readonly string[];
  readonly here: readonly string[];
  readonly note: string;
}

const codeOf = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
const section = /^## Coming from\n([\s\S]*?)^## /m.exec(readme)![1]!;
const rows: Row[] = [...section.matchAll(/^\| *(\S.*?) *\| *(`.*?`) *\| *(`.*?`) *\|(.*)\|$/gm)].map(
  ([, name, there, here, note]) => ({ from: name!, there: codeOf(there!), here: codeOf(here!), note: note!.trim() }),
);

/** A peer: those of the benchmark where they are installed, else what stands in package.json. */
function peer(name: string): Record<string, unknown> & ((...args: unknown[]) => unknown) {
  const bench = join(root, 'spec/bench/node_modules', name);
  return createRequire(existsSync(bench) ? join(bench, 'package.json') : __filename)(name) as ReturnType<typeof peer>;
}
const defaultOf = (name: string): never => ((peer(name)['default'] as object | undefined) ?? peer(name)) as never;

/** So many turns of the event loop. */
async function turns(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Jobs of a few turns each, and what was seen of them. */
class World {
  readonly starts: number[] = [];
  running = 0;
  most = 0;
  ended = 0;
  readonly workers$ = new BehaviorSubject(5);
  /** A job goes on when so many have once run together: bottleneck takes its time to start them. */
  meeting = 0;
  /** This job fails. */
  failing = NaN;

  readonly work = async (x: number): Promise<number> => {
    this.starts.push(x);
    this.most = Math.max(this.most, ++this.running);
    while (this.most < this.meeting) await turns(1);
    await turns(2 + (x % 3));
    this.running--;
    this.ended++;
    if (x === this.failing) throw new Error(`no ${x}`);
    return x * 2;
  };
}

const xs = Array.from({ length: 12 }, (_, x) => x);
type Names = Readonly<Record<string, unknown>>;

/** What is in scope there, by the peer. */
const THERE: Readonly<Record<string, (world: World) => Names>> = {
  'p-queue': ({ work }) => {
    const PQueue = defaultOf('p-queue') as new (options: object) => object;
    return { PQueue, work, queue: new PQueue({ concurrency: 5 }) };
  },
  'p-limit': ({ work }) => ({ work, limit: (defaultOf('p-limit') as (n: number) => unknown)(5) }),
  'p-map': ({ work }) => ({ work, pMap: defaultOf('p-map'), pMapIterable: peer('p-map')['pMapIterable'] }),
  fastq: ({ work }) => ({ work, queue: (peer('fastq')['promise'] as (w: unknown, n: number) => unknown)(work, 5) }),
  async: ({ work }) => {
    const { queue, mapLimit } = peer('async');
    return { work, mapLimit, queue: (queue as (w: unknown, n: number) => unknown)(work, 5) };
  },
  bottleneck: ({ work }) => {
    const Bottleneck = defaultOf('bottleneck') as new (options: object) => object;
    return { Bottleneck, work, limiter: new Bottleneck({ maxConcurrent: 5 }) };
  },
  'Node streams': ({ work }) => ({ work, Readable }),
  RxJS: ({ work }) => ({ work, mergeMap }),
  Go: () => ({}),
};

/** What is in scope here. */
function namesHere({ work, workers$ }: World, config: object = {}): Names {
  const jobs = new library.BackgroundJobs(work, { workers: 5, buffer: Infinity, ...config });
  return { ...library, lastValueFrom, toArray, from, jobs, work, workers$ };
}

interface Side {
  readonly world: World;
  readonly names: Names;
  /** Evaluates the cell's code, or its i-th, with these names besides. */
  readonly run: (more?: Names, i?: number) => unknown;
}

function sides(row: Row, config?: object): readonly [Side, Side] {
  const side = (codes: readonly string[], world: World, scope: Names): Side => {
    const names: Names = { xs, source$: from(xs), ...scope };
    return {
      world,
      names,
      run: (more = {}, i = 0) => {
        const all = { ...names, ...more };
        // eslint-disable-next-line @typescript-eslint/no-implied-eval -- our own README
        return (new Function(...Object.keys(all), `return (${codes[i]!})`) as (...args: unknown[]) => unknown)(
          ...Object.values(all),
        );
      },
    };
  };
  const [there, here] = [new World(), new World()];
  return [side(row.there, there, THERE[row.from]!(there)), side(row.here, here, namesHere(here, config))];
}

/** All that a promise, an Observable or an async iterable gives. */
async function collect(result: unknown): Promise<unknown> {
  if (isObservable(result)) return lastValueFrom(result.pipe(toArray()));
  if (typeof result === 'object' && result !== null && Symbol.asyncIterator in result) {
    const values: unknown[] = [];
    for await (const value of result as AsyncIterable<unknown>) values.push(value);
    return values;
  }
  return result;
}

/** The jobs are all begun in one call each. */
const ADD: Readonly<Record<string, string>> = {
  'p-queue': 'queue.add(() => work(x))',
  'p-limit': 'limit(() => work(x))',
  fastq: 'queue.push(x)',
  async: 'queue.push(x)',
  bottleneck: 'limiter.schedule(() => work(x))',
};

/** Gives a side's queue the jobs, by its own call or by the one that is said, and tells what has become of each promise. */
function begin(
  row: Row,
  [there, here]: readonly [Side, Side],
  jobs: readonly number[] = xs,
): Record<'there' | 'here', string[]> {
  const start = ({ names }: Side, code: string): string[] => {
    const states = jobs.map(() => 'pending');
    jobs.forEach((x, i) => {
      const all = { ...names, x };
      // eslint-disable-next-line @typescript-eslint/no-implied-eval -- our own table
      const call = new Function(...Object.keys(all), `return ${code}`) as (...args: unknown[]) => Promise<unknown>;
      call(...Object.values(all)).then(
        () => (states[i] = 'fulfilled'),
        (error: Error) => (states[i] = error.name),
      );
    });
    return states;
  };
  return { there: start(there, ADD[row.from]!), here: start(here, 'jobs.submit(x)') };
}

type Play = (row: Row) => Promise<void> | void;

/** The same results, the same order of starts, as many at once. */
const each: Play = async (row) => {
  const play = async ({ world, run }: Side): Promise<object> => {
    world.meeting = 5;
    const results = await Promise.all(xs.map((x) => run({ x })));
    return { results, starts: world.starts, most: world.most };
  };
  const [there, here] = sides(row);
  expect(await play(here)).to.eql(await play(there));
  expect(here.world.most).to.equal(5);
};

const all: Play = async (row) => {
  const play = async ({ world, run }: Side): Promise<object> => {
    const results = await collect(run());
    return { results, starts: world.starts, most: world.most };
  };
  const [there, here] = sides(row);
  expect(await play(here)).to.eql(await play(there));
  expect(here.world.most).to.equal(5);
};

/** As many results and starts, and the same first failure. */
const failing: Play = async (row) => {
  await all(row);
  for (const { world, run } of sides(row)) {
    world.failing = 9;
    const error = await Promise.resolve(collect(run())).catch((reason: unknown) => reason);
    expect(error).to.have.property('message', 'no 9');
    await turns(20);
  }
};

/** What each expression says while five jobs run and seven wait. */
const numbers: Play = async (row) => {
  const both = sides(row);
  begin(row, both);
  await turns(1);
  const [there, here] = both.map(({ run }) => row.there.map((_, i) => sizeOf(run({}, i))));
  expect(here).to.eql(there);
  expect(here).to.include.oneOf([5, 7]);
  await turns(20);
};
const sizeOf = (value: unknown): unknown => (Array.isArray(value) ? value.length : value);

/**
 * As each; and the second expression is a promise that is fulfilled when all jobs have ended. Where nothing runs it is so here at
 * once, and there where the line does not say otherwise: async waits for the next drain.
 */
const pushed: Play = async (row) => {
  await each(row);
  const both = sides(row);
  begin(row, both);
  for (const { world, run } of both) {
    await run({}, 1);
    expect(world.ended).to.equal(xs.length);
  }
  const resolved: string[] = [];
  const fresh = sides(row);
  (['there', 'here'] as const).forEach((name, i) => {
    void (fresh[i]!.run({}, 1) as Promise<void>).then(() => resolved.push(name));
  });
  await turns(5);
  expect(resolved).to.have.members(row.note.includes('there never') ? ['here'] : ['there', 'here']);
};

/** What waits never runs. There its promises never settle, here they reject. */
const clearing: Play = async (row) => {
  const both = sides(row);
  const states = begin(row, both);
  await turns(1);
  for (const { run } of both) run();
  await turns(20);
  for (const { world } of both) expect(world.ended).to.equal(5);
  const ran = Array(5).fill('fulfilled') as string[];
  expect(states.there).to.eql([...ran, ...(Array(7).fill('pending') as string[])]);
  expect(states.here).to.eql([...ran, ...(Array(7).fill('JobDroppedError') as string[])]);
};

/** The first expression holds all starts, the second lets them go on. */
const pausing: Play = async (row) => {
  const both = sides(row);
  for (const { run } of both) run();
  begin(row, both);
  await turns(3);
  for (const { world } of both) expect(world.starts).to.eql([]);
  for (const { run } of both) run({}, 1);
  await turns(20);
  for (const { world } of both) expect(world.ended).to.equal(xs.length);
};

const resizing: Play = async (row) => {
  const [there] = sides(row);
  const world = new World();
  const config = { workers: world.workers$ };
  const here = { ...sides(row)[1], world, names: namesHere(world, config) };
  begin(row, [there, here]);
  await turns(1);
  there.run();
  here.run({ workers$: world.workers$ });
  await turns(1);
  expect([there.world.most, here.world.most]).to.eql([8, 8]);
  await turns(20);
};

/** A queue of its own, made by the expression, which is given jobs as ever. */
const made: (check: (row: Row, both: readonly [Side, Side]) => Promise<void>) => Play = (check) => async (row) => {
  const [there, here] = sides(row);
  const name = row.from === 'bottleneck' ? 'limiter' : 'queue';
  const both = [
    { ...there, names: { ...there.names, [name]: there.run() } },
    { ...here, names: { ...here.names, jobs: here.run() } },
  ] as const;
  await check(row, both);
};

/** So many start at once, and in time all have ended. */
const limited = (atOnce: number): Play =>
  made(async (row, both) => {
    const states = begin(row, both, xs.slice(0, atOnce + 1));
    for (const { world } of both) while (world.starts.length < atOnce) await turns(1);
    for (const { world } of both) expect(world.starts).to.have.lengthOf(atOnce);
    while ([...states.there, ...states.here].includes('pending')) await turns(1);
    expect(states.here).to.eql(states.there);
  });

/** A promise that ignores its time. There the next job starts beside it, here it waits. */
const timedOut: Play = made(async (row, both) => {
  const ends = both.map(({ world }) => {
    let end = (): void => undefined;
    const hangs = new Promise<void>((resolve) => (end = resolve));
    const { work } = world;
    Object.assign(world, { work: (x: number) => Promise.all([hangs, work(x)]) });
    return end;
  });
  // The expressions were evaluated with the world's own work, so they are again.
  const [there, here] = sides(row).map((side, i) => ({ ...side, world: both[i]!.world }));
  const work = (side: Side | undefined): Names => ({ work: side!.world.work });
  const fresh = [
    { ...there!, names: { ...there!.names, ...work(there), queue: there!.run(work(there)) } },
    { ...here!, names: { ...here!.names, ...work(here), jobs: here!.run(work(here)) } },
  ] as const;
  const states = begin(row, fresh, [0, 1]);
  while (states.there.includes('pending') || states.here[0] === 'pending') await turns(1);
  expect(states.there).to.eql(['TimeoutError', 'TimeoutError']);
  expect(states.here).to.eql(['TimeoutError', 'pending']);
  expect([fresh[0].world.starts, fresh[1].world.starts]).to.eql([[0, 1], [0]]);
  for (const end of ends) end();
  while (states.here.includes('pending')) await turns(1);
});

/** The job with the higher number starts first among those that wait. */
const ranked: Play = async (row) => {
  const [there] = sides(row);
  const world = new World();
  const here = sides(row)[1];
  const queue = library.byPriority((x: number) => x);
  const jobs = new library.BackgroundJobs(world.work, { workers: 5, buffer: Infinity, queue });
  await Promise.all(xs.flatMap((x) => [there.run({ x }), here.run({ x, jobs })]));
  expect(world.starts).to.eql(there.world.starts);
  expect(world.starts[5]).to.equal(11);
};

/** A job that waits is given up. */
const givenUp: Play = async (row) => {
  for (const { world, run, names } of sides(row)) {
    const controller = new AbortController();
    const work = names['work'] as World['work'];
    const jobs = xs.slice(0, 7).map((x) => run({ x, work, signal: controller.signal }) as Promise<unknown>);
    controller.abort(new Error('given up'));
    const ends = await Promise.allSettled(jobs);
    expect((ends[6] as PromiseRejectedResult).reason).to.have.property('message', 'given up');
    expect(world.starts).not.to.include(6);
    await turns(20);
  }
};

/** A producer that waits for room. */
const waiting: Play = async (row) => {
  const [there, here] = sides(row, { buffer: 2 });
  let most = 0;
  const queue = there.names['queue'] as { readonly size: number; add: (task: () => unknown) => Promise<unknown> };
  for (const x of xs) {
    await there.run({ x });
    void queue.add(() => there.world.work(x));
    most = Math.max(most, queue.size);
  }
  expect(most).to.equal(2);
  const jobs = here.names['jobs'] as { readonly stats: { readonly queued: number }; idle: () => Promise<void> };
  most = 0;
  for (const x of xs) {
    await here.run({ x });
    most = Math.max(most, jobs.stats.queued);
  }
  expect(most).to.equal(2);
  await jobs.idle();
  await turns(20);
  expect(here.world.ended).to.equal(there.world.ended);
};

/** No more is taken, what waits is run, and the promise is fulfilled when it has ended. */
const stopping: Play = async (row) => {
  const both = sides(row);
  begin(row, both);
  for (const { world } of both) while (world.starts.length < 5) await turns(1);
  for (const { world, run } of both) {
    await run();
    expect(world.ended).to.equal(xs.length);
  }
};

/** Both keep the last value that came while a job ran. */
const trailing: Play = (row) =>
  marbles(({ hot, expectObservable }) => {
    const { exhaustMapWithTrailing } = peer('rxjs-exhaustmap-with-trailing');
    const work = (job: string): Observable<string> => timer(5).pipe(map(() => job));
    for (const [code, names] of [
      [row.there[0]!, { exhaustMapWithTrailing }],
      [row.here[0]!, library],
    ] as const) {
      const all = { ...names, work };
      // eslint-disable-next-line @typescript-eslint/no-implied-eval -- our own README
      const make = new Function(...Object.keys(all), `return (${code})`) as (
        ...args: unknown[]
      ) => OperatorFunction<string, string>;
      expectObservable(hot('-abcd-------e---|').pipe(make(...Object.values(all)))).toBe('------a----d-----(e|)');
    }
  });

const operator: Play = async (row) => {
  const play = async ({ world, run }: Side): Promise<object> => {
    const results = await lastValueFrom(from(xs).pipe(run() as OperatorFunction<number, number>, toArray()));
    return { results, starts: world.starts, most: world.most };
  };
  const [there, here] = sides(row);
  expect(await play(here)).to.eql(await play(there));
};

/** There is no Go here: what its lines do on this side (demo 17 has the program). */
const go: Play = async (row) => {
  const [, { names, run, world }] = sides(row, { workers: 1, buffer: 1, overflow: 'drop-incoming' });
  expect([run({ x: 0 }), run({ x: 1 }), run({ x: 2 })]).to.eql([true, true, false]);
  for (const x of xs) await run({ x }, 1);
  expect((names['jobs'] as library.BackgroundJobs<number, number>).stats.queued).to.equal(1);
  await run({}, 2);
  expect(world.ended).to.equal(2 + xs.length);
};

const PLAYS: Readonly<Record<string, Play>> = {
  'queue.add(() => work(x))': pushed,
  'queue.addAll(xs.map((x) => () => work(x)))': all,
  'queue.add(() => work(x), { priority: x })': ranked,
  'queue.add(() => work(x), { signal })': givenUp,
  'queue.size': numbers,
  'queue.onSizeLessThan(2)': waiting,
  'queue.pause()': pausing,
  'queue.clear()': clearing,
  'queue.concurrency = 8': resizing,
  'new PQueue({ concurrency: 1, timeout: 20 })': timedOut,
  'new PQueue({ intervalCap: 2, interval: 200 })': limited(2),
  'limit(() => work(x))': each,
  'limit.clearQueue()': clearing,
  'pMap(xs, work, { concurrency: 5 })': failing,
  'queue.push(x)': pushed,
  'queue.kill()': clearing,
  'mapLimit(xs, 5, work)': failing,
  'limiter.schedule(() => work(x))': each,
  'new Bottleneck({ minTime: 200 })': limited(1),
  'limiter.stop({ dropWaitingJobs: false })': stopping,
  'Readable.from(xs).map(work, { concurrency: 5 })': failing,
  'mergeMap(work, 5)': operator,
  'exhaustMapWithTrailing(work)': trailing,
  'select { case ch <- x: default: }': go,
};

describe('README, coming from', () => {
  it('has a program here for each line', () => {
    expect(rows.map(({ there }) => there[0])).to.have.members(Object.keys(PLAYS).concat('queue.push(x)'));
  });

  it('says where promises never settle there', () => {
    const clears = rows.filter(({ there }) => PLAYS[there[0]!] === clearing);
    for (const { note } of clears) expect(note).to.match(/never settle|^the same$/);
  });

  for (const row of rows) it(`${row.from}: ${row.there.join(', ')}`, () => PLAYS[row.there[0]!]!(row));
});
