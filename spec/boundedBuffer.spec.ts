import { expect } from 'chai';
import fc from 'fast-check';
import { catchError, concat, EMPTY, from, map, NEVER, Observable, of, Subject, take, throwError } from 'rxjs';
import { boundedBuffer } from '../src/index.js';
import type { BoundedBufferConfig } from '../src/index.js';
import { takeReported } from './support/guard.js';
import { marbles } from './support/marbles.js';
import { isPossible } from './support/policies.js';
import type { AnyOverflow } from './support/policies.js';

const POLICIES: readonly AnyOverflow[] = ['error', 'drop-incoming', 'drop-oldest', 'replace-newest', 'clear'];

/** What a diagram of the demand says. */
const DEMANDS = { x: undefined, 0: 0, 2: 2, 3: 3, i: Infinity };

/** One column is one frame. Spaces are for the eye. */
interface Diagram {
  readonly source: string;
  readonly sourceSub: string;
  readonly demand: string;
  readonly demandSub: string;
  readonly output: string;
  /** What `onDrop` heard of: `a` never had a place, `A` has lost it. */
  readonly lost?: string;
  readonly unsubscribed?: string;
}

type Bounds = Pick<BoundedBufferConfig<string>, 'capacity' | 'overflow'>;

function check(bounds: Bounds, diagram: Diagram): void {
  marbles(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold(diagram.source);
    const demand = cold(diagram.demand, DEMANDS);
    const lost = new Subject<string>();
    const onDrop = (value: string, reason: 'full' | 'evicted'): void =>
      lost.next(reason === 'full' ? value : value.toUpperCase());
    const output = source.pipe(
      boundedBuffer({ ...bounds, demand, onDrop }),
      // A BufferOverflowError is shown as the job that it carries.
      catchError((error: unknown) => throwError(() => (error as { job?: unknown }).job ?? error)),
    );
    const error = bounds.overflow === 'error' ? /#/.exec(diagram.output) && jobAt(diagram) : 'error';
    expectObservable(lost).toBe(diagram.lost ?? '');
    expectObservable(output, diagram.unsubscribed).toBe(diagram.output, undefined, error);
    expectSubscriptions(source.subscriptions).toBe(diagram.sourceSub);
    expectSubscriptions(demand.subscriptions).toBe(diagram.demandSub);
  });
}

/** The value that arrives in the frame of the error. */
function jobAt({ source, output }: Diagram): string {
  return source.replaceAll(' ', '')[output.replaceAll(' ', '').indexOf('#')]!;
}

/** Subscribes, and tells all that comes. */
function collect<T>(source: Observable<T>): { values: T[]; end: () => unknown; unsubscribe: () => void } {
  const values: T[] = [];
  let end: unknown;
  const subscription = source.subscribe({
    next: (value) => values.push(value),
    error: (error: unknown) => (end = error),
    complete: () => (end = 'complete'),
  });
  return { values, end: () => end, unsubscribe: () => subscription.unsubscribe() };
}

/** The numbers from 0 for as long as somebody listens, and how many were made. */
function endless(): { source: Observable<number>; made: () => number } {
  let made = 0;
  function* numbers(): Generator<number> {
    for (;;) yield made++;
  }
  return { source: from(numbers()), made: () => made };
}

