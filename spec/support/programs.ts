// Random programs around one operator: a source, what `work` returns for each of its values, and a downstream, each of
// which may turn on the others from wherever its code runs.
import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { Overflow } from '../../src/index.js';

/** What a program's code does to the streams around it, in the middle of whatever called it. */
export type Act =
  /** The source emits one more value. */
  | 'emit'
  /** The source completes. */
  | 'complete'
  /** The source errors. */
  | 'fail'
  /** Downstream unsubscribes. */
  | 'unsubscribe'
  /** The bus, a Subject that some jobs return, emits. */
  | 'tick'
  /** The bus completes, and with it all the jobs that are subscribed to it. */
  | 'tock'
  /** The bus errors. */
  | 'snap';

/** Where a program's code runs: what an act is re-entrant from. */
const PLACES = [
  'work',
  'the subscription of a job',
  'a running job',
  'a job that has ended',
  'a finalizer',
  'downstream next',
  'the end of downstream',
  'the teardown of downstream',
  'the source',
  'the teardown of the source',
  'the timeline',
] as const;
export type Place = (typeof PLACES)[number];

/** What the code of a job's Observable does, one after another, whether or not it has ended already. */
export type Step = Act | 'value' | 'end' | 'error' | 'look';

/** An operator in the job's own pipe. Most of them add their teardown only after the job has been subscribed. */
export type Stage =
  | { readonly op: 'finalize'; readonly acts: readonly Act[] }
  | { readonly op: 'tap'; readonly acts: readonly Act[] }
  | { readonly op: 'mergeMap' | 'concatMap' | 'takeUntilTick' }
  | { readonly op: 'takeUntil' | 'delay'; readonly frames: number }
  | { readonly op: 'take'; readonly count: number };

export interface Script {
  readonly form: 'observable' | 'interop' | 'foreign';
  readonly sync: readonly Step[];
  /** The last of the synchronous steps throws. */
  readonly throws: boolean;
  readonly later: readonly { readonly after: number; readonly steps: readonly Step[] }[];
  readonly teardown: readonly Act[];
  readonly pipe: readonly Stage[];
}

/** What `work` returns. */
type Result =
  | Script
  | { readonly form: 'of' | 'array' | 'iterable'; readonly length: number }
  | { readonly form: 'bus'; readonly pipe: readonly Stage[] }
  | { readonly form: 'empty' | 'never' | 'nothing' }
  | { readonly form: 'promise' | 'thenable'; readonly after: number | undefined; readonly rejects: boolean };

interface Job {
  /** What `work` does before it returns. */
  readonly acts: readonly Act[];
  readonly throws: boolean;
  readonly result: Result;
}

/** The options that matter: how many run, how many wait, and who loses. */
export interface Limits {
  readonly workers: number;
  readonly buffer: number;
  readonly overflow: Overflow;
}

export interface Program {
  readonly limits: Limits;
  readonly source: {
    /** A Subject outlives its subscription; the other calls its subscriber. */
    readonly form: 'subject' | 'subscriber';
    /** What it does inside the call that subscribes to it. */
    readonly sync: readonly Act[];
    /** It goes on when it is closed. */
    readonly deaf: boolean;
    readonly teardown: readonly Act[];
  };
  readonly timeline: readonly { readonly at: number; readonly acts: readonly Act[] }[];
  readonly jobs: readonly Job[];
  readonly downstream: {
    readonly take: number | undefined;
    /** A map throws when that many values have passed. */
    readonly throwsAfter: number | undefined;
    /** Subscribes once more when it has ended. */
    readonly again: 'retry' | 'repeat' | undefined;
    /** What it does inside `next`, value by value. */
    readonly next: readonly (readonly Act[])[];
    /** What it does inside `complete` or `error`. */
    readonly end: readonly Act[];
    /** What its first finalizer does: it is closed, and the source does not know yet. */
    readonly teardown: readonly Act[];
  };
  /** One more act, the `nth` time that code runs there: so that each act meets each place often enough. */
  readonly once: { readonly act: Act; readonly place: Place; readonly nth: number } | undefined;
}

/** Frames, of a program and of a job: small, so that much falls together. */
const frame: Arbitrary<number> = fc.integer({ min: 0, max: 6 });

function weighted<T>(...weights: [weight: number, value: T][]): Arbitrary<T> {
  return fc.oneof(...weights.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })));
}

function oneIn<T>(times: number, rare: T, common: T): Arbitrary<T> {
  return weighted([1, rare], [times - 1, common]);
}

/** As long as `maxLength` allows as often as short: a program in which little happens proves little. */
function list<T>(item: Arbitrary<T>, minLength: number, maxLength: number): Arbitrary<T[]> {
  return fc.array(item, { minLength, maxLength, size: 'max' });
}

/** What the jobs of a program may be. `plain` ones have no code of their own that runs when they end. */
export type Kind = 'any' | 'plain' | 'promises';

