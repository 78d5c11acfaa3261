import type { JobHooks, JobOutcome } from '../../src/index.js';

/**
 * Keeps a pool's books from its hooks, and checks at each call that they balance.
 *
 * The counters count calls and the sets hold jobs, so a job that settles twice, or that nobody has accepted, makes the two
 * sides of the law differ. What does not balance is kept in `breaches`: a hook that throws would only be reported. Jobs have
 * to be distinct.
 */
export class Accounts<J, R> implements JobHooks<J, R> {
  readonly breaches: string[] = [];
  /** Hook calls in their order: `accepted a`, `started a`, `settled a completed`, `released a`. */
  readonly log: string[] = [];
  readonly queued: Set<J> = new Set();
  readonly running: Set<J> = new Set();
  offered = 0;
  admitted = 0;
  refused = 0;
  completed = 0;
  failed = 0;
  evicted = 0;
  aborted = 0;

  private readonly places: number;
  private readonly workers: number;
  /** Started and not yet released. */
  private readonly held: Set<J> = new Set();

  constructor(bounds: { readonly workers: number; readonly buffer: number }) {
    this.workers = bounds.workers;
    this.places = bounds.workers + bounds.buffer;
  }

  accepted(job: J): void {
    this.offered++;
    this.admitted++;
    this.queued.add(job);
    this.check(`accepted ${String(job)}`);
  }

  started(job: J): void {
    this.move(job, this.queued, this.running, 'started, but was not waiting');
    this.held.add(job);
    this.check(`started ${String(job)}`);
  }

  settled(outcome: JobOutcome<J, R>): void {
    const { job, status } = outcome;
    if (status !== 'dropped') {
      this[status]++;
      this.move(job, this.running, undefined, 'ended, but was not running');
    } else if (outcome.reason === 'full' || outcome.reason === 'closed' || outcome.reason === 'coalesced') {
      this.offered++;
      this.refused++;
    } else {
      this.evicted++;
      this.move(job, this.queued, undefined, 'was evicted, but was not waiting');
    }
    this.check(`settled ${String(job)} ${status === 'dropped' ? outcome.reason : status}`);
  }

  released(job: J): void {
    if (this.running.has(job)) this.breaches.push(`${String(job)} was released before it settled`);
    this.move(job, this.held, undefined, 'was released, but held no slot');
    this.check(`released ${String(job)}`);
  }

  /** The law, and the bounds. For `work` and `next` too: whoever looks finds the books in order. */
  check(event: string): void {
    this.log.push(event);
    const { offered, admitted, refused, completed, failed, evicted, aborted } = this;
    const queued = this.queued.size;
    const running = this.running.size;
    const law = (holds: boolean, what: string): void => {
      if (!holds) this.breaches.push(`${event}: ${what}`);
    };
    law(offered === admitted + refused, `offered ${offered}, accepted ${admitted} + refused ${refused}`);
    law(
      admitted === completed + failed + evicted + aborted + queued + running,
      `accepted ${admitted}, completed ${completed} + failed ${failed} + evicted ${evicted} + aborted ${aborted} + queued ${queued} + running ${running}`,
    );
    law(running <= this.workers, `${running} running on ${this.workers} workers`);
    law(queued + running <= this.places, `queued ${queued} + running ${running} in ${this.places} places`);
  }

  /** What is to hold when a pool has ended: nothing waits, runs or holds a slot. */
  settle(): void {
    this.check('the end');
    const left = this.queued.size + this.running.size + this.held.size;
    if (left > 0) this.breaches.push(`the end: ${left} jobs are left`);
  }

  private move(job: J, from: Set<J>, to: Set<J> | undefined, otherwise: string): void {
    if (!from.delete(job)) this.breaches.push(`${String(job)} ${otherwise}`);
    to?.add(job);
  }
}
