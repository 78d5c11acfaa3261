// The same queue for burst after burst, as a service uses it: each burst is awaited before the next one, and all results have
// to have arrived. Each peer by its fastest documented call. Eight workers everywhere.
import async from 'async';
import fastq from 'fastq';
import PQueue from 'p-queue';
import pLimit from 'p-limit';
import { Observable, Subject } from 'rxjs';
import { BackgroundJobs, workerPool } from '../../dist/esm/index.js';

const WORKERS = 8;
const work = async (x) => x;
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

/** A pool that lives as long as the process, and is fed by `feed`. */
function fed(makeSource) {
  let told = () => undefined;
  let feed;
  makeSource((subscriber) => (feed = subscriber))
    .pipe(workerPool(work, config))
    .subscribe(() => told());
  return (jobs) =>
    counted(jobs, (onResult) => {
      told = onResult;
      for (const job of jobs) feed.next(job);
    });
}

async function all(promises, jobs) {
  const results = await Promise.all(promises);
  if (results.length !== jobs.length) throw new Error(`${results.length} results of ${jobs.length} jobs`);
}

/** Each makes its queue, and answers a function that puts a burst through it. */
export const bursts = {
  floor: () => (jobs) => {
    let next = 0;
    const loop = (resolve) => {
      const step = () => (next < jobs.length ? void work(jobs[next++]).then(step) : resolve());
      step();
    };
    return Promise.all(Array.from({ length: WORKERS }, () => new Promise(loop)));
  },
  'workerPool, Observable': () => fed((feed) => new Observable(feed)),
  'workerPool, Subject': () =>
    fed((feed) => {
      const subject = new Subject();
      feed(subject);
      return subject;
    }),
  'fastq, push(job, done)': () => {
    const queue = fastq((x, done) => void work(x).then((y) => done(null, y)), WORKERS);
    return (jobs) => counted(jobs, (onResult) => jobs.forEach((job) => queue.push(job, onResult)));
  },
  'async.queue, push(job, done)': () => {
    const queue = async.queue(async (x) => work(x), WORKERS);
    return (jobs) => counted(jobs, (onResult) => jobs.forEach((job) => queue.push(job, onResult)));
  },
  'BackgroundJobs, submit(job)': () => {
    const pool = new BackgroundJobs(work, config);
    return (jobs) =>
      all(
        jobs.map((job) => pool.submit(job)),
        jobs,
      );
  },
  'fastq.promise, push(job)': () => {
    const queue = fastq.promise(work, WORKERS);
    return (jobs) =>
      all(
        jobs.map((job) => queue.push(job)),
        jobs,
      );
  },
  'p-limit, limit(work, job)': () => {
    const limit = pLimit(WORKERS);
    return (jobs) =>
      all(
        jobs.map((job) => limit(work, job)),
        jobs,
      );
  },
  'p-queue, add(work)': () => {
    const queue = new PQueue({ concurrency: WORKERS });
    return (jobs) =>
      all(
        jobs.map((job) => queue.add(() => work(job))),
        jobs,
      );
  },
};
