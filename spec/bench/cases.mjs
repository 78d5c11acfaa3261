// What is measured: each case runs `jobs` once and resolves when all have settled. Eight workers everywhere.
import async from 'async';
import fastq from 'fastq';
import PQueue from 'p-queue';
import pLimit from 'p-limit';
import { from, lastValueFrom, mergeMap, of } from 'rxjs';
import {
  BackgroundJobs,
  byKey,
  byPriority,
  coalesced,
  PoolMonitor,
  pullFrom,
  workerPool,
  workerPoolSettled,
} from '../../dist/esm/index.js';

const WORKERS = 8;
const work = async (x) => x;
const config = { workers: WORKERS, buffer: Infinity };
const drain = (results$) => lastValueFrom(results$);

/** A pool with one more option: none of them does anything here but be ready to. */
const pool = (options) => (jobs) => drain(from(jobs).pipe(workerPool(work, { ...config, ...options })));

export const cases = {
  /** What nobody can beat: eight loops of bare `then`. */
  floor: (jobs) => {
    let next = 0;
    const loop = (resolve) => {
      const step = () => (next < jobs.length ? void work(jobs[next++]).then(step) : resolve());
      step();
    };
    return Promise.all(Array.from({ length: WORKERS }, () => new Promise(loop)));
  },
  workerPool: pool({}),
  'workerPool, retry': pool({ retry: 3 }),
  'workerPool, timeout': pool({ timeout: 5000 }),
  'workerPool, ttl': pool({ ttl: 60_000 }),
  'workerPool, rateLimit': pool({ rateLimit: { limit: 1e9, interval: 1000 } }),
  'workerPool, ordered': pool({ ordered: true }),
  'workerPool, live workers': pool({ workers: of(WORKERS) }),
  'workerPool, byPriority, 32 levels': pool({ queue: byPriority((x) => x % 32) }),
  'workerPool, byKey, 10,000 keys': pool({ queue: byKey((x) => x % 10_000) }),
  'workerPool, coalesced, none merged': pool({
    queue: coalesced(
      (x) => x,
      (waiting) => waiting,
    ),
  }),
  'workerPool, pulled': (jobs) => drain(pullFrom(jobs).pipe(workerPool(work, { workers: WORKERS, buffer: 0 }))),
  'workerPool, of(x)': (jobs) => drain(from(jobs).pipe(workerPool((x) => of(x), config))),
  workerPoolSettled: (jobs) => drain(from(jobs).pipe(workerPoolSettled(work, config))),
  'workerPool, PoolMonitor': (jobs) =>
    drain(from(jobs).pipe(workerPool(work, { ...config, hooks: new PoolMonitor() }))),
  'BackgroundJobs.submit': (jobs) => {
    const pool = new BackgroundJobs(work, config);
    return Promise.all(jobs.map((job) => pool.submit(job)));
  },
  'async.queue': (jobs) => {
    const queue = async.queue(async (x) => work(x), WORKERS);
    queue.push(jobs);
    return queue.drain();
  },
  'fastq, callbacks': (jobs) =>
    new Promise((resolve) => {
      const queue = fastq((x, done) => void work(x).then((y) => done(null, y)), WORKERS);
      queue.drain = resolve;
      for (const job of jobs) queue.push(job, () => {});
    }),
  'fastq.promise': (jobs) => {
    const queue = fastq.promise(work, WORKERS);
    return Promise.all(jobs.map((job) => queue.push(job)));
  },
  'p-limit': (jobs) => {
    const limit = pLimit(WORKERS);
    return Promise.all(jobs.map((job) => limit(work, job)));
  },
  'p-queue': (jobs) => {
    const queue = new PQueue({ concurrency: WORKERS });
    return Promise.all(jobs.map((job) => queue.add(() => work(job))));
  },
  mergeMap: (jobs) => drain(from(jobs).pipe(mergeMap(work, WORKERS))),
};
