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
export type Policy = (typeof POLICIES)[number];

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
  private readonly abandoned: number[] = [];
  private readonly tally: Map<string, number>;
  private readonly tickets = new Map<number, Ticket>();
  private readonly microtasks: (() => void)[] = [];
  private readonly pledges = new Map<number, Pledge>();
  private readonly called = new Set<number>();
  private iterablePlans: Plan[] = [];
  private running = 0;
  private busy = 0;
  private started = 0;
  /** Workers that have had a job and have none now. */
  private resting = 0;
  /** An item is being handed over. */
  private handing = false;
  /** Losses that are being told: the results do not end before all have heard. */
  private telling = 0;
  private subscribed = 0;
  private sourceOpen: boolean;
  private intakeEnded = false;
  private intakeComplete = false;
  private failure: string | undefined;

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
    if (signal === 'aborted') {
      this.count(`${kind} with an aborted signal`);
      return this.fate(job, `rejected reason ${job.id}`);
    }
    this.tickets.set(job.id, { kind, signal, sender: wait });
    if (signal === 'later') this.signals.add(job.id);
    if (!wait) this.arrive(job);
    else if (this.accepting && (this.senders.length > 0 || !this.hasRoom())) {
      this.count('a sender waits');
      this.accounts.offered++;
      this.senders.push(job);
    } else if (this.arrive(job) === undefined) this.taken(job);
  }

  giveUp(id: number): void {
    this.signals.delete(id);
    const ticket = this.tickets.get(id)!;
    const reason = `reason ${id}`;
    const sender = this.senders.findIndex((job) => job.id === id);
    const place = this.queue.findIndex((job) => job.id === id);
    if (sender >= 0) {
      this.count(`${ticket.kind}: a waiting sender gives up`);
      const [job] = this.senders.splice(sender, 1);
      this.accounts.offered--;
      this.fate(job!, `rejected ${reason}`);
    } else if (ticket.kind === 'send') this.count('send: given up too late');
    else if (place >= 0) {
      this.count('submit: a queued job is given up');
      const [job] = this.queue.splice(place, 1);
      this.accounts.aborted++;
      this.tell([job!, { status: 'aborted', detail: `${reason} true`, attempts: 0 }]);
      this.seat();
      this.fill();
    } else {
      const slot = [...this.slots].find(({ job }) => job?.id === id);
      this.count(slot === undefined ? 'submit: given up too late' : 'submit: a running job is given up');
      if (slot !== undefined) this.abort(slot, reason);
    }
  }

  listenTo(plans: readonly Plan[], form: 'iterable' | 'observable'): void {
    if (!this.accepting) return this.count('listens when it is closed');
    if (form === 'observable') {
      for (const plan of plans) {
        if (!this.accepting) return this.count('stops to listen in the middle');
        const job = this.job(plan);
        if (this.arrive(job) === 'full' && this.setting.overflow === 'error') {
          this.count('an overflow ends a subscription of the handle');
          this.reported.push('BufferOverflowError');
          return;
        }
      }
      return;
    }
    this.pulling = true;
    this.iterablePlans = [...plans];
    const { handing } = this;
    this.handing = false;
    this.fill();
    this.handing = handing;
  }

  /** One item for each worker that is free. */
  private fill(): void {
    const { handing } = this;
    this.handing = true;
    while (this.pulling && this.queue.length === 0 && this.slots.size < this.setting.workers && this.hasRoom()) {
      const job = this.pull();
      if (job === undefined) break;
      this.arrive(job);
    }
    this.handing = handing;
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
    this.endIntake();
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

  private arrive(job: Job): 'closed' | 'full' | undefined {
    if (!this.accepting) return this.refuse(job, 'closed');
    if (this.senders.length > 0) {
      this.count('an offer finds senders before it');
      return this.refuse(job, 'full');
    }
    return this.admit(job);
  }

  private admit(job: Job, mayEvict = true): 'closed' | 'full' | undefined {
    const { workers, overflow } = this.setting;
    if (!this.accepting || this.closed) return this.refuse(job, 'closed');
    if (this.slots.size < workers) {
      const slot = this.emptySlot();
      if (this.resting > 0) this.resting--;
      this.slots.add(slot);
      this.enqueue(job);
      this.proceed(slot);
      return undefined;
    }
    if (this.hasRoom()) {
      this.count('queued');
      this.enqueue(job);
      return undefined;
    }
    if (mayEvict && this.queue.length > 0 && overflow !== 'error' && overflow !== 'drop-incoming') {
      this.count(`${overflow} evicts`);
      if (overflow === 'clear') this.evictAll('evicted');
      else {
        const victim = overflow === 'drop-oldest' ? this.queue.shift() : this.queue.pop();
        this.accounts.evicted++;
        this.tell([victim!, { status: 'dropped', detail: 'evicted', attempts: 0 }]);
      }
      return this.admit(job, false);
    }
    const evicts = overflow !== 'error' && overflow !== 'drop-incoming';
    this.count(evicts ? 'an evicting policy finds nobody to evict' : `${overflow} refuses`);
    this.refuse(job, 'full');
    if (overflow === 'error' && !this.isHandle) this.failIntake('BufferOverflowError');
    return 'full';
  }

  private hasRoom(): boolean {
    return this.queue.length + this.busy < this.setting.workers + this.setting.buffer;
  }

  private enqueue(job: Job): void {
    this.queue.push(job);
    this.accounts.offered++;
    this.accounts.accepted++;
    this.hook('accepted', job, `accepted ${job.id}`);
  }

  private refuse<R extends 'full' | 'closed'>(job: Job, reason: R): R {
    this.accounts.offered++;
    this.accounts.refused++;
    this.tellRefusal(job, reason);
    return reason;
  }

  private tellRefusal(job: Job, reason: 'full' | 'closed'): void {
    this.count(`refused: ${reason}`);
    if (this.tickets.get(job.id)?.kind === 'send') this.lateFates.set(job.id, `rejected JobDroppedError ${reason}`);
    this.tell([job, { status: 'dropped', detail: reason, attempts: 0 }]);
  }

  private readonly lateFates = new Map<number, string>();

  private evictAll(reason: 'evicted' | 'shutdown'): void {
    const gone = this.queue.splice(0);
    this.accounts.evicted += gone.length;
    if (gone.length > 0) this.count(`lost: ${reason}`);
    this.tell(...gone.map((job): [Job, Ending] => [job, { status: 'dropped', detail: reason, attempts: 0 }]));
  }

  /** Whoever waits for room takes it. */
  private seat(): void {
    if (!this.accepting) this.turnAway();
    while (this.senders.length > 0 && this.hasRoom()) {
      const job = this.senders.shift()!;
      this.accounts.offered--;
      this.count('a sender is seated');
      this.enqueue(job);
      this.taken(job);
    }
  }

  /** No sender who hears of it finds the next one still waiting. */
  private turnAway(): void {
    const gone = this.senders.splice(0);
    if (gone.length > 0) this.count('a sender is turned away');
    this.accounts.refused += gone.length;
    for (const job of gone) this.tellRefusal(job, 'closed');
  }

  private taken(job: Job): void {
    if (this.tickets.get(job.id)?.kind === 'send') this.fate(job, 'fulfilled');
  }

  private pull(): Job | undefined {
    if (!this.pulling || !this.accepting) return undefined;
    const plan = this.iterablePlans.shift();
    if (plan === undefined) {
      this.pulling = false;
      this.note('the iterable is at its end');
      return undefined;
    }
    this.count('an iterable is pulled');
    const job = this.job(plan);
    this.note(`pulled ${job.id}`);
    return job;
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
      if (this.isHandle) {
        this.seat();
        const asks = this.pulling && this.queue.length === 0 && this.senders.length === 0 && this.hasRoom();
        const job = asks ? this.pull() : undefined;
        if (job !== undefined) {
          const { handing } = this;
          this.handing = true;
          this.enqueue(job);
          // The workers that rest may have their share, unless whoever has started this one goes on with that.
          while (!handing && this.resting >= this.queue.length) {
            const more = this.pull();
            if (more === undefined) break;
            this.arrive(more);
          }
          this.handing = handing;
        }
      }
      const job = this.closed ? undefined : this.queue.shift();
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
  private tell(...lost: [Job, Ending][]): void {
    this.telling++;
    for (const [job, ending] of lost) {
      this.hook('settled', job, this.describe(job, ending));
      this.settleFate(job, ending);
      if (this.tellsOutcomes) this.outcome(job, ending);
    }
    this.telling--;
    this.endIfDone();
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
      this.reported.push(detail);
    }
  }

  private fate(job: Job, fate: string): void {
    if (this.fates.get(job.id) !== 'open') return;
    this.count(`a promise is ${fate.startsWith('fulfilled') ? 'fulfilled' : 'rejected'}`);
    this.fates.set(job.id, fate);
  }

  private outcome(job: Job, ending: Ending): void {
    if (this.closed) return;
    if (ending.detail === 'shutdown' && ending.status === 'dropped') this.dropped.push(job.id);
    if (ending.status === 'abandoned') this.abandoned.push(job.id);
    if (this.isHandle && !this.setting.watched) return;
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
  }

  private endIntake(): void {
    if (this.intakeEnded) return;
    this.intakeEnded = true;
    this.accepting = false;
    this.turnAway();
    if (this.pulling) {
      this.pulling = false;
      this.note('the iterable is let go');
    }
    this.intakeComplete = true;
    this.endIfDone();
    this.releaseSource();
  }

  private releaseSource(): void {
    if (!this.sourceOpen) return;
    this.sourceOpen = false;
    this.note('the source is released');
  }

  private endIfDone(): void {
    if (this.intakeComplete && this.slots.size === 0 && this.telling === 0 && !this.closed)
      this.finishWith(this.failure);
  }

  private finishWith(error: string | undefined): void {
    if (this.closed) return;
    this.count(error === undefined ? 'the results complete' : 'the results fail');
    if (!this.isHandle || this.setting.watched) this.note(error === undefined ? 'complete' : `failed ${error}`);
    if (this.isHandle) this.report = reportOf(HARSHNESS[this.level]!, this.dropped, this.abandoned, this.snapshot());
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
  abandoned: readonly number[],
  stats: string,
): string {
  return `${level}, dropped ${String(dropped)}, abandoned ${String(abandoned)},${stats}`;
}
