// A queue of BullMQ, with its consumers in this process and in others. Nothing here waits for a time: the queue's own counts, what
// a consumer has logged, and the lines of a child are what is waited for.
import { Queue, Worker } from 'bullmq';
import type { Job, JobType, JobsOptions } from 'bullmq';
import { buildSync } from 'esbuild';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Subject } from 'rxjs';
import type { Observable } from 'rxjs';
import { workerPoolSettled } from '../../src/index.js';
import type { JobContext, JobOutcome, PoolConfig, ShutdownLevel } from '../../src/index.js';
import { fromBullMQ } from '../../src/bullmq/index.js';
import type { BullMQConfig } from '../../src/bullmq/index.js';
import type { Redis } from '../../demos/12-bullmq/redis.js';
import { Child } from './child.js';
import type { Setup } from './fixtures/bullmq.js';

/** Resolves when `isSo` is. What it asks is asked again and again. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await nextTurn();
}

export type WorkOnJob = (job: Job<string, unknown>, context: JobContext) => Promise<unknown> | Observable<unknown>;

/** A Worker that tells when its connections are gone. */
class Watched<D, R, N extends string> extends Worker<D, R, N> {
  isGone = false;

  override emit: Worker<D, R, N>['emit'] = (event, ...args) => {
    if (event === 'closed') this.isGone = true;
    return super.emit(event, ...args);
  };

  override async disconnect(): Promise<void> {
    this.isGone = true;
    await super.disconnect();
  }
}

/** A consumer in this process. */
export class Consumer {
  /** A line for each outcome: the data of the job, and what has become of it. */
  readonly log: string[] = [];
  readonly outcomes: JobOutcome<Job<string, unknown>, unknown>[] = [];
  readonly shutdown: Subject<ShutdownLevel> = new Subject();
  worker!: Watched<string, unknown, string>;
  readonly errors: Error[] = [];
  readonly ended: Promise<void>;

  constructor(
    queue: string,
    options: BullMQConfig<string, unknown>,
    work: WorkOnJob,
    pool: PoolConfig<Job<string, unknown>, unknown>,
  ) {
    const jobs$ = fromBullMQ<string, unknown>(queue, {
      ...options,
      Worker: Watched,
      onWorker: (worker) => {
        this.worker = worker as Watched<string, unknown, string>;
        worker.on('error', (error) => this.errors.push(error));
      },
    });
    this.ended = new Promise((resolve, reject) => {
      jobs$.pipe(workerPoolSettled(work, { shutdown: this.shutdown, ...pool })).subscribe({
        next: (outcome) => {
          this.outcomes.push(outcome);
          this.log.push(`${outcome.job.data} ${brief(outcome)}`);
        },
        complete: resolve,
        error: reject,
      });
    });
  }

  /** Resolves when that many outcomes have been told. */
  has(outcomes: number): Promise<void> {
    return until(() => this.log.length >= outcomes);
  }

  async end(level: ShutdownLevel = 'drain'): Promise<void> {
    this.shutdown.next(level);
    await this.ended;
  }
}

function brief(outcome: JobOutcome<unknown, unknown>): string {
  switch (outcome.status) {
    case 'completed':
      return 'completed';
    case 'failed':
      return `failed: ${(outcome.error as Error).name}`;
    case 'dropped':
      return outcome.reason;
    case 'aborted':
      return `${outcome.settled ? 'aborted' : 'abandoned'}: ${(outcome.reason as Error).name}`;
  }
}

let folder: string | undefined;
const bundle = (): string => join(folder!, 'consumer.js');

/** For `before`: the fixture in one file. A process that has to compile it all takes seconds to start. */
export function bundleFixture(): void {
  folder = mkdtempSync(join(tmpdir(), 'bullmq-'));
  const entryPoints = [join(__dirname, 'fixtures/bullmq.ts')];
  buildSync({ entryPoints, outfile: bundle(), bundle: true, platform: 'node', logLevel: 'error' });
}

/** For `after`. */
export function removeBundle(): void {
  if (folder !== undefined) rmSync(folder, { recursive: true });
}

let count = 0;

export class QueueUnderTest {
  readonly name: string = `queue-${++count}`;
  readonly queue: Queue<string, unknown>;
  /** Small, so that a spec need not wait; whole numbers, as Redis wants them. */
  readonly options: BullMQConfig<string, unknown>;
  private readonly consumers: Consumer[] = [];

  constructor(redis: Redis, options: Partial<BullMQConfig<string, unknown>> = {}) {
    const connection = { host: '127.0.0.1', port: redis.port, retryStrategy: () => 20, maxRetriesPerRequest: null };
    this.options = { connection, drainDelay: 1, ...options };
    this.queue = new Queue(this.name, { connection });
    // Redis is killed in some specs.
    this.queue.on('error', () => undefined);
  }

  /** Adds a job for each, with an id of the same name. */
  async add(data: readonly string[], opts: JobsOptions = {}): Promise<void> {
    await this.queue.addBulk(data.map((one) => ({ name: 'job', data: one, opts: { ...opts, jobId: `job-${one}` } })));
  }

  /** The states that some jobs are in. */
  async counts(): Promise<Record<string, number>> {
    const types: JobType[] = ['active', 'completed', 'delayed', 'failed', 'prioritized', 'wait', 'waiting-children'];
    const counts = await this.queue.getJobCounts(...types);
    return Object.fromEntries(Object.entries(counts).filter(([, n]) => n > 0));
  }

  /** Resolves when that many are in this state. */
  reaches(state: JobType, n: number): Promise<void> {
    return until(async () => (await this.queue.getJobCountByTypes(state)) === n);
  }

  async job(data: string): Promise<Job<string, unknown>> {
    return (await this.queue.getJob(`job-${data}`))!;
  }

  /** Attempts that BullMQ has counted, by the data of the job. */
  async attempts(...data: string[]): Promise<Record<string, number>> {
    const jobs = await Promise.all(data.map((one) => this.job(one)));
    return Object.fromEntries(jobs.map((job) => [job.data, job.attemptsMade]));
  }

  consume(
    work: WorkOnJob,
    pool: Partial<PoolConfig<Job<string, unknown>, unknown>> = {},
    options: Partial<BullMQConfig<string, unknown>> = {},
  ): Consumer {
    const consumer = new Consumer(this.name, { ...this.options, ...options }, work, { workers: 1, buffer: 0, ...pool });
    this.consumers.push(consumer);
    return consumer;
  }

  /** A consumer in a process of its own. */
  async startConsumer(setup: Partial<Omit<Setup, 'queue'>> = {}): Promise<Child> {
    const { connection, ...options } = this.options;
    const { host, port } = connection as { host: string; port: number };
    const whole: Setup = {
      queue: this.name,
      workers: 1,
      buffer: 0,
      shutdown: { deadline: 60_000 },
      ...setup,
      options: { ...options, ...setup.options, connection: { host, port } },
    };
    const child = new Child(process.execPath, [bundle(), JSON.stringify(whole)], 'ipc');
    await child.ready;
    return child;
  }

  /** For `afterEach`: abandons what goes on. */
  async close(): Promise<void> {
    await Promise.all(
      this.consumers.map(async ({ worker, shutdown, ended }) => {
        shutdown.next('abandon');
        await ended.catch(() => undefined);
        await until(() => worker.isGone);
      }),
    );
    await this.queue.close();
  }
}
