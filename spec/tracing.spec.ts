// The channels 'tracing:rxjs-background-jobs:job.run:*' of node:diagnostics_channel: what an APM hears of each attempt.
import { expect } from 'chai';
import { AsyncLocalStorage } from 'node:async_hooks';
import { channel, tracingChannel } from 'node:diagnostics_channel';
import {
  asyncScheduler,
  concat,
  from,
  lastValueFrom,
  map,
  NEVER,
  Observable,
  of,
  Subject,
  takeUntil,
  throwError,
  TimeoutError,
  timer,
  toArray,
} from 'rxjs';
import type { ObservableInput } from 'rxjs';
import {
  BackgroundJobs,
  fromAbortSignal,
  leaseFrom,
  pullFrom,
  pullThrough,
  workerPool,
  workerPoolSettled,
} from '../src/index.js';
import type { PoolConfig } from '../src/index.js';
import { takeReported, turn } from './support/guard.js';
import { marbles } from './support/marbles.js';

const CHANNEL = 'rxjs-background-jobs:job.run';
const EVENTS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const;

interface Message {
  readonly pool: string;
  readonly id?: number;
  readonly awaited?: boolean;
  readonly job: unknown;
  readonly attempt: number;
  readonly worker: number;
  readonly result?: unknown;
  readonly error?: unknown;
}

/** Stops listening. */
const leave: (() => void)[] = [];
afterEach(() => {
  for (const stop of leave.splice(0)) stop();
});

/** Not a promise, and no more than a promise has to be. */
function thenable<T>(settle: (resolve: (value: T) => void) => unknown): PromiseLike<T> {
  return {
    then: (onFulfilled) => {
      settle(onFulfilled as (value: T) => void);
      return Promise.resolve() as never;
    },
  };
}

/** What the channels have told since the call, an event a line, and the messages as they are at the end. */
class Trail {
  readonly lines: string[] = [];
  readonly messages: Message[] = [];

  constructor(now: () => number = () => 0, events: readonly (typeof EVENTS)[number][] = EVENTS) {
    for (const event of events) {
      const listener = (message: unknown): void => {
        const told = message as Message;
        this.lines.push(`${now() > 0 ? `${now()} ` : ''}${String(told.job)}.${told.attempt} ${event}`);
        if (!this.messages.includes(told)) this.messages.push(told);
      };
      const heard = channel(`tracing:${CHANNEL}:${event}`);
      heard.subscribe(listener);
      leave.push(() => heard.unsubscribe(listener));
    }
  }

  /** The events of a job, without its name. */
  of(job: string): string[] {
    return this.lines.filter((line) => line.includes(`${job}.`)).map((line) => line.replace(`${job}.1 `, ''));
  }
}

/** As an APM binds its store: what `begin` returns is the store's value in the work. */
function bind<T>(store: AsyncLocalStorage<T>, begin: (message: Message) => T): void {
  const { start } = tracingChannel<unknown, Message>(CHANNEL);
  start.bindStore(store, begin);
  leave.push(() => start.unbindStore(store));
}

const config = { workers: 1, buffer: 10 };
const SUCCESS = ['start', 'end', 'asyncStart', 'asyncEnd'];
const FAILURE = ['start', 'end', 'error', 'asyncStart', 'asyncEnd'];

async function* values(...all: readonly unknown[]): AsyncGenerator {
  await Promise.resolve();
  for (const value of all) yield value;
}

