// What a pool has to keep under any policy: the law, the bounds, one execution per job and key, windows and verdicts in time.
import { TimeoutError } from 'rxjs';
import type { JobContext, JobHooks, JobOutcome, PoolStats } from '../../src/index.js';
import type { Job, Rules } from './rules.js';

type State = 'offered' | 'queued' | 'running' | 'delayed' | 'done';

/** What is known of one job. */
export interface Story {
  readonly job: Job;
  readonly offeredAt: number;
  /** It came by `send`, by `submit` with `wait`, or from an iterable: no overflow policy may choose it. */
  isKept: boolean;
  state: State;
  id: number;
  /** Among all that were accepted. */
  order: number;
  acceptedAt: number;
  isDecided: boolean;
  attempts: number;
  startedAt: number;
  judgedAt: number;
  /** It has a slot: started, and not released. */
  holdsSlot: boolean;
  /** Calls of its work that have not let go. */
  executions: number;
  outcome: JobOutcome<Job, unknown> | undefined;
}

const REFUSALS = ['full', 'closed', 'coalesced', 'withdrawn'];

/** Hooks of a pool that hold every event against the rules, and note what does not agree. */
export class Witness implements JobHooks<Job, unknown> {
  readonly breaches: string[] = [];
  readonly stories: Map<Job, Story> = new Map();
  readonly log: string[] = [];
  /** All starts, in time. */
  readonly starts: number[] = [];
  isPaused = false;
  wasPaused = false;
  hasEnded = false;
  /** A failed job is the error of the results. */
  failsAtOnce = false;
  /** The index of the level that was reached, or -1. */
  level = -1;
  /** The accounts, where the form has some. */
  stats: (() => PoolStats) | undefined;

  readonly #rules: Rules;
  readonly #now: () => number;
  readonly #tally: Map<string, number>;
  #workers: number;
  /** Workers, or the slots that were in use when they were lowered and that have not been let go since. */
  #mostSlots: number;
  #accepted = 0;
  #wasRetry = false;

  /** Jobs that their callers have given up. */
  readonly givenUp: Set<number> = new Set();

  constructor(rules: Rules, now: () => number, tally: Map<string, number>) {
    this.#rules = rules;
    this.#now = now;
    this.#tally = tally;
    this.#workers = this.#mostSlots = rules.workers;
  }

  /** As they are now. */
  get workers(): number {
    return this.#workers;
  }

  set workers(workers: number) {
    this.#workers = workers;
    this.#mostSlots = Math.max(this.#mostSlots, workers);
  }

  count(what: string): void {
    this.#tally.set(what, (this.#tally.get(what) ?? 0) + 1);
  }

  get all(): Story[] {
    return [...this.stories.values()];
  }

  in(state: State): Story[] {
    return this.all.filter((story) => story.state === state);
  }

  /** The program is about to offer `job`. */
  offer(job: Job, isKept: boolean): Story {
    const now = this.#now();
    const story: Story = {
      job,
      offeredAt: now,
      isKept,
      state: 'offered',
      id: -1,
      order: -1,
      acceptedAt: -1,
      isDecided: false,
      attempts: 0,
      startedAt: -1,
      judgedAt: -1,
      holdsSlot: false,
      executions: 0,
      outcome: undefined,
    };
    this.stories.set(job, story);
    return story;
  }

  breach(what: string): void {
    if (!this.breaches.includes(what)) this.breaches.push(what);
  }

