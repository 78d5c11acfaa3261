import { expect } from 'chai';
import { asyncScheduler, from, NEVER, Observable, of, Subject } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import {
  BackgroundJobs,
  byKey,
  byPriority,
  coalesced,
  PoolMonitor,
  pullThrough,
  workerPool,
  workerPoolSettled,
} from '../src/index.js';
import type { JobHooks, PoolConfig } from '../src/index.js';
import { errorOf } from './support/thrown.js';

type Config = PoolConfig<string, never>;
type Work = (job: string) => Observable<never>;
type Log = string[];

/** Makes each form with a config, and gives back what runs it: it is offered the jobs a, b and c, which never end. */
const forms: Record<string, (work: Work, config: Config) => (log: Log) => void> = {
  workerPool: (work, config) => {
    const pool = workerPool(work, config);
    return (log) => offer((source) => source.pipe(pool), log);
  },
  workerPoolSettled: (work, config) => {
    const pool = workerPoolSettled(work, config);
    return (log) => offer((source) => source.pipe(pool), log);
  },
  BackgroundJobs: (work, config) => {
    const jobs = new BackgroundJobs(work, config);
    return (log) => {
      for (const job of ['a', 'b', 'c']) if (!jobs.offer(job)) log.push(`refused ${job}`);
      void jobs.shutdown('abandon');
    };
  },
  pullThrough: (work, config) => {
    const results = pullThrough(['a', 'b', 'c'], work, config);
    return () => {
      const iterator = results[Symbol.asyncIterator]();
      void iterator.next();
      void iterator.return!();
    };
  },
};
const names = Object.keys(forms);
const withOverflow = names.filter((name) => name !== 'pullThrough');

function offer(run: (source: Observable<string>) => Observable<unknown>, log: Log): void {
  const source = new Subject<string>();
  const results = run(source).subscribe({
    next: (outcome) => log.push(JSON.stringify(outcome)),
    error: (error: unknown) => log.push((error as Error).name),
  });
  for (const job of ['a', 'b', 'c']) source.next(job);
  results.unsubscribe();
}

function make(form: string, config: object, log: Log = []): (log: Log) => void {
  const work = (job: string): Observable<never> => {
    log.push(`work ${job}`);
    return NEVER;
  };
  return forms[form]!(work, config as Config);
}

/** Works in virtual time, so that what is reported does not depend on the clock. */
const base = { workers: 1, buffer: 1, scheduler: new TestScheduler(() => undefined) };

function trial(form: string, config: object = base): Log {
  const log: Log = [];
  make(form, config, log)(log);
  return log;
}

/** What is no number at all, and how an error shows it. */
const noNumbers: readonly (readonly [value: unknown, shown: string])[] = [
  ['5', "'5'"],
  [null, 'null'],
  [5n, '5n'],
  [true, 'true'],
  [[], 'an array'],
  [{ valueOf: () => 5 }, 'an object'],
  [Object.create(null), 'an object'],
  [Symbol('five'), 'Symbol(five)'],
  [() => 5, 'a function'],
];
const fractions = [NaN, -1, -Infinity];

