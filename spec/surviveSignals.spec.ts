// In one process: whether a signal would be fatal is whether nobody listens. Real ones are in process.spec.ts.
import { expect } from 'chai';
import { expectTypeOf } from 'expect-type';
import { EMPTY, finalize, from, NEVER, Observable, of, Subject, take, throwError } from 'rxjs';
import type { MonoTypeOperatorFunction } from 'rxjs';
import { BackgroundJobs, fromSignals, surviveSignals } from '../src/index.js';
import { Deferred } from './support/deferred.js';
import { turn } from './support/guard.js';
import { marbles } from './support/marbles.js';

const survived = (): boolean => process.listenerCount('SIGTERM') > 0;
const timers = (): number => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;

/** Runs `test` with another `process` in the global scope. */
function withProcess(substitute: unknown, test: () => void): void {
  const original = Object.getOwnPropertyDescriptor(globalThis, 'process')!;
  Object.defineProperty(globalThis, 'process', { value: substitute, configurable: true });
  try {
    test();
  } finally {
    Object.defineProperty(globalThis, 'process', original);
  }
}

describe('surviveSignals', () => {
  describe('values', () => {
    it('mirrors the source and its completion', () => {
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const source = hot('--a-------b--|');
        const subs = '      ^------------!';
        const output = '    --a-------b--|';
        expectObservable(source.pipe(surviveSignals('SIGTERM'))).toBe(output);
        expectSubscriptions(source.subscriptions).toBe(subs);
      });
    });

    it('mirrors an error', () => {
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const source = hot('--a--#');
        const subs = '      ^----!';
        const output = '    --a--#';
        expectObservable(source.pipe(surviveSignals('SIGTERM'))).toBe(output);
        expectSubscriptions(source.subscriptions).toBe(subs);
      });
    });

    it('unsubscribes the source with the unsubscription', () => {
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const source = hot('--a---b--');
        const unsub = '     ----!    ';
        const subs = '      ^---!    ';
        const output = '    --a--    ';
        expectObservable(source.pipe(surviveSignals('SIGTERM')), unsub).toBe(output);
        expectSubscriptions(source.subscriptions).toBe(subs);
      });
    });

    it('stops a source that has many values at once', () => {
      let taken = 0;
      const many = (function* () {
        while (taken < 100) yield ++taken;
      })();
      from(many).pipe(surviveSignals('SIGTERM'), take(2)).subscribe();
      expect(taken).to.equal(2);
      expect(survived()).to.be.false;
    });

    it('changes no type', () => {
      expectTypeOf(of(1).pipe(surviveSignals('SIGTERM'))).toEqualTypeOf<Observable<number>>();
      expectTypeOf(surviveSignals<string>('SIGTERM', 'SIGHUP')).toEqualTypeOf<MonoTypeOperatorFunction<string>>();
    });
  });

  describe('survival', () => {
    it('begins before the source is subscribed, and not when the operator is made', () => {
      const seen: boolean[] = [];
      const source = new Observable<never>(() => void seen.push(survived()));
      const result = source.pipe(surviveSignals('SIGTERM'));
      expect(survived()).to.be.false;
      result.subscribe().unsubscribe();
      expect(seen).to.deep.equal([true]);
    });

    it('ends after downstream has heard of the completion, when finalize is called', () => {
      const seen: [string, boolean][] = [];
      const source = new Subject<string>();
      source
        .pipe(
          surviveSignals('SIGTERM'),
          finalize(() => seen.push(['finalize', survived()])),
        )
        .subscribe({
          next: (value) => seen.push([value, survived()]),
          complete: () => seen.push(['complete', survived()]),
        });
      source.next('a');
      source.complete();
      expect(seen).to.deep.equal([
        ['a', true],
        ['complete', true],
        ['finalize', false],
      ]);
    });

    it('ends after the error', () => {
      const seen: boolean[] = [];
      const source = new Subject<string>();
      source.pipe(surviveSignals('SIGTERM')).subscribe({ error: () => seen.push(survived()) });
      source.error('failed');
      expect([...seen, survived()]).to.deep.equal([true, false]);
    });

    it('ends after the teardown of the source where it is unsubscribed', () => {
      const seen: boolean[] = [];
      const source = NEVER.pipe(finalize(() => seen.push(survived())));
      source.pipe(surviveSignals('SIGTERM')).subscribe().unsubscribe();
      expect([...seen, survived()]).to.deep.equal([true, false]);
    });

    it('leaves nothing of a source that ends at once', () => {
      const before = timers();
      for (const source of [EMPTY, of(1), throwError(() => 'failed')]) {
        source.pipe(surviveSignals('SIGTERM')).subscribe({ error: () => undefined });
        expect([survived(), timers()]).to.deep.equal([false, before]);
      }
    });

    it('is for the signals that are named, and no other', () => {
      const subscription = NEVER.pipe(surviveSignals('SIGTERM', 'SIGHUP', 'SIGTERM')).subscribe();
      const counts = ['SIGTERM', 'SIGHUP', 'SIGINT'].map((signal) => process.listenerCount(signal));
      subscription.unsubscribe();
      expect(counts).to.deep.equal([1, 1, 0]);
    });

    it('keeps the event loop alive from the subscription to the end', () => {
      const before = timers();
      const source = new Subject<void>();
      const result = source.pipe(surviveSignals('SIGTERM'));
      expect(timers()).to.equal(before);
      result.subscribe();
      expect(timers()).to.equal(before + 1);
      source.complete();
      expect(timers()).to.equal(before);
    });

    it('shares the one listener of fromSignals, which goes with the last of them', () => {
      const seen: string[] = [];
      const source = new Subject<void>();
      source.pipe(surviveSignals('SIGTERM')).subscribe();
      const signals = fromSignals('SIGTERM').subscribe((signal) => seen.push(signal));
      expect(process.listenerCount('SIGTERM')).to.equal(1);
      process.emit('SIGTERM', 'SIGTERM');
      signals.unsubscribe();
      expect(survived()).to.be.true;
      source.complete();
      expect(survived()).to.be.false;
      expect(seen).to.deep.equal(['SIGTERM']);
    });

    it('ends with the pool that is fed by calls', async () => {
      const job = new Deferred();
      const jobs = new BackgroundJobs(() => job.promise, { workers: 1, buffer: 0 });
      const reports: string[] = [];
      from(jobs.ended)
        .pipe(surviveSignals('SIGTERM'))
        .subscribe(({ level }) => reports.push(level));
      jobs.offer(1);
      void jobs.shutdown();
      await turn();
      expect(survived()).to.be.true;
      job.resolve();
      await jobs.ended;
      expect(survived()).to.be.false;
      expect(reports).to.deep.equal(['drain']);
    });
  });

  describe('two subscriptions', () => {
    it('end each for itself', () => {
      const before = timers();
      const result = NEVER.pipe(surviveSignals('SIGTERM'));
      const [first, second] = [result.subscribe(), result.subscribe()];
      expect([process.listenerCount('SIGTERM'), timers()]).to.deep.equal([1, before + 2]);
      first.unsubscribe();
      expect([process.listenerCount('SIGTERM'), timers()]).to.deep.equal([1, before + 1]);
      second.unsubscribe();
      expect([process.listenerCount('SIGTERM'), timers()]).to.deep.equal([0, before]);
    });
  });

  describe('what it refuses', () => {
    it('names that are none, when it is called', () => {
      // @ts-expect-error it cannot be caught
      expect(() => surviveSignals('SIGKILL')).to.throw(TypeError, 'SIGKILL cannot be caught by any process');
      // @ts-expect-error it is not a name
      expect(() => surviveSignals('sigterm')).to.throw(TypeError, "'sigterm' is not the name of a signal");
      // @ts-expect-error at least one is required
      expect(() => surviveSignals()).to.throw(
        TypeError,
        "surviveSignals needs the name of a signal, such as 'SIGTERM'",
      );
    });

    it('to subscribe to the source where no signal can arrive', () => {
      const source = new Observable<never>(() => expect.fail('subscribed'));
      const inThread = { on: () => undefined, off: () => undefined, getBuiltinModule: () => ({ isMainThread: false }) };
      const before = timers();
      for (const [substitute, message] of [
        [undefined, 'surviveSignals: there is no process here that could receive a signal'],
        [inThread, 'surviveSignals: signals never arrive in a worker thread; listen in the main thread'],
      ] as const) {
        let notified: unknown;
        withProcess(substitute, () => {
          source.pipe(surviveSignals('SIGTERM')).subscribe({ error: (error: unknown) => (notified = error) });
        });
        expect(notified).to.be.an.instanceOf(Error);
        expect((notified as Error).message).to.contain(message);
      }
      expect(timers()).to.equal(before);
    });
  });
});
