// What a pool is, said with counts and lists: the reference that every form is compared with. It knows nothing of src.

/** What a job's work returns, or does. */
export const KINDS = [
  'stream', // an Observable that ends when the spec says so
  'late stream', // one that goes on after its end
  'promise', // settles when the spec says so
  'thenable', // settles in the call that settles it
  'double thenable', // settles twice, once in each way
  'obeys', // a promise that rejects when it is signalled
  'answers', // a promise that is fulfilled when it is signalled
  'values', // an Observable of two values, at once
  'empty', // an Observable of none
  'fails', // an Observable of one value and an error, at once
  'throws',
  'resolved',
  'rejected',
  'sync thenable', // is fulfilled inside `then`
  'sync refusal', // rejects inside `then`
] as const;
export type Kind = (typeof KINDS)[number];

/** Where code of the user's runs. */
export const PLACES = ['accepted', 'started', 'work', 'signal', 'settled', 'released', 'told'] as const;
export type Place = (typeof PLACES)[number];

export const HARSHNESS = ['drain', 'discard', 'abort', 'abandon'] as const;
export type Harshness = (typeof HARSHNESS)[number];

/** What the user's code does where it runs. */
export type Act =
  | { readonly do: 'offer' | 'send' | 'submit'; readonly plan: Plan }
  | { readonly do: 'shutdown'; readonly level: Harshness }
  | { readonly do: 'end'; readonly how: How }
  | { readonly do: 'unsubscribe' | 'complete' };

export interface Plan {
  readonly kind: Kind;
  /** Its work reads its signal. */
  readonly listens: boolean;
  readonly react?: { readonly at: Place; readonly act: Act } | undefined;
  readonly throwsAt?: Place | undefined;
}

export interface Job {
  readonly id: number;
  readonly plan: Plan;
  reacted: boolean;
}

export type How = 'value' | 'complete' | 'error';
export type Form = 'workerPool' | 'workerPoolSettled' | 'BackgroundJobs';
export const POLICIES = ['error', 'drop-incoming', 'drop-oldest', 'replace-newest', 'clear'] as const;
type Policy = (typeof POLICIES)[number];

export interface Setting {
  readonly form: Form;
  readonly workers: number;
  readonly buffer: number;
  readonly overflow: Policy;
  /** Hooks watch the pool; without them a bare pool keeps no accounts. */
  readonly hooks: boolean;
  /** Somebody is subscribed to the outcomes of the handle. */
  readonly watched: boolean;
}

export interface SubmitOptions {
  readonly wait: boolean;
  readonly signal: 'none' | 'later' | 'aborted';
}

/** The model, or a form: whatever is done to one is done to the other, and both write down what could be seen. */
export abstract class Actor {
  readonly log: string[] = [];
  /** What `send` and `submit` have promised, by the number of the job. */
  readonly fates: Map<number, string> = new Map();
  /** Errors that are reported as unhandled. */
  readonly reported: string[] = [];
  private jobs = 0;

  abstract offer(plan: Plan): void;
  abstract send(plan: Plan, signal: SubmitOptions['signal']): void;
  abstract submit(plan: Plan, options: SubmitOptions): void;
  abstract listenTo(plans: readonly Plan[], form: 'iterable' | 'observable'): void;
  abstract idle(): void;
  abstract shutdown(level: Harshness): void;
  abstract complete(): void;
  abstract fail(): void;
  abstract unsubscribe(): void;
  /** Aborts the signal that was given with this job. */
  abstract giveUp(id: number): void;
  abstract end(id: number, how: How): void;
  /** Jobs that the spec may end, also after their pool has let go of them; the longest first. */
  abstract readonly open: ReadonlyMap<number, unknown>;
  /** What is known at this moment. */
  protected abstract snapshot(): string;

  protected job(plan: Plan): Job {
    return { id: this.jobs++, plan, reacted: false };
  }

  protected note(event: string): void {
    this.log.push(`${event}${this.snapshot()}`);
  }

  /** User code runs: it looks, it acts, and it may throw. */
  protected reach(place: Place, job: Job): void {
    const { react, throwsAt } = job.plan;
    if (react?.at === place && !job.reacted) {
      job.reacted = true;
      this.perform(react.act);
    }
    if (throwsAt === place) throw `${place} ${job.id}`;
  }

  private perform(act: Act): void {
    switch (act.do) {
      case 'offer':
        return this.offer(act.plan);
      case 'send':
        return this.send(act.plan, 'none');
      case 'submit':
        return this.submit(act.plan, { wait: false, signal: 'none' });
      case 'shutdown':
        return this.shutdown(act.level);
      case 'end': {
        const [first] = this.open.keys();
        return first === undefined ? undefined : this.end(first, act.how);
      }
      case 'unsubscribe':
        return this.unsubscribe();
      case 'complete':
        return this.complete();
    }
  }
}

