// CPU time per job, as a ratio to the floor and to the bare pool of the same round: each case in a process of its own, rounds
// alternated.
//   npm run bench                      all cases
//   npm run bench -- floor workerPool  these
//   npm run bench -- --bursts          one long-lived queue each, bursts of 1 to 200,000 jobs
//   JOBS=1000 ROUNDS=9 npm run bench
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { bursts } from './bursts.mjs';
import { cases } from './cases.mjs';

const JOBS = Number(process.env.JOBS ?? 200_000);
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const WARM_UP = 400;
const self = fileURLToPath(import.meta.url);

/** Nanoseconds of CPU per job: warmed up for at least 400 ms, then the median of seven. */
async function measure(name) {
  const jobs = Array.from({ length: JOBS }, (_, i) => i);
  const once = async () => {
    const before = process.cpuUsage();
    await cases[name](jobs);
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1000) / JOBS;
  };
  const start = performance.now();
  do await once();
  while (performance.now() - start < WARM_UP);
  const times = [];
  for (let i = 0; i < 7; i++) times.push(await once());
  return median(times);
}

const BURSTS = [1, 10, 1000, 10_000, 200_000];

/** Nanoseconds of CPU per job: warmed up for at least 400 ms, then the median of seven times 100 ms. */
async function measureBursts(name, size) {
  const jobs = Array.from({ length: size }, (_, i) => i);
  const burst = bursts[name]();
  const during = async (ms) => {
    const start = performance.now();
    const before = process.cpuUsage();
    let count = 0;
    do {
      await burst(jobs);
      count += size;
    } while (performance.now() - start < ms);
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1000) / count;
  };
  await during(WARM_UP);
  const times = [];
  for (let i = 0; i < 7; i++) times.push(await during(100));
  return median(times);
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const inProcess = (...args) =>
  Number(execFileSync(process.execPath, [self, '--measure', ...args], { encoding: 'utf8' }));
const machine = `Node ${process.version}, ${cpus()[0].model}, ${availableParallelism()} cores`;

if (process.argv[2] === '--measure') {
  const [name, size] = process.argv.slice(3);
  console.log(await (size === undefined ? measure(name) : measureBursts(name, Number(size))));
} else if (process.argv[2] === '--bursts') {
  const names = Object.keys(bursts);
  const times = new Map(names.map((name) => [name, BURSTS.map(() => [])]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, size] of BURSTS.entries()) for (const name of names) times.get(name)[i].push(inProcess(name, size));
  }
  console.log(`ns of CPU per job, in bursts through one queue, 8 workers; ${ROUNDS} rounds; ${machine}`);
  const row = (name) => BURSTS.map((size, i) => [size, Math.round(median(times.get(name)[i]))]);
  console.table(names.map((name) => ({ case: name, ...Object.fromEntries(row(name)) })));
} else {
  const named = process.argv.slice(2);
  const names = named.length > 0 ? named : Object.keys(cases);
  const unknown = names.find((name) => !(name in cases));
  if (unknown !== undefined) throw new Error(`no case ${unknown}: there are ${Object.keys(cases).join(', ')}`);
  const ratios = Object.fromEntries(names.map((name) => [name, []]));
  const toBare = Object.fromEntries(names.map((name) => [name, []]));
  const times = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    const floor = inProcess('floor');
    const bare = inProcess('workerPool');
    for (const name of names) {
      const time = name === 'floor' ? floor : name === 'workerPool' ? bare : inProcess(name);
      times[name].push(time);
      ratios[name].push(time / floor);
      toBare[name].push(time / bare);
    }
  }
  console.log(`${JOBS} promise jobs in one burst, 8 workers; ${ROUNDS} rounds; ${machine}`);
  console.table(
    names.map((name) => ({
      case: name,
      '× floor': +median(ratios[name]).toFixed(1),
      '× bare': +median(toBare[name]).toFixed(2),
      'ns per job': Math.round(median(times[name])),
    })),
  );
}
