import { expect } from 'chai';
import { BehaviorSubject, NEVER, Observable, of, Subject, take, throwError, VirtualTimeScheduler } from 'rxjs';
import { BackgroundJobs, gracefulShutdown, JobAbortedError, JobDroppedError } from '../../src/index.js';
import type { DeadlineConfig, JobOutcome, ShutdownLevel, ShutdownReport } from '../../src/index.js';
import { fateOf, Held } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';
import { brief, LEVELS, nonZero, numbered, outcomesOf } from './support.js';

describe('BackgroundJobs', () => {
  describe('shutdown', () => {
    /** A pool that is full: a and b run, c and d are queued, s waits for room. */
    function full(form: 'promises' | 'streams'): {
      held: Held<string>;
      jobs: BackgroundJobs<string, unknown>;
      outcomes: string[];
    } {
      const held = new Held<string>();
      const jobs = new BackgroundJobs<string, unknown>(held[form], { workers: 2, buffer: 2 });
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
          const told = report.aborted.map(brief);
          if (level === 'abort') expect(told).to.eql(form === 'promises' ? ['b aborted'] : ['a aborted', 'b aborted']);
          else if (level !== 'abandon') expect(told).to.eql([]);
          else
            expect(told).to.eql(['a', 'b'].map((job) => `${job} aborted${form === 'promises' ? ', not settled' : ''}`));
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

    it("takes a deadline alone for 'drain' with it", async () => {
      const scheduler = new VirtualTimeScheduler();
      const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 1, scheduler });
      for (const job of ['a', 'b']) jobs.offer(job);
      expect(() => jobs.shutdown({} as DeadlineConfig)).to.throw(TypeError, 'deadline must be');
      expect([jobs.level, jobs.offer('c')]).to.eql([undefined, false]);
      void jobs.shutdown({ deadline: 10 });
      expect(jobs.level).to.equal('drain');
      scheduler.flush();
      const { level, aborted, dropped } = await jobs.ended;
      expect([level, scheduler.now(), aborted.map(brief), dropped.map(brief)]).to.eql([
        'abort',
        10,
        ['a aborted'],
        ['b shutdown'],
      ]);
    });

    for (const level of ['Drain', 'kill', '', null, 0] as unknown[]) {
      it(`refuses the level ${JSON.stringify(level)}, and the pool stays open`, async () => {
        const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 0 });
        expect(() => jobs.shutdown(level as ShutdownLevel)).to.throw(TypeError, 'level must be one of');
        expect(jobs.offer('a')).to.equal(true);
        await jobs.shutdown('abort');
      });
    }
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
        expect(fates[0]!.value).to.deep.include({ level: 'drain', dropped: [], aborted: [] });
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
});