type Verdict = 'completed' | 'failed' | 'aborted' | 'abandoned';

/** A worker with a job, or between two jobs. One that rests is not there. */
interface Slot {
  state: 'between' | 'starting' | 'running' | 'lost';
  job: Job | undefined;
  /** Its place in the order of subscriptions; what is not subscribed yet comes last, in the order of starts. */
  order: number;
  verdict: Verdict | undefined;
  /** The stream's last value, or with the verdict its error. */
  result: string | undefined;
  abort: string | undefined;
  /** A promise: it cannot be stopped. */
  promised: boolean;
  /** The stream is subscribed. */
  live: Live | undefined;
}

interface Live {
  open: boolean;
}

/** A promise of the language: its reactions run as microtasks. */
interface Pledge {
  state: 'open' | 'fulfilled' | 'rejected';
  value: string;
  reaction: (() => void) | undefined;
}

/** Of a job that was sent or submitted. */
interface Ticket {
  readonly kind: 'send' | 'submit';
  signal: 'none' | 'later' | 'done';
  readonly sender: boolean;
}

interface Ending {
  readonly status: Verdict | 'dropped';
  readonly detail: string;
  readonly attempts: number;
}

const ABORTED = 'JobAbortedError';
const LAST = 1e9;

export class Model extends Actor {
  readonly setting: Setting;
  readonly open: Map<number, (how: How) => void> = new Map();
  /** Jobs that wait for a worker, the oldest first. */
  readonly queue: Job[] = [];
  readonly slots: Set<Slot> = new Set();
  /** Jobs that wait for room, the oldest first. */
  readonly senders: Job[] = [];
  readonly accounts = { offered: 0, accepted: 0, refused: 0, completed: 0, failed: 0, evicted: 0, aborted: 0 };
  /** Signals that may still be aborted. */
  readonly signals: Set<number> = new Set();
  level = -1;
  accepting = true;
  /** The results have ended, or were unsubscribed. */
  closed = false;
  /** The program has come to where the form is known to differ. */
  undecided = false;
  idlers = 0;
  idled = 0;
  /** What the handle's `ended` resolves with. */
  report: string | undefined;
  /** An iterable is listened to. */
  pulling = false;

  private readonly dropped: number[] = [];
  private readonly abortedJobs: number[] = [];
  private readonly tally: Map<string, number>;
  private readonly tickets = new Map<number, Ticket>();
  private readonly microtasks: (() => void)[] = [];
  private readonly pledges = new Map<number, Pledge>();
  private readonly called = new Set<number>();
  private iterablePlans: Plan[] = [];
  /** Jobs that no overflow policy may choose. */
  private readonly kept = new Set<number>();
  /** Whose callers have given them up. */
  private readonly cancelled = new Set<number>();
  /** What has been counted and is still to be told, in its order. */
  private readonly news: { readonly loss: boolean; readonly tell: () => void }[] = [];
  /** Jobs whose acceptance is still to be told. */
  private unannounced = 0;
  /** News wait for the loop that runs. */
  private deferred = false;
  /** Arrivals of the handle are told and started, one after the other. */
  private looping = false;
  /** Who waits for a place takes turns: the senders as one, and the iterable. */
  private readonly line: ('senders' | 'iterable')[] = [];
  private sendersWereServed = false;
  private serving = false;
  /** Workers that look for a job. */
  private looking = 0;
  private running = 0;
  private busy = 0;
  private started = 0;
  /** Workers that have had a job and have none now. */
  private resting = 0;
  /** Losses that are being told: the results do not end before all have heard. */
  private telling = 0;
  private subscribed = 0;
  private sourceOpen: boolean;
  private intakeComplete = false;
  private failure: string | undefined;
  private placing = 0;

  constructor(setting: Setting, tally: Map<string, number>) {
    super();
    this.setting = setting;
    this.tally = tally;
    this.sourceOpen = setting.form !== 'BackgroundJobs';
  }