describe('boundedBuffer', () => {
  describe('values', () => {
    it('pass as they are demanded, and the last completes: the diagram of the doc comment', () =>
      check(
        { capacity: 2, overflow: 'drop-oldest' },
        {
          source: '     -a-b-c-d-e-|      ',
          sourceSub: '  ^----------!      ',
          demand: '     ----x-------xx----',
          demandSub: '  ^------------!    ',
          output: '     ----a-------d(e|) ',
          lost: '       -------B-C--------',
        },
      ));

    it('pass at once where the demand has come before', () =>
      check(
        { capacity: 0 },
        {
          source: '     ---a--b--|',
          sourceSub: '  ^--------!',
          demand: '     -2--------',
          demandSub: '  ^--------!',
          output: '     ---a--b--|',
        },
      ));

    it('wait for the demand, first in, first out', () =>
      check(
        { capacity: Infinity },
        {
          source: '     -abc----d--------',
          sourceSub: '  ^----------------',
          demand: '     ----x--x-----x--x',
          demandSub: '  ^----------------',
          output: '     ----a--b-----c--d',
        },
      ));

    it('pass n at a time, and the rest of n when they come', () =>
      check(
        { capacity: Infinity },
        {
          source: '     -abcd--------e-f--',
          sourceSub: '  ^-----------------',
          demand: '     ------3------------3',
          demandSub: '  ^-----------------',
          output: '     ------(abc)--------(def)',
        },
      ));

    it('wait, though nothing is demanded: 0', () =>
      check(
        { capacity: Infinity },
        {
          source: '     -a-------b-',
          sourceSub: '  ^----------',
          demand: '     0--00-x-0--',
          demandSub: '  ^----------',
          output: '     ------a----',
        },
      ));

    it('all pass, once everything is demanded: Infinity', () =>
      check(
        { capacity: 2 },
        {
          source: '     -ab--------c-d-e-f-|',
          sourceSub: '  ^------------------!',
          demand: '     -----i--------------',
          demandSub: '  ^------------------!',
          output: '     -----(ab)--c-d-e-f-|',
        },
      ));

    it('may be undefined', () => {
      const source = new Subject<undefined>();
      const demand = new Subject<number>();
      const output = collect(source.pipe(boundedBuffer({ capacity: 1, demand })));
      source.next(undefined);
      demand.next(2);
      source.next(undefined);
      expect(output.values).to.eql([undefined, undefined]);
    });

    it('find room that a demand has made in the meantime', () =>
      check(
        { capacity: 1 },
        {
          source: '     -a-b-c-d--|    ',
          sourceSub: '  ^---------!    ',
          demand: '     --x-x-x-----x--',
          demandSub: '  ^-----------!  ',
          output: '     --a-b-c-----(d|)',
        },
      ));
  });

  describe('overflow', () => {
    const source = '      -a-b-c-d-|        ';
    const sourceSub = '   ^--------!        ';
    const demand = '      ----------i-------';
    const demandSub = '   ^---------!       ';
    const unending = '    ^--------!        ';

    const table: readonly (readonly [capacity: number, overflow: AnyOverflow, output: string, lost: string])[] = [
      [0, 'drop-incoming', '---------|          ', '-a-b-c-d---'],
      [1, 'drop-incoming', '----------(a|)      ', '---b-c-d---'],
      [1, 'drop-oldest', '  ----------(d|)      ', '---A-B-C---'],
      [1, 'replace-newest', '----------(d|)     ', ' ---A-B-C---'],
      [1, 'clear', '        ----------(d|)      ', '---A-B-C---'],
      [2, 'drop-incoming', '----------(ab|)     ', '-----c-d---'],
      [2, 'drop-oldest', '  ----------(cd|)     ', '-----A-B---'],
      [2, 'replace-newest', '----------(ad|)    ', ' -----B-C---'],
      [2, 'clear', '        ----------(cd|)     ', '-----(AB)--'],
      [3, 'drop-incoming', '----------(abc|)    ', '-------d---'],
      [3, 'drop-oldest', '  ----------(bcd|)    ', '-------A---'],
      [3, 'replace-newest', '----------(abd|)   ', ' -------C---'],
      [3, 'clear', '        ----------(d|)      ', '-------(ABC)'],
    ];
    for (const [capacity, overflow, output, lost] of table) {
      it(`loses as the policy says: ${overflow}, capacity ${capacity}`, () =>
        check(
          { capacity, overflow },
          { source, sourceSub, demand, demandSub: capacity === 0 ? unending : demandSub, output, lost },
        ));
    }

    for (const [capacity, output, lost] of [
      [0, '-#      ', ' -a    '],
      [1, '---#    ', ' ---b  '],
      [2, '-----#  ', ' -----c'],
      [3, '-------#', ' -------d'],
    ] as const) {
      const ends = output.trim().replaceAll('#', '!').replace('-', '^');
      for (const overflow of ['error', undefined] as const) {
        it(`is an error that carries the value: policy ${overflow}, capacity ${capacity}`, () =>
          check(
            { capacity, overflow: overflow ?? 'error' },
            { source, sourceSub: ends, demand, demandSub: ends, output, lost },
          ));
      }
    }

    for (const capacity of [4, 1e9, Infinity]) {
      for (const overflow of POLICIES) {
        it(`does not happen while there is room: ${overflow}, capacity ${capacity}`, () =>
          check(
            { capacity, overflow },
            { source, sourceSub, demand, demandSub, output: '----------(abcd|)', lost: '' },
          ));
      }
    }

    it('is an error by default', () => {
      const source$ = new Subject<string>();
      const output = collect(source$.pipe(boundedBuffer({ capacity: 1, demand: NEVER })));
      source$.next('a');
      source$.next('b');
      expect(output.end()).to.include({ name: 'BufferOverflowError', capacity: 1, job: 'b' });
      expect([output.values, source$.observed]).to.eql([[], false]);
    });

    it('never happens to a value that passes at once: capacity 0, all demanded', () => {
      const output = collect(from([1, 2, 3]).pipe(boundedBuffer({ capacity: 0, demand: concat(of(Infinity), NEVER) })));
      expect([output.values, output.end()]).to.eql([[1, 2, 3], 'complete']);
    });
  });

  describe('completion', () => {
    it('waits for what waits when the source has completed', () =>
      check(
        { capacity: 3 },
        {
          source: '     -abc|          ',
          sourceSub: '  ^---!          ',
          demand: '     ------x--x---x-',
          demandSub: '  ^------------! ',
          output: '     ------a--b---(c|)',
        },
      ));

    it('comes with the source when nothing waits', () =>
      check(
        { capacity: 3 },
        {
          source: '     -a---|',
          sourceSub: '  ^----!',
          demand: '     --x---',
          demandSub: '  ^----!',
          output: '     --a--|',
        },
      ));

    it('comes with the last value that was demanded when the demand has completed', () =>
      check(
        { capacity: 3 },
        {
          source: '     ----a-b-c-|',
          sourceSub: '  ^-----!    ',
          demand: '     -2-|       ',
          demandSub: '  ^--!       ',
          output: '     ----a-(b|) ',
        },
      ));

    it('comes with the end of the demand when it is used up, and what waits is let go', () =>
      check(
        { capacity: 3 },
        {
          source: '     -abc-----d',
          sourceSub: '  ^------!  ',
          demand: '     -----x-|  ',
          demandSub: '  ^------!  ',
          output: '     -----a-|  ',
          lost: '       ----------',
        },
      ));

    it('comes with the end of the demand when the source has ended and values wait', () =>
      check(
        { capacity: 3 },
        {
          source: '     -ab|    ',
          sourceSub: '  ^--!    ',
          demand: '     -----x-|',
          demandSub: '  ^------!',
          output: '     -----a-|',
        },
      ));

    it('never comes while the source goes on and the demand is not used up', () =>
      check(
        { capacity: 3 },
        {
          source: '     -a------',
          sourceSub: '  ^-------',
          demand: '     ---2-|  ',
          demandSub: '  ^----!  ',
          output: '     ---a----',
        },
      ));

    it('comes at once where the source is empty', () =>
      check({ capacity: 3 }, { source: '|', sourceSub: '(^!)', demand: '----', demandSub: '(^!)', output: '|' }));

    it('comes at once where nothing is ever demanded, and the source is not even subscribed', () => {
      let subscribed = false;
      const source = new Observable<string>(() => void (subscribed = true));
      const output = collect(source.pipe(boundedBuffer({ capacity: 3, demand: EMPTY })));
      expect([output.end(), subscribed]).to.eql(['complete', false]);
    });
  });

  describe('errors', () => {
    it('of the source come through at once, and what waits is let go', () =>
      check(
        { capacity: 3, overflow: 'clear' },
        {
          source: '     -ab--#   ',
          sourceSub: '  ^----!   ',
          demand: '     --------i',
          demandSub: '  ^----!   ',
          output: '     -----#   ',
          lost: '       ---------',
        },
      ));

    it('of the demand come through at once, and what waits is let go', () =>
      check(
        { capacity: 3, overflow: 'clear' },
        {
          source: '     -ab----c--',
          sourceSub: '  ^----!    ',
          demand: '     --x--#    ',
          demandSub: '  ^----!    ',
          output: '     --a--#    ',
          lost: '       ----------',
        },
      ));

    it('of the demand come through also when the source has ended and values wait', () =>
      check(
        { capacity: 3, overflow: 'clear' },
        {
          source: '     -ab|     ',
          sourceSub: '  ^--!     ',
          demand: '     -----#   ',
          demandSub: '  ^----!   ',
          output: '     -----#   ',
        },
      ));

    for (const reason of ['full', 'evicted'] as const) {
      it(`of onDrop come through at once: ${reason}`, () => {
        const error = new Error('onDrop');
        const source = new Subject<number>();
        const demand = new Subject<number>();
        const onDrop = (_: number, why: string): void => {
          if (why === reason) throw error;
        };
        const overflow = reason === 'full' ? 'drop-incoming' : 'drop-oldest';
        const output = collect(source.pipe(boundedBuffer({ capacity: 1, overflow, demand, onDrop })));
        source.next(1);
        expect(output.end()).to.equal(undefined);
        source.next(2);
        expect([output.values, output.end(), source.observed, demand.observed]).to.eql([[], error, false, false]);
      });
    }

    it('of onDrop come through before a BufferOverflowError', () => {
      const error = new Error('onDrop');
      const onDrop = (): never => {
        throw error;
      };
      const output = collect(of(1).pipe(boundedBuffer({ capacity: 0, demand: NEVER, onDrop })));
      expect(output.end()).to.equal(error);
    });

    const bad: readonly (readonly [value: unknown, type: ErrorConstructor, shown: string])[] = [
      [-1, RangeError, '-1'],
      [1.5, RangeError, '1.5'],
      [NaN, RangeError, 'NaN'],
      [-Infinity, RangeError, '-Infinity'],
      [2 ** 53, RangeError, String(2 ** 53)],
      ['1', TypeError, "'1'"],
      [null, TypeError, 'null'],
      [1n, TypeError, '1n'],
      [true, TypeError, 'true'],
    ];
    for (const [value, type, shown] of bad) {
      it(`of a demand that is no count come through at once: ${shown}`, () => {
        const source = new Subject<string>();
        const demand = new Subject<number>();
        const output = collect(source.pipe(boundedBuffer({ capacity: 1, demand })));
        source.next('a');
        demand.next(value as number);
        expect(output.end()).to.be.instanceOf(type);
        expect((output.end() as Error).message).to.equal(`demand must be an integer ≥ 0, or Infinity, but is ${shown}`);
        expect([output.values, source.observed, demand.observed]).to.eql([[], false, false]);
      });
    }
  });

  describe('unsubscription', () => {
    it('lets go of the source and of the demand', () =>
      check(
        { capacity: 3 },
        {
          source: '       -a-b-c-',
          sourceSub: '    ^----! ',
          demand: '       --x--- ',
          demandSub: '    ^----! ',
          output: '       --a--- ',
          unsubscribed: ' -----! ',
        },
      ));

    it('stops a synchronous source: take', () => {
      const { source, made } = endless();
      const output = collect(source.pipe(boundedBuffer({ capacity: 0, demand: of(Infinity) }), take(3)));
      expect([output.values, output.end(), made()]).to.eql([[0, 1, 2], 'complete', 3]);
    });

    it('stops a synchronous source: the demand is used up', () => {
      const { source, made } = endless();
      const output = collect(source.pipe(boundedBuffer({ capacity: 0, demand: of(2, undefined) })));
      expect([output.values, output.end(), made()]).to.eql([[0, 1, 2], 'complete', 3]);
    });

    it('stops a synchronous source: a BufferOverflowError', () => {
      const { source, made } = endless();
      const output = collect(source.pipe(boundedBuffer({ capacity: 2, demand: concat(of(1), NEVER) })));
      expect([output.values, made()]).to.eql([[0], 4]);
      expect(output.end()).to.include({ name: 'BufferOverflowError', capacity: 2, job: 3 });
    });

    it('from inside next passes nothing more of what was demanded', () => {
      const source = new Subject<number>();
      const demand = new Subject<number>();
      const output = collect(source.pipe(boundedBuffer({ capacity: 5, demand }), take(2)));
      for (let i = 0; i < 5; i++) source.next(i);
      demand.next(4);
      expect([output.values, output.end(), source.observed, demand.observed]).to.eql([
        [0, 1],
        'complete',
        false,
        false,
      ]);
    });
  });

  describe('re-entrancy', () => {
    it('takes demand from inside next, one for each of 100,000 that wait, on a flat stack', () => {
      const source = new Subject<number>();
      const demand = new Subject<void>();
      let [passed, completed] = [0, false];
      source.pipe(boundedBuffer({ capacity: Infinity, demand })).subscribe({
        next: (n) => {
          if (n !== passed++) throw new Error(`${n} is the ${passed}th`);
          demand.next();
        },
        complete: () => (completed = true),
      });
      for (let i = 0; i < 1e5; i++) source.next(i);
      demand.next();
      expect(passed).to.equal(1e5);
      source.next(1e5);
      source.complete();
      expect([passed, completed]).to.eql([100_001, true]);
    });

    it('takes more demand from inside next than there is to pass, and passes in order', () => {
      const source = new Subject<number>();
      const demand = new Subject<number>();
      const seen: number[] = [];
      source.pipe(boundedBuffer({ capacity: 9, demand })).subscribe((n) => {
        seen.push(n);
        if (n === 0) demand.next(3);
      });
      for (let i = 0; i < 3; i++) source.next(i);
      demand.next(1);
      expect(seen).to.eql([0, 1, 2]);
      source.next(3);
      source.next(4);
      expect(seen).to.eql([0, 1, 2, 3]);
    });

    it('takes values from inside next, behind those that wait', () => {
      const source = new Subject<number>();
      const demand = new Subject<number>();
      const seen: number[] = [];
      source.pipe(boundedBuffer({ capacity: 9, demand })).subscribe((n) => {
        seen.push(n);
        if (n < 2) source.next(n + 10);
      });
      for (let i = 0; i < 3; i++) source.next(i);
      demand.next(Infinity);
      expect(seen).to.eql([0, 1, 2, 10, 11]);
    });

    it('takes demand from inside onDrop for 100,000 that are lost at once, on a flat stack', () => {
      const source = new Subject<number>();
      const demand = new Subject<void>();
      const onDrop = (): void => demand.next();
      const output = collect(source.pipe(boundedBuffer({ capacity: 1e5, overflow: 'clear', demand, onDrop })));
      for (let i = 0; i <= 1e5; i++) source.next(i);
      expect(output.values).to.eql([1e5]);
      for (let i = 0; i < 1e5; i++) source.next(-i);
      // One of them had to wait.
      expect(output.values.length).to.equal(1e5);
      source.complete();
      expect(output.end()).to.equal(undefined);
      demand.next();
      expect([output.values.length, output.end()]).to.eql([100_001, 'complete']);
    });

    for (const overflow of ['drop-oldest', 'replace-newest', 'clear'] as const) {
      it(`gives the value that has arrived to whoever demands from inside onDrop: ${overflow}`, () => {
        const source = new Subject<string>();
        const demand = new Subject<void>();
        const lost: string[] = [];
        const onDrop = (value: string, reason: string): void => {
          lost.push(`${value} ${reason}`);
          demand.next();
        };
        const output = collect(source.pipe(boundedBuffer({ capacity: 1, overflow, demand, onDrop })));
        source.next('a');
        source.next('b');
        expect([output.values, lost]).to.eql([['b'], ['a evicted']]);
        source.complete();
        expect(output.end()).to.equal('complete');
      });
    }

    it('passes what waits to whoever demands from inside onDrop, in the place of a value that had none', () => {
      const source = new Subject<string>();
      const demand = new Subject<void>();
      const onDrop = (): void => demand.next();
      const output = collect(source.pipe(boundedBuffer({ capacity: 1, overflow: 'drop-incoming', demand, onDrop })));
      for (const value of ['a', 'b', 'c', 'd']) source.next(value);
      expect(output.values).to.eql(['a', 'c']);
    });

    it('refuses a value that is offered from inside onDrop: the arriving one has the place by then', () => {
      const source = new Subject<string>();
      const demand = new Subject<void>();
      const lost: string[] = [];
      const onDrop = (value: string, reason: string): void => {
        lost.push(`${value} ${reason}`);
        if (value === 'a') source.next('c');
      };
      const output = collect(source.pipe(boundedBuffer({ capacity: 1, overflow: 'drop-oldest', demand, onDrop })));
      source.next('a');
      source.next('b');
      demand.next();
      expect([output.values, lost]).to.eql([['b'], ['a evicted', 'c full']]);
    });

    it('tells of the evicted value when the arriving one has its place, so that neither is lost to an end from onDrop', () => {
      const source = new Subject<string>();
      const demand = new Subject<number>();
      const onDrop = (): void => source.complete();
      const output = collect(source.pipe(boundedBuffer({ capacity: 1, overflow: 'drop-oldest', demand, onDrop })));
      source.next('a');
      source.next('b');
      demand.next(2);
      expect(output.values).to.eql(['b']);
    });

    it('passes nothing more when onDrop unsubscribes', () => {
      const source = new Subject<string>();
      const demand = new Subject<number>();
      const output = collect(
        source.pipe(
          boundedBuffer({
            capacity: 1,
            overflow: 'drop-oldest',
            demand,
            onDrop: () => {
              output.unsubscribe();
              demand.next(1);
            },
          }),
        ),
      );
      source.next('a');
      source.next('b');
      demand.next(1);
      expect([output.values, output.end(), source.observed, demand.observed]).to.eql([[], undefined, false, false]);
    });

    it('may be its own demand: each value that has passed asks for the next', () => {
      const demand = new Subject<void>();
      let passed = 0;
      new Observable<number>((subscriber) => {
        for (let i = 0; i < 1e5; i++) subscriber.next(i);
        demand.next();
        subscriber.complete();
      })
        .pipe(boundedBuffer({ capacity: Infinity, demand }))
        .subscribe(() => {
          passed++;
          demand.next();
        });
      expect(passed).to.equal(1e5);
    });
  });

  describe('subscriptions', () => {
    it('have a buffer and a demand of their own', () => {
      const source = new Subject<number>();
      const demands = [new Subject<void>(), new Subject<void>()];
      let next = 0;
      const demand = new Observable<void>((subscriber) => demands[next++]!.subscribe(subscriber));
      const output$ = source.pipe(boundedBuffer({ capacity: 2, overflow: 'drop-oldest', demand }));
      const outputs = [collect(output$), collect(output$)];
      for (let i = 0; i < 3; i++) source.next(i);
      demands[0]!.next();
      demands[0]!.next();
      expect(outputs.map(({ values }) => values)).to.eql([[1, 2], []]);
      outputs[0]!.unsubscribe();
      demands[1]!.next();
      expect(outputs.map(({ values }) => values)).to.eql([[1, 2], [1]]);
    });

    it('begin anew each time', () => {
      const output$ = from([1, 2, 3]).pipe(
        boundedBuffer({ capacity: 1, overflow: 'drop-incoming', demand: concat(of(1), NEVER) }),
      );
      for (let i = 0; i < 3; i++) {
        const output = collect(output$);
        expect([output.values, output.end()]).to.eql([[1], undefined]);
        output.unsubscribe();
      }
    });

    it('may be of one operator on several sources', () => {
      const operator = boundedBuffer<number>({ capacity: 1, demand: of(1) });
      expect([collect(operator(of(1))).values, collect(operator(of(2))).values]).to.eql([[1], [2]]);
    });
  });

  describe('config', () => {
    const right = { capacity: 1, demand: NEVER };
    const wrong: readonly (readonly [title: string, config: object, type: ErrorConstructor, message: string])[] = [
      ['no capacity', { demand: NEVER }, TypeError, 'capacity must be an integer ≥ 0, or Infinity, but is undefined'],
      ['a capacity of -1', { ...right, capacity: -1 }, RangeError, 'capacity must be'],
      ['a capacity of 0.5', { ...right, capacity: 0.5 }, RangeError, 'capacity must be'],
      ['a capacity of NaN', { ...right, capacity: NaN }, RangeError, 'capacity must be'],
      ['no demand', { capacity: 1 }, TypeError, 'demand must be an Observable, but is undefined'],
      [
        'a demand that is no Observable',
        { ...right, demand: [1] },
        TypeError,
        'demand must be an Observable, but is an array',
      ],
      [
        'an evicting policy without a capacity',
        { ...right, capacity: 0, overflow: 'drop-oldest' },
        TypeError,
        `overflow must be 'error' or 'drop-incoming' with capacity: 0, but is 'drop-oldest'`,
      ],
      ['a policy by priority', { ...right, overflow: 'drop-lowest' }, TypeError, "but is 'drop-lowest'"],
      ['an unknown policy', { ...right, overflow: 'drop-odlest' }, TypeError, "'clear', but is 'drop-odlest'"],
      ['an onDrop that is no function', { ...right, onDrop: {} }, TypeError, 'onDrop must be a function'],
      ['an unknown option', { ...right, buffer: 1 }, TypeError, "boundedBuffer has no option 'buffer'"],
    ];
    for (const [title, config, type, message] of wrong) {
      it(`is refused when the operator is made: ${title}`, () => {
        expect(() => boundedBuffer<number>(config as BoundedBufferConfig<number>)).to.throw(type, message);
      });
    }

    it('is refused when the operator is made: none', () => {
      expect(() => boundedBuffer(undefined as never)).to.throw(
        TypeError,
        "boundedBuffer's config must be a plain object",
      );
    });

    it('is read once: what is changed later does not count', () => {
      const config = { capacity: 1, overflow: 'drop-incoming' as AnyOverflow, demand: NEVER };
      const operator = boundedBuffer<number>(config);
      Object.assign(config, { capacity: 0, overflow: 'error' });
      expect(collect(of(1, 2).pipe(operator)).end()).to.equal(undefined);
    });
  });

  it('is the model, for any order of values, demand and ends', () => {
    const event = fc.oneof(
      { weight: 6, arbitrary: fc.constant('value' as const) },
      { weight: 4, arbitrary: fc.oneof(fc.nat(3), fc.constant(undefined), fc.constantFrom(0, 40)) },
      { weight: 1, arbitrary: fc.constantFrom('source ends' as const, 'demand ends' as const) },
    );
    const program = fc.array(event, { maxLength: 60 });
    fc.assert(
      fc.property(
        fc.constantFrom(0, 1, 2, 5, Infinity),
        fc.constantFrom(...POLICIES),
        program,
        (capacity, overflow, events) => {
          fc.pre(isPossible({ buffer: capacity, overflow }));
          const source = new Subject<number>();
          const demand = new Subject<number | void>();
          const log: unknown[] = [];
          source
            .pipe(
              boundedBuffer({ capacity, overflow, demand, onDrop: (value, reason) => log.push(`${value} ${reason}`) }),
              map((value) => `${value} passed`),
            )
            .subscribe({
              next: (told) => log.push(told),
              error: (error: unknown) => log.push((error as Error).name),
              complete: () => log.push('complete'),
            });

          const expected: unknown[] = [];
          const waiting: number[] = [];
          let [credit, over, sourceEnded, demandEnded, next] = [0, false, false, false, 0];
          const drop = (value: number, reason: string): void => void expected.push(`${value} ${reason}`);
          const arrive = (value: number): void => {
            if (credit > 0 || waiting.length < capacity) waiting.push(value);
            else if (overflow === 'error') {
              drop(value, 'full');
              expected.push('BufferOverflowError');
              over = true;
            } else if (overflow === 'drop-incoming' || capacity === 0) drop(value, 'full');
            else {
              const from = overflow === 'replace-newest' ? waiting.length - 1 : 0;
              const gone = waiting.splice(from, overflow === 'clear' ? Infinity : 1);
              for (const victim of gone) drop(victim, 'evicted');
              waiting.push(value);
            }
          };
          for (const [i, happens] of events.entries()) {
            if (happens === 'value') {
              if (!over && !sourceEnded) arrive(next);
              source.next(next++);
            } else if (happens === 'source ends') {
              sourceEnded = true;
              source.complete();
            } else if (happens === 'demand ends') {
              demandEnded = true;
              demand.complete();
            } else {
              if (!demandEnded) credit += happens ?? 1;
              demand.next(happens);
            }
            for (; !over && credit > 0 && waiting.length > 0; credit--) expected.push(`${waiting.shift()} passed`);
            if (!over && ((sourceEnded && waiting.length === 0) || (demandEnded && credit === 0))) {
              over = true;
              expected.push('complete');
            }
            expect(log, `event ${i}`).to.eql(expected);
            expect(source.observed, `event ${i}`).to.equal(!over && !sourceEnded);
            expect(demand.observed, `event ${i}`).to.equal(!over && !demandEnded);
          }
        },
      ),
      { numRuns: 500 },
    );
    expect(takeReported()).to.eql([]);
  });
});
