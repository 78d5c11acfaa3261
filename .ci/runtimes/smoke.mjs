// The package as a runtime meets it: the same program for Node, Bun and Deno. It ends by itself, with 0 where all is well.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import diagnostics from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import process from 'node:process';
import { from, lastValueFrom, of, range, reduce, toArray } from 'rxjs';
import * as imported from 'rxjs-background-jobs';
import { adaptiveWorkers } from 'rxjs-background-jobs/adaptive';

const { BackgroundJobs, fromSignals, gracefulShutdown, pullFrom, pullThrough, surviveSignals, workerPool } = imported;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const checks = {
  async 'a pool'() {
    const results$ = from([1, 2, 3]).pipe(
      workerPool(async (n) => n * 2, { workers: 2, buffer: 3 }),
      toArray(),
    );
    assert.deepEqual(await lastValueFrom(results$), [2, 4, 6]);
  },

  async 'a handle: submit, send, a timeout with its retry, shutdown'() {
    let attempts = 0;
    const work = async (job, { signal }) => {
      if (job === 'slow' && ++attempts === 1)
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      return job.length;
    };
    const jobs = new BackgroundJobs(work, { workers: 2, buffer: 10, timeout: 50, retry: 1 });
    assert.equal(await jobs.submit('quick'), 5);
    assert.equal(await jobs.submit('slow'), 4);
    await jobs.send('sent');
    const { level, stats } = await jobs.shutdown();
    assert.equal(level, 'drain');
    assert.equal(stats.completed, 3);
  },

  async 'a pull: nothing is asked for ahead'() {
    let asked = 0;
    function* numbers() {
      while (asked < 100) yield asked++;
    }
    let ahead = 0;
    let done = 0;
    const work = async (n) => {
      ahead = Math.max(ahead, asked - done);
      await null;
      done++;
      return n;
    };
    const sum$ = pullFrom(numbers()).pipe(
      workerPool(work, { workers: 4, buffer: 0 }),
      reduce((a, b) => a + b, 0),
    );
    assert.equal(await lastValueFrom(sum$), 4950);
    assert.equal(ahead, 4);
    const taken = [];
    for await (const n of pullThrough(numbersFrom(0), async (n) => n, { workers: 2, buffer: 0 })) {
      if (taken.push(n) === 5) break;
    }
    assert.deepEqual(taken, [0, 1, 2, 3, 4]);
  },

  async 'a million synchronous jobs on a flat stack'() {
    const count$ = range(0, 1_000_000).pipe(
      workerPool((n) => of(n), { workers: 1, buffer: 0 }),
      reduce((count) => count + 1, 0),
    );
    assert.equal(await lastValueFrom(count$), 1_000_000);
  },

  async 'the event loop turns beside promise jobs'() {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const work = (n) => {
      for (const start = performance.now(); performance.now() - start < 0.01;);
      return Promise.resolve(n);
    };
    await lastValueFrom(range(0, 10_000).pipe(workerPool(work, { workers: 1, buffer: Infinity })));
    clearInterval(timer);
    assert.ok(turns >= 2, `${turns} turns`);
  },

  async 'a live limit'() {
    const limit = adaptiveWorkers({ min: 1, max: 4 });
    const results$ = from([1, 2]).pipe(
      workerPool(async (n) => n, { workers: limit, buffer: 2, hooks: limit }),
      toArray(),
    );
    assert.deepEqual(await lastValueFrom(results$), [1, 2]);
  },

  async 'the async context of a caller'() {
    const store = new AsyncLocalStorage();
    const work = async () => {
      await null;
      return store.getStore();
    };
    const jobs = new BackgroundJobs(work, { workers: 1, buffer: 10 });
    const seen = ['anna', 'ben'].map((name) => store.run(name, () => jobs.submit(name)));
    assert.deepEqual(await Promise.all(seen), ['anna', 'ben']);
    await jobs.shutdown();
  },

  async 'the tracing channel'() {
    const told = [];
    const events = ['start', 'end', 'asyncStart', 'asyncEnd'];
    const listeners = events.map((event) => [
      `tracing:rxjs-background-jobs:job.run:${event}`,
      ({ job }) => told.push(`${event} ${job}`),
    ]);
    for (const [name, listener] of listeners) diagnostics.channel(name).subscribe(listener);
    await lastValueFrom(of('a').pipe(workerPool(async (job) => job, { workers: 1, buffer: 0 })));
    for (const [name, listener] of listeners) diagnostics.channel(name).unsubscribe(listener);
    assert.deepEqual(
      told,
      events.map((event) => `${event} a`),
    );
  },

  // Where `module-sync` is not known, in Bun and in older Denos, there is a copy for each.
  'require and import give one class'() {
    if (process.versions.bun || process.versions.deno) return;
    const required = createRequire(import.meta.url)('rxjs-background-jobs');
    assert.ok(new required.BufferOverflowError(1, 'job') instanceof imported.BufferOverflowError);
  },

  // A signal that nobody listens to would end the process; the second one escalates.
  async 'signals: one drains, two abort'() {
    const stop$ = fromSignals('SIGTERM');
    const levels = [];
    const shutdown = gracefulShutdown({ on: stop$, deadline: 10_000 });
    shutdown.subscribe((level) => levels.push(level));
    const work = (_, { signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const jobs = new BackgroundJobs(work, { workers: 1, buffer: 10, shutdown });
    const ended = lastValueFrom(from(jobs.ended).pipe(surviveSignals('SIGTERM')));
    jobs.submit('endless').catch(() => {});
    process.kill(process.pid, 'SIGTERM');
    while (jobs.level === undefined) await sleep(5);
    assert.equal(jobs.level, 'drain');
    process.kill(process.pid, 'SIGTERM');
    const { level, aborted } = await ended;
    assert.equal(level, 'abort');
    assert.equal(aborted.length, 1);
    assert.deepEqual(levels, ['drain', 'abort']);
  },
};

function* numbersFrom(first) {
  for (let n = first; ; n++) yield n;
}

// A check that never ends must not end the process as if all were well, where nothing keeps its loop alive.
let isDone = false;
process.on('exit', () => {
  if (!isDone) process.exitCode = 1;
});
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
  } catch (error) {
    console.error(`✗ ${name}`);
    throw error;
  }
}
isDone = true;
const { bun, deno, node } = process.versions;
const runtime = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`;
console.log(`${runtime}: ${Object.keys(checks).length} checks passed`);