  count(what: string): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + 1);
  }

  get tellsOutcomes(): boolean {
    return this.setting.form !== 'workerPool';
  }

  get isHandle(): boolean {
    return this.setting.form === 'BackgroundJobs';
  }

  get isIdle(): boolean {
    return this.busy === 0 && this.queue.length === 0;
  }

  /** The law and the bounds, in the model's own books. */
  protected snapshot(): string {
    const { offered, accepted, refused, completed, failed, evicted, aborted } = this.accounts;
    const { workers, buffer } = this.setting;
    const [queued, waiting, running] = [this.queue.length, this.senders.length, this.running];
    const lawful =
      offered === accepted + refused + waiting &&
      accepted === completed + failed + evicted + aborted + queued + running &&
      running <= workers &&
      queued + running <= workers + buffer;
    if (!lawful) throw new Error('the model breaks the law');
    if (!this.isHandle) return '';
    return ` [${[offered, accepted, refused, waiting, completed, failed, evicted, aborted, queued, running].join(' ')}]`;
  }

  // ---- Commands

  offer(plan: Plan): void {
    const job = this.job(plan);
    if (this.isHandle) this.note(`offered ${job.id}: ${this.arrive(job) === undefined}`);
    else if (this.sourceOpen) this.admit(job);
  }

  send(plan: Plan, signal: SubmitOptions['signal']): void {
    this.promise('send', this.job(plan), { wait: true, signal });
  }

  submit(plan: Plan, options: SubmitOptions): void {
    this.promise('submit', this.job(plan), options);
  }

  private promise(kind: Ticket['kind'], job: Job, { wait, signal }: SubmitOptions): void {
    this.fates.set(job.id, 'open');
    this.tickets.set(job.id, { kind, signal: signal === 'aborted' ? 'done' : signal, sender: wait });
    if (signal === 'aborted') {
      this.count(`${kind} with an aborted signal`);
      this.fate(job, `rejected reason ${job.id}`);
      this.accounts.offered++;
      return this.run(() => this.refuse(job, 'withdrawn'));
    }
    if (signal === 'later') this.signals.add(job.id);
    if (wait) this.wait(job);
    else this.arrive(job);
  }

  /** Now, or when its turn has come. */
  private wait(job: Job, isItem = false): void {
    this.kept.add(job.id);
    this.accounts.offered++;
    this.run(() => {
      if (!this.accepting && !isItem) this.refuse(job, 'closed');
      else if ((isItem || this.senders.length === 0) && this.hasRoom()) this.place(job);
      else {
        this.count('a sender waits');
        this.senders.push(job);
        this.join('senders');
      }
    });
  }

  giveUp(id: number): void {
    this.signals.delete(id);
    const ticket = this.tickets.get(id)!;
    const reason = `reason ${id}`;
    const sender = this.senders.find((job) => job.id === id);
    const queued = this.queue.find((job) => job.id === id);
    const slot = [...this.slots].find(({ job }) => job?.id === id);
    if (sender !== undefined) {
      this.count(`${ticket.kind}: a waiting sender gives up`);
      this.fate(sender, `rejected ${reason}`);
      this.refuseSenders('withdrawn', [sender]);
    } else if (ticket.kind === 'send') return this.count('send: given up too late');
    else if (queued !== undefined) {
      this.count('submit: a queued job is given up');
      this.fate(queued, `rejected ${reason}`);
      this.queue.splice(this.queue.indexOf(queued), 1);
      this.accounts.aborted++;
      this.run(() => this.lose([[queued, { status: 'aborted', detail: `${reason} true`, attempts: 0 }]]));
    } else if (slot !== undefined) {
      this.count('submit: a running job is given up');
      if (this.level < 2) this.cancelled.add(id);
      this.fate(slot.job!, `rejected ${reason}`);
      this.abort(slot, reason);
    } else return this.count('submit: given up too late');
    this.serve();
  }

  listenTo(plans: readonly Plan[], form: 'iterable' | 'observable'): void {
    if (!this.accepting) return this.count('listens when it is closed');
    if (form === 'observable') {
      if (this.setting.overflow === 'error' && this.setting.buffer !== Infinity)
        return this.count('an Observable that could only overflow is refused');
      for (const plan of plans) {
        if (!this.accepting) return this.count('stops to listen in the middle');
        this.arrive(this.job(plan));
      }
      return;
    }
    this.pulling = true;
    this.iterablePlans = [...plans];
    this.join('iterable');
    this.serve();
  }

  // ---- Turns in the line of those that wait for a place

  private join(who: 'senders' | 'iterable'): void {
    if (this.line.includes(who)) return;
    if (who === 'senders' && !this.sendersWereServed) this.line.unshift(who);
    else this.line.push(who);
  }

  private leave(who: 'senders' | 'iterable'): void {
    if (this.line.includes(who)) this.line.splice(this.line.indexOf(who), 1);
  }

  private serve(): void {
    const { serving } = this;
    this.serving = true;
    for (let who; (who = this.line[0]) !== undefined && this.isDue(who, serving);) {
      this.line.push(this.line.shift()!);
      this.sendersWereServed = who === 'senders';
      if (who === 'senders') this.seat();
      else this.pullOne();
    }
    this.serving = serving;
  }

  /** An item is taken only for a worker that is free, unless senders wait too. */
  private isDue(who: 'senders' | 'iterable', isNested: boolean): boolean {
    if (!this.hasRoom()) return false;
    if (who === 'senders' || this.line.includes('senders')) return true;
    const { length } = this.queue;
    const free = this.setting.workers - this.slots.size;
    return isNested ? this.looking > 0 && length === 0 : this.looking + free > length;
  }

  private seat(): void {
    const job = this.senders.shift()!;
    if (this.senders.length === 0) this.leave('senders');
    this.count('a sender is seated');
    this.run(() => this.place(job));
  }

  private pullOne(): void {
    this.leave('iterable');
    const plan = this.iterablePlans.shift();
    if (plan === undefined) {
      this.pulling = false;
      return this.note('the iterable is at its end');
    }
    this.count('an iterable is pulled');
    const job = this.job(plan);
    this.note(`pulled ${job.id}`);
    if (this.accepting) this.join('iterable');
    this.wait(job, true);
    if (!this.pulling) this.leave('iterable');
  }

  idle(): void {
    if (!this.isIdle) this.count('waits for idleness');
    this.idlers++;
    this.wake();
  }

  shutdown(level: Harshness): void {
    const harshness = HARSHNESS.indexOf(level);
    if (this.closed) return this.count('shut down after the end');
    if (harshness <= this.level) return this.count('a step back');
    this.count(`${HARSHNESS[this.level] ?? 'open'} → ${level}`);
    this.level = harshness;
    this.accepting = false;
    this.endIntake(harshness >= 1);
    if (harshness >= 1) this.evictAll('shutdown');
    if (harshness >= 2) for (const slot of this.inOrder()) this.abort(slot, ABORTED);
    if (harshness >= 3) for (const slot of this.inOrder()) this.abandon(slot);
  }

  complete(): void {
    if (!this.sourceOpen) return;
    this.count('the source completes');
    this.endIntake();
  }

  fail(): void {
    if (!this.sourceOpen) return;
    this.count('the source fails');
    this.failIntake('source');
  }

  unsubscribe(): void {
    if (this.closed) return;
    this.count('downstream unsubscribes');
    this.close();
  }

  end(id: number, how: How): void {
    this.open.get(id)!(how);
  }

  /** All that promises have left to do. */
  flush(): void {
    this.wake();
    for (let task; (task = this.microtasks.shift()) !== undefined;) {
      task();
      this.wake();
    }
  }

  private wake(): void {
    if (this.isIdle) this.idled = this.idlers;
  }

  // ---- Arrivals

  /** A job of the handle: its place is decided at once; it is told and started in its turn. */
  private arrive(job: Job): 'closed' | 'full' | undefined {
    let refusal: 'closed' | 'full' | undefined;
    this.accounts.offered++;
    this.run(() => {
      if (!this.accepting) refusal = this.refuse(job, 'closed');
      else if (this.senders.length > 0) {
        this.count('an offer finds senders before it');
        refusal = this.refuse(job, 'full');
      } else refusal = this.place(job);
    });
    return refusal;
  }

  /** The handle's flat loop. What is decided in the middle of it waits for its turn. */
  private run(decide: () => void): void {
    if (this.looping) {
      this.count('an arrival in the middle of another');
      this.deferred = true;
      decide();
      this.deferred = false;
      return;
    }
    this.looping = true;
    decide();
    do if (this.looking <= this.queue.length) this.startWaiting();
    while (this.notifyNext());
    this.looping = false;
  }

  /** From 'discard' on nothing starts: what waits is about to be dropped. */
  private get mayStart(): boolean {
    return !this.closed && this.level < 1;
  }

  private startWaiting(): void {
    while (this.queue.length > 0 && this.slots.size < this.setting.workers && this.mayStart) {
      const slot = this.emptySlot();
      if (this.resting > 0) this.resting--;
      this.slots.add(slot);
      this.proceed(slot);
    }
  }

  private notifyNext(): boolean {
    const next = this.news.shift();
    if (next === undefined) return false;
    if (next.loss) this.telling++;
    else this.unannounced--;
    next.tell();
    if (next.loss) this.telling--;
    this.endIfDone();
    return true;
  }

  /** A job of an operator: a start is nested in the call that brings the job. */
  private admit(job: Job): void {
    const { workers, overflow } = this.setting;
    this.accounts.offered++;
    if (!this.accepting || this.closed) return void this.refuse(job, 'closed');
    if (this.slots.size < workers) {
      const slot = this.emptySlot();
      if (this.resting > 0) this.resting--;
      this.slots.add(slot);
      this.enqueue(job);
      return this.proceed(slot);
    }
    // What a hook does that is told of a refusal does not make its error a completion.
    this.placing++;
    const refusal = this.place(job);
    this.placing--;
    if (refusal === 'full' && overflow === 'error') this.failIntake('BufferOverflowError');
    else if (!this.accepting) this.endIfDone();
  }

  /** All victims leave, and the arriving job has its place, before anybody is told. */
  private place(job: Job): 'full' | undefined {
    const { workers, overflow } = this.setting;
    const isDecided = this.isHandle && this.queue.length < workers - this.slots.size;
    if (this.hasRoom()) {
      if (isDecided) this.kept.add(job.id);
      this.count('queued');
      this.enqueue(job);
      return undefined;
    }
    const evictable = this.queue.filter(({ id }) => !this.kept.has(id));
    const evicts = overflow !== 'error' && overflow !== 'drop-incoming';
    if (!evicts || evictable.length === 0 || this.telling > 0) {
      this.count(evicts ? 'an evicting policy finds nobody to evict' : `${overflow} refuses`);
      return this.refuse(job, 'full');
    }
    this.count(`${overflow} evicts`);
    const victims = overflow === 'clear' ? evictable : [overflow === 'drop-oldest' ? evictable[0]! : evictable.at(-1)!];
    for (const victim of victims) this.queue.splice(this.queue.indexOf(victim), 1);
    this.queue.push(job);
    this.accounts.evicted += victims.length;
    this.accounts.accepted++;
    const lost = victims.map((victim): [Job, Ending] => [
      victim,
      { status: 'dropped', detail: 'evicted', attempts: 0 },
    ]);
    this.news.push({ loss: true, tell: () => this.tellAll(lost) });
    this.announce(job);
    return undefined;
  }

  private hasRoom(): boolean {
    return this.queue.length + this.busy < this.setting.workers + this.setting.buffer;
  }

  private enqueue(job: Job): void {
    this.queue.push(job);
    this.accounts.accepted++;
    if (this.deferred || this.news.length > 0) this.announce(job);
    else this.accepted(job);
  }

  private announce(job: Job): void {
    this.unannounced++;
    this.news.push({ loss: false, tell: () => this.accepted(job) });
    this.brought();
  }

  private accepted(job: Job): void {
    this.taken(job);
    if (this.isHandle && !this.tickets.has(job.id)) this.checkIntake();
    this.hook('accepted', job, `accepted ${job.id}`);
  }

  private brought(): void {
    if (!this.deferred) while (this.notifyNext());
  }

  private refuse<R extends 'full' | 'closed' | 'withdrawn'>(job: Job, reason: R): R {
    this.accounts.refused++;
    this.loseRefused(job, reason);
    return reason;
  }

  private loseRefused(job: Job, reason: string): void {
    this.count(`refused: ${reason}`);
    if (this.tickets.get(job.id)?.kind === 'send') this.lateFates.set(job.id, `rejected JobDroppedError ${reason}`);
    this.lose([[job, { status: 'dropped', detail: reason, attempts: 0 }]]);
  }

  private readonly lateFates = new Map<number, string>();

  private lose(lost: readonly [Job, Ending][]): void {
    this.news.push({ loss: true, tell: () => this.tellAll(lost) });
    this.brought();
  }

  private evictAll(reason: 'shutdown'): void {
    const gone = this.queue.splice(0);
    if (gone.length === 0) return;
    this.accounts.evicted += gone.length;
    this.count(`lost: ${reason}`);
    this.lose(gone.map((job): [Job, Ending] => [job, { status: 'dropped', detail: reason, attempts: 0 }]));
  }

  /** No sender whose caller hears of it finds the next one still waiting. */
  private refuseSenders(reason: 'closed' | 'withdrawn', refused: readonly Job[]): void {
    for (const job of refused) this.senders.splice(this.senders.indexOf(job), 1);
    if (this.senders.length === 0) this.leave('senders');
    if (refused.length > 0 && reason === 'closed') this.count('a sender is turned away');
    this.accounts.refused += refused.length;
    this.run(() => {
      for (const job of refused) this.loseRefused(job, reason);
    });
  }

  private taken(job: Job): void {
    if (this.tickets.get(job.id)?.kind === 'send') this.fate(job, 'fulfilled');
  }

  // ---- A slot

  private emptySlot(): Slot {
    return {
      state: 'between',
      job: undefined,
      order: LAST,
      verdict: undefined,
      result: undefined,
      abort: undefined,
      promised: false,
      live: undefined,
    };
  }

  private proceed(slot: Slot): void {
    while (slot.state === 'between') {
      if (this.line.length > 0) {
        this.looking++;
        this.serve();
        this.looking--;
      }
      // A job is told of before it starts.
      while (this.queue.length > 0 && this.unannounced >= this.queue.length && this.notifyNext());
      const job = this.mayStart ? this.queue.shift() : undefined;
      if (job === undefined) return this.retire(slot);
      this.start(slot, job);
    }
  }

  private retire(slot: Slot): void {
    this.slots.delete(slot);
    this.resting++;
    this.endIfDone();
  }

  private start(slot: Slot, job: Job): void {
    Object.assign(slot, this.emptySlot(), { state: 'starting', job, order: LAST + this.started });
    const index = this.started++;
    this.running++;
    this.busy++;
    const { kind } = job.plan;
    this.hook('started', job, `started ${job.id}`);
    if (slot.state !== 'starting') return;
    if (slot.abort !== undefined) {
      this.count('aborted before its work was called');
      return this.settle(slot, 'aborted', slot.abort);
    }
    this.count(`work: ${kind}`);
    this.called.add(job.id);
    const pledge: Pledge = { state: 'open', value: '', reaction: undefined };
    if (kind === 'promise' || kind === 'obeys' || kind === 'answers') {
      this.pledges.set(job.id, pledge);
      this.open.set(job.id, (how) => {
        if (how === 'value') return;
        this.open.delete(job.id);
        if (how === 'complete') this.settlePledge(pledge, 'fulfilled', `${job.id}!`);
        else this.settlePledge(pledge, 'rejected', `error ${job.id}`);
      });
    }
    this.note(`work ${job.id} #${index}`);
    this.visit('work', job);
    if (slot.state !== 'starting') this.count('abandoned inside its work');
    switch (kind) {
      case 'throws':
        if (slot.state === 'starting') this.reject(slot, `error ${job.id}`);
        return;
      case 'resolved':
        this.settlePledge(pledge, 'fulfilled', `${job.id}!`);
        return this.awaited(slot, pledge);
      case 'rejected':
        this.settlePledge(pledge, 'rejected', `error ${job.id}`);
        return this.awaited(slot, pledge);
      case 'promise':
      case 'obeys':
      case 'answers':
        return this.awaited(slot, pledge);
      default:
        slot.promised = kind.includes('thenable') || kind === 'sync refusal';
        if (slot.state === 'starting') this.observe(slot, job);
        else if (kind.endsWith('thenable') && kind !== 'sync thenable') {
          // Its `then` is called all the same, so that a rejection is not unhandled.
          this.open.set(job.id, (how) => void (how === 'value' || this.open.delete(job.id)));
        }
    }
  }

  private reject(slot: Slot, error: string): void {
    if (slot.abort === undefined) this.settle(slot, 'failed', error);
    else this.settle(slot, 'aborted', slot.abort);
  }

  // A promise

  private awaited(slot: Slot, pledge: Pledge): void {
    if (slot.state !== 'starting') return;
    slot.promised = true;
    slot.order = this.subscribed++;
    slot.state = 'running';
    pledge.reaction = () => {
      if (slot.state !== 'running') return this.count('a promise settles that nobody waits for');
      if (pledge.state === 'fulfilled') this.settle(slot, 'completed', pledge.value);
      else this.reject(slot, pledge.value);
      this.proceed(slot);
    };
    if (pledge.state !== 'open') this.microtasks.push(pledge.reaction);
  }

  private settlePledge(pledge: Pledge, state: Pledge['state'], value: string): void {
    if (pledge.state !== 'open') return;
    Object.assign(pledge, { state, value });
    if (pledge.reaction !== undefined) this.microtasks.push(pledge.reaction);
  }

  // A stream, or a thenable: both end in the call that ends them

  private observe(slot: Slot, job: Job): void {
    const { id, plan } = job;
    if (slot.abort !== undefined && !slot.promised && !this.closed) return this.settle(slot, 'aborted', slot.abort);
    slot.order = this.subscribed++;
    const live: Live = { open: true };
    slot.live = live;
    if (!slot.promised) this.note(`subscribed ${id}`);
    if (this.closed && !slot.promised) this.letGo(slot);
    const next = (value: string): void => {
      if (!live.open) return;
      slot.result = value;
      if (!slot.promised && !this.tellsOutcomes) this.next(job, value);
    };
    const error = (): void => {
      if (!live.open) return;
      if (slot.abort !== undefined) this.finish(slot, 'aborted', slot.abort);
      else if (this.tellsOutcomes) this.finish(slot, 'failed', `error ${id}`);
      else {
        this.settle(slot, 'failed', `error ${id}`);
        live.open = false;
      }
    };
    const complete = (): void => {
      if (live.open) this.finish(slot, 'completed', slot.result);
    };
    switch (plan.kind) {
      case 'values':
        next(`${id}.0`);
        next(`${id}.1`);
        complete();
        break;
      case 'empty':
        complete();
        break;
      case 'fails':
        next(`${id}.0`);
        error();
        break;
      case 'sync thenable':
        next(`${id}!`);
        complete();
        break;
      case 'sync refusal':
        error();
        break;
      default: {
        let values = 0;
        if (!slot.promised && !live.open) break;
        this.open.set(id, (how) => {
          if (how === 'value') return slot.promised ? undefined : next(`${id}.${values++}`);
          this.open.delete(id);
          if (!live.open) this.count('a stream or thenable ends that nobody listens to');
          if (how === 'error') return error();
          if (slot.promised) next(`${id}!`);
          complete();
        });
      }
    }
    if (slot.state !== 'starting') return;
    if (slot.verdict !== undefined) this.settle(slot, slot.verdict, slot.result);
    else if (slot.abort !== undefined && !slot.promised) this.settle(slot, 'aborted', slot.abort);
    else slot.state = 'running';
  }

  /** The finalizers run, then the slot is free. */
  private finish(slot: Slot, verdict: Verdict, result: string | undefined): void {
    slot.verdict = verdict;
    slot.result = result;
    this.letGo(slot);
    if (slot.state === 'starting') return;
    this.settle(slot, verdict, result);
    this.proceed(slot);
  }

  private letGo(slot: Slot): void {
    const { live, job, promised } = slot;
    slot.live = undefined;
    if (live?.open !== true) return;
    live.open = false;
    if (!promised) this.note(`finalized ${job!.id}`);
  }

  // The end of a job

  private settle(slot: Slot, verdict: Verdict, result: string | undefined): void {
    if (slot.state === 'between' || slot.state === 'lost') return;
    const job = slot.job!;
    const failsPool = verdict === 'failed' && !this.tellsOutcomes;
    slot.state = failsPool || verdict === 'abandoned' ? 'lost' : 'between';
    this.running--;
    this.busy--;
    this.count(`running → ${verdict}`);
    this.accounts[verdict === 'abandoned' ? 'aborted' : verdict]++;
    const detail = verdict === 'aborted' ? `${result} true` : verdict === 'abandoned' ? `${result} false` : `${result}`;
    const ending: Ending = { status: verdict, detail, attempts: 1 };
    if (!failsPool) slot.job = undefined;
    this.hook('settled', job, this.describe(job, ending));
    this.hook('released', job, `released ${job.id}`);
    this.settleFate(job, ending);
    if (this.tellsOutcomes) this.outcome(job, ending);
    else if (failsPool) this.finishWith(`error ${job.id}`);
    else if (verdict === 'completed' && slot.promised) {
      this.busy++;
      this.next(job, result!);
      this.busy--;
    }
  }

  private abort(slot: Slot, reason: string): void {
    if (slot.state === 'lost') return this.letGo(slot);
    if (slot.state === 'between' || slot.verdict !== undefined || slot.abort !== undefined) return;
    const job = slot.job!;
    const wasRunning = slot.state === 'running';
    const stoppable = slot.live !== undefined && !slot.promised;
    this.count(stoppable ? 'a stream is stopped' : 'a promise is asked to stop');
    slot.abort = reason;
    if (stoppable) {
      slot.verdict = 'aborted';
      this.letGo(slot);
    }
    this.signal(job, reason);
    if (!stoppable) return;
    this.settle(slot, 'aborted', reason);
    if (wasRunning) this.proceed(slot);
  }

  private signal(job: Job, reason: string): void {
    const { kind } = job.plan;
    if (!this.called.has(job.id)) return;
    const pledge = this.pledges.get(job.id);
    if (!listens(job.plan)) return;
    this.note(`signalled ${job.id}: ${reason}`);
    if (kind === 'obeys') this.settlePledge(pledge!, 'rejected', reason);
    if (kind === 'answers') this.settlePledge(pledge!, 'fulfilled', `${job.id}?`);
    this.visit('signal', job);
  }

  private abandon(slot: Slot): void {
    if (slot.state === 'between' || slot.state === 'lost' || slot.verdict !== undefined) return;
    this.settle(slot, 'abandoned', slot.abort);
    this.letGo(slot);
    this.retire(slot);
  }

  private inOrder(): Slot[] {
    return [...this.slots].sort((a, b) => a.order - b.order);
  }

  // ---- What is told

  private visit(place: Place, job: Job): void {
    if (job.plan.react?.at === place && !job.reacted) this.count(`${job.plan.react.act.do} from ${place}`);
    try {
      this.reach(place, job);
    } catch (error) {
      this.count(`${place} throws`);
      this.reported.push(String(error));
    }
  }

  private hook(place: Place, job: Job, event: string): void {
    if (!this.setting.hooks) return;
    this.note(event);
    this.visit(place, job);
  }

  private describe({ id }: Job, { status, detail, attempts }: Ending): string {
    return `${id} ${status === 'abandoned' ? 'aborted' : status} ${detail} after ${attempts}`;
  }

  /** Of jobs that no worker has. */
  private tellAll(lost: readonly [Job, Ending][]): void {
    for (const [job, ending] of lost) {
      this.hook('settled', job, this.describe(job, ending));
      this.settleFate(job, ending);
      if (this.tellsOutcomes) this.outcome(job, ending);
    }
  }

  private settleFate(job: Job, { status, detail }: Ending): void {
    const ticket = this.tickets.get(job.id);
    if (ticket?.kind === 'submit') {
      const overflow = detail === 'full' && this.setting.overflow === 'error';
      if (status === 'completed') this.fate(job, `fulfilled ${detail}`);
      else if (status === 'failed') this.fate(job, `rejected ${detail}`);
      else if (status !== 'dropped') this.fate(job, `rejected ${detail.replace(/ (true|false)$/, '')}`);
      else this.fate(job, `rejected ${overflow ? 'BufferOverflowError' : `JobDroppedError ${detail}`}`);
      return;
    }
    if (this.lateFates.has(job.id)) return this.fate(job, this.lateFates.get(job.id)!);
    if (status === 'failed' && this.isHandle && !this.setting.hooks && !this.setting.watched) {
      this.count('a failure that nobody sees');
      this.reported.push('JobFailedError');
    }
  }

  private fate(job: Job, fate: string): void {
    if (this.fates.get(job.id) !== 'open') return;
    this.count(`a promise is ${fate.startsWith('fulfilled') ? 'fulfilled' : 'rejected'}`);
    this.fates.set(job.id, fate);
  }

  private outcome(job: Job, ending: Ending): void {
    const isAborted = ending.status === 'aborted' || ending.status === 'abandoned';
    if (ending.detail === 'shutdown' && ending.status === 'dropped') this.dropped.push(job.id);
    if (isAborted && ending.attempts > 0 && !this.cancelled.has(job.id)) this.abortedJobs.push(job.id);
    if (this.closed || (this.isHandle && !this.setting.watched)) return;
    this.note(`told ${this.describe(job, ending)}`);
    this.visit('told', job);
  }

  private next(job: Job, value: string): void {
    if (this.closed) return;
    this.note(`next ${value}`);
    this.visit('told', job);
  }

  // ---- The end

  private failIntake(error: string): void {
    this.count(`the intake fails: ${error}`);
    if (!this.tellsOutcomes) return this.finishWith(error);
    this.accepting = false;
    this.failure ??= error;
    this.releaseSource();
    this.endIntake();
    // A hook may have ended it before.
    this.endIfDone();
  }

  /** @param isCut items that wait for room are not run any more */
  private endIntake(isCut = true): void {
    if (this.intakeComplete) return;
    this.accepting = false;
    this.leave('iterable');
    if (this.isHandle) {
      const refused = this.senders.filter(({ id }) => isCut || this.tickets.has(id));
      this.refuseSenders('closed', refused);
    }
    if (this.pulling) {
      this.pulling = false;
      this.note('the iterable is let go');
    }
    this.checkIntake();
    this.releaseSource();
  }

  /** The intake is complete when no item waits for room. */
  private checkIntake(): void {
    if (this.accepting || this.senders.length > 0) return;
    this.intakeComplete = true;
    this.endIfDone();
  }

  private releaseSource(): void {
    if (!this.sourceOpen) return;
    this.sourceOpen = false;
    this.note('the source is released');
  }

  private endIfDone(): void {
    if (!this.intakeComplete || this.closed || this.placing > 0) return;
    if (this.slots.size > 0 || this.queue.length > 0 || this.telling > 0 || this.news.length > 0) return;
    this.finishWith(this.failure);
  }

  private finishWith(error: string | undefined): void {
    if (this.closed) return;
    this.count(error === undefined ? 'the results complete' : 'the results fail');
    if (!this.isHandle || this.setting.watched) this.note(error === undefined ? 'complete' : `failed ${error}`);
    if (this.isHandle) this.report = reportOf(HARSHNESS[this.level]!, this.dropped, this.abortedJobs, this.snapshot());
    this.close();
  }

  /** The source first, then what runs, then what waits. */
  private close(): void {
    this.closed = true;
    this.releaseSource();
    for (const slot of this.inOrder()) this.abort(slot, ABORTED);
    this.evictAll('shutdown');
  }
}

/** Does the job's work read its signal? */
export function listens({ kind, listens }: Plan): boolean {
  return listens || kind === 'obeys' || kind === 'answers';
}

export function reportOf(
  level: Harshness,
  dropped: readonly number[],
  aborted: readonly number[],
  stats: string,
): string {
  return `${level}, dropped ${String(dropped)}, aborted ${String(aborted)},${stats}`;
}
