import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import fc from 'fast-check';
import { finalize, of, Subject, VirtualTimeScheduler } from 'rxjs';
import type { ObservableInput, Subscription } from 'rxjs';
import { BackgroundJobs } from '../../src/index.js';
import type { JobContext, JobHooks, JobOutcome, ShutdownLevel } from '../../src/index.js';
import { fateOf, Held } from '../support/deferred.js';
import type { Fate } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';
import { LEVELS, POLICIES } from './support.js';
import { isPossible } from '../support/policies.js';

describe('BackgroundJobs', () => {
  describe('every promise settles', () => {
    /** What keeps a promise open: a, a promise, and b, an Observable, run, c is queued, d and e wait for room. */
    const PROMISES = [
      'running a',
      'running b',
      'queued c',
      'sent d',
      'waiting e',
      'idle',
      'ended',
      'shutdown',
    ] as const;
    type Settlement = Record<(typeof PROMISES)[number], 'fulfilled' | 'rejected'>;
    interface World {
      readonly jobs: BackgroundJobs<string, unknown>;
      readonly scheduler: VirtualTimeScheduler;
      readonly notifier: Subject<unknown>;
      /** Whatever runs ends well. */
      readonly finish: () => Promise<void>;
    }
    const closed = {
      'sent d': 'rejected',
      'waiting e': 'rejected',
      idle: 'fulfilled',
      ended: 'fulfilled',
      shutdown: 'fulfilled',
    } as const;
    const drained: Settlement = {
      ...closed,
      'running a': 'fulfilled',
      'running b': 'fulfilled',
      'queued c': 'fulfilled',
    };
    const discarded: Settlement = { ...drained, 'queued c': 'rejected' };
    const aborted: Settlement = { ...discarded, 'running b': 'rejected' };
    const abandoned: Settlement = { ...aborted, 'running a': 'rejected' };
    const late = { deadline: 10, abortGrace: 5 };

    const endings: Record<string, readonly [(world: World) => unknown, Settlement]> = {
      "by 'drain'": [({ jobs, finish }) => (void jobs.shutdown('drain'), finish()), drained],
      "by 'discard'": [({ jobs, finish }) => (void jobs.shutdown('discard'), finish()), discarded],
      "by 'abort'": [({ jobs, finish }) => (void jobs.shutdown('abort'), finish()), aborted],
      "by 'abandon'": [({ jobs }) => jobs.shutdown('abandon'), abandoned],
      'by Symbol.asyncDispose': [({ jobs, finish }) => (void jobs[Symbol.asyncDispose](), finish()), drained],
      "by the option, 'drain'": [({ notifier, finish }) => (notifier.next('drain'), finish()), drained],
      "by the option, 'abort'": [({ notifier, finish }) => (notifier.next('abort'), finish()), aborted],
      "by the option, 'abandon'": [({ notifier }) => notifier.next('abandon'), abandoned],
      'by escalation, one level after another': [({ jobs }) => LEVELS.map((level) => jobs.shutdown(level)), abandoned],
      'at its deadline': [
        async ({ jobs, scheduler, finish }) => {
          void jobs.shutdown('drain', { ...late, abortGrace: Infinity });
          scheduler.flush();
          await finish();
        },
        aborted,
      ],
      'after its grace': [({ jobs, scheduler }) => (void jobs.shutdown('drain', late), scheduler.flush()), abandoned],
      'after the grace of a discard': [
        ({ jobs, scheduler }) => (void jobs.shutdown('discard', late), scheduler.flush()),
        abandoned,
      ],
    };
    for (const [name, [end, settlement]] of Object.entries(endings)) {
      it(`when the pool is ended ${name}`, async () => {
        const held = new Held<string>();
        const scheduler = new VirtualTimeScheduler();
        const notifier = new Subject<unknown>();
        const work = (job: string, context: JobContext): ObservableInput<unknown> =>
          job === 'b' ? held.streams(job, context) : held.promises(job, context);
        const jobs = new BackgroundJobs(work, { workers: 2, buffer: 1, scheduler, shutdown: notifier });
        const promises = [
          jobs.submit('a'),
          jobs.submit('b'),
          jobs.submit('c'),
          jobs.send('d'),
          jobs.submit('e', { wait: true }),
          jobs.idle(),
          jobs.ended,
        ].map(fateOf);
        const finish = async (): Promise<void> => {
          for (const job of held.called) {
            if (!held.stopped.includes(job)) held.complete(job);
            await turn();
          }
        };
        await end({ jobs, scheduler, notifier, finish });
        promises.push(fateOf(jobs.shutdown()));
        await turn();
        expect(Object.fromEntries(PROMISES.map((promise, i) => [promise, promises[i]!.status]))).to.eql(settlement);
      });
    }
  });

  describe('memory', () => {
    const ways: Record<string, (jobs: BackgroundJobs<object, unknown>, job: object) => unknown> = {
      offered: (jobs, job) => jobs.offer(job),
      sent: (jobs, job) => jobs.send(job),
      submitted: (jobs, job) => jobs.submit(job, { signal: new AbortController().signal }),
      'listened to': (jobs, job) => jobs.listenTo([job]),
    };
    for (const [name, give] of Object.entries(ways)) {
      it(`holds no job that was ${name} and has ended`, async () => {
        setFlagsFromString('--expose-gc');
        const collect = runInNewContext('gc') as () => void;
        const jobs = new BackgroundJobs(async (_job: object) => 1, { workers: 2, buffer: 4 });
        const given: WeakRef<object>[] = [];
        const giveOne = (): void => {
          const job = {};
          given.push(new WeakRef(job));
          give(jobs, job);
        };
        // Two run, four are queued, and the others wait for room or are refused.
        for (let i = 0; i < 8; i++) giveOne();
        await jobs.idle();
        for (let i = 0; i < 3; i++) {
          await turn();
          collect();
        }
        expect(given.filter((job) => job.deref() !== undefined)).to.eql([]);
        takeReported();
        await jobs.shutdown();
      });
    }
  });

  describe('laws', () => {
    /** Programs. RUNS=10000 is for the patient. */
    const RUNS = Number(process.env['RUNS'] ?? 400);

    /** Enough of them for every continuation of a program. */
    async function microtasks(): Promise<void> {
      for (let i = 0; i < 20; i++) await Promise.resolve();
    }

    /**
     * A random program around one pool. Its tape says what happens next, also in the middle of whatever calls it: in work,
     * hooks, next, finalizers, listeners and continuations. Wherever that is, the books are looked at.
     */
    class Program {
      readonly breaches: string[] = [];
      private readonly tape: number[];
      private readonly workers: number;
      private readonly buffer: number;
      private readonly jobs: BackgroundJobs<number, unknown>;
      private readonly held = new Held<number>();
      private readonly controllers: AbortController[] = [];
      private readonly listening: Subscription[] = [];
      /** Items of iterables, of which none may be refused while the pool is open. */
      private readonly pulled: Set<number> = new Set();
      private closed = false;
      private readonly fates: Fate[] = [];
      private readonly accepted: number[] = [];
      private readonly started: number[] = [];
      private readonly settled: number[] = [];
      private readonly heard: number[] = [];
      /** Jobs that wait in line, in the order of their calls. */
      private readonly senders: number[] = [];
      private next = 0;
      private depth = 0;

      constructor(tape: number[]) {
        this.tape = tape;
        this.workers = 1 + this.draw(3);
        const overflow = POLICIES[this.draw(POLICIES.length)]!;
        this.buffer = this.draw(4);
        if (!isPossible({ buffer: this.buffer, overflow })) this.buffer = 1;
        const hooks: JobHooks<number> = {
          accepted: (job) => (this.accepted.push(job), this.look('accepted')),
          started: (job) => (this.started.push(job), this.look('started')),
          settled: (outcome) => (this.settled.push(outcome.job), this.isKept(outcome), this.look('settled')),
          released: () => this.look('released'),
        };
        this.jobs = new BackgroundJobs((job: number, context) => this.work(job, context), {
          workers: this.workers,
          buffer: this.buffer,
          overflow,
          hooks,
          // A program knows microtasks only: nothing waits for a turn of the event loop.
          yieldAfter: Infinity,
        });
        this.jobs.outcomes$.subscribe(({ job }) => (this.heard.push(job), this.look('outcomes$')));
      }

      async run(): Promise<void> {
        while (this.tape.length > 0) {
          this.act();
          this.look('the timeline');
          if (this.draw(3) === 0) await Promise.resolve();
          if (this.draw(8) === 0) {
            await microtasks();
            this.rest();
          }
        }
        this.shutdown('abort');
        await microtasks();
        this.shutdown('abandon');
        await microtasks();
        this.end();
      }

      private work(job: number, { signal }: JobContext): ObservableInput<unknown> {
        this.look('work');
        if (this.draw(4) === 0) signal.addEventListener('abort', () => this.look('a listener of the signal'));
        switch (this.draw(5)) {
          case 0:
            return of(job);
          case 1:
            throw new Error(`job ${job}`);
          case 2:
            return this.held.promises(job, { signal } as JobContext);
          default:
            return this.held.streams(job, { signal } as JobContext).pipe(finalize(() => this.look('a finalizer')));
        }
      }

      private act(): void {
        const job = this.next++;
        switch (this.draw(14)) {
          case 12:
            this.listening.push(this.jobs.listenTo(this.items(this.draw(4))));
            break;
          case 13:
            this.listening[this.draw(this.listening.length)]?.unsubscribe();
            break;
          case 0:
          case 1:
          case 2: {
            const { waiting } = this.jobs.stats;
            const answer = this.jobs.offer(job);
            if (answer && waiting > 0 && this.depth === 0) this.breaches.push(`${job} has overtaken a sender`);
            break;
          }
          case 3:
          case 4:
            this.senders.push(job);
            this.follow(this.jobs.send(job, this.signal()));
            break;
          case 5:
            this.follow(this.jobs.submit(job, this.signal()));
            break;
          case 6:
            this.senders.push(job);
            this.follow(this.jobs.submit(job, { ...this.signal(), wait: true }));
            break;
          case 7:
          case 8:
          case 9:
            this.endOne();
            break;
          case 10:
            this.controllers[this.draw(this.controllers.length)]?.abort();
            break;
          case 11:
            if (this.draw(4) > 0) this.follow(this.jobs.idle());
            else this.shutdown(LEVELS[this.draw(4)]!);
            break;
        }
      }

      private *items(left: number): Generator<number> {
        for (; left > 0; left--) {
          this.look('next()');
          const job = this.next++;
          this.pulled.add(job);
          yield job;
        }
      }

      private endOne(): void {
        const running = this.held.called.filter((job) => this.held.runs(job));
        const job = running[this.draw(running.length)];
        if (job === undefined) return;
        if (this.draw(3) === 0) this.held.fail(job, new Error(`job ${job}`));
        else this.held.complete(job);
      }

      private shutdown(level: ShutdownLevel): void {
        this.closed = true;
        this.follow(this.jobs.shutdown(level));
      }

      private isKept(outcome: JobOutcome<number, unknown>): void {
        if (outcome.status !== 'dropped' || !this.pulled.has(outcome.job)) return;
        if (outcome.reason === 'full' || (outcome.reason === 'closed' && !this.closed))
          this.breaches.push(`item ${outcome.job} was refused: ${outcome.reason}`);
      }

      private signal(): { signal?: AbortSignal } {
        if (this.draw(2) === 0) return {};
        const controller = new AbortController();
        this.controllers.push(controller);
        return { signal: controller.signal };
      }

      private follow(promise: Promise<unknown>): void {
        this.fates.push(fateOf(promise));
        const continued = (): void => this.look('a continuation');
        promise.then(continued, continued);
      }

      private look(place: string): void {
        this.check(place);
        if (this.tape.length === 0 || this.depth >= 3 || this.draw(4) > 0) return;
        this.depth++;
        this.act();
        this.depth--;
        this.check(`${place}, afterwards`);
      }

      private check(place: string): void {
        const stats = this.jobs.stats;
        const {
          offered,
          accepted,
          refused,
          waiting,
          completed,
          failed,
          evicted,
          aborted,
          queued,
          delayed,
          running,
          lingering,
        } = stats;
        const holds =
          offered === accepted + refused + waiting &&
          accepted === completed + failed + evicted + aborted + queued + delayed + running &&
          running + lingering <= this.workers &&
          queued + delayed + running <= this.workers + this.buffer &&
          Object.values(stats).every((count) => count >= 0);
        if (!holds) this.breaches.push(`${place}: ${JSON.stringify(stats)}`);
      }

      /** Nothing is on the stack: no worker is free while a job is queued, and no place while a sender waits. */
      private rest(): void {
        const { queued, running, waiting } = this.jobs.stats;
        if (queued > 0 && running < this.workers) this.breaches.push(`${queued} queued, ${running} running at rest`);
        if (waiting > 0 && queued + running < this.workers + this.buffer) this.breaches.push(`${waiting} wait at rest`);
      }

      private end(): void {
        const { offered, refused, queued, running, waiting } = this.jobs.stats;
        const holds = (law: boolean, what: string): void => void (law || this.breaches.push(what));
        holds(queued + running + waiting === 0, `left: ${JSON.stringify(this.jobs.stats)}`);
        holds(
          this.fates.every(({ status }) => status !== 'open'),
          'a promise is open',
        );
        holds(new Set(this.settled).size === this.settled.length, `settled twice: ${this.settled.join()}`);
        holds(this.settled.length === offered, `${this.settled.length} of ${offered} settled`);
        holds(this.heard.length >= offered - refused, `${this.heard.length} of ${offered} outcomes`);
        holds(new Set(this.heard).size === this.heard.length, `told twice: ${this.heard.join()}`);
        holds(this.inOrder(this.started, this.accepted), 'started in another order than accepted');
        const sent = this.accepted.filter((job) => this.senders.includes(job));
        holds(this.inOrder(sent, this.senders), 'senders accepted in another order than they came');
      }

      private inOrder(some: number[], all: number[]): boolean {
        const places = some.map((job) => all.indexOf(job));
        return places.every((place, i) => i === 0 || place > places[i - 1]!);
      }

      /** The next number of the tape, below `limit`; 0 when it has come to its end. */
      private draw(limit: number): number {
        return limit === 0 ? 0 : (this.tape.shift() ?? 0) % limit;
      }
    }

    it('hold at every callback of random programs: the books balance, and each job and promise ends once', async () => {
      const tapes = fc.array(fc.nat(59), { minLength: 20, maxLength: 400, size: 'max' });
      await fc.assert(
        fc.asyncProperty(tapes, async (tape) => {
          const program = new Program([...tape]);
          await program.run();
          expect(program.breaches).to.eql([]);
        }),
        { numRuns: RUNS },
      );
      // Failures that nobody sees are a matter of another group.
      await turn();
      takeReported();
    }).timeout(20_000 + 20 * RUNS);
  });
});
