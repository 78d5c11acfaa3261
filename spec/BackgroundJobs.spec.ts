import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  BehaviorSubject,
  concat,
  finalize,
  from,
  map,
  NEVER,
  Observable,
  of,
  range,
  Subject,
  take,
  tap,
  throwError,
  VirtualTimeScheduler,
} from 'rxjs';
import type { ObservableInput, Subscription } from 'rxjs';
import {
  BackgroundJobs,
  BufferOverflowError,
  gracefulShutdown,
  JobAbortedError,
  JobDroppedError,
  pullFrom,
} from '../src/index.js';
import type {
  DeadlineConfig,
  JobContext,
  JobHooks,
  JobOutcome,
  Overflow,
  PoolStats,
  ShutdownLevel,
  ShutdownReport,
} from '../src/index.js';
import { Deferred, fateOf, Held, unhandledRejections } from './support/deferred.js';
import type { Fate } from './support/deferred.js';
import { takeReported, turn } from './support/guard.js';
import { marbles } from './support/marbles.js';

const POLICIES: readonly Overflow[] = ['error', 'drop-incoming', 'drop-oldest', 'replace-newest', 'clear'];
const LEVELS: readonly ShutdownLevel[] = ['drain', 'discard', 'abort', 'abandon'];

/** An outcome in a few words: the job, and what has become of it. */
function brief(outcome: JobOutcome<unknown, unknown>): string {
  const { job, status } = outcome;
  const detail = outcome.status === 'dropped' ? outcome.reason : status;
  return `${String(job)} ${detail}${outcome.status === 'aborted' && !outcome.settled ? ', not settled' : ''}`;
}

/** The outcomes of `jobs` from now on. */
function outcomesOf<J>(jobs: BackgroundJobs<J, unknown>): string[] {
  const log: string[] = [];
  jobs.outcomes$.subscribe((outcome) => log.push(brief(outcome)));
  return log;
}

/** The counters that are not zero. */
function nonZero({ workers: _, ...counters }: PoolStats): Partial<PoolStats> {
  return Object.fromEntries(Object.entries(counters).filter(([, count]) => count !== 0));
}

/** An async iterable whose items come when the spec says so. */
class Pulled<T> implements AsyncIterable<T> {
  /** Calls of `next()` that wait for their item. */
  readonly asks: ((item: IteratorResult<T>) => void)[] = [];
  returned = 0;

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return {
      next: () => new Promise((resolve) => this.asks.push(resolve)),
      return: async () => {
        this.returned++;
        return { done: true, value: undefined };
      },
    };
  }

  async give(value: T): Promise<void> {
    this.asks.shift()!({ done: false, value });
    await turn();
  }
}

/** A handle of promise jobs that listens to an iterable, whose items come when the spec gives them. */
function listening(
  workers: number,
  buffer: number,
): {
  readonly held: Held<string>;
  readonly source: Pulled<string>;
  readonly jobs: BackgroundJobs<string, unknown>;
  readonly outcomes: readonly string[];
} {
  const held = new Held<string>();
  const source = new Pulled<string>();
  const jobs = new BackgroundJobs(held.promises, { workers, buffer });
  const outcomes = outcomesOf(jobs);
  jobs.listenTo(source);
  return { held, source, jobs, outcomes };
}

/** An endless generator that tells what was taken from it. */
function numbered(name: string, taken: string[], returned: string[] = []): Iterable<string> {
  return (function* () {
    try {
      for (let i = 1; ; i++) {
        taken.push(`${name}${i}`);
        yield `${name}${i}`;
      }
    } finally {
      returned.push(name);
    }
  })();
}

/** Work that throws. */
function throwing(error: unknown): () => never {
  return () => {
    throw error;
  };
}