/** For each option: what is refused with a TypeError, what with a RangeError, and what is accepted. */
interface Row {
  readonly type: readonly (readonly [value: unknown, shown: string, name?: string])[];
  readonly range?: readonly number[];
  readonly right: readonly unknown[];
  readonly forms?: readonly string[];
}
const table: Record<string, Row> = {
  workers: {
    type: [...noNumbers, [undefined, 'undefined']],
    range: [...fractions, 0, -0, 1.5, 2 ** 53],
    right: [1, 2, 1e9, Number.MAX_SAFE_INTEGER, Infinity],
  },
  buffer: {
    type: [...noNumbers, [undefined, 'undefined']],
    range: [...fractions, 1.5, 2 ** 53],
    right: [0, -0, 1, 1e9, Number.MAX_SAFE_INTEGER, Infinity],
  },
  yieldAfter: { type: noNumbers, range: fractions, right: [0, 0.5, 5, 2 ** 31, 2 ** 53, Infinity, undefined] },
  overflow: {
    type: [
      [null, 'null'],
      [5, '5'],
      [true, 'true'],
      [[], 'an array'],
      [['clear'], 'an array'],
      ['', "''"],
      ['drop-latest', "'drop-latest'"],
      ['toString', "'toString'"],
      [{ toString: () => 'clear' }, 'an object'],
    ],
    right: ['error', 'drop-incoming', 'drop-oldest', 'replace-newest', 'clear', undefined],
    forms: withOverflow,
  },
  shutdown: {
    type: [
      [null, 'null'],
      [5, '5'],
      [true, 'true'],
      ['SIGTERM', "'SIGTERM'"],
      [{}, 'an object'],
      [() => of(1), 'a function'],
      [new AbortController(), 'an AbortController'],
      [new BackgroundJobs(() => NEVER, { workers: 1, buffer: 0 }), 'a BackgroundJobs'],
    ],
    right: [NEVER, new Promise(() => undefined), [], new Set(), new AbortController().signal, undefined],
  },
  scheduler: {
    type: [
      [null, 'null'],
      [5, '5'],
      ['async', "'async'"],
      [{}, 'undefined', 'scheduler.now'],
      [{ now: Date.now }, 'undefined', 'scheduler.schedule'],
      [{ now: 5, schedule: () => undefined }, '5', 'scheduler.now'],
    ],
    right: [asyncScheduler, undefined],
  },
  name: {
    type: [
      [null, 'null'],
      [5, '5'],
      ['', "''"],
      [Symbol('mails'), 'Symbol(mails)'],
      [['mails'], 'an array'],
    ],
    right: ['mails', ' ', undefined],
  },
  hooks: {
    type: [
      [null, 'null'],
      [5, '5'],
      ['settled', "'settled'"],
      [{ settled: 5 }, '5', 'hooks.settled'],
      [{ released: null }, 'null', 'hooks.released'],
      [[undefined], 'undefined', 'hooks[0]'],
      [[{}, { accepted: 'log' }], "'log'", 'hooks[1].accepted'],
      [[{}, null], 'null', 'hooks[1]'],
      [[[new PoolMonitor()]], 'an array', 'hooks[0]'],
      [() => undefined, 'a function'],
      [new Set([new PoolMonitor()]), 'a Set'],
      [NEVER, 'an Observable'],
    ],
    right: [{}, [], [{}], { settled: undefined }, new PoolMonitor(), [new PoolMonitor(), {}], undefined],
  },
};

