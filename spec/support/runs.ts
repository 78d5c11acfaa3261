// Runs a program through an operator in virtual time, and writes down all that anybody could observe of it.
import {
  concatMap,
  delay,
  EMPTY,
  finalize,
  map,
  mergeMap,
  NEVER,
  Observable,
  of,
  repeat,
  retry,
  Subject,
  Subscription,
  take,
  takeUntil,
  tap,
  timer,
  VirtualTimeScheduler,
} from 'rxjs';
import type { MonoTypeOperatorFunction, ObservableInput, Observer, OperatorFunction, Subscriber } from 'rxjs';
import type { Act, Limits, Place, Program, Script, Stage, Step } from './programs.js';

/** What the operator under test is given: the work of a program. */
interface World {
  readonly work: (id: number, index: number) => ObservableInput<string>;
  /** The job has code of its own that runs when it ends, or after. */
  readonly hasAftermath: (id: number) => boolean;
}

/** An operator that runs the jobs of a program: the pool, or one of RxJS's own. */
export type Contender = (world: World, limits: Limits) => OperatorFunction<number, string>;

/** Counts what has occurred, by name. */
export type Tally = Map<string, number>;

/** A program may feed itself without end. */
const MOST_JOBS = 14;
/** Where promises are settled frame by frame: later than those that come one after another. */
const LAST_FRAME = 150;
/** After each frame: more than a promise job takes, and all the same for everybody. */
const MICROTASKS = 30;

const observableKey: string | symbol = (Symbol as { observable?: symbol }).observable ?? '@@observable';

/** One program under one operator. */
class Run {
  readonly log: string[] = [];
  readonly world: World;
  private readonly program: Program;
  private readonly tally: Tally | undefined;
  private readonly scheduler = new VirtualTimeScheduler();
  private readonly bus = new Subject<string>();
  private readonly subject = new Subject<number>();
  private into: Observer<number> = this.subject;
  private sourceOpen = false;
  private handle: Subscriber<string> | undefined;
  private offered = 0;
  private received = 0;
  private ticks = 0;
  private reached = 0;
  private subscriptions = 0;
  private readonly startedJobs = new Set<number>();
  /** Jobs that did not start at once. */
  private readonly waiting = new Set<number>();
  private readonly alive = new Set<number>();
  /** Calls of `work` or of a job's subscription that are on the stack. */
  private starting = 0;

  constructor(program: Program, tally: Tally | undefined) {
    this.program = program;
    this.tally = tally;
    this.count(`${program.limits.workers} workers`);
    this.world = {
      work: (id, index) => this.work(id, index),
      hasAftermath: (id) => {
        const { result } = this.job(id);
        return 'sync' in result || ('pipe' in result && result.pipe.length > 0);
      },
    };
  }

  private job(id: number): Program['jobs'][number] {
    return this.program.jobs[id % this.program.jobs.length]!;
  }

  private note(event: string): void {
    this.log.push(`${this.scheduler.frame} ${event}`);
  }

  private count(feature: string): void {
    this.tally?.set(feature, (this.tally.get(feature) ?? 0) + 1);
  }

  /** What a call does stands between its braces. */
  private inside(event: string, call: () => void): void {
    this.note(`${event} {`);
    call();
    this.note('}');
  }

  // ---- Acts

  private acts(acts: readonly Act[], place: Place, by: string): void {
    this.reach(place, by);
    for (const act of acts) this.act(act, place, by);
  }

  /** Code runs here. */
  private reach(place: Place, by: string): void {
    const { once } = this.program;
    if (once?.place === place && ++this.reached === once.nth) this.act(once.act, place, by);
  }

