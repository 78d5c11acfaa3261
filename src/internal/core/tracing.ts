// Each attempt on the channels of Node's diagnostics_channel, where the host has them: whoever traces needs no line of the user's.
import { captureScope, runIn } from '../support/asyncScope.js';
import type { AsyncScope } from '../support/asyncScope.js';
import type { Verdict } from './observer.js';
import type { Run, RunOwner } from './run.js';

/** What subscribers of the channels are told: one object for each attempt. */
interface Message {
  /** The pool's name. */
  readonly pool: string;
  /** Absent where the pool keeps none. */
  readonly id?: number;
  /** Of a BackgroundJobs' job: does a caller wait for its result, as that of `submit` does, and of `offer` does not? */
  readonly awaited?: boolean;
  readonly job: unknown;
  /** 1 for the first. */
  readonly attempt: number;
  /** 1…N */
  readonly worker: number;
  /** What the attempt has come to; a stream's last value. */
  result?: unknown;
  /** What it has failed with, or why it was given up. */
  error?: unknown;
}

interface Channel {
  readonly hasSubscribers: boolean;
  publish(message: Message): void;
  /** Publishes, and calls `fn` in the context that stores have bound to the channel. */
  runStores<T>(message: Message, fn: () => T): T;
}

type Channels = Readonly<Record<'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error', Channel>>;

interface Host {
  readonly process?: {
    getBuiltinModule?(name: 'diagnostics_channel'): { tracingChannel?(name: string): Channels } | undefined;
  };
}

const channels = (globalThis as Host).process
  ?.getBuiltinModule?.('diagnostics_channel')
  ?.tracingChannel?.('rxjs-background-jobs:job.run');

/**
 * Has anybody subscribed, or bound a store? Asked at every start: an attempt that nobody traces costs this question alone. Not
 * every host says it of all five at once.
 */
export function isTraced(): boolean {
  return (
    channels !== undefined &&
    (channels.start.hasSubscribers ||
      channels.asyncEnd.hasSubscribers ||
      channels.error.hasSubscribers ||
      channels.end.hasSubscribers ||
      channels.asyncStart.hasSubscribers)
  );
}

/**
 * One attempt that is traced: `start` and `end` around the call of `work` and the subscription to its stream, `asyncStart` and
 * `asyncEnd` when the attempt is judged, and `error` before them when it has failed or was given up. In this order always.
 *
 * What the stores bind is active in the work, and nowhere else: the next job does not start in the context of this one.
 */
export class Trace {
  readonly #message: Message;
  /** The context without the trace. */
  readonly #outside: AsyncScope | undefined = captureScope();
  /** The context of the work. */
  #inside: AsyncScope | undefined;
  #hasEnded = false;

  constructor(message: Message) {
    this.#message = message;
  }

  /** Calls `work`. */
  start<T>(work: () => T): T {
    return channels!.start.runStores(this.#message, () => {
      this.#inside = captureScope();
      return work();
    });
  }

  /** Subscribes to what `work` has returned. */
  subscribe(subscribe: () => void): void {
    runIn(this.#inside, subscribe);
  }

  /** The work's call has returned, and its stream has been subscribed. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    channels!.end.publish(this.#message);
  }

  judge(verdict: Verdict, result: unknown): void {
    const message = this.#message;
    // It may have been judged inside the call.
    this.end();
    if (verdict === 'completed') message.result = result;
    else {
      message.error = result;
      channels!.error.publish(message);
    }
    channels!.asyncStart.publish(message);
    channels!.asyncEnd.publish(message);
  }

  /** `owner`, for which the work's stream ends in the context without the trace: there its worker takes the next job. */
  ownerOutside<R>(owner: RunOwner<R>): RunOwner<R> {
    const leave = (fn: () => void): void => runIn(this.#outside, fn);
    return {
      onValue: (value) => owner.onValue(value),
      onError: (run: Run<R>, error) => leave(() => owner.onError(run, error)),
      onComplete: (run: Run<R>) => leave(() => owner.onComplete(run)),
    };
  }
}
