import type { Job, Worker } from 'bullmq';
import { defer, delay, firstValueFrom, of, race, Subject, tap } from 'rxjs';
import type { Observer } from 'rxjs';
import type { JobOutcome, LeaseDemand } from '../types.js';
import type { ConsumerOptions } from './config.js';
import { GiveBacks } from './giveBacks.js';
import { HeldJob } from './heldJob.js';

/** What its Worker has in hand, by the job: an outcome and an event name it so. */
const heldJobs = new WeakMap<object, HeldJob<unknown, unknown, string>>();

/** Tells BullMQ what became of a job. */
export function settle(outcome: JobOutcome<object, unknown>): Promise<void> {
  return heldJobs.get(outcome.job)!.settle(outcome);
}

/** A Worker that can be let go though it does not close. */
interface LendingWorker<D, R, N extends string> extends Worker<D, R, N> {
  /** @param wasReady it has been connected */
  release(wasReady: boolean): void;
}

interface Taker<J> {
  resolve(item: IteratorResult<J>): void;
  reject(error: unknown): void;
}

/** Milliseconds from the end of the last job to that of its Worker. */
const LONGEST_CLOSE = 1000;

const DONE = { done: true, value: undefined } as const;

/**
 * The jobs of one queue, for one subscription. A Worker of BullMQ fetches them, as many as the pool has places, and renews their
 * locks. Its processor hands each job over, and waits until the pool has settled it.
 */
export class Consumer<D, R, N extends string> implements AsyncIterableIterator<Job<D, R, N>> {
  readonly #worker: LendingWorker<D, R, N>;
  readonly #lost: Pick<Observer<Job<D, R, N>>, 'next'>;
  readonly #held = new Set<HeldJob<D, R, N>>();
  readonly #emptied = new Subject<void>();
  readonly #giveBacks = new GiveBacks();
  readonly #removesCompleted: boolean;
  /** Jobs that were fetched so far. */
  #fetched = 0;
  #wasReady = false;
  /** Those that the pool has not taken, the oldest first. */
  readonly #waiting = new Set<HeldJob<D, R, N>>();
  #taker: Taker<Job<D, R, N>> | undefined;
  /** How many jobs may be out. The Worker is paused while none may. */
  #places: number;
  #failure: RangeError | undefined;
  #isClosed = false;

