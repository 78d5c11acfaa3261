// A promise cannot be stopped, and work that computes keeps all others waiting. In a thread it can be killed, and it uses
// another core. Piscina has the threads: each job's signal is given to it, and kills the thread when it fires.
//
// It prints how long sixteen password hashes take in one thread, and in a thread for each core. The ratio of the two times is
// near the number of cores where no other program uses them.
//
// Run it with: node -r ts-node/register/transpile-only demos/15-threads.ts
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Piscina } from 'piscina';
import { defer, finalize, from, lastValueFrom, range, toArray } from 'rxjs';
import type { Observable } from 'rxjs';
import { pullFrom, workerPool, workerPoolSettled } from '../src/index.js';
import type { JobContext } from '../src/index.js';
import type * as tasks from './15-threads/tasks.js';

type Tasks = typeof tasks;

// ---- All that it takes

const workers = availableParallelism();
const filename = join(__dirname, '15-threads/tasks.ts');
const threads = new Piscina({ minThreads: workers, maxThreads: workers });
const inThread =
  <N extends keyof Tasks>(name: N) =>
  (job: Parameters<Tasks[N]>[0], { signal }: JobContext): Promise<ReturnType<Tasks[N]>> =>
    threads.run(job, { filename, name, signal });

// ----

/** Milliseconds for sixteen passwords, so many at once. */
async function timeFor(atOnce: number): Promise<number> {
  const passwords = Array.from({ length: 16 }, (_, i) => `password ${i}`);
  const start = performance.now();
  await lastValueFrom(pullFrom(passwords).pipe(workerPool(inThread('hash'), { workers: atOnce, buffer: 0 })));
  return performance.now() - start;
}

/** Ends its threads when it ends, however it ends. */
const program$: Observable<void> = defer(async () => {
  await timeFor(workers); // Until every thread has loaded its code.
  const [one, all] = [await timeFor(1), await timeFor(workers)];
  const ratio = (one / all).toFixed(2);
  console.log(`scrypt: 1 thread ${one.toFixed(0)} ms, ${workers} threads ${all.toFixed(0)} ms, ratio ${ratio}`);

  // A spin is judged after 50 ms. Its signal fires, which kills its thread: the slot is free again, and a new thread is there.
  const before = threads.threads.map(({ threadId }) => threadId);
  const config = { workers, buffer: 1, timeout: 50 };
  const spins$ = range(0, workers + 1).pipe(workerPoolSettled(inThread('spin'), config), toArray());
  const spins = await lastValueFrom(spins$);
  const survivors = threads.threads.filter(({ threadId }) => before.includes(threadId)).length;
  const verdicts = spins.map((spin) => (spin.status === 'failed' ? (spin.error as Error).name : spin.status));
  console.log(
    `endless loops: ${new Set(verdicts).size === 1 ? verdicts[0] : verdicts.join(', ')}; ${survivors} of their threads live on`,
  );

  // What a task throws comes back with its class and its stack.
  const parsed$ = from(['42', 'forty-two']).pipe(
    workerPoolSettled(inThread('parse'), { workers, buffer: 2, ordered: true }),
  );
  for (const outcome of await lastValueFrom(parsed$.pipe(toArray()))) {
    if (outcome.status === 'completed') console.log(`parse: ${outcome.value}`);
    else if (outcome.status === 'failed') {
      const error = outcome.error as Error;
      const thrownIn = /at parse \(.*\/(tasks\.ts:\d+)/.exec(error.stack!)?.[1];
      console.log(`parse: ${String(error)}; a RangeError: ${error instanceof RangeError}; thrown in ${thrownIn}`);
    }
  }
}).pipe(
  finalize(
    () =>
      void threads
        .destroy()
        .then(() => console.log(`the pipeline has ended: ${threads.threads.length} threads are left`)),
  ),
);

program$.subscribe();
