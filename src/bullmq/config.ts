import { Worker } from 'bullmq';
import type { WorkerOptions } from 'bullmq';

/** BullMQ's options of a Worker, but `concurrency`, which is the pool's `workers + buffer`. */
export type BullMQConfig<D = unknown, R = unknown, N extends string = string> = Omit<WorkerOptions, 'concurrency'> & {
  /** No option: how many jobs are out at once is what the pool has places for. */
  readonly concurrency?: undefined;
  /**
   * Called with the Worker of each subscription before it fetches, so that you can listen to its events. A Worker without an `'error'`
   * listener prints its errors. `worker.close()` ends the source. What this function throws is the source's error. @default none
   */
  readonly onWorker?: ((worker: Worker<D, R, N>) => void) | undefined;
  /** The class of the Worker: BullMQ Pro's, or one of yours. @default BullMQ's Worker */
  readonly Worker?: typeof Worker | undefined;
};

/** The options, checked, and read once. */
export interface ConsumerOptions<D, R, N extends string> {
  readonly queueName: string;
  readonly onWorker: ((worker: Worker<D, R, N>) => void) | undefined;
  readonly Worker: typeof Worker;
  /** For the Worker, but its concurrency. */
  readonly worker: Omit<WorkerOptions, 'concurrency'>;
}

/** BullMQ's own default of `lockDuration`, in milliseconds. */
const LOCK_DURATION = 30_000;

export function readConfig<D, R, N extends string>(
  queueName: string,
  config: BullMQConfig<D, R, N>,
): ConsumerOptions<D, R, N> {
  if (typeof queueName !== 'string' || queueName === '') wrong('queueName', 'a string that is not empty', queueName);
  if (Object(config) !== config || typeof config === 'function' || Array.isArray(config))
    wrong("fromBullMQ's options", 'an object of BullMQ WorkerOptions', config);
  const { onWorker, Worker: Class = Worker, concurrency, ...worker } = config;
  if (concurrency !== undefined)
    throw new TypeError(
      `fromBullMQ has no option 'concurrency' (${show(concurrency)}): it is the workers + buffer of the pool, and follows them`,
    );
  if (onWorker !== undefined && typeof onWorker !== 'function') wrong('onWorker', 'a function', onWorker);
  if (typeof Class !== 'function') wrong('Worker', 'a class that extends the Worker of BullMQ', Class);
  const { stalledInterval, lockDuration = LOCK_DURATION } = worker;
  // Redis refuses the fraction in a script whose error ends the check for ever.
  if (stalledInterval !== undefined && !Number.isInteger(stalledInterval))
    throw new RangeError(`stalledInterval must be a whole number of milliseconds, but is ${show(stalledInterval)}`);
  // An acknowledgement that failed with the connection is tried again after this time, and a lock has half of its own left.
  return { queueName, onWorker, Worker: Class, worker: { runRetryDelay: Math.floor(lockDuration / 4), ...worker } };
}

function wrong(name: string, right: string, value: unknown): never {
  throw new TypeError(`${name} must be ${right}, but is ${show(value)}`);
}

/** Never with an error of its own: an object is told by its type, because what it says of itself may throw. */
function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (Array.isArray(value)) return 'an array';
  if (Object(value) === value) return typeof value === 'function' ? 'a function' : 'an object';
  return String(value);
}