  private act(act: Act, place: Place, by: string): void {
    switch (act) {
      case 'emit':
        return this.emit(place, by);
      case 'complete':
        if (this.sourceOpen) this.count(`the source completes, from ${place}`);
        return this.inside(`${by}: source completes`, () => this.endSource(() => this.into.complete()));
      case 'fail':
        if (this.sourceOpen) this.count(`the source errors, from ${place}`);
        return this.inside(`${by}: source errors`, () => this.endSource(() => this.into.error('source')));
      case 'unsubscribe':
        if (this.handle?.closed === false) {
          this.count(`downstream unsubscribes, in ${place}`);
          if (this.alive.size > 1) this.count('several running jobs are torn down at once');
        }
        return this.inside(`${by}: downstream unsubscribes`, () => this.handle?.unsubscribe());
      case 'tick':
        return this.inside(`${by}: tick`, () => this.bus.next(`tick${this.ticks++}`));
      case 'tock':
        if (this.bus.observed) this.count(`a job is completed, from ${place}`);
        return this.inside(`${by}: tock`, () => this.bus.complete());
      case 'snap':
        if (this.bus.observed) this.count(`a job errors, from ${place}`);
        return this.inside(`${by}: snap`, () => this.bus.error('bus'));
    }
  }

  private emit(place: Place, by: string): void {
    if (this.offered >= MOST_JOBS) return;
    const id = this.offered++;
    const open = this.sourceOpen;
    if (open) this.count(`the source emits, from ${place}`);
    this.inside(`${by}: job ${id}`, () => this.into.next(id));
    if (open && !this.startedJobs.has(id)) this.waiting.add(id);
    if (this.startedJobs.has(id) && this.starting > 0) this.count('a job starts inside the start of another');
  }

  private endSource(call: () => void): void {
    this.sourceOpen = false;
    call();
  }

  // ---- The source

  private readonly source = new Observable<number>((subscriber) => {
    const { form, sync, deaf, teardown } = this.program.source;
    this.note('source subscribed');
    if (this.subscriptions++ > 0) this.count('the results are subscribed once more');
    this.count(`a ${form} is the source`);
    this.sourceOpen = true;
    subscriber.add(() => {
      this.sourceOpen = false;
      this.note('source unsubscribed');
    });
    if (form === 'subject') subscriber.add(this.subject.subscribe(subscriber));
    else this.into = subscriber;
    for (const act of sync) {
      if (!deaf && subscriber.closed) {
        this.count('a synchronous source sees that it is closed');
        this.note('source stops');
        break;
      }
      this.acts([act], 'the source', 'source');
    }
    return () =>
      this.inside('source teardown', () => this.acts(teardown, 'the teardown of the source', 'source teardown'));
  });

  // ---- The jobs

  private work(id: number, index: number): ObservableInput<string> {
    const { acts, throws, result } = this.job(id);
    this.startedJobs.add(id);
    this.count('a job starts');
    this.starting++;
    try {
      this.inside(`work ${id}, index ${index}`, () => this.acts(acts, 'work', `work ${id}`));
      if (throws) {
        this.count('work throws');
        throw new Error(`work ${id}`);
      }
    } finally {
      this.starting--;
    }
    const values = (length: number): string[] => Array.from({ length }, (_, i) => `${id}.${i}`);
    switch (result.form) {
      case 'of':
        this.count('a plain job');
        return of(...values(result.length));
      case 'array':
        this.count('a plain job');
        return values(result.length);
      case 'iterable':
        return this.iterate(id, result.length);
      case 'bus':
        return this.bus.pipe(...this.pipe(id, result.pipe));
      case 'empty':
        this.count('a plain job without a value');
        return EMPTY;
      case 'never':
        this.count('a job that never ends');
        return NEVER;
      case 'nothing':
        this.count('work returns what is no ObservableInput');
        return undefined as unknown as ObservableInput<string>;
      case 'promise':
      case 'thenable':
        return this.promise(id, result);
      case 'observable':
        return this.observable(id, result).pipe(...this.pipe(id, result.pipe));
      case 'interop': {
        const inner = this.observable(id, result).pipe(...this.pipe(id, result.pipe));
        return { [observableKey]: () => inner } as unknown as ObservableInput<string>;
      }
      case 'foreign': {
        const subscribe = (observer: Subscriber<string>): object => {
          this.count('an interop job is subscribed');
          return { unsubscribe: this.perform(id, result, observer) };
        };
        return { [observableKey]: () => ({ subscribe }) } as unknown as ObservableInput<string>;
      }
    }
  }

  private *iterate(id: number, length: number): Generator<string> {
    this.count('a plain job');
    try {
      for (let i = 0; i < length; i++) yield `${id}.${i}`;
      this.note(`iterable ${id} is at its end`);
    } finally {
      this.note(`iterable ${id} returns`);
    }
  }

