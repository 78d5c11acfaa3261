// One of several: takes SIGTERM as the end, and gives back what it has not begun.
import { setTimeout as sleep } from 'node:timers/promises';
import { fromSignals, gracefulShutdown, workerPoolSettled } from '../../src/index.js';
import { fromBullMQ } from '../../src/bullmq/index.js';

const [name, port] = [process.argv[2]!, Number(process.argv[3])];
const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };
// Short, so that the demo does not last: after the crash its jobs are back when their locks have run out.
const locks = { lockDuration: 1000, stalledInterval: 250, maxStalledCount: 3 };

fromBullMQ<number>('mails', { connection, ...locks })
  .pipe(
    workerPoolSettled(({ data }) => sleep(20, data), {
      workers: 2,
      buffer: 2,
      shutdown: gracefulShutdown({ on: fromSignals('SIGTERM'), deadline: 5000 }),
    }),
  )
  .subscribe({
    next: ({ job, status }) => console.log(`${name}: mail ${job.data} ${status}`),
    complete: () => console.log(`${name}: ended`),
  });
