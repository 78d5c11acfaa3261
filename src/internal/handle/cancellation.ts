import { callAndReport } from '../support/reporting.js';
import type { JobRecord } from './record.js';

interface Group<J, R> {
  readonly members: Set<JobRecord<J, R>>;
  readonly listener: () => void;
}

/** Which jobs depend on which caller's signal: one listener for each signal, however many jobs share it. */
export class Cancellation<J, R> {
  readonly #groups = new Map<AbortSignal, Group<J, R>>();
  readonly #onAbort: (records: readonly JobRecord<J, R>[], signal: AbortSignal) => void;

  constructor(onAbort: (records: readonly JobRecord<J, R>[], signal: AbortSignal) => void) {
    this.#onAbort = onAbort;
  }

  /** Has `onAbort` called with `record` when `signal` is aborted. */
  watch(record: JobRecord<J, R>, signal: AbortSignal): void {
    record.signal = signal;
    let group = this.#groups.get(signal);
    if (group === undefined) {
      const members = new Set<JobRecord<J, R>>();
      const listener = (): void => this.#onAbort([...members], signal);
      signal.addEventListener('abort', listener);
      group = { members, listener };
      this.#groups.set(signal, group);
    }
    group.members.add(record);
  }

  /** Ends the watch over `record`: its signal has no effect any more. */
  unwatch(record: JobRecord<J, R>): void {
    const { signal } = record;
    if (signal === undefined) return;
    record.signal = undefined;
    const group = this.#groups.get(signal);
    if (group === undefined || !group.members.delete(record) || group.members.size > 0) return;
    this.#groups.delete(signal);
    const { listener } = group;
    callAndReport(() => signal.removeEventListener('abort', listener));
  }
}
