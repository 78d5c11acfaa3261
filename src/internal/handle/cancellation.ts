interface Group<T> {
  readonly members: Set<T>;
  readonly listener: () => void;
}

/** Who depends on which caller's signal: one listener for each signal, whatever number of jobs share it. */
export class Revocations<T> {
  readonly #groups = new Map<AbortSignal, Group<T>>();
  readonly #onAbort: (members: readonly T[], reason: unknown) => void;

  constructor(onAbort: (members: readonly T[], reason: unknown) => void) {
    this.#onAbort = onAbort;
  }

  add(member: T, signal: AbortSignal): void {
    let group = this.#groups.get(signal);
    if (group === undefined) {
      const members = new Set<T>();
      group = { members, listener: () => this.#onAbort([...members], signal.reason) };
      this.#groups.set(signal, group);
      signal.addEventListener('abort', group.listener);
    }
    group.members.add(member);
  }

  delete(member: T, signal: AbortSignal): void {
    const group = this.#groups.get(signal);
    if (group === undefined || !group.members.delete(member) || group.members.size > 0) return;
    signal.removeEventListener('abort', group.listener);
    this.#groups.delete(signal);
  }
}