  constructor(options: ConsumerOptions<D, R, N>, demand: LeaseDemand, lost: Pick<Observer<Job<D, R, N>>, 'next'>) {
    this.#lost = lost;
    this.#places = demand.places;
    if (this.#places === Infinity) throw tooMany();
    this.#removesCompleted = options.worker.removeOnComplete !== undefined;
    const worker = (this.#worker = this.#makeWorker(options));
    worker.on('completed', (job) => heldJobs.get(job)?.onCompleted());
    worker.on('failed', (job, error) => job && heldJobs.get(job)?.onFailed(error));
    worker.on('lockRenewalFailed', (ids) => this.#lose(new Set(ids)));
    worker.on('closing', () => this.#stop());
    worker.once('ready', () => (this.#wasReady = true));
    try {
      options.onWorker?.(worker);
    } catch (error) {
      void worker.close();
      throw error;
    }
    demand.signal.addEventListener('abort', () => void this.return(), { once: true });
    demand.places$.subscribe((now) => this.#follow(now));
    if (options.worker.autorun !== false && this.#places > 0)
      worker.run().catch((error: Error) => worker.emit('error', error));
  }

  #makeWorker({ queueName, Worker: Base, worker }: ConsumerOptions<D, R, N>): LendingWorker<D, R, N> {
    const onProcessed = (job: Job<D, R, N>): Promise<void> => this.#onProcessed(job);
    const processor = (job: Job<D, R, N>, token?: string): Promise<R> => this.#onJob(job, token!);
    const options = { ...worker, concurrency: Math.max(this.#places, 1), autorun: false };
    return new (class extends Base<D, R, N> implements LendingWorker<D, R, N> {
      override async processJob(...args: Parameters<Worker<D, R, N>['processJob']>): Promise<Job<D, R, N> | void> {
        const next = await super.processJob(...args);
        await onProcessed(args[0]);
        return next;
      }

      release(wasReady: boolean): void {
        void this.pause(true);
        void this.lockManager.close();
        // What it began to fetch before it was ever connected it will give back when it is: then it closes by itself.
        if (wasReady) this.disconnect().catch(() => undefined);
      }
    })(queueName, processor, options);
  }

  /** The Worker has done with a job. */
  async #onProcessed(job: Job<D, R, N>): Promise<void> {
    const held = heldJobs.get(job) as HeldJob<D, R, N> | undefined;
    // One that has failed too often is failed by the Worker alone.
    if (held === undefined) return;
    await held.onProcessed();
    this.#held.delete(held);
    if (this.#held.size === 0) this.#emptied.next();
  }

  /** The Worker has fetched a job. */
  #onJob(job: Job<D, R, N>, token: string): Promise<R> {
    const held = new HeldJob(job, {
      token,
      number: this.#fetched++,
      giveBacks: this.#giveBacks,
      removesCompleted: this.#removesCompleted,
    });
    heldJobs.set(job, held as unknown as HeldJob<unknown, unknown, string>);
    this.#held.add(held);
    const taker = this.#taker;
    if (taker !== undefined) {
      this.#taker = undefined;
      taker.resolve({ done: false, value: job });
    } else {
      this.#waiting.add(held);
      // It was on its way when the Worker was paused, or closed.
      if (this.#isClosed || this.#places === 0) this.#giveBack(0);
    }
    return held.result;
  }

  /** Of those that the pool has not taken so many are kept. */
  #giveBack(kept: number): void {
    for (const held of [...this.#waiting].slice(kept)) {
      this.#waiting.delete(held);
      held.giveBack().catch((error: Error) => this.#worker.emit('error', error));
    }
  }

  #follow(places: number): void {
    if (places === Infinity) return this.#fail(tooMany());
    const worker = this.#worker;
    const before = this.#places;
    this.#places = places;
    this.#giveBack(places);
    if (places === 0) return void worker.pause(true);
    worker.concurrency = places;
    // A full Worker looks for more when one of its jobs has ended, or (since BullMQ 6) when it is resumed.
    if (before === 0) return void worker.resume();
    if (places <= before || this.#held.size < before || worker.isPaused()) return;
    void worker.pause(true);
    void worker.resume();
  }

  /** Somebody else may have these. */
  #lose(ids: ReadonlySet<string>): void {
    for (const held of this.#held) {
      if (!ids.has(held.job.id!)) continue;
      if (this.#waiting.delete(held)) held.release();
      else this.#lost.next(held.job);
    }
  }

  #fail(error: RangeError): void {
    const taker = this.#taker;
    this.#taker = undefined;
    if (taker === undefined) this.#failure = error;
    else taker.reject(error);
  }

  #stop(): void {
    this.#isClosed = true;
    this.#taker?.resolve(DONE);
    this.#taker = undefined;
    this.#giveBack(0);
  }

  // ---- The pool's side

  next(): Promise<IteratorResult<Job<D, R, N>>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#isClosed) return Promise.resolve(DONE);
    const [held] = this.#waiting;
    if (held === undefined) return new Promise((resolve, reject) => (this.#taker = { resolve, reject }));
    this.#waiting.delete(held);
    return Promise.resolve({ done: false, value: held.job });
  }

  /** The Worker renews the locks until its last job has been settled. */
  async return(): Promise<IteratorResult<Job<D, R, N>>> {
    this.#stop();
    const closed = this.#worker.close();
    // It waits for ever where it began to close while Redis was away.
    const emptied$ = defer(() => (this.#held.size === 0 ? of(undefined) : this.#emptied));
    const stuck$ = emptied$.pipe(
      delay(LONGEST_CLOSE),
      tap(() => this.#worker.release(this.#wasReady)),
    );
    await firstValueFrom(race(closed, stuck$));
    return DONE;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function tooMany(): RangeError {
  return new RangeError(
    'fromBullMQ: a Worker fetches as many jobs as the pool has places, and Infinity is too many: give it finite workers and a finite buffer',
  );
}
