// Fresh pipelines, and what each option costs: a case runs `jobs` once and resolves when all have settled. Eight workers everywhere.
import { from, lastValueFrom, of } from 'rxjs';
const { BackgroundJobs, byKey, byPriority, coalesced, PoolMonitor, pullFrom, workerPool, workerPoolSettled } =
  await import(process.env.BUILD ?? '../../dist/esm/index.js');

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
};