describe('tracing', () => {
  // ---- What work returns

  const returned: Record<string, readonly [work: () => ObservableInput<unknown>, result: unknown]> = {
    'a promise': [() => Promise.resolve(1), 1],
    'a thenable': [() => thenable((resolve) => resolve(1)), 1],
    'a stream that completes in its call': [() => of(1, 2), 2],
    'a stream that takes its time': [() => timer(1).pipe(map(() => 2)), 2],
    'a stream without a value': [() => from([]), undefined],
    'an array': [() => [1, 2], 2],
    'an async generator': [() => values(1, 2), 2],
  };
  for (const [kind, [work, result]] of Object.entries(returned)) {
    it(`tells start, end, asyncStart and asyncEnd of ${kind}, in this order, on one object`, async () => {
      const trail = new Trail();
      await lastValueFrom(of('a').pipe(workerPool(work, config), toArray()));
      expect(trail.of('a')).to.eql(SUCCESS);
      expect(trail.messages).to.eql([{ pool: 'jobs', job: 'a', attempt: 1, worker: 1, result }]);
    });
  }

  const failing: Record<string, (error: Error) => ObservableInput<unknown>> = {
    'work that throws': (error) => {
      throw error;
    },
    'a promise that rejects': (error) => Promise.reject(error),
    'a stream that errors in its call': (error) => throwError(() => error),
    'a stream that errors later': (error) =>
      concat(
        timer(1),
        throwError(() => error),
      ),
    'an async generator that throws': async function* (error) {
      yield await Promise.resolve(1);
      throw error;
    },
  };
  for (const [kind, work] of Object.entries(failing)) {
    for (const form of ['workerPool', 'workerPoolSettled'] as const) {
      it(`tells the error of ${kind} before asyncStart: ${form}`, async () => {
        const trail = new Trail();
        const error = new Error('refused');
        const pool = form === 'workerPool' ? workerPool(() => work(error) as never, config) : undefined;
        const run$ = of('a').pipe(pool ?? workerPoolSettled(() => work(error) as never, config), toArray());
        await lastValueFrom(run$ as Observable<unknown>).catch(() => undefined);
        expect(trail.of('a')).to.eql(FAILURE);
        expect(trail.messages.map((message) => message.error)).to.eql([error]);
        expect(trail.messages[0]).not.to.have.property('result');
      });
    }
  }

  it('calls work and its subscription between start and end, and judges it when its promise has settled', async () => {
    const trail = new Trail();
    const work = (job: string): Observable<number> => {
      trail.lines.push(`${job}.1 work`);
      return new Observable((subscriber) => {
        trail.lines.push(`${job}.1 subscribed`);
        const done = Promise.resolve().then(() => {
          trail.lines.push(`${job}.1 completes`);
          subscriber.complete();
        });
        return () => void done;
      });
    };
    await lastValueFrom(of('a').pipe(workerPool(work, config)), { defaultValue: 0 });
    expect(trail.of('a')).to.eql(['start', 'work', 'subscribed', 'end', 'completes', 'asyncStart', 'asyncEnd']);
  });

  // ---- Each form

  it('tells the name of the pool, the worker, and the id where the pool keeps one', async () => {
    const trail = new Trail();
    const work = (job: string): Promise<string> => Promise.resolve(job);
    const named = { workers: 2, buffer: 10, name: 'mails' };
    const source = ['a', 'b'];
    await lastValueFrom(from(source).pipe(workerPool(work, named), toArray()));
    for await (const _ of pullThrough(source, work, named));
    await lastValueFrom(from(source).pipe(workerPool(work, { ...named, hooks: { settled: () => {} } }), toArray()));
    await lastValueFrom(from(source).pipe(workerPoolSettled(work, named), toArray()));
    const leased$ = leaseFrom(() => values(...source) as AsyncIterable<string>, { settle: () => undefined });
    await lastValueFrom(leased$.pipe(workerPoolSettled(work, named), toArray()));
    await using jobs = new BackgroundJobs(work, named);
    await Promise.all(source.map((job) => jobs.submit(job)));

    const told = trail.messages.map(({ pool, id, job, attempt, result }) => [pool, id, job, attempt, result]);
    const bare = source.map((job) => ['mails', undefined, job, 1, job]);
    const numbered = source.map((job, id) => ['mails', id, job, 1, job]);
    expect(told).to.eql([...bare, ...bare, ...numbered, ...numbered, ...numbered, ...numbered]);
    expect(trail.messages[0]).not.to.have.property('id');
    expect([...new Set(trail.messages.map(({ worker }) => worker))]).to.eql([1, 2]);
  });

  it('tells nothing of a job that never starts', () => {
    marbles(({ cold, expectObservable, flush }) => {
      const trail = new Trail();
      const jobs$ = cold('(abc|)').pipe(
        workerPoolSettled(() => timer(5), { workers: 1, buffer: 1, overflow: 'drop-incoming', ttl: 2 }),
        map(({ job, status }) => `${job} ${status}`),
      );
      expectObservable(jobs$).toBe('c-b--(a|)', { a: 'a completed', b: 'b dropped', c: 'c dropped' });
      flush();
      expect(trail.lines).to.eql(SUCCESS.map((event) => `a.1 ${event}`));
    });
  });

  it('tells nothing of a job that a hook has ended before its work was called', async () => {
    const trail = new Trail();
    const stop$ = new Subject<string>();
    const outcomes$ = of('a').pipe(
      workerPoolSettled(() => of(1), {
        ...config,
        shutdown: stop$,
        hooks: { started: () => stop$.next('abort') },
      }),
      map(({ status }) => status),
    );
    expect(await lastValueFrom(outcomes$)).to.equal('aborted');
    expect(trail.lines).to.eql([]);
  });

  it('tells of a job of the handle whether its caller waits for its result', async () => {
    const trail = new Trail();
    const jobs = new BackgroundJobs((job: string) => Promise.resolve(job), config);
    jobs.offer('offer');
    await jobs.send('send');
    await jobs.submit('submit');
    await lastValueFrom(jobs.submit$('submit$'));
    jobs.listenTo(['listenTo']);
    await jobs.shutdown();
    expect(trail.messages.map(({ job, awaited }) => [job, awaited])).to.eql([
      ['offer', false],
      ['send', false],
      ['submit', true],
      ['submit$', true],
      ['listenTo', false],
    ]);
  });

  // ---- Verdicts

  it('judges each attempt of a job that is retried', () => {
    marbles(({ cold, flush }) => {
      const trail = new Trail(() => asyncScheduler.now());
      let calls = 0;
      const work = (): Observable<number> =>
        timer(2).pipe(
          map(() => {
            if (++calls < 3) throw new Error(`failure ${calls}`);
            return calls;
          }),
        );
      cold('-a|')
        .pipe(workerPool(work, { ...config, retry: { count: 2, delay: 10 } }))
        .subscribe();
      flush();
      expect(trail.lines).to.eql([
        ...['1 a.1 start', '1 a.1 end', '3 a.1 error', '3 a.1 asyncStart', '3 a.1 asyncEnd'],
        ...['13 a.2 start', '13 a.2 end', '15 a.2 error', '15 a.2 asyncStart', '15 a.2 asyncEnd'],
        ...['25 a.3 start', '25 a.3 end', '27 a.3 asyncStart', '27 a.3 asyncEnd'],
      ]);
      expect(trail.messages.map(({ attempt, error, result }) => [attempt, (error as Error)?.message, result])).to.eql([
        [1, 'failure 1', undefined],
        [2, 'failure 2', undefined],
        [3, undefined, 3],
      ]);
    });
  });

  it('judges an attempt that is timed out at its time, with the TimeoutError, and once', () => {
    marbles(({ cold, flush }) => {
      const trail = new Trail(() => asyncScheduler.now());
      const work = (job: string): ObservableInput<number> =>
        job === 'a' ? NEVER : thenable<number>((resolve) => timer(9).subscribe(resolve));
      cold('-(ab|)')
        .pipe(workerPoolSettled(work, { ...config, workers: 2, timeout: 5 }))
        .subscribe();
      flush();
      for (const job of ['a', 'b'])
        expect(trail.lines.filter((line) => line.includes(`${job}.`))).to.eql(
          ['1 X.1 start', '1 X.1 end', '6 X.1 error', '6 X.1 asyncStart', '6 X.1 asyncEnd'].map((line) =>
            line.replace('X', job),
          ),
        );
      for (const { error } of trail.messages) expect(error).to.be.instanceOf(TimeoutError);
    });
  });

  it('tells the reason of an abort as its error; a promise that fulfils in spite of it has its result', async () => {
    const trail = new Trail();
    const reason = new Error('the caller has left');
    const ends: ((value: string) => void)[] = [];
    const work = (job: string): ObservableInput<string> =>
      job === 'stream' ? NEVER : new Promise<string>((resolve) => ends.push(resolve));
    const jobs = new BackgroundJobs(work, { workers: 2, buffer: 10 });
    const controller = new AbortController();
    const submitted = ['stream', 'promise'].map((job) => jobs.submit(job, { signal: controller.signal }));
    controller.abort(reason);
    for (const promise of submitted) expect(await promise.catch((error: unknown) => error)).to.equal(reason);
    expect(trail.of('stream')).to.eql(FAILURE);
    expect(trail.of('promise')).to.eql(['start', 'end']);
    ends[0]!('sent');
    await jobs.shutdown();
    expect(trail.of('promise')).to.eql(SUCCESS);
    expect(trail.messages.map(({ error, result }) => [error, result])).to.eql([
      [reason, undefined],
      [undefined, 'sent'],
    ]);
  });

  it('judges what is unsubscribed, and what is abandoned', () => {
    const trail = new Trail();
    const work = (job: string): ObservableInput<string> => (job === 'a' ? NEVER : new Promise<string>(() => {}));
    of('a').pipe(workerPool(work, config)).subscribe().unsubscribe();
    expect(trail.of('a')).to.eql(FAILURE);
    of('b')
      .pipe(workerPool(work, { ...config, shutdown: of('abandon') }))
      .subscribe();
    const stop$ = new Subject<string>();
    of('b')
      .pipe(workerPool(work, { ...config, shutdown: stop$ }))
      .subscribe();
    stop$.next('abandon');
    expect(trail.of('b')).to.eql(FAILURE);
    expect(trail.messages.map(({ error }) => (error as Error).name)).to.eql(['JobAbortedError', 'JobAbortedError']);
  });

  it('judges a leased attempt when its work has let go, before its engine is told', async () => {
    const trail = new Trail();
    const settle = ({ job }: { readonly job: unknown }): void => void trail.lines.push(`${String(job)}.1 settle`);
    const leased$ = leaseFrom(() => values('a') as AsyncIterable<string>, { settle });
    await lastValueFrom(leased$.pipe(workerPoolSettled(() => Promise.resolve(1), config)));
    expect(trail.of('a')).to.eql([...SUCCESS, 'settle']);
  });

  // ---- Subscribers

  it('tells nothing of an attempt that began before anybody had subscribed, and all of the next', async () => {
    const ends: (() => void)[] = [];
    const jobs$ = new Subject<string>();
    const done = lastValueFrom(
      jobs$.pipe(workerPool(() => new Promise<void>((resolve) => ends.push(resolve)), config)),
    );
    jobs$.next('a');
    const trail = new Trail();
    jobs$.next('b');
    jobs$.complete();
    ends[0]!();
    await turn();
    ends[1]!();
    await done;
    expect(trail.of('a')).to.eql([]);
    expect(trail.of('b')).to.eql(SUCCESS);
  });

  it('makes nothing where nobody has subscribed', async () => {
    const { start } = tracingChannel<unknown, Message>(CHANNEL);
    const { publish, runStores } = Object.getPrototypeOf(start) as typeof start;
    let published = 0;
    const prototype = Object.getPrototypeOf(start) as Record<string, unknown>;
    prototype['publish'] = prototype['runStores'] = () => published++;
    try {
      await lastValueFrom(from(['a', 'b']).pipe(workerPool((job) => Promise.resolve(job), config)));
    } finally {
      Object.assign(prototype, { publish, runStores });
    }
    expect(published).to.equal(0);
  });

  for (const event of EVENTS) {
    it(`traces for a subscriber of '${event}' alone`, async () => {
      const trail = new Trail(undefined, [event]);
      await lastValueFrom(of('a').pipe(workerPoolSettled(() => Promise.reject(new Error('no')), config)));
      expect(trail.lines).to.eql([`a.1 ${event}`]);
    });
  }

  it('is no hearer: a failure that nobody hears of is reported all the same', async () => {
    const trail = new Trail();
    const jobs = new BackgroundJobs((): Promise<never> => Promise.reject(new Error('unheard')), config);
    jobs.offer('a');
    await jobs.shutdown();
    expect(trail.of('a')).to.eql(FAILURE);
    await turn();
    expect(takeReported().map((error) => (error as Error).name)).to.eql(['JobFailedError']);
  });

  for (const level of ['abort', 'abandon'] as const) {
    it(`ends each job once where a subscriber of the channel shuts the pool down: '${level}'`, async () => {
      const heard = channel(`tracing:${CHANNEL}:asyncEnd`);
      const jobs = new BackgroundJobs((job: string) => (job === 'a' ? Promise.resolve(job) : of(job)), config);
      const statuses: string[] = [];
      jobs.outcomes$.subscribe(({ job, status }) => statuses.push(`${job} ${status}`));
      const listener = (): void => void jobs.shutdown(level);
      heard.subscribe(listener);
      leave.push(() => heard.unsubscribe(listener));
      jobs.offer('a');
      jobs.offer('b');
      const { stats } = await jobs.ended;
      expect(statuses).to.have.members(['a completed', 'b dropped']);
      expect(stats).to.include({ completed: 1, evicted: 1, running: 0, lingering: 0 });
    });
  }

  // ---- The store

  it('has what a store binds in work, in its subscription and behind each of its awaits', async () => {
    const spans = new AsyncLocalStorage<string>();
    bind(spans, ({ job, attempt }) => `${String(job)}.${attempt}`);
    const seen: unknown[] = [];
    const see = (): void => void seen.push(spans.getStore());
    const works: Record<string, () => ObservableInput<unknown>> = {
      promise: async () => {
        see();
        await turn();
        see();
      },
      stream: () =>
        new Observable((subscriber) => {
          see();
          void turn().then(() => {
            see();
            subscriber.complete();
          });
        }),
      generator: async function* () {
        see();
        yield 1;
        await turn();
        see();
      },
    };
    for (const yieldAfter of [Infinity, 0]) {
      const run$ = from(Object.keys(works)).pipe(workerPool((job) => works[job]!(), { ...config, yieldAfter }));
      await lastValueFrom(run$, { defaultValue: undefined });
    }
    const once = ['promise.1', 'promise.1', 'stream.1', 'stream.1', 'generator.1', 'generator.1'];
    expect(seen).to.eql([...once, ...once]);
    expect(spans.getStore()).to.equal(undefined);
  });

  const kinds: Record<string, (job: string) => ObservableInput<string>> = {
    promises: async (job) => {
      await turn();
      return job;
    },
    thenables: (job) => thenable((resolve) => turn().then(() => resolve(job))),
    'streams that complete in their call': (job) => of(job),
    'streams that take their time': (job) => from(turn()).pipe(map(() => job)),
    'async generators': async function* (job) {
      await turn();
      yield job;
    },
  };
  for (const [kind, work] of Object.entries(kinds)) {
    it(`starts no job in the context of the one before it: ${kind}`, async () => {
      const spans = new AsyncLocalStorage<string>();
      const parents: unknown[] = [];
      bind(spans, ({ job }) => {
        parents.push(spans.getStore());
        return String(job);
      });
      const many = ['a', 'b', 'c', 'd'];
      await spans.run('root', async () => {
        await lastValueFrom(from(many).pipe(workerPool(work, config)));
        await lastValueFrom(pullFrom(many).pipe(workerPoolSettled(work, config)));
        await using jobs = new BackgroundJobs(work, config);
        await Promise.all(many.map((job) => jobs.submit(job)));
      });
      expect(parents).to.eql(Array.from({ length: 12 }, () => 'root'));
    });
  }

  it('has the context of its caller around it, in the handle', async () => {
    const spans = new AsyncLocalStorage<string>();
    const parents: Record<string, unknown> = {};
    bind(spans, ({ job }) => {
      parents[String(job)] = spans.getStore();
      return `span of ${String(job)}`;
    });
    await using jobs = new BackgroundJobs(kinds['promises']!, config);
    await Promise.all(['a', 'b', 'c'].map((job) => spans.run(`request of ${job}`, () => jobs.submit(job))));
    expect(parents).to.eql({ a: 'request of a', b: 'request of b', c: 'request of c' });
  });

  it('starts a job that work offers in the context of that work', async () => {
    const spans = new AsyncLocalStorage<string>();
    const parents: Record<string, unknown> = {};
    bind(spans, ({ job }) => {
      parents[String(job)] = spans.getStore();
      return `span of ${String(job)}`;
    });
    const jobs$ = new Subject<string>();
    const stop = new AbortController();
    const done = lastValueFrom(
      jobs$.pipe(
        takeUntil(fromAbortSignal(stop.signal)),
        workerPool(
          (job): Promise<void> => {
            if (job === 'a') jobs$.next('b');
            return Promise.resolve();
          },
          { workers: 2, buffer: 1 } satisfies PoolConfig<string, void>,
        ),
      ),
    );
    jobs$.next('a');
    stop.abort();
    await done;
    expect(parents).to.eql({ a: undefined, b: 'span of a' });
  });
});
