// Runs a program of policies under one form, in virtual time, with a witness of all that happens.
import { Observable, Subject, TimeoutError, VirtualTimeScheduler } from 'rxjs';
import type { ObservableInput, Subscriber, Subscription } from 'rxjs';
import { BackgroundJobs, pullFrom, pullThrough, workerPool, workerPoolSettled } from '../../src/index.js';
import type { JobContext, JobOutcome } from '../../src/index.js';
import { Deferred, fateOf } from './deferred.js';
import type { Fate } from './deferred.js';
import type { Arrival, Attempt, Deed, Program } from './policyPrograms.js';
import { configOf } from './rules.js';
import type { Job, Rules } from './rules.js';
import { Witness } from './witness.js';

const LEVELS = ['drain', 'discard', 'abort', 'abandon'];
/** More turns of the microtask queue than a chain of jobs that end at once can take. */
const MICROTASKS = 60;
/** When the program drains, and when it waits no longer. */
const DRAIN = 300;
const END = 600;

/** @returns what did not agree */
export async function run(program: Program, tally: Map<string, number>): Promise<string[]> {
  const it = new Run(program, tally);
  await it.run();
  const { breaches, log } = it.witness;
  return breaches.length === 0 ? [] : [...breaches, 'after', ...log];
}

class Run {
  readonly witness: Witness;
  readonly #program: Program;
  readonly #rules: Rules;
  readonly #scheduler = new VirtualTimeScheduler(undefined, 0);
  readonly #workers = new Subject<number>();
  readonly #levels = new Subject<string>();
  readonly #plans = new Map<Job, Arrival>();
  readonly #fates: { readonly name: string; readonly fate: Fate }[] = [];
  /** The jobs of results or outcomes, as downstream hears of them. */
  readonly #heard: Job[] = [];
  /** Hold on to work that has not let go at the end. */
  readonly #open = new Set<() => void>();
  #source: Subscriber<Job> | undefined;
  #pool: BackgroundJobs<Job, unknown> | undefined;
  #results: Subscription | undefined;
  #iterator: AsyncIterator<unknown> | undefined;
  #jobs = 0;

