import { Observable } from 'rxjs';
import { show } from './internal/support/checks.js';

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

/** What is used of Node's `process`, so that a browser's bundle and a user without `@types/node` need nothing. */
interface Process {
  on(signal: string, listener: (signal: SignalName) => void): void;
  off(signal: string, listener: (signal: SignalName) => void): void;
  getBuiltinModule?(name: 'worker_threads'): { readonly isMainThread: boolean };
}

/**
 * Emits the name of each of the given signals that this process receives. Go's `signal.Notify`.
 *
 * Cold: each subscription installs its own listeners and removes them when it is unsubscribed. While one is subscribed, the
 * signal's default action (for SIGTERM and SIGINT: the process dies) does not happen; after the last listener has gone it
 * does again. So a signal that is both the source of jobs and fatal by default needs a subscriber that outlives the drain;
 * demo 02 shows it. Other listeners are left alone.
 *
 * Never completes. Nothing is buffered, and a signal is not a count: the kernel keeps one pending mark for each signal, so a
 * burst of a thousand may arrive as one. A signal before the subscription has its default action. A listener does not keep
 * the process alive.
 *
 *     process   --SIGTERM----SIGTERM--
 *     output    --a----------a--------      a = 'SIGTERM'
 *
 * @param signals at least one name
 * @returns an Observable of the names as they arrive; it errors when it is subscribed where no signal can arrive: in a
 *   worker thread, or where there is no `process`
 * @throws TypeError when no name is given, or one is not a signal's name or cannot be caught
 * @example
 * ```ts
 * const terminate$ = fromSignals('SIGTERM', 'SIGINT');
 * terminate$.subscribe((signal) => console.log(`got ${signal}`));
 * ```
 */
export function fromSignals(...signals: [SignalName, ...SignalName[]]): Observable<SignalName> {
  if (signals.length === 0) throw new TypeError(`fromSignals needs the name of a signal, such as 'SIGTERM'`);
  for (const signal of signals) {
    if ((signal as string) === 'SIGKILL' || (signal as string) === 'SIGSTOP')
      throw new TypeError(`${signal} cannot be caught by any process`);
    // Node would listen for any other string too, and never call back.
    if (!NAMES.includes(signal))
      throw new TypeError(`${show(signal)} is not the name of a signal that can be listened to: ${NAMES.join(', ')}`);
  }
  return new Observable((subscriber) => {
    const process = processHere();
    const listener = (signal: SignalName): void => subscriber.next(signal);
    const names = new Set(signals);
    subscriber.add(() => {
      for (const name of names) process.off(name, listener);
    });
    for (const name of names) process.on(name, listener);
  });
}

function processHere(): Process {
  const { process } = globalThis as { process?: Partial<Process> };
  if (typeof process?.on !== 'function' || typeof process.off !== 'function') {
    throw new Error('fromSignals: there is no process here that could receive a signal');
  }
  if (process.getBuiltinModule?.('worker_threads').isMainThread === false) {
    throw new Error(
      'fromSignals: signals never arrive in a worker thread; listen in the main thread and post a message',
    );
  }
  return process as Process;
}
