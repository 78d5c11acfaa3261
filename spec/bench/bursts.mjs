// The same queue for burst after burst, as a service uses it: each burst is awaited before the next one, and all results have
// to have arrived. Each peer by its fastest documented call, with a callback where it has one. Eight workers everywhere.
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { AsyncQueuer } from '@tanstack/pacer';
import async from 'async';
import Bottleneck from 'bottleneck';
import { Effect } from 'effect';
import fastq from 'fastq';
import pLimit from 'p-limit';
import pMap from 'p-map';
import PQueue from 'p-queue';
import { mergeMap, Observable, Subject } from 'rxjs';
import { BackgroundJobs, workerPool } from '../../dist/esm/index.js';

const WORKERS = 8;
const config = { workers: WORKERS, buffer: Infinity };

/** Calls `start` and resolves when `told` was called once for each job. */
function counted(jobs, start) {
  return new Promise((resolve) => {
    let left = jobs.length;
    start(() => {
      if (--left === 0) resolve();
    });
  });
}

/** A pool that lives as long as the process: `makeSource` hands out whom it feeds. */
function fed(makeSource, operator) {
  let told = () => undefined;
  let feed;
  makeSource((subscriber) => (feed = subscriber))
    .pipe(operator)
    .subscribe(() => told());
  return (jobs) =>
    counted(jobs, (onResult) => {
      told = onResult;
      for (const job of jobs) feed.next(job);
    });
}

const bySubject = (feed) => {
  const subject = new Subject();
  feed(subject);
  return subject;
};

/** One promise for each job. */
const promised = (submit) => async (jobs) => {
  const results = await Promise.all(jobs.map(submit));
  if (results.length !== jobs.length) throw new Error(`${results.length} results of ${jobs.length} jobs`);
};

/** All jobs of a burst in one call. */
const mapped = (map) => async (jobs) => {
  const results = await map(jobs);
  if (results.length !== jobs.length) throw new Error(`${results.length} results of ${jobs.length} jobs`);
};

/**
 * Each makes its queue for `work`, and answers a function that puts a burst through it.
 *
 * - `of`: the package; ours has none
 * - `context`: does work run in the async context of the call that has brought the job? Left out where one call brings a burst.
 */
export const bursts = {
  floor: {
    call: 'eight loops of bare `then`',
    make: (work) => (jobs) => {
      let next = 0;
      const loop = (resolve) => {
        const step = () => (next < jobs.length ? void work(jobs[next++]).then(step) : resolve());
        step();
      };
      return Promise.all(Array.from({ length: WORKERS }, () => new Promise(loop)));
    },
  },
  'workerPool, Observable': {
    call: '`workerPool` behind an Observable',
    make: (work) => fed((feed) => new Observable(feed), workerPool(work, config)),
  },
  'workerPool, Subject': {
    call: '`workerPool` behind a Subject',
    make: (work) => fed(bySubject, workerPool(work, config)),
  },
  fastq: {
    of: 'fastq',
    call: '`push(job, done)`',
    context: false,
    make: (work) => {
      const queue = fastq((x, done) => void work(x).then((y) => done(null, y)), WORKERS);
      return (jobs) => counted(jobs, (onResult) => jobs.forEach((job) => queue.push(job, onResult)));
    },
  },
  'async.queue': {
    of: 'async',
    call: '`queue.push(job, done)`',
    context: false,
    make: (work) => {
      const queue = async.queue(async (x) => work(x), WORKERS);
      return (jobs) => counted(jobs, (onResult) => jobs.forEach((job) => queue.push(job, onResult)));
    },
  },
  'async.priorityQueue': {
    of: 'async',
    call: '`priorityQueue.push(job, 1, done)`',
    context: false,
    make: (work) => {
      const queue = async.priorityQueue(async (x) => work(x), WORKERS);
      return (jobs) => counted(jobs, (onResult) => jobs.forEach((job) => queue.push(job, 1, onResult)));
    },
  },
  'async.mapLimit': {
    of: 'async',
    call: '`mapLimit(jobs, 8, work)`',
    make: (work) => mapped((jobs) => async.mapLimit(jobs, WORKERS, async (x) => work(x))),
  },
  mergeMap: {
    of: 'rxjs',
    call: '`mergeMap(work, 8)` behind a Subject',
    context: false,
    make: (work) => fed(bySubject, mergeMap(work, WORKERS)),
  },
  'BackgroundJobs.submit': {
    call: '`BackgroundJobs.submit(job)`',
    context: true,
    make: (work) => {
      const pool = new BackgroundJobs(work, config);
      return promised((job) => pool.submit(job));
    },
  },
  'fastq.promise': {
    of: 'fastq',
    call: '`fastq.promise`, `push(job)`',
    context: false,
    make: (work) => {
      const queue = fastq.promise(work, WORKERS);
      return promised((job) => queue.push(job));
    },
  },
  'p-limit': {
    of: 'p-limit',
    call: '`limit(work, job)`',
    context: true,
    make: (work) => {
      const limit = pLimit(WORKERS);
      return promised((job) => limit(work, job));
    },
  },
  'p-queue': {
    of: 'p-queue',
    call: '`add(work)`',
    context: false,
    make: (work) => {
      const queue = new PQueue({ concurrency: WORKERS });
      return promised((job) => queue.add(() => work(job)));
    },
  },
  'p-map': {
    of: 'p-map',
    call: '`pMap(jobs, work, { concurrency })`',
    make: (work) => mapped((jobs) => pMap(jobs, work, { concurrency: WORKERS })),
  },
  'Readable.map': {
    call: '`Readable.from(jobs).map(work, { concurrency })`, of Node',
    make: (work) => mapped((jobs) => Readable.from(jobs).map(work, { concurrency: WORKERS }).toArray()),
  },
  effect: {
    of: 'effect',
    call: '`Effect.forEach(jobs, …, { concurrency })`',
    make: (work) =>
      mapped((jobs) =>
        Effect.runPromise(Effect.forEach(jobs, (x) => Effect.promise(() => work(x)), { concurrency: WORKERS })),
      ),
  },
  bottleneck: {
    of: 'bottleneck',
    call: '`schedule(work, job)`',
    context: false,
    make: (work) => {
      const limiter = new Bottleneck({ maxConcurrent: WORKERS });
      return promised((job) => limiter.schedule(work, job));
    },
  },
  pacer: {
    of: '@tanstack/pacer',
    call: '`AsyncQueuer.addItem(job)`',
    context: false,
    make: (work) => {
      let told;
      const queue = new AsyncQueuer(work, { concurrency: WORKERS, onSettled: () => told() });
      return (jobs) =>
        counted(jobs, (onResult) => {
          told = onResult;
          for (const job of jobs) queue.addItem(job);
        });
    },
  },
};

/** As `fastq 1.20.1`; ours and Node's own have no version here. */
export function title({ of, call }) {
  if (of === undefined) return call;
  const { version } = JSON.parse(readFileSync(findPackage(of), 'utf8'));
  return `${of} ${version.split('.').slice(0, 2).join('.')}, ${call}`;
}

function findPackage(name) {
  for (const root of ['./', '../../']) {
    const path = new URL(`${root}node_modules/${name}/package.json`, import.meta.url);
    try {
      readFileSync(path);
      return path;
    } catch {
      // In the other one.
    }
  }
  throw new Error(`${name} is not installed: npm ci --prefix spec/bench`);
}
