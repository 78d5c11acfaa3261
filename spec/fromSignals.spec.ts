// In one process: a signal is delivered as Node delivers it, by calling the listeners. Real ones are in process.spec.ts.
import { expect } from 'chai';
import { expectTypeOf } from 'expect-type';
import { merge, Subject, take, takeUntil } from 'rxjs';
import type { Observable } from 'rxjs';
import { fromSignals } from '../src/index.js';
import type { SignalName } from '../src/index.js';
import { takeReported, turn } from './support/guard.js';

function deliver(...signals: SignalName[]): void {
  for (const signal of signals) process.emit(signal as NodeJS.Signals, signal as NodeJS.Signals);
}

/** Runs `test` with another `process` in the global scope. */
function withProcess<T>(substitute: unknown, test: () => T): T {
  const original = Object.getOwnPropertyDescriptor(globalThis, 'process')!;
  Object.defineProperty(globalThis, 'process', { value: substitute, configurable: true });
  try {
    return test();
  } finally {
    Object.defineProperty(globalThis, 'process', original);
  }
}

/** What `signals$` says to a subscriber at once. */
function errorOf(signals$: Observable<SignalName>): unknown {
  let notified: unknown;
  signals$.subscribe({ error: (error: unknown) => (notified = error) }).unsubscribe();
  return notified;
}