/** @param ends how many in a hundred acts and steps end something early: the source, a job with an error, all of it */
function programsThatEnd(ends: number, kind: Kind, limits: Arbitrary<Limits>): Arbitrary<Program> {
  const rests = 100 - ends;
  const ending = fc.constantFrom<Act[]>('complete', 'complete', 'unsubscribe', 'unsubscribe', 'fail', 'snap');
  const act = fc.oneof(
    { weight: rests, arbitrary: weighted<Act>([6, 'emit'], [2, 'tick'], [1, 'tock']) },
    { weight: ends, arbitrary: ending },
  );
  const step = fc.oneof(
    {
      weight: rests,
      arbitrary: weighted<Step>([8, 'value'], [4, 'end'], [2, 'look'], [2, 'emit'], [1, 'tick'], [1, 'tock']),
    },
    { weight: ends, arbitrary: ending },
    { weight: ends, arbitrary: fc.constant<Step>('error') },
  );
  /** Nothing, most of the time. */
  const acts = fc.oneof(
    { weight: 10, arbitrary: fc.constant([]) },
    { weight: 5, arbitrary: list(act, 1, 1) },
    { weight: 1, arbitrary: list(act, 2, 3) },
  );
  const throws = oneIn(Math.ceil(200 / (1 + ends)), true, false);

  const stage = fc.oneof<Arbitrary<Stage>[]>(
    fc.record({ op: fc.constantFrom('finalize', 'tap'), acts }),
    fc.record({ op: fc.constantFrom('mergeMap', 'concatMap', 'takeUntilTick') }),
    fc.record({ op: fc.constantFrom('takeUntil', 'delay'), frames: frame }),
    fc.record({ op: fc.constant('take'), count: fc.integer({ min: 1, max: 2 }) }),
  );
  const pipe = fc.oneof(fc.constant([]), list(stage, 1, 2));
  const later = list(fc.record({ after: frame, steps: list(step, 1, 3) }), 0, 3);
  const end = fc.record({ after: frame, steps: fc.constant<Step[]>(['end']) });
  const laterWithAnEnd = fc.tuple(later, end).map(([steps, last]) => [...steps, last]);
  const script = fc.record({
    form: weighted<Script['form']>([4, 'observable'], [1, 'interop'], [1, 'foreign']),
    sync: list(step, 0, 4),
    throws,
    later: fc.oneof({ weight: 1, arbitrary: later }, { weight: 2, arbitrary: laterWithAnEnd }),
    teardown: acts,
    pipe,
  });
  const plain = fc.oneof<Arbitrary<Result>[]>(
    fc.record({ form: fc.constantFrom('of', 'array', 'iterable'), length: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ form: fc.constantFrom('empty', 'never') }),
    fc.record({ form: oneIn(Math.ceil(50 / (1 + ends)), 'nothing', 'empty') }),
    fc.record({ form: fc.constant('bus'), pipe: fc.constant([]) }),
  );
  const piped = fc.record({ form: fc.constant<'bus'>('bus'), pipe });
  const promise = fc.record({
    form: fc.constantFrom<('promise' | 'thenable')[]>('promise', 'thenable'),
    after: fc.option(frame, { nil: undefined }),
    rejects: oneIn(Math.ceil(50 / (1 + ends)), true, false),
  });
  const results: Record<Kind, Arbitrary<Result>> = {
    any: fc.oneof({ weight: 6, arbitrary: script }, { weight: 2, arbitrary: plain }, { weight: 1, arbitrary: piped }),
    plain,
    promises: fc.oneof(
      { weight: 4, arbitrary: promise },
      { weight: 1, arbitrary: script },
      { weight: 1, arbitrary: plain },
    ),
  };

  return fc.record({
    limits,
    source: fc.record({
      form: fc.constantFrom<('subject' | 'subscriber')[]>('subject', 'subscriber'),
      sync: fc.oneof(
        fc.constant([]),
        list(
          fc.oneof({ weight: 100 - ends, arbitrary: fc.constant<Act>('emit') }, { weight: ends, arbitrary: ending }),
          1,
          6,
        ),
      ),
      deaf: fc.boolean(),
      teardown: acts,
    }),
    timeline: list(fc.record({ at: frame, acts: list(act, 1, 3) }), 1, 6),
    jobs: list(fc.record({ acts, throws, result: results[kind] }), 1, 10),
    downstream: fc.record({
      take: weighted([14, undefined], [1, 1], [1, 3]),
      throwsAfter: weighted([15, undefined], [1, 2]),
      again: weighted([8, undefined], [1, 'retry'], [1, 'repeat']),
      next: list(acts, 0, 8),
      end: acts,
      teardown: acts,
    }),
    once: fc.option(
      fc.record({
        act: fc.constantFrom<Act[]>('unsubscribe', 'unsubscribe', 'complete', 'fail', 'emit', 'tock', 'snap'),
        place: fc.constantFrom<Place[]>(...PLACES, 'work', 'downstream next', 'a finalizer'),
        nth: fc.integer({ min: 1, max: 3 }),
      }),
      { nil: undefined, freq: 4 },
    ),
  });
}

/** Calm programs, which run many jobs, and wild ones, which end in many ways. */
export function programs(kind: Kind, limits: Arbitrary<Limits>): Arbitrary<Program> {
  return fc.oneof(...[0, 3, 12].map((ends) => programsThatEnd(ends, kind, limits)));
}
