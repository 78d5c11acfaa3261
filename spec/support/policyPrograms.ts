// Random programs of all policies together, in every form, in virtual time: when jobs come, what their work does, who acts when.
import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { Rules } from './rules.js';

export const FORMS = [
  'workerPool',
  'workerPoolSettled',
  'pullThrough',
  'workerPool of pullFrom',
  'BackgroundJobs',
  'listenTo',
  'listenTo an iterable',
] as const;
export type Form = (typeof FORMS)[number];

export const WORKS = [
  'resolves',
  'rejects',
  'resolved', // already
  'obeys', // rejects when it is signalled, or else resolves
  'emits', // three values in time
  'errors', // a stream, after a value
  'throws',
  'empty',
  'hangs', // for longer than any program, whatever its signal says
] as const;

/** What one attempt does; what lasts lasts `ms`. */
export interface Attempt {
  readonly work: (typeof WORKS)[number];
  readonly ms: number;
}

export interface Arrival {
  readonly at: number;
  readonly door: 'offer' | 'send' | 'submit' | 'submit, wait';
  readonly key: number;
  readonly priority: number;
  readonly isBad: boolean;
  /** After the last it begins again. */
  readonly attempts: readonly Attempt[];
  /** Its caller gives it up so much later. */
  readonly cancelAfter: number | undefined;
}

export type Deed =
  | { readonly do: 'drain' | 'discard' | 'abort' | 'abandon' | 'pause' | 'resume' | 'unsubscribe' }
  | { readonly do: 'workers'; readonly count: number };

export interface Program {
  readonly form: Form;
  readonly rules: Rules;
  readonly arrivals: readonly Arrival[];
  readonly deeds: readonly { readonly at: number; readonly deed: Deed }[];
  /** How long the consumer of pullThrough takes for a result. */
  readonly takes: number;
}

const ms = (max: number): Arbitrary<number> => fc.nat({ max });

/** @param without how often it is absent, for each time that it is there */
function maybe<T>(value: Arbitrary<T>, without: number): Arbitrary<T | undefined> {
  return fc.oneof({ weight: 1, arbitrary: value }, { weight: without, arbitrary: fc.constant(undefined) });
}

const attempt: Arbitrary<Attempt> = fc.record({
  work: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom<Attempt['work'][]>('resolves', 'emits', 'obeys') },
    { weight: 2, arbitrary: fc.constantFrom(...WORKS) },
  ),
  ms: ms(12),
});

const arrival: Arbitrary<Arrival> = fc.record({
  at: fc.oneof(ms(60), fc.constantFrom(0, 1, 10)),
  door: fc.constantFrom<Arrival['door'][]>('offer', 'send', 'submit', 'submit, wait'),
  key: ms(2),
  priority: ms(3),
  isBad: fc.nat(19).map((n) => n === 0),
  attempts: fc.array(attempt, { minLength: 1, maxLength: 3, size: 'max' }),
  cancelAfter: maybe(ms(20), 3),
});

const rules = {
  workers: fc.integer({ min: 1, max: 3 }),
  buffer: fc.integer({ min: 0, max: 4 }),
  queue: fc.constantFrom<Rules['queue'][]>(undefined, undefined, 'byPriority', 'byKey', 'byKey', 'coalesced'),
  overflow: fc.constantFrom<NonNullable<Rules['overflow']>[]>(
    'error',
    'drop-incoming',
    'drop-oldest',
    'replace-newest',
    'clear',
    'drop-lowest',
  ),
  ageing: maybe(fc.constantFrom(3, 20), 1),
  limit: maybe(fc.integer({ min: 1, max: 2 }), 1),
  most: maybe(fc.integer({ min: 1, max: 2 }), 2),
  lane: maybe(fc.constant<'byPriority'>('byPriority'), 2),
  ttl: maybe(fc.constantFrom(5, 15), 3),
  timeout: maybe(fc.constantFrom(4, 9), 1),
  retry: maybe(fc.record({ count: fc.integer({ min: 1, max: 2 }), delay: fc.constantFrom(0, 3, 10) }), 1),
  rateLimit: maybe(fc.record({ limit: fc.integer({ min: 1, max: 3 }), interval: fc.constantFrom(4, 10) }), 2),
  ordered: maybe(fc.constant(true), 3),
  isLive: maybe(fc.constant(true), 2),
};

const deed: Arbitrary<Deed> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('pause' as const, 'resume' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('workers' as const), count: ms(3) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('drain' as const, 'discard' as const, 'abort' as const, 'abandon' as const) }) }, // prettier-ignore
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unsubscribe' as const) }) },
);

/** What this version cannot do is not asked of it. @param isThere does it know these rules? */
export function programs(form: Form, isThere: (rules: Rules) => boolean): Arbitrary<Program> {
  const known = fc.record(rules).map((all): Rules => {
    let given: Rules = { workers: all.workers, buffer: all.buffer };
    for (const [name, value] of Object.entries(all)) {
      const more = { ...given, [name]: value };
      if (value !== undefined && isThere(more)) given = more;
    }
    return given;
  });
  return fc.record({
    form: fc.constant(form),
    rules: known,
    arrivals: fc
      .array(arrival, { minLength: 1, maxLength: 14, size: 'max' })
      .map((all) => all.sort((a, b) => a.at - b.at)),
    deeds: fc
      .array(fc.record({ at: ms(80), deed }), { maxLength: 4, size: 'max' })
      .map((all) => all.sort((a, b) => a.at - b.at)),
    takes: ms(5),
  });
}
