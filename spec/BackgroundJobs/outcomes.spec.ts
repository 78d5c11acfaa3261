import { expect } from 'chai';
import { NEVER, Observable, of, Subject, take } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { BackgroundJobs, JobAbortedError, PoolMonitor } from '../../src/index.js';
import type { JobFailedError, JobHooks, JobOutcome } from '../../src/index.js';
import { fateOf, Held, unhandledRejections } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';
import { marbles } from '../support/marbles.js';
import { brief, outcomesOf, POLICIES, throwing } from './support.js';

describe('BackgroundJobs', () => {
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
          a: { ...base, job: 'a', id: 0, status: 'completed', value: 'r', ranFor: 4 },
          b: { ...base, job: 'b', id: 1, status: 'failed', error: 'error', queuedFor: 3, ranFor: 3 },
          c: { ...base, job: 'c', id: 2, status: 'dropped', reason: 'full', attempts: 0 },
          e: { ...base, job: 'e', id: 4, status: 'dropped', reason: 'full', attempts: 0 },
          f: {
            ...base,
            job: 'f',
            id: 3,
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

  describe('what nobody sees', () => {
    const error = new Error('unseen');
    const make = (hooks?: JobHooks<string>): BackgroundJobs<string, unknown> =>
      new BackgroundJobs(throwing(error) as () => ObservableInput<unknown>, { workers: 1, buffer: 0, hooks });

    const watchers: Record<string, readonly [JobHooks<string> | undefined, boolean, number]> = {
      nobody: [undefined, false, 1],
      'hooks, but none for settled': [{ accepted() {}, started() {}, released() {} }, false, 1],
      'a hook for settled': [{ settled() {} }, false, 0],
      'a subscriber of outcomes$': [undefined, true, 0],
      'a PoolMonitor, which only counts': [new PoolMonitor<string>(), false, 1],
    };
    const ways: Record<string, (jobs: BackgroundJobs<string, unknown>) => unknown> = {
      offered: (jobs) => jobs.offer('a'),
      sent: (jobs) => jobs.send('a'),
      'listened to': (jobs) => jobs.listenTo(['a']),
    };
    for (const [who, [hooks, subscribes, times]] of Object.entries(watchers)) {
      for (const [way, give] of Object.entries(ways)) {
        it(`a job that was ${way} and fails, watched by ${who}, is ${times === 0 ? 'not ' : ''}reported`, async () => {
          const jobs = make(hooks);
          if (subscribes) jobs.outcomes$.subscribe();
          give(jobs);
          await turn();
          const reported = takeReported() as JobFailedError<string>[];
          expect(reported.map(({ name, job, cause }) => [name, job, cause])).to.eql(
            times === 0 ? [] : [['JobFailedError', 'a', error]],
          );
          await jobs.shutdown();
        });
      }
    }

    it('a failure is reported again when the last subscriber of outcomes$ has gone', async () => {
      const jobs = make();
      jobs.outcomes$.subscribe().unsubscribe();
      jobs.offer('a');
      await turn();
      expect((takeReported() as JobFailedError[]).map(({ cause }) => cause)).to.eql([error]);
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
});
