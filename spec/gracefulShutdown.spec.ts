import { expect } from 'chai';
import {
  concatWith,
  EMPTY,
  merge,
  NEVER,
  of,
  queueScheduler,
  Subject,
  switchMap,
  takeUntil,
  throttleTime,
  timer,
  VirtualTimeScheduler,
} from 'rxjs';
import type { SchedulerAction, Subscription } from 'rxjs';
import { gracefulShutdown } from '../src/index.js';
import type { GracefulShutdownConfig, ShutdownLevel } from '../src/index.js';
import { takeReported, turn } from './support/guard.js';
import { marbles } from './support/marbles.js';

class RecordingScheduler extends VirtualTimeScheduler {
  readonly delays: number[] = [];

  override schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T): Subscription {
    this.delays.push(delay);
    return super.schedule(work, delay, state);
  }
}

const levels = { d: 'drain', a: 'abort', n: 'abandon' };

describe('gracefulShutdown', () => {
  describe('levels', () => {
    it('drains at the first event, aborts at the deadline, abandons after the grace', () => {
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const on = hot('  --x-------------------');
        const subs = '    ^-------------!';
        const expected = '--d-------a---(n|)';
        expectObservable(gracefulShutdown({ on, deadline: 8, abortGrace: 4 })).toBe(expected, levels);
        expectSubscriptions(on.subscriptions).toBe(subs);
      });
    });

    it('aborts at the second event and abandons at the third', () => {
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const on = hot('  --x--x--x-------------');
        const subs = '    ^-------!';
        const expected = '--d--a--(n|)';
        expectObservable(gracefulShutdown({ on, deadline: 8, abortGrace: 4 })).toBe(expected, levels);
        expectSubscriptions(on.subscriptions).toBe(subs);
      });
    });

    it('counts the grace from the abort, whatever has brought it', () => {
      marbles(({ hot, expectObservable }) => {
        const on = hot('  --x--x----------------');
        const expected = '--d--a---(n|)';
        expectObservable(gracefulShutdown({ on, deadline: 8, abortGrace: 4 })).toBe(expected, levels);
      });
    });

    it('abandons at an event that comes after the deadline', () => {
      marbles(({ hot, expectObservable }) => {
        const on = hot('  --x---------x---------');
        const expected = '--d-------a-(n|)';
        expectObservable(gracefulShutdown({ on, deadline: 8, abortGrace: 4 })).toBe(expected, levels);
      });
    });

    it('takes two events for one behind throttleTime, as for a Ctrl-C that arrives twice', () => {
      marbles(({ hot, expectObservable }) => {
        const on = hot('  --xx-----x---------').pipe(throttleTime(4));
        const expected = '--d------a---(n|)';
        expectObservable(gracefulShutdown({ on, deadline: 20, abortGrace: 4 })).toBe(expected, levels);
      });
    });

    it('ignores what the events say', () => {
      marbles(({ hot, expectObservable }) => {
        const on = hot('  --x--y--z--', { x: 'abandon', y: undefined, z: 'drain' });
        const expected = '--d--a--(n|)';
        expectObservable(gracefulShutdown({ on, deadline: 8, abortGrace: 4 })).toBe(expected, levels);
      });
    });

    it('says nothing before the first event', () => {
      marbles(({ cold, expectObservable }) => {
        const on = cold(' -----------');
        const expected = '-----------';
        expectObservable(gracefulShutdown({ on, deadline: 2 })).toBe(expected, levels);
      });
    });
  });

  describe('deadline', () => {
    it('of 0 aborts in the frame of the drain', () => {
      marbles(({ hot, expectObservable }) => {
        const on = hot('  --x-------');
        const expected = '--(da)(n|)';
        expectObservable(gracefulShutdown({ on, deadline: 0, abortGrace: 4 })).toBe(expected, levels);
      });
    });

    it('of 1 aborts in the next', () => {
      marbles(({ hot, expectObservable }) => {
        const on = hot('  --x-------');
        const expected = '--da---(n|)';
        expectObservable(gracefulShutdown({ on, deadline: 1, abortGrace: 4 })).toBe(expected, levels);
      });
    });

    it('of Infinity never comes; the second event does', () => {
      marbles(({ hot, expectObservable }) => {
        const config = { deadline: Infinity, abortGrace: 4 };
        expectObservable(gracefulShutdown({ on: hot('--x----------------'), ...config })).toBe('--d', levels);
        expectObservable(gracefulShutdown({ on: hot('--x 99999999ms x'), ...config })).toBe(
          '--d 99999999ms a---(n|)',
          levels,
        );
      });
    });

    for (const deadline of [2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1, 2 ** 35]) {
      it(`of ${deadline} ms comes when it should, though a host's timer cannot wait for so long`, () => {
        marbles(({ hot, expectObservable }) => {
          const on = hot(' --x---');
          const expected = `--d ${deadline - 1}ms a---(n|)`;
          expectObservable(gracefulShutdown({ on, deadline, abortGrace: 4 })).toBe(expected, levels);
        });
      });

      it(`of ${deadline} ms asks a scheduler for no more than it can wait`, () => {
        const scheduler = new RecordingScheduler();
        const reached: ShutdownLevel[] = [];
        gracefulShutdown({ on: of('x'), deadline, abortGrace: 0, scheduler }).subscribe((level) => reached.push(level));
        scheduler.flush();
        expect(reached).to.deep.equal(['drain', 'abort', 'abandon']);
        expect(Math.max(...scheduler.delays)).to.be.at.most(2 ** 31 - 1);
        expect(scheduler.now()).to.equal(deadline);
      });
    }

    it('of 2 ** 31 ms does not come at once in real time', async () => {
      const reached: ShutdownLevel[] = [];
      const config = { on: of('x').pipe(concatWith(NEVER)), deadline: 2 ** 31 };
      const subscription = gracefulShutdown(config).subscribe((level) => reached.push(level));
      await turn();
      await turn();
      expect(reached).to.deep.equal(['drain']);
      subscription.unsubscribe();
    });
  });

  describe('abortGrace', () => {
    it('is two seconds by default, and undefined is the default', () => {
      marbles(({ hot, expectObservable }) => {
        const expected = '--d-------a 1999ms (n|)';
        const config = { on: hot('--x---------'), deadline: 8 };
        expectObservable(gracefulShutdown(config)).toBe(expected, levels);
        expectObservable(gracefulShutdown({ ...config, abortGrace: undefined })).toBe(expected, levels);
      });
    });

    it('of 0 abandons in the frame of the abort', () => {
      marbles(({ hot, expectObservable }) => {
        const on = hot('  --x---------');
        const expected = '--d-------(an|)';
        expectObservable(gracefulShutdown({ on, deadline: 8, abortGrace: 0 })).toBe(expected, levels);
      });
    });

    it('of Infinity waits for the third event', () => {
      marbles(({ hot, expectObservable }) => {
        const on = hot('  --x--x 99999999ms x----');
        const expected = '--d--a 99999999ms (n|)';
        expectObservable(gracefulShutdown({ on, deadline: 8, abortGrace: Infinity })).toBe(expected, levels);
      });
    });
  });

  describe('ties', () => {
    it('has one abort where the second event comes just before the deadline', () => {
      marbles(({ hot, expectObservable }) => {
        const on = hot('  --x-------x---------');
        const expected = '--d-------a---(n|)';
        expectObservable(gracefulShutdown({ on, deadline: 8, abortGrace: 4 })).toBe(expected, levels);
      });
    });

    it('has one abandon where the third event comes just before the end of the grace', () => {
      marbles(({ hot, expectObservable }) => {
        const on = hot('  --x--x---x---------');
        const expected = '--d--a---(n|)';
        expectObservable(gracefulShutdown({ on, deadline: 8, abortGrace: 4 })).toBe(expected, levels);
      });
    });

    it('escalates where the second event comes just after the deadline', () => {
      marbles(({ hot, expectObservable }) => {
        // The timer of the second event is set after the deadline's, and so fires after it in the same frame.
        const on = hot('  --x---------').pipe(switchMap(() => merge(of('first'), timer(8))));
        const expected = '--d-------(an|)';
        expectObservable(gracefulShutdown({ on, deadline: 8, abortGrace: 4 })).toBe(expected, levels);
      });
    });
  });

  describe('events at once', () => {
    it('escalates through all levels in one call', () => {
      marbles(({ expectObservable }) => {
        expectObservable(gracefulShutdown({ on: of(1, 2, 3, 4, 5), deadline: 8 })).toBe('(dan|)', levels);
      });
    });

    it('hears of the event that is sent in answer to a level, and keeps the order', () => {
      const on = new Subject<string>();
      const seen: string[] = [];
      gracefulShutdown({ on, deadline: 60_000, abortGrace: 60_000 }).subscribe({
        next: (level) => {
          seen.push(level);
          if (level !== 'abandon') on.next(`in answer to ${level}`);
        },
        complete: () => seen.push('complete'),
      });
      on.next('first');
      expect(seen).to.deep.equal(['drain', 'abort', 'abandon', 'complete']);
      expect(on.observed).to.be.false;
    });

    it('counts the grace, and no deadline, from an abort in answer to the drain', () => {
      const scheduler = new VirtualTimeScheduler();
      const on = new Subject<string>();
      const seen: [ShutdownLevel, number][] = [];
      gracefulShutdown({ on, deadline: 2, abortGrace: 4, scheduler }).subscribe((level) => {
        seen.push([level, scheduler.now()]);
        if (level === 'drain') on.next('in answer');
      });
      on.next('first');
      scheduler.flush();
      expect(seen).to.deep.equal([
        ['drain', 0],
        ['abort', 0],
        ['abandon', 4],
      ]);
    });

    it('keeps the order where a scheduler ends a deadline of 0 in the call that begins it', () => {
      for (const abortGrace of [0, Infinity]) {
        const on = new Subject<string>();
        const seen: string[] = [];
        const subscription = gracefulShutdown({ on, deadline: 0, abortGrace, scheduler: queueScheduler }).subscribe({
          next: (level) => seen.push(level),
          complete: () => seen.push('complete'),
        });
        on.next('first');
        expect(seen).to.deep.equal(abortGrace === 0 ? ['drain', 'abort', 'abandon', 'complete'] : ['drain', 'abort']);
        on.next('second');
        expect(seen).to.deep.equal(['drain', 'abort', 'abandon', 'complete']);
        expect(subscription.closed).to.be.true;
        expect(on.observed).to.be.false;
      }
    });

    it('completes although an event is sent in answer to the last level', () => {
      const on = new Subject<string>();
      const seen: string[] = [];
      gracefulShutdown({ on, deadline: 60_000, abortGrace: 60_000 }).subscribe({
        next: (level) => {
          seen.push(level);
          on.next(`in answer to ${level}`);
        },
        complete: () => seen.push('complete'),
      });
      on.next('first');
      expect(seen).to.deep.equal(['drain', 'abort', 'abandon', 'complete']);
      expect(on.observed).to.be.false;
    });

    it('stops a source that has many events at once', () => {
      let taken = 0;
      const many = (function* () {
        while (taken < 100) yield ++taken;
      })();
      const seen: ShutdownLevel[] = [];
      gracefulShutdown({ on: many, deadline: 8 }).subscribe((level) => seen.push(level));
      expect(seen).to.deep.equal(['drain', 'abort', 'abandon']);
      expect(taken).to.be.at.most(4);
    });

    it('takes a promise for one event', async () => {
      const seen: ShutdownLevel[] = [];
      const subscription = gracefulShutdown({ on: Promise.resolve(), deadline: 60_000 }).subscribe((level) =>
        seen.push(level),
      );
      await turn();
      expect(seen).to.deep.equal(['drain']);
      subscription.unsubscribe();
    });
  });

  describe('the end of the events', () => {
    it('before the first is the end of it', () => {
      marbles(({ cold, expectObservable }) => {
        expectObservable(gracefulShutdown({ on: cold('---|'), deadline: 8 })).toBe('---|');
        expectObservable(gracefulShutdown({ on: EMPTY, deadline: 8 })).toBe('|');
      });
    });

    it('after the first leaves the deadline and the grace', () => {
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const on = cold(' --x--|');
        const subs = '    ^----!';
        const expected = '--d-------a---(n|)';
        expectObservable(gracefulShutdown({ on, deadline: 8, abortGrace: 4 })).toBe(expected, levels);
        expectSubscriptions(on.subscriptions).toBe(subs);
      });
    });

    it('is passed on when it is an error before the first', () => {
      marbles(({ cold, expectObservable }) => {
        const on = cold(' ---#');
        const expected = '---#';
        expectObservable(gracefulShutdown({ on, deadline: 8, abortGrace: 4 })).toBe(expected, levels);
      });
    });

    it('is reported when it is an error after the first, and leaves the deadline and the grace', async () => {
      const config = { deadline: 8, abortGrace: 4 };
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const inTheDrain = cold('   --x--#', undefined, new Error('in the drain'));
        const subs = '              ^----!';
        const inTheGrace = cold('   --x---------#', undefined, new Error('in the grace'));
        const expected = '          --d-------a---(n|)';
        expectObservable(gracefulShutdown({ on: inTheDrain, ...config })).toBe(expected, levels);
        expectObservable(gracefulShutdown({ on: inTheGrace, ...config })).toBe(expected, levels);
        expectSubscriptions(inTheDrain.subscriptions).toBe(subs);
      });
      await turn();
      expect(takeReported().map(String)).to.deep.equal(['Error: in the drain', 'Error: in the grace']);
    });
  });

  describe('unsubscription', () => {
    it('lets go of the events', () => {
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const on = hot('  --x--x--x--');
        const unsub = '   ----!';
        const subs = '    ^---!';
        const expected = '--d--';
        expectObservable(gracefulShutdown({ on, deadline: 8 }), unsub).toBe(expected, levels);
        expectSubscriptions(on.subscriptions).toBe(subs);
      });
    });

    it('lets go of the deadline, and of the grace', () => {
      // The guard fails this spec when a timer is left.
      for (const events of [1, 2]) {
        const on = new Subject<void>();
        const subscription = gracefulShutdown({ on, deadline: 60_000, abortGrace: 60_000 }).subscribe();
        for (let i = 0; i < events; i++) on.next();
        subscription.unsubscribe();
        expect(on.observed).to.be.false;
      }
    });

    it('from inside a level is the last that is heard', () => {
      for (const last of ['drain', 'abort', 'abandon']) {
        const on = new Subject<void>();
        const stop$ = new Subject<void>();
        const seen: string[] = [];
        gracefulShutdown({ on, deadline: 60_000, abortGrace: 60_000 })
          .pipe(takeUntil(stop$))
          .subscribe((level) => {
            seen.push(level);
            if (level === last) stop$.next();
          });
        for (let i = 0; i < 3; i++) on.next();
        expect(seen.at(-1)).to.equal(last);
        expect(on.observed).to.be.false;
      }
    });
  });

  describe('two subscriptions', () => {
    it('listen and count each for itself', () => {
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const on = hot('   --x--x--x-----');
        const shutdown = gracefulShutdown({ on, deadline: 20, abortGrace: 20 });
        const early = '    ^-------------';
        const late = '     ----^---------';
        expectObservable(shutdown, early).toBe('--d--a--(n|)', levels);
        expectObservable(shutdown, late).toBe('-----d--a 19ms (n|)', levels);
        expectSubscriptions(on.subscriptions).toBe(['^-------!', '----^ 23ms !']);
      });
    });
  });

  describe('options', () => {
    const make =
      (options: unknown): (() => unknown) =>
      () =>
        gracefulShutdown(options as GracefulShutdownConfig);
    const good = { on: NEVER, deadline: 1000 };

    for (const name of ['deadline', 'abortGrace']) {
      for (const [value, shown, type] of [
        [NaN, 'NaN', RangeError],
        [-1, '-1', RangeError],
        [-Infinity, '-Infinity', RangeError],
        ['5', "'5'", TypeError],
        [null, 'null', TypeError],
        [5n, '5n', TypeError],
        [true, 'true', TypeError],
        [[], 'an array', TypeError],
        [{ valueOf: () => 5 }, 'an object', TypeError],
      ] as const) {
        it(`refuses ${shown} as ${name}`, () => {
          expect(make({ ...good, [name]: value })).to.throw(
            type,
            `${name} must be a number of milliseconds ≥ 0, or Infinity, but is ${shown}`,
          );
        });
      }
      for (const value of [0, 0.5, 2 ** 53, Infinity]) {
        it(`takes ${value} as ${name}`, () => {
          expect(make({ ...good, [name]: value })).not.to.throw();
        });
      }
    }

    it('requires a deadline to be said', () => {
      expect(make({ on: NEVER })).to.throw(TypeError, 'deadline must be a number of milliseconds');
      expect(make({ on: NEVER, deadline: undefined })).to.throw(TypeError, 'deadline must be a number of milliseconds');
      // @ts-expect-error as the types do
      expect(() => gracefulShutdown({ on: NEVER })).to.throw(TypeError);
    });

    it('requires events', () => {
      for (const on of [undefined, null, 'SIGTERM', 5]) {
        expect(make({ deadline: 8, on })).to.throw(TypeError, 'on must be an Observable');
      }
    });

    it('refuses the name of a signal as on, and says how to listen to it', () => {
      expect(() => gracefulShutdown({ deadline: 8, on: 'SIGTERM' })).to.throw(
        TypeError,
        "but is 'SIGTERM': for the process's signals write fromSignals('SIGTERM', 'SIGINT')",
      );
    });

    it('refuses an option that it does not know, and names the nearest', () => {
      expect(make({ ...good, abortgrace: 5 })).to.throw(
        TypeError,
        "no option 'abortgrace': did you mean 'abortGrace'?",
      );
      expect(make({ ...good, level: 5 })).to.throw(
        TypeError,
        /has no option 'level': .*on, deadline, abortGrace, scheduler/,
      );
    });

    it('says what to give where it is given the events alone', () => {
      for (const events of [NEVER, new Subject(), { subscribe: () => undefined }]) {
        expect(make(events)).to.throw(TypeError, 'gracefulShutdown needs a config: { on: observable, deadline: ms }');
      }
    });

    it('refuses what is no config and what is no scheduler', () => {
      for (const config of [undefined, null, NEVER.subscribe, 5]) {
        expect(make(config)).to.throw(TypeError, "gracefulShutdown's config must be a plain object");
      }
      for (const scheduler of [null, 'asyncScheduler', {}, { now: () => 0 }]) {
        expect(make({ ...good, scheduler })).to.throw(TypeError, 'scheduler');
      }
    });

    it('reads each once, when it is called', () => {
      const reads: string[] = [];
      const config = {
        get on() {
          reads.push('on');
          return of('x');
        },
        get deadline() {
          reads.push('deadline');
          return 60_000;
        },
      };
      const shutdown = gracefulShutdown(config);
      shutdown.subscribe().unsubscribe();
      shutdown.subscribe().unsubscribe();
      expect(reads).to.deep.equal(['on', 'deadline']);
    });

    it('is not changed by what somebody puts on Object.prototype', () => {
      const prototype = Object.prototype as { abortGrace?: number; surprise?: number };
      prototype.abortGrace = NaN;
      prototype.surprise = 1;
      try {
        expect(make(good)).not.to.throw();
      } finally {
        delete prototype.abortGrace;
        delete prototype.surprise;
      }
    });

    it('times with the scheduler that it is given, and with no other', () => {
      const scheduler = new VirtualTimeScheduler();
      const seen: [ShutdownLevel, number][] = [];
      gracefulShutdown({ on: of('x'), deadline: 8, abortGrace: 4, scheduler }).subscribe((level) =>
        seen.push([level, scheduler.now()]),
      );
      scheduler.flush();
      expect(seen).to.deep.equal([
        ['drain', 0],
        ['abort', 8],
        ['abandon', 12],
      ]);
    });
  });
});
