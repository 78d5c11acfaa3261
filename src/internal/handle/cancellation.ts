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
      group = { members, listener: () => this.#onAbort([...members], signal) };
      this.#groups.set(signal, group);
      signal.addEventListener('abort', group.listener);
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
    signal.removeEventListener('abort', group.listener);
    this.#groups.delete(signal);
  }
}
