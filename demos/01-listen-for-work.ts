// The Background Job pattern's first program: a process that listens for work. Each SIGTERM is a job, SIGINT is the end.
// In another terminal, with the number that it prints:
//
//   kill -TERM <pid>    adds a job
//   kill -INT <pid>     (or Ctrl-C here) finishes what was taken on, and exits; Ctrl-C again kills, as ever
//
// Run it with: node -r ts-node/register/transpile-only demos/01-listen-for-work.ts [ms that a job takes]
import { setTimeout as sleep } from 'node:timers/promises';
import { map, takeUntil } from 'rxjs';
import { fromSignals, surviveSignals, workerPool } from '../src/index.js';

const ms = Number(process.argv[2] ?? 3000);

async function work(job: number): Promise<void> {
  console.log(`<-${job} starting`);
  await sleep(ms);
  console.log(`<-${job} completed`);
}

fromSignals('SIGTERM')
  .pipe(
    takeUntil(fromSignals('SIGINT')),
    map((_, i) => i + 1),
    // Five jobs run and ten wait. One that finds no place is lost, so that a flood of them cannot grow without bound.
    workerPool(work, { workers: 5, buffer: 10, overflow: 'drop-incoming' }),
    // takeUntil ends the pipeline's listening, and without any listener the next SIGTERM would be fatal to the jobs that are
    // still to be finished. This one listens until they are, and keeps the process alive, which listeners alone do not.
    surviveSignals('SIGTERM'),
  )
  .subscribe({ complete: () => console.log('exiting') });

// Last, because a signal that comes before its listener kills.
console.log(`Process ID ${process.pid}`);
