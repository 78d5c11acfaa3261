import { expect } from 'chai';
import { EMPTY, mergeMap, NEVER, Observable, of, throwError } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { BackgroundJobs, gracefulShutdown } from '../../src/index.js';
import { Deferred, unhandledRejections } from '../support/deferred.js';
import { turn } from '../support/guard.js';
import { marbles } from '../support/marbles.js';
import { Asked, brief, each, forms, thenable, Trial } from './support.js';
import type { Work } from './support.js';

describe('hostile work', () => {
  describe('that fails', () => {
    const reasons: Record<string, unknown> = {
      undefined,
      null: null,
      'an empty string': '',
      zero: 0,
      'a symbol': Symbol('e'),
      'a frozen object': Object.freeze({ frozen: true }),
      'a frozen error': Object.freeze(new Error('frozen')),
      'a function': () => undefined,
    };
    const ways: Record<string, (error: unknown) => Work> = {
      throws: (error) => () => {
        throw error;
      },
      'rejects with': (error) => () => Promise.reject(error),
      'is a thenable that rejects with': (error) => () => thenable((_, reject) => reject(error)),
      'is a thenable whose then throws': (error) => () =>
        thenable(() => {
          throw error;
        }),
      'has a getter of then that throws': (error) => () =>
        Object.defineProperty({}, 'then', {
          get() {
            throw error;
          },
        }) as PromiseLike<unknown>,
      'errors with': (error) => () => throwError(() => error),
      'throws in its subscribe': (error) => () =>
        new Observable(() => {
          throw error;
        }),
      'is an iterable that throws': (error) => () => ({
        [Symbol.iterator]() {
          throw error;
        },
      }),
      'is an async iterable that throws': (error) => () => ({
        [Symbol.asyncIterator]() {
          throw error;
        },
      }),
      'is an async iterable that rejects with': (error) => () => ({
        [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }),
      }),
    };
    for (const [way, work] of Object.entries(ways)) {
      each(`fails its job with that very reason: ${way} anything`, async (form) => {
        for (const [name, reason] of Object.entries(reasons)) {
          const trial = new Trial(form, { x: work(reason) }).offer('x', 'b');
          await turn();
          expect(trial.outcomes[0], name).to.include({ job: 'x', status: 'failed' });
          expect((trial.outcomes[0] as { error: unknown }).error, name).to.equal(reason);
          expect(trial.released[0], name).to.equal('x');
          if (form === 'workerPool') {
            expect(trial.ends, name).to.have.lengthOf(1);
            expect(trial.ends[0], name).to.have.property('error', reason);
            expect(trial.started, name).to.eql(['x']);
          } else {
            expect(trial.values[1], name).to.equal('b completed b!');
            expect(trial.ends, name).to.eql([]);
            trial.subscription.unsubscribe();
          }
        }
      });
    }

    each('raises no unhandledRejection by rejecting with undefined, waited for or not', async (form) => {
      const late = [new Deferred<unknown>(), new Deferred<unknown>()] as const;
      const reasons = await unhandledRejections(async () => {
        new Trial(form, { x: () => Promise.reject(undefined) }).offer('x');
        const unsubscribed = new Trial(form, { x: () => late[0].promise }).offer('x');
        unsubscribed.subscription.unsubscribe();
        const abandoned = new Trial(form, { x: () => late[1].promise }).offer('x');
        abandoned.shutdown.next('abandon');
        for (const { reject } of late) reject(undefined);
        await turn();
      });
      expect(reasons).to.eql([]);
    });
  });

  describe('that returns what is no ObservableInput', () => {
    const results: Record<string, unknown> = {
      undefined,
      null: null,
      '42': 42,
      NaN,
      true: true,
      '5n': 5n,
      'a symbol': Symbol('s'),
      'an object': {},
      'a function': () => of(1),
      'an object whose then is no function': { then: 'later' },
      'a string': 'done',
      'an empty string': '',
    };
    for (const [name, result] of Object.entries(results)) {
      each(`fails its job with a TypeError: ${name}`, (form) => {
        const trial = new Trial(form, { x: () => result as never }).offer('x', 'b');
        const [outcome] = trial.outcomes;
        expect(outcome).to.include({ job: 'x', status: 'failed' });
        expect((outcome as { error: unknown }).error).to.be.an.instanceOf(TypeError);
        expect(trial.started).to.eql(form === 'workerPool' ? ['x'] : ['x', 'b']);
        trial.subscription.unsubscribe();
      });
    }

    each('is told what to do about a string', (form) => {
      const trial = new Trial(form, { x: () => 'done' as never }).offer('x');
      expect(trial.fates[0]).to.contain("'done'").and.contain('promise or an Observable of it');
    });
  });

  describe('that never settles', () => {
    const kinds: Record<string, () => ObservableInput<unknown>> = {
      'a promise': () => new Promise(() => undefined),
      'a thenable': () => thenable(() => undefined),
      'an Observable': () => NEVER,
      'an async iterable': () => new Asked(),
    };
    for (const [kind, work] of Object.entries(kinds)) {
      each(`keeps its slot, and is let go at the deadline: ${kind}`, (form) =>
        marbles(({ hot, expectObservable, flush }) => {
          const started: string[] = [];
          const shutdown = gracefulShutdown({ on: hot('---x'), deadline: 4, abortGrace: 3 });
          const pool = forms[form]!((job) => (started.push(job), work()), { workers: 1, buffer: 1, shutdown });
          const results = hot('-ab').pipe(
            pool,
            mergeMap(() => EMPTY),
          );
          // What cannot be stopped is waited for: until the deadline, and the grace after that.
          const stops = kind === 'an Observable';
          expectObservable(results).toBe(stops ? '-------|' : '----------|');
          flush();
          expect(started).to.eql(['a']);
        }),
      );

      each(`keeps its slot, and no other job ever starts there: ${kind}`, async (form) => {
        const trial = new Trial(form, { x: work }).offer('x', 'b');
        trial.source.complete();
        await turn();
        expect(trial.started).to.eql(['x']);
        expect(trial.ends).to.eql([]);
        trial.shutdown.next('abandon');
        expect(trial.ends).to.eql(['complete']);
        expect(trial.fates[0]).to.equal('b dropped shutdown');
        expect(trial.fates.slice(1)).to.have.lengthOf(1);
      });
    }
  });

  describe('that settles after it was abandoned', () => {
    const settlements = ['resolve', 'reject'] as const;
    for (const settlement of settlements) {
      for (const kind of ['a promise', 'a thenable'] as const) {
        each(`is not heard of again: ${kind}, ${settlement}`, async (form) => {
          const x = new Deferred<unknown>();
          const settle = kind === 'a promise' ? x : ({} as Pick<typeof x, 'resolve' | 'reject'>);
          const late = thenable((resolve, reject) => Object.assign(settle, { resolve, reject }));
          const trial = new Trial(form, { x: () => (kind === 'a promise' ? x.promise : late) }).offer('x', 'b');
          trial.shutdown.next('abandon');
          const told = [...trial.values];
          const raised = await unhandledRejections(() => settle[settlement]('late'));
          expect(raised).to.eql([]);
          expect(trial.fates).to.eql(['b dropped shutdown', 'x aborted abandoned']);
          expect(trial.values).to.eql(told);
          expect(trial.ends).to.eql(['complete']);
          expect(trial.released).to.eql(['x']);
        });
      }
    }
  });

  describe('that ignores its signal', () => {
    each('and is fulfilled after an abort has completed: the mail went out', async (form) => {
      const x = new Deferred<unknown>();
      const trial = new Trial(form, { x: () => x.promise }).offer('x', 'b');
      trial.shutdown.next('abort');
      expect(trial.contexts[0]!.signal.aborted).to.equal(true);
      expect(trial.ends).to.eql([]);
      x.resolve('sent');
      await turn();
      expect(trial.fates).to.eql(['b dropped shutdown', 'x completed sent']);
      expect(trial.ends).to.eql(['complete']);
    });
  });

  describe('that blocks the event loop past a deadline', () => {
    const settled: Record<string, readonly [() => ObservableInput<unknown>, string]> = {
      'an Observable': [() => of('v'), 'x completed v'],
      'a promise': [() => Promise.resolve('v'), 'x completed v'],
      'a promise that rejects': [() => Promise.reject(new Error('e')), 'x failed Error: e'],
    };
    for (const [kind, [work, fate]] of Object.entries(settled)) {
      it(`has ended as it ended, if it has ended when the loop turns: ${kind}`, async () => {
        const fates: string[] = [];
        const jobs = new BackgroundJobs(
          (_job: string) => {
            void jobs.shutdown('drain', { deadline: 1, abortGrace: 0 });
            for (const end = performance.now() + 5; performance.now() < end;);
            return work();
          },
          { workers: 1, buffer: 0 },
        );
        jobs.outcomes$.subscribe((outcome) => fates.push(brief(outcome)));
        jobs.offer('x');
        await jobs.ended;
        expect(fates).to.eql([fate]);
      });
    }
  });
});