describe('options', () => {
  describe('values', () => {
    for (const [option, row] of Object.entries(table)) {
      const wrong = [
        ...row.type.map(([value, shown, name = option]) => ({ value, shown, name, error: TypeError })),
        ...(row.range ?? []).map((value) => ({ value, shown: String(value), name: option, error: RangeError })),
      ];
      for (const { value, shown, name, error } of wrong) {
        it(`that are wrong for ${name} are refused with a ${error.name} that says so: ${shown}`, () => {
          for (const form of row.forms ?? names) {
            const thrown = errorOf(() => make(form, { ...base, [option]: value }));
            expect(thrown.constructor, form).to.equal(error);
            expect(thrown.message, form).to.match(/^[^\n]+ must be [^\n]+, but is [^\n]+$/);
            expect(thrown.message.startsWith(`${name} must be `), form).to.equal(true);
            expect(thrown.message, form).to.include(`, but is ${shown}`);
          }
        });
      }

      it(`that are right for ${option} are taken`, () => {
        for (const form of row.forms ?? names) {
          for (const value of row.right) expect(() => make(form, { ...base, [option]: value }), form).not.to.throw();
        }
      });
    }

    for (const [what, work] of Object.entries({ undefined, null: null, 'an Observable': NEVER, 'a name': 'work' })) {
      it(`that are wrong for work are refused: ${what}`, () => {
        for (const form of names) {
          const thrown = errorOf(() => forms[form]!(work as never, base));
          expect(thrown, form).to.be.an.instanceOf(TypeError);
          expect(thrown.message).to.match(new RegExp(`^${form}'s work must be a function, but is [^\\n]+$`));
        }
      });
    }

    for (const config of [undefined, null, 5, 'workers', () => base]) {
      it(`that are no config are refused: ${typeof config === 'function' ? 'a function' : config}`, () => {
        for (const form of names) {
          const thrown = errorOf(() => make(form, config as never));
          expect(thrown, form).to.be.an.instanceOf(TypeError);
          expect(thrown.message).to.match(
            new RegExp(`^${form}'s config must be a plain object \\{ [^}]+ \\}, but is [^\\n]+$`),
          );
        }
      });
    }

    it('that are wrong stop everything: nothing is iterated, and no hook is called', () => {
      const log: Log = [];
      const hooks = { accepted: () => log.push('accepted') };
      const source = { [Symbol.iterator]: () => (log.push('iterated'), [].values()) };
      for (const form of names) expect(() => make(form, { ...base, hooks, buffer: -1 }, log)).to.throw(RangeError);
      expect(() => pullThrough(source, () => NEVER, { ...base, hooks, buffer: -1 })).to.throw(RangeError);
      expect(log).to.eql([]);
    });

    it('may come in an object that is frozen and has no prototype', () => {
      const bare = Object.freeze(Object.assign(Object.create(null) as object, base));
      for (const form of names) expect(trial(form, bare), form).to.eql(trial(form));
    });
  });

  describe('that are undefined', () => {
    for (const form of names) {
      it(`are absent: ${form}`, () => {
        const absent = { shutdown: undefined, hooks: undefined, yieldAfter: undefined };
        const config = withOverflow.includes(form) ? { ...absent, overflow: undefined } : absent;
        expect(trial(form, { ...base, ...config })).to.eql(trial(form));
      });
    }

    it('take the policy error and the wall clock', () => {
      const before = Date.now();
      const seen: string[] = [];
      const config = { workers: 1, buffer: 0, overflow: undefined, scheduler: undefined };
      const hooks: JobHooks<string> = { settled: ({ queuedFor }) => seen.push(`${queuedFor <= Date.now() - before}`) };
      from(['a', 'b'])
        .pipe(workerPool((_job: string) => NEVER, { ...config, hooks }))
        .subscribe({ error: (error: unknown) => seen.push((error as Error).name) });
      expect(seen).to.include('true').and.include('BufferOverflowError');
    });
  });

  describe('on a polluted Object.prototype', () => {
    const called = { accepted: () => expect.fail('a hook that nobody gave was called') };
    const polluted: Record<string, unknown> = {
      workers: 5,
      buffer: -1,
      overflow: 'clear',
      shutdown: of('abandon'),
      hooks: called,
      yieldAfter: 'soon',
      scheduler: null,
      name: 5,
      queue: {},
      ttl: 1,
      ordered: true,
      concurrency: 1,
      ...called,
      settled: 'no function',
    };
    const pollute = <T>(key: string, value: unknown, act: () => T): T => {
      Object.defineProperty(Object.prototype, key, { value, configurable: true, enumerable: true, writable: true });
      try {
        return act();
      } finally {
        delete (Object.prototype as Record<string, unknown>)[key];
      }
    };

    for (const [key, value] of Object.entries(polluted)) {
      it(`are not what somebody put there: ${key}`, () => {
        const given = { ...base, hooks: [{ started: () => undefined }] };
        for (const form of names) {
          const without = trial(form, given);
          const log = pollute(key, value, () => trial(form, given));
          expect(log, form).to.eql(without);
        }
      });
    }

    it('are still required', () => {
      for (const form of names) {
        const thrown = pollute('workers', 1, () => errorOf(() => make(form, { buffer: 0 })));
        expect(thrown.message, form).to.contain('workers must be').and.contain('undefined');
      }
    });
  });

  describe('are read once', () => {
    const every = [
      'workers',
      'buffer',
      'shutdown',
      'hooks',
      'yieldAfter',
      'scheduler',
      'name',
      'retry',
      'timeout',
      'ttl',
    ] as const satisfies readonly (keyof Config)[];
    const events: readonly (keyof JobHooks)[] = ['accepted', 'started', 'retrying', 'settled', 'released'];

    /** `given`, with a count of how often each of its members is read. */
    function counted<T extends object>(given: T, reads: Record<string, number>): T {
      return new Proxy(given, {
        get(target, key) {
          if (typeof key === 'string') reads[key] = (reads[key] ?? 0) + 1;
          return Reflect.get(target, key) as unknown;
        },
      });
    }

    for (const form of names) {
      const options = withOverflow.includes(form) ? [...every, 'overflow' as const] : every;
      const rateLimit = { limit: 100, interval: 1 };
      const full = {
        ...base,
        rateLimit,
        retry: 1,
        timeout: 1000,
        ttl: 1000,
        queue: byKey(() => 0),
        ordered: true,
        shutdown: NEVER,
        yieldAfter: 5,
        hooks: {},
        overflow: 'drop-oldest',
        name: 'mails',
      };
      const given = Object.fromEntries(options.map((option) => [option, full[option]]));

      it(`when it is made, however often it runs: ${form}`, () => {
        const reads: Record<string, number> = {};
        const run = make(form, counted(given, reads));
        run([]);
        if (form !== 'BackgroundJobs') run([]);
        expect(reads).to.eql(Object.fromEntries(options.map((option) => [option, 1])));
      });

      it(`hook by hook: ${form}`, () => {
        const [ofArray, ofHook]: Record<string, number>[] = [{}, {}];
        const hook = counted(Object.fromEntries(events.map((event) => [event, () => undefined])), ofHook!);
        const run = make(form, { ...given, hooks: counted([hook], ofArray!) });
        run([]);
        expect(ofArray!['0']).to.equal(1);
        expect(ofHook).to.eql(Object.fromEntries(events.map((event) => [event, 1])));
      });

      it(`so that what is changed later has no effect: ${form}`, () => {
        const expected = trial(form, given);
        const log: Log = [];
        const config = { ...given };
        const run = make(form, config, log);
        Object.assign(config, {
          workers: 3,
          buffer: 0,
          overflow: 'clear',
          shutdown: of('abandon'),
          scheduler: null,
          name: '',
        });
        run(log);
        expect(log).to.eql(expected);
      });

      it(`so that hooks that come, go or change later have no effect: ${form}`, () => {
        const log: Log = [];
        const hook: JobHooks<string> = { accepted: (job) => log.push(`accepted ${job}`) };
        const other: JobHooks<string> = { started: (job) => log.push(`started ${job}`) };
        const hooks = [hook, other];
        const run = make(form, { ...given, hooks });
        hook.accepted = hook.settled = () => log.push('changed');
        delete other.started;
        hooks.splice(0, 1);
        hooks.push({ released: () => log.push('came later') });
        run([]);
        expect(log.slice(0, 2)).to.eql(['accepted a', 'started a']);
        expect(log).not.to.include('changed').and.not.to.include('came later');
      });
    }
  });

  describe('that are unknown', () => {
    const unknown: Record<string, string> = {
      worker: "did you mean 'workers'?",
      Workers: "did you mean 'workers'?",
      bufer: "did you mean 'buffer'?",
      hook: "did you mean 'hooks'?",
      shutDown: "did you mean 'shutdown'?",
      yeildAfter: "did you mean 'yieldAfter'?",
      schedule: "did you mean 'scheduler'?",
    };
    for (const [key, hint] of Object.entries(unknown)) {
      it(`are refused with the one that was meant: ${key}`, () => {
        for (const form of names) {
          const thrown = errorOf(() => make(form, { ...base, [key]: 1 }));
          expect(thrown, form).to.be.an.instanceOf(TypeError);
          expect(thrown.message).to.equal(`${form} has no option '${key}': ${hint}`);
        }
      });
    }

    for (const key of ['colour', 'sizes', '', '5', '__proto']) {
      it(`are refused with all that there are: '${key}'`, () => {
        for (const form of names) {
          const thrown = errorOf(() => make(form, { ...base, [key]: 1 }));
          expect(thrown, form).to.be.an.instanceOf(TypeError);
          expect(thrown.message).to.match(
            new RegExp(`^${form} has no option '${key}': there are workers, buffer, .*hooks`),
          );
        }
      });
    }

    it('to pullThrough, because what it pulls has a place: overflow', () => {
      const thrown = errorOf(() => make('pullThrough', { ...base, overflow: 'clear' }));
      expect(thrown).to.be.an.instanceOf(TypeError);
      expect(thrown.message).to.match(/^pullThrough has no option 'overflow': /);
    });

    it("that have no meaning together are refused: 'drop-lowest' without a priority, and eviction without a buffer", () => {
      const byRank = byPriority(() => 0);
      for (const form of withOverflow) {
        for (const queue of [
          undefined,
          byKey(() => 0),
          coalesced(
            () => 0,
            () => '',
          ),
          byKey(() => 0, {
            lane: coalesced(
              () => 0,
              () => '',
            ),
          }),
        ])
          expect(() => make(form, { ...base, overflow: 'drop-lowest', queue }), form).to.throw(
            TypeError,
            `overflow is 'drop-lowest', which goes by priority: give the pool queue: byPriority(…)`,
          );
        for (const queue of [byRank, byKey(() => 0, { lane: byRank })])
          expect(() => make(form, { ...base, overflow: 'drop-lowest', queue }), form).not.to.throw();
        for (const overflow of ['drop-oldest', 'replace-newest', 'clear', 'drop-lowest'])
          expect(() => make(form, { ...base, buffer: 0, overflow, queue: byRank }), form).to.throw(
            TypeError,
            `overflow must be 'error' or 'drop-incoming' with buffer: 0, but is '${overflow}': nothing waits that it could evict`,
          );
      }
    });

    it('as a policy are refused with all that there are', () => {
      const said = (overflow: string): string => errorOf(() => make('workerPool', { ...base, overflow })).message;
      for (const policy of [...table['overflow']!.right.slice(0, -1), 'drop-lowest']) {
        expect(said('drop-latest')).to.contain(`'${String(policy)}'`);
      }
    });
  });
});
