// The signals of this process: one listener on it for each signal, however many subscriptions.
import { Subscription } from 'rxjs';
import { show } from './describe.js';
import { reportError } from './reporting.js';

/** The signals that a program can listen to. SIGKILL and SIGSTOP cannot be caught. */
export type SignalName =
  | 'SIGTERM'
  | 'SIGINT'
  | 'SIGHUP'
  | 'SIGQUIT'
  | 'SIGBREAK'
  | 'SIGUSR1'
  | 'SIGUSR2'
  | 'SIGWINCH'
  | 'SIGCONT'
  | 'SIGPIPE'
  | 'SIGALRM';

const NAMES: readonly SignalName[] = [
  'SIGTERM',
  'SIGINT',
  'SIGHUP',
  'SIGQUIT',
  'SIGBREAK',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
  'SIGCONT',
  'SIGPIPE',
  'SIGALRM',
];

type Listener = (signal: SignalName) => void;

/** What is used of Node's `process`, so that a browser's bundle and a user without `@types/node` need nothing. */
interface Process {
  on(signal: string, listener: Listener): void;
  off(signal: string, listener: Listener): void;
  listeners?(signal: string): readonly unknown[];
  getBuiltinModule?(name: string): BuiltinModule | undefined;
}

interface BuiltinModule {
  /** Of worker_threads. */
  readonly isMainThread?: boolean;
  /** Of async_hooks. */
  readonly AsyncResource?: new (type: string) => {
    runInAsyncScope(listener: Listener, thisArg: undefined, signal: SignalName): void;
  };
}

/** The one listener of a signal, and the subscribers that it calls. */
class SharedListener {
  readonly subscribers: Set<Listener> = new Set();

  readonly listener = (signal: SignalName): void => {
    // A copy, as Node makes one: a subscriber that comes during the delivery hears of the next signal.
    for (const subscriber of [...this.subscribers]) {
      if (!this.subscribers.has(subscriber)) continue;
      try {
        subscriber(signal);
      } catch (error) {
        reportError(error);
      }
    }
  };
}

/** By the process object too, because test tools replace it. */
const shared: WeakMap<Process, Map<SignalName, SharedListener>> = new WeakMap();

export function checkSignalNames(caller: string, signals: readonly SignalName[]): void {
  if (signals.length === 0) throw new TypeError(`${caller} needs the name of a signal, such as 'SIGTERM'`);
  for (const signal of signals) {
    if ((signal as string) === 'SIGKILL' || (signal as string) === 'SIGSTOP')
      throw new TypeError(`${signal} cannot be caught by any process`);
    // Node would listen for any other string too, and never call back.
    if (!NAMES.includes(signal))
      throw new TypeError(`${show(signal)} is not the name of a signal that can be listened to: ${NAMES.join(', ')}`);
  }
}

/**
 * Calls `next`, in the async context of this call, for each of `signals` that the process receives.
 *
 * @throws Error where no signal can arrive
 */
export function subscribeToSignals(caller: string, signals: readonly SignalName[], next: Listener): Subscription {
  const process = processHere(caller);
  const subscription = new Subscription();
  const subscriber = inThisContext(process, next);
  try {
    for (const signal of new Set(signals)) subscription.add(join(process, signal, subscriber));
  } catch (error) {
    subscription.unsubscribe();
    throw error;
  }
  return subscription;
}

function processHere(caller: string): Process {
  const { process } = globalThis as { process?: Partial<Process> };
  if (typeof process?.on !== 'function' || typeof process.off !== 'function') {
    throw new Error(`${caller}: there is no process here that could receive a signal`);
  }
  if (process.getBuiltinModule?.('worker_threads')?.isMainThread === false) {
    throw new Error(`${caller}: signals never arrive in a worker thread; listen in the main thread and post a message`);
  }
  return process as Process;
}

/** Adds `subscriber` to those of the signal's listener, which is installed for the first. Returns what takes it away again. */
function join(process: Process, signal: SignalName, subscriber: Listener): () => void {
  const bySignal = shared.get(process) ?? new Map<SignalName, SharedListener>();
  shared.set(process, bySignal);
  const one = bySignal.get(signal) ?? new SharedListener();
  // Installed again, too, after a removeAllListeners: or no subscriber would be called until the last of them has left.
  const isInstalled = bySignal.has(signal) && process.listeners?.(signal).includes(one.listener) !== false;
  if (!isInstalled) process.on(signal, one.listener);
  bySignal.set(signal, one);
  one.subscribers.add(subscriber);
  return () => {
    one.subscribers.delete(subscriber);
    if (one.subscribers.size > 0) return;
    bySignal.delete(signal);
    process.off(signal, one.listener);
  };
}

/**
 * A listener of its own, also where `next` is used twice. Node delivers a signal in the async context of the first listener,
 * which would be that of another subscriber.
 */
function inThisContext(process: Process, next: Listener): Listener {
  const AsyncResource = process.getBuiltinModule?.('async_hooks')?.AsyncResource;
  if (AsyncResource === undefined) return (signal) => next(signal);
  const resource = new AsyncResource('fromSignals');
  return (signal) => resource.runInAsyncScope(next, undefined, signal);
}
