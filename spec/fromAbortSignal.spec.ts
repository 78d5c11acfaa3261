import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import { NEVER, take, takeUntil } from 'rxjs';
import type { Observable } from 'rxjs';
import { fromAbortSignal, workerPool } from '../src/index.js';
import { Held } from './support/deferred.js';
import { marbles } from './support/marbles.js';

/** Subscribes, and tells all that comes. */
function listen(source: Observable<unknown>): { log: unknown[]; unsubscribe: () => void } {
  const log: unknown[] = [];
  const subscription = source.subscribe({ next: (value) => log.push(value), complete: () => log.push('complete') });
  return { log, unsubscribe: () => subscription.unsubscribe() };
}

function listenersOf(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

describe('fromAbortSignal', () => {
  it('emits once, and completes, when the signal is aborted: the diagram of the doc comment', () =>
    marbles(({ cold, expectObservable }) => {
      const controller = new AbortController();
      const signal = '  ------a---  ';
      const output = '  ------(v|)  ';
      cold(signal).subscribe(() => controller.abort());
      expectObservable(fromAbortSignal(controller.signal)).toBe(output, { v: undefined });
    }));

  it('emits nothing, and does not complete, before', () => {
    const { log, unsubscribe } = listen(fromAbortSignal(new AbortController().signal));
    expect(log).to.eql([]);
    unsubscribe();
  });

  it('emits at once where the signal is aborted already, and adds no listener', () => {
    const signal = AbortSignal.abort();
    expect(listen(fromAbortSignal(signal)).log).to.eql([undefined, 'complete']);
    expect(listenersOf(signal)).to.equal(0);
  });

  it('looks at the signal when it is subscribed, not when it is made', () => {
    const controller = new AbortController();
    const aborted$ = fromAbortSignal(controller.signal);
    controller.abort();
    expect(listen(aborted$).log).to.eql([undefined, 'complete']);
  });

  it('does not emit the reason', () => {
    const controller = new AbortController();
    const { log } = listen(fromAbortSignal(controller.signal));
    controller.abort(new Error('reason'));
    expect(log).to.eql([undefined, 'complete']);
  });

  it('has one listener for each subscription, and none when it ends', () => {
    const controller = new AbortController();
    const { signal } = controller;
    const aborted$ = fromAbortSignal(signal);
    expect(listenersOf(signal)).to.equal(0);
    const listening = [listen(aborted$), listen(aborted$)];
    expect(listenersOf(signal)).to.equal(2);
    listening[0]!.unsubscribe();
    expect(listenersOf(signal)).to.equal(1);
    controller.abort();
    expect(listening.map(({ log }) => log)).to.eql([[], [undefined, 'complete']]);
    expect(listenersOf(signal)).to.equal(0);
  });

  it('is let go from inside next', () => {
    const controller = new AbortController();
    const { log } = listen(fromAbortSignal(controller.signal).pipe(take(1)));
    controller.abort();
    expect([log, listenersOf(controller.signal)]).to.eql([[undefined, 'complete'], 0]);
  });

  it('is a notifier for takeUntil', () => {
    const controller = new AbortController();
    const { log } = listen(NEVER.pipe(takeUntil(fromAbortSignal(controller.signal))));
    controller.abort();
    expect(log).to.eql(['complete']);
    expect(listen(NEVER.pipe(takeUntil(fromAbortSignal(controller.signal)))).log).to.eql(['complete']);
  });

  it('drains a pool as its notifier: what runs is not aborted', () => {
    const controller = new AbortController();
    const held = new Held<string>();
    const shutdown = fromAbortSignal(controller.signal);
    const { log } = listen(workerPool(held.streams, { workers: 1, buffer: 0, shutdown })(['a', 'b']));
    controller.abort();
    expect([log, held.stopped]).to.eql([[], []]);
    held.complete('a');
    expect([log, held.called, listenersOf(controller.signal)]).to.eql([['a!', 'complete'], ['a'], 0]);
  });

  it('lets go of the signal when the pool ends by itself', () => {
    const { signal } = new AbortController();
    const { log } = listen(workerPool(() => ['a'], { workers: 1, buffer: 0, shutdown: fromAbortSignal(signal) })([1]));
    expect([log, listenersOf(signal)]).to.eql([['a', 'complete'], 0]);
  });

  for (const [shown, value] of [
    ['undefined', undefined],
    ['null', null],
    ["'abort'", 'abort'],
    ['5', 5],
  ] as const) {
    it(`takes a signal only: ${shown}`, () => {
      const message = `fromAbortSignal's signal must be an AbortSignal, but is ${shown}`;
      expect(() => fromAbortSignal(value as unknown as AbortSignal)).to.throw(TypeError, message);
    });
  }

  it('takes a signal only: a controller', () => {
    const message = "fromAbortSignal's signal must be an AbortSignal, but is an AbortController";
    expect(() => fromAbortSignal(new AbortController() as unknown as AbortSignal)).to.throw(TypeError, message);
  });
});
