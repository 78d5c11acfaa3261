import { expect } from 'chai';
import { from, NEVER, Observable, of, take, VirtualTimeScheduler } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { BackgroundJobs } from '../../src/index.js';
import type { DeadlineConfig, JobContext, JobHooks, JobOutcome, ShutdownLevel } from '../../src/index.js';
import { Deferred, fateOf } from '../support/deferred.js';
import { brief, LEVELS, nonZero, outcomesOf } from './support.js';

describe('BackgroundJobs', () => {
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
      expect(outcomes).to.eql(['a completed', 'b completed', 'c full', 'd closed']);
    });

    it('starts the job that it offers when it has started itself, on another worker that is free', async () => {
      const log: string[] = [];
      const work = (job: string, { worker }: JobContext): Observable<never> => {
        log.push(`${job} on ${worker}`);
        if (job === 'a') jobs.offer('b');
        log.push(`${job} started`);
        return NEVER;
      };
      const jobs: BackgroundJobs<string, undefined> = new BackgroundJobs(work, { workers: 2, buffer: 0 });
      jobs.offer('a');
      expect(log).to.eql(['a on 1', 'a started', 'b on 2', 'b started']);
      await jobs.shutdown('abort');
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
        const { level, aborted, dropped } = await jobs.ended;
        expect([level, aborted.map(brief), scheduler.now()]).to.eql([
          'abandon',
          ['a aborted, not settled'],
          name.startsWith('room') ? 5 : 15,
        ]);
        expect(dropped).to.eql([]);
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
});
