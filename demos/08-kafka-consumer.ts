// At least once, as Kafka has it: messages are pulled when there is a worker for them, and an offset is committed when its
// message and all before it have been handled. What was not committed comes again, to the consumer that is started next.
//
// Three workers give up the order within a partition; where it matters, let each partition have a pool of one.
//
// Run it with: node -r ts-node/register/transpile-only demos/08-kafka-consumer.ts
import { setTimeout as sleep } from 'node:timers/promises';
import { NEVER, Subject } from 'rxjs';
import type { Observable } from 'rxjs';
import { gracefulShutdown, pullFrom, workerPoolSettled } from '../src/index.js';
import type { Work } from '../src/index.js';

interface Message {
  readonly partition: number;
  readonly offset: number;
}

/** Stands in for a broker's topic of two partitions. */
class Topic {
  /** How many messages each partition has. */
  length = 4;
  /** By partition: the first offset that has not been handled. */
  readonly committed: [number, number] = [0, 0];

  async *[Symbol.asyncIterator](): AsyncGenerator<Message> {
    const start = [...this.committed];
    for (let offset = 0; offset < this.length; offset++) {
      await sleep(1); // the network
      for (const partition of start.keys()) if (offset >= start[partition]!) yield { partition, offset };
    }
  }
}

const show = ({ partition, offset }: Message): string => `${partition}:${offset}`;

async function consume(topic: Topic, work: Work<Message, Promise<void>>, stop$: Observable<void>): Promise<void> {
  const shutdown = gracefulShutdown({ on: stop$, deadline: 200 });
  const handled = new Set<string>();

  const commit = (message: Message): void => {
    handled.add(show(message));
    const { partition } = message;
    // Messages end out of order. To commit each as it ends would lose those before it that still run.
    while (handled.delete(show({ partition, offset: topic.committed[partition]! }))) topic.committed[partition]!++;
  };

  await pullFrom(topic)
    .pipe(workerPoolSettled(work, { workers: 3, buffer: 3, shutdown }))
    .forEach(({ job, status }) => {
      // A message that fails would fail again: it goes where somebody will look at it, and is done.
      if (status === 'failed') console.log(`  ${show(job)} to the dead letters`);
      if (status === 'completed' || status === 'failed') commit(job);
      console.log(`  ${show(job)} ${status.padEnd(9)}  committed: ${topic.committed.join(', ')}`);
    });
}

async function main(): Promise<void> {
  const topic = new Topic();

  console.log('partition:offset, how its message ended, and the offsets from which partitions 0 and 1 go on');
  console.log('a consumer that is stopped, while 0:1 hangs');
  const stop$ = new Subject<void>();
  const work: Work<Message, Promise<void>> = async (message, { signal }) => {
    await sleep(show(message) === '0:1' ? 60_000 : 5, undefined, { signal });
    if (show(message) === '1:1') throw new Error('not JSON');
    if (show(message) === '1:3') stop$.next(); // Stands in for a SIGTERM, when all but 0:1 have been handled.
  };
  await consume(topic, work, stop$);

  topic.length = 6; // Two more for each partition.
  console.log('the next one, which nobody stops');
  await consume(topic, () => sleep(5), NEVER);
}

void main();
