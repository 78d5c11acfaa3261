import type { ObservableInput, SchedulerLike, Subject, Subscriber, Subscription, Unsubscribable } from 'rxjs';
import { BufferOverflowError, inPool } from '../../errors.js';
import type { JobContext, Overflow } from '../../types.js';
import { clockOf } from '../support/clock.js';
import { reportError } from '../support/reporting.js';
import { EventLoopBudget } from './budget.js';
import { Buffer } from './buffer.js';
import { Crew } from './crew.js';
import { Gate } from './gate.js';
import type { GateHost } from './gate.js';
import type { Demand, Intake, LookingDemand, Puller } from './intake.js';
import { AT_START } from './observer.js';
import type { JobObserver, Slot } from './observer.js';
import type { Delayed, Verdicts } from './delayed.js';
import { byEvent } from './policy.js';
import type { Policy, PolicyFactory, PoolDoors, PoliciesByEvent, VerdictDoors, VerdictsFactory } from './policy.js';
import { Shutdown } from './shutdown.js';
import type { ShutdownHost } from './shutdown.js';
import { PlainStore } from './store.js';
import type { JobStore, StoreFactory } from './store.js';
import { Slots } from './slots.js';
import type { Turn, Turns, TurnsFactory, TurnsHost } from './turns.js';
import type { Worker, WorkerHost } from './worker.js';

/** How deep starts may nest in one another: an arrival inside `work` starts at once, as in RxJS, but on a stack that has an end. */
const DEEPEST = 64;

/** Above this many idle workers, one that finds no job retires: an idle one costs a kilobyte. */
const MOST_IDLE = 1024;

/** What the core goes by. */
export interface CoreOptions<R> {
  /** For whom traces the pool. */
  readonly name: string;
  readonly work: (job: never, context: JobContext) => ObservableInput<R>;
  /** At first: a policy may change it. */
  readonly workers: number;
  readonly buffer: number;
  readonly overflow: Overflow;
  readonly yieldAfter: number;
  readonly scheduler: SchedulerLike;
  /** Each is made for the subscription. */
  readonly policies: readonly PolicyFactory[];
  readonly verdicts?: VerdictsFactory | undefined;
  readonly turns?: TurnsFactory | undefined;
  /** Where jobs wait in an order of their own. */
  readonly makeStore?: StoreFactory | undefined;
  /** `work` or a hook may look at the context in any way. */
  readonly showsContext: boolean;
}

/** What a form adds to the core. */
export interface PoolParts<J, R> {
  readonly observer?: JobObserver<J, R> | undefined;
  /** What the pool takes for a job is a record that somebody owns. */
  readonly isOwned?: boolean | undefined;
  /** An error of the intake waits until what was accepted has ended; by default the results error at once. */
  readonly failsAtEnd?: boolean | undefined;
  /** What has thrown inside ends the results on a stack of its own: the one on which it did may be used up. */
  readonly crashesLater?: boolean | undefined;
}

/**
 * The state of one subscription: room and slots. Its workers are in its {@link Crew}; what waits is its
 * {@link Buffer}; what becomes of a job is told to its observer, where there is one.
 */