  #must(holds: boolean, what: string): void {
    if (!holds) this.breach(what);
  }

  // ---- Hooks

  #event(job: Job, id: number, event: string): Story {
    const story = this.stories.get(job);
    if (story === undefined) {
      this.breach(`${event}: ${typeof job} is no job of the program`);
      throw new Error(this.breaches.at(-1));
    }
    const name = `job ${job.number}`;
    this.log.push(`${this.#now()} ${event} ${name}`);
    this.#must(story.id < 0 || story.id === id, `${event}: the id of ${name} was ${story.id}, is ${id}`);
    story.id = id;
    this.#must(story.state !== 'done' || event === 'released', `${event}, although ${name} had settled`);
    this.checkStats(event);
    return story;
  }

  accepted(job: Job, id: number): void {
    const story = this.#event(job, id, 'accepted');
    this.#must(story.state === 'offered', `accepted job ${job.number} in the state ${story.state}`);
    story.state = 'queued';
    story.order = this.#accepted++;
    story.acceptedAt = this.#now();
    // A worker was free for it: its start is decided, although others may come before it is told.
    const slots = this.all.filter(({ holdsSlot, state }) => holdsSlot || state === 'running').length;
    story.isDecided = this.in('queued').length <= this.workers - slots;
  }

  started(job: Job, context: JobContext, id: number): void {
    const story = this.#event(job, id, 'started');
    const name = `job ${job.number}`;
    const now = this.#now();
    const { retry, ttl, rateLimit } = this.#rules;
    const isRetry = story.state === 'delayed';
    this.#must(isRetry || story.state === 'queued', `${name} started in the state ${story.state}`);
    this.#must(context.attempt === story.attempts + 1, `${name}: attempt ${context.attempt} after ${story.attempts}`);
    this.#must(!story.holdsSlot, `${name} started before its slot was free`);
    this.#must(!this.hasEnded, `${name} started after the end`);
    this.#must(this.level < 1, `${name} started after a discard`);
    this.#must(!this.isPaused, `${name} started in a pause`);
    if (isRetry) {
      this.count('a retry starts');
      this.#must(now - story.judgedAt >= (retry?.delay ?? 0), `${name} was retried ${now - story.judgedAt} ms after`);
      this.#must(story.attempts <= (retry?.count ?? 0), `${name} was retried once too often`);
    } else {
      this.#must(now - story.acceptedAt <= (ttl ?? Infinity), `${name} started although it was expired`);
      this.#checkOrder(story);
      this.#must(this.#mayStart(story), `${name} started, and the results of too many others are held`);
    }
    this.#checkRetries(story, isRetry);
    this.starts.push(now);
    const first = rateLimit && this.starts.at(-1 - rateLimit.limit);
    if (rateLimit && first !== undefined) {
      this.#must(now - first >= rateLimit.interval, `more than ${rateLimit.limit} starts in ${now - first} ms`);
    }
    story.state = 'running';
    story.attempts++;
    story.startedAt = now;
    story.holdsSlot = true;
    const slots = this.all.filter(({ holdsSlot }) => holdsSlot).length;
    // A slot in which a job waits for its retry does no work. After the workers were lowered there may be several such, and a due
    // retry changes places with a job that waits in one of them: no slot is added.
    const working = this.all.filter(
      ({ holdsSlot, state, executions }) => holdsSlot && (state === 'running' || executions > 0),
    );
    this.#must(working.length <= this.workers, `${working.length} slots work with ${this.workers} workers`);
    this.#must(slots <= this.#mostSlots, `${slots} slots in use with ${this.workers} workers`);
    const limit = this.#limit;
    this.#must(this.#inProgress(job) <= limit, `${this.#inProgress(job)} jobs of a key at once, of ${limit}`);
  }

  retrying(job: Job, error: unknown, attempt: number, id: number): void {
    const story = this.#event(job, id, 'retrying');
    this.count('an attempt fails, and another follows');
    this.#must(story.state === 'running', `retrying in the state ${story.state}`);
    this.#must(attempt === story.attempts, `retrying: attempt ${attempt}, but ${story.attempts} were started`);
    this.#must(attempt <= (this.#rules.retry?.count ?? 0), `retrying after attempt ${attempt}`);
    this.#must(this.level < 1, 'retrying after a discard');
    story.state = 'delayed';
    this.#judge(story, error);
  }

  settled(outcome: JobOutcome<Job, unknown>): void {
    const { job, status, attempts } = outcome;
    const story = this.#event(job, outcome.id, `${status}${status === 'dropped' ? ` as ${outcome.reason}` : ''}`);
    const { state } = story;
    const name = `job ${job.number}`;
    const now = this.#now();
    this.count(status === 'dropped' ? `dropped: ${outcome.reason}` : `${state} → ${status}`);
    this.#must(
      attempts === story.attempts,
      `${name} ${status} after ${attempts} attempts, but ${story.attempts} started`,
    );
    story.state = 'done';
    story.outcome = outcome;
    this.hasEnded ||= this.failsAtOnce && this.#hasFailed();
    if (status === 'dropped') {
      const { reason } = outcome;
      if (REFUSALS.includes(reason)) this.#must(state === 'offered', `${name} refused as ${reason}, but was ${state}`);
      else {
        this.#must(state === 'queued' || state === 'delayed', `${name} dropped as ${reason}, but was ${state}`);
        if (reason === 'evicted') this.#checkVictim(story, state);
        if (reason === 'shutdown')
          this.#must(this.level >= 1 || this.hasEnded || !this.stats, `${name} dropped by no shutdown`);
      }
      if (reason === 'coalesced' && story.isKept) {
        // Evictable only if all its parts are.
        for (const other of this.in('queued')) if (other.job.key === story.job.key) other.isKept = true;
      }
      if (reason === 'expired') {
        this.#must(state === 'queued', `${name} expired, but was ${state}`);
        this.#must(now - story.acceptedAt >= (this.#rules.ttl ?? Infinity), `${name} expired early`);
      }
      if (state === 'delayed') this.#must('error' in outcome, `${name} was dropped without its error`);
    } else if (status === 'aborted') {
      this.#must(state !== 'offered', `${name} aborted, but was never accepted`);
      this.#must(outcome.settled || this.level === 3 || this.hasEnded, `${name} was abandoned`);
    } else if (state === 'queued' && status === 'failed') this.#must(job.isBad === true, `${name} failed unstarted`);
    else {
      const failsAgain = state === 'delayed' && status === 'failed';
      this.#must(state === 'running' || failsAgain, `${name} ${status}, but was ${state}`);
      this.#judge(story, status === 'failed' ? outcome.error : undefined);
      if (status === 'failed' && this.level < 1) {
        this.#must(attempts > (this.#rules.retry?.count ?? 0), `${name} failed for good after ${attempts} attempts`);
      }
    }
  }

  released(job: Job, id: number): void {
    const story = this.#event(job, id, 'released');
    this.#must(story.holdsSlot, `released job ${job.number}, which held no slot`);
    this.#must(story.state !== 'running', `released job ${job.number} before its verdict`);
    // A failure that ends the results is heard of before the teardown, as in RxJS.
    const isFatal = this.stats === undefined && story.outcome?.status === 'failed';
    if (story.executions > 0 && !isFatal) {
      this.#must(this.level === 3 || this.hasEnded, `released job ${job.number} while it runs`);
    }
    story.holdsSlot = false;
  }

  #judge(story: Story, error: unknown): void {
    const { timeout } = this.#rules;
    const ran = this.#now() - story.startedAt;
    story.judgedAt = this.#now();
    if (error instanceof TimeoutError) {
      this.count('an attempt times out');
      this.#must(ran >= (timeout ?? Infinity), `job ${story.job.number} timed out after ${ran} ms`);
    } else
      this.#must(
        this.isAsked(story.job) || ran <= (timeout ?? Infinity),
        `job ${story.job.number} ran ${ran} ms before its verdict`,
      );
  }

  // ---- Work

  /** Work is called for `job`. */
  begin(job: Job): void {
    const story = this.stories.get(job)!;
    story.executions++;
    this.#must(story.executions === 1, `job ${job.number} runs ${story.executions} times at once`);
    this.#must(story.state === 'running', `job ${job.number} runs, but is ${story.state}`);
    const running = this.all.filter(({ executions }) => executions > 0);
    this.#must(running.length <= this.workers, `${running.length} jobs run on ${this.workers} workers`);
    const ofKey = running.filter(({ job: { key } }) => key === job.key).length;
    this.#must(ofKey <= this.#limit, `${ofKey} jobs of a key run, of ${this.#limit}`);
    this.checkStats(`work of job ${job.number}`);
  }

  /** Its work has let go. */
  end(job: Job): void {
    this.stories.get(job)!.executions--;
  }

  // ---- Orders

  get #limit(): number {
    return this.#rules.queue === 'byKey' ? (this.#rules.limit ?? 1) : Infinity;
  }

  /** Jobs of the key that have begun and are not done, or hold their slot. */
  #inProgress({ key }: Job): number {
    return this.all.filter(
      ({ job, state, holdsSlot }) => job.key === key && (holdsSlot || state === 'running' || state === 'delayed'),
    ).length;
  }

  #rank({ job: { priority }, offeredAt }: Story): number {
    const { queue, ageing = Infinity } = this.#rules;
    return queue === 'byPriority' ? priority - offeredAt / ageing : priority;
  }

  /** No waiting job should have started before this one. */
  #checkOrder(story: Story): void {
    if (story.isDecided) return;
    const { queue, lane } = this.#rules;
    for (const other of this.in('queued')) {
      if (other === story || (queue === 'byKey' && other.job.key !== story.job.key)) continue;
      const isRanked = queue === 'byPriority' || (queue === 'byKey' && lane === 'byPriority');
      const isFirst =
        isRanked && this.#rank(other) !== this.#rank(story)
          ? this.#rank(other) > this.#rank(story)
          : other.order < story.order;
      this.#must(!isFirst, `job ${story.job.number} started before job ${other.job.number}`);
    }
  }

  /** A due retry is first among equals, and never twice in a row. */
  #checkRetries(story: Story, isRetry: boolean): void {
    const { queue, retry } = this.#rules;
    if (queue === undefined && retry !== undefined) {
      const due = this.in('delayed').filter(
        (other) => other !== story && !other.holdsSlot && this.#now() - other.judgedAt > retry.delay,
      );
      // Where there is no room beside what waits, that goes first.
      const slots = this.all.filter(({ holdsSlot }) => holdsSlot).length;
      // A slot in which a job waits for its retry is for retries only.
      const hasFree = this.in('delayed').length <= this.workers + this.#rules.buffer;
      const hasRoom = this.in('queued').length + slots < this.workers + this.#rules.buffer;
      const mayOther = this.in('queued').some((other) => this.#mayStart(other));
      if (!isRetry)
        this.#must(due.length === 0 || this.#wasRetry || !hasRoom, `job ${story.job.number} overtook a due retry`);
      else if (this.#wasRetry && hasFree) this.#must(!mayOther, 'two retries in a row, and a job waits');
    }
    this.#wasRetry = isRetry;
  }

  #checkVictim(victim: Story, state: State): void {
    const { overflow, most } = this.#rules;
    const name = `job ${victim.job.number}`;
    this.#must(state === 'queued', `${name} evicted, but was ${state}`);
    this.#must(!victim.isKept, `${name} evicted, but it was sent`);
    const others = this.in('queued').filter(
      ({ isKept, job }) => !isKept && (most === undefined || job.key === victim.job.key),
    );
    if (overflow === 'drop-oldest')
      this.#must(
        others.every(({ order }) => order > victim.order),
        `${name} is not the oldest`,
      );
    if (overflow === 'replace-newest') {
      this.#must(others.filter(({ order }) => order > victim.order).length <= 1, `${name} is not the youngest`);
    }
  }

  // ---- At any moment, and between the events

  checkStats(event: string): void {
    if (this.stats === undefined) return;
    const s = this.stats();
    const { buffer, isLive } = this.#rules;
    const law =
      s.offered === s.accepted + s.refused + s.waiting &&
      s.accepted === s.completed + s.failed + s.evicted + s.aborted + s.queued + s.delayed + s.running;
    if (!law) this.breach(`${event}: the law: ${JSON.stringify(s)}`);
    if (isLive) return;
    const slots = s.running + s.lingering;
    // A retry starts although its place went to a job that may not start yet: behind a shut gate, or of a locked key.
    const retries = this.all.filter(
      ({ attempts, holdsSlot, state }) => (holdsSlot && attempts > 1) || (event === 'started' && state === 'delayed'),
    ).length;
    const places =
      s.workers + buffer + (this.#rules.rateLimit || this.#limit < Infinity || this.wasPaused ? retries : 0);
    const isBound = slots <= s.workers && s.queued + slots <= places && s.delayed <= s.workers + buffer + s.lingering;
    if (!isBound) this.breach(`${event}: the bounds: ${JSON.stringify(s)}`);
  }

  /** Where results come in the order of arrival: has the job a place among those whose results are held, or does it need none? */
  #mayStart({ order }: Story): boolean {
    if (this.#rules.ordered !== true) return true;
    const untold = this.#untold();
    if (this.failsAtOnce && untold.some((other) => other.order < order && other.outcome?.status === 'failed'))
      return false;
    const first = untold[0];
    if (first === undefined || first.order === order) return true;
    const started = untold.filter(({ attempts }) => attempts > 0).length;
    const kept = first.attempts === 0 ? 1 : 0;
    return started + kept < this.workers + this.#rules.buffer;
  }

  /** Has a job failed? Where results come in the order of arrival, its turn has to come; but not that of one that never ran. */
  #hasFailed(): boolean {
    const failed = this.all.filter(({ outcome }) => outcome?.status === 'failed');
    if (this.#rules.ordered !== true) return failed.length > 0;
    const isTold = ({ order, attempts }: Story): boolean =>
      attempts === 0 || this.all.every((other) => other.order >= order || other.order < 0 || other.state === 'done');
    return failed.some(isTold);
  }

  /** From the first in the order of arrival that has not ended. */
  #untold(): Story[] {
    const accepted = this.all.filter((story) => story.order >= 0).sort((a, b) => a.order - b.order);
    const first = accepted.findIndex(({ state }) => state !== 'done');
    return first < 0 ? [] : accepted.slice(first);
  }

  /** Nothing happens any more before time passes or the program acts. */
  checkRest(): void {
    this.checkStats('at rest');
    this.#mostSlots = Math.max(this.workers, this.all.filter(({ holdsSlot }) => holdsSlot).length);
    const { buffer, timeout = Infinity, ttl = Infinity, retry } = this.#rules;
    const [queued, running, delayed] = [this.in('queued'), this.in('running'), this.in('delayed')];
    const lingering = this.all.filter(({ state, holdsSlot }) => holdsSlot && state !== 'running');
    if (this.stats) this.#compare(this.stats(), { queued, running, delayed, lingering });
    const now = this.#now();
    for (const { job, startedAt } of running) {
      // What was asked to end is judged by how it settles.
      this.#must(this.isAsked(job) || now - startedAt <= timeout, `job ${job.number} runs for ${now - startedAt} ms`);
    }
    for (const { job, acceptedAt } of queued) {
      this.#must(now - acceptedAt <= ttl, `job ${job.number} waits for ${now - acceptedAt} ms`);
    }
    const free = this.workers - running.length - lingering.length;
    // After an unsubscription what runs is judged by how it settles.
    const left = queued.length + delayed.length + running.filter(({ executions }) => executions === 0).length;
    if (this.hasEnded) this.#must(left === 0, `${left} jobs are left at the end`);
    if (this.hasEnded || this.isPaused || free <= 0 || this.#isLimited(now)) return;
    const idle = queued.filter((story) => this.#inProgress(story.job) < this.#limit && this.#mayStart(story));
    this.#must(idle.length === 0, `job ${idle[0]?.job.number} waits, and ${free} workers are free`);
    const due = delayed.filter(({ judgedAt, holdsSlot }) => !holdsSlot && now - judgedAt > (retry?.delay ?? 0));
    this.#must(due.length === 0, `a retry of job ${due[0]?.job.number} is due, and ${free} workers are free`);
    const waiting = this.stats?.().waiting ?? 0;
    if (waiting > 0) {
      // Where results are ordered, nobody is let into the places of retries: what waits may have to let them pass.
      const slotless = this.#rules.ordered === true ? delayed.filter(({ holdsSlot }) => !holdsSlot).length : 0;
      const places = queued.length + running.length + lingering.length + Math.min(slotless, free);
      this.#must(places >= this.workers + buffer, `${waiting} senders wait, and ${places} places are taken`);
    }
  }

  /** No more may start in this window. */
  #isLimited(now: number): boolean {
    const { rateLimit } = this.#rules;
    const last = rateLimit && this.starts.at(-rateLimit.limit);
    return last !== undefined && now - last < rateLimit!.interval;
  }

  isAsked({ number }: Job): boolean {
    return this.givenUp.has(number) || this.level >= 2 || this.hasEnded;
  }

  #compare(stats: PoolStats, sets: Record<'queued' | 'running' | 'delayed' | 'lingering', readonly Story[]>): void {
    const done = this.in('done').map(({ outcome, order }) => ({ status: outcome!.status, wasAccepted: order >= 0 }));
    const ended = (status: string): number => done.filter((job) => job.status === status && job.wasAccepted).length;
    const counts: Partial<Record<keyof PoolStats, number>> = {
      offered: this.stories.size,
      accepted: this.#accepted,
      refused: done.filter(({ wasAccepted }) => !wasAccepted).length,
      completed: ended('completed'),
      failed: ended('failed'),
      evicted: ended('dropped'),
      aborted: ended('aborted'),
      queued: sets.queued.length,
      running: sets.running.length,
      delayed: sets.delayed.length,
      lingering: sets.lingering.length,
      workers: this.workers,
    };
    for (const [name, count] of Object.entries(counts)) {
      const is = stats[name as keyof PoolStats];
      if (name === 'workers' && this.hasEnded) continue;
      if (is !== count) this.breach(`stats.${name} is ${is}, but the hooks have told of ${count}`);
    }
  }
}
