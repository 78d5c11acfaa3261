// What needs no Redis: a Worker in memory stands in for that of BullMQ.
import type { Worker } from 'bullmq';
import { expect } from 'chai';
import { EventEmitter } from 'node:events';
import { BehaviorSubject, Subject, VirtualTimeScheduler } from 'rxjs';
import { workerPoolSettled } from '../../src/index.js';
import type { JobOutcome, PoolConfig, ShutdownLevel } from '../../src/index.js';
import { fromBullMQ } from '../../src/bullmq/index.js';
import type { BullMQConfig } from '../../src/bullmq/index.js';
import { Deferred, Held } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';
import { errorOf } from '../support/thrown.js';

/** A job in memory. It writes down what it is told. */
class FakeJob {
  readonly id: string;
  readonly opts: { removeOnComplete?: boolean | number } = {};
  readonly told: string[] = [];
  state: string | Error = 'active';
  moveToWaitFails = false;
  /** It has failed too often: its Worker does not call the processor. */
  isSpent = false;

  constructor(id: string) {
    this.id = id;
  }

  async moveToWait(token: string): Promise<number> {
    if (this.moveToWaitFails) throw new Error('missing lock');
    this.told.push(`waits again, ${token}`);
    return 0;
  }

  async getState(): Promise<string> {
    if (this.state instanceof Error) throw this.state;
    return this.state;
  }
}

type Processor = (job: FakeJob, token?: string) => Promise<unknown>;

/** Workers that were made, the newest last. */
const workers: FakeWorker[] = [];

class FakeWorker extends EventEmitter {
  concurrency: number;
  readonly log: string[] = [];
  readonly options: Record<string, unknown>;
  /** The acknowledgement fails without an event, as after a reconnection. */
  isMute = false;
  runFails = false;
  closed: Deferred = new Deferred();
  protected readonly lockManager: { close(): Promise<void> } = {
    close: async () => void this.log.push('lets locks go'),
  };
  private readonly processor: Processor;
  private isPausedNow = false;

  constructor(name: string, processor: Processor, options: Record<string, unknown>) {
    super();
    this.processor = processor;
    this.options = options;
    this.concurrency = options['concurrency'] as number;
    this.log.push(`made for ${name}`);
    this.closed.resolve();
    workers.push(this);
  }

  async run(): Promise<void> {
    this.log.push('run');
    if (this.runFails) throw new Error('cannot run');
  }
  async pause(): Promise<void> {
    this.isPausedNow = true;
    this.log.push('paused');
  }
  async resume(): Promise<void> {
    this.isPausedNow = false;
    this.log.push('resumed');
  }
  isPaused(): boolean {
    return this.isPausedNow;
  }
  close(): Promise<void> {
    this.log.push('closes');
    this.emit('closing');
    return this.closed.promise;
  }
  disconnect(): Promise<void> {
    this.log.push('disconnects');
    return Promise.reject(new Error('away'));
  }

  /** As BullMQ does it: tells the job, then its listeners. */
  async processJob(job: FakeJob, token: string): Promise<void> {
    if (job.isSpent) return;
    try {
      const value = await this.processor(job, token);
      if (this.isMute) return;
      if (typeof value === 'bigint') throw new TypeError('no JSON');
      job.told.push(`completed ${String(value)}`);
      this.emit('completed', job);
    } catch (error) {
      const { name, message } = error as Error;
      if (name === 'WaitingError') return;
      job.told.push(`failed: ${name}: ${message}`);
      if (name !== 'DelayedError') this.emit('failed', job, error);
    }
  }
}

const connection = {};

/** A pool on a queue in memory. */
class Trial {
  readonly held: Held<FakeJob> = new Held();
  readonly shutdown: Subject<ShutdownLevel> = new Subject();
  readonly log: string[] = [];
  readonly worker: FakeWorker;
  ended = false;

  constructor(pool: Partial<PoolConfig<never, unknown>> = {}, options: Partial<BullMQConfig> = {}, isReady = true) {
    fromBullMQ('mails', { connection, ...options, Worker: FakeWorker as unknown as typeof Worker })
      .pipe(
        workerPoolSettled((job, context) => this.held.promises(job as unknown as FakeJob, context), {
          workers: 1,
          buffer: 0,
          shutdown: this.shutdown,
          ...pool,
        }),
      )
      .subscribe({
        next: (outcome) => this.log.push(lineOf(outcome as unknown as JobOutcome<FakeJob, unknown>)),
        error: (error: unknown) => this.log.push(String(error)),
        complete: () => {
          this.ended = true;
          this.log.push('complete');
        },
      });
    this.worker = workers.at(-1)!;
    if (isReady) this.worker.emit('ready');
  }

