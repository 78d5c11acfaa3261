// Replays every order of commands on a BackgroundJobs in virtual time, the shortest first. States that nobody could tell
// apart are gone on from once (or `ways` times): what is reached by another order of the same events is the same state.
import { Observable, Subject, VirtualTimeScheduler } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { BackgroundJobs } from '../../src/index.js';
import type { JobContext, JobOutcome, ShutdownReport } from '../../src/index.js';
import { Deferred, fateOf } from './deferred.js';
import type { Fate } from './deferred.js';
import { configOf } from './rules.js';
import type { Job, Rules } from './rules.js';
import { Witness } from './witness.js';
import type { Story } from './witness.js';

/** What work returns: a stream ends in the call that ends it, a promise ignores its signal, an obedient one rejects. */
export type Returns = 'stream' | 'promise' | 'obedient';

export type Door = 'offer' | 'send' | 'submit';

export interface Bounds {
  readonly rules: Rules;
  /** Of each job; there are more jobs than that when it begins again. */
  readonly returns: readonly Returns[];
  /** How each job may come. */
  readonly doors: readonly (readonly Door[])[];
  /** Commands of the policy's own. */
  readonly commands: readonly string[];
  /** Time passes also while timers do not fire. */
  readonly hasLags: boolean;
  /** How often a state is gone on from. */
  readonly ways: number;
}

const LEVELS = ['drain', 'discard', 'abort', 'abandon'] as const;
/** More than a settlement needs until all promises have heard of it. */
const MICROTASKS = 12;
/** Where nothing is scheduled, time passes as well: windows, ages. */
const STEP = 6;
/** So often in a row. */
const MOST_STEPS = 2;
const GIVEN_UP = 'given up';

export interface Found {
  readonly order: readonly string[];
  readonly breaches: readonly string[];
  readonly log: readonly string[];
}

export interface Result {
  readonly orders: number;
  readonly states: number;
  readonly found: Found[];
}

/** @param most faults to collect; they are told apart by their first breach */
export async function explore(bounds: Bounds, tally: Map<string, number>, most = 3): Promise<Result> {
  const reached = new Map<string, number>();
  const found: Found[] = [];
  const seen = new Set<string>();
  let next: string[][] = [[]];
  let orders = 0;
  while (next.length > 0) {
    const shorter = next;
    next = [];
    for (const order of shorter) {
      orders++;
      const world = new World(bounds, tally);
      await world.start();
      for (const command of order) await world.perform(command);
      const state = world.state();
      const ways = reached.get(state) ?? 0;
      reached.set(state, ways + 1);
      const commands = ways < bounds.ways ? world.commands() : [];
      await world.finish();
      const { breaches, log } = world.witness;
      if (breaches.length > 0) {
        const kind = breaches[0]!.replaceAll(/\d+/g, 'N');
        if (!seen.has(kind)) found.push({ order, breaches, log });
        seen.add(kind);
        if (found.length >= most) return { orders, states: reached.size, found };
        continue;
      }
      for (const command of commands) next.push([...order, command]);
    }
  }
  return { orders, states: reached.size, found };
}

/** A promise of the pool, and what it should have become. */
interface Pledge {
  readonly kind: 'send' | 'submit' | 'idle';
  readonly job: Job | undefined;
  readonly fate: Fate;
}

/** One pool, and the user's code around it. */
class World {
  readonly witness: Witness;
  readonly #bounds: Bounds;
  readonly #scheduler = new VirtualTimeScheduler(undefined, 0);
  readonly #workers = new Subject<number>();
  readonly #pool: BackgroundJobs<Job, unknown>;
  readonly #executions = new Map<Job, { readonly done: () => void; readonly fail: () => void }>();
  readonly #signals = new Map<Job, AbortController>();
  readonly #pledges: Pledge[] = [];
  readonly #outcomes: JobOutcome<Job, unknown>[] = [];
  #report: ShutdownReport<Job> | undefined;
  #jobs: Job[] = [];
  #steps = 0;
  #pausedUntil = 0;
  #isLate = false;

