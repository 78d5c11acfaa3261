// CPU time per job, in ratios of one run: each case in a process of its own, rounds alternated, the median of the rounds' ratios.
//
//   npm run bench                                  everything: about half an hour
//   npm run bench -- --bursts --only fastq,p-limit  one long-lived queue each, bursts of 1 to 200,000 jobs
//   npm run bench -- --fresh                       fresh pipelines, and what each option costs
//   npm run bench -- --real                        work that costs something
//   npm run bench -- --stalls                      how long timers wait during a flood
//   npm run bench -- --json                        for machines
//   npm run bench -- --readme                      writes the tables of both READMEs
//   npm run bench -- --pictures folder             draws cost over the size of the burst, and the stalls
//   npm run bench -- --against HEAD~9              the bare pool against that commit's build: fails where it is 10 % slower
//   ROUNDS=9 npm run bench
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const FRESH = Number(process.env.JOBS ?? 200_000);
const SIZES = [1, 10, 1000, 10_000, 200_000];
const STALLED = ['workerPool, Subject', 'BackgroundJobs.submit', 'fastq', 'async.queue', 'p-queue'];
const FLOOD = 1_000_000;
/** So many of the flood's jobs come in one call; the next ones when these have settled. */
const CHUNK = 1000;
/** Milliseconds. A case that takes longer has no figure. */
const PATIENCE = 120_000;
const self = fileURLToPath(import.meta.url);
const root = fileURLToPath(new URL('../../', import.meta.url));
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

// ---- In a process of its own

const MEASURES = {
  async fresh(name) {
    const { cases } = await import('./cases.mjs');
    const jobs = Array.from({ length: FRESH }, (_, i) => i);
    return cpuOf(() => cases[name](jobs), FRESH);
  },
  async bursts(name, size) {
    const { bursts } = await import('./bursts.mjs');
    const burst = bursts[name].make(async (x) => x);
    const jobs = Array.from({ length: Number(size) }, (_, i) => i);
    return cpuOf(() => burst(jobs), Number(size));
  },
  async real(name, peer) {
    const [{ bursts }, { real }] = await Promise.all([import('./bursts.mjs'), import('./real.mjs')]);
    const { close, jobs: count, work } = await real[name]();
    const jobs = Array.from({ length: count }, (_, i) => i);
    const burst = bursts[peer].make(work);
    await burst(jobs);
    const start = performance.now();
    await burst(jobs);
    const time = performance.now() - start;
    await close();
    return (time * 1e6) / count;
  },
  /** Each wait of a timer of no delay, with the time at which it ended, in milliseconds. */
  async stalls(name) {
    const { bursts } = await import('./bursts.mjs');
    const burst = bursts[name].make(async (x) => x);
    const jobs = Array.from({ length: CHUNK }, (_, i) => i);
    for (let i = 0; i < 20; i++) await burst(jobs);
    const waits = [];
    const start = performance.now();
    let last = start;
    let isOver = false;
    const look = () => {
      const now = performance.now();
      waits.push([now - start, now - last]);
      last = now;
      if (!isOver) setTimeout(look);
    };
    setTimeout(look);
    for (let i = 0; i < FLOOD; i += CHUNK) await burst(jobs);
    isOver = true;
    look();
    return waits;
  },
};

/** Nanoseconds of CPU per job: warmed up for at least 400 ms, then the median of seven times 100 ms. */
async function cpuOf(run, jobs) {
  const during = async (ms) => {
    const start = performance.now();
    const before = process.cpuUsage();
    let count = 0;
    do {
      await run();
      count += jobs;
    } while (performance.now() - start < ms);
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1000) / count;
  };
  await during(400);
  const times = [];
  for (let i = 0; i < 7; i++) times.push(await during(100));
  return median(times);
}

function inProcess(measure, name, argument = '', env = {}) {
  try {
    const output = execFileSync(process.execPath, [self, '--measure', measure, name, String(argument)], {
      encoding: 'utf8',
      timeout: PATIENCE,
      env: { ...process.env, ...env },
      maxBuffer: 2 ** 28,
    });
    return JSON.parse(output);
  } catch (error) {
    if (error.code === 'ETIMEDOUT') return NaN;
    throw error;
  }
}

