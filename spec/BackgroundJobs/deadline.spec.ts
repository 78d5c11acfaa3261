import { expect } from 'chai';
import { NEVER, VirtualTimeScheduler } from 'rxjs';
import { BackgroundJobs } from '../../src/index.js';
import type { DeadlineConfig, JobContext, ShutdownLevel } from '../../src/index.js';
import { Held } from '../support/deferred.js';
import { turn } from '../support/guard.js';
import { LEVELS, outcomesOf } from './support.js';

describe('BackgroundJobs', () => {
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
      [{ deadline: new Date(5) }, TypeError, 'but is a Date'],
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
});