export class Pool<J, R>
  implements WorkerHost<J, R>, Demand<J>, LookingDemand<J>, GateHost, ShutdownHost, VerdictDoors<J>
{
  readonly looking: this = this;
  readonly name: string;
  readonly work: (job: never, context: JobContext) => ObservableInput<R>;
  readonly showsContext: boolean;
  readonly observer: JobObserver<J, R> | undefined;
  readonly emitsValues: boolean;
  readonly budget: EventLoopBudget;
  /** While it is shut, no job starts. */
  readonly gate: Gate;
  readonly policies: PoliciesByEvent;
  readonly verdicts: Verdicts<J> | undefined;
  readonly turns: Turns | undefined;
  readonly scheduler: SchedulerLike;
  /** Milliseconds. */
  readonly now: () => number;
  readonly buffer: Buffer<J>;
  readonly crew: Crew<J, R>;
  readonly isOwned: boolean;
  readonly slots: Slots = new Slots();
  readonly store: JobStore<J>;
  /** Jobs are taken in. */
  accepting = true;
  readonly shutdown: Shutdown = new Shutdown(this);
  /** Where the pool pulls its jobs from. */
  intake: Intake | undefined;
  /** Who could give a job now. */
  puller: Puller | undefined;
  /** Where workers go that have to be merged: mergeMap's subscriber. */
  newcomers: Subscriber<Worker<J, R>> = undefined as never;
  /** Counts the results that the consumer has not taken yet, where they take room. */
  untaken: (() => number) | undefined;
  /** Emits when {@link places} may have changed, where somebody has asked for that. */
  placesChanged: Subject<void> | undefined;
  /** The subscription to the source's jobs. */
  arrivals: Unsubscribable | undefined;

  readonly #options: CoreOptions<R>;
  readonly #results: Subscriber<unknown>;
  readonly #failsAtEnd: boolean;
  readonly #crashesLater: boolean;
  /** Workers that are looking for a job now. */
  #looking = 0;
  /** Starts on the stack, one in another. */
  #depth = 0;
  #hasWorkers = false;
  /** What waits is being started. */
  #isWaking = false;
  /** A job was queued because the stack was deep, although a worker is free. */
  #isPostponed = false;
  #failure: { readonly error: unknown } | undefined;
  #hasEnded = false;
  /** The gate is looked at for a job that has come, and that has no place and no outcome yet: the results wait for it. */
  #isArriving = false;
  readonly #stop = (): void => this.shutdown.stop();
  /** For a timer, a notifier or a settled promise: nobody up the stack takes care of what is thrown. */
  readonly #startWaiting = (): void => {
    try {
      this.startWaiting();
    } catch (error) {
      this.crash(error);
    }
  };

  constructor(
    options: CoreOptions<R>,
    results: Subscriber<unknown>,
    { observer, isOwned = false, failsAtEnd = false, crashesLater = false }: PoolParts<J, R> = {},
  ) {
    this.#options = options;
    this.#results = results;
    this.#failsAtEnd = failsAtEnd;
    this.#crashesLater = crashesLater;
    this.name = options.name;
    this.work = options.work;
    this.showsContext = options.showsContext;
    this.observer = observer;
    this.emitsValues = !observer?.emitsOutcomes;
    this.isOwned = isOwned;
    this.budget = new EventLoopBudget(options);
    this.crew = new Crew(options.workers);
    this.scheduler = options.scheduler;
    const now = (this.now = clockOf(options.scheduler));
    this.store = observer?.store ?? options.makeStore?.<J>(now, isOwned, true) ?? new PlainStore<J>();
    this.buffer = new Buffer(this.store, options.overflow, observer, () => this.#onNotified());
    const gate = (this.gate = new Gate(this, now, options.scheduler));
    const verdicts = (this.verdicts = options.verdicts?.<J>(this));
    this.turns = options.turns?.(this.#turnsHost());
    const policies: Policy[] = verdicts ? [verdicts] : [];
    // A policy may act on the pool while it is made.
    for (const make of options.policies) policies.push(make(this.#doors(now, gate)));
    this.policies = byEvent(policies);
    results.add(() => {
      gate.stop();
      for (const policy of policies) policy.stop?.();
    });
  }

  #doors(now: () => number, gate: Gate): PoolDoors {
    const reason = {};
    const { store } = this;
    return {
      now,
      scheduler: this.scheduler,
      shut: (end) => gate.shut(reason, end),
      resize: (workers) => this.#resize(workers),
      get oldestArrival() {
        return store.length > 0 ? store.oldestArrival! : Infinity;
      },
      dropOldest: (why) => {
        this.buffer.dropOldest(why);
        this.turns?.onLeft();
      },
      wake: () => this.wake(),
      fail: (error) => this.crash(error),
    };
  }

  #turnsHost(): TurnsHost {
    const { observer, store } = this;
    return {
      places: () => this.places,
      isFifo: store.isFifo,
      oldestOrder: () => store.oldestOrder!,
      isOldestStartable: () => store.isOldestStartable === true,
      promoteOldest: () => store.promoteOldest?.(),
      emitsOutcomes: !this.emitsValues,
      emit: (item) => (this.emitsValues ? this.#next(item) : observer!.deliver!(item)),
      fail: (error) => this.newcomers.error(error),
      stopIntake: () => {
        this.accepting = false;
        this.arrivals?.unsubscribe();
      },
      wake: () => this.wake(),
    };
  }

  /** The results have ended or were unsubscribed: nothing starts any more. */
  get closed(): boolean {
    return this.#results.closed;
  }

  /** How many may run at once. */
  get workers(): number {
    return this.crew.limit;
  }

  get places(): number {
    return this.crew.limit + this.#options.buffer;
  }

  get isRanked(): boolean {
    return this.store.nextRank !== undefined;
  }

  /** How many jobs could start now. */
  get free(): number {
    return this.crew.free;
  }

  /** What runs. */
  get running(): readonly Slot<J>[] {
    return this.crew.inOrder().filter((worker) => worker.hasJob);
  }

  // ---- Arrivals

  /** Takes `job` in: an idle worker or a new one starts it, or it waits, or it meets the overflow policy. */
  arrive(job: J): void {
    const id = this.observer?.countOffered(job) ?? 0;
    const isOpen = this.gate.isOpen || this.#opensForArrival();
    if (!this.accepting || this.closed) {
      this.buffer.refuse(job, id, 'closed');
      this.endWhenDone();
    } else if (!isOpen || !this.crew.hasFree) this.#queue(job, id);
    else if (!this.store.isFifo || this.turns !== undefined) this.#queueAndStart(job, id);
    else if (this.#depth < DEEPEST) this.#startAtOnce(job, id);
    else {
      this.#isPostponed = true;
      this.#queue(job, id);
    }
  }

  /** The gate may open in this call, and then what waits takes the free workers, or its failure ends the pool. */
  #opensForArrival(): boolean {
    this.#isArriving = true;
    const isOpen = this.#lookAtGate();
    this.#isArriving = false;
    return isOpen;
  }

  askAgain(intake: Puller): void {
    intake.pull();
  }

  /** Refuses an item that was on its way when its intake ended. */
  arriveLate(job: J): void {
    this.buffer.refuse(job, this.observer?.countOffered(job) ?? 0, 'closed');
  }

  /** Gives an item to the worker that is looking for one: through `arrive` it costs a third more. */
  give(job: J): void {
    const id = this.observer?.countOffered(job) ?? 0;
    if (this.store.read !== undefined && !this.#read(job, id)) return;
    this.buffer.place(job, id, true, false);
    this.notifyQueued();
  }

  #queue(job: J, id: number): void {
    if (this.store.read !== undefined && !this.#read(job, id)) return;
    // What was pulled has asked for its place when there was one, and is nobody's victim; nor has it one.
    const isPulled = this.intake !== undefined;
    const isPlaced = this.buffer.place(job, id, isPulled || this.hasRoomForArrival(), !isPulled);
    this.onQueued();
    // The place may be that of the first in order.
    this.turns?.onLeft();
    if (isPlaced || this.#options.overflow !== 'error') return;
    const capacity = this.store.fullAt ?? this.#options.buffer;
    this.failIntake(inPool(this.name, () => new BufferOverflowError(capacity, job)));
  }

  /** Does `job` need a place? A callback of the order that is asked here may have ended the pool. */
  #read(job: J, id: number): boolean {
    if (!this.buffer.read(job, id)) return false;
    if (this.accepting && !this.closed) return true;
    this.buffer.refuse(job, id, 'closed');
    return false;
  }

  /** In an order of its own a job has to wait to be chosen, also where a worker is free. */
  #queueAndStart(job: J, id: number): void {
    this.#queue(job, id);
    this.#isPostponed = true;
    this.#startPostponed();
  }

  #startAtOnce(job: J, id: number): void {
    const { buffer } = this;
    this.#depth++;
    const worker = this.crew.takeIdle();
    if (worker === undefined) this.#spawn(() => void buffer.place(job, id, true, false));
    else if (this.mayStartDirectly) {
      this.observer?.countAccepted();
      worker.startWith(job, id, AT_START);
    } else {
      buffer.place(job, id, true, false);
      worker.proceed();
    }
    this.#depth--;
    // A hook that was told of the acceptance may have shut the gate.
    this.notifyQueued();
    if (this.#isPostponed) this.#startPostponed();
  }

  /** Nobody hears of an acceptance, nothing waits, and nobody could give a job: a job need not be seen to wait. */
  get mayStartDirectly(): boolean {
    if (!this.isQuiet || this.store.length > 0 || this.puller) return false;
    return this.turns === undefined || this.turns.mayStart(1) > 0;
  }

  /** Jobs start as they come, and nobody hears of an acceptance. */
  get isQuiet(): boolean {
    if (!this.gate.isOpen || !this.store.isFifo || this.verdicts?.startable) return false;
    return !this.observer?.hearsAccepted && !this.buffer.hasNews;
  }

  /** @param onSubscribed the worker's first job is told of once mergeMap has subscribed to the worker */
  #spawn(onSubscribed: () => void = () => undefined): void {
    const worker = this.crew.spawn(this, () => {
      // Before the first job, and after mergeMap's hold on the source: the source is let go first, then the jobs.
      // A closure here would hold the first job for as long as the pool lives.
      // eslint-disable-next-line rxjs-x/no-unbound-methods -- it is bound
      if (!this.#hasWorkers) this.#results.add(this.#stop);
      this.#hasWorkers = true;
      onSubscribed();
    });
    this.newcomers.next(worker);
  }

  /** The source has been subscribed. What waits has its end also where no worker has ever been needed. */
  onSubscribed(): void {
    this.#results.add(() => {
      if (!this.#hasWorkers) this.#stop();
    });
  }

  /** Starts the jobs that were postponed because the stack was too deep: here it is less so. */
  #startPostponed(): void {
    while (this.#isPostponed && this.#depth < DEEPEST) {
      this.#isPostponed = false;
      this.#depth++;
      this.startWaiting();
      this.#depth--;
    }
  }

  /** Starts what waits while a worker is free. */
  startWaiting(): void {
    if (!this.#lookAtGate()) return;
    while (this.gate.isOpen && this.#startable() > 0 && this.crew.hasFree && !this.closed) {
      const worker = this.crew.takeIdle();
      if (worker) worker.proceed();
      else this.#spawn();
    }
    if (this.verdicts) for (const holder of this.verdicts.holders) holder.proceed();
  }

  // ---- The gate

  /** How many of those that wait may start, retries among them. */
  #startable(): number {
    const { verdicts } = this;
    return verdicts === undefined ? this.#startableWaiting() : this.#startableWaiting() + verdicts.startable;
  }

  /** How many of them start before an item that could come now: after a retry it is the turn of something else. */
  #ahead(): number {
    const { verdicts } = this;
    const waiting = this.#startableWaiting();
    return verdicts === undefined || verdicts.hasJustStarted ? waiting : waiting + verdicts.startable;
  }

  #startableWaiting(): number {
    const { store, turns } = this;
    const unlocked = store.length - store.locked;
    return turns === undefined ? unlocked : turns.mayStart(unlocked);
  }

  /** Will a job that comes to wait now start before another one comes? */
  get startsArrival(): boolean {
    const { store } = this;
    return (
      this.gate.isOpen &&
      store.isLocked !== true &&
      store.length - store.locked < this.free &&
      this.#hasTurnForOneMore()
    );
  }

  /** Could one more start beside those that wait? */
  #hasTurnForOneMore(): boolean {
    const { store, turns } = this;
    const unlocked = store.length - store.locked;
    return turns === undefined || turns.mayStart(unlocked + 1) > unlocked;
  }

  /** Jobs have come to wait. */
  onQueued(): void {
    this.gate.refresh();
    this.notifyQueued();
  }

  notifyQueued(): void {
    const { queued } = this.policies;
    if (queued.length === 0 || this.store.length === 0) return;
    for (const policy of queued) policy.queued();
  }

  #onNotified(): void {
    this.#checkEmptied();
    this.turns?.onLeft();
    this.endWhenDone();
  }

  #checkEmptied(): void {
    const { emptied } = this.policies;
    if (emptied.length > 0 && this.store.length === 0) for (const policy of emptied) policy.emptied();
  }

  #resize(workers: number): void {
    this.crew.resize(workers);
    if (this.newcomers === undefined) return;
    this.budget.wakeUp(this.#startWaiting);
    this.puller?.pull();
    this.placesChanged?.next();
  }

  /** A retry is due, a slot was let go, or what waits has left. */
  wake(): void {
    // The loop that runs looks again after each start.
    if (this.#isWaking || this.closed) return;
    this.#isWaking = true;
    this.budget.wakeUp(this.#startWaiting);
    this.#isWaking = false;
    this.puller?.pull();
    this.endWhenDone();
  }

  unlock(lane: object): void {
    this.store.done!(lane);
  }

  failDelayed(delayed: Delayed<J>, error: unknown): void {
    const { observer } = this;
    const { turn } = delayed;
    // A hook that is told may end the intake: these results do not complete any more.
    if (this.emitsValues && turn === undefined) this.#hasEnded = true;
    if (observer) {
      observer.countFailed(delayed.job, delayed);
      this.buffer.lose(() => observer.notifyFailed(delayed.job, delayed.id, error, delayed));
    }
    if (!this.emitsValues) return;
    if (turn === undefined) this.newcomers.error(error);
    else turn.fail(error);
  }

  #lookAtGate(): boolean {
    // A gate that is looked at after the end would set its timer again.
    if (!this.gate.isOpen && !this.closed) this.gate.refresh();
    return this.gate.isOpen;
  }

  get isAwaited(): boolean {
    return (
      this.store.length > 0 || this.puller !== undefined || (this.verdicts?.startable ?? 0) > 0 || this.#isWatched()
    );
  }

  /** Who waits behind the gate may be another. */
  onPuller(): void {
    this.#lookAtGate();
  }

  /** Somebody outside goes by its places. */
  #isWatched(): boolean {
    return this.placesChanged?.observed === true;
  }

  /** Workers take what waits; iterables are asked. */
  onOpen(): void {
    this.budget.wakeUp(this.#startWaiting);
    this.puller?.pull();
    this.placesChanged?.next();
  }

  // ---- Room

  /** Buffer and slots together: a slot may be free while its worker is still telling how the last job ended. */
  hasRoom(untaken: number = this.#untaken()): boolean {
    return this.#taken() + this.#dueStarts() + untaken < this.places;
  }

  /** Is there a place for the job that was read last? Beside those that wait for their keys, as it may, a retry has to fit in. */
  hasRoomForArrival(): boolean {
    if (!this.hasRoom(0)) return false;
    const { slots, store, verdicts } = this;
    if (verdicts === undefined || store.isLocked !== true) return true;
    return (
      store.locked + slots.active + Math.min(verdicts.slotless, Math.max(0, this.workers - slots.active)) < this.places
    );
  }

  /** Results that the consumer has not taken, where they take room: also those that are held until it is their turn. */
  #untaken(): number {
    return this.untaken === undefined ? 0 : this.untaken() + (this.turns?.held ?? 0);
  }

  #taken(): number {
    return this.store.length + this.slots.active + (this.observer?.accounts.leaving ?? 0);
  }

  /**
   * Retries that only wait for their turn, or for the gate: nobody is let into the slots that they will have. Where results are
   * ordered, those to come as well: what waits may have to let them pass.
   */
  #dueStarts(): number {
    const { turns, verdicts } = this;
    if (verdicts === undefined) return 0;
    if (turns === undefined) return Math.min(verdicts.startable, this.crew.free);
    return Math.min(verdicts.slotless, Math.max(0, this.workers - this.slots.active));
  }

  /** May an item be asked for that would wait? While the gate is shut, the places of free workers are not read into. */
  mayReadAhead(): boolean {
    return this.readAhead > 0;
  }

  /** For how many that would wait there is a place. */
  get readAhead(): number {
    const { store } = this;
    const places = this.places - this.#taken() - this.#dueStarts() - this.#untaken();
    return this.gate.isOpen ? places : Math.min(places, this.#options.buffer - store.length);
  }

  /** Would a job that came now start at once? */
  canStart(isNested: boolean): boolean {
    const length = this.#ahead();
    const looking = this.#looking;
    if (!this.gate.isOpen || !this.#hasTurnForOneMore()) return false;
    return (isNested ? looking > 0 && length === 0 : looking + this.crew.free > length) && this.hasRoom();
  }

  /** A worker is looking for a job, and none waits for it. */
  get isLooking(): boolean {
    return this.#looking > this.#ahead();
  }

  // ---- Workers ask for their next job, and tell what it does

  findNext(): boolean {
    const { store, verdicts } = this;
    // When the gate opens here, others take what waits first.
    this.#lookAtGate();
    this.#pullForWorker();
    const { looking } = this.policies;
    if (looking.length > 0) {
      const { length } = store;
      for (const policy of looking) policy.looking();
      // What has expired has left room.
      if (store.length < length) this.#pullForWorker();
    }
    if (this.#startableWaiting() <= 0 && !verdicts?.startable) return false;
    return this.gate.isOpen && !this.closed && !this.crew.isExcessive;
  }

  #pullForWorker(): void {
    if (this.puller && !(this.verdicts && this.#isRetryNext())) {
      this.#looking++;
      this.puller.pull();
      this.#looking--;
    }
    if (this.buffer.hasNews) this.buffer.announceNext();
  }

  /** The worker that looks is going to start a retry: nobody is let in before it. */
  #isRetryNext(): boolean {
    const { hasJustStarted, startable } = this.verdicts!;
    return startable > 0 && !hasJustStarted && this.gate.isOpen;
  }

  /**
   * A due retry comes before what waits, unless that outranks it or has no room beside it; and never after another retry
   * while something else may start.
   */
  takeDue(): Delayed<J> | undefined {
    const { store, verdicts } = this;
    if (!verdicts?.startable) return undefined;
    if (this.#startableWaiting() > 0) {
      const isOutranked = store.nextRank !== undefined && store.nextRank > verdicts.next.rank;
      if (isOutranked || verdicts.hasJustStarted || this.#taken() >= this.places) return undefined;
    }
    return verdicts.take();
  }

  mayStartHeld(): boolean {
    const { verdicts } = this;
    if (!this.#lookAtGate() || this.closed || this.slots.working >= this.crew.limit) return false;
    // Another worker is about to take what waits, whose turn it is.
    const mayOther = this.#startableWaiting() > 0 && (this.crew.hasFree || this.#looking > 0);
    return !(verdicts!.hasJustStarted && mayOther);
  }

  onRetryStarted(): void {
    this.verdicts!.vacate();
  }

  onStarted(): void {
    const { holders, startable } = this.verdicts!;
    if (holders.length > 0 || (startable > 0 && this.crew.hasFree)) this.wake();
  }

  rest(worker: Worker<J, R>): void {
    const { idle } = this.crew;
    worker.isIdle = true;
    if (idle.length < MOST_IDLE && !this.crew.isExcessive) idle.push(worker);
    else this.crew.retire(worker);
    this.#checkEmptied();
    // Where the workers have become fewer, a job that waits in its slot may have had to wait for this one.
    if (this.verdicts && this.verdicts.holders.length > 0) this.wake();
    this.endWhenDone();
  }

  emit(value: R, turn: Turn | undefined): void {
    if (turn === undefined) this.#next(value);
    else turn.emit(value);
  }

  #next(value: unknown): void {
    try {
      this.#results.next(value);
    } catch (error) {
      this.#results.error(error);
    }
  }

  emitLast(value: R, turn: Turn | undefined): void {
    this.slots.active++;
    this.emit(value, turn);
    this.slots.active--;
  }

  // ---- The end

  get stoppable(): readonly Worker<J, R>[] {
    return this.crew.inOrder();
  }

  onEnd(teardown: Subscription): void {
    this.#results.add(teardown);
  }

  dropWaiting(): void {
    const { verdicts } = this;
    verdicts?.giveUp();
    this.buffer.drop('shutdown', verdicts?.removeAll());
    verdicts?.vacate();
    this.turns?.onLeft();
  }

  /** No job comes any more. */
  closeIntake(): void {
    this.accepting = false;
    this.endWhenDone();
  }

  /** The source or the notifier has failed, or the buffer is full under `'error'`. */
  failIntake(error: unknown): void {
    this.accepting = false;
    if (!this.#failsAtEnd) {
      // Jobs that end while downstream handles the error must not complete the results.
      this.#hasEnded = true;
      return this.#results.error(error);
    }
    this.#failure ??= { error };
    this.arrivals?.unsubscribe();
    this.endWhenDone();
  }

  /** The pool's own code, or a callback that it calls, has thrown: the results error, in every form. */
  crash(error: unknown): void {
    if (this.#crashesLater) queueMicrotask(() => this.#fail(error));
    else this.#fail(error);
  }

  #fail(error: unknown): void {
    if (this.closed) reportError(error);
    else this.#results.error(error);
  }

  /** Ends the pool once no worker has anything to do or to tell, and nothing waits. */
  endWhenDone(): void {
    if (this.accepting && !this.intake?.awaitsRest) return;
    if (this.closed || this.#hasEnded || this.#isArriving || this.intake?.holdsEnd) return;
    if (!this.crew.isIdle || this.store.length > 0 || this.verdicts?.delayed || this.buffer.isNotifying) return;
    // Downstream is being told what was held.
    if (this.turns !== undefined && this.turns.length > 0) return;
    if (this.accepting) return this.intake?.onRest();
    this.#hasEnded = true;
    this.crew.retireIdle();
    if (this.#failure) this.newcomers.error(this.#failure.error);
    else this.newcomers.complete();
  }
}
