// What people pass by mistake, and what they are told: the name of what was called, the value, and what to do instead.
import { EventEmitter, getEventListeners } from 'node:events';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { EMPTY, from, isObservable, NEVER, Observable, of, Subject } from 'rxjs';
import {
  BackgroundJobs,
  boundedBuffer,
  gracefulShutdown,
  leaseFrom,
  PoolMonitor,
  pullFrom,
  pullThrough,
  toAsyncIterable,
  workerPool,
  workerPoolSettled,
} from '../src/index.js';
import type { JobHooks } from '../src/index.js';
import { errorOf } from './support/thrown.js';

const work = (): Observable<never> => NEVER;
const base = { workers: 1, buffer: 1 };
const ended: BackgroundJobs<string, undefined> = new BackgroundJobs(work, base);
void ended.shutdown('abandon');

/** Everything that takes a config, with one that is right. */
const takers: Record<string, readonly [call: (config: never) => unknown, right: object, known: readonly string[]]> = {
  workerPool: [(config) => workerPool(work, config), base, ['workers', 'buffer', 'overflow']],
  workerPoolSettled: [(config) => workerPoolSettled(work, config), base, ['workers', 'buffer', 'overflow']],
  BackgroundJobs: [(config) => void new BackgroundJobs(work, config).shutdown(), base, ['workers', 'buffer']],
  pullThrough: [(config) => pullThrough([1], work, config), base, ['workers', 'buffer', 'hooks']],
  boundedBuffer: [(config) => boundedBuffer(config), { capacity: 1, demand: NEVER }, ['capacity', 'demand']],
  toAsyncIterable: [(config) => toAsyncIterable(EMPTY, config), { capacity: 1 }, ['capacity', 'onDrop']],
  gracefulShutdown: [(config) => gracefulShutdown(config), { on: NEVER, deadline: 1 }, ['on', 'deadline']],
  PoolMonitor: [(config) => new PoolMonitor(config), { interval: 1 }, ['interval', 'scheduler']],
  send: [(config) => void ended.send('a', config).catch(() => undefined), {}, ['signal']],
  submit: [(config) => void ended.submit('a', config).catch(() => undefined), {}, ['signal', 'wait']],
  shutdown: [(config) => ended.shutdown('drain', config), { deadline: 1 }, ['deadline', 'abortGrace']],
};