describe('fromSignals', () => {
  describe('values', () => {
    it('emits the name of each signal as it arrives, and never completes', () => {
      const seen: string[] = [];
      const subscription = fromSignals('SIGTERM', 'SIGUSR2').subscribe({
        next: (signal) => seen.push(signal),
        complete: () => seen.push('complete'),
      });
      deliver('SIGTERM', 'SIGUSR2', 'SIGHUP', 'SIGTERM');
      subscription.unsubscribe();
      expect(seen).to.deep.equal(['SIGTERM', 'SIGUSR2', 'SIGTERM']);
    });

    it('listens once to a signal that is named twice', () => {
      const seen: string[] = [];
      const subscription = fromSignals('SIGTERM', 'SIGTERM').subscribe((signal) => seen.push(signal));
      expect(process.listenerCount('SIGTERM')).to.equal(1);
      deliver('SIGTERM');
      subscription.unsubscribe();
      expect(seen).to.deep.equal(['SIGTERM']);
      expect(process.listenerCount('SIGTERM')).to.equal(0);
    });

    it('emits names of a literal type', () => {
      expectTypeOf(fromSignals('SIGTERM')).toEqualTypeOf<Observable<SignalName>>();
    });
  });

  describe('names', () => {
    for (const name of [
      'SIGTERM',
      'SIGINT',
      'SIGHUP',
      'SIGQUIT',
      'SIGBREAK',
      'SIGUSR1',
      'SIGUSR2',
      'SIGWINCH',
      'SIGCONT',
      'SIGPIPE',
      'SIGALRM',
    ] as const) {
      it(`listens to ${name}`, () => {
        const listened: string[] = [];
        const substitute = { on: (signal: string) => listened.push(signal), off: () => undefined };
        expect(withProcess(substitute, () => errorOf(fromSignals(name)))).to.equal(undefined);
        expect(listened).to.deep.equal([name]);
      });
    }

    it('refuses those that cannot be caught', () => {
      for (const name of ['SIGKILL', 'SIGSTOP']) {
        // @ts-expect-error they are not among the names
        expect(() => fromSignals(name)).to.throw(TypeError, `${name} cannot be caught`);
      }
    });

    it('refuses what Node would listen to and never call back for', () => {
      for (const [name, shown] of [
        ['sigterm', "'sigterm'"],
        ['SIGFOO', "'SIGFOO'"],
        ['TERM', "'TERM'"],
        ['exit', "'exit'"],
        ['', "''"],
        [15, '15'],
        [undefined, 'undefined'],
        [['SIGTERM'], 'an array'],
      ] as const) {
        // @ts-expect-error none of them is a name
        expect(() => fromSignals('SIGTERM', name), shown).to.throw(TypeError, `${shown} is not the name of a signal`);
      }
    });

    it('refuses to be called without any', () => {
      // @ts-expect-error at least one is required
      expect(() => fromSignals()).to.throw(TypeError, 'needs the name of a signal');
    });
  });

  describe('subscriptions', () => {
    it('listens only while it is subscribed', () => {
      const signal$ = fromSignals('SIGTERM', 'SIGHUP');
      expect(process.listenerCount('SIGTERM')).to.equal(0);
      const subscription = signal$.subscribe();
      expect(process.listenerCount('SIGTERM')).to.equal(1);
      expect(process.listenerCount('SIGHUP')).to.equal(1);
      subscription.unsubscribe();
      expect(process.listenerCount('SIGTERM')).to.equal(0);
      expect(process.listenerCount('SIGHUP')).to.equal(0);
    });

    it('gives each subscription listeners of its own', () => {
      const seen: string[] = [];
      const signal$ = fromSignals('SIGTERM');
      const first = signal$.subscribe(() => seen.push('first'));
      const second = signal$.subscribe(() => seen.push('second'));
      deliver('SIGTERM');
      first.unsubscribe();
      deliver('SIGTERM');
      second.unsubscribe();
      expect(seen).to.deep.equal(['first', 'second', 'second']);
    });

    it('emits nothing after it was unsubscribed, not even while a signal is being delivered', () => {
      const seen: string[] = [];
      const stop$ = new Subject<void>();
      process.once('SIGTERM', () => stop$.next());
      fromSignals('SIGTERM')
        .pipe(takeUntil(stop$))
        .subscribe((signal) => seen.push(signal));
      deliver('SIGTERM');
      expect(seen).to.deep.equal([]);
    });

    it('can be unsubscribed by the signal itself', () => {
      const seen: string[] = [];
      merge(fromSignals('SIGTERM').pipe(take(1)), fromSignals('SIGTERM').pipe(take(2))).subscribe((signal) =>
        seen.push(signal),
      );
      deliver('SIGTERM', 'SIGTERM', 'SIGTERM');
      expect(seen).to.have.lengthOf(3);
      expect(process.listenerCount('SIGTERM')).to.equal(0);
    });

    it('leaves the listeners of others where they are', () => {
      let heard = 0;
      const theirs = (): void => void heard++;
      process.on('SIGTERM', theirs);
      fromSignals('SIGTERM').subscribe().unsubscribe();
      deliver('SIGTERM');
      process.off('SIGTERM', theirs);
      expect(heard).to.equal(1);
    });

    it('goes on when a subscriber throws, which is reported', async () => {
      const seen: string[] = [];
      const subscription = fromSignals('SIGTERM').subscribe((signal) => {
        seen.push(signal);
        throw new Error('thrown by the subscriber');
      });
      deliver('SIGTERM', 'SIGTERM');
      subscription.unsubscribe();
      await turn();
      expect(seen).to.have.lengthOf(2);
      expect(takeReported().map(String)).to.deep.equal(new Array(2).fill('Error: thrown by the subscriber'));
    });

    it('leaves nothing behind after a thousand of them', () => {
      const signal$ = fromSignals('SIGTERM', 'SIGHUP', 'SIGWINCH');
      const before = process.eventNames().map((event) => [event, process.listenerCount(event)]);
      for (let i = 0; i < 1000; i++) signal$.subscribe().unsubscribe();
      expect(process.eventNames().map((event) => [event, process.listenerCount(event)])).to.deep.equal(before);
    });
  });

  describe('where no signal can arrive', () => {
    it('errors when it is subscribed without a process', () => {
      for (const substitute of [undefined, null, {}, { on: () => undefined }, { env: {} }]) {
        const error = withProcess(substitute, () => errorOf(fromSignals('SIGTERM')));
        expect(error).to.be.an.instanceOf(Error);
        expect((error as Error).message).to.equal('fromSignals: there is no process here that could receive a signal');
      }
    });

    it('errors when it is subscribed in a worker thread', () => {
      const substitute = {
        on: () => expect.fail('listens'),
        off: () => undefined,
        getBuiltinModule: () => ({ isMainThread: false }),
      };
      const error = withProcess(substitute, () => errorOf(fromSignals('SIGTERM')));
      expect((error as Error).message).to.contain('signals never arrive in a worker thread');
    });

    it('listens on a process that cannot tell which thread it is', () => {
      const listened: string[] = [];
      const substitute = {
        on: (signal: string) => listened.push(`on ${signal}`),
        off: (signal: string) => listened.push(`off ${signal}`),
      };
      expect(withProcess(substitute, () => errorOf(fromSignals('SIGTERM')))).to.equal(undefined);
      expect(listened).to.deep.equal(['on SIGTERM', 'off SIGTERM']);
    });

    it('passes on that the system refuses a signal, and lets go of the others', () => {
      const listened: string[] = [];
      const refusal = new Error('EINVAL');
      const substitute = {
        on: (signal: string) => {
          if (signal === 'SIGHUP') throw refusal;
          listened.push(`on ${signal}`);
        },
        off: (signal: string) => listened.push(`off ${signal}`),
      };
      expect(withProcess(substitute, () => errorOf(fromSignals('SIGTERM', 'SIGHUP')))).to.equal(refusal);
      expect(listened).to.include.members(['on SIGTERM', 'off SIGTERM']);
    });
  });
});