  private promise(
    id: number,
    { form, after, rejects }: { form: string; after: number | undefined; rejects: boolean },
  ): ObservableInput<string> {
    const promise = new Promise<string>((resolve, reject) => {
      const settle = (): void => {
        this.note(`promise ${id} settles`);
        if (rejects) reject(new Error(`promise ${id}`));
        else resolve(`${id}.p`);
      };
      if (after === undefined) settle();
      else this.scheduler.schedule(settle, after);
    });
    this.count(rejects ? `a ${form} rejects` : `a ${form}`);
    if (form === 'promise') return promise;
    return {
      then: (...callbacks: Parameters<typeof promise.then>) => promise.then(...callbacks),
    } as unknown as Promise<string>;
  }

  private observable(id: number, script: Script): Observable<string> {
    return new Observable((subscriber) => {
      if (script.form === 'interop') this.count('an interop job is subscribed');
      subscriber.add(() => this.note(`job ${id}: first finalizer`));
      return this.perform(id, script, subscriber);
    });
  }

  /** Subscribes a script's `sink`. @returns the teardown */
  private perform(id: number, script: Script, sink: Subscriber<string>): () => void {
    const timers = new Subscription();
    const progress = { values: 0, ended: false };
    const step = (step: Step, place: Place): void => this.step(step, id, sink, progress, place);
    this.note(`job ${id} subscribed${sink.closed ? ', closed' : ''} {`);
    this.alive.add(id);
    this.starting++;
    try {
      script.sync.forEach((next, i) => {
        const open = !sink.closed && !progress.ended;
        step(next, 'the subscription of a job');
        if (open && sink.closed && !progress.ended && script.sync.slice(i + 1).includes('value')) {
          this.count('downstream leaves in the middle of a synchronous emission');
        }
      });
      if (script.throws) {
        this.count('a subscription throws');
        this.alive.delete(id);
        throw new Error(`subscribe ${id}`);
      }
    } finally {
      this.starting--;
      this.note('}');
    }
    for (const { after, steps } of script.later) {
      const run = (): void => steps.forEach((next) => step(next, 'a running job'));
      timers.add(this.scheduler.schedule(run, after));
    }
    if (progress.ended) this.count('a job ends inside its subscription');
    return () => {
      this.alive.delete(id);
      timers.unsubscribe();
      this.count('a teardown function runs');
      this.inside(`job ${id}: teardown`, () => this.acts(script.teardown, 'a finalizer', `teardown ${id}`));
    };
  }

  private step(
    step: Step,
    id: number,
    sink: Subscriber<string>,
    progress: { values: number; ended: boolean },
    place: Place,
  ): void {
    if (progress.ended) this.count('a job goes on after its end');
    this.reach(progress.ended ? 'a job that has ended' : place, `job ${id}`);
    const open = !sink.closed;
    switch (step) {
      case 'value':
        if (open && progress.values === 1) this.count('a job with several values');
        return this.inside(`job ${id}: value`, () => sink.next(`${id}.${progress.values++}`));
      case 'end':
        if (open) this.count(progress.values === 0 ? 'a job completes without a value' : 'a job completes');
        progress.ended ||= open;
        return this.inside(`job ${id}: completes`, () => sink.complete());
      case 'error':
        if (open) this.count('a job errors');
        progress.ended ||= open;
        return this.inside(`job ${id}: errors`, () => sink.error(new Error(`job ${id}`)));
      case 'look':
        if (!open) this.count('a job sees that it is closed');
        return this.note(`job ${id}: ${open ? 'open' : 'closed'}`);
      default:
        this.act(step, progress.ended ? 'a job that has ended' : place, `job ${id}`);
    }
  }

  private pipe(id: number, stages: readonly Stage[]): [] {
    return stages.map((stage, i) => this.stage(`job ${id}: operator ${i}`, stage)) as [];
  }