// ---- Tables

/** @returns by name, each round's figure in each column */
function rounds(measure, names, columns) {
  const figures = Object.fromEntries(names.map((name) => [name, columns.map(() => [])]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, column] of columns.entries()) {
      for (const name of names) {
        const figure = figures[name][i];
        // What was too slow once is not tried again.
        figure.push(Number.isNaN(figure[0]) ? NaN : inProcess(measure, name, column));
      }
    }
  }
  return figures;
}

/** The median of the rounds' ratios. */
const ratio = (times, floor) => median(times.map((time, i) => time / floor[i]));
const cell = (number, digits = 2) => (Number.isNaN(number) ? '–' : +number.toPrecision(digits));

async function measureBursts(only) {
  const { bursts, title } = await import('./bursts.mjs');
  const names = Object.keys(bursts).filter((name) => only === undefined || only.includes(name) || name === 'fastq');
  const figures = rounds('bursts', names, SIZES);
  const rows = names.map((name) => ({
    name,
    title: title(bursts[name]),
    isOurs: bursts[name].of === undefined && name !== 'floor' && name !== 'Readable.map',
    context: bursts[name].context,
    nanoseconds: figures[name].map((times) => Math.round(median(times))),
    ratios: figures[name].map((times, i) => ratio(times, figures.fastq[i])),
  }));
  return { jobs: SIZES, unit: 'fastq', rows };
}

async function measureFresh(only) {
  const { cases } = await import('./cases.mjs');
  const names = Object.keys(cases).filter(
    (name) => only === undefined || only.includes(name) || ['floor', 'workerPool'].includes(name),
  );
  const figures = rounds('fresh', names, ['']);
  const rows = names.map((name) => ({
    name,
    nanoseconds: Math.round(median(figures[name][0])),
    toFloor: ratio(figures[name][0], figures.floor[0]),
    toBare: ratio(figures[name][0], figures.workerPool[0]),
  }));
  return { jobs: FRESH, rows };
}

async function measureReal() {
  const { real } = await import('./real.mjs');
  const peers = ['workerPool, Subject', 'BackgroundJobs.submit', 'fastq', 'p-limit', 'p-queue', 'mergeMap'];
  const rows = Object.keys(real).map((name) => {
    const times = peers.map(() => []);
    for (let round = 0; round < ROUNDS; round++)
      for (const [i, peer] of peers.entries()) times[i].push(inProcess('real', name, peer));
    const fastq = times[peers.indexOf('fastq')];
    return {
      name,
      microseconds: median(fastq) / 1000,
      ratios: times.map((time) => ratio(time, fastq)),
    };
  });
  return { peers, rows };
}

function measureStalls() {
  return STALLED.map((name) => ({ name, waits: inProcess('stalls', name) }));
}

const machine = `Node ${process.version}, ${cpus()[0].model}, ${availableParallelism()} cores`;

function print({ bursts, fresh, real, stalls }) {
  console.log(`8 workers; ${ROUNDS} rounds; ${machine}`);
  if (bursts) {
    console.log(
      `\nOne long-lived queue, bursts of so many promise jobs; CPU time per job, as a multiple of fastq's (and in ns)`,
    );
    const row = ({ nanoseconds, ratios, title, context }) => ({
      case: title.replaceAll('`', ''),
      ...Object.fromEntries(SIZES.map((size, i) => [size, `${cell(ratios[i])} (${cell(nanoseconds[i], 4)})`])),
      context: context === undefined ? '' : context ? 'kept' : 'lost',
    });
    console.table(bursts.rows.map(row));
  }
  if (fresh) {
    console.log(`\nA fresh pipeline for ${fresh.jobs} promise jobs; CPU time per job`);
    console.table(
      fresh.rows.map(({ name, nanoseconds, toBare, toFloor }) => ({
        case: name,
        '× floor': cell(toFloor),
        '× bare': cell(toBare, 3),
        ns: nanoseconds,
      })),
    );
  }
  if (real) {
    console.log(`\nReal work; elapsed time, as a multiple of fastq's`);
    const row = ({ microseconds, name, ratios }) => ({
      work: name,
      'µs a job': cell(microseconds, 3),
      ...Object.fromEntries(real.peers.map((peer, i) => [peer, cell(ratios[i], 3)])),
    });
    console.table(real.rows.map(row));
  }
  if (stalls) {
    console.log(`\nThe longest wait of a timer of no delay, while ${FLOOD} promise jobs run, ${CHUNK} in a call; ms`);
    console.table(
      stalls.map(({ name, waits }) => ({ case: name, ms: cell(Math.max(...waits.map(([, wait]) => wait))) })),
    );
  }
}

