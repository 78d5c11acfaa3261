import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { NEVER, Observable, of, throwError } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { BackgroundJobs, JobAbortedError } from '../../src/index.js';
import type { JobContext, JobHooks, JobOutcome } from '../../src/index.js';
import { fateOf, Held } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';
import { brief, nonZero, outcomesOf, throwing } from './support.js';

describe('BackgroundJobs', () => {
  describe("a caller's signal", () => {
    const reason = new Error('the caller has gone');

    it('that is aborted already: the job is offered and withdrawn, the promise rejects with its reason', async () => {
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
      expect(nonZero(jobs.stats)).to.eql({ offered: 3, refused: 3 });
      expect([held.called, getEventListeners(signal, 'abort')]).to.eql([[], []]);
      expect(outcomes).to.eql(['a withdrawn', 'b withdrawn', 'c withdrawn']);
      await jobs.shutdown();
    });

    it('that has no reason, as in React Native: every promise rejects with a JobAbortedError; a withdrawn job is dropped as such', async () => {
      class OldSignal extends EventTarget {
        aborted = false;
        abort(): void {
          this.aborted = true;
          this.dispatchEvent(new Event('abort'));
        }
      }
      const old = new OldSignal();
      const signal = old as unknown as AbortSignal;
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 1 });
      const outcomes: JobOutcome<string, unknown>[] = [];
      jobs.outcomes$.subscribe((outcome) => outcomes.push(outcome));
      const calls = [jobs.submit('a', { signal }), jobs.submit('b', { signal }), jobs.send('c', { signal })];
      old.abort();
      const fates = [...calls, jobs.submit('d', { signal })].map(fateOf);
      await turn();
      for (const { value } of fates) expect(value).to.be.an.instanceOf(JobAbortedError);
      await jobs.shutdown('abandon');
      // A sender that gives up never had a place: its outcome says so in a word, and not with an error.
      expect(outcomes.map(brief)).to.eql(['c withdrawn', 'b aborted', 'd withdrawn', 'a aborted, not settled']);
      for (const outcome of outcomes) {
        if (outcome.status === 'aborted') expect(outcome.reason).to.be.an.instanceOf(JobAbortedError);
      }
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
      expect(nonZero(jobs.stats)).to.eql({ offered: 5, accepted: 1, refused: 2, waiting: 2, running: 1 });
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

    it('while its promise runs: the caller is told at once, the work is asked to end, and judged by how it settles', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.promises, { workers: 2, buffer: 0 });
      const outcomes = outcomesOf(jobs);
      const controllers = [new AbortController(), new AbortController()];
      const [a, b] = ['a', 'b'].map((job, i) => fateOf(jobs.submit(job, { signal: controllers[i]!.signal })));
      for (const controller of controllers) controller.abort(reason);
      await turn();
      expect([a, b]).to.eql([a, b].map(() => ({ status: 'rejected', value: reason })));
      for (const job of ['a', 'b']) expect(held.contexts.get(job)!.signal.reason).to.equal(reason);
      expect(nonZero(jobs.stats)).to.eql({ offered: 2, accepted: 2, running: 2 });
      held.complete('a', 'the mail went out');
      held.fail('b', new Error('interrupted'));
      await turn();
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
        expect(fate.value).to.equal(reason);
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
        ['c withdrawn', 'd withdrawn', 'b aborted', 'a aborted'],
      ]);
      await turn();
      expect(fates.map(({ value }) => value)).to.eql([reason, reason, reason, reason]);
      expect(nonZero(jobs.stats)).to.eql({ offered: 5, accepted: 3, refused: 2, aborted: 2, running: 1 });
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

    it('that will not let its listener go: that is reported, and the pool goes on', async () => {
      const signal = Object.assign(new AbortController().signal, {
        removeEventListener: () => {
          throw new RangeError('no removal');
        },
      });
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      const calls = [
        jobs.submit('a', { signal }),
        jobs.send('b', { signal }),
        jobs.submit('c', { signal, wait: true }),
      ];
      const fates = calls.map(fateOf);
      for (const job of ['a', 'b', 'c']) {
        held.complete(job);
        await turn();
      }
      expect(fates.map(({ status }) => status)).to.eql(['fulfilled', 'fulfilled', 'fulfilled']);
      expect(takeReported().map(String)).to.eql(['RangeError: no removal']);
      expect(jobs.level).to.equal(undefined);
      await jobs.shutdown();
    });

    it('that takes no listener: the call throws, and so does the next one', async () => {
      const signal = Object.assign(new AbortController().signal, {
        addEventListener: () => {
          throw new RangeError('no listener');
        },
      });
      const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 0 });
      for (const method of ['send', 'submit', 'submit'] as const) {
        expect(() => jobs[method]('a', { signal })).to.throw(RangeError, 'no listener');
      }
      expect(jobs.stats.offered).to.equal(0);
      await jobs.shutdown();
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

    it('that gives up a job between two attempts does nothing to the one that its worker runs now', async () => {
      const reason = new Error('the caller has gone');
      const controller = new AbortController();
      const signals: AbortSignal[] = [];
      const jobs = new BackgroundJobs(
        (job: string, { signal }) => {
          if (job === 'a') return throwError(() => job);
          signals.push(signal);
          controller.abort(reason);
          return of(job);
        },
        { workers: 1, buffer: 0, retry: { delay: 1000 } },
      );
      const [a, b] = [fateOf(jobs.submit('a', { signal: controller.signal })), fateOf(jobs.submit('b'))];
      await turn();
      expect(signals.map(({ aborted }) => aborted)).to.eql([false]);
      expect([a, b]).to.eql([
        { status: 'rejected', value: reason },
        { status: 'fulfilled', value: 'b' },
      ]);
      expect(jobs.stats).to.include({ completed: 1, aborted: 1, delayed: 0 });
      await jobs.shutdown();
    });

    it('has no effect on a job that clear() has removed between two attempts, and that has not been told yet', async () => {
      const controller = new AbortController();
      const log: string[] = [];
      const jobs = new BackgroundJobs((job: string) => throwError(() => job), {
        workers: 2,
        buffer: 0,
        retry: { delay: 1000 },
        hooks: {
          settled: ({ job, status }) => {
            log.push(`${job} ${status}`);
            controller.abort();
          },
        },
      });
      const fates = [fateOf(jobs.submit('a')), fateOf(jobs.submit('b', { signal: controller.signal }))];
      jobs.clear();
      await turn();
      expect(log).to.eql(['a dropped', 'b dropped']);
      expect(fates.map(({ status }) => status)).to.eql(['rejected', 'rejected']);
      expect(jobs.stats).to.include({ evicted: 2, aborted: 0, delayed: 0 });
      await jobs.shutdown();
    });
  });
});