describe('BackgroundJobs', () => {
  describe('offer', () => {
    it('starts a job in the same call when a worker is free', async () => {
      const log: string[] = [];
      const jobs = new BackgroundJobs((job: string) => (log.push(`work ${job}`), of(job)), { workers: 1, buffer: 0 });
      jobs.outcomes$.subscribe((outcome) => log.push(brief(outcome)));
      log.push(`offer ${String(jobs.offer('a'))}`);
      expect(log).to.eql(['work a', 'a completed', 'offer true']);
      await jobs.shutdown();
    });

    for (const [workers, buffer] of [
      [1, 0],
      [2, 0],
      [1, 3],
      [3, 2],
    ] as const) {
      it(`accepts ${workers + buffer} jobs with ${workers} workers and a buffer of ${buffer}, and refuses the next`, async () => {
        const held = new Held<number>();
        const jobs = new BackgroundJobs(held.streams, { workers, buffer });
        const answers = Array.from({ length: workers + buffer + 2 }, (_, job) => jobs.offer(job));
        expect(answers.indexOf(false)).to.equal(workers + buffer);
        expect(answers.lastIndexOf(true)).to.equal(workers + buffer - 1);
        expect(held.called).to.eql(Array.from({ length: workers }, (_, job) => job));
        await jobs.shutdown('abort');
      });
    }

    const victims: Record<Overflow, { answer: boolean; told: string[]; run: string[] }> = {
      error: { answer: false, told: ['d full'], run: ['a', 'b', 'c'] },
      'drop-incoming': { answer: false, told: ['d full'], run: ['a', 'b', 'c'] },
      'drop-oldest': { answer: true, told: ['b evicted'], run: ['a', 'c', 'd'] },
      'replace-newest': { answer: true, told: ['c evicted'], run: ['a', 'b', 'd'] },
      clear: { answer: true, told: ['b evicted', 'c evicted'], run: ['a', 'd'] },
    };
    for (const overflow of POLICIES) {
      const { answer, told, run } = victims[overflow];
      it(`at a full buffer, '${overflow}': the answer is ${String(answer)}, and ${told.join(', ')}`, async () => {
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 2, overflow });
        const outcomes = outcomesOf(jobs);
        for (const job of ['a', 'b', 'c']) jobs.offer(job);
        expect(jobs.offer('d')).to.equal(answer);
        expect(outcomes).to.eql(told);
        for (let i = 0; i < held.called.length; i++) held.complete(held.called[i]!);
        expect(held.called).to.eql(run);
        await jobs.shutdown();
      });

      it(`without a buffer, '${overflow}' evicts nobody: a busy pool refuses`, async () => {
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0, overflow });
        const outcomes = outcomesOf(jobs);
        expect([jobs.offer('a'), jobs.offer('b')]).to.eql([true, false]);
        expect(outcomes).to.eql(['b full']);
        await jobs.shutdown('abort');
      });

      it(`never overtakes a waiting sender, and evicts nobody while one waits, '${overflow}'`, async () => {
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1, overflow });
        jobs.offer('a');
        jobs.offer('b');
        const sent = fateOf(jobs.send('c'));
        const told: string[] = [];
        jobs.outcomes$.pipe(take(3)).subscribe((outcome) => {
          told.push(brief(outcome));
          // There is a place now, but it is the sender's.
          if (outcome.job === 'a') told.push(`offered: ${String(jobs.offer('e'))}`);
        });
        expect(jobs.offer('d')).to.equal(false);
        held.complete('a');
        expect(told).to.eql(['d full', 'a completed', 'e full', 'offered: false']);
        held.complete('b');
        expect(held.called).to.eql(['a', 'b', 'c']);
        await turn();
        expect(sent.status).to.equal('fulfilled');
        await jobs.shutdown('abort');
      });
    }

    it('answers for its own job when the job that it evicts is replaced from a hook', async () => {
      const held = new Held<string>();
      const inner: boolean[] = [];
      const hooks: JobHooks<string> = {
        settled: ({ job }) => {
          if (job === 'b') inner.push(jobs.offer('new'));
        },
      };
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1, overflow: 'drop-oldest', hooks });
      jobs.offer('a');
      jobs.offer('b');
      // The one that is offered while b is reported is the newer, and keeps the place.
      expect(jobs.offer('c')).to.equal(false);
      expect(inner).to.eql([true]);
      held.complete('a');
      expect(held.called).to.eql(['a', 'new']);
      await jobs.shutdown('abort');
    });

    it('answers for its own job when another one is refused from a hook', async () => {
      const held = new Held<string>();
      const inner: boolean[] = [];
      const hooks: JobHooks<string> = {
        accepted: (job) => {
          if (job === 'b') inner.push(jobs.offer('c'));
        },
      };
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1, hooks });
      jobs.offer('a');
      expect(jobs.offer('b')).to.equal(true);
      expect(inner).to.eql([false]);
      await jobs.shutdown('abort');
    });
  });

  describe('send', () => {
    it('resolves when the job was accepted, not when it has ended', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 1 });
      const fates = [fateOf(jobs.send('a')), fateOf(jobs.send('b')), fateOf(jobs.send('c'))];
      await turn();
      expect(fates.map(({ status }) => status)).to.eql(['fulfilled', 'fulfilled', 'open']);
      expect(fates[0]!.value).to.equal(undefined);
      expect(nonZero(jobs.stats)).to.eql({ offered: 3, accepted: 2, waiting: 1, queued: 1, running: 1 });
      await jobs.shutdown('abandon');
    });

    it('waits for room, first come first served, in one line with the submits that wait', async () => {
      const held = new Held<string>();
      const accepted: string[] = [];
      const hooks = { accepted: (job: string) => void accepted.push(job) };
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0, hooks });
      jobs.offer('a');
      const fates = [
        fateOf(jobs.send('b')),
        fateOf(jobs.submit('c', { wait: true })),
        fateOf(jobs.send('d')),
        fateOf(jobs.send('e')),
      ];
      const progress: string[] = [];
      for (const job of ['a', 'b', 'c', 'd', 'e']) {
        await turn();
        progress.push(`${accepted.join('')} ${fates.map(({ status }) => (status === 'open' ? '-' : '+')).join('')}`);
        held.complete(job);
      }
      expect(progress).to.eql(['a ----', 'ab +---', 'abc +---', 'abcd +++-', 'abcde ++++']);
      expect(fates[1]!.value).to.equal('c!');
      expect(held.called).to.eql(accepted);
      await jobs.shutdown();
    });

    for (const overflow of POLICIES) {
      it(`meets no policy: at a full buffer nobody is evicted or refused for it, '${overflow}'`, async () => {
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1, overflow });
        const outcomes = outcomesOf(jobs);
        for (const job of ['a', 'b', 'c', 'd']) void jobs.send(job);
        expect(nonZero(jobs.stats)).to.eql({ offered: 4, accepted: 2, waiting: 2, queued: 1, running: 1 });
        for (const job of ['a', 'b', 'c', 'd']) held.complete(job);
        expect(outcomes).to.eql(['a completed', 'b completed', 'c completed', 'd completed']);
        await jobs.shutdown();
      });
    }

    it('takes a place that is free in the middle of a call before a worker comes to it', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      const sent: Fate[] = [];
      jobs.outcomes$.pipe(take(1)).subscribe(() => sent.push(fateOf(jobs.send('b')), fateOf(jobs.send('c'))));
      jobs.offer('a');
      held.complete('a');
      await turn();
      expect(sent.map(({ status }) => status)).to.eql(['fulfilled', 'open']);
      await jobs.shutdown('abandon');
    });

    for (const level of LEVELS) {
      it(`rejects all who wait, the first first, when the pool is shut down: '${level}'`, async () => {
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
        jobs.offer('a');
        const outcomes = outcomesOf(jobs);
        const waiting = [jobs.send('b'), jobs.submit('c', { wait: true }), jobs.send('d')].map(fateOf);
        void jobs.shutdown(level);
        expect(outcomes.slice(0, 3)).to.eql(['b closed', 'c closed', 'd closed']);
        await turn();
        expect(waiting.map(({ status }) => status)).to.eql(['rejected', 'rejected', 'rejected']);
        const error = waiting[0]!.value as JobDroppedError;
        expect(error).to.be.an.instanceOf(JobDroppedError).that.includes({ name: 'JobDroppedError', job: 'b' });
        expect(error.reason).to.equal('closed');
        expect(held.called).to.eql(['a']);
        if (level === 'drain' || level === 'discard') held.complete('a');
        await jobs.ended;
      });
    }

    it('admits nobody once the shutdown has begun, although a place becomes free in the middle of it', async () => {
      const controller = new AbortController();
      const jobs = new BackgroundJobs((_job: string) => NEVER, { workers: 1, buffer: 1 });
      jobs.offer('a');
      const gone = fateOf(jobs.submit('b', { signal: controller.signal }));
      const sent = fateOf(jobs.send('s'));
      jobs.listenTo(new Observable(() => () => controller.abort()));
      void jobs.shutdown();
      await turn();
      expect([gone.status, sent.status, jobs.stats.accepted]).to.eql(['rejected', 'rejected', 2]);
      await jobs.shutdown('abort');
    });

    it('lets ten thousand wait, each in its turn', async () => {
      const first = new Subject<number>();
      const ran: number[] = [];
      const work = (job: number): Observable<number> => (ran.push(job), job === 0 ? first : of(job));
      const jobs = new BackgroundJobs(work, { workers: 1, buffer: 0 });
      const sent = Array.from({ length: 10_000 }, (_, job) => jobs.send(job));
      expect(jobs.stats.waiting).to.equal(9_999);
      first.complete();
      await Promise.all(sent);
      expect(ran).to.eql(Array.from({ length: 10_000 }, (_, job) => job));
      await jobs.shutdown();
    });
  });

  describe('submit', () => {
    const values: Record<string, readonly [() => ObservableInput<unknown>, unknown]> = {
      'a promise: its value': [() => Promise.resolve(1), 1],
      'a thenable: its value': [() => ({ then: (f: (value: number) => void) => f(1) }) as PromiseLike<number>, 1],
      'an Observable: its last value': [() => of(1, 2, 3), 3],
      'an Observable that completes empty: undefined': [() => of(), undefined],
      'an iterable: its last item': [() => [1, 2], 2],
    };
    for (const [name, [work, value]] of Object.entries(values)) {
      it(`resolves with the result of ${name}`, async () => {
        const jobs = new BackgroundJobs(work, { workers: 1, buffer: 0 });
        expect(await jobs.submit('a')).to.equal(value);
        await jobs.shutdown();
      });
    }

    const error = new Error('broken');
    const failures: Record<string, readonly [() => ObservableInput<unknown>, unknown]> = {
      throws: [throwing(error), error],
      rejects: [() => Promise.reject(error), error],
      'rejects with undefined': [() => Promise.reject(undefined), undefined],
      errors: [
        () =>
          concat(
            of(1),
            throwError(() => error),
          ),
        error,
      ],
    };
    for (const [name, [work, reason]] of Object.entries(failures)) {
      it(`rejects with the very error when the work ${name}`, async () => {
        const jobs = new BackgroundJobs(work, { workers: 1, buffer: 0 });
        const fate = fateOf(jobs.submit('a'));
        await turn();
        expect(fate).to.eql({ status: 'rejected', value: reason });
        expect(fate.value).to.equal(reason);
        await jobs.shutdown();
      });
    }

    it('meets the policy: at a full buffer it rejects with the error of the policy, and carries the job back', async () => {
      const rejections: Record<string, unknown> = {};
      for (const overflow of POLICIES) {
        const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 1, overflow });
        jobs.offer('a');
        const waiting = fateOf(jobs.submit('b'));
        const incoming = fateOf(jobs.submit('c'));
        await turn();
        const lost = (waiting.status === 'rejected' ? waiting : incoming).value as JobDroppedError<string>;
        rejections[overflow] =
          `${lost.job} ${lost.name} ${lost.reason ?? String((lost as unknown as BufferOverflowError).capacity)}`;
        await jobs.shutdown('abort');
      }
      expect(rejections).to.eql({
        error: 'c BufferOverflowError 1',
        'drop-incoming': 'c JobDroppedError full',
        'drop-oldest': 'b JobDroppedError evicted',
        'replace-newest': 'b JobDroppedError evicted',
        clear: 'b JobDroppedError evicted',
      });
    });

    it('waits for room when it is told to, and then gives the result', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      jobs.offer('a');
      const fate = fateOf(jobs.submit('b', { wait: true }));
      await turn();
      expect([fate.status, jobs.stats.waiting]).to.eql(['open', 1]);
      held.complete('a');
      held.complete('b', 'result');
      await turn();
      expect(fate).to.eql({ status: 'fulfilled', value: 'result' });
      await jobs.shutdown();
    });

    it('tells the hooks first, then the promise, then outcomes$', async () => {
      const log: string[] = [];
      const value = {
        // A promise that is resolved looks whether it was given another one.
        get then() {
          return void log.push('promise');
        },
      };
      const hooks = ['first', 'second'].map((name) => ({
        settled: () => void log.push(`${name} settled`),
        released: () => void log.push(`${name} released`),
      }));
      const jobs = new BackgroundJobs(() => of(value), { workers: 1, buffer: 0, hooks });
      jobs.outcomes$.subscribe(() => log.push('outcomes$'));
      void jobs.submit('a');
      expect(log).to.eql([
        'first settled',
        'second settled',
        'first released',
        'second released',
        'promise',
        'outcomes$',
      ]);
      await jobs.shutdown();
    });
  });

  describe("a caller's signal", () => {
    const reason = new Error('the caller has gone');

    it('that is aborted already: nothing is offered, the promise rejects with its reason', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 1 });
      const signal = AbortSignal.abort(reason);
      const outcomes = outcomesOf(jobs);
      const fates = [
        jobs.send('a', { signal }),
        jobs.submit('b', { signal }),
        jobs.submit('c', { signal, wait: true }),
      ].map(fateOf);
      await turn();
      for (const fate of fates) expect(fate).to.eql({ status: 'rejected', value: reason });
      expect(nonZero(jobs.stats)).to.eql({});
      expect([held.called, outcomes, getEventListeners(signal, 'abort')]).to.eql([[], [], []]);
      await jobs.shutdown();
    });

    it('while its job waits for room: it leaves the line, and the others keep their order', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      const [first, second] = [new AbortController(), new AbortController()];
      jobs.offer('a');
      const gone = [
        jobs.send('b', { signal: first.signal }),
        jobs.submit('d', { signal: second.signal, wait: true }),
      ].map(fateOf);
      for (const job of ['c', 'e']) void jobs.send(job);
      first.abort(reason);
      second.abort(reason);
      await turn();
      for (const fate of gone) expect(fate).to.eql({ status: 'rejected', value: reason });
      expect(nonZero(jobs.stats)).to.eql({ offered: 3, accepted: 1, waiting: 2, running: 1 });
      for (const job of ['a', 'c', 'e']) held.complete(job);
      expect(held.called).to.eql(['a', 'c', 'e']);
      await jobs.shutdown();
    });

    it('while its job is queued: the work is never called, its place is free, and the next sender is admitted', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 3 });
      const controllers = ['b', 'c', 'd'].map(() => new AbortController());
      jobs.offer('a');
      const [b, c, d] = ['b', 'c', 'd'].map((job, i) => fateOf(jobs.submit(job, { signal: controllers[i]!.signal })));
      const sent = fateOf(jobs.send('e'));
      const outcomes: JobOutcome<string, unknown>[] = [];
      jobs.outcomes$.subscribe((outcome) => outcomes.push(outcome));
      controllers[1]!.abort(reason);
      expect(nonZero(jobs.stats)).to.eql({ offered: 5, accepted: 5, aborted: 1, queued: 3, running: 1 });
      await turn();
      expect([c!.value, sent.status]).to.eql([reason, 'fulfilled']);
      expect(outcomes).to.have.length(1);
      expect(outcomes[0]).to.include({ job: 'c', status: 'aborted', reason, settled: true, attempts: 0, ranFor: 0 });
      for (const job of ['a', 'b', 'd', 'e']) held.complete(job);
      expect(held.called).to.eql(['a', 'b', 'd', 'e']);
      await turn();
      expect([b!.value, d!.value]).to.eql(['b!', 'd!']);
      await jobs.shutdown();
    });

    for (const [name, at] of [
      ['first', 0],
      ['last', 2],
    ] as const) {
      it(`takes the ${name} of the line out of it`, async () => {
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 3 });
        const controller = new AbortController();
        jobs.offer('a');
        const line = ['b', 'c', 'd'];
        line.forEach((job, i) => fateOf(jobs.submit(job, i === at ? { signal: controller.signal } : {})));
        controller.abort();
        jobs.offer('e');
        const rest = ['a', ...line.filter((_, i) => i !== at), 'e'];
        for (const job of rest) held.complete(job);
        expect(held.called).to.eql(rest);
        await jobs.shutdown();
      });
    }

    it('while its promise runs: that is asked to end, and judged by how it settles', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.promises, { workers: 2, buffer: 0 });
      const outcomes = outcomesOf(jobs);
      const controllers = [new AbortController(), new AbortController()];
      const [a, b] = ['a', 'b'].map((job, i) => fateOf(jobs.submit(job, { signal: controllers[i]!.signal })));
      for (const controller of controllers) controller.abort(reason);
      await turn();
      expect([a!.status, b!.status]).to.eql(['open', 'open']);
      for (const job of ['a', 'b']) expect(held.contexts.get(job)!.signal.reason).to.equal(reason);
      expect(nonZero(jobs.stats)).to.eql({ offered: 2, accepted: 2, running: 2 });
      held.complete('a', 'the mail went out');
      held.fail('b', new Error('interrupted'));
      await turn();
      expect(a).to.eql({ status: 'fulfilled', value: 'the mail went out' });
      expect(b).to.eql({ status: 'rejected', value: reason });
      expect(outcomes).to.eql(['a completed', 'b aborted']);
      await jobs.shutdown();
    });

    it('while its Observable runs: that is unsubscribed, then signalled, and the next job starts, all in the same call', async () => {
      const log: string[] = [];
      const work = (job: string, { signal }: JobContext): Observable<never> =>
        new Observable(() => {
          log.push(`start ${job}`);
          signal.addEventListener('abort', () => log.push(`${job} signalled: ${(signal.reason as Error).message}`));
          return () => void log.push(`stop ${job}`);
        });
      const jobs = new BackgroundJobs(work, { workers: 1, buffer: 1 });
      jobs.outcomes$.subscribe((outcome) => log.push(brief(outcome)));
      const controller = new AbortController();
      const fate = fateOf(jobs.submit('a', { signal: controller.signal }));
      jobs.offer('b');
      controller.abort(reason);
      log.push('abort has returned');
      expect(log).to.eql([
        'start a',
        'stop a',
        `a signalled: ${reason.message}`,
        'a aborted',
        'start b',
        'abort has returned',
      ]);
      await turn();
      expect(fate).to.eql({ status: 'rejected', value: reason });
      await jobs.shutdown('abort');
    });

    const beginnings: Record<string, readonly [() => ObservableInput<unknown>, string]> = {
      'returns an Observable: it is not subscribed': [() => NEVER, 'aborted'],
      'throws: it is aborted': [throwing(new Error('interrupted')), 'aborted'],
      'returns a promise that fulfils: it has completed': [() => Promise.resolve(1), 'completed'],
      'returns a promise that rejects: it is aborted': [() => Promise.reject(new Error('interrupted')), 'aborted'],
    };
    for (const [name, [result, status]] of Object.entries(beginnings)) {
      it(`aborted by the work itself, which ${name}`, async () => {
        const controller = new AbortController();
        const work = (_job: string, { signal }: JobContext): ObservableInput<unknown> => {
          controller.abort(reason);
          expect(signal.reason).to.equal(reason);
          return result();
        };
        const jobs = new BackgroundJobs(work, { workers: 1, buffer: 1 });
        const outcomes = outcomesOf(jobs);
        const fate = fateOf(jobs.submit('a', { signal: controller.signal }));
        await turn();
        expect(outcomes).to.eql([`a ${status}`]);
        expect(fate.value).to.equal(status === 'completed' ? 1 : reason);
        expect(nonZero(jobs.stats)).to.eql({ offered: 1, accepted: 1, [status]: 1 });
        await jobs.shutdown();
      });
    }

    for (const event of ['accepted', 'started'] as const) {
      it(`aborted from the hook '${event}': the work is never called, and the worker goes on`, async () => {
        const held = new Held<string>();
        const controller = new AbortController();
        const hooks = { [event]: (job: string) => void (job === 'a' && controller.abort(reason)) };
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1, hooks });
        const outcomes = outcomesOf(jobs);
        const fate = fateOf(jobs.submit('a', { signal: controller.signal }));
        expect(outcomes).to.eql(['a aborted']);
        jobs.offer('b');
        expect(held.called).to.eql(['b']);
        await turn();
        expect(fate.value).to.equal(reason);
        await jobs.shutdown('abort');
      });
    }

    it('that several jobs share: those that wait are given up before one that runs, and their work is never called', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1 });
      const controller = new AbortController();
      const { signal } = controller;
      const fates = [
        jobs.submit('a', { signal }),
        jobs.submit('b', { signal }),
        jobs.submit('c', { signal, wait: true }),
        jobs.send('d', { signal }),
      ].map(fateOf);
      void jobs.send('e');
      const outcomes = outcomesOf(jobs);
      controller.abort(reason);
      expect([held.called, outcomes]).to.eql([
        ['a', 'e'],
        ['b aborted', 'a aborted'],
      ]);
      await turn();
      expect(fates.map(({ value }) => value)).to.eql([reason, reason, reason, reason]);
      expect(nonZero(jobs.stats)).to.eql({ offered: 3, accepted: 3, aborted: 2, running: 1 });
      await jobs.shutdown('abort');
    });

    it('that several queued jobs share: as many senders are admitted as places become free', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 2 });
      const controller = new AbortController();
      jobs.offer('a');
      for (const job of ['b', 'c']) fateOf(jobs.submit(job, { signal: controller.signal }));
      const sent = ['d', 'e', 'f'].map((job) => fateOf(jobs.send(job)));
      controller.abort();
      await turn();
      expect(sent.map(({ status }) => status)).to.eql(['fulfilled', 'fulfilled', 'open']);
      await jobs.shutdown('abort');
    });

    it('whose reason is null: that is the reason', async () => {
      const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 0 });
      const controller = new AbortController();
      const fate = fateOf(jobs.submit('a', { signal: controller.signal }));
      controller.abort(null);
      await turn();
      expect(fate).to.eql({ status: 'rejected', value: null });
      await jobs.shutdown();
    });

    it('after the end, or of send after the acceptance: nothing', async () => {
      const held = new Held<string>();
      const controller = new AbortController();
      const { signal } = controller;
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1 });
      const outcomes = outcomesOf(jobs);
      const fates = [jobs.submit('a', { signal }), jobs.send('b', { signal })].map(fateOf);
      held.complete('a');
      controller.abort(reason);
      await turn();
      expect(fates.map(({ status }) => status)).to.eql(['fulfilled', 'fulfilled']);
      expect(outcomes).to.eql(['a completed']);
      expect(nonZero(jobs.stats)).to.eql({ offered: 2, accepted: 2, completed: 1, running: 1 });
      held.complete('b');
      await jobs.shutdown();
    });

    it('stays the reason when the pool is aborted afterwards', async () => {
      const held = new Held<string>();
      const controller = new AbortController();
      const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 0 });
      const fate = fateOf(jobs.submit('a', { signal: controller.signal }));
      controller.abort(reason);
      const ended = jobs.shutdown('abort');
      held.fail('a', new Error('interrupted'));
      await ended;
      expect(fate.value).to.equal(reason);
    });

    it('is let go of at every end', async () => {
      const held = new Held<string>();
      const listening: string[] = [];
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1, overflow: 'drop-oldest' });
      const ends: Record<string, (job: string, signal: AbortSignal, abort: () => void) => Promise<unknown>> = {
        completed: (job, signal) => {
          const result = jobs.submit(job, { signal });
          held.complete(job);
          return result;
        },
        failed: (job, signal) => {
          const result = jobs.submit(job, { signal });
          held.fail(job, reason);
          return result;
        },
        'aborted while it ran': (job, signal, abort) => {
          const result = jobs.submit(job, { signal });
          abort();
          return result;
        },
        'aborted while it was queued': (job, signal, abort) => {
          jobs.offer('runs');
          const result = jobs.submit(job, { signal });
          abort();
          return result;
        },
        evicted: (job, signal) => {
          const result = jobs.submit(job, { signal });
          jobs.offer('evicts it');
          return result;
        },
        'aborted while it waited': (job, signal, abort) => {
          const result = jobs.send(job, { signal });
          abort();
          return result;
        },
        accepted: (job, signal) => {
          const sent = jobs.send(job, { signal });
          held.complete('runs');
          return sent;
        },
        closed: (job, signal) => {
          const sent = jobs.submit(job, { signal, wait: true });
          void jobs.shutdown('abort');
          return sent;
        },
        'closed already': (job, signal) => jobs.submit(job, { signal }),
      };
      for (const [end, provoke] of Object.entries(ends)) {
        const controller = new AbortController();
        const promise = provoke(end, controller.signal, () => controller.abort(reason));
        await Promise.allSettled([promise]);
        await turn();
        if (getEventListeners(controller.signal, 'abort').length > 0) listening.push(end);
      }
      expect(listening).to.eql([]);
      await jobs.ended;
    });

    it('has one listener for all the jobs that share it, and the host has nothing to warn of', async () => {
      const held = new Held<number>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 5 });
      const { signal } = new AbortController();
      const fates = Array.from({ length: 20 }, (_, job) => fateOf(jobs.submit(job, { signal, wait: true })));
      expect(getEventListeners(signal, 'abort')).to.have.length(1);
      for (let job = 0; job < 20; job++) held.complete(job);
      await turn();
      expect(fates.every(({ status }) => status === 'fulfilled')).to.equal(true);
      expect(getEventListeners(signal, 'abort')).to.have.length(0);
      await jobs.shutdown();
    });

    it('keeps no listener: ten thousand jobs one after another leave none', async () => {
      const { signal } = new AbortController();
      const jobs = new BackgroundJobs((job: number) => Promise.resolve(job), { workers: 2, buffer: 2 });
      let most = 0;
      for (let job = 0; job < 10_000; job++) {
        await jobs.submit(job, { signal });
        await jobs.send(job, { signal });
        most = Math.max(most, getEventListeners(signal, 'abort').length);
      }
      expect(most).to.be.at.most(1);
      await jobs.shutdown();
      expect(getEventListeners(signal, 'abort')).to.have.length(0);
    });

    for (const [name, signal] of Object.entries({
      null: null,
      'a number': 1,
      'an object': {},
      'an AbortController': new AbortController(),
    })) {
      it(`is refused when it is ${name}`, async () => {
        const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 0 });
        for (const method of ['send', 'submit'] as const) {
          expect(() => jobs[method]('a', { signal: signal as unknown as AbortSignal })).to.throw(
            TypeError,
            `${method}'s signal`,
          );
        }
        expect(jobs.stats.offered).to.equal(0);
        await jobs.shutdown();
      });
    }
  });

  describe('listenTo', () => {
    it('takes the jobs of several sources, and their completion ends nothing', () =>
      marbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
        const one = hot('        -a---b--|         ');
        const other = hot('      --x----y---z|     ');
        const run = cold('         --(r|)          ');
        const expected = '       ---ax--b-y---z----';
        const jobs = new BackgroundJobs((job: string) => run.pipe(map(() => job)), { workers: 2, buffer: 0 });
        jobs.listenTo(one);
        jobs.listenTo(other);
        expectObservable(jobs.outcomes$.pipe(map(({ job }) => job))).toBe(expected);
        expectSubscriptions(one.subscriptions).toBe('  ^-------!');
        expectSubscriptions(other.subscriptions).toBe('^-----------!');
      }));

    it('stops the source when it is unsubscribed; what was accepted runs', () =>
      marbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
        const source = hot('     -a-b-c-d--');
        const unsubscribe = '    ------!   ';
        const run = cold('        ---(r|)  ');
        const expected = '       ----a--b--c--';
        const jobs = new BackgroundJobs((job: string) => run.pipe(map(() => job)), { workers: 1, buffer: 2 });
        expectObservable(new Observable(() => jobs.listenTo(source)), unsubscribe).toBe('-');
        expectObservable(jobs.outcomes$.pipe(map(({ job }) => job))).toBe(expected);
        expectSubscriptions(source.subscriptions).toBe('^-----!');
      }));

    it('lets go of every source when the pool is shut down', () =>
      marbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
        const one = hot('        -a-------b');
        const other = hot('      --x------y');
        const shutdown = cold('  ------d   ');
        const run = cold('        ---------(r|)');
        const expected = '       ----------a(x|)';
        const jobs = new BackgroundJobs((job: string) => run.pipe(map(() => job)), { workers: 2, buffer: 0, shutdown });
        jobs.listenTo(one);
        jobs.listenTo(other);
        expectObservable(jobs.outcomes$.pipe(map(({ job }) => job))).toBe(expected);
        expectSubscriptions(one.subscriptions).toBe('  ^-----!');
        expectSubscriptions(other.subscriptions).toBe('^-----!');
      }));

    it("ends the subscription that overflows under 'error' and reports it; the other sources and the pool go on", async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      const [one, other] = [new Subject<string>(), new Subject<string>()];
      const listening = [jobs.listenTo(one), jobs.listenTo(other)];
      one.next('a');
      one.next('b');
      await turn();
      const [error] = takeReported() as BufferOverflowError<string>[];
      expect(error).to.be.an.instanceOf(BufferOverflowError).that.includes({ capacity: 0, job: 'b' });
      expect(listening.map(({ closed }) => closed)).to.eql([true, false]);
      expect([one.observed, other.observed]).to.eql([false, true]);
      held.complete('a');
      other.next('x');
      expect(held.called).to.eql(['a', 'x']);
      expect(nonZero(jobs.stats)).to.eql({ offered: 3, accepted: 2, refused: 1, completed: 1, running: 1 });
      await jobs.shutdown('abort');
    });

    for (const overflow of POLICIES.filter((policy) => policy !== 'error')) {
      it(`goes on after an overflow, '${overflow}'`, async () => {
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0, overflow });
        const source = new Subject<string>();
        const listening = jobs.listenTo(source);
        for (const job of ['a', 'b']) source.next(job);
        expect([listening.closed, nonZero(jobs.stats)]).to.eql([
          false,
          { offered: 2, accepted: 1, refused: 1, running: 1 },
        ]);
        await jobs.shutdown('abort');
      });
    }

    it('reports an overflow also where whoever hears of the refusal ends the pool', async () => {
      const never = new BackgroundJobs((_: string) => NEVER, {
        workers: 1,
        buffer: 0,
        hooks: {
          settled: (outcome) => {
            if (outcome.status === 'dropped') void never.shutdown('abort');
          },
        },
      });
      never.listenTo(of('a', 'b'));
      await never.ended;
      await turn();
      expect(takeReported().map(String)).to.deep.equal([String(new BufferOverflowError(0, 'b'))]);
    });

    it('stops a synchronous source at its first overflow', async () => {
      const pushed: number[] = [];
      const jobs = new BackgroundJobs(() => NEVER, { workers: 2, buffer: 3 });
      jobs.listenTo(range(0, Infinity).pipe(tap((job) => pushed.push(job))));
      expect(pushed).to.eql([0, 1, 2, 3, 4, 5]);
      await turn();
      expect(takeReported()).to.have.length(1);
      await jobs.shutdown('abort');
    });

    it('stops a synchronous source when a job of it shuts the pool down', async () => {
      const pushed: number[] = [];
      const work = (job: number): Observable<number> => {
        if (job === 2) void jobs.shutdown();
        return of(job);
      };
      const jobs: BackgroundJobs<number, number | undefined> = new BackgroundJobs(work, { workers: 1, buffer: 0 });
      expect(jobs.listenTo(range(0, Infinity).pipe(tap((job) => pushed.push(job)))).closed).to.equal(true);
      expect(pushed).to.eql([0, 1, 2]);
      await jobs.ended;
    });

    it('ends the subscription whose source errors and reports that; the pool goes on', async () => {
      const jobs = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: 0 });
      const error = new Error('source');
      const outcomes = outcomesOf(jobs);
      const listening = jobs.listenTo(
        concat(
          of('a'),
          throwError(() => error),
        ),
      );
      const failing = jobs.listenTo(
        (function* (): Generator<string> {
          yield 'b';
          throw error;
        })(),
      );
      await turn();
      expect(takeReported()).to.eql([error, error]);
      expect([listening.closed, failing.closed]).to.eql([true, true]);
      expect(jobs.offer('c')).to.equal(true);
      expect(outcomes).to.eql(['a completed', 'b completed', 'c completed']);
      await jobs.shutdown();
    });

    it('takes an item of an iterable for each worker that is free, and none ahead', async () => {
      const held = new Held<string>();
      const [taken, returned]: string[][] = [[], []];
      const jobs = new BackgroundJobs(held.streams, { workers: 2, buffer: 5 });
      jobs.listenTo(numbered('i', taken!, returned));
      expect(taken).to.eql(['i1', 'i2']);
      held.complete('i1');
      expect(taken).to.eql(['i1', 'i2', 'i3']);
      expect(nonZero(jobs.stats)).to.eql({ offered: 3, accepted: 3, completed: 1, running: 2 });
      await jobs.shutdown('abort');
      expect([taken!.length, returned]).to.eql([3, ['i']]);
    });

    it('gives what was offered, and those who wait for room, precedence over the next item of an iterable', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      jobs.listenTo(pullFrom(numbered('i', [])));
      void jobs.send('a');
      void jobs.send('b');
      for (const job of ['i1', 'a', 'b', 'i2']) held.complete(job);
      expect(held.called).to.eql(['i1', 'a', 'b', 'i2', 'i3']);
      await jobs.shutdown('abort');
    });

    it('lets iterables take turns', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      for (const name of ['a', 'b', 'c']) jobs.listenTo(numbered(name, []));
      for (let i = 0; i < 6; i++) held.complete(held.called[i]!);
      expect(
        held.called
          .slice(1)
          .map(([name]) => name)
          .sort(),
      ).to.eql(['a', 'a', 'b', 'b', 'c', 'c']);
      await jobs.shutdown('abort');
    });

    it('lets them take turns also when something is offered between any two items', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1 });
      for (const name of ['a', 'b']) jobs.listenTo(numbered(name, []));
      for (let i = 0; i < 12; i += 2) {
        jobs.offer(`offered ${i}`);
        held.complete(held.called[i]!);
        held.complete(held.called[i + 1]!);
      }
      const counts = ['a', 'b'].map((name) => held.called.filter((job) => job.startsWith(name)).length);
      expect(Math.abs(counts[0]! - counts[1]!)).to.be.at.most(1);
      await jobs.shutdown('abort');
    });

    it('takes no item ahead when a queued job is given up', async () => {
      const taken: string[] = [];
      const controller = new AbortController();
      const jobs = new BackgroundJobs((_job: string) => NEVER, { workers: 1, buffer: 1 });
      jobs.offer('a');
      const gone = fateOf(jobs.submit('b', { signal: controller.signal }));
      jobs.listenTo(numbered('i', taken));
      controller.abort();
      await turn();
      expect([gone.status, taken]).to.eql(['rejected', []]);
      await jobs.shutdown('abort');
    });

    it('takes up to a buffer of items ahead from an async iterable, and none while a sender waits', async () => {
      const held = new Held<string>();
      const source = new Pulled<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1 });
      jobs.listenTo(source);
      for (const job of ['a', 'b']) await source.give(job);
      expect([held.called, jobs.stats.queued, source.asks.length]).to.eql([['a'], 1, 0]);
      void jobs.send('s');
      held.complete('a');
      expect([jobs.stats.queued, source.asks.length]).to.eql([1, 0]);
      held.complete('b');
      expect([held.called, source.asks.length]).to.eql([['a', 'b', 's'], 1]);
      await jobs.shutdown('abort');
      expect(source.returned).to.equal(1);
    });

    it('lets an item wait whose place went to another while it was on its way', async () => {
      const held = new Held<string>();
      const source = new Pulled<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      jobs.listenTo(source);
      jobs.offer('a');
      await source.give('b');
      expect(nonZero(jobs.stats)).to.eql({ offered: 2, accepted: 1, waiting: 1, running: 1 });
      held.complete('a');
      expect(held.called).to.eql(['a', 'b']);
      await jobs.shutdown('abort');
    });

    it('runs an item that was on its way when it was unsubscribed, although no job has come before', async () => {
      const source = new Pulled<string>();
      const jobs = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: 1 });
      const outcomes = outcomesOf(jobs);
      jobs.listenTo(source).unsubscribe();
      await source.give('late');
      expect(outcomes).to.eql(['late completed']);
      await jobs.shutdown();
    });

    it('leaves an item that waits its turn when it is unsubscribed', async () => {
      const held = new Held<string>();
      const source = new Pulled<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      const listening = jobs.listenTo(source);
      jobs.offer('a');
      await source.give('kept');
      void jobs.send('s');
      listening.unsubscribe();
      expect(nonZero(jobs.stats)).to.eql({ offered: 3, accepted: 1, waiting: 2, running: 1 });
      for (const job of ['a', 'kept', 's']) held.complete(job);
      expect(held.called).to.eql(['a', 'kept', 's']);
      await jobs.shutdown();
    });

    it('lets an item wait for whose place next() itself has offered a job', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      const items = function* (): Generator<string> {
        jobs.offer('from inside');
        yield 'item';
      };
      const listening = jobs.listenTo(items());
      expect([listening.closed, nonZero(jobs.stats)]).to.eql([
        false,
        { offered: 2, accepted: 1, waiting: 1, running: 1 },
      ]);
      held.complete('from inside');
      expect(held.called).to.eql(['from inside', 'item']);
      await jobs.shutdown('abort');
    });

    it('asks no async iterable for a place that a sender has come for', async () => {
      const held = new Held<string>();
      const source = new Pulled<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      jobs.outcomes$.pipe(take(1)).subscribe(() => jobs.listenTo(source));
      jobs.offer('a');
      void jobs.send('b');
      held.complete('a');
      expect([held.called, source.asks.length]).to.eql([['a', 'b'], 0]);
      await jobs.shutdown('abort');
    });

    it('loses nothing of an iterable whose next() feeds the same pool, and keeps its bound', async () => {
      const held = new Held<string>();
      const most: number[] = [];
      const hooks = { accepted: () => void most.push(jobs.stats.queued + jobs.stats.running) };
      const jobs: BackgroundJobs<string, unknown> = new BackgroundJobs(held.streams, { workers: 2, buffer: 0, hooks });
      const outcomes = outcomesOf(jobs);
      for (const job of ['a', 'b']) jobs.offer(job);
      const items = function* (): Generator<string> {
        held.complete('b');
        for (const job of ['s1', 's2', 's3']) void jobs.send(job);
        yield 'i1';
        yield 'i2';
      };
      jobs.listenTo(items());
      held.complete('a');
      for (let i = 2; i < held.called.length; i++) held.complete(held.called[i]!);
      expect([...held.called].sort()).to.eql(['a', 'b', 'i1', 'i2', 's1', 's2', 's3']);
      expect(outcomes.filter((outcome) => !outcome.endsWith('completed'))).to.eql([]);
      expect(Math.max(...most)).to.equal(2);
      await jobs.shutdown();
    });

    it('runs an item that was on its way when it was unsubscribed, although all workers rest', async () => {
      const source = new Pulled<string>();
      const jobs = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: 1 });
      const outcomes = outcomesOf(jobs);
      jobs.offer('a');
      jobs.listenTo(source).unsubscribe();
      await source.give('late');
      await jobs.idle();
      expect(outcomes).to.eql(['a completed', 'late completed']);
      await jobs.shutdown();
    });

    for (const level of LEVELS) {
      const runs = level === 'drain';
      it(`${runs ? 'runs' : 'refuses'} an item that was on its way and arrives after '${level}' while the pool lives`, async () => {
        const { held, source, jobs, outcomes } = listening(1, 1);
        jobs.offer('a');
        const ended = jobs.shutdown(level);
        expect(source.returned).to.equal(1);
        await source.give('late');
        if (level !== 'abandon') held.complete('a');
        await turn();
        if (runs) held.complete('late');
        await ended;
        expect(outcomes).to.eql(
          {
            drain: ['a completed', 'late completed'],
            discard: ['late closed', 'a completed'],
            abort: ['late closed', 'a completed'],
            abandon: ['a aborted, not settled'],
          }[level],
        );
        expect(held.called).to.eql(runs ? ['a', 'late'] : ['a']);
      });
    }

    for (const level of LEVELS) {
      const runs = level === 'drain';
      it(`${runs ? 'runs' : 'refuses'} an item that waits its turn when '${level}' comes, and refuses the sender behind it`, async () => {
        const { held, source, jobs, outcomes } = listening(1, 0);
        jobs.offer('a');
        await source.give('item');
        const sent = jobs.send('s').catch((error: Error) => error.message);
        expect(jobs.stats).to.include({ accepted: 1, waiting: 2 });
        const ended = jobs.shutdown(level);
        expect(jobs.stats).to.include({ waiting: runs ? 1 : 0, refused: runs ? 1 : 2 });
        if (level !== 'abandon') held.complete('a');
        await turn();
        if (runs) held.complete('item');
        const { stats } = await ended;
        expect(stats).to.include({ offered: 3, waiting: 0, accepted: runs ? 2 : 1, refused: runs ? 1 : 2 });
        expect(await sent).to.contain('closed');
        expect(outcomes.filter((outcome) => outcome.startsWith('item'))).to.eql([
          `item ${runs ? 'completed' : 'closed'}`,
        ]);
      });
    }

    it('asks an iterable for nothing once the shutdown has begun, although whoever hears of it frees a worker', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      jobs.outcomes$.subscribe(({ job }) => {
        if (job === 's') held.complete('a');
      });
      jobs.offer('a');
      const sent = jobs.send('s').catch((error: Error) => error.message);
      let asked = 0;
      const items = function* (): Generator<string> {
        for (; asked < 100; asked++) yield 'item';
      };
      jobs.listenTo(items());
      const { stats } = await jobs.shutdown();
      expect([asked, stats.offered, stats.completed, stats.refused]).to.eql([0, 2, 1, 1]);
      expect(await sent).to.contain('closed');
    });

    it('runs any number of synchronous jobs on a flat stack, although a thousand workers rest', async () => {
      const work = (n: number): ObservableInput<number> => (n < 0 ? Promise.resolve(n) : of(n));
      const jobs = new BackgroundJobs(work, { workers: 1000, buffer: 0 });
      for (let i = 0; i < 1000; i++) jobs.offer(-1);
      await jobs.idle();
      jobs.listenTo(Array.from({ length: 20_000 }, (_, n) => n));
      expect(jobs.stats).to.include({ completed: 21_000, running: 0, queued: 0 });
      await jobs.shutdown();
    });

    it('leaves no worker idle when it begins while a job is on its way to one', async () => {
      const held = new Held<string>();
      const hooks: JobHooks = { accepted: (job) => void (job === 'a' && jobs.listenTo(['b', 'c'])) };
      const jobs: BackgroundJobs<string, unknown> = new BackgroundJobs(held.promises, { workers: 2, buffer: 0, hooks });
      jobs.offer('a');
      expect(held.called).to.eql(['a', 'b']);
      await jobs.shutdown('abandon');
    });

    it('leaves no worker idle when it begins inside the next() of another', async () => {
      const held = new Held<string>();
      const work = (job: string, context: JobContext): ObservableInput<unknown> =>
        job === 'sync' ? of(job) : held.promises(job, context);
      const jobs = new BackgroundJobs(work, { workers: 2, buffer: 0 });
      const items = function* (): Generator<string> {
        yield 'sync';
        jobs.listenTo(['a', 'b', 'c']);
      };
      jobs.listenTo(items());
      expect(held.called).to.eql(['a', 'b']);
      await jobs.shutdown('abandon');
    });

    it('gives an iterable its turns beside an async one that could be read ahead', async () => {
      const { held, source, jobs } = listening(1, 1);
      await source.give('a1');
      jobs.listenTo(['s1', 's2']);
      for (let n = 2; n < 6; n++) {
        if (source.asks.length > 0) await source.give(`a${n}`);
        held.complete(held.called.at(-1)!);
        await turn();
      }
      expect(held.called.filter((job) => job.startsWith('s'))).to.eql(['s1', 's2']);
      await jobs.shutdown('abandon');
    });

    it('reads an async iterable ahead beside an Observable', async () => {
      const { held, source, jobs } = listening(1, 1);
      jobs.listenTo(new Subject<string>());
      await source.give('a');
      await source.give('b');
      expect([held.called, jobs.stats.queued]).to.eql([['a'], 1]);
      await jobs.shutdown('abandon');
    });

    it('reads nothing ahead from an iterable when a job is given up while an item starts', async () => {
      const held = new Held<string>();
      const controller = new AbortController();
      const work = (job: string, context: JobContext): ObservableInput<unknown> => {
        if (job === 'a1') controller.abort();
        return held.promises(job, context);
      };
      const jobs = new BackgroundJobs(work, { workers: 2, buffer: 1 });
      void jobs.submit('given up', { signal: controller.signal }).catch(() => undefined);
      const taken: string[] = [];
      jobs.listenTo(numbered('a', taken));
      expect(taken).to.eql(['a1']);
      await jobs.shutdown('abandon');
    });

    it('runs an item that arrives while the pool drains at once when a worker rests', async () => {
      const { held, source, jobs } = listening(2, 0);
      for (const job of ['long', 'short']) jobs.offer(job);
      held.complete('short');
      await turn();
      const ended = jobs.shutdown('drain');
      await source.give('late');
      expect(held.called).to.eql(['long', 'short', 'late']);
      for (const job of ['long', 'late']) held.complete(job);
      expect((await ended).stats).to.include({ completed: 3, offered: 3 });
    });

    it('runs an item that waits its turn in a pool that drains when a job in front of it is given up', async () => {
      const { held, source, jobs } = listening(1, 1);
      jobs.offer('a');
      const controller = new AbortController();
      void jobs.submit('b', { signal: controller.signal }).catch(() => undefined);
      await source.give('item');
      expect(jobs.stats).to.include({ queued: 1, waiting: 1 });
      const ended = jobs.shutdown('drain');
      controller.abort();
      expect(jobs.stats).to.include({ queued: 1, waiting: 0, aborted: 1 });
      held.complete('a');
      await turn();
      held.complete('item');
      expect((await ended).stats).to.include({ offered: 3, accepted: 3, completed: 2, aborted: 1 });
    });

    it('lets an item that arrives while a full pool drains wait its turn, and keeps its bound', async () => {
      const { held, source, jobs } = listening(1, 0);
      // Asked for when there was room.
      jobs.offer('a');
      const ended = jobs.shutdown('drain');
      await source.give('late');
      expect(nonZero(jobs.stats)).to.eql({ offered: 2, accepted: 1, waiting: 1, running: 1 });
      for (const job of ['a', 'late']) {
        held.complete(job);
        await turn();
      }
      expect((await ended).stats).to.include({ offered: 2, completed: 2 });
    });

    it('refuses an item that waits its turn when a pool that drains is told to discard', async () => {
      const { held, source, jobs, outcomes } = listening(1, 0);
      jobs.offer('a');
      await source.give('item');
      void jobs.shutdown('drain');
      const ended = jobs.shutdown('discard');
      expect(outcomes).to.eql(['item closed']);
      held.complete('a');
      expect((await ended).stats).to.include({ offered: 2, accepted: 1, refused: 1, completed: 1 });
    });

    for (const source of [null, undefined, 1, 'abc', {}, () => of(1)] as unknown[]) {
      it(`refuses ${typeof source === 'string' ? 'a string' : typeof source === 'function' ? 'a function' : JSON.stringify(source)}`, async () => {
        const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 0 });
        expect(() => jobs.listenTo(source as Observable<unknown>)).to.throw(
          TypeError,
          'an Observable, an iterable or an async iterable',
        );
        await jobs.shutdown();
      });
    }
  });

  describe('a signal that is aborted on the way in', () => {
    it('gives a submitted job up that a loss has just made room for', async () => {
      const held = new Held<string>();
      const controller = new AbortController();
      const hooks: JobHooks = { settled: ({ job }) => void (job === 'b' && controller.abort('no more')) };
      const config = { workers: 1, buffer: 1, overflow: 'drop-oldest', hooks } as const;
      const jobs = new BackgroundJobs(held.promises, config);
      for (const job of ['a', 'b']) jobs.offer(job);
      const reason: unknown = await jobs.submit('c', { signal: controller.signal }).catch((error: unknown) => error);
      expect([reason, jobs.stats.queued, jobs.stats.aborted]).to.eql(['no more', 0, 1]);
      held.complete('a');
      await jobs.shutdown();
      expect(held.called).to.eql(['a']);
    });

    it('gives it up before its work is called, where the loss has freed a worker too', async () => {
      const held = new Held<string>();
      const controller = new AbortController();
      const hooks: JobHooks = {
        settled: ({ job }) => {
          if (job !== 'b') return;
          controller.abort('no more');
          held.complete('a');
        },
      };
      const config = { workers: 1, buffer: 1, overflow: 'drop-oldest', hooks } as const;
      const jobs = new BackgroundJobs(held.streams, config);
      for (const job of ['a', 'b']) jobs.offer(job);
      const reason: unknown = await jobs.submit('c', { signal: controller.signal }).catch((error: unknown) => error);
      expect([reason, held.called, jobs.stats.aborted]).to.eql(['no more', ['a'], 1]);
      await jobs.shutdown();
    });

    for (const event of ['accepted', 'started'] as const) {
      it(`has no effect on a sent job once it is ${event}`, async () => {
        const controller = new AbortController();
        const hooks: JobHooks = { [event]: () => controller.abort() };
        const jobs = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: 0, hooks });
        await jobs.send('a', { signal: controller.signal });
        expect(jobs.stats).to.include({ completed: 1, aborted: 0 });
        await jobs.shutdown();
      });
    }
  });

  describe('outcomes$', () => {
    it('tells the end of every job that was offered, and how long it waited and ran', () =>
      marbles(({ hot, cold, expectObservable }) => {
        const source = hot('  -abc--fe|           ');
        const shutdown = hot('---------------a    ', { a: 'abort' });
        const runs: Record<string, Observable<string>> = {
          a: cold('            ----(r|)           '),
          b: cold('                ---#           '),
          f: cold('                   -r---------|'),
        };
        const expected = '    ---c-a-eb------(f|) ';
        const config = { workers: 1, buffer: 1, overflow: 'drop-incoming', shutdown } as const;
        const jobs = new BackgroundJobs((job: string) => runs[job]!, config);
        jobs.listenTo(source);
        const base = { attempts: 1, queuedFor: 0, ranFor: 0 };
        expectObservable(jobs.outcomes$).toBe(expected, {
          a: { ...base, job: 'a', status: 'completed', value: 'r', ranFor: 4 },
          b: { ...base, job: 'b', status: 'failed', error: 'error', queuedFor: 3, ranFor: 3 },
          c: { ...base, job: 'c', status: 'dropped', reason: 'full', attempts: 0 },
          e: { ...base, job: 'e', status: 'dropped', reason: 'full', attempts: 0 },
          f: {
            ...base,
            job: 'f',
            status: 'aborted',
            reason: new JobAbortedError('f'),
            settled: true,
            queuedFor: 2,
            ranFor: 7,
          },
        });
      }));

    it('is hot: whoever comes later hears of what ends later, and everybody of the same outcome', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 2, buffer: 0 });
      const heard: JobOutcome<string, unknown>[][] = [[], []];
      for (const job of ['a', 'b']) jobs.offer(job);
      jobs.outcomes$.subscribe((outcome) => heard[0]!.push(outcome));
      held.complete('a');
      jobs.outcomes$.subscribe((outcome) => heard[1]!.push(outcome));
      held.complete('b');
      expect(heard.map((outcomes) => outcomes.map(brief))).to.eql([['a completed', 'b completed'], ['b completed']]);
      expect(heard[0]![1]).to.equal(heard[1]![0]);
      await jobs.shutdown();
    });

    it('completes when the pool has ended, before ended resolves, and at once for whoever comes after that', async () => {
      const held = new Held<string>();
      const log: string[] = [];
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      jobs.outcomes$.subscribe({ complete: () => log.push('complete') });
      jobs.offer('a');
      void jobs.shutdown().then(() => log.push('ended'));
      await turn();
      expect(log).to.eql([]);
      held.complete('a');
      await turn();
      jobs.outcomes$.subscribe({ complete: () => log.push('late') });
      expect(log).to.eql(['complete', 'ended', 'late']);
    });

    it('reports a subscriber that throws, and the others and the pool go on', async () => {
      const jobs = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: 0 });
      const error = new Error('subscriber');
      jobs.outcomes$.subscribe(() => {
        throw error;
      });
      const outcomes = outcomesOf(jobs);
      for (const job of ['a', 'b']) jobs.offer(job);
      await turn();
      expect(takeReported()).to.eql([error, error]);
      expect(outcomes).to.eql(['a completed', 'b completed']);
      await jobs.shutdown();
    });

    it('may be unsubscribed from inside its next, which ends nothing', async () => {
      const jobs = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: 0 });
      const first: string[] = [];
      jobs.outcomes$.pipe(take(1)).subscribe((outcome) => first.push(brief(outcome)));
      const outcomes = outcomesOf(jobs);
      for (const job of ['a', 'b']) jobs.offer(job);
      expect([first, outcomes]).to.eql([['a completed'], ['a completed', 'b completed']]);
      await jobs.shutdown();
    });
  });

  describe('stats', () => {
    it('has each job in one state, step by step', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1, overflow: 'drop-oldest' });
      const controller = new AbortController();
      const steps: [() => unknown, Partial<PoolStats>][] = [
        [() => undefined, {}],
        [() => jobs.offer('a'), { offered: 1, accepted: 1, running: 1 }],
        [() => jobs.offer('b'), { offered: 2, accepted: 2, running: 1, queued: 1 }],
        [() => jobs.offer('c'), { offered: 3, accepted: 3, running: 1, queued: 1, evicted: 1 }],
        [() => fateOf(jobs.send('d')), { offered: 4, accepted: 3, running: 1, queued: 1, evicted: 1, waiting: 1 }],
        [() => jobs.offer('e'), { offered: 5, accepted: 3, refused: 1, running: 1, queued: 1, evicted: 1, waiting: 1 }],
        [
          () => held.complete('a'),
          { offered: 5, accepted: 4, refused: 1, running: 1, queued: 1, completed: 1, evicted: 1 },
        ],
        [
          () => held.fail('c', new Error('c')),
          { offered: 5, accepted: 4, refused: 1, running: 1, completed: 1, failed: 1, evicted: 1 },
        ],
        [
          () => fateOf(jobs.submit('f', { signal: controller.signal })),
          { offered: 6, accepted: 5, refused: 1, running: 1, queued: 1, completed: 1, failed: 1, evicted: 1 },
        ],
        [
          () => controller.abort(),
          { offered: 6, accepted: 5, refused: 1, running: 1, completed: 1, failed: 1, evicted: 1, aborted: 1 },
        ],
        [
          () => jobs.shutdown('abort'),
          { offered: 6, accepted: 5, refused: 1, completed: 1, failed: 1, evicted: 1, aborted: 2 },
        ],
        [
          () => jobs.offer('late'),
          { offered: 7, accepted: 5, refused: 2, completed: 1, failed: 1, evicted: 1, aborted: 2 },
        ],
      ];
      // An outcome that somebody has seen is not reported.
      outcomesOf(jobs);
      for (const [step, counters] of steps) {
        step();
        expect(nonZero(jobs.stats), String(step)).to.eql(counters);
      }
      await jobs.ended;
    });

    it('is a copy: it tells of the moment at which it was read', async () => {
      const jobs = new BackgroundJobs(() => NEVER, { workers: 3, buffer: 0 });
      const before = jobs.stats;
      jobs.offer('a');
      expect([before.offered, jobs.stats.offered, before.workers]).to.eql([0, 1, 3]);
      await jobs.shutdown('abort');
    });

    it('belongs to one pool: two of them share nothing', async () => {
      const [one, other] = [1, 2].map(() => new BackgroundJobs(() => NEVER, { workers: 1, buffer: 0 }));
      expect([one!.offer('a'), other!.offer('a'), one!.offer('b')]).to.eql([true, true, false]);
      expect([one!.stats.offered, other!.stats.offered]).to.eql([2, 1]);
      await one!.shutdown('abort');
      expect(other!.stats.running).to.equal(1);
      await other!.shutdown('abort');
    });
  });

  describe('idle', () => {
    it('resolves at once when nothing is queued and nothing runs: before the first job, and after the last', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      await jobs.idle();
      jobs.offer('a');
      held.complete('a');
      await jobs.idle();
      expect(jobs.offer('b')).to.equal(true);
      await jobs.shutdown('abort');
    });

    it('waits for what runs, what is queued and those who wait for room, for all who ask', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1 });
      for (const job of ['a', 'b']) jobs.offer(job);
      void jobs.send('c');
      const idle = [fateOf(jobs.idle())];
      const seen: string[] = [];
      for (const job of ['a', 'b', 'c']) {
        await turn();
        idle.push(fateOf(jobs.idle()));
        seen.push(idle.map(({ status }) => status[0]).join(''));
        held.complete(job);
      }
      await turn();
      seen.push(idle.map(({ status }) => status[0]).join(''));
      expect(seen).to.eql(['oo', 'ooo', 'oooo', 'ffff']);
      await jobs.shutdown();
    });

    it('waits for the job that is offered in answer to an outcome', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      jobs.outcomes$.subscribe(({ job }) => job === 'a' && jobs.offer('b'));
      jobs.offer('a');
      const idle = fateOf(jobs.idle());
      held.complete('a');
      await turn();
      expect([held.called, idle.status]).to.eql([['a', 'b'], 'open']);
      held.complete('b');
      await turn();
      expect(idle.status).to.equal('fulfilled');
      await jobs.shutdown();
    });

    it('waits, asked for in the middle of a call, for what starts in the same call', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      const idle: Fate[] = [];
      jobs.outcomes$.pipe(take(1)).subscribe(() => idle.push(fateOf(jobs.idle())));
      jobs.offer('a');
      void jobs.send('b');
      held.complete('a');
      await turn();
      expect([held.called, idle[0]!.status]).to.eql([['a', 'b'], 'open']);
      held.complete('b');
      await turn();
      expect(idle[0]!.status).to.equal('fulfilled');
      await jobs.shutdown();
    });

    it('waits for what is queued while no job runs, because the event loop has its turn', async () => {
      const jobs = new BackgroundJobs(async (job: number) => job, { workers: 1, buffer: Infinity, yieldAfter: 0 });
      for (let job = 0; job < 1_000; job++) jobs.offer(job);
      await jobs.idle();
      expect(nonZero(jobs.stats)).to.eql({ offered: 1_000, accepted: 1_000, completed: 1_000 });
      await jobs.shutdown();
    });

    const lastEnds: Record<
      string,
      (jobs: BackgroundJobs<string, unknown>, held: Held<string>, abort: () => void) => unknown
    > = {
      completes: (_jobs, held) => held.complete('a'),
      fails: (_jobs, held) => held.fail('a', new Error('a')),
      'is given up by its caller': (_jobs, _held, abort) => abort(),
      'is aborted with its pool': (jobs) => jobs.shutdown('abort'),
    };
    for (const [end, act] of Object.entries(lastEnds)) {
      it(`resolves when the last job ${end}`, async () => {
        const held = new Held<string>();
        const controller = new AbortController();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
        const result = fateOf(jobs.submit('a', { signal: controller.signal }));
        const idle = fateOf(jobs.idle());
        await turn();
        expect(idle.status).to.equal('open');
        act(jobs, held, () => controller.abort());
        await turn();
        expect([idle.status, result.status]).to.not.include('open');
        await jobs.shutdown();
      });
    }

    it("waits for a promise that was aborted, and not after 'abandon'", async () => {
      const jobs = new BackgroundJobs(() => new Promise<never>(() => undefined), { workers: 1, buffer: 0 });
      jobs.offer('a');
      const idle = fateOf(jobs.idle());
      void jobs.shutdown('abort');
      await turn();
      expect(idle.status).to.equal('open');
      await jobs.shutdown('abandon');
      expect(idle.status).to.equal('fulfilled');
    });
  });

  describe('shutdown', () => {
    /** A pool that is full: a and b run, c and d are queued, s waits for room. */
    function full(form: 'promises' | 'streams'): {
      held: Held<string>;
      jobs: BackgroundJobs<string, unknown>;
      outcomes: string[];
    } {
      const held = new Held<string>();
      const jobs = new BackgroundJobs<string, ObservableInput<unknown>>(held[form], { workers: 2, buffer: 2 });
      for (const job of ['a', 'b', 'c', 'd']) jobs.offer(job);
      fateOf(jobs.send('s'));
      return { held, jobs, outcomes: outcomesOf(jobs) };
    }

    const atOnce: Record<ShutdownLevel, { promises: string[]; streams: string[] }> = {
      drain: { promises: [], streams: [] },
      discard: { promises: ['c shutdown', 'd shutdown'], streams: ['c shutdown', 'd shutdown'] },
      abort: {
        promises: ['c shutdown', 'd shutdown'],
        streams: ['c shutdown', 'd shutdown', 'a aborted', 'b aborted'],
      },
      abandon: {
        promises: ['c shutdown', 'd shutdown', 'a aborted, not settled', 'b aborted, not settled'],
        streams: ['c shutdown', 'd shutdown', 'a aborted', 'b aborted'],
      },
    };
    const afterwards: Record<ShutdownLevel, { promises: string[]; streams: string[] }> = {
      drain: {
        promises: ['a completed', 'b failed', 'c completed', 'd failed'],
        streams: ['a completed', 'b failed', 'c completed', 'd failed'],
      },
      discard: { promises: ['a completed', 'b failed'], streams: ['a completed', 'b failed'] },
      abort: { promises: ['a completed', 'b aborted'], streams: [] },
      abandon: { promises: [], streams: [] },
    };
    for (const level of LEVELS) {
      for (const form of ['promises', 'streams'] as const) {
        it(`'${level}' of a full pool of ${form}`, async () => {
          const { held, jobs, outcomes } = full(form);
          const ended = fateOf(jobs.shutdown(level));
          expect(outcomes.splice(0)).to.eql(['s closed', ...atOnce[level][form]]);
          await turn();
          expect(ended.status).to.equal(afterwards[level][form].length === 0 ? 'fulfilled' : 'open');
          for (const outcome of afterwards[level][form]) {
            const [job] = outcome;
            if (outcome.endsWith('completed')) held.complete(job!);
            else held.fail(job!, new Error('interrupted'));
            await turn();
          }
          expect(outcomes).to.eql(afterwards[level][form]);
          const report = ended.value as ShutdownReport<string>;
          expect(report.level).to.equal(level);
          expect(report.dropped.map(brief)).to.eql(level === 'drain' ? [] : ['c shutdown', 'd shutdown']);
          expect(report.abandoned).to.eql(level === 'abandon' && form === 'promises' ? ['a', 'b'] : []);
          expect(report.stats).to.eql(jobs.stats);
          expect(held.called).to.eql(level === 'drain' ? ['a', 'b', 'c', 'd'] : ['a', 'b']);
        });
      }

      it(`'${level}' of a pool that has never run a job, and of one that rests, ends it at once`, async () => {
        for (const offered of [[], ['a']]) {
          const jobs = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: 1 });
          for (const job of offered) jobs.offer(job);
          const ended = fateOf(jobs.shutdown(level));
          await turn();
          expect((ended.value as ShutdownReport<string>).level).to.equal(level);
        }
      });
    }

    it('signals what runs with a JobAbortedError that carries the job, and with nothing at an end that is no abort', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.promises, { workers: 2, buffer: 0 });
      for (const job of ['a', 'b']) jobs.offer(job);
      const [a, b] = ['a', 'b'].map((job) => held.contexts.get(job)!.signal);
      held.complete('a');
      await turn();
      const ended = jobs.shutdown('abort');
      expect([a!.aborted, b!.aborted]).to.eql([false, true]);
      expect(b!.reason).to.be.an.instanceOf(JobAbortedError).that.includes({ job: 'b' });
      held.complete('b');
      await ended;
    });

    it('does not hear of a promise that settles after it was abandoned', async () => {
      const held = new Held<string>();
      const settled: string[] = [];
      const hooks = { settled: (outcome: JobOutcome<string, unknown>) => void settled.push(brief(outcome)) };
      const jobs = new BackgroundJobs(held.promises, { workers: 2, buffer: 0, hooks });
      const result = fateOf(jobs.submit('a'));
      jobs.offer('b');
      await jobs.shutdown('abandon');
      const stats = jobs.stats;
      held.complete('a');
      held.fail('b', new Error('too late'));
      await turn();
      expect(settled).to.eql(['a aborted, not settled', 'b aborted, not settled']);
      expect(jobs.stats).to.eql(stats);
      expect(result.value).to.be.an.instanceOf(JobAbortedError);
    });

    const ends: Record<ShutdownLevel, string[]> = {
      drain: ['a completed', 'b completed'],
      discard: ['b shutdown', 'a completed'],
      abort: ['b shutdown', 'a completed'],
      abandon: ['b shutdown', 'a aborted, not settled'],
    };
    for (const first of LEVELS) {
      for (const second of LEVELS) {
        const harder = LEVELS.indexOf(second) > LEVELS.indexOf(first);
        it(`'${second}' after '${first}' ${harder ? 'escalates' : 'does nothing'}`, async () => {
          const held = new Held<string>();
          const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 1 });
          for (const job of ['a', 'b']) jobs.offer(job);
          const outcomes = outcomesOf(jobs);
          const ended = jobs.shutdown(first);
          const before = { stats: jobs.stats, outcomes: [...outcomes] };
          expect(jobs.shutdown(second)).to.equal(ended);
          if (!harder) expect({ stats: jobs.stats, outcomes }).to.eql(before);
          const hardest = harder ? second : first;
          expect(held.contexts.get('a')!.signal.aborted).to.equal(hardest === 'abort' || hardest === 'abandon');
          if (hardest !== 'abandon') held.complete('a');
          await turn();
          if (hardest === 'drain') held.complete('b');
          const { level } = await ended;
          expect([level, outcomes]).to.eql([hardest, ends[hardest]]);
        });
      }
    }

    it('gives the same promise each time, which is also ended', async () => {
      const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 0 });
      jobs.offer('a');
      const promises = [
        jobs.ended,
        jobs.shutdown(),
        jobs.shutdown('drain', { deadline: Infinity }),
        jobs.shutdown('abort'),
      ];
      await jobs.ended;
      promises.push(jobs.shutdown('abandon'));
      expect(new Set(promises).size).to.equal(1);
    });

    it('lets a level that is asked for while another one is told count', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 2 });
      for (const job of ['a', 'b', 'c']) jobs.offer(job);
      const outcomes = outcomesOf(jobs);
      jobs.outcomes$.pipe(take(1)).subscribe(() => void jobs.shutdown('abort'));
      const ended = jobs.shutdown('discard');
      expect(held.contexts.get('a')!.signal.aborted).to.equal(true);
      held.fail('a', new Error('interrupted'));
      const { level, dropped } = await ended;
      expect(outcomes).to.eql(['b shutdown', 'c shutdown', 'a aborted']);
      expect([level, dropped.map(({ job }) => job)]).to.eql(['abort', ['b', 'c']]);
    });

    it('tells all that was lost before the pool ends, although the first who hears of it abandons what runs', async () => {
      const jobs = new BackgroundJobs(() => new Promise(() => undefined), { workers: 1, buffer: 2 });
      for (const job of ['a', 'b', 'c']) jobs.offer(job);
      const outcomes = outcomesOf(jobs);
      jobs.outcomes$.pipe(take(1)).subscribe(() => void jobs.shutdown('abandon'));
      const { level, dropped } = await jobs.shutdown('discard');
      expect(outcomes.sort()).to.eql(['a aborted, not settled', 'b shutdown', 'c shutdown']);
      expect([level, dropped.map(({ job }) => job)]).to.eql(['abandon', ['b', 'c']]);
    });

    it('leaves what was refused out of its report', async () => {
      const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 1, overflow: 'drop-oldest' });
      for (const job of ['a', 'evicted', 'waits']) jobs.offer(job);
      fateOf(jobs.send('s'));
      const { dropped, stats } = await jobs.shutdown('abort');
      expect(dropped.map(brief)).to.eql(['waits shutdown']);
      expect(nonZero(stats)).to.eql({ offered: 4, accepted: 3, refused: 1, evicted: 2, aborted: 1 });
    });

    for (const level of ['Drain', 'kill', '', null, 0, {}] as unknown[]) {
      it(`refuses the level ${JSON.stringify(level)}, and the pool stays open`, async () => {
        const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 0 });
        expect(() => jobs.shutdown(level as ShutdownLevel)).to.throw(TypeError, 'level must be one of');
        expect(jobs.offer('a')).to.equal(true);
        await jobs.shutdown('abort');
      });
    }
  });

  describe('the deadline of a shutdown', () => {
    interface Overdue {
      /** When the job was signalled. */
      aborted?: number;
      /** When the pool ended, and how hard. */
      ended?: number;
      level?: ShutdownLevel;
    }

    /** In virtual time, a job that neither settles nor listens, and what `stop` does to its pool. */
    async function overdue(
      stop: (jobs: BackgroundJobs<string, never>, at: (frame: number, act: () => unknown) => void) => unknown,
    ): Promise<Overdue> {
      const scheduler = new VirtualTimeScheduler();
      const seen: Overdue = {};
      const work = (_job: string, { signal }: JobContext): Promise<never> => {
        signal.addEventListener('abort', () => (seen.aborted = scheduler.now()));
        return new Promise(() => undefined);
      };
      const jobs = new BackgroundJobs(work, { workers: 1, buffer: 0, scheduler });
      jobs.outcomes$.subscribe({ complete: () => (seen.ended = scheduler.now()) });
      void jobs.ended.then(({ level }) => (seen.level ??= level));
      jobs.offer('a');
      stop(jobs, (frame, act) => scheduler.schedule(act, frame));
      scheduler.flush();
      await turn();
      const result = { ...seen };
      await jobs.shutdown('abandon');
      return result;
    }

    const deadlines: [DeadlineConfig, Overdue][] = [
      [
        { deadline: 0, abortGrace: 0 },
        { aborted: 0, ended: 0, level: 'abandon' },
      ],
      [
        { deadline: 1, abortGrace: 1 },
        { aborted: 1, ended: 2, level: 'abandon' },
      ],
      [
        { deadline: 0.5, abortGrace: 0.25 },
        { aborted: 0.5, ended: 0.75, level: 'abandon' },
      ],
      [{ deadline: 100 }, { aborted: 100, ended: 2_100, level: 'abandon' }],
      [
        { deadline: 100, abortGrace: undefined },
        { aborted: 100, ended: 2_100, level: 'abandon' },
      ],
      [{ deadline: 100, abortGrace: Infinity }, { aborted: 100 }],
      [{ deadline: Infinity }, {}],
      [
        { deadline: 2 ** 31 - 1, abortGrace: 5 },
        { aborted: 2 ** 31 - 1, ended: 2 ** 31 + 4, level: 'abandon' },
      ],
      [
        { deadline: 2 ** 31, abortGrace: 2 ** 32 },
        { aborted: 2 ** 31, ended: 2 ** 31 + 2 ** 32, level: 'abandon' },
      ],
    ];
    for (const [config, result] of deadlines) {
      const { deadline, abortGrace } = config;
      const grace = 'abortGrace' in config ? ` and a grace of ${String(abortGrace)}` : '';
      it(`of ${deadline} ms${grace}: ${JSON.stringify(result)}`, async () => {
        expect(await overdue((jobs) => jobs.shutdown('drain', config))).to.eql(result);
      });
    }

    it("counts from the call, for 'discard' as for 'drain'; at 'abort' only the grace counts", async () => {
      const config = { deadline: 10, abortGrace: 5 };
      const ends: Overdue[] = [];
      for (const level of LEVELS) ends.push(await overdue((jobs, at) => at(100, () => jobs.shutdown(level, config))));
      expect(ends).to.eql([
        { aborted: 110, ended: 115, level: 'abandon' },
        { aborted: 110, ended: 115, level: 'abandon' },
        { aborted: 100, ended: 105, level: 'abandon' },
        { aborted: 100, ended: 100, level: 'abandon' },
      ]);
    });

    // prettier-ignore
    const several: Record<string, readonly [[number, ShutdownLevel, number][], Overdue]> = {
      'the earlier one, when it is given first': [[[0, 'drain', 50], [0, 'drain', 100]], { aborted: 50, ended: 55, level: 'abandon' }],
      'the earlier one, when it is given last': [[[0, 'drain', 100], [0, 'drain', 50]], { aborted: 50, ended: 55, level: 'abandon' }],
      'the earlier one, when it counts from later': [[[0, 'drain', 100], [20, 'drain', 10]], { aborted: 30, ended: 35, level: 'abandon' }],
      'one that comes with a step back': [[[0, 'discard', Infinity], [0, 'drain', 7]], { aborted: 7, ended: 12, level: 'abandon' }],
      'one that comes after a shutdown without any': [[[0, 'discard', Infinity], [5, 'discard', 7]], { aborted: 12, ended: 17, level: 'abandon' }],
    };
    for (const [name, [calls, result]] of Object.entries(several)) {
      it(`of several: ${name}, counts`, async () => {
        const seen = await overdue((jobs, at) => {
          for (const [frame, level, deadline] of calls)
            at(frame, () => jobs.shutdown(level, { deadline, abortGrace: 5 }));
        });
        expect(seen).to.eql(result);
      });
    }

    it('has passed when somebody aborts: the grace counts from there, and the shortest one that was given', async () => {
      const seen = await overdue((jobs, at) => {
        void jobs.shutdown('drain', { deadline: 100, abortGrace: 10 });
        void jobs.shutdown('drain', { deadline: 200, abortGrace: 50 });
        at(20, () => jobs.shutdown('abort'));
      });
      expect(seen).to.eql({ aborted: 20, ended: 30, level: 'abandon' });
    });

    it('has no effect when the work settles in time, and its timer is gone', async () => {
      const scheduler = new VirtualTimeScheduler();
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1, scheduler });
      for (const job of ['a', 'b']) jobs.offer(job);
      const ended = jobs.shutdown('drain', { deadline: 100 });
      scheduler.schedule(() => held.complete('a'), 10);
      scheduler.schedule(() => held.complete('b'), 20);
      scheduler.flush();
      expect((await ended).level).to.equal('drain');
      expect(scheduler.now()).to.equal(20);
      expect(scheduler.actions).to.eql([]);
    });

    for (const [first, level, ended] of [
      ['last job', 'drain', 'a completed'],
      ['deadline', 'abort', 'a aborted'],
    ] as const) {
      it(`at the very moment of the last job's end: the ${first} is first, and the job ends once`, async () => {
        const scheduler = new VirtualTimeScheduler();
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0, scheduler });
        jobs.offer('a');
        const outcomes = outcomesOf(jobs);
        const end = (): unknown => scheduler.schedule(() => void (held.stopped.length > 0 || held.complete('a')), 10);
        if (first === 'last job') end();
        const report = jobs.shutdown('drain', { deadline: 10 });
        if (first === 'deadline') end();
        scheduler.flush();
        expect([(await report).level, outcomes]).to.eql([level, [ended]]);
      });
    }

    it('may be timed by another scheduler than the pool', async () => {
      const scheduler = new VirtualTimeScheduler();
      const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 0 });
      jobs.offer('a');
      const ended = jobs.shutdown('drain', { deadline: 1_000_000, scheduler });
      scheduler.flush();
      expect((await ended).level).to.equal('abort');
    });

    it('is nothing after the end', async () => {
      const scheduler = new VirtualTimeScheduler();
      const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 0, scheduler });
      await jobs.shutdown();
      expect((await jobs.shutdown('abort', { deadline: 10 })).level).to.equal('drain');
      expect(scheduler.actions).to.eql([]);
    });

    const wrong: [object, typeof TypeError | typeof RangeError, string][] = [
      [{ deadline: NaN }, RangeError, 'deadline must be a number of milliseconds ≥ 0, or Infinity, but is NaN'],
      [{ deadline: -1 }, RangeError, 'but is -1'],
      [{ deadline: -Infinity }, RangeError, 'but is -Infinity'],
      [{ deadline: '5' }, TypeError, "but is '5'"],
      [{ deadline: null }, TypeError, 'but is null'],
      [{ deadline: 5n }, TypeError, 'but is 5n'],
      [{ deadline: [5] }, TypeError, 'but is an array'],
      [{ deadline: new Date(5) }, TypeError, 'but is an object'],
      [{}, TypeError, 'deadline must be'],
      [{ deadline: 1, abortGrace: -1 }, RangeError, 'abortGrace must be'],
      [{ deadline: 1, abortGrace: null }, TypeError, 'abortGrace must be'],
      [{ deadline: 1, scheduler: {} }, TypeError, 'scheduler.now must be'],
      [{ deadlin: 1 }, TypeError, "did you mean 'deadline'"],
      [{ deadline: 1, on: NEVER }, TypeError, "has no option 'on'"],
    ];
    it('is checked when it is given, and then nothing has happened', async () => {
      const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: wrong.length });
      for (const [config, type, message] of wrong) {
        expect(() => jobs.shutdown('drain', config as DeadlineConfig), message).to.throw(type, message);
        expect(jobs.offer(config)).to.equal(true);
      }
      await jobs.shutdown('abort');
    });
  });

  describe("the option 'shutdown'", () => {
    for (const [value, level] of [
      ['discard', 'discard'],
      ['abandon', 'abandon'],
      ['SIGTERM', 'drain'],
      [undefined, 'drain'],
    ] as const) {
      it(`is a notifier: ${String(value)} is '${level}'`, async () => {
        const shutdown = new Subject<unknown>();
        const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 0, shutdown });
        shutdown.next(value);
        expect((await jobs.ended).level).to.equal(level);
        expect(shutdown.observed).to.equal(false);
      });
    }

    it('and the method escalate each other', async () => {
      const shutdown = new Subject<ShutdownLevel>();
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 1, shutdown });
      for (const job of ['a', 'b']) jobs.offer(job);
      shutdown.next('drain');
      void jobs.shutdown('discard');
      expect(nonZero(jobs.stats)).to.eql({ offered: 2, accepted: 2, evicted: 1, running: 1 });
      shutdown.next('abort');
      void jobs.shutdown('drain');
      expect(held.contexts.get('a')!.signal.aborted).to.equal(true);
      shutdown.next('abandon');
      expect((await jobs.ended).level).to.equal('abandon');
    });

    it('may have emitted before the pool is made: that never takes a job', async () => {
      const jobs = new BackgroundJobs((job: string) => of(job), {
        workers: 1,
        buffer: 0,
        shutdown: new BehaviorSubject(0),
      });
      expect(jobs.offer('a')).to.equal(false);
      expect((await jobs.ended).level).to.equal('drain');
    });

    it('ends nothing by its completion or its error; that is reported', async () => {
      const error = new Error('notifier');
      for (const shutdown of [of<unknown>().pipe(), throwError(() => error)]) {
        const jobs = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: 0, shutdown });
        expect(jobs.offer('a')).to.equal(true);
        await jobs.shutdown();
      }
      await turn();
      expect(takeReported()).to.eql([error]);
    });

    it('may be a graceful shutdown with deadlines of its own', async () => {
      const scheduler = new VirtualTimeScheduler();
      const on = new Subject<void>();
      const shutdown = gracefulShutdown({ on, deadline: 10, abortGrace: 5, scheduler });
      const jobs = new BackgroundJobs(() => new Promise<never>(() => undefined), { workers: 1, buffer: 0, shutdown });
      jobs.offer('a');
      on.next();
      scheduler.flush();
      expect([(await jobs.ended).level, scheduler.now()]).to.eql(['abandon', 15]);
    });
  });

  describe('ended', () => {
    const enders: Record<string, (jobs: BackgroundJobs<string, unknown>, notifier: Subject<unknown>) => unknown> = {
      shutdown: (jobs) => jobs.shutdown(),
      'the option': (_jobs, notifier) => notifier.next('drain'),
      'Symbol.asyncDispose': (jobs) => jobs[Symbol.asyncDispose](),
    };
    for (const [name, end] of Object.entries(enders)) {
      it(`resolves when ${name} has ended the pool, although jobs of it have failed`, async () => {
        const notifier = new Subject<unknown>();
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 0, shutdown: notifier });
        const fates = [fateOf(jobs.ended), fateOf(jobs.submit('a'))];
        void end(jobs, notifier);
        await turn();
        expect(fates.map(({ status }) => status)).to.eql(['open', 'open']);
        held.fail('a', new Error('a'));
        await turn();
        expect(fates.map(({ status }) => status)).to.eql(['fulfilled', 'rejected']);
        expect(fates[0]!.value).to.deep.include({ level: 'drain', dropped: [], abandoned: [] });
      });
    }
  });

  describe('Symbol.asyncDispose', () => {
    it('drains at the end of the block, whatever ends it', async () => {
      const outcomes: string[] = [];
      const block = async (): Promise<void> => {
        await using jobs = new BackgroundJobs(async (job: string) => job, { workers: 1, buffer: 1 });
        jobs.outcomes$.subscribe((outcome) => outcomes.push(brief(outcome)));
        for (const job of ['a', 'b']) jobs.offer(job);
        throw new Error('the block');
      };
      const fate = fateOf(block());
      await turn();
      expect([fate.status, (fate.value as Error).message]).to.eql(['rejected', 'the block']);
      expect(outcomes).to.eql(['a completed', 'b completed']);
    });

    it('resolves with nothing, and may be called after a shutdown', async () => {
      const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 0 });
      await jobs.shutdown('abort');
      expect(await jobs[Symbol.asyncDispose]()).to.equal(undefined);
    });
  });

  describe('what nobody sees', () => {
    const error = new Error('unseen');
    const make = (hooks?: JobHooks<string>): BackgroundJobs<string, unknown> =>
      new BackgroundJobs(throwing(error) as () => ObservableInput<unknown>, { workers: 1, buffer: 0, hooks });

    const watchers: Record<string, readonly [JobHooks<string> | undefined, boolean, number]> = {
      nobody: [undefined, false, 1],
      'hooks, but none for settled': [{ accepted() {}, started() {}, released() {} }, false, 1],
      'a hook for settled': [{ settled() {} }, false, 0],
      'a subscriber of outcomes$': [undefined, true, 0],
    };
    const ways: Record<string, (jobs: BackgroundJobs<string, unknown>) => unknown> = {
      offered: (jobs) => jobs.offer('a'),
      sent: (jobs) => jobs.send('a'),
      'listened to': (jobs) => jobs.listenTo(of('a')),
    };
    for (const [who, [hooks, subscribes, times]] of Object.entries(watchers)) {
      for (const [way, give] of Object.entries(ways)) {
        it(`a job that was ${way} and fails, watched by ${who}, is ${times === 0 ? 'not ' : ''}reported`, async () => {
          const jobs = make(hooks);
          if (subscribes) jobs.outcomes$.subscribe();
          give(jobs);
          await turn();
          expect(takeReported()).to.eql(times === 0 ? [] : [error]);
          await jobs.shutdown();
        });
      }
    }

    it('a failure is reported again when the last subscriber of outcomes$ has gone', async () => {
      const jobs = make();
      jobs.outcomes$.subscribe().unsubscribe();
      jobs.offer('a');
      await turn();
      expect(takeReported()).to.eql([error]);
      await jobs.shutdown();
    });

    it('a failure of a submitted job is its promise’s business alone', async () => {
      const jobs = make();
      const fate = fateOf(jobs.submit('a'));
      await turn();
      expect([fate.value, takeReported()]).to.eql([error, []]);
      await jobs.shutdown();
    });

    it('a drop is never reported, whoever has lost', async () => {
      const reasons: string[] = [];
      for (const overflow of POLICIES) {
        const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 1, overflow });
        for (const job of ['a', 'b', 'c']) jobs.offer(job);
        const { stats } = await jobs.shutdown('abort');
        jobs.offer('late');
        reasons.push(`${stats.refused} refused, ${stats.evicted} evicted`);
      }
      await turn();
      expect(takeReported()).to.eql([]);
      expect(reasons).to.eql([
        '1 refused, 1 evicted',
        '1 refused, 1 evicted',
        '0 refused, 2 evicted',
        '0 refused, 2 evicted',
        '0 refused, 2 evicted',
      ]);
    });

    const rejections: Record<string, readonly [(jobs: BackgroundJobs<string, unknown>) => unknown, unknown[]]> = {
      'whose work fails': [(jobs) => jobs.submit('fails'), [error]],
      'whose work fails, and that has a signal': [
        (jobs) => jobs.submit('fails', { signal: new AbortController().signal }),
        [error],
      ],
      'whose work fails after it has waited': [
        (jobs) => {
          jobs.offer('runs');
          void jobs.submit('fails', { wait: true });
        },
        [error],
      ],
      'that is refused by a full pool': [(jobs) => [jobs.offer('runs'), jobs.submit('full')], []],
      'that is evicted': [(jobs) => [jobs.offer('runs'), jobs.submit('evicted'), jobs.offer('evicts')], []],
      'that is dropped by a shutdown': [
        (jobs) => [jobs.offer('runs'), jobs.submit('queued'), jobs.shutdown('discard')],
        [],
      ],
      'that waits when the pool is shut down': [
        (jobs) => [
          jobs.offer('runs'),
          jobs.offer('queued'),
          jobs.submit('waits', { wait: true }),
          jobs.shutdown('discard'),
        ],
        [],
      ],
      'that comes too late': [(jobs) => [jobs.shutdown(), jobs.submit('late')], []],
      'that is aborted with its pool': [(jobs) => [jobs.submit('runs'), jobs.shutdown('abort')], []],
      'that is abandoned': [(jobs) => [jobs.submit('hangs'), jobs.shutdown('abandon')], []],
      'whose caller has gone already': [(jobs) => jobs.submit('a', { signal: AbortSignal.abort() }), []],
      'that its caller gives up while it runs': [(jobs) => givenUp((signal) => jobs.submit('runs', { signal })), []],
      'that its caller gives up while it is queued': [
        (jobs) => [jobs.offer('runs'), givenUp((signal) => jobs.submit('queued', { signal }))],
        [],
      ],
    };
    function givenUp(act: (signal: AbortSignal) => unknown): void {
      const controller = new AbortController();
      act(controller.signal);
      controller.abort();
    }
    for (const [name, [act, reasons]] of Object.entries(rejections)) {
      it(`a submit that is ignored and ${name} raises ${reasons.length === 0 ? 'no ' : ''}unhandledRejection`, async () => {
        const runs = new Subject<void>();
        const work = (job: string): ObservableInput<unknown> => {
          if (job === 'fails') throw error;
          return job === 'hangs' ? new Promise(() => undefined) : runs;
        };
        const jobs = new BackgroundJobs(work, { workers: 1, buffer: 1, overflow: 'drop-oldest' });
        const raised = await unhandledRejections(() => {
          act(jobs);
          runs.complete();
        });
        await jobs.shutdown('abandon');
        expect(raised).to.eql(reasons);
      });
    }

    for (const [name, act] of Object.entries<(jobs: BackgroundJobs<string, unknown>) => unknown>({
      'is closed': (jobs) => [jobs.offer('runs'), jobs.send('waits'), jobs.shutdown('abort')],
      'comes too late': (jobs) => [jobs.shutdown(), jobs.send('late')],
      'is given up': (jobs) => [jobs.offer('runs'), givenUp((signal) => jobs.send('waits', { signal }))],
    })) {
      it(`a send that is ignored and ${name} raises no unhandledRejection`, async () => {
        const jobs = new BackgroundJobs((_job: string) => NEVER, { workers: 1, buffer: 0 });
        expect(await unhandledRejections(() => act(jobs))).to.eql([]);
        await jobs.shutdown('abort');
      });
    }
  });

  describe('work that calls its own pool', () => {
    it('offers a job: when it fits, when the pool is full, when it is closed', async () => {
      const answers: boolean[] = [];
      const work = (job: string): Observable<string> => {
        if (job === 'a') answers.push(jobs.offer('b'), jobs.offer('c'));
        if (job === 'b') void jobs.shutdown();
        if (job === 'b') answers.push(jobs.offer('d'));
        return of(job);
      };
      const jobs: BackgroundJobs<string, string | undefined> = new BackgroundJobs(work, { workers: 1, buffer: 1 });
      const outcomes = outcomesOf(jobs);
      jobs.offer('a');
      await jobs.ended;
      expect(answers).to.eql([true, false, false]);
      expect(outcomes).to.eql(['c full', 'a completed', 'd closed', 'b completed']);
    });

    it('starts the job that it offers at once, in the middle of its own start, when another worker is free', async () => {
      const log: string[] = [];
      const work = (job: string, { worker }: JobContext): Observable<string> => {
        log.push(`${job} on ${worker}`);
        if (job === 'a') jobs.offer('b');
        log.push(`${job} started`);
        return of(job);
      };
      const jobs: BackgroundJobs<string, string | undefined> = new BackgroundJobs(work, { workers: 2, buffer: 0 });
      jobs.offer('a');
      expect(log).to.eql(['a on 1', 'b on 2', 'b started', 'a started']);
      await jobs.shutdown();
    });

    it('awaits a send, and a submit, for which there is another place', async () => {
      const work = async (job: string): Promise<string> => {
        if (job !== 'a') return job;
        await jobs.send('b');
        return `a got ${await jobs.submit('c', { wait: true })}`;
      };
      const jobs: BackgroundJobs<string, string> = new BackgroundJobs(work, { workers: 2, buffer: 0 });
      expect(await jobs.submit('a')).to.equal('a got c');
      await jobs.shutdown();
    });

    const waits: Record<string, (jobs: BackgroundJobs<string, unknown>, config: DeadlineConfig) => Promise<unknown>> = {
      'the end': (jobs, config) => jobs.shutdown('drain', config),
      'idle()': (jobs, config) => (void jobs.shutdown('drain', config), jobs.idle()),
      'room that only its own end can make': (jobs, config) => {
        const sent = jobs.send('b');
        void jobs.shutdown('drain', { ...config, deadline: 0 });
        return sent.catch(() => jobs.ended);
      },
    };
    for (const [name, wait] of Object.entries(waits)) {
      it(`and awaits ${name} is not waited for longer than its deadline and the grace, and then goes on`, async () => {
        const scheduler = new VirtualTimeScheduler();
        const gone = new Deferred();
        const work = async (): Promise<void> => {
          await wait(jobs, { deadline: 10, abortGrace: 5 });
          gone.resolve();
        };
        const jobs: BackgroundJobs<string, void> = new BackgroundJobs(work, { workers: 1, buffer: 0, scheduler });
        jobs.offer('a');
        scheduler.flush();
        const { level, abandoned } = await jobs.ended;
        expect([level, abandoned, scheduler.now()]).to.eql(['abandon', ['a'], name.startsWith('room') ? 5 : 15]);
        await gone.promise;
      });
    }

    it('and awaits the end as an Observable is stopped at the deadline', async () => {
      const scheduler = new VirtualTimeScheduler();
      const work = (): Observable<unknown> => from(jobs.shutdown('drain', { deadline: 10, abortGrace: 5 }));
      const jobs: BackgroundJobs<string, unknown> = new BackgroundJobs(work, { workers: 1, buffer: 0, scheduler });
      jobs.offer('a');
      scheduler.flush();
      expect([(await jobs.ended).level, scheduler.now()]).to.eql(['abort', 10]);
    });

    const results: Record<string, readonly [() => ObservableInput<unknown>, Record<ShutdownLevel, string>]> = {
      'returns a promise': [
        () => Promise.resolve(1),
        { drain: 'a completed', discard: 'a completed', abort: 'a completed', abandon: 'a aborted, not settled' },
      ],
      'returns an Observable': [
        () => of(1),
        { drain: 'a completed', discard: 'a completed', abort: 'a aborted', abandon: 'a aborted, not settled' },
      ],
    };
    for (const [name, [result, ends]] of Object.entries(results)) {
      for (const level of LEVELS) {
        it(`shuts it down, '${level}', and ${name}: ${ends[level]}`, async () => {
          const work = (job: string): ObservableInput<unknown> => {
            if (job === 'a') void jobs.shutdown(level);
            return result();
          };
          const jobs: BackgroundJobs<string, unknown> = new BackgroundJobs(work, { workers: 1, buffer: 1 });
          const outcomes = outcomesOf(jobs);
          jobs.outcomes$.pipe(take(1)).subscribe();
          jobs.offer('a');
          await jobs.ended;
          expect(outcomes).to.eql([ends[level]]);
          expect((await jobs.ended).stats.running).to.equal(0);
        });
      }
    }

    const abandoners: Record<
      string,
      (stop: () => void) => { work: (job: string, context: JobContext) => ObservableInput<unknown>; hooks?: JobHooks }
    > = {
      'work, which then throws': (stop) => ({
        work: () => {
          stop();
          throw new Error('interrupted');
        },
      }),
      'work, which then rejects': (stop) => ({ work: () => (stop(), Promise.reject(new Error('interrupted'))) }),
      'a hook at its start': (stop) => ({ work: () => of(1), hooks: { started: stop } }),
      'its teardown': (stop) => ({ work: () => new Observable(() => stop) }),
      'a listener of its signal, in an Observable': (stop) => ({
        work: (_job, { signal }) => (signal.addEventListener('abort', stop), NEVER),
      }),
      'a listener of its signal, in a promise': (stop) => ({
        work: (_job, { signal }) => (signal.addEventListener('abort', stop), new Promise(() => undefined)),
      }),
      'a hook at its end': (stop) => ({ work: () => NEVER, hooks: { released: stop } }),
    };
    for (const [where, make] of Object.entries(abandoners)) {
      it(`and abandons it from ${where}, ends once`, async () => {
        const told: string[] = [];
        const { work, hooks } = make(() => void jobs.shutdown('abandon'));
        const settled = { settled: ({ status }: JobOutcome<string, unknown>) => void told.push(status) };
        const jobs: BackgroundJobs<string, unknown> = new BackgroundJobs(work, {
          workers: 1,
          buffer: 0,
          hooks: [hooks ?? {}, settled],
        });
        const outcomes = outcomesOf(jobs);
        const result = fateOf(jobs.submit('a'));
        await jobs.shutdown('abort');
        expect([told, outcomes.length, result.status]).to.eql([['aborted'], 1, 'rejected']);
        expect(nonZero(jobs.stats)).to.eql({ offered: 1, accepted: 1, aborted: 1 });
      });
    }

    it('may be fed from its outcomes without end: a hundred thousand jobs one after another on a flat stack', async () => {
      const jobs = new BackgroundJobs((job: number) => of(job), { workers: 1, buffer: 0 });
      jobs.outcomes$.subscribe(({ job }) => job < 100_000 && jobs.offer(job + 1));
      jobs.offer(0);
      expect(jobs.stats.completed).to.equal(100_001);
      await jobs.shutdown();
    });
  });

  describe('after the end', () => {
    async function ended(): Promise<{ jobs: BackgroundJobs<string, unknown>; held: Held<string> }> {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 1 });
      await jobs.shutdown();
      return { jobs, held };
    }

    it('offer is false, and the job is counted as refused', async () => {
      const { jobs, held } = await ended();
      expect([jobs.offer('a'), nonZero(jobs.stats), held.called]).to.eql([false, { offered: 1, refused: 1 }, []]);
    });

    it('send and submit reject with a JobDroppedError', async () => {
      const { jobs } = await ended();
      for (const promise of [jobs.send('a'), jobs.submit('a'), jobs.submit('a', { wait: true })]) {
        const error = (await promise.catch((reason: unknown) => reason)) as JobDroppedError;
        expect(error).to.be.an.instanceOf(JobDroppedError).that.includes({ reason: 'closed', job: 'a' });
      }
    });

    it('listenTo gives a closed subscription, and the source is not touched', async () => {
      const { jobs } = await ended();
      const touched: string[] = [];
      const source = new Observable<string>(() => void touched.push('subscribed'));
      const iterable = numbered('i', touched);
      expect([jobs.listenTo(source).closed, jobs.listenTo(iterable).closed, touched]).to.eql([true, true, []]);
    });

    it('idle resolves, shutdown gives the same promise, whatever it is asked for', async () => {
      const { jobs } = await ended();
      await jobs.idle();
      for (const level of LEVELS) expect(jobs.shutdown(level, { deadline: 1 })).to.equal(jobs.ended);
      expect((await jobs.ended).level).to.equal('drain');
    });

    it('a hook still hears of what is refused, and the report of the end does not change', async () => {
      const settled: string[] = [];
      const hooks = { settled: (outcome: JobOutcome<string, unknown>) => void settled.push(brief(outcome)) };
      const jobs = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: 0, hooks });
      const { stats } = await jobs.shutdown();
      jobs.offer('a');
      expect([settled, stats.offered, jobs.stats.offered]).to.eql([['a closed'], 0, 1]);
    });
  });

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

  describe('options', () => {
    const work = (): Observable<never> => NEVER;
    const refused: Record<string, readonly [unknown, unknown, string]> = {
      'work that is no function': [null, { workers: 1, buffer: 0 }, "BackgroundJobs's work must be a function"],
      'no config': [work, undefined, 'config'],
      'no workers': [work, { buffer: 0 }, 'workers must be'],
      'no buffer': [work, { workers: 1 }, 'buffer must be'],
      'no worker': [work, { workers: 0, buffer: 0 }, 'workers must be'],
      'an unknown policy': [work, { workers: 1, buffer: 0, overflow: 'drop-latest' }, 'overflow must be one of'],
      'an unknown option': [
        work,
        { workers: 1, buffer: 0, concurrency: 1 },
        "BackgroundJobs has no option 'concurrency'",
      ],
      'a notifier that is an AbortSignal': [
        work,
        { workers: 1, buffer: 0, shutdown: AbortSignal.abort() },
        'shutdown must be',
      ],
      'a notifier that is no object': [work, { workers: 1, buffer: 0, shutdown: 'SIGTERM' }, 'shutdown must be'],
    };
    for (const [name, [given, config, message]] of Object.entries(refused)) {
      it(`refuses ${name}, when it is made`, () => {
        expect(() => new BackgroundJobs(given as () => Observable<never>, config as never)).to.throw(message);
      });
    }

    for (const method of ['send', 'submit'] as const) {
      it(`of ${method} are checked in the call, and nothing is offered`, async () => {
        const jobs = new BackgroundJobs(work, { workers: 1, buffer: 0 });
        for (const config of [null, 1, { sgnal: AbortSignal.abort() }, { signal: 1 }])
          expect(() => jobs[method]('a', config as never)).to.throw(TypeError, method);
        expect(jobs.stats.offered).to.equal(0);
        await jobs.shutdown();
      });
    }

    it('are read once: what is changed later has no effect, and undefined is absent', async () => {
      const config = {
        workers: 1,
        buffer: 0,
        overflow: undefined,
        shutdown: undefined,
        hooks: undefined,
        scheduler: undefined,
        yieldAfter: undefined,
      };
      const jobs = new BackgroundJobs(work, config);
      Object.assign(config, { workers: 5, buffer: 5, overflow: 'clear' });
      const fates = ['a', 'b'].map((job) => fateOf(jobs.submit(job)));
      expect(jobs.stats.workers).to.equal(1);
      await turn();
      expect(fates[1]!.value).to.be.an.instanceOf(BufferOverflowError);
      await jobs.shutdown('abort');
    });
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
        this.buffer = this.draw(4);
        const hooks: JobHooks<number> = {
          accepted: (job) => (this.accepted.push(job), this.look('accepted')),
          started: (job) => (this.started.push(job), this.look('started')),
          settled: (outcome) => (this.settled.push(outcome.job), this.isKept(outcome), this.look('settled')),
          released: () => this.look('released'),
        };
        this.jobs = new BackgroundJobs((job: number, context) => this.work(job, context), {
          workers: this.workers,
          buffer: this.buffer,
          overflow: POLICIES[this.draw(POLICIES.length)],
          hooks,
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