// ---- What becomes of them

const MARKS = ['<!-- measured by npm run bench -->', '<!-- measured: end -->'];

const IN_README = [
  'fastq',
  'workerPool, Observable',
  'workerPool, Subject',
  'async.queue',
  'mergeMap',
  'BackgroundJobs.submit',
  'fastq.promise',
  'p-limit',
  'p-queue',
];

const inMarkdown = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

function burstsInMarkdown(rows) {
  const head = ['burst', ...SIZES.map((size) => size.toLocaleString('en'))];
  const row = ({ context, isOurs, nanoseconds, ratios, title }) => [
    (isOurs ? `**${title}**` : title) + (context ? ', context' : ''),
    ...ratios.map((number, i) => (Number.isNaN(number) ? '–' : `${cell(number)} (${cell(nanoseconds[i])})`)),
  ];
  return `CPU time per job as a multiple of fastq's with callbacks, and in nanoseconds: empty promise jobs, 8 workers, one long-lived queue, bursts of so many jobs, each peer by its fastest call (context: the job runs in that of the call that brought it). ${machine}; median of ${ROUNDS} rounds. \`npm run bench -- --bursts\` measures yours.

${inMarkdown(head, rows.map(row))}`;
}

function realInMarkdown({ peers, rows }) {
  const row = ({ microseconds, name, ratios }) => [
    name,
    cell(microseconds, 3),
    ...ratios.map((number) => cell(number)),
  ];
  return `Work that costs something: elapsed time as a multiple of fastq's, and fastq's in microseconds a job.

${inMarkdown(['work', 'µs', ...peers], rows.map(row))}`;
}

function freshInMarkdown({ jobs, rows }) {
  const row = ({ name, nanoseconds, toBare, toFloor }) => [name, cell(toFloor), cell(toBare), nanoseconds];
  return `A fresh pipeline for ${jobs.toLocaleString('en')} promise jobs: CPU time per job as a multiple of eight bare loops', of the bare pool's, and in nanoseconds.

${inMarkdown(['case', '× floor', '× bare', 'ns'], rows.map(row))}`;
}

/** Writes the tables between the marks of both READMEs: all of them beside this file. */
function writeReadmes({ bursts: { rows }, fresh, real }) {
  const write = (file, sections) => {
    const path = join(root, file);
    const readme = readFileSync(path, 'utf8');
    const [before, rest] = readme.split(MARKS[0]);
    const after = rest?.split(MARKS[1])[1];
    if (after === undefined) throw new Error(`${file} needs the lines ${MARKS.join(' and ')}`);
    writeFileSync(path, before + [MARKS[0], ...sections, MARKS[1]].join('\n\n') + after);
    execFileSync(join(root, 'node_modules/.bin/prettier'), ['--write', path]);
  };
  write('spec/bench/README.md', [burstsInMarkdown(rows), realInMarkdown(real), freshInMarkdown(fresh)]);
  write('README.md', [burstsInMarkdown(IN_README.map((name) => rows.find((row) => row.name === name)))]);
}

