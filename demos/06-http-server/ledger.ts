import type { JobContext, JobHooks, JobOutcome } from '../../src/index.js';
import type { Job } from './job.js';

export type Entry<R> =
  | { readonly id: string; readonly state: 'waiting' }
  | {
      readonly id: string;
      readonly state: 'running';
      readonly worker: number;
      readonly ms: number;
      readonly since: number;
    }
  | { readonly id: string; readonly state: 'ended'; readonly outcome: Omit<JobOutcome<Job, R>, 'job'> };

/**
 * What has become of each job, for those who ask later. The pool bounds what waits and runs; of what has ended the last
 * `kept` are remembered, so that it never grows.
 */
export class Ledger<R> implements JobHooks<Job, R> {
  private readonly live = new Map<string, Entry<R>>();
  private readonly ended = new Map<string, Entry<R>>();
  private readonly kept: number;

  constructor(kept: number) {
    this.kept = kept;
  }

  find(id: string): Entry<R> | undefined {
    return this.live.get(id) ?? this.ended.get(id);
  }

  get running(): Entry<R>[] {
    return [...this.live.values()].filter(({ state }) => state === 'running');
  }

  accepted({ id }: Job): void {
    this.live.set(id, { id, state: 'waiting' });
  }

  started({ id, ms }: Job, { worker }: JobContext): void {
    this.live.set(id, { id, state: 'running', worker, ms, since: Date.now() });
  }

  settled({ job: { id }, ...outcome }: JobOutcome<Job, R>): void {
    // A refused job was never accepted: its client was told so at once, and nobody will ask.
    if (!this.live.delete(id)) return;
    this.ended.set(id, { id, state: 'ended', outcome });
    for (const oldest of this.ended.keys()) {
      if (this.ended.size <= this.kept) return;
      this.ended.delete(oldest);
    }
  }
}