  constructor(program: Program, tally: Map<string, number>) {
    this.#program = program;
    const { form, rules } = program;
    const isListening = form.startsWith('listenTo') && (rules.overflow ?? 'error') === 'error';
    const isPulled = form === 'pullThrough';
    this.#rules = {
      ...rules,
      ...(isListening && { overflow: 'drop-incoming' }),
      ...(isPulled && { overflow: undefined }),
    };
    this.witness = new Witness(this.#rules, () => this.#scheduler.now(), tally);
    for (const [name, value] of Object.entries(this.#rules)) if (value !== undefined) this.witness.count(name);
    for (const name of [rules.queue, this.#rules.overflow]) if (name !== undefined) this.witness.count(name);
  }

  async run(): Promise<void> {
    const { form } = this.#program;
    this.witness.failsAtOnce = form === 'pullThrough' || form === 'workerPool' || form === 'workerPool of pullFrom';
    this.#build();
    const at = (time: number, act: () => void): void => void this.#scheduler.schedule(act, time);
    const isPulled = this.#isPulled;
    if (!isPulled) for (const arrival of this.#program.arrivals) at(arrival.at, () => this.#arrive(arrival));
    for (const { at: time, deed } of this.#program.deeds) at(time, () => this.#do(deed));
    at(DRAIN, () => this.#drain());
    at(END, () => this.#end());
    await this.#rest();
    for (let next; (next = this.#scheduler.actions[0]) !== undefined;) {
      this.#scheduler.maxFrames = next.delay;
      this.#scheduler.flush();
      await this.#rest();
    }
    for (const letGo of this.#open) letGo();
    await this.#rest();
    this.#checkEnd();
  }

  get #isPulled(): boolean {
    const { form } = this.#program;
    return form === 'pullThrough' || form === 'workerPool of pullFrom' || form === 'listenTo an iterable';
  }

  async #rest(): Promise<void> {
    for (let i = 0; i < MICROTASKS; i++) await Promise.resolve();
    this.witness.checkRest();
  }

  // ---- The forms

  #build(): void {
    const { form } = this.#program;
    const { witness } = this;
    const parts = { scheduler: this.#scheduler, hooks: witness, workers: this.#workers };
    const config = { ...configOf(this.#rules, parts), shutdown: this.#levels };
    const jobs = new Observable<Job>((source) => {
      this.#source = source;
    });
    const onEnd = (how: string) => (): void => {
      witness.hasEnded = true;
      witness.count(`the results ${how}`);
    };
    const end = { error: onEnd('fail'), complete: onEnd('complete') };
    const onOutcome = ({ job, attempts }: JobOutcome<Job, unknown>): void => {
      if (attempts > 0) this.#hear(job);
    };
    if (form === 'workerPool' || form === 'workerPool of pullFrom') {
      const source = form === 'workerPool' ? jobs : pullFrom(this.#slowly());
      this.#results = source
        .pipe(workerPool((job: Job, context) => this.#work(job, context), config))
        .subscribe({ next: (job) => this.#hear(job), ...end });
    } else if (form === 'workerPoolSettled') {
      this.#results = jobs
        .pipe(workerPoolSettled((job: Job, context) => this.#work(job, context), config))
        .subscribe({ next: onOutcome, ...end });
    } else if (form === 'pullThrough') {
      this.#iterator = pullThrough(this.#atOnce(), this.#work, config)[Symbol.asyncIterator]();
      void this.#consume(this.#iterator, onEnd('complete'), onEnd('fail'));
    } else {
      const pool = (this.#pool = new BackgroundJobs(this.#work, config));
      witness.stats = () => pool.stats;
      pool.outcomes$.subscribe(onOutcome);
      void pool.ended.then(onEnd('complete'));
      this.#fates.push({ name: 'ended', fate: fateOf(pool.ended) });
      if (form === 'listenTo') pool.listenTo(jobs);
      if (form === 'listenTo an iterable') pool.listenTo(this.#atOnce());
    }
  }

  async #consume(results: AsyncIterator<unknown>, onEnd: () => void, onError: () => void): Promise<void> {
    try {
      for (let result; !(result = await results.next()).done;) {
        this.#hear(result.value as Job);
        await this.#sleep(this.#program.takes);
      }
      onEnd();
    } catch {
      onError();
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#scheduler.schedule(() => resolve(), ms));
  }

  #hear(job: Job): void {
    this.#heard.push(job);
  }

  *#atOnce(): Generator<Job> {
    for (const arrival of this.#program.arrivals) yield this.#make(arrival, true);
  }

  /** Each item when its time has come. */
  async *#slowly(): AsyncGenerator<Job> {
    for (const arrival of this.#program.arrivals) {
      await this.#sleep(Math.max(0, arrival.at - this.#scheduler.now()));
      yield this.#make(arrival, true);
    }
  }

  #make(arrival: Arrival, isKept: boolean): Job {
    const { key, priority, isBad } = arrival;
    const job: Job = { number: this.#jobs++, key, priority, isBad: isBad && this.#rules.queue !== undefined };
    this.#plans.set(job, arrival);
    this.witness.offer(job, isKept);
    return job;
  }

  // ---- What is done

  #arrive(arrival: Arrival): void {
    const { door, cancelAfter } = arrival;
    const pool = this.#program.form === 'BackgroundJobs' ? this.#pool : undefined;
    if (pool === undefined) {
      // A source that has been let go is not heard of.
      if (this.#source?.closed === false) this.#source.next(this.#make(arrival, false));
      return;
    }
    this.witness.count(door);
    const wait = door === 'submit, wait';
    const job = this.#make(arrival, wait || door === 'send');
    if (door === 'offer') return void pool.offer(job);
    const controller = new AbortController();
    const { signal } = controller;
    const promise = door === 'send' ? pool.send(job, { signal }) : pool.submit(job, { signal, wait });
    this.#fates.push({ name: `${door} of job ${job.number}`, fate: fateOf(promise) });
    if (cancelAfter === undefined) return;
    this.#scheduler.schedule(() => {
      this.witness.count('a caller gives up');
      this.witness.givenUp.add(job.number);
      controller.abort('given up');
    }, cancelAfter);
  }

  #do(deed: Deed): void {
    const { witness } = this;
    if (deed.do === 'workers') return this.#resize(deed.count);
    if (deed.do === 'pause' || deed.do === 'resume') {
      if (this.#pool === undefined) return;
      witness.count(deed.do);
      witness.wasPaused = true;
      witness.isPaused = deed.do === 'pause';
      return this.#pool[deed.do]();
    }
    if (deed.do === 'unsubscribe') return this.#unsubscribe();
    witness.count(deed.do);
    witness.level = Math.max(witness.level, LEVELS.indexOf(deed.do));
    this.#levels.next(deed.do);
  }

  #resize(count: number): void {
    if (this.#rules.isLive !== true) return;
    this.witness.count('workers change');
    this.witness.workers = count;
    this.#workers.next(count);
  }

  #unsubscribe(): void {
    if (this.#pool !== undefined) return;
    this.witness.count('downstream leaves');
    this.witness.hasEnded = true;
    this.#results?.unsubscribe();
    void this.#iterator?.return?.();
  }

  #drain(): void {
    if (this.witness.isPaused) this.#do({ do: 'resume' });
    this.#resize(3);
    this.#source?.complete();
    this.#do({ do: 'drain' });
  }

  #end(): void {
    this.#do({ do: 'abandon' });
    this.#unsubscribe();
  }

  // ---- Work

  readonly #work = (job: Job, context: JobContext): ObservableInput<Job> => {
    const { attempts } = this.#plans.get(job)!;
    const { work, ms } = this.#tamed(job, attempts[(context.attempt - 1) % attempts.length]!);
    this.witness.count(`work: ${work}`);
    this.witness.begin(job);
    const letGo = (): void => this.witness.end(job);
    const error = `error of ${job.number}`;
    if (work === 'throws') {
      letGo();
      throw error;
    }
    if (work === 'emits' || work === 'errors' || work === 'empty') {
      return new Observable((subscriber) => {
        subscriber.add(letGo);
        if (work === 'empty') return subscriber.complete();
        const values = work === 'errors' ? 1 : 3;
        const step = (left: number): void => {
          if (left > 0) subscriber.next(job);
          else if (work === 'errors') subscriber.error(error);
          else subscriber.complete();
          if (left > 0) subscriber.add(this.#scheduler.schedule(() => step(left - 1), ms / 2));
        };
        step(values);
      });
    }
    const { promise, resolve, reject } = new Deferred<Job>();
    let isOpen = true;
    const settle = (how: () => void) => (): void => {
      if (!isOpen) return;
      isOpen = false;
      letGo();
      how();
    };
    const resolves = settle(() => resolve(job));
    if (work === 'resolved') resolves();
    else if (work === 'hangs') this.#open.add(resolves);
    else {
      const timer = this.#scheduler.schedule(work === 'rejects' ? settle(() => reject(error)) : resolves, ms);
      if (work === 'obeys') {
        const { signal } = context;
        const obey = settle(() => reject(signal.reason));
        signal.addEventListener('abort', () => {
          if (signal.reason instanceof TimeoutError) this.witness.count('work obeys a timeout');
          timer.unsubscribe();
          obey();
        });
      }
    }
    return promise;
  };

  /** A failure ends the results of workerPool and of pullThrough: most programs do without. */
  #tamed({ number }: Job, attempt: Attempt): Attempt {
    const { form } = this.#program;
    const endsAll = form === 'pullThrough' || form.startsWith('workerPool') && form !== 'workerPoolSettled'; // prettier-ignore
    const fails = ['rejects', 'errors', 'throws'].includes(attempt.work);
    return endsAll && fails && number % 5 > 0 && this.#rules.retry === undefined
      ? { ...attempt, work: 'resolves' }
      : attempt;
  }

  // ---- The end

  #checkEnd(): void {
    const { witness } = this;
    if (!witness.hasEnded) witness.breach('the results have not ended');
    for (const { job, state, holdsSlot } of witness.all) {
      // What was taken from an iterable and had not come yet is nobody's any more.
      if (state === 'offered' && this.#isPulled) continue;
      if (state !== 'done' || holdsSlot) witness.breach(`job ${job.number} is ${state} at the end, slot: ${holdsSlot}`);
    }
    for (const { name, fate } of this.#fates) if (fate.status === 'open') witness.breach(`${name} is open for ever`);
    if (this.#levels.observed) witness.breach('the shutdown notifier is still observed');
    if (this.#workers.observed) witness.breach('workers is still observed');
    if (this.#rules.ordered !== true) return;
    const orders = this.#heard.map((job) => witness.stories.get(job)!.order);
    if (orders.some((order, i) => order < (orders[i - 1] ?? -1)))
      witness.breach(`results in the order ${orders.join()}`);
  }
}
