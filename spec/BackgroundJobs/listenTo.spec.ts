import { expect } from 'chai';
import { concat, map, NEVER, Observable, of, range, Subject, take, tap, throwError } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { BackgroundJobs, pullFrom } from '../../src/index.js';
import type { JobContext, JobHooks } from '../../src/index.js';
import { fateOf, Held } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';
import { marbles } from '../support/marbles.js';
import { LEVELS, listening, nonZero, numbered, outcomesOf, POLICIES, Pulled, throwing } from './support.js';

describe('BackgroundJobs', () => {
  describe('listenTo', () => {
    it('takes the jobs of several sources, and their completion ends nothing', () =>
      marbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
        const one = hot('        -a---b--|         ');
        const other = hot('      --x----y---z|     ');
        const run = cold('         --(r|)          ');
        const expected = '       ---ax--b-y---z----';
        const jobs = new BackgroundJobs((job: string) => run.pipe(map(() => job)), {
          workers: 2,
          buffer: 0,
          overflow: 'drop-incoming',
        });
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
        const jobs = new BackgroundJobs((job: string) => run.pipe(map(() => job)), {
          workers: 1,
          buffer: 2,
          overflow: 'drop-incoming',
        });
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
        const jobs = new BackgroundJobs((job: string) => run.pipe(map(() => job)), {
          workers: 2,
          buffer: 0,
          overflow: 'drop-incoming',
          shutdown,
        });
        jobs.listenTo(one);
        jobs.listenTo(other);
        expectObservable(jobs.outcomes$.pipe(map(({ job }) => job))).toBe(expected);
        expectSubscriptions(one.subscriptions).toBe('  ^-----!');
        expectSubscriptions(other.subscriptions).toBe('^-----!');
      }));

    it("refuses an Observable where it is wired, which could only overflow a finite buffer under 'error'", async () => {
      const jobs = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: 3 });
      const source = new Subject<string>();
      expect(() => jobs.listenTo(source)).to.throw(
        TypeError,
        "listenTo: an Observable cannot be asked to wait, and at a full buffer (3) overflow is 'error'",
      );
      expect([source.observed, jobs.offer('a')]).to.eql([false, true]);
      await jobs.shutdown();
    });

    it("takes one where the buffer has no bound, also under 'error'; and an iterable anyway", async () => {
      const endless = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: Infinity });
      const bounded = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: 0 });
      endless.listenTo(of('a', 'b'));
      bounded.listenTo(['a', 'b']);
      bounded.listenTo(pullFrom(['c']));
      expect([endless.stats.completed, bounded.stats.completed]).to.eql([2, 3]);
      await Promise.all([endless.shutdown(), bounded.shutdown()]);
    });

    for (const overflow of POLICIES.filter((policy) => policy !== 'error')) {
      const evicts = overflow !== 'drop-incoming';
      it(`goes on after an overflow, '${overflow}'`, async () => {
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1, overflow });
        const source = new Subject<string>();
        const listening = jobs.listenTo(source);
        for (const job of ['a', 'b', 'c']) source.next(job);
        expect([listening.closed, nonZero(jobs.stats)]).to.eql([
          false,
          evicts
            ? { offered: 3, accepted: 3, evicted: 1, queued: 1, running: 1 }
            : { offered: 3, accepted: 2, refused: 1, queued: 1, running: 1 },
        ]);
        await jobs.shutdown('abort');
      });
    }

    it('stops a synchronous source when a job of it shuts the pool down', async () => {
      const pushed: number[] = [];
      const work = (job: number): Observable<number> => {
        if (job === 2) void jobs.shutdown();
        return of(job);
      };
      const jobs: BackgroundJobs<number, number | undefined> = new BackgroundJobs(work, {
        workers: 1,
        buffer: 0,
        overflow: 'drop-incoming',
      });
      expect(jobs.listenTo(range(0, Infinity).pipe(tap((job) => pushed.push(job)))).closed).to.equal(true);
      expect(pushed).to.eql([0, 1, 2]);
      await jobs.ended;
    });

    it('ends the subscription whose source errors and reports that; the pool goes on', async () => {
      const jobs = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: 0, overflow: 'drop-incoming' });
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

    it('lets those who wait for room and an iterable take turns', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      jobs.listenTo(pullFrom(numbered('i', [])));
      void jobs.send('a');
      void jobs.send('b');
      for (const job of ['i1', 'a', 'i2', 'b']) held.complete(job);
      expect(held.called).to.eql(['i1', 'a', 'i2', 'b', 'i3']);
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

    it('tells an iterable that was unsubscribed with an item on its way to return when nothing runs any more', async () => {
      const { held, source, jobs, outcomes } = listening(1, 1);
      jobs.offer('a');
      jobs.listenTo(new Pulled<string>());
      const other = new Pulled<string>();
      jobs.listenTo(other).unsubscribe();
      expect([other.asks.length, other.returned]).to.eql([1, 0]);
      held.complete('a');
      await turn();
      await turn();
      expect([source.returned, other.returned]).to.eql([0, 1]);
      await other.give('late');
      expect([held.called, outcomes]).to.eql([['a', 'late'], ['a completed']]);
      await jobs.shutdown('abandon');
    });

    it('reports what an iterable throws instead of an iterator; the pool goes on', async () => {
      const error = new Error('no iterator');
      const jobs = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: 0 });
      const subscriptions = [Symbol.iterator, Symbol.asyncIterator].map((symbol) =>
        jobs.listenTo({ [symbol]: throwing(error) } as unknown as Iterable<string>),
      );
      expect(subscriptions.map(({ closed }) => closed)).to.eql([true, true]);
      await turn();
      expect(takeReported()).to.eql([error, error]);
      expect(await jobs.submit('a')).to.equal('a');
      expect((await jobs.shutdown()).stats.completed).to.equal(1);
    });

    for (const level of LEVELS) {
      const runs = level === 'drain';
      it(`${runs ? 'runs' : 'refuses'} an item that was on its way and arrives after '${level}' while the pool lives`, async () => {
        const { held, source, jobs, outcomes } = listening(1, 1);
        jobs.offer('a');
        const ended = jobs.shutdown(level);
        // At a drain the iterator is told when its item has come.
        expect(source.returned).to.equal(runs ? 0 : 1);
        await source.give('late');
        expect(source.returned).to.equal(1);
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
      const { held, source, jobs } = listening(1, 1, 'drop-incoming');
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
});
