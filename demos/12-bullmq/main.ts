// A producer and two consumers of a queue of BullMQ, each in a process of its own. The first consumer is killed in the middle of
// its jobs. They run again in the second one when their locks have run out, so nothing is lost.
//
// It uses the Redis that answers at port 6379, and empties the queue below. Where there is none it starts one, and ends it.
//
// Run it with: node -r ts-node/register/transpile-only demos/12-bullmq/main.ts
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Queue, QueueEvents } from 'bullmq';
import { answers, hasRedis, INSTALL, Redis } from './redis.js';

/** No name that a program of yours may have: whatever is in this queue is deleted. */
const QUEUE = 'rxjs-background-jobs-demo-12';
const MAILS = 60;

async function main(): Promise<void> {
  const isThere = await answers(6379);
  if (!isThere && !hasRedis) return console.log(INSTALL);
  const redis = isThere ? undefined : await Redis.start();
  const port = redis?.port ?? 6379;
  console.log(redis ? 'a Redis of its own' : 'the Redis that runs here');

  const connection = { host: '127.0.0.1', port };
  const queue = new Queue<number>(QUEUE, { connection });
  const events = new QueueEvents(QUEUE, { connection });
  await events.waitUntilReady();
  await queue.obliterate({ force: true });
  const completed = new Set<string>();
  const all = new Promise<void>((resolve) => {
    events.on('completed', ({ jobId }) => completed.add(jobId).size === MAILS && resolve());
  });

  const first = start('first', port);
  await queue.addBulk(Array.from({ length: MAILS }, (_, i) => ({ name: 'mail', data: i })));

  // In the middle of its first jobs. Had the second one started with it, that might have done all before this one was up.
  const [line] = (await once(createInterface({ input: first.stdout! }), 'line')) as [string];
  first.kill('SIGKILL');
  console.log(`${line}\nfirst: killed`);
  const second = start('second', port);
  createInterface({ input: second.stdout! }).on('line', (said) => console.log(said));

  await all;
  const ended = once(second, 'close');
  second.kill('SIGTERM');
  await ended;
  const { active, failed, waiting } = await queue.getJobCounts('active', 'failed', 'waiting');
  console.log(`${completed.size} of ${MAILS} completed, ${failed} failed, ${active} active, ${waiting} waiting`);
  await Promise.all([queue.close(), events.close()]);
  await redis?.stop();
}

function start(name: string, port: number): ChildProcess {
  const args = ['-r', 'ts-node/register/transpile-only', join(__dirname, 'consumer.ts'), name, String(port), QUEUE];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

void main();