  private stage(name: string, stage: Stage): MonoTypeOperatorFunction<string> {
    switch (stage.op) {
      case 'finalize':
        return finalize(() => {
          this.count('a finalizer added late runs');
          this.inside(`${name} finalizes`, () => this.acts(stage.acts, 'a finalizer', name));
        });
      case 'tap':
        return tap({
          subscribe: () => this.note(`${name} subscribed`),
          unsubscribe: () => this.note(`${name} unsubscribed`),
          finalize: () => this.inside(`${name} finalizes`, () => this.acts(stage.acts, 'a finalizer', name)),
        });
      case 'mergeMap':
        return mergeMap((value) => of(value, `${value}'`).pipe(finalize(() => this.note(`${name} has merged`))));
      case 'concatMap':
        return concatMap((value) => timer(1, this.scheduler).pipe(concatMap(() => [value])));
      case 'takeUntilTick':
        return takeUntil(this.bus);
      case 'takeUntil':
        return takeUntil(timer(stage.frames, this.scheduler).pipe(finalize(() => this.note(`${name} lets go`))));
      case 'delay':
        return delay(stage.frames, this.scheduler);
      case 'take':
        return take(stage.count);
    }
  }

  // ---- Downstream

  private subscribe(operator: OperatorFunction<number, string>): void {
    const { downstream } = this.program;
    const { take: most, throwsAfter, again } = downstream;
    let results = this.source.pipe(operator);
    if (most !== undefined) results = results.pipe(take(most));
    if (throwsAfter !== undefined) {
      results = results.pipe(
        map((value, i) => {
          if (i < throwsAfter) return value;
          this.count('downstream throws');
          throw new Error('downstream');
        }),
      );
    }
    if (again === 'retry') results = results.pipe(retry(1));
    if (again === 'repeat') results = results.pipe(repeat(2));
    const end = (event: string): void =>
      this.inside(`downstream ${event}`, () => this.acts(downstream.end, 'the end of downstream', 'downstream'));
    this.note('subscribe {');
    new Observable<string>((subscriber) => {
      this.handle = subscriber;
      subscriber.add(() =>
        this.inside('downstream: first finalizer', () =>
          this.acts(downstream.teardown, 'the teardown of downstream', 'downstream'),
        ),
      );
      results.subscribe(subscriber);
      // A worker that was hired by now stays before this one, and with it the jobs that it runs later.
      if (this.startedJobs.size === 0) subscriber.add(() => this.note('downstream: last finalizer'));
    }).subscribe({
      next: (value) =>
        this.inside(`downstream next ${value}`, () =>
          this.acts(downstream.next[this.received++] ?? [], 'downstream next', 'downstream'),
        ),
      error: (error: unknown) => end(`error ${nameOf(error)}`),
      complete: () => end('complete'),
    });
    this.note('}');
  }

  /** The program begins. */
  begin(contender: Contender): void {
    for (const { at, acts } of this.program.timeline) {
      this.scheduler.schedule(() => this.acts(acts, 'the timeline', 'timeline'), at);
    }
    this.subscribe(contender(this.world, this.program.limits));
  }

  /** All that is scheduled until then. */
  flush(frame: number): void {
    this.scheduler.maxFrames = frame;
    this.scheduler.flush();
  }

  end(): string {
    if (this.alive.size > 0) this.count('a job that never ends');
    if (this.alive.size > 1 && !this.handle!.closed) this.count('several running jobs are torn down at once');
    const last = Math.max(...this.startedJobs);
    for (const id of this.waiting) if (id < last && !this.startedJobs.has(id)) this.count('a job is lost');
    for (const id of this.waiting) if (this.startedJobs.has(id)) this.count('a job waits');
    this.inside('the end: downstream unsubscribes', () => this.handle!.unsubscribe());
    return this.log.join('\n');
  }
}

export function run(program: Program, contender: Contender, tally?: Tally): string {
  const run = new Run(program, tally);
  run.begin(contender);
  run.flush(Infinity);
  return run.end();
}

/** As {@link run}, for programs with promises: each frame is followed by its microtasks. */
export async function runWithPromises(program: Program, contender: Contender, tally?: Tally): Promise<string> {
  const run = new Run(program, tally);
  run.begin(contender);
  for (let frame = 0; frame <= LAST_FRAME; frame++) {
    for (let i = 0; i < MICROTASKS; i++) await Promise.resolve();
    run.flush(frame);
  }
  return run.end();
}

/** Both refuse a result that is none with a TypeError, each in its own words. */
function nameOf(error: unknown): string {
  return String(error).replace(
    /^(TypeError): (You provided '.*' where a stream was expected|work must return ).*/,
    '$1',
  );
}
