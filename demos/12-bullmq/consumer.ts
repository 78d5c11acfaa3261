// One of the consumers that main.ts starts. At SIGTERM it takes no more mails, finishes those that it has, and ends.
import { setTimeout as sleep } from 'node:timers/promises';
import { fromSignals, gracefulShutdown, workerPoolSettled } from '../../src/index.js';
import { fromBullMQ } from '../../src/bullmq/index.js';

const [name, port, queue] = [process.argv[2]!, Number(process.argv[3]), process.argv[4]!];
const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };
// Milliseconds. A killed consumer's jobs are back when their locks have run out; BullMQ's own times are 30 seconds each.
const locks = { lockDuration: 1000, stalledInterval: 250, maxStalledCount: 3 };

fromBullMQ<number>(queue, { connection, ...locks })
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
