// What the handle has beside offer, send, submit and listenTo; and that it never goes dark.
import { expect } from 'chai';
import { asyncScheduler, EMPTY, firstValueFrom, lastValueFrom, NEVER, Observable, of, throwError, toArray } from 'rxjs';
import type { ObservableInput, Observer, SchedulerLike } from 'rxjs';
import { BackgroundJobs, byKey, JobAbortedError, JobDroppedError, PoolMonitor } from '../../src/index.js';
import type { JobContext, JobHooks, Work } from '../../src/index.js';
import { fateOf, Held } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';
import { brief, nonZero, numbered, outcomesOf, POLICIES, Pulled } from './support.js';

/** What an Observable has told, from its subscription on. */
function told<T>(log: string[]): Observer<T> {
  return {
    next: (value) => log.push(`next ${String(value)}`),
    error: (error: unknown) => log.push(`error ${error instanceof Error ? error.name : String(error)}`),
    complete: () => log.push('complete'),
  };
}

describe('BackgroundJobs', () => {
  describe('submit$', () => {
    it('is told the end before the next job starts: hooks, downstream, then the job of the same key', () => {
      const log: string[] = [];
      const held = new Held<string>();
      const jobs = new BackgroundJobs<string, unknown>(held.streams as Work<string, Observable<unknown>>, {
        workers: 2,
        buffer: 2,
        queue: byKey(() => 'one'),
        hooks: {
          started: (job) => void log.push(`start ${job}`),
          settled: ({ job }) => void log.push(`hook ${job}`),
        },
      });
      jobs.outcomes$.subscribe(({ job }) => log.push(`downstream ${job}`));
      jobs.submit$('a').subscribe({ complete: () => log.push('caller a') });
      jobs.offer('b');
      held.complete('a');
      expect(log).to.eql(['start a', 'hook a', 'caller a', 'downstream a', 'start b']);
    });

    const make = (
      work: (job: string, context: JobContext) => ObservableInput<unknown>,
      buffer = 1,
    ): BackgroundJobs<string, unknown> => new BackgroundJobs<string, unknown>(work, { workers: 1, buffer });

    const cases: Record<string, [work: () => ObservableInput<unknown>, expected: string[]]> = {
      'every value of a stream': [() => of(1, 2, 3), ['next 1', 'next 2', 'next 3', 'complete']],
      'the value of a promise': [async () => 'done', ['next done', 'complete']],
      'the undefined of a promise': [async () => undefined, ['next undefined', 'complete']],
      'nothing of an empty stream': [() => EMPTY, ['complete']],
      'the error of a stream': [() => throwError(() => new RangeError('a job')), ['error RangeError']],
      'the rejection of a promise': [() => Promise.reject(new RangeError('a job')), ['error RangeError']],
      'every value of an async generator': [
        async function* () {
          yield 1;
          yield 2;
        },
        ['next 1', 'next 2', 'complete'],
      ],
    };
    for (const [what, [work, expected]] of Object.entries(cases)) {
      it(`tells ${what}, and its end`, async () => {
        const log: string[] = [];
        const jobs = make(work);
        jobs.submit$('a').subscribe(told(log));
        await jobs.idle();
        expect(log).to.eql(expected);
        await jobs.shutdown();
      });
    }

    it('offers the job when it is subscribed, and another one with each subscription', async () => {
      const called: string[] = [];
      const jobs = make((job) => [called.push(job)]);
      // Whoever wants one value aborts the stream.
      const values = jobs.submit$('a');
      expect([called.length, jobs.stats.offered]).to.eql([0, 0]);
      expect([await firstValueFrom(values), await firstValueFrom(values)]).to.eql([1, 2]);
      expect(nonZero(jobs.stats)).to.eql({ offered: 2, accepted: 2, aborted: 2 });
      await jobs.shutdown();
    });

    it('errors at a full buffer, under each policy that refuses, and when the pool is closed', async () => {
      for (const [overflow, name] of [
        ['error', 'BufferOverflowError'],
        ['drop-incoming', 'JobDroppedError'],
      ] as const) {
        const log: string[] = [];
        const jobs = new BackgroundJobs((_: string) => NEVER, { workers: 1, buffer: 0, overflow });
        jobs.offer('a');
        jobs.submit$('b').subscribe(told(log));
        const ended = jobs.shutdown('abort');
        jobs.submit$('c').subscribe(told(log));
        jobs.submit$('d', { wait: true }).subscribe(told(log));
        expect(log).to.eql([`error ${name}`, 'error JobDroppedError', 'error JobDroppedError']);
        await ended;
      }
    });

    it('errors when the job is evicted, cleared or aborted', async () => {
      const log: string[] = [];
      const jobs = new BackgroundJobs((_: string) => NEVER, { workers: 1, buffer: 1, overflow: 'drop-oldest' });
      jobs.submit$('runs').subscribe(told(log));
      jobs.submit$('is evicted').subscribe(told(log));
      jobs.submit$('is cleared').subscribe(told(log));
      jobs.clear();
      await jobs.shutdown('abort');
      expect(log).to.eql(['error JobDroppedError', 'error JobDroppedError', 'error JobAbortedError']);
    });

    it('withdraws the job when it is unsubscribed: while it waits for room, while it is queued, while it runs', async () => {
      const held = new Held<string>();
      const jobs = make(held.streams);
      const outcomes = outcomesOf(jobs);
      const [running, , waiting] = [
        jobs.submit$('runs').subscribe(),
        jobs.submit$('stays').subscribe(told([])),
        jobs.submit$('waits', { wait: true }).subscribe(),
      ];
      expect([jobs.stats.running, jobs.stats.queued, jobs.stats.waiting]).to.eql([1, 1, 1]);
      waiting.unsubscribe();
      expect(outcomes).to.eql(['waits withdrawn']);
      running.unsubscribe();
      expect([held.stopped, held.called]).to.eql([['runs'], ['runs', 'stays']]);
      const queued = jobs.submit$('is queued').subscribe();
      queued.unsubscribe();
      expect(outcomes.slice(1)).to.eql(['runs aborted', 'is queued aborted']);
      expect(held.called).to.eql(['runs', 'stays']);
      await jobs.shutdown('abort');
    });

    it("fires the signal of a running promise's job when it is unsubscribed", async () => {
      const reasons: unknown[] = [];
      const jobs = make(
        (_, { signal }) =>
          new Promise((resolve) =>
            signal.addEventListener('abort', () => {
              reasons.push(signal.reason);
              resolve(undefined);
            }),
          ),
      );
      jobs.submit$('a').subscribe().unsubscribe();
      expect(reasons.map((reason) => reason instanceof JobAbortedError)).to.eql([true]);
      await jobs.shutdown();
    });

    it('aborts a stream at its first value where that is all that is wanted', async () => {
      let isStopped = false;
      const jobs = make(
        () =>
          new Observable((values) => {
            values.next(1);
            return () => (isStopped = true);
          }),
      );
      expect([await firstValueFrom(jobs.submit$('a')), isStopped]).to.eql([1, true]);
      expect(nonZero(jobs.stats)).to.eql({ offered: 1, accepted: 1, aborted: 1 });
      await jobs.shutdown();
    });

    it('waits for room where it is told to', async () => {
      const held = new Held<string>();
      const jobs = make(held.promises, 0);
      jobs.offer('a');
      const values = lastValueFrom(jobs.submit$('b', { wait: true }).pipe(toArray()));
      expect(jobs.stats.waiting).to.equal(1);
      held.complete('a', 'of a');
      await turn();
      held.complete('b', 'of b');
      expect(await values).to.eql(['of b']);
      await jobs.shutdown();
    });
  });

  describe('clear', () => {
    it('drops what waits, as cleared; senders are let in, and the pool goes on', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 2 });
      const outcomes = outcomesOf(jobs);
      jobs.offer('runs');
      jobs.offer('b');
      const c = fateOf(jobs.submit('c'));
      const sent = fateOf(jobs.send('sent'));
      const dropped = jobs.clear();
      expect(dropped.map((outcome) => [outcome.job, outcome.id, outcome.reason, outcome.attempts])).to.eql([
        ['b', 1, 'cleared', 0],
        ['c', 2, 'cleared', 0],
      ]);
      expect(outcomes).to.eql(['b cleared', 'c cleared']);
      expect(nonZero(jobs.stats)).to.eql({ offered: 4, accepted: 4, evicted: 2, queued: 1, running: 1 });
      await turn();
      expect([c.status, (c.value as JobDroppedError).reason, sent.status]).to.eql(['rejected', 'cleared', 'fulfilled']);
      held.complete('runs');
      await turn();
      held.complete('sent');
      await jobs.idle();
      expect(nonZero(jobs.stats)).to.eql({ offered: 4, accepted: 4, evicted: 2, completed: 2 });
      expect(jobs.offer('later')).to.equal(true);
      const report = jobs.shutdown();
      held.complete('later');
      // It was no shutdown that dropped them.
      expect((await report).dropped).to.eql([]);
    });

    it('drops nothing where nothing waits', async () => {
      const jobs = new BackgroundJobs((job: string) => [job], { workers: 1, buffer: 2 });
      expect(jobs.clear()).to.eql([]);
      await jobs.shutdown();
      expect(jobs.clear()).to.eql([]);
    });

    it('keeps what a hook offers that is told of it', async () => {
      const hooks: JobHooks<string> = {
        settled: (outcome) =>
          void (outcome.status === 'dropped' && outcome.reason === 'cleared' && jobs.offer(`${outcome.job} again`)),
      };
      const jobs: BackgroundJobs<string, undefined> = new BackgroundJobs((_: string) => NEVER, {
        workers: 1,
        buffer: 5,
        hooks,
      });
      for (const job of ['runs', 'a', 'b']) jobs.offer(job);
      expect(jobs.clear().map(({ job }) => job)).to.eql(['a', 'b']);
      expect(jobs.inspect().queued.map(({ job }) => job)).to.eql(['a again', 'b again']);
      await jobs.shutdown('abandon');
    });
  });

  describe('inspect, level', () => {
    it('shows what runs and what waits, at most 100 of those, in the order in which they would start', async () => {
      const jobs = new BackgroundJobs((_: number) => NEVER, { workers: 2, buffer: Infinity, name: 'mails' });
      for (let n = 0; n < 200; n++) jobs.offer(n);
      const snapshot = jobs.inspect();
      expect(snapshot.name).to.equal('mails');
      expect(
        snapshot.running.map(({ job, id, worker, attempt, lingering }) => [job, id, worker, attempt, lingering]),
      ).to.eql([
        [0, 0, 1, 1, false],
        [1, 1, 2, 1, false],
      ]);
      expect(snapshot.queued.map(({ job, id }) => [job, id])).to.eql(
        Array.from({ length: 100 }, (_, n) => [n + 2, n + 2]),
      );
      expect([snapshot.stats, snapshot.delayed]).to.eql([jobs.stats, []]);
      await jobs.shutdown('abort');
      expect([snapshot.running.length, snapshot.queued.length, snapshot.stats.queued]).to.eql([2, 100, 198]);
      expect([jobs.inspect().running, jobs.inspect().queued]).to.eql([[], []]);
    });

    it('tells the level that was reached', async () => {
      const jobs = new BackgroundJobs((_: number) => NEVER, { workers: 1, buffer: 1 });
      jobs.offer(1);
      const levels = [jobs.level];
      for (const level of ['drain', 'discard', 'drain', 'abandon'] as const) {
        void jobs.shutdown(level);
        levels.push(jobs.level);
      }
      expect(levels).to.eql([undefined, 'drain', 'discard', 'discard', 'abandon']);
      await jobs.ended;
      expect(jobs.level).to.equal('abandon');
    });
  });

  it('gives each job one id: the same in every hook, in its outcome, and to people', async () => {
    const seen = new Map<string, Set<number>>();
    const see = (job: string, id: number): void => void (seen.get(job) ?? seen.set(job, new Set()).get(job)!).add(id);
    const hooks: JobHooks<string> = {
      accepted: see,
      started: (job, _, id) => see(job, id),
      settled: ({ job, id }) => see(job, id),
      released: see,
    };
    const held = new Held<string>();
    const jobs = new BackgroundJobs<string, unknown>(held.promises, {
      workers: 1,
      buffer: 1,
      overflow: 'drop-oldest',
      yieldAfter: Infinity,
      hooks,
    });
    jobs.outcomes$.subscribe(({ job, id }) => see(job, id));
    jobs.offer('a');
    jobs.offer('evicted');
    jobs.offer('b');
    void jobs.send('sent');
    jobs.offer('refused');
    for (const { job, id } of [...jobs.inspect().running, ...jobs.inspect().queued]) see(job, id);
    for (const job of ['a', 'b', 'sent']) {
      held.complete(job);
      await turn();
    }
    await jobs.shutdown();
    jobs.offer('closed');
    const names = ['a', 'evicted', 'b', 'sent', 'refused', 'closed'];
    expect(names.map((job) => [...seen.get(job)!])).to.eql([[0], [1], [2], [3], [4], [5]]);
  });

  describe('as an object', () => {
    it('can be subclassed', async () => {
      class Mails extends BackgroundJobs<string, string> {
        sent = 0;
        constructor() {
          super(async (mail) => `${mail} sent`, { workers: 1, buffer: 1 });
        }
        override async submit(mail: string): Promise<string> {
          this.sent++;
          return super.submit(mail);
        }
      }
      const mails = new Mails();
      expect([await mails.submit('a'), mails.sent, mails.stats.completed]).to.eql(['a sent', 1, 1]);
      expect([mails instanceof BackgroundJobs, mails instanceof Mails]).to.eql([true, true]);
      await mails.shutdown();
    });

    it('works through a Proxy that wraps all that it reads, as reactive states do', async () => {
      const reactive = <T extends object>(target: T): T =>
        new Proxy(target, {
          get: (from, key, receiver) => {
            const value: unknown = Reflect.get(from, key, receiver);
            const isPlain = Object.prototype.toString.call(value) === '[object Object]';
            return isPlain ? reactive(value as object) : value;
          },
        });
      const monitor = new PoolMonitor();
      const pool = new BackgroundJobs(async (n: number) => n * 2, { workers: 1, buffer: 1, hooks: monitor });
      const state = reactive({ pool: reactive(pool), monitor: reactive(monitor) });
      let heard = 0;
      state.pool.outcomes$.subscribe(() => heard++);
      expect(await state.pool.submit(21)).to.equal(42);
      expect([heard, state.monitor.stats.completed, state.pool.stats.completed]).to.eql([1, 1, 1]);
      await state.pool.shutdown();
      expect((await pool.ended).level).to.equal('drain');
    });

    it('works through a Proxy', async () => {
      const jobs = new Proxy(new BackgroundJobs(async (n: number) => n * 2, { workers: 1, buffer: 1 }), {});
      expect([await jobs.submit(21), jobs.offer(1), jobs.stats.offered, jobs.level]).to.eql([42, true, 2, undefined]);
      expect(await lastValueFrom(jobs.submit$(4))).to.equal(8);
      await jobs.send(1);
      expect(jobs.clear()).to.eql([]);
      await jobs.idle();
      await jobs.shutdown();
      expect(jobs.inspect().stats.completed).to.equal(4);
    });

    it('says what to do when a method is called without it', async () => {
      const jobs = new BackgroundJobs((job: string) => [job], { workers: 1, buffer: 1 });
      for (const method of [
        'offer',
        'send',
        'submit',
        'submit$',
        'listenTo',
        'clear',
        'inspect',
        'idle',
        'shutdown',
      ] as const) {
        const detached = jobs[method] as (job: unknown) => unknown;
        expect(() => detached('a')).to.throw(
          TypeError,
          `BackgroundJobs: ${method} was called without its object: call jobs.${method}(…), or bind it`,
        );
      }
      await jobs.shutdown();
    });
  });

  describe('a clock that fails after the construction', () => {
    const faults: Record<string, () => number> = {
      throws: () => {
        throw new RangeError('no time');
      },
      'returns a bigint': () => 1n as unknown as number,
    };
    for (const [what, fault] of Object.entries(faults)) {
      it(`ends the pool, and every promise settles: it ${what}`, async () => {
        let now = (): number => 0;
        const scheduler: SchedulerLike = {
          now: () => now(),
          schedule: asyncScheduler.schedule.bind(asyncScheduler),
        };
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 1, scheduler });
        const fates = ['a', 'b'].map((job) => fateOf(jobs.submit(job)));
        fates.push(fateOf(jobs.send('c')));
        now = fault;
        fates.push(fateOf(jobs.submit('d')), fateOf(jobs.send('e')), fateOf(jobs.idle()), fateOf(jobs.ended));
        await turn();
        held.complete('a');
        await turn();
        fates.push(fateOf(jobs.submit('f')));
        await turn();
        expect(fates.map(({ status }) => status).filter((status) => status === 'open')).to.eql([]);
        expect([jobs.offer('g'), jobs.level, jobs.stats.queued, jobs.stats.running, jobs.stats.waiting]).to.eql([
          false,
          'abandon',
          0,
          0,
          0,
        ]);
        expect(takeReported().map((error) => (error as Error).name)).to.eql([
          what === 'throws' ? 'RangeError' : 'TypeError',
        ]);
      });
    }
  });

  describe('offers inside offers', () => {
    const MANY = 100_000;
    for (const where of ['work', 'accepted', 'started', 'settled', 'released'] as const) {
      it(`need no stack: 100,000 jobs, each offered from ${where}`, async () => {
        const again = (job: number): void => void (job < MANY && jobs.offer(job + 1));
        const hooks: JobHooks<number> =
          where === 'work' ? {} : where === 'settled' ? { settled: ({ job }) => again(job) } : { [where]: again };
        const work = (job: number): number[] => {
          if (where === 'work') again(job);
          return [job];
        };
        const jobs: BackgroundJobs<number, number | undefined> = new BackgroundJobs(work, {
          workers: 2,
          buffer: Infinity,
          hooks,
        });
        jobs.offer(1);
        expect(nonZero(jobs.stats)).to.eql({ offered: MANY, accepted: MANY, completed: MANY });
        await jobs.shutdown();
      });
    }

    for (const overflow of POLICIES) {
      it(`evict nobody where a hook makes them that is told of a loss: ${overflow}`, async () => {
        const answers: boolean[] = [];
        const hooks: JobHooks<string> = {
          settled: (outcome) =>
            void (outcome.status === 'dropped' && answers.length < 50 && answers.push(jobs.offer('again'))),
        };
        const jobs: BackgroundJobs<string, undefined> = new BackgroundJobs((_: string) => NEVER, {
          workers: 1,
          buffer: 2,
          overflow,
          hooks,
        });
        for (const job of ['runs', 'a', 'b', 'c']) jobs.offer(job);
        // Free room is taken: 'clear' has made a place. What is refused is a loss too, of which the hook is told.
        expect(answers.slice(0, 3)).to.eql(overflow === 'clear' ? [true, false, false] : [false, false, false]);
        expect(jobs.inspect().queued.map(({ job }) => job)).to.eql(
          { 'drop-oldest': ['b', 'c'], 'replace-newest': ['a', 'c'], clear: ['c', 'again'] }[overflow as string] ?? [
            'a',
            'b',
          ],
        );
        await jobs.shutdown('abandon');
      });
    }
  });

  describe('turns', () => {
    it('are taken by a flood of senders and an endless generator', async () => {
      const [done, taken]: [string[], string[]] = [[], []];
      const work = async (job: string): Promise<void> => void done.push(job);
      const jobs = new BackgroundJobs(work, { workers: 1, buffer: 0 });
      const listening = jobs.listenTo(numbered('item', taken));
      const senders = Array.from({ length: 100 }, (_, n) => jobs.send(`sent ${n}`));
      await Promise.all(senders);
      listening.unsubscribe();
      await jobs.shutdown();
      const sent = done.filter((job) => job.startsWith('sent'));
      expect(sent).to.eql(Array.from({ length: 100 }, (_, n) => `sent ${n}`));
      const between = done.slice(done.indexOf('sent 0'), done.indexOf('sent 99')).map((job) => job.slice(0, 4));
      expect(between).to.eql(Array.from({ length: between.length }, (_, n) => (n % 2 === 0 ? 'sent' : 'item')));
    });

    it('are taken by two iterables', async () => {
      const [done, taken]: [string[], string[]] = [[], []];
      const work = async (job: string): Promise<void> => void done.push(job);
      const jobs = new BackgroundJobs(work, { workers: 1, buffer: 0 });
      const listening = [jobs.listenTo(numbered('a', taken)), jobs.listenTo(numbered('b', taken))];
      while (done.length < 40) await turn();
      for (const one of listening) one.unsubscribe();
      await jobs.shutdown();
      const owners = done.slice(2, 40).map((job) => job[0]);
      expect(owners.filter((owner, n) => owner === owners[n + 1])).to.eql([]);
    });

    it('are not asked of 1,000 quiet iterables by any job', async () => {
      const quiet = Array.from({ length: 1000 }, () => new Pulled<string>());
      const jobs = new BackgroundJobs(async (job: string) => job, { workers: 2, buffer: 5 });
      for (const source of quiet) jobs.listenTo(source);
      const asks = (): number => quiet.reduce((sum, source) => sum + source.asks.length, 0);
      const before = asks();
      for (let n = 0; n < 200; n++) await jobs.submit(`${n}`);
      expect([before, asks()]).to.eql([1000, 1000]);
      await quiet[500]!.give('an item');
      // Its source alone is asked again.
      expect([quiet[500]!.asks.length, asks(), jobs.stats.completed]).to.eql([1, 1000, 201]);
      await jobs.shutdown();
    });
  });

  for (const overflow of ['drop-oldest', 'replace-newest', 'clear'] as const) {
    it(`evicts nothing that was pulled or sent: ${overflow}`, async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 4, overflow });
      const outcomes = outcomesOf(jobs);
      const source = new Pulled<string>();
      jobs.offer('runs');
      jobs.listenTo(source);
      await source.give('pulled');
      await jobs.send('sent');
      void jobs.submit('submitted, waits', { wait: true });
      jobs.offer('offered');
      for (let n = 0; n < 5; n++) jobs.offer(`more ${n}`);
      expect(jobs.inspect().queued.map(({ job }) => job)).to.eql(['pulled', 'sent', 'submitted, waits', 'more 4']);
      expect(outcomes).to.eql(['offered', 'more 0', 'more 1', 'more 2', 'more 3'].map((job) => `${job} evicted`));
      await jobs.shutdown('abandon');
    });

    it(`refuses the arriving job where all that wait were pulled or sent: ${overflow}`, async () => {
      const jobs = new BackgroundJobs((_: string) => NEVER, { workers: 1, buffer: 1, overflow });
      const outcomes: string[] = [];
      jobs.outcomes$.subscribe((outcome) => outcomes.push(brief(outcome)));
      await jobs.send('runs');
      await jobs.send('waits');
      expect([jobs.offer('a'), outcomes]).to.eql([false, ['a full']]);
      await jobs.shutdown('abort');
    });
  }
});
