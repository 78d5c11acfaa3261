// Against a Redis of its own. What needs none is in bullmq/fromBullMQ.spec.ts.
import { DelayedError, FlowProducer, Queue, RateLimitError, UnrecoverableError } from 'bullmq';
import type { Job } from 'bullmq';
import { expect } from 'chai';
import { Redis as Client } from 'ioredis';
import { BehaviorSubject, NEVER } from 'rxjs';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BackgroundJobs } from '../src/index.js';
import { fromBullMQ } from '../src/bullmq/index.js';
import { hasRedis, INSTALL, Redis } from '../demos/12-bullmq/redis.js';
import { killChildren } from './support/child.js';
import { Held } from './support/deferred.js';
import { turn } from './support/guard.js';
import { runSnippet } from './support/snippets.js';
import { bundleFixture, QueueUnderTest, removeBundle, until } from './support/queueUnderTest.js';
import type { WorkOnJob } from './support/queueUnderTest.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Whether a Worker that is full looks for more jobs when it may have more. */
const { version } = JSON.parse(readFileSync(join(__dirname, '../node_modules/bullmq/package.json'), 'utf8')) as {
  version: string;
};
const wakes = !version.startsWith('5.');

const timersNow = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
const cleanExit = { code: 0, signal: null };
const names = (n: number): string[] => Array.from({ length: n }, (_, i) => String(i));

