import { expect } from 'chai';
import { EMPTY, from, NEVER, Observable, of, Subject, take } from 'rxjs';
import { workerPoolSettled } from '../../src/index.js';
import type { JobHooks, ShutdownLevel } from '../../src/index.js';
import { Accounts } from '../support/accounts.js';
import { takeReported, turn } from '../support/guard.js';
import { brief, promised, settledJobs, thrower } from './support.js';
import type { Outcome } from './support.js';

const LEVELS = ['drain', 'discard', 'abort', 'abandon'] as const;

describe('workerPoolSettled', () => {
  describe('order', () => {
    it('is, for one event: hooks in array order, downstream, the next start', () => {
      const log: string[] = [];
      const source = new Subject<string>();
      const ends: Subject<void>[] = [];
      const work = (job: string): Observable<void> => {
        log.push(`work ${job}`);
        ends.push(new Subject());
        return ends.at(-1)!;
      };
      const named = (name: string): JobHooks<string> => ({
        accepted: (job) => log.push(`${name} accepted ${job}`),
        started: (job) => log.push(`${name} started ${job}`),
        settled: ({ job, status }) => log.push(`${name} ${status} ${job}`),
        released: (job) => log.push(`${name} released ${job}`),
      });
      source
        .pipe(
          workerPoolSettled(work, {
            workers: 1,
            buffer: 1,
            overflow: 'drop-oldest',
            hooks: [named('1st'), named('2nd')],
          }),
        )
        .subscribe(({ job, status }) => log.push(`${status} ${job}`));
      source.next('a');
      expect(log.splice(0)).to.eql(['1st accepted a', '2nd accepted a', '1st started a', '2nd started a', 'work a']);
      source.next('b');
      expect(log.splice(0)).to.eql(['1st accepted b', '2nd accepted b']);
      source.next('c');
      expect(log.splice(0)).to.eql(['1st dropped b', '2nd dropped b', 'dropped b', '1st accepted c', '2nd accepted c']);
      ends[0]!.complete();
      expect(log).to.eql([
        '1st completed a',
        '2nd completed a',
        '1st released a',
        '2nd released a',
        'completed a',
        '1st started c',
        '2nd started c',
        'work c',
      ]);
    });

    it('is, at an abort: the end of the intake, what waits, the oldest first, then what runs', () => {
      const log: string[] = [];
      const source = new Subject<string>();
      const shutdown = new Subject<ShutdownLevel>();
      source
        .pipe(workerPoolSettled(() => NEVER, { workers: 2, buffer: 2, shutdown }))
        .subscribe(({ job, status }) => log.push(`${status} ${job}, source ${source.observed ? 'open' : 'released'}`));
      for (const job of ['a', 'b', 'c', 'd']) source.next(job);
      shutdown.next('abort');
      expect(log).to.eql([
        'dropped c, source released',
        'dropped d, source released',
        'aborted a, source released',
        'aborted b, source released',
      ]);
    });

    it('has a finalizer before the outcome', () => {
      const log: string[] = [];
      const work = (job: string): Observable<string> =>
        new Observable((subscriber) => {
          subscriber.next(job);
          subscriber.complete();
          return () => log.push('finalizer');
        });
      of('a')
        .pipe(workerPoolSettled(work, { workers: 1, buffer: 0 }))
        .subscribe(({ status }) => log.push(status));
      expect(log).to.eql(['finalizer', 'completed']);
    });
  });

  describe('hooks', () => {
    /** Every event of the lives of a, which runs, of b, which waits and is evicted, of c, which waits, and of a refused d. */
    function lives(hooks: (log: string[]) => JobHooks<string>): string[] {
      const log: string[] = [];
      const source = new Subject<string>();
      const first = new Subject<never>();
      const work = (job: string): Observable<never> => (log.push(`work ${job}`), job === 'a' ? first : EMPTY);
      const overflow = 'drop-oldest';
      source.pipe(workerPoolSettled(work, { workers: 1, buffer: 1, overflow, hooks: hooks(log) })).subscribe();
      for (const job of ['a', 'b', 'c']) source.next(job);
      first.complete();
      source.complete();
      return log;
    }

    it('accepted: the job has a place, it starts at once or it waits', () => {
      expect(lives((log) => ({ accepted: (job) => log.push(`accepted ${job}`) }))).to.eql([
        'accepted a',
        'work a',
        'accepted b',
        'accepted c',
        'work c',
      ]);
    });

    it('started: work is called next, with the same context', () => {
      const contexts: unknown[] = [];
      of('a')
        .pipe(
          workerPoolSettled((_job, context) => (contexts.push(context), EMPTY), {
            workers: 1,
            buffer: 0,
            hooks: { started: (_job, context) => contexts.push(context) },
          }),
        )
        .subscribe();
      expect(contexts).to.have.length(2);
      expect(contexts[0]).to.equal(contexts[1]);
      expect(lives((log) => ({ started: (job) => log.push(`started ${job}`) }))).to.eql([
        'started a',
        'work a',
        'started c',
        'work c',
      ]);
    });

    it('settled: the job has ended, exactly once for each job offered, with the outcome that downstream gets', () => {
      expect(lives((log) => ({ settled: ({ job, status }) => log.push(`${status} ${job}`) }))).to.eql([
        'work a',
        'dropped b',
        'completed a',
        'work c',
        'completed c',
      ]);
      const [heard, got]: [Outcome[], Outcome[]] = [[], []];
      from(['a', 'b', 'c'])
        .pipe(
          workerPoolSettled((job) => (job === 'a' ? promised(job, 0) : EMPTY), {
            workers: 1,
            buffer: 1,
            overflow: 'drop-incoming',
            hooks: { settled: (outcome) => heard.push(outcome) },
          }),
          take(1),
        )
        .subscribe((outcome) => got.push(outcome));
      expect(got).to.have.length(1);
      expect(heard[0]).to.equal(got[0]);
    });

    it('settled: also of a job that was refused', () => {
      const heard: string[] = [];
      from(['a', 'b'])
        .pipe(
          workerPoolSettled(() => NEVER, {
            workers: 1,
            buffer: 0,
            overflow: 'drop-incoming',
            hooks: { settled: (outcome) => heard.push(brief(outcome)) },
          }),
          take(1),
        )
        .subscribe();
      expect(heard).to.eql(['b dropped full 0+0', heard[1]]);
      expect(heard[1]).to.match(/^a aborted settled/);
    });

    it('released: the worker is free again, once for each start, after settled', () => {
      const events: (log: string[]) => JobHooks<string> = (log) => ({
        settled: ({ job, status }) => log.push(`${status} ${job}`),
        released: (job) => log.push(`released ${job}`),
      });
      expect(lives(events)).to.eql([
        'work a',
        'dropped b',
        'completed a',
        'released a',
        'work c',
        'completed c',
        'released c',
      ]);
    });

    it('released: has a place for the job that it offers, also with buffer 0', () => {
      const started: number[] = [];
      const source = new Subject<number>();
      const hooks: JobHooks<number> = { released: (job) => job < 3 && source.next(job + 1) };
      source.pipe(workerPoolSettled((job) => (started.push(job), EMPTY), { workers: 1, buffer: 0, hooks })).subscribe();
      source.next(1);
      expect(started).to.eql([1, 2, 3]);
    });

    it('retrying: never, while there is no retry', () => {
      expect(lives((log) => ({ retrying: () => log.push('retrying') }))).to.eql(['work a', 'work c']);
    });

    it('hear of what a shutdown and an unsubscription do', () => {
      for (const end of ['abort', 'unsubscribe'] as const) {
        const log: string[] = [];
        const source = new Subject<string>();
        const shutdown = new Subject<ShutdownLevel>();
        const hooks: JobHooks<string> = {
          settled: (outcome) => log.push(brief(outcome).replace(/ \S+$/, '')),
          released: (job) => log.push(`released ${job}`),
        };
        const results = source
          .pipe(workerPoolSettled(() => NEVER, { workers: 1, buffer: 1, shutdown, hooks }))
          .subscribe();
        for (const job of ['a', 'b']) source.next(job);
        if (end === 'abort') shutdown.next(end);
        else results.unsubscribe();
        const [a, b] = [['a aborted settled', 'released a'], ['b dropped shutdown']];
        // An unsubscription is RxJS's own: what runs is stopped before the buffer is let go.
        expect(log).to.eql(end === 'abort' ? [...b, ...a] : [...a, ...b]);
      }
    });

    it('are called as methods, also those that a class has', () => {
      class Counter implements JobHooks<string> {
        count = 0;
        accepted(): void {
          this.count++;
        }
      }
      const counter = new Counter();
      from(['a', 'b'])
        .pipe(workerPoolSettled(() => EMPTY, { workers: 1, buffer: 0, hooks: counter }))
        .subscribe();
      expect(counter.count).to.equal(2);
    });

    const events = ['accepted', 'started', 'settled', 'released'] as const;
    for (const event of events) {
      for (const [how, hook] of [
        ['throws', thrower('in a hook')],
        ['rejects', () => Promise.reject(new Error('in a hook'))],
      ] as const) {
        it(`${event}: one that ${how} is reported, and neither the pool nor the next hook notices`, async () => {
          let calls = 0;
          const outcomes = await settledJobs(['a', 'b'], (job) => of(job), {
            hooks: [{ [event]: hook }, { [event]: () => calls++ }],
          });
          expect(outcomes.map(({ status }) => status)).to.eql(['completed', 'completed']);
          expect(calls).to.equal(2);
          await turn();
          expect(takeReported().map(String)).to.eql(
            how === 'throws' ? ['in a hook', 'in a hook'] : ['Error: in a hook', 'Error: in a hook'],
          );
        });
      }

      it(`${event}: one that offers a job does so as any other`, () => {
        const accounts = new Accounts<number, number>({ workers: 1, buffer: 9 });
        const source = new Subject<number>();
        let offers = 0;
        const offer: JobHooks<number> = { [event]: () => offers++ < 5 && source.next(10 + offers) };
        source
          .pipe(workerPoolSettled((job) => of(job), { workers: 1, buffer: 9, hooks: [accounts, offer] }))
          .subscribe((outcome) => accounts.check(`outcome ${outcome.job}`));
        source.next(1);
        accounts.settle();
        expect(accounts.breaches).to.eql([]);
        expect(accounts.completed).to.equal(6);
      });

      for (const level of LEVELS) {
        if (level === 'abandon' && event === 'started') continue;
        it(`${event}: one that shuts down is obeyed at once: ${level}`, () => {
          const accounts = new Accounts<string, string>({ workers: 1, buffer: 9 });
          const source = new Subject<string>();
          const shutdown = new Subject<ShutdownLevel>();
          const gate = new Subject<string>();
          const started: string[] = [];
          let completed = false;
          const stop: JobHooks<string> = { [event]: () => shutdown.next(level) };
          source
            .pipe(
              workerPoolSettled((job) => (started.push(job), gate), {
                workers: 1,
                buffer: 9,
                shutdown,
                hooks: [accounts, stop],
              }),
            )
            .subscribe({ complete: () => (completed = true) });
          for (const job of ['a', 'b']) source.next(job);
          gate.complete();
          accounts.settle();
          expect(accounts.breaches).to.eql([]);
          expect({ completed, observed: source.observed }).to.eql({ completed: true, observed: false });
          const runs = {
            accepted: { drain: ['a'], discard: [], abort: [], abandon: [] },
            started: { drain: ['a'], discard: ['a'], abort: [], abandon: [] },
            settled: { drain: ['a', 'b'], discard: ['a'], abort: ['a'], abandon: ['a'] },
            released: { drain: ['a', 'b'], discard: ['a'], abort: ['a'], abandon: ['a'] },
          };
          expect(started).to.eql(runs[event][level]);
        });
      }

      for (const level of LEVELS) {
        if (level === 'abandon' && event === 'started') continue;
        it(`${event}: one that shuts down while promises run settles each job once: ${level}`, async () => {
          const accounts = new Accounts<string, string>({ workers: 2, buffer: 9 });
          const source = new Subject<string>();
          const shutdown = new Subject<ShutdownLevel>();
          let completed = false;
          const stop: JobHooks<string> = { [event]: () => shutdown.next(level) };
          const hooks = [accounts, stop];
          const work = (job: string): Promise<string> => Promise.resolve(job);
          source
            .pipe(workerPoolSettled(work, { workers: 2, buffer: 9, shutdown, hooks }))
            .subscribe({ complete: () => (completed = true) });
          for (const job of ['a', 'b', 'c']) source.next(job);
          await turn();
          accounts.settle();
          expect(accounts.breaches).to.eql([]);
          expect(completed).to.equal(true);
        });
      }

      it(`${event}: one that unsubscribes is obeyed at once`, () => {
        const accounts = new Accounts<string, string>({ workers: 1, buffer: 9 });
        const source = new Subject<string>();
        const gate = new Subject<string>();
        const started: string[] = [];
        const stop: JobHooks<string> = { [event]: () => results.unsubscribe() };
        const work = (job: string): Observable<string> => (started.push(job), gate);
        const results = source
          .pipe(workerPoolSettled(work, { workers: 1, buffer: 9, hooks: [accounts, stop] }))
          .subscribe(() => accounts.breaches.push('an outcome after the unsubscription'));
        for (const job of ['a', 'b']) source.next(job);
        gate.complete();
        accounts.settle();
        expect(accounts.breaches).to.eql([]);
        expect([source.observed, gate.observed]).to.eql([false, false]);
        expect(started).to.eql(event === 'accepted' || event === 'started' ? [] : ['a']);
      });
    }
  });
});