  constructor(bounds: Bounds, tally: Map<string, number>) {
    this.#bounds = bounds;
    const witness = (this.witness = new Witness(bounds.rules, () => this.#scheduler.now(), tally));
    const parts = { scheduler: this.#scheduler, hooks: witness, workers: this.#workers };
    this.#pool = new BackgroundJobs<Job, unknown>(this.#work, configOf(bounds.rules, parts));
    witness.stats = () => this.#pool.stats;
    this.#pool.outcomes$.subscribe((outcome) => this.#outcomes.push(outcome));
    void this.#pool.ended.then((report) => {
      this.#report = report;
      witness.hasEnded = true;
    });
  }

  start(): Promise<void> {
    return this.#rest();
  }

  readonly #work = (job: Job, context: JobContext): ObservableInput<unknown> => {
    const { witness } = this;
    const returns = this.#returns(job);
    witness.begin(job);
    const executions = this.#executions;
    if (returns === 'stream') {
      return new Observable((subscriber) => {
        const execution = {
          done: () => {
            subscriber.next(job.number);
            subscriber.complete();
          },
          fail: () => subscriber.error(`error of ${job.number}`),
        };
        executions.set(job, execution);
        return () => {
          witness.end(job);
          executions.delete(job);
        };
      });
    }
    const { promise, resolve, reject } = new Deferred<unknown>();
    let isOpen = true;
    const letGo = (settle: () => void) => (): void => {
      if (!isOpen) return;
      isOpen = false;
      witness.end(job);
      executions.delete(job);
      settle();
    };
    const fail = letGo(() => reject(`error of ${job.number}`));
    executions.set(job, { done: letGo(() => resolve(job.number)), fail });
    if (returns === 'obedient') {
      const { signal } = context;
      signal.addEventListener(
        'abort',
        letGo(() => reject(signal.reason)),
      );
    }
    return promise;
  };