describe('fromBullMQ, on Redis', () => {
  let redis: Redis;
  let held: Held<string>;
  let timers = 0;
  const queues: QueueUnderTest[] = [];

  /** A queue that is closed after the spec. */
  const makeQueue = (options?: ConstructorParameters<typeof QueueUnderTest>[1]): QueueUnderTest => {
    const queue = new QueueUnderTest(redis, options);
    queues.push(queue);
    return queue;
  };
  const promises: WorkOnJob = ({ data }, context) => held.promises(data, context);
  const streams: WorkOnJob = ({ data }, context) => held.streams(data, context);
  const starts = (n: number): Promise<void> => until(() => held.called.length === n);

  /** Another has the job now, for all that its Worker can see. */
  const takeLock = async (q: QueueUnderTest, data: string): Promise<void> => {
    const client = new Client(redis.port);
    await client.del(`bull:${q.name}:job-${data}:lock`);
    client.disconnect();
  };

  before(async function () {
    if (!hasRedis) {
      console.log(`      ${INSTALL}`);
      this.skip();
    }
    bundleFixture();
    redis = await Redis.start();
  });
  after(async () => {
    removeBundle();
    await redis?.stop();
  });
  beforeEach(async () => {
    held = new Held();
    // So that mocha's own timer for this hook is counted too, as it is in the other one.
    await turn();
    timers = timersNow();
  });
  afterEach(async () => {
    await killChildren();
    await Promise.all(queues.splice(0).map((queue) => queue.close()));
    // A Worker that is let go while Redis is away has a timer of its client's left, which ends soon after.
    await until(() => timersNow() <= timers);
  });

  describe('what becomes of a job', () => {
    it('completes it with its value', async () => {
      const q = makeQueue();
      await q.add(['a', 'b']);
      const consumer = q.consume(async ({ data }) => ({ done: data }));
      await consumer.has(2);
      expect(await q.counts()).to.eql({ completed: 2 });
      expect((await q.job('b')).returnvalue).to.eql({ done: 'b' });
    });

    it('fails it, and BullMQ tries it again', async () => {
      const q = makeQueue();
      await q.add(['a'], { attempts: 2 });
      const consumer = q.consume(() => Promise.reject(new Error('no')));
      await consumer.has(2);
      expect(consumer.log).to.eql(['a failed: Error', 'a failed: Error']);
      expect(await q.counts()).to.eql({ failed: 1 });
      expect((await q.job('a')).failedReason).to.equal('no');
    });

    it('fails one whose result is no JSON, here as there', async () => {
      const q = makeQueue();
      await q.add(['a']);
      const consumer = q.consume(async () => 1n);
      await consumer.has(1);
      expect(consumer.log).to.eql(['a failed: TypeError']);
      expect(await q.counts()).to.eql({ failed: 1 });
    });

    it('fails one that has expired for good', async () => {
      const q = makeQueue();
      await q.add(['a', 'b'], { attempts: 5 });
      const consumer = q.consume(promises, { buffer: 1, ttl: 1 });
      await consumer.has(1);
      expect(consumer.log).to.eql(['b expired']);
      expect(await q.counts()).to.eql({ active: 1, failed: 1 });
    });

    it('tells nothing before Redis has it', async () => {
      const q = makeQueue();
      await q.add(names(20));
      const states: Promise<string>[] = [];
      const consumer = q.consume(async () => 1, { workers: 4 });
      void until(() => {
        for (const { job } of consumer.outcomes.slice(states.length)) states.push(job.getState());
        return states.length === 20;
      });
      await consumer.has(20);
      expect(new Set(await Promise.all(states))).to.eql(new Set(['completed']));
    });

    it('is asked of Redis where the acknowledgement was refused, because an earlier one had arrived', async () => {
      const q = makeQueue();
      await q.add(['a']);
      const consumer = q.consume(async (job) => {
        await job.moveToCompleted('early', job.token!, false);
        return 'late';
      });
      await consumer.has(1);
      expect(consumer.log).to.eql(['a completed']);
      expect(consumer.errors).not.to.be.empty;
    });

    it('is a failure where the lock was gone at the acknowledgement', async () => {
      const q = makeQueue();
      await q.add(['a']);
      const consumer = q.consume((job) => takeLock(q, job.data));
      await consumer.has(1);
      expect(consumer.log).to.eql(['a failed: LeaseLostError']);
    });

    it("multiplies the pool's own retry with the attempts of BullMQ", async () => {
      const q = makeQueue();
      await q.add(['a'], { attempts: 2 });
      let runs = 0;
      const consumer = q.consume(() => Promise.reject(new Error(String(++runs))), { retry: 2 });
      await consumer.has(2);
      expect(runs).to.equal(6);
      expect(await q.attempts('a')).to.eql({ a: 2 });
    });
  });

  describe('places', () => {
    it('are taken from the queue, and no more', async () => {
      const q = makeQueue();
      await q.add(names(10));
      q.consume(promises, { workers: 2, buffer: 1 });
      await q.reaches('active', 3);
      expect(await q.counts()).to.eql({ active: 3, wait: 7 });
      held.complete('0');
      await q.reaches('completed', 1);
      await starts(3);
      await q.reaches('active', 3);
      expect(await q.counts()).to.eql({ active: 3, completed: 1, wait: 6 });
    });

    it('are none while workers is 0: another has the jobs', async () => {
      const q = makeQueue();
      const workers = new BehaviorSubject(1);
      const pausing = q.consume(promises, { workers });
      await q.add(['a']);
      await starts(1);
      workers.next(0);
      held.complete('a');
      await pausing.has(1);
      await q.add(names(5));
      const other = q.consume(async () => 1);
      await other.has(5);
      await other.end();
      workers.next(2);
      await q.add(['b', 'c', 'd']);
      await starts(3);
      expect(held.called).to.eql(['a', 'b', 'c']);
      expect(await q.counts()).to.eql({ active: 2, completed: 6, wait: 1 });
    });

    it('are none before workers has a number', async () => {
      const q = makeQueue();
      await q.add(['a']);
      const consumer = q.consume(streams, { workers: NEVER });
      await consumer.worker.waitUntilReady();
      expect(await q.counts()).to.eql({ wait: 1 });
    });

    it('grow while a job runs', async function () {
      const q = makeQueue();
      const workers = new BehaviorSubject(1);
      await q.add(['a', 'b', 'c']);
      q.consume(promises, { workers });
      await starts(1);
      workers.next(2);
      // BullMQ 5 looks for more when a job has ended.
      if (!wakes) held.complete('a');
      await starts(wakes ? 2 : 3);
      expect(await q.counts()).to.eql(wakes ? { active: 2, wait: 1 } : { active: 2, completed: 1 });
    });

    it('are those of each queue that a pool listens to', async () => {
      const [q, other] = [makeQueue(), makeQueue()];
      await q.add(names(10));
      await other.add(names(10));
      let most = 0;
      let running = 0;
      const done: string[] = [];
      const jobs = new BackgroundJobs(
        async (job: Job<string> | string) => {
          most = Math.max(most, ++running);
          await q.counts();
          running--;
          done.push(typeof job === 'string' ? job : `${job.queueName} ${job.data}`);
        },
        { workers: 2, buffer: 1 },
      );
      jobs.listenTo(fromBullMQ<string>(q.name, q.options));
      jobs.listenTo(fromBullMQ<string>(other.name, other.options));
      const memory = names(10).map((job) => jobs.submit(job, { wait: true }));
      await Promise.all([...memory, q.reaches('completed', 10), other.reaches('completed', 10)]);
      const { stats } = await jobs.shutdown();
      expect({ most, done: new Set(done).size, completed: stats.completed }).to.eql({
        most: 2,
        done: 30,
        completed: 30,
      });
    });
  });

  describe('a shutdown', () => {
    it('drains: what the pool has taken is finished, what it has not is given back', async () => {
      const q = makeQueue();
      await q.add(['a', 'b', 'c', 'd']);
      const consumer = q.consume(promises, { workers: 1, buffer: 1 });
      await q.reaches('active', 2);
      await starts(1);
      consumer.shutdown.next('drain');
      held.complete('a');
      await starts(2);
      held.complete('b');
      await consumer.ended;
      expect(consumer.log).to.eql(['a completed', 'b completed']);
      expect(await q.counts()).to.eql({ completed: 2, wait: 2 });
      expect(await q.attempts('c', 'd')).to.eql({ c: 0, d: 0 });
    });

    it('gives back what waits and what runs at abort, in their order, and counts no attempt', async () => {
      const q = makeQueue();
      await q.add(['a', 'b', 'c', 'd']);
      const consumer = q.consume(streams, { workers: 2, buffer: 1 });
      await q.reaches('active', 3);
      await starts(2);
      await consumer.end('abort');
      expect(consumer.log).to.have.members(['a aborted: JobAbortedError', 'b aborted: JobAbortedError', 'c shutdown']);
      expect(await q.counts()).to.eql({ wait: 4 });
      expect((await q.queue.getWaiting()).map(({ data }) => data)).to.eql(['a', 'b', 'c', 'd']);
      expect(await q.attempts('a', 'b', 'c')).to.eql({ a: 0, b: 0, c: 0 });
    });

    it('gives back what a busy handle has not taken', async () => {
      const q = makeQueue();
      const jobs = new BackgroundJobs(
        async (job: Job<string> | string) => held.promises(typeof job === 'string' ? job : job.data, {} as never),
        {
          workers: 1,
          buffer: 0,
        },
      );
      void jobs.submit('memory');
      jobs.listenTo(fromBullMQ<string>(q.name, q.options));
      await q.add(['a', 'b']);
      await q.reaches('active', 1);
      const ended = jobs.shutdown();
      held.complete('memory');
      await ended;
      expect(await q.counts()).to.eql({ wait: 2 });
      expect(await q.attempts('a')).to.eql({ a: 0 });
    });

    it('is what worker.close() does', async () => {
      const q = makeQueue();
      await q.add(['a', 'b']);
      const consumer = q.consume(promises);
      await starts(1);
      const closed = consumer.worker.close();
      held.complete('a');
      await Promise.all([closed, consumer.ended]);
      expect(await q.counts()).to.eql({ completed: 1, wait: 1 });
    });

    it('on SIGTERM leaves nothing active, runs nothing twice and counts no attempt', async () => {
      const q = makeQueue();
      const jobs = names(200).map((n) => `quick-${n}`);
      await q.add(jobs);
      const child = await q.startConsumer({ workers: 4, buffer: 4 });
      await child.waitForLine(/^completed job-quick-20$/);
      child.signal('SIGTERM');
      expect(await child.exit, child.lines.join('\n')).to.eql(cleanExit);
      const of = (word: string): string[] => child.lines.filter((line) => line.startsWith(word));
      const { completed, wait, ...rest } = await q.counts();
      expect(rest).to.eql({});
      expect(of('completed')).to.have.lengthOf(completed!);
      expect(new Set(of('started')).size).to.equal(completed);
      expect(completed! + (wait ?? 0)).to.equal(200);
      const waiting = await q.queue.getWaiting();
      expect(waiting.filter(({ attemptsMade }) => attemptsMade > 0)).to.eql([]);
    });

    it('gives back what its deadline has stopped', async () => {
      const q = makeQueue();
      await q.add(['hold-1', 'hold-2']);
      const child = await q.startConsumer({ workers: 2, shutdown: { deadline: 0 } });
      await child.waitForLine(/^started job-hold-2$/);
      child.signal('SIGTERM');
      expect(await child.exit, child.lines.join('\n')).to.eql(cleanExit);
      expect(child.lines).to.include('aborted job-hold-1 JobAbortedError');
      expect(await q.counts()).to.eql({ wait: 2 });
      expect(await q.attempts('hold-1', 'hold-2')).to.eql({ 'hold-1': 0, 'hold-2': 0 });
    });

    it('gives back what is deaf to its abort, and the process ends', async () => {
      const q = makeQueue();
      await q.add(['deaf-1']);
      const child = await q.startConsumer({ shutdown: { deadline: 0, abortGrace: 0 } });
      await child.waitForLine(/^started/);
      child.signal('SIGTERM');
      expect(await child.exit, child.lines.join('\n')).to.eql(cleanExit);
      expect(await q.counts()).to.eql({ wait: 1 });
    });
  });

  describe('a lock', () => {
    it('is renewed: a job that is longer runs once', async () => {
      const q = makeQueue({ lockDuration: 400, stalledInterval: 100 });
      await q.add(['a']);
      const consumer = q.consume(promises);
      await starts(1);
      const other = q.consume(async () => 'twice');
      let renewals = 0;
      consumer.worker.on('locksRenewed', () => renewals++);
      await until(() => renewals === 4);
      held.complete('a');
      await consumer.has(1);
      expect(other.log).to.eql([]);
      expect(await q.counts()).to.eql({ completed: 1 });
    });

    it('is renewed during a drain', async () => {
      const q = makeQueue({ lockDuration: 400, stalledInterval: 100 });
      await q.add(['a', 'b']);
      const consumer = q.consume(promises, { buffer: 1 });
      await q.reaches('active', 2);
      await starts(1);
      q.consume(async () => 'twice');
      consumer.shutdown.next('drain');
      let renewals = 0;
      consumer.worker.on('locksRenewed', () => renewals++);
      await until(() => renewals === 4);
      held.complete('a');
      await starts(2);
      held.complete('b');
      await consumer.ended;
      expect((await q.job('b')).returnvalue).to.equal('b!');
    });

    it('that is lost aborts the job, though its work is deaf and fulfils', async () => {
      const q = makeQueue({ lockDuration: 400 });
      await q.add(['a']);
      const consumer = q.consume(promises);
      await starts(1);
      await takeLock(q, 'a');
      await until(() => held.contexts.get('a')!.signal.aborted);
      held.complete('a');
      await consumer.has(1);
      expect(consumer.log).to.eql(['a aborted: LeaseLostError']);
      expect((await q.job('a')).returnvalue).to.equal(null);
    });

    it('that is lost while the job waits: it never starts', async () => {
      const q = makeQueue({ lockDuration: 400 });
      await q.add(['a', 'b']);
      const consumer = q.consume(promises, { buffer: 1 });
      await q.reaches('active', 2);
      await starts(1);
      await takeLock(q, 'b');
      await consumer.has(1);
      held.complete('a');
      await consumer.has(2);
      expect(consumer.log).to.eql(['b aborted: LeaseLostError', 'a completed']);
      expect(held.called).to.eql(['a']);
    });

    it('that ran out while the process was stopped: another has the job, and it is aborted', async () => {
      const q = makeQueue({ lockDuration: 400, stalledInterval: 100 });
      await q.add(['hold-1']);
      const child = await q.startConsumer();
      await child.waitForLine(/^started/);
      await child.stop();
      q.consume(promises);
      await starts(1);
      child.signal('SIGCONT');
      await child.waitForLine(/^aborted job-hold-1 LeaseLostError$/);
      held.complete('hold-1');
      await q.reaches('completed', 1);
      child.signal('SIGTERM');
      expect(await child.exit, child.lines.join('\n')).to.eql(cleanExit);
      expect(await q.attempts('hold-1')).to.eql({ 'hold-1': 1 });
    });
  });

  describe('a process that is killed', () => {
    const options = { lockDuration: 400, stalledInterval: 100 };

    it('loses nothing: another does all', async () => {
      const q = makeQueue(options);
      await q.add(['hold-1', 'hold-2', ...names(20).map((n) => `quick-${n}`)]);
      const child = await q.startConsumer({ workers: 2, buffer: 2 });
      await child.waitForLine(/^started job-hold-2$/);
      child.signal('SIGKILL');
      await child.exit;
      const consumer = q.consume(async () => 1);
      await consumer.has(22);
      expect(await q.counts()).to.eql({ completed: 22 });
    });

    it('by its job: that has failed for good after maxStalledCount, and the others are done', async () => {
      const q = makeQueue({ ...options, maxStalledCount: 1 });
      await q.add(['die-1', 'quick-1', 'quick-2']);
      let hasFailed = false;
      const failed = q.reaches('failed', 1).then(() => (hasFailed = true));
      while (!hasFailed) {
        const child = await q.startConsumer();
        await Promise.race([child.exit, failed]);
      }
      await q.reaches('completed', 2);
      expect(await q.counts()).to.eql({ completed: 2, failed: 1 });
      expect((await q.job('die-1')).failedReason).to.include('stalled');
    });

    it('again and again: with a higher maxStalledCount its job is done in the end', async () => {
      const q = makeQueue({ ...options, maxStalledCount: 3 });
      await q.add(['hold-1']);
      for (let crash = 1; crash <= 3; crash++) {
        const child = await q.startConsumer();
        await child.waitForLine(/^started/);
        child.signal('SIGKILL');
        await child.exit;
      }
      const consumer = q.consume(async () => 1);
      await consumer.has(1);
      expect(await q.counts()).to.eql({ completed: 1 });
    });
  });

  describe('while Redis is away', () => {
    it('stopped: what has ended is told afterwards', async () => {
      const q = makeQueue();
      await q.add(['a', 'b']);
      const consumer = q.consume(promises, { workers: 2 });
      await starts(2);
      redis.signal('SIGSTOP');
      held.complete('a');
      await until(() => held.called.length === 2);
      redis.signal('SIGCONT');
      held.complete('b');
      await consumer.has(2);
      expect(await q.counts()).to.eql({ completed: 2 });
      expect(await q.attempts('a', 'b')).to.eql({ a: 1, b: 1 });
    });

    it('killed: nothing is lost, and nothing runs twice', async () => {
      const q = makeQueue({ lockDuration: 4000, stalledInterval: 500 });
      await q.add(['a', 'b', 'c']);
      const consumer = q.consume(promises, { workers: 2 });
      await starts(2);
      await redis.kill();
      held.complete('a');
      await until(() => consumer.errors.length > 0);
      await redis.restart();
      held.complete('b');
      await starts(3);
      held.complete('c');
      await consumer.has(3);
      expect(consumer.log).to.have.members(['a completed', 'b completed', 'c completed']);
      expect(await q.counts()).to.eql({ completed: 3 });
      expect(await q.attempts('a', 'b', 'c')).to.eql({ a: 1, b: 1, c: 1 });
    });

    it('longer than drainDelay: it fetches again', async () => {
      const q = makeQueue();
      const { connection } = q.options;
      let tries = 0;
      const consumer = q.consume(
        async () => 1,
        {},
        { connection: { ...connection, retryStrategy: () => (tries++, 20) } as never },
      );
      await q.add(['a']);
      await consumer.has(1);
      await redis.kill();
      // Two connections, 20 ms each: longer than the second of drainDelay, and the second that BullMQ adds.
      await until(() => tries > 250);
      await redis.restart();
      await q.add(['b']);
      await consumer.has(2);
      expect(consumer.log).to.eql(['a completed', 'b completed']);
    });

    it('when a drain begins: that ends when it is back', async () => {
      const q = makeQueue({ lockDuration: 2000 });
      await q.add(['a', 'b']);
      const consumer = q.consume(promises);
      await starts(1);
      await redis.kill();
      await until(() => consumer.errors.length > 0);
      consumer.shutdown.next('drain');
      held.complete('a');
      await redis.restart();
      await consumer.ended;
      expect(consumer.log).to.eql(['a completed']);
      expect(await q.counts()).to.eql({ completed: 1, wait: 1 });
    });

    it("'abandon' does not wait for it", async () => {
      const q = makeQueue();
      await q.add(['a']);
      const consumer = q.consume(promises);
      await starts(1);
      await redis.kill();
      await consumer.end('abandon');
      expect(consumer.log).to.eql(['a abandoned: JobAbortedError']);
      await redis.restart();
    });
  });

  describe('what it costs', () => {
    it('asks Redis for little when it is idle', async () => {
      const q = makeQueue();
      const consumer = q.consume(async () => 1, { workers: 8, buffer: 8 });
      await q.add(['a']);
      await consumer.has(1);
      const client = new Client(redis.port);
      const monitor = await client.monitor();
      let [commands, waits] = [0, 0];
      monitor.on('monitor', (_time: string, [command]: string[], source: string) => {
        if (source === 'lua' || waits > 3) return;
        if (command!.toLowerCase() === 'bzpopmin') waits++;
        if (waits > 0) commands++;
      });
      await until(() => waits > 3);
      monitor.disconnect();
      client.disconnect();
      // Each wait is a second of drainDelay long.
      expect((commands - 1) / 3).to.be.below(3);
    });

    it('keeps nothing of 20,000 jobs', async function () {
      this.timeout(120_000);
      const q = makeQueue({ removeOnComplete: { count: 0 } });
      const heap: number[] = [];
      let done = 0;
      const consumer = q.consume(async () => void done++, { workers: 50 });
      for (const batch of [1, 2, 3, 4]) {
        for (let i = 0; i < 5; i++) await q.queue.addBulk(names(1000).map((data) => ({ name: 'job', data })));
        await consumer.has(batch * 5000);
        consumer.outcomes.length = 0;
        gc();
        heap.push(process.memoryUsage().heapUsed);
      }
      expect(done).to.equal(20_000);
      expect(heap[3]! - heap[1]!).to.be.below(3e6);
    });
  });

  describe('what BullMQ does, it does', () => {
    it('delays', async () => {
      const q = makeQueue();
      await q.add(['a'], { delay: 50 });
      await q.consume(async () => 1).has(1);
      const { processedOn, timestamp } = await q.job('a');
      expect(processedOn! - timestamp).to.be.at.least(50);
    });

    it('priorities', async () => {
      const q = makeQueue();
      await q.add(['low'], { priority: 10 });
      await q.add(['high'], { priority: 1 });
      const consumer = q.consume(async () => 1);
      await consumer.has(2);
      expect(consumer.log).to.eql(['high completed', 'low completed']);
    });

    it('a limiter', async () => {
      const q = makeQueue();
      await q.add(['a', 'b']);
      await q.consume(async () => 1, { workers: 2 }, { limiter: { max: 1, duration: 100 } }).has(2);
      const [a, b] = [await q.job('a'), await q.job('b')];
      expect(b.processedOn! - a.processedOn!).to.be.at.least(99);
    });

    it('flows', async () => {
      const q = makeQueue();
      const flows = new FlowProducer({ connection: { host: '127.0.0.1', port: redis.port } });
      const children = ['a', 'b'].map((data) => ({ name: 'job', queueName: q.name, data }));
      await flows.add({ name: 'job', queueName: q.name, data: 'parent', children });
      const consumer = q.consume(async (job) =>
        [job.data, ...Object.values<unknown>(await job.getChildrenValues())].flat(),
      );
      await consumer.has(3);
      expect((consumer.outcomes[2] as { value?: unknown }).value).to.have.members(['parent', 'a', 'b']);
      await flows.close();
    });

    it('schedulers', async () => {
      const q = makeQueue();
      await q.queue.upsertJobScheduler('often', { every: 30 }, { name: 'job', data: 'tick' });
      const consumer = q.consume(async () => 1);
      await consumer.has(3);
      await q.queue.removeJobScheduler('often');
      expect(consumer.log.slice(0, 3)).to.eql(['tick completed', 'tick completed', 'tick completed']);
    });

    it('a DelayedError, which is a failure here', async () => {
      const q = makeQueue();
      await q.add(['a']);
      const consumer = q.consume(async (job) => {
        if (job.attemptsStarted > 1) return 1;
        await job.moveToDelayed(Date.now() + 20, job.token);
        throw new DelayedError();
      });
      await consumer.has(2);
      expect(consumer.log).to.eql(['a failed: DelayedError', 'a completed']);
      expect(await q.attempts('a')).to.eql({ a: 1 });
    });

    it('a RateLimitError, which is a failure here', async () => {
      const q = makeQueue();
      await q.add(['a']);
      const consumer = q.consume(async (job) => {
        if (job.attemptsStarted > 1) return 1;
        await q.queue.rateLimit(20);
        throw new RateLimitError();
      });
      await consumer.has(2);
      expect(consumer.log).to.eql(['a failed: RateLimitError', 'a completed']);
      expect(await q.attempts('a')).to.eql({ a: 1 });
    });

    it('an UnrecoverableError', async () => {
      const q = makeQueue();
      await q.add(['a'], { attempts: 5 });
      await q.consume(() => Promise.reject(new UnrecoverableError('never'))).has(1);
      expect(await q.counts()).to.eql({ failed: 1 });
    });
  });

  it("runs the README's program", async () => {
    const readme = readFileSync(join(__dirname, '../README.md'), 'utf8');
    const [, code] = /^```typescript\n([\s\S]*?)^```$/m.exec(readme)!;
    const lines: string[] = [];
    const log = (...values: unknown[]): void => void lines.push(values.join(' '));
    runSnippet(code!.replace('6379', String(redis.port)), { console: { log } });
    const queue = new Queue<{ to: string }, string>('mails', { connection: { host: 'localhost', port: redis.port } });
    try {
      await queue.add('mail', { to: 'Ada' }, { jobId: 'first' });
      await until(() => lines.length > 0);
      expect(lines).to.eql(['first completed']);
      expect((await queue.getJob('first'))!.returnvalue).to.equal('sent to Ada');
      expect(await queue.getWorkersCount()).to.equal(1);
    } finally {
      process.emit('SIGTERM', 'SIGTERM');
      await until(async () => (await queue.getWorkersCount()) === 0);
      await queue.close();
    }
  });
});