/** Draws two pictures. */
async function draw(folder, { bursts, stalls }) {
  const [{ compile }, { parse, View }] = await Promise.all([import('vega-lite'), import('vega')]);
  const save = async (name, specification) => {
    const view = new View(parse(compile(specification).spec), { renderer: 'none' });
    writeFileSync(join(folder, name), await view.toSVG());
  };
  const common = { width: 720, height: 400, background: 'white' };
  const costs = bursts.rows.flatMap(({ nanoseconds, title }) =>
    nanoseconds.flatMap((ns, i) => (Number.isNaN(ns) ? [] : [{ case: title.replaceAll('`', ''), jobs: SIZES[i], ns }])),
  );
  await save('bursts.svg', {
    ...common,
    title: `CPU time per promise job through one long-lived queue (${machine})`,
    data: { values: costs },
    mark: { type: 'line', point: true },
    encoding: {
      x: { field: 'jobs', type: 'quantitative', scale: { type: 'log' }, title: 'jobs in a burst' },
      y: { field: 'ns', type: 'quantitative', scale: { type: 'log' }, title: 'ns of CPU a job' },
      color: {
        field: 'case',
        type: 'nominal',
        title: null,
        scale: { scheme: 'tableau20' },
        sort: null,
        legend: { labelLimit: 400 },
      },
    },
  });
  await save('stalls.svg', {
    ...common,
    title: `How long a timer of no delay waits while ${FLOOD.toLocaleString('en')} promise jobs run (${machine})`,
    data: { values: stalls.flatMap(({ name, waits }) => waits.map(([at, wait]) => ({ case: name, at, wait }))) },
    mark: { type: 'line', point: true },
    encoding: {
      x: { field: 'at', type: 'quantitative', title: 'ms since the first job' },
      y: { field: 'wait', type: 'quantitative', scale: { type: 'log' }, title: 'ms until the timer fired' },
      color: { field: 'case', type: 'nominal', title: null, sort: null },
    },
  });
}

/** The bare pool of this build against that of another commit, in the same run. */
function compareWith(commit) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const other = join(folder, 'other');
  const git = (...args) => execFileSync('git', args, { cwd: root, stdio: 'ignore' });
  git('worktree', 'add', '--detach', other, commit);
  try {
    symlinkSync(join(root, 'node_modules'), join(other, 'node_modules'));
    execFileSync('npm', ['run', 'build', '--silent'], { cwd: other, stdio: 'inherit' });
    const build = pathToFileURL(join(other, 'dist/esm/index.js')).href;
    const ratios = [];
    for (let round = 0; round < ROUNDS; round++) {
      const before = inProcess('fresh', 'workerPool', '', { BUILD: build });
      ratios.push(inProcess('fresh', 'workerPool') / before);
    }
    return median(ratios);
  } finally {
    git('worktree', 'remove', '--force', other);
    rmSync(folder, { recursive: true });
  }
}

// ---- The command line

if (process.argv[2] === '--measure') {
  const [measure, name, argument] = process.argv.slice(3);
  console.log(JSON.stringify(await MEASURES[measure](name, argument)));
  process.exit();
}

const flag = { type: 'boolean', default: false };
const text = { type: 'string' };
const { values: asked } = parseArgs({
  options: {
    ...{ bursts: flag, fresh: flag, real: flag, stalls: flag, json: flag, readme: flag },
    ...{ only: text, pictures: text, against: text },
  },
});

if (asked.against !== undefined) {
  const slower = compareWith(asked.against);
  console.log(
    `the bare pool takes ${slower.toFixed(2)} × the CPU time of ${asked.against}; ${ROUNDS} rounds; ${machine}`,
  );
  process.exit(slower > 1.1 ? 1 : 0);
}

// A case may have a comma and a blank in its name.
const only = asked.only?.split(/,(?! )/);
const all = !(asked.bursts || asked.fresh || asked.real || asked.stalls || asked.readme || asked.pictures);
const tables = {
  machine,
  rounds: ROUNDS,
  bursts: all || asked.bursts || asked.readme || asked.pictures ? await measureBursts(only) : undefined,
  fresh: all || asked.fresh || asked.readme ? await measureFresh(only) : undefined,
  real: all || asked.real || asked.readme ? await measureReal() : undefined,
  stalls: all || asked.stalls || asked.pictures ? measureStalls() : undefined,
};
if (asked.json) console.log(JSON.stringify(tables, undefined, 2));
else print(tables);
if (asked.readme) writeReadmes(tables);
if (asked.pictures !== undefined) await draw(asked.pictures, tables);