  #returns({ number }: Job): Returns {
    const { returns } = this.#bounds;
    return returns[number % returns.length]!;
  }

  // ---- Commands

  commands(): string[] {
    const { doors, commands } = this.#bounds;
    if (this.#report !== undefined) return [];
    const all: string[] = [];
    all.push(...(doors[this.#jobs.length] ?? []));
    for (const { number } of this.#executions.keys()) all.push(`done ${number}`, `fail ${number}`);
    for (const [{ number }, { signal }] of this.#signals) if (!signal.aborted) all.push(`cancel ${number}`);
    if (this.#scheduler.actions.length > 0 || (this.#passes && this.#steps < MOST_STEPS)) all.push('advance');
    // The event loop is busy: the time has come, and the timers are late.
    if (this.#bounds.hasLags && this.#scheduler.actions.length > 0 && !this.#isLate) all.push('lag');
    all.push(...LEVELS.slice(this.witness.level + 1));
    for (const command of commands) if (command !== `workers ${this.witness.workers}`) all.push(command);
    return all;
  }

  /** Time makes a difference where nothing is scheduled. */
  get #passes(): boolean {
    const { rateLimit, ageing } = this.#bounds.rules;
    const { starts } = this.witness;
    if (rateLimit && this.#scheduler.now() - (starts.at(-1) ?? -Infinity) < rateLimit.interval) return true;
    return ageing !== undefined && this.witness.in('queued').length > 0;
  }

  async perform(command: string): Promise<void> {
    this.witness.log.push(`${this.#scheduler.now()} ${command}:`);
    const [name, argument] = command.split(' ');
    const number = Number(argument);
    const job = this.#jobs[number]!;
    this.#steps = command === 'advance' && this.#scheduler.actions.length === 0 ? this.#steps + 1 : 0;
    if (name === 'advance' || name === 'lag') this.#isLate = name === 'lag';
    switch (name) {
      case 'offer':
      case 'send':
      case 'submit':
        this.#enter(name);
        break;
      case 'done':
      case 'fail':
        this.#executions.get(job)![name]();
        break;
      case 'cancel':
        this.witness.givenUp.add(Number(argument));
        this.#signals.get(job)!.abort(GIVEN_UP);
        break;
      case 'advance':
        this.#advance();
        break;
      case 'lag':
        this.#scheduler.frame = Math.min(...this.#scheduler.actions.map(({ delay }) => delay));
        if (this.#pausedUntil <= this.#scheduler.frame) this.witness.isPaused = false;
        break;
      case 'pause':
        this.#pausedUntil = Math.max(this.#pausedUntil, this.#scheduler.now() + (argument ? number : Infinity));
        this.witness.isPaused = true;
        this.#pool.pause(argument ? number : Infinity);
        break;
      case 'resume':
        this.#pausedUntil = 0;
        this.witness.isPaused = false;
        this.#pool.resume();
        break;
      case 'workers':
        this.witness.workers = number;
        this.#workers.next(number);
        break;
      default: {
        const level = LEVELS.indexOf(name as (typeof LEVELS)[number]);
        this.witness.level = Math.max(level, this.witness.level);
        void this.#pool.shutdown(LEVELS[level]);
      }
    }
    await this.#rest();
  }

  #enter(door: Door): void {
    const { length: number } = this.#jobs;
    const job: Job = { number, key: number % 2, priority: [1, 0, 2][number]! };
    this.#jobs.push(job);
    this.witness.count(door);
    const story = this.witness.offer(job, door === 'send');
    if (door === 'offer') {
      const isTaken = this.#pool.offer(job);
      const { outcome } = story;
      const isRefused = outcome?.status === 'dropped' && (outcome.reason === 'full' || outcome.reason === 'closed');
      if (isTaken === isRefused) this.witness.breach(`offer of job ${number} is ${isTaken}`);
      return;
    }
    const controller = new AbortController();
    this.#signals.set(job, controller);
    const { signal } = controller;
    const promise = door === 'send' ? this.#pool.send(job, { signal }) : this.#pool.submit(job, { signal });
    this.#pledges.push({ kind: door, job, fate: fateOf(promise) });
  }

  /** To the next moment at which something is scheduled; all that is scheduled for it is done. */
  #advance(): void {
    const scheduler = this.#scheduler;
    const next = Math.min(...scheduler.actions.map(({ delay }) => delay));
    scheduler.maxFrames = next === Infinity ? scheduler.frame + STEP : next;
    if (this.#pausedUntil <= scheduler.maxFrames) this.witness.isPaused = false;
    if (next !== Infinity) scheduler.flush();
    scheduler.frame = scheduler.maxFrames;
  }

  async #rest(): Promise<void> {
    this.#pledges.push({ kind: 'idle', job: undefined, fate: fateOf(this.#pool.idle()) });
    for (let i = 0; i < MICROTASKS; i++) await Promise.resolve();
    const { witness } = this;
    if (!this.#isLate) witness.checkRest();
    const isIdle = witness.all.every(({ state, holdsSlot }) => (state === 'done' && !holdsSlot) || state === 'offered');
    const idled = this.#pledges.at(-1)!.fate.status === 'fulfilled';
    if (idled !== isIdle) witness.breach(`idle() is ${idled ? '' : 'not '}fulfilled`);
    const shouldHaveEnded = witness.level >= 0 && isIdle;
    if (shouldHaveEnded !== witness.hasEnded) witness.breach(`ended is ${shouldHaveEnded ? 'not ' : ''}fulfilled`);
    if (witness.hasEnded && this.#scheduler.actions.length > 0) witness.breach('timers are left at the end');
    if (this.#pool.paused !== witness.isPaused) witness.breach(`paused is ${this.#pool.paused}`);
    this.#checkPledges();
  }

  #checkPledges(): void {
    const { witness } = this;
    for (const { kind, job, fate } of this.#pledges) {
      if (job === undefined) continue;
      const { outcome, state } = witness.stories.get(job)!;
      const isGivenUp = this.#signals.get(job)!.signal.aborted && fate.status === 'rejected' && fate.value === GIVEN_UP;
      let expected: Fate['status'] = 'open';
      if (isGivenUp) expected = 'rejected';
      else if (kind === 'send' && state !== 'offered') {
        const isRefused = outcome?.status === 'dropped' && ['closed', 'withdrawn', 'full'].includes(outcome.reason);
        expected = isRefused ? 'rejected' : 'fulfilled';
      } else if (kind === 'submit' && outcome?.status === 'dropped' && outcome.reason === 'coalesced') continue;
      else if (outcome !== undefined) expected = outcome.status === 'completed' ? 'fulfilled' : 'rejected';
      if (fate.status !== expected) witness.breach(`${kind} of job ${job.number} is ${fate.status}, not ${expected}`);
    }
  }

  // ---- States, and the end

  /** All that can be known of it, but for the time that it is. */
  state(): string {
    const now = this.#scheduler.now();
    const { witness } = this;
    const { queued, delayed, running } = this.#pool.inspect();
    const { rateLimit, ageing } = this.#bounds.rules;
    // Only the differences of ages matter where nothing is scheduled.
    const isTimed = this.#scheduler.actions.length > 0;
    const since = isTimed ? now : ageing && Math.min(...witness.in('queued').map(({ offeredAt }) => offeredAt));
    const ids = (jobs: readonly { readonly id: number }[]): number[] => jobs.map(({ id }) => id);
    return JSON.stringify([
      witness.all.map((story) => this.#stateOf(story, since)),
      [ids(queued), ids(delayed), running.map(({ id, worker }) => [id, worker])],
      [
        witness.level,
        this.#report?.level,
        witness.workers,
        this.#steps,
        this.#isLate,
        Math.max(0, this.#pausedUntil - now),
      ],
      this.#scheduler.actions.map(({ delay }) => delay - now),
      rateLimit && witness.starts.map((time) => now - time).filter((age) => age < rateLimit.interval),
    ]);
  }

  /** What has become of a job that has ended makes no difference any more. */
  #stateOf(
    { job, isKept, state, attempts, holdsSlot, executions, offeredAt, startedAt }: Story,
    now?: number,
  ): unknown {
    if (state === 'done' && !holdsSlot && executions === 0) return 'done';
    const isGivenUp = this.#signals.get(job)?.signal.aborted;
    const since = now === undefined ? 0 : now - (state === 'queued' ? offeredAt : startedAt);
    return [isKept, isGivenUp, state, attempts, holdsSlot, executions, since];
  }

  /** A drain, and all that runs completes: nothing may be left. */
  async finish(): Promise<void> {
    const { witness } = this;
    if (this.#bounds.rules.isLive && witness.workers === 0 && !witness.hasEnded) await this.perform('workers 2');
    if (witness.isPaused) await this.perform('resume');
    if (witness.level < 0) await this.perform('drain');
    for (let rounds = 0; rounds < 40; rounds++) {
      const [job] = this.#executions.keys();
      if (job !== undefined) await this.perform(`done ${job.number}`);
      else if (this.#scheduler.actions.length > 0) await this.perform('advance');
      else break;
    }
    if (!witness.hasEnded) witness.breach('ended is not fulfilled at last');
    for (const { job, state, holdsSlot } of witness.all) {
      if (state !== 'done' || holdsSlot)
        witness.breach(`job ${job.number} is ${state}, its slot is held: ${holdsSlot}`);
    }
    for (const { kind, job, fate } of this.#pledges) {
      if (fate.status === 'open') witness.breach(`${kind} of job ${job?.number} is open for ever`);
    }
    this.#checkOutcomes();
    const late: Job = { number: -1, key: 0, priority: 0 };
    witness.offer(late, false);
    if (this.#pool.offer(late)) witness.breach('an offer is taken after the end');
  }

  /** Each was emitted once; in the order of arrival, where that was asked for. */
  #checkOutcomes(): void {
    const { witness } = this;
    const told = new Set(this.#outcomes.map(({ job }) => job));
    if (told.size !== this.#outcomes.length || told.size !== this.#jobs.length) {
      witness.breach(`${this.#outcomes.length} outcomes of ${this.#jobs.length} jobs`);
    }
    if (this.#bounds.rules.ordered !== true) return;
    const orders = this.#outcomes
      .filter(({ attempts }) => attempts > 0)
      .map(({ job }) => witness.stories.get(job)!.order);
    if (orders.some((order, i) => order < (orders[i - 1] ?? -1)))
      witness.breach(`outcomes in the order ${orders.join()}`);
  }
}
