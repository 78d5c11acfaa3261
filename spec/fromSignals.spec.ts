// In one process: a signal is delivered as Node delivers it, by calling the listeners. Real ones are in process.spec.ts.
import { AsyncLocalStorage } from 'node:async_hooks';
import { expect } from 'chai';
import { expectTypeOf } from 'expect-type';
import { merge, Subject, Subscriber, Subscription, take, takeUntil } from 'rxjs';
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

/** An observer without RxJS's guards: it hears each value that it is given, and what it throws is thrown at the source. */
class Unguarded extends Subscriber<SignalName> {
  override next: (signal: SignalName) => void;

  constructor(next: (signal: SignalName) => void) {
    super();
    this.next = next;
  }
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

    it('has one listener on the process however many there are, and none after the last', () => {
      const seen: number[] = [];
      // More than the ten listeners after which Node warns of a leak: the guard fails a spec that is warned.
      const subscriptions = Array.from({ length: 20 }, (_, i) => fromSignals('SIGTERM').subscribe(() => seen.push(i)));
      expect(process.listenerCount('SIGTERM')).to.equal(1);
      deliver('SIGTERM');
      expect(seen).to.deep.equal(subscriptions.map((_, i) => i));
      for (const subscription of subscriptions.slice(1)) subscription.unsubscribe();
      expect(process.listenerCount('SIGTERM')).to.equal(1);
      subscriptions[0]!.unsubscribe();
      expect(process.listenerCount('SIGTERM')).to.equal(0);
    });

    it('goes on with one when another has ended', () => {
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

    it('emits nothing to one that another has ended during the delivery', () => {
      const seen: string[] = [];
      const second = new Subscription();
      const first = fromSignals('SIGTERM').subscribe(() => second.unsubscribe());
      second.add(fromSignals('SIGTERM').subscribe(new Unguarded(() => seen.push('second'))));
      const third = fromSignals('SIGTERM').subscribe(() => seen.push('third'));
      deliver('SIGTERM');
      first.unsubscribe();
      third.unsubscribe();
      expect(seen).to.deep.equal(['third']);
    });

    it('emits the next signal to one that began during the delivery, not this one', () => {
      const seen: string[] = [];
      const all = new Subscription();
      const begin = (name: string): void => all.add(fromSignals('SIGTERM').subscribe(() => seen.push(name)));
      all.add(
        fromSignals('SIGTERM')
          .pipe(take(1))
          .subscribe(() => begin('late')),
      );
      begin('early');
      deliver('SIGTERM');
      expect(seen).to.deep.equal(['early']);
      deliver('SIGTERM');
      all.unsubscribe();
      expect(seen).to.deep.equal(['early', 'early', 'late']);
    });

    it('emits to each in the async context in which it was subscribed', () => {
      const context = new AsyncLocalStorage<string>();
      const seen: unknown[] = [];
      const subscriptions = ['first', 'second'].map((name) =>
        context.run(name, () => fromSignals('SIGTERM').subscribe(() => seen.push(context.getStore()))),
      );
      context.run('of the delivery', () => deliver('SIGTERM'));
      for (const subscription of subscriptions) subscription.unsubscribe();
      expect(seen).to.deep.equal(['first', 'second']);
    });

    it('emits to the others when the observer of one throws into the delivery', async () => {
      const seen: string[] = [];
      const thrower = new Unguarded(() => {
        throw new Error('thrown into the delivery');
      });
      const first = fromSignals('SIGTERM').subscribe(thrower);
      const second = fromSignals('SIGTERM').subscribe((signal) => seen.push(signal));
      deliver('SIGTERM');
      first.unsubscribe();
      second.unsubscribe();
      await turn();
      expect(seen).to.deep.equal(['SIGTERM']);
      expect(takeReported().map(String)).to.deep.equal(['Error: thrown into the delivery']);
    });

    it('listens again with the next one after somebody has removed all listeners', () => {
      const seen: string[] = [];
      const first = fromSignals('SIGTERM').subscribe(() => seen.push('first'));
      process.removeAllListeners('SIGTERM');
      const second = fromSignals('SIGTERM').subscribe(() => seen.push('second'));
      expect(process.listenerCount('SIGTERM')).to.equal(1);
      deliver('SIGTERM');
      first.unsubscribe();
      second.unsubscribe();
      expect(seen).to.deep.equal(['first', 'second']);
      expect(process.listenerCount('SIGTERM')).to.equal(0);
    });

    it('listens to the process that is there, and leaves each the one that it has listened to', () => {
      const listened: string[] = [];
      const substitute = {
        on: (signal: string) => listened.push(`on ${signal}`),
        off: (signal: string) => listened.push(`off ${signal}`),
      };
      const signal$ = fromSignals('SIGTERM');
      const first = signal$.subscribe();
      const second = withProcess(substitute, () => signal$.subscribe());
      expect(process.listenerCount('SIGTERM')).to.equal(1);
      expect(listened).to.deep.equal(['on SIGTERM']);
      first.unsubscribe();
      expect(process.listenerCount('SIGTERM')).to.equal(0);
      expect(listened).to.deep.equal(['on SIGTERM']);
      second.unsubscribe();
      expect(listened).to.deep.equal(['on SIGTERM', 'off SIGTERM']);
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
      expect(listened).to.deep.equal(['on SIGTERM', 'off SIGTERM']);
    });

    it('asks again with the next subscription when the system has refused a signal', () => {
      let asked = 0;
      const substitute = {
        on: () => {
          asked++;
          throw new Error('EINVAL');
        },
        off: () => undefined,
      };
      withProcess(substitute, () => [errorOf(fromSignals('SIGHUP')), errorOf(fromSignals('SIGHUP'))]);
      expect(asked).to.equal(2);
    });

    it('listens on a process whose builtin modules are not there', () => {
      const listened: string[] = [];
      const substitute = {
        on: (signal: string) => listened.push(`on ${signal}`),
        off: (signal: string) => listened.push(`off ${signal}`),
        getBuiltinModule: () => undefined,
      };
      expect(withProcess(substitute, () => errorOf(fromSignals('SIGTERM')))).to.equal(undefined);
      expect(listened).to.deep.equal(['on SIGTERM', 'off SIGTERM']);
    });
  });
});