describe('bad input', () => {
  describe('as a config', () => {
    class Config {
      readonly workers = 1;
      readonly buffer = 1;
    }
    const none: Record<string, unknown> = {
      undefined: undefined,
      null: null,
      '5': 5,
      "'drain'": 'drain',
      'a function': () => base,
    };
    const others: Record<string, unknown> = {
      'an array': [base],
      'a Map': new Map(Object.entries(base)),
      'a Promise': Promise.resolve(base),
      'an Observable': of(base),
      'an AbortSignal': new AbortController().signal,
      'an AbortController': new AbortController(),
      'an instance of Config': new Config(),
      'an instance of PoolMonitor': new PoolMonitor(),
      'a BackgroundJobs': ended,
      'an instance of Object': Object.create(base) as object,
    };
    for (const [name, [call, right, known]] of Object.entries(takers)) {
      it(`is refused where it is no object: ${name}`, () => {
        for (const [shown, value] of Object.entries(none)) {
          // The config of these is optional.
          if (value === undefined && ['PoolMonitor', 'send', 'submit', 'shutdown'].includes(name)) continue;
          const thrown = errorOf(() => call(value as never));
          expect(thrown, shown).to.be.an.instanceOf(TypeError);
          expect(thrown.message).to.match(
            new RegExp(`^${name}'s config must be a plain object \\{ [^}]+ \\}, but is ${shown}$`),
          );
        }
      });

      it(`is refused where it is no plain object, with the options that there are: ${name}`, () => {
        for (const [shown, value] of Object.entries(others)) {
          // An Observable in place of its config is told what to write instead.
          if (name === 'gracefulShutdown' && isObservable(value)) continue;
          const thrown = errorOf(() => call(value as never));
          expect(thrown, shown).to.be.an.instanceOf(TypeError);
          const right = `${name}'s config must be a plain object \\{ [^}]+ \\}`;
          expect(thrown.message).to.match(new RegExp(`^${right}, but is ${shown}$`));
          for (const option of known) expect(thrown.message).to.contain(option);
        }
      });

      it(`is taken as a plain object, of another realm, without a prototype, frozen, or behind a Proxy: ${name}`, () => {
        const foreign = runInNewContext('({})') as object;
        const bare = Object.create(null) as object;
        for (const object of [{}, foreign, bare]) {
          const config = Object.freeze(Object.assign(object, right));
          expect(() => call(config as never)).not.to.throw();
          expect(() => call(new Proxy(config, {}) as never)).not.to.throw();
        }
      });
    }

    for (const method of ['send', 'submit'] as const) {
      it(`that is an AbortSignal says where the signal belongs, and nothing is offered: ${method}`, async () => {
        const jobs = new BackgroundJobs(work, base);
        const thrown = errorOf(() => jobs[method]('a', new AbortController().signal as never));
        const right = method === 'send' ? '{ signal }' : '{ signal, wait }';
        expect(thrown.message).to.equal(`${method}'s config must be a plain object ${right}, but is an AbortSignal`);
        expect(jobs.stats.offered).to.equal(0);
        await jobs.shutdown();
      });
    }
  });

  describe('as a signal', () => {
    for (const method of ['send', 'submit'] as const) {
      it(`is anything but an AbortSignal, and nothing is offered: ${method}`, async () => {
        const jobs = new BackgroundJobs(work, base);
        const values: Record<string, unknown> = {
          null: null,
          'an AbortController': new AbortController(),
          'an EventTarget': new EventTarget(),
          "'abort'": 'abort',
        };
        for (const [shown, signal] of Object.entries(values)) {
          expect(errorOf(() => jobs[method]('a', { signal: signal as AbortSignal })).message).to.equal(
            `${method}'s signal must be an AbortSignal, but is ${shown}`,
          );
        }
        expect(jobs.stats.offered).to.equal(0);
        await jobs.shutdown();
      });
    }
  });

  describe('as wait', () => {
    for (const method of ['submit', 'submit$'] as const) {
      it(`is anything but a boolean, and nothing is offered: ${method}`, async () => {
        const jobs = new BackgroundJobs(work, base);
        const values: Record<string, unknown> = {
          null: null,
          NaN: NaN,
          '1': 1,
          '5n': 5n,
          "'false'": 'false',
          'an object': {},
        };
        for (const [shown, wait] of Object.entries(values)) {
          const thrown = errorOf(() => jobs[method]('a', { wait: wait as boolean }));
          expect(thrown).to.be.an.instanceOf(TypeError);
          expect(thrown.message).to.equal(`${method}'s wait must be a boolean, but is ${shown}`);
        }
        expect(jobs.stats.offered).to.equal(0);
        for (const wait of [true, false, undefined]) expect(() => jobs[method]('a', { wait })).not.to.throw();
        await jobs.shutdown('abandon');
      });
    }
  });

  describe('as hooks', () => {
    const hear = (): void => undefined;
    const said = (hooks: unknown): string => {
      const thrown = errorOf(() => workerPool(work, { ...base, hooks: hooks as JobHooks }));
      expect(thrown).to.be.an.instanceOf(TypeError);
      return thrown.message;
    };

    const all = "there are accepted, started, retrying, settled, released; 'settled' is told how each job has ended";
    const names: Record<string, string> = {
      setled: "did you mean 'settled'?",
      Settled: "did you mean 'settled'?",
      settle: "did you mean 'settled'?",
      onSettled: "did you mean 'settled'?",
      onAccepted: "did you mean 'accepted'?",
      onRetry: all,
      start: "did you mean 'started'?",
      accept: "did you mean 'accepted'?",
      realeased: "did you mean 'released'?",
      retring: "did you mean 'retrying'?",
      completed: all,
      failed: all,
      dropped: all,
      aborted: all,
      error: all,
      onError: all,
      onComplete: all,
      next: all,
      '': all,
    };
    for (const [name, meant] of Object.entries(names)) {
      it(`is refused in an object literal, beside hooks that are right: ${name}`, () => {
        expect(said({ [name]: hear })).to.equal(`hooks has no hook '${name}': ${meant}`);
        expect(said({ settled: hear, accepted: hear, [name]: hear })).to.equal(`hooks has no hook '${name}': ${meant}`);
        expect(said([{ settled: hear }, { [name]: hear }])).to.equal(`hooks[1] has no hook '${name}': ${meant}`);
      });
    }

    it('is refused in an object literal also where it is no function, and not where it is undefined', () => {
      expect(said({ settled: hear, log: 'file' })).to.contain("hooks has no hook 'log'");
      expect(() => workerPool(work, { ...base, hooks: { settled: hear, log: undefined } as JobHooks })).not.to.throw();
    });

    it('is refused in every form', () => {
      const hooks = { onSettled: hear } as JobHooks;
      expect(() => workerPoolSettled(work, { ...base, hooks })).to.throw(TypeError, "did you mean 'settled'?");
      expect(() => pullThrough([1], work, { ...base, hooks })).to.throw(TypeError, "did you mean 'settled'?");
      expect(() => new BackgroundJobs(work, { ...base, hooks })).to.throw(TypeError, "did you mean 'settled'?");
    });

    it('is refused as a misspelt method of a class, its own or an inherited one', () => {
      class Base {
        setled(): void {}
      }
      class Metrics extends Base {
        accepted(): void {}
      }
      class Handlers {
        readonly onSettled = hear;
        started(): void {}
      }
      const later = Object.assign(new PoolMonitor(), { Settled: hear });
      expect(said(new Metrics())).to.equal("hooks has no hook 'setled': did you mean 'settled'?");
      expect(said(new Handlers())).to.equal("hooks has no hook 'onSettled': did you mean 'settled'?");
      expect(() => workerPool(work, { ...base, hooks: later })).not.to.throw();
    });

    it('is no misspelling, where the hook is there too', () => {
      class Tracer {
        released(): void {
          this.release();
        }
        release(): void {}
        onReleased(): void {}
      }
      expect(() => workerPool(work, { ...base, hooks: new Tracer() })).not.to.throw();
    });

    it('is no misspelling, where a class is switched off by undefined', () => {
      class Metrics {
        accepted(): void {}
        settled(): void {}
      }
      const hooks = Object.assign(new Metrics(), { settled: undefined }) as unknown as JobHooks;
      expect(() => workerPool(work, { ...base, hooks })).not.to.throw();
    });

    it('is not any other member of a class: methods, fields, getters, which are not called', () => {
      class Service extends EventEmitter {
        readonly log: string[] = [];
        readonly setled = 'no method';
        get acepted(): () => void {
          throw new Error('never read');
        }
        settled(): void {
          this.start();
        }
        start(): void {}
        stop(): void {}
        error(): void {}
        failed(): void {}
      }
      expect(() => workerPool(work, { ...base, hooks: new Service() })).not.to.throw();
      expect(() => workerPool(work, { ...base, hooks: [new PoolMonitor(), new Service()] })).not.to.throw();
    });

    it('is refused where a class has no hook at all', () => {
      const rest = 'must be an object of hooks (accepted, started, retrying, settled, released), but is';
      expect(said(new EventEmitter())).to.equal(`hooks ${rest} an instance of EventEmitter`);
      expect(said(new Map([['settled', hear]]))).to.equal(`hooks ${rest} a Map`);
      expect(said([{}, NEVER])).to.equal(`hooks[1] ${rest} an Observable`);
      expect(said(ended)).to.equal(`hooks ${rest} a BackgroundJobs`);
    });

    it('is refused as a list in a list', () => {
      const monitor = new PoolMonitor();
      const rest = 'must be an object of hooks (accepted, started, retrying, settled, released), but is an array';
      expect(said([[monitor]])).to.equal(`hooks[0] ${rest}`);
      expect(said([monitor, [monitor]])).to.equal(`hooks[1] ${rest}`);
    });

    it('is refused as a copy of a PoolMonitor, which has its fields and not its methods', () => {
      expect(said({ ...new PoolMonitor() })).to.contain('hooks has no hook ');
    });

    it('is taken from another realm, from an object without a prototype, and from a list of that realm', () => {
      const seen: string[] = [];
      const foreign = runInNewContext('({ accepted: (job) => seen.push(job) })', { seen }) as JobHooks;
      const list = runInNewContext('[{ accepted: (job) => seen.push(job) }]', { seen }) as JobHooks[];
      const bare = Object.assign(Object.create(null) as JobHooks, {
        accepted: (job: unknown) => seen.push(String(job)),
      });
      for (const hooks of [foreign, list, bare])
        of('a')
          .pipe(workerPool(() => EMPTY, { ...base, hooks }))
          .subscribe();
      expect(seen).to.eql(['a', 'a', 'a']);
    });

    it('is refused in a list of another realm', () => {
      const list = runInNewContext('[{ setled: () => undefined }]') as JobHooks[];
      expect(said(list)).to.equal("hooks[0] has no hook 'setled': did you mean 'settled'?");
    });

    it('is not what others put on Object.prototype', () => {
      for (const key of ['setled', 'onSettled', 'log']) {
        Object.defineProperty(Object.prototype, key, {
          value: hear,
          configurable: true,
          enumerable: true,
          writable: true,
        });
        try {
          for (const hooks of [{ settled: hear }, new PoolMonitor()])
            expect(() => workerPool(work, { ...base, hooks })).not.to.throw();
        } finally {
          delete (Object.prototype as Record<string, unknown>)[key];
        }
      }
    });
  });

  describe('as a notifier', () => {
    for (const form of ['workerPool', 'workerPoolSettled'] as const) {
      it(`is not an AbortSignal: it drains when it is aborted, and its listener goes: ${form}`, () => {
        const { signal, abort } = controller();
        const [source, job] = [new Subject<string>(), new Subject<string>()];
        const log: string[] = [];
        const config = { ...base, shutdown: signal };
        const pool = form === 'workerPool' ? workerPool(() => job, config) : workerPoolSettled(() => job, config);
        (pool(source) as Observable<unknown>).subscribe({ complete: () => log.push('complete') });
        source.next('a');
        source.next('b');
        const before = [source.observed, getEventListeners(signal, 'abort').length];

        abort();
        const draining = [source.observed, getEventListeners(signal, 'abort').length, log.length];
        job.complete();

        expect(before).to.eql([true, 1]);
        expect(draining).to.eql([false, 0, 0]);
        expect(log).to.eql(['complete']);
      });
    }

    it('is not an AbortSignal that is aborted already: nothing is taken in', () => {
      const log: string[] = [];
      from(['a'])
        .pipe(workerPool((job) => (log.push(job), EMPTY), { ...base, shutdown: AbortSignal.abort() }))
        .subscribe({ complete: () => log.push('complete') });
      expect(log).to.eql(['complete']);
    });

    it('is not an AbortSignal that never aborts: its listener goes with the pool', () => {
      const { signal } = controller();
      of('a')
        .pipe(workerPool(() => EMPTY, { ...base, shutdown: signal }))
        .subscribe();
      expect(getEventListeners(signal, 'abort')).to.eql([]);
    });

    it('is not an AbortSignal: it ends a BackgroundJobs, a pullThrough and a gracefulShutdown', async () => {
      const { signal, abort } = controller();
      const jobs = new BackgroundJobs(work, { ...base, shutdown: signal });
      const results = pullThrough(['a'], () => EMPTY, { ...base, shutdown: signal })[Symbol.asyncIterator]();
      const levels: string[] = [];
      gracefulShutdown({ on: signal as never, deadline: Infinity }).subscribe((level) => levels.push(level));
      abort();
      expect((await jobs.ended).level).to.equal('drain');
      expect(await results.next()).to.eql({ done: true, value: undefined });
      expect(levels).to.eql(['drain']);
    });

    it('is a controller, and anything else that emits nothing', () => {
      const said = (shutdown: unknown): string =>
        errorOf(() => workerPool(work, { ...base, shutdown: shutdown as AbortSignal })).message;
      const right = 'shutdown must be an Observable, another ObservableInput or an AbortSignal, but is';
      expect(said(new AbortController())).to.equal(`${right} an AbortController`);
      expect(said({ aborted: false })).to.equal(`${right} an object`);
      expect(said({ aborted: 'no', addEventListener: work, removeEventListener: work })).to.equal(`${right} an object`);
      expect(said('SIGTERM')).to.equal(`${right} 'SIGTERM'`);
    });
  });

  describe('as a source', () => {
    const remedy = 'pipe it onto workerPool(…) itself, or through toAsyncIterable(…)';
    const callers: Record<string, (source: unknown) => unknown> = {
      pullFrom: (source) => pullFrom(source as string[]),
      pullThrough: (source) => pullThrough(source as string[], work, base),
    };
    for (const [caller, call] of Object.entries(callers)) {
      it(`is an Observable, which cannot be asked to wait: ${caller}`, () => {
        for (const source of [EMPTY, new Subject(), pullFrom([1]), { subscribe: () => undefined }]) {
          const thrown = errorOf(() => call(source));
          expect(thrown).to.be.an.instanceOf(TypeError);
          expect(thrown.message).to.match(
            new RegExp(`^${caller}'s source must be an iterable or an async iterable, but is an? `),
          );
          expect(thrown.message.endsWith(`, which cannot be asked to wait: ${remedy}`)).to.equal(true);
        }
      });

      it(`is anything else that cannot be iterated: ${caller}`, () => {
        const values: Record<string, unknown> = {
          "'abc'": 'abc',
          'a Promise': Promise.resolve([]),
          'an object': {},
          null: null,
        };
        for (const [shown, value] of Object.entries(values)) {
          expect(errorOf(() => call(value)).message).to.equal(
            `${caller}'s source must be an iterable or an async iterable, but is ${shown}`,
          );
        }
      });

      it(`is not what is an Observable and can be iterated too: ${caller}`, () => {
        const both = Object.assign(new Observable<string>(), { [Symbol.asyncIterator]: async function* () {} });
        expect(() => call(both)).not.to.throw();
        expect(() => call(new ReadableStream())).not.to.throw();
      });
    }

    // Only `subscribe`: it cannot be piped.
    it("is an Observable of another library's, wherever one of RxJS is needed", () => {
      const foreign = { subscribe: () => ({ unsubscribe: () => undefined }) } as unknown as Observable<number>;
      const calls: Record<string, () => unknown> = {
        "toAsyncIterable's source must be an Observable": () => toAsyncIterable(foreign, { capacity: 1 }),
        'demand must be an Observable': () => boundedBuffer({ capacity: 1, demand: foreign }),
        'lost must be an Observable': () =>
          leaseFrom(async function* () {}, { settle: () => undefined, lost: foreign as Observable<never> }),
        "listenTo's source must be an Observable, an iterable or an async iterable": () =>
          new BackgroundJobs(work, { ...base, overflow: 'drop-incoming' }).listenTo(foreign),
        'shutdown must be an Observable, another ObservableInput or an AbortSignal': () =>
          workerPool(work, { ...base, shutdown: foreign }),
      };
      for (const [right, call] of Object.entries(calls))
        expect(errorOf(call).message).to.match(new RegExp(`^${right}, but is an Observable that is not of RxJS($|:)`));
    });

    it('is an iterable, which needs no buffer: toAsyncIterable', () => {
      const values: Record<string, unknown> = {
        'an array': [1, 2, 3],
        'a generator': (function* () {})(),
        'a Promise': Promise.resolve(1),
        'a ReadableStream': new ReadableStream(),
        undefined: undefined,
        "'abc'": 'abc',
      };
      for (const [shown, value] of Object.entries(values)) {
        const thrown = errorOf(() => toAsyncIterable(value as Observable<number>, { capacity: 1 }));
        expect(thrown).to.be.an.instanceOf(TypeError);
        expect(thrown.message).to.equal(
          `toAsyncIterable's source must be an Observable, but is ${shown}: ` +
            'loop over an iterable itself, or make an Observable of it with from(…)',
        );
      }
    });

    it('is refused in the call, and not iterated or subscribed', () => {
      const calls: string[] = [];
      const source = new Observable(() => void calls.push('subscribed'));
      expect(() => pullFrom(source as never)).to.throw(TypeError);
      expect(() => pullThrough(source as never, work, base)).to.throw(TypeError);
      expect(calls).to.eql([]);
    });
  });

  describe('as a result of work', () => {
    const results: Record<string, readonly [result: unknown, hint: string]> = {
      undefined: [undefined, 'is a return missing?'],
      null: [null, 'return a promise or an Observable of it'],
      '5': [5, 'return a promise or an Observable of it'],
      "'done'": ['done', 'return a promise or an Observable of it'],
      'a function': [() => of(1), 'return a promise or an Observable of it'],
      'an object': [{}, 'return a promise or an Observable of it'],
      'an AbortController': [new AbortController(), 'return a promise or an Observable of it'],
    };
    const right = 'work must return a promise, an Observable, an iterable or an async iterable';
    for (const [shown, [result, hint]] of Object.entries(results)) {
      it(`fails the job, in every form, with what work may return: ${shown}`, async () => {
        const returns = (): Observable<never> => result as Observable<never>;
        const errors: unknown[] = [];
        const error = (thrown: unknown): void => void errors.push(thrown);
        of('a').pipe(workerPool(returns, base)).subscribe({ error });
        of('a')
          .pipe(workerPoolSettled(returns, base))
          .subscribe((outcome) => outcome.status === 'failed' && errors.push(outcome.error));
        const jobs = new BackgroundJobs(returns, base);
        await jobs.submit('a').catch(error);
        await jobs.shutdown();
        await pullThrough(['a'], returns, base)[Symbol.asyncIterator]().next().catch(error);

        expect(errors).to.have.length(4);
        for (const thrown of errors) {
          expect(thrown).to.be.an.instanceOf(TypeError);
          expect((thrown as Error).message).to.equal(`${right}, but returned ${shown}: ${hint}`);
        }
      });
    }
  });

  it('is never answered with the name that a class has inside', () => {
    const given = ended as never;
    const messages = [
      () => workerPool(given, base),
      () => workerPool(work, given),
      () => workerPool(work, { ...base, workers: given }),
      () => workerPool(work, { ...base, overflow: given }),
      () => workerPool(work, { ...base, hooks: given }),
      () => workerPool(work, { ...base, shutdown: given }),
      () => workerPool(work, { ...base, scheduler: given }),
      () => pullFrom(given),
      () => toAsyncIterable(given, { capacity: 1 }),
      () => ended.shutdown(given),
      () => ended.submit('a', given),
    ].map((act) => errorOf(act).message);
    for (const message of messages)
      expect(message)
        .to.match(/BackgroundJobs|undefined/)
        .and.not.contain('Handle');
  });
});

function controller(): { readonly signal: AbortSignal; readonly abort: () => void } {
  const made = new AbortController();
  return { signal: made.signal, abort: () => made.abort() };
}
