// fromBullMQ against BullMQ's own Worker, on a Redis that runs at PORT: the same jobs in turns, and the medians of what they took.
//   PORT=6379 node spec/bench/bullmq.mjs
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { Subject } from 'rxjs';

const require = createRequire(import.meta.url);
const { workerPool } = require('../../dist/cjs/index.js');
const { fromBullMQ } = require('../../dist/cjs/bullmq/index.js');

const connection = { host: '127.0.0.1', port: Number(process.env.PORT ?? 6379), maxRetriesPerRequest: null };
const concurrency = 50;
const rounds = Number(process.env.ROUNDS ?? 15);
const queue = new Queue('bench', { connection });
const redis = new Redis(connection);

const consumers = {
  Worker: (work, onDone) => {
    const worker = new Worker('bench', work, { connection, concurrency });
    worker.on('completed', onDone);
    return () => worker.close();
  },
  fromBullMQ: (work, onDone) => {
    const shutdown = new Subject();
    const pool = workerPool(work, { workers: concurrency, buffer: 0, shutdown });
    const ended = new Promise((complete) => {
      fromBullMQ('bench', { connection }).pipe(pool).subscribe({ next: onDone, complete });
    });
    return () => (shutdown.next(), ended);
  },
};

async function commands() {
  const stats = await redis.info('commandstats');
  return [...stats.matchAll(/^cmdstat_(evalsha|bzpopmin):calls=(\d+)/gm)].reduce((sum, [, , n]) => sum + Number(n), 0);
}

async function run(name, work, jobs) {
  const data = Array.from({ length: jobs }, (_, i) => ({ name: 'job', data: i, opts: { removeOnComplete: true } }));
  await queue.addBulk(data);
  global.gc?.();
  const before = await commands();
  const [cpu, start] = [process.cpuUsage(), performance.now()];
  let left = jobs;
  let stop;
  await new Promise((resolve) => {
    stop = consumers[name](work, () => --left === 0 && resolve());
  });
  const { user, system } = process.cpuUsage(cpu);
  const took = { wall: performance.now() - start, cpu: (user + system) / 1000, commands: (await commands()) - before };
  await stop();
  return took;
}

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];

for (const [kind, work, jobs] of [
  ['empty jobs', async () => 1, 3000],
  ['jobs of 10 ms', () => sleep(10), 1000],
]) {
  const took = { Worker: [], fromBullMQ: [] };
  for (let round = 0; round < rounds + 3; round++) {
    const names = round % 2 ? ['Worker', 'fromBullMQ'] : ['fromBullMQ', 'Worker'];
    for (const name of names) {
      const one = await run(name, work, jobs);
      if (round >= 3) took[name].push(one);
    }
  }
  for (const what of ['cpu', 'wall', 'commands']) {
    const [theirs, ours] = [took.Worker, took.fromBullMQ].map((all) => all.map((one) => one[what]));
    const ratio = median(ours.map((one, i) => one / theirs[i]));
    console.log(
      `${kind}: ${what} ${(median(ours) / jobs).toFixed(4)} against ${(median(theirs) / jobs).toFixed(4)} a job, median ratio ${ratio.toFixed(2)}`,
    );
  }
}
await queue.close();
redis.disconnect();