  async fetch(id: string): Promise<FakeJob> {
    const job = new FakeJob(id);
    void this.worker.processJob(job, `token ${id}`);
    await turn();
    return job;
  }

  async complete(job: FakeJob, value: unknown): Promise<void> {
    this.held.complete(job, value);
    await turn();
  }

  async end(level: ShutdownLevel = 'abandon'): Promise<void> {
    this.shutdown.next(level);
    await turn();
  }
}

function lineOf(outcome: JobOutcome<FakeJob, unknown>): string {
  const { job, status } = outcome;
  const reason =
    outcome.status === 'failed' ? outcome.error : outcome.status === 'aborted' ? outcome.reason : undefined;
  const detail = outcome.status === 'dropped' ? outcome.reason : status;
  try {
    return reason === undefined ? `${job.id} ${detail}` : `${job.id} ${detail}: ${(reason as Error).name ?? reason}`;
  } catch {
    return `${job.id} ${detail}: unreadable`;
  }
}

describe('fromBullMQ', () => {
  describe('what it refuses', () => {
    const messageOf = (options: unknown, queue: unknown = 'mails'): string => {
      const error = errorOf(() => fromBullMQ(queue as string, options as BullMQConfig));
      return `${error.name}: ${error.message}`;
    };

    it('concurrency, which is the places of the pool', () => {
      expect(messageOf({ connection, concurrency: 5 })).to.equal(
        "TypeError: fromBullMQ has no option 'concurrency' (5): it is the workers + buffer of the pool, and follows them",
      );
      // @ts-expect-error by its type, too
      expect(() => fromBullMQ('mails', { connection, concurrency: 5 })).to.throw(TypeError);
    });

    it('a stalledInterval that would end the check in silence', () => {
      const error = 'RangeError: stalledInterval must be a whole number of milliseconds, but is 0.5';
      expect(messageOf({ connection, stalledInterval: 0.5 })).to.equal(error);
    });

    it('what is of no right kind', () => {
      expect(messageOf({}, '')).to.equal("TypeError: queueName must be a string that is not empty, but is ''");
      expect(messageOf({}, 1)).to.include('but is 1');
      for (const [value, said] of [
        [undefined, 'undefined'],
        [[], 'an array'],
        [() => 1, 'a function'],
      ])
        expect(messageOf(value)).to.equal(
          `TypeError: fromBullMQ's options must be an object of BullMQ WorkerOptions, but is ${String(said)}`,
        );
      expect(messageOf({ onWorker: {} })).to.equal('TypeError: onWorker must be a function, but is an object');
      expect(messageOf({ Worker: 'Pro' })).to.include(
        "must be a class that extends the Worker of BullMQ, but is 'Pro'",
      );
    });

    it('infinitely many places', () => {
      const trial = new Trial({ buffer: Infinity });
      expect(trial.log[0]).to.match(/^RangeError: fromBullMQ: a Worker fetches as many jobs as the pool has places/);
    });

    it('infinitely many places later: the source has an error', async () => {
      const workers$ = new BehaviorSubject(1);
      const trial = new Trial({ workers: workers$ });
      workers$.next(Infinity);
      await turn();
      expect(trial.log.at(-1)).to.match(/^RangeError/);
      expect(trial.worker.log).to.include('closes');
    });

    it('infinitely many places while the pool does not ask: the source has an error when it does', async () => {
      const workers$ = new BehaviorSubject(1);
      const scheduler = new VirtualTimeScheduler();
      const trial = new Trial({ workers: workers$, rateLimit: { limit: 1, interval: 10 }, scheduler });
      await trial.complete(await trial.fetch('a'), 1);
      workers$.next(Infinity);
      await turn();
      expect(trial.log).to.eql(['a completed']);
      scheduler.flush();
      await turn();
      expect(trial.log.at(-1)).to.match(/^RangeError/);
    });

    it('an onWorker that throws: its Worker is closed', () => {
      const onWorker = (): never => {
        throw new Error('mine');
      };
      const trial = new Trial({}, { onWorker });
      expect(trial.log).to.eql(['Error: mine']);
      expect(trial.worker.log).to.eql(['made for mails', 'closes']);
    });
  });

  it('gives the Worker its places and a quarter of the lock for a failed acknowledgement', async () => {
    const trial = new Trial({ workers: 2, buffer: 3 }, { lockDuration: 1001 });
    expect(trial.worker.options).to.include({ concurrency: 5, autorun: false, runRetryDelay: 250 });
    expect(trial.worker.log).to.eql(['made for mails', 'run']);
    await trial.end();
  });

  it('leaves the start to you with autorun: false, and tells the Worker of a failed one', async () => {
    const waits = new Trial({}, { autorun: false });
    expect(waits.worker.log).to.eql(['made for mails']);
    await waits.end();
    const errors: Error[] = [];
    const fails = new Trial(
      {},
      {
        onWorker: (worker) => {
          (worker as unknown as FakeWorker).runFails = true;
          worker.on('error', (error) => errors.push(error));
        },
      },
    );
    await turn();
    expect(errors.map(({ message }) => message)).to.eql(['cannot run']);
    await fails.end();
  });

  it('follows the places: paused at none, woken when it is full and may have more', async () => {
    const workers$ = new BehaviorSubject(0);
    const trial = new Trial({ workers: workers$ });
    expect(trial.worker.log.splice(0)).to.eql(['made for mails', 'paused']);
    const early = await trial.fetch('early');
    expect(early.told).to.eql(['waits again, token early']);
    workers$.next(1);
    expect(trial.worker.log.splice(0)).to.eql(['resumed']);
    const job = await trial.fetch('a');
    workers$.next(2);
    expect(trial.worker.log.splice(0)).to.eql(['paused', 'resumed']);
    workers$.next(3);
    expect({ log: trial.worker.log.splice(0), concurrency: trial.worker.concurrency }).to.eql({
      log: [],
      concurrency: 3,
    });
    await trial.complete(job, 1);
    await trial.end();
  });

  describe('what BullMQ is told', () => {
    it('completed, with the value; failed, with an error', async () => {
      const trial = new Trial();
      const a = await trial.fetch('a');
      await trial.complete(a, 1);
      const b = await trial.fetch('b');
      trial.held.fail(b, 'no');
      await turn();
      expect([a.told, b.told]).to.eql([['completed 1'], ['failed: Error: no']]);
      expect(trial.log).to.eql(['a completed', 'b failed: no']);
      await trial.end();
    });

    it('nothing of its own for a DelayedError', async () => {
      const trial = new Trial();
      const a = await trial.fetch('a');
      trial.held.fail(a, Object.assign(new Error('later'), { name: 'DelayedError' }));
      await turn();
      expect(trial.log).to.eql(['a failed: DelayedError']);
      await trial.end();
    });

    it('failed for good, where it has expired', async () => {
      const trial = new Trial({ buffer: 1, ttl: 1 });
      const a = await trial.fetch('a');
      const b = await trial.fetch('b');
      while (trial.log.length === 0) await turn();
      expect(b.told).to.eql(['failed: UnrecoverableError: expired: it waited for too long in the pool']);
      await trial.complete(a, 1);
      await trial.end();
    });

    it('that it is to wait again, for what waits and what nobody took', async () => {
      const trial = new Trial({ buffer: 1 });
      const [a, b, c] = [await trial.fetch('a'), await trial.fetch('b'), await trial.fetch('c')];
      await trial.end('discard');
      expect([b.told, c.told]).to.eql([['waits again, token b'], ['waits again, token c']]);
      const prefetched = await trial.fetch('d');
      expect(prefetched.told).to.eql(['waits again, token d']);
      await trial.complete(a, 1);
      expect(trial.log).to.eql(['b shutdown', 'a completed', 'complete']);
    });

    it('reports what cannot be given back: of the pool as it does, of the Worker by its event', async () => {
      const trial = new Trial();
      const errors: Error[] = [];
      trial.worker.on('error', (error: Error) => errors.push(error));
      const [a, b] = [await trial.fetch('a'), await trial.fetch('b')];
      a.moveToWaitFails = b.moveToWaitFails = true;
      await trial.end();
      expect(errors.map(({ message }) => message)).to.eql(['missing lock']);
      await turn();
      expect(takeReported().map(String)).to.eql(['Error: missing lock']);
    });

    it('nothing of a lost one, and it is asked for no more', async () => {
      const trial = new Trial({});
      const [a, b] = [await trial.fetch('a'), await trial.fetch('b')];
      trial.worker.emit('lockRenewalFailed', ['b', 'x']);
      trial.worker.emit('lockRenewalFailed', ['a']);
      await trial.complete(a, 1);
      expect([a.told, b.told]).to.eql([[], []]);
      expect(trial.log).to.eql(['a aborted: LeaseLostError']);
      await trial.end();
    });
  });

  describe('an acknowledgement without an event', () => {
    for (const [state, said, kept, removed] of [
      ['completed', 'a completed'],
      ['active', 'a failed: LeaseLostError'],
      [new Error('away'), 'a failed: Error'],
      // It was removed, or Redis has lost its data: nothing has been stored.
      ['unknown', 'a failed: LeaseLostError'],
      ['unknown', 'a failed: LeaseLostError', undefined, false],
      ['unknown', 'a failed: LeaseLostError', { count: 0 }, false],
      // That was to be.
      ['unknown', 'a completed', undefined, true],
      ['unknown', 'a completed', undefined, 1],
      ['unknown', 'a completed', { count: 0 }],
    ] as const) {
      const options = kept === undefined ? {} : { removeOnComplete: kept };
      it(`is what the state says: ${String(state)}, ${JSON.stringify([kept, removed])}`, async () => {
        const trial = new Trial({}, options);
        const a = await trial.fetch('a');
        if (removed !== undefined) a.opts.removeOnComplete = removed;
        a.state = state;
        trial.worker.isMute = true;
        await trial.complete(a, 1);
        expect(trial.log).to.eql([said]);
        await trial.end();
      });
    }

    it('is a failure where the Worker says that it has failed', async () => {
      const trial = new Trial();
      await trial.complete(await trial.fetch('a'), 1n);
      expect(trial.log).to.eql(['a failed: TypeError']);
      await trial.end();
    });
  });

  describe('a failure', () => {
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    class Unreadable extends Error {
      override get message(): string {
        throw new Error('no message');
      }
    }
    for (const [what, thrown, told] of [
      ['an error', new RangeError('too far'), 'RangeError: too far'],
      ["that is BullMQ's by its name", { name: 'UnrecoverableError', message: 'no' }, 'UnrecoverableError: no'],
      ['with a message', { message: 'plain' }, 'Error: plain'],
      ['that is text', 'no', 'Error: no'],
      ['that is nothing', undefined, 'Error: undefined'],
      ['without a prototype', Object.create(null), 'Error: the job failed with a value that throws when it is read'],
      ['that was revoked', revoked.proxy, 'Error: the job failed with a value that throws when it is read'],
      ['whose message throws', new Unreadable(), 'Error: the job failed with a value that throws when it is read'],
    ] as const) {
      it(`is told by its name and message: one ${what}`, async () => {
        const trial = new Trial();
        const a = await trial.fetch('a');
        trial.held.fail(a, thrown);
        await turn();
        expect(a.told).to.eql([`failed: ${told}`]);
        trial.shutdown.next('drain');
        await turn();
        expect(trial.ended).to.equal(true);
      });
    }
  });

  it('lets a Worker go on that was never connected: it gives back what it fetches when it is', async () => {
    const trial = new Trial({}, {}, false);
    trial.worker.closed = new Deferred();
    trial.shutdown.next('abandon');
    while (trial.log.at(-1) !== 'complete') await turn();
    while (!trial.worker.log.includes('lets locks go')) await turn();
    expect(trial.worker.log).not.to.include('disconnects');
    expect((await trial.fetch('a')).told).to.eql(['waits again, token a']);
  });

  it('gives back in the order of the queue, whatever the order in which the pool lets go', async () => {
    const told: string[] = [];
    const trial = new Trial({ workers: 2, buffer: 1 });
    const jobs = [await trial.fetch('a'), await trial.fetch('b'), await trial.fetch('c')];
    for (const job of jobs) job.moveToWait = async () => told.push(job.id);
    trial.shutdown.next('abort');
    for (const job of jobs.slice(0, 2)) trial.held.fail(job, new Error('stopped'));
    await turn();
    // Each goes to the head.
    expect(told).to.eql(['c', 'b', 'a']);
  });

  it('hears of jobs that are not its own, and says nothing', async () => {
    const trial = new Trial();
    trial.worker.emit('completed', {});
    trial.worker.emit('failed', undefined, new Error('gone'));
    trial.worker.emit('failed', {}, new Error('not mine'));
    const spent = new FakeJob('spent');
    spent.isSpent = true;
    await trial.worker.processJob(spent, 'token');
    await trial.end();
    expect(trial.log.at(-1)).to.equal('complete');
  });

  it('ends when its Worker is closed', async () => {
    const trial = new Trial();
    const a = await trial.fetch('a');
    void trial.worker.close();
    await trial.complete(a, 1);
    expect(trial.log).to.eql(['a completed', 'complete']);
  });

  it('lets a Worker go that does not close', async () => {
    const trial = new Trial();
    trial.worker.closed = new Deferred();
    const a = await trial.fetch('a');
    trial.shutdown.next('drain');
    await trial.complete(a, 1);
    while (trial.log.at(-1) !== 'complete') await turn();
    expect(trial.worker.log.slice(-3)).to.eql(['paused', 'lets locks go', 'disconnects']);
  });
});
