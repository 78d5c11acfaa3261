// What the compiler says: `tsc -p .` checks this file. Here and there the same call runs, so that the types tell no lies.
import { expect } from 'chai';
import { expectTypeOf } from 'expect-type';
import { EMPTY, from, NEVER, of, Subject } from 'rxjs';
import type { MonoTypeOperatorFunction, Observable, OperatorFunction } from 'rxjs';
import {
  BackgroundJobs,
  boundedBuffer,
  fromSignals,
  gracefulShutdown,
  JobDroppedError,
  JobFailedError,
  leaseFrom,
  PoolMonitor,
  pullFrom,
  pullThrough,
  toAsyncIterable,
  workerPool,
  workerPoolSettled,
} from '../src/index.js';
import type {
  DropReason,
  JobAborted,
  JobCompleted,
  JobContext,
  JobDropped,
  JobFailed,
  JobHooks,
  JobOutcome,
  JobSource,
  LeaseDemand,
  PoolConfig,
  PoolOperator,
  PromiseOrObservableOf,
  ReadableStreamOf,
  ShutdownLevel,
  ShutdownReport,
  SignalName,
  Work,
} from '../src/index.js';

interface Mail {
  readonly to: string;
}
interface Receipt {
  readonly id: number;
}

const config = { workers: 1, buffer: 1 };
const mails: Observable<Mail> = EMPTY;
const send = (_mail: Mail): Promise<Receipt> => Promise.resolve({ id: 1 });
const watch = (_mail: Mail): Observable<Receipt> => EMPTY;

describe('types', () => {
  describe('of a job', () => {
    it('are the source’s, inside pipe', () => {
      mails.pipe(
        workerPool((mail, context) => {
          expectTypeOf(mail).toEqualTypeOf<Mail>();
          expectTypeOf(context).toEqualTypeOf<JobContext>();
          expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>();
          return of(1);
        }, config),
      );
      mails.pipe(
        workerPoolSettled((mail) => {
          expectTypeOf(mail).toEqualTypeOf<Mail>();
          return of(1);
        }, config),
      );
    });

    it('are the source’s behind pullFrom, and behind other operators', () => {
      pullFrom(['a']).pipe(
        workerPool((line) => {
          expectTypeOf(line).toEqualTypeOf<string>();
          return of(line.length);
        }, config),
      );
      mails.pipe(
        boundedBuffer({ capacity: 1, demand: NEVER }),
        workerPool((mail) => {
          expectTypeOf(mail).toEqualTypeOf<Mail>();
          return of(mail);
        }, config),
      );
    });

    it('are those of annotated work, where no source is known', () => {
      expectTypeOf(workerPool(send, config)).toEqualTypeOf<PoolOperator<Mail, Receipt>>();
      expectTypeOf(workerPool((n: number) => of(n), config)).toEqualTypeOf<PoolOperator<number, number>>();
      expectTypeOf(new BackgroundJobs(send, config)).toEqualTypeOf<BackgroundJobs<Mail, Receipt>>();
    });

    it('have to fit the source', () => {
      // @ts-expect-error -- work takes mails, and the source gives numbers
      of(1).pipe(workerPool(send, config));
      // @ts-expect-error -- as above
      pullThrough([1], send, config);
      const jobs = new BackgroundJobs(send, config);
      // @ts-expect-error -- as above
      jobs.listenTo([1]);
      // @ts-expect-error -- a mail is no number
      jobs.offer(1);
      void jobs.shutdown();
    });

    it('may be more general in work than in the source', () => {
      const general = (_job: { readonly to: unknown }): Observable<1> => of(1);
      expectTypeOf(mails.pipe(workerPool(general, config))).toEqualTypeOf<Observable<1>>();
    });
  });

  describe('of results', () => {
    it('are those of a promise, an Observable, an iterable, an async iterable or a stream', () => {
      async function* generator(_mail: Mail): AsyncGenerator<Receipt> {
        yield await Promise.resolve({ id: 1 });
      }
      const array = (_mail: Mail): Receipt[] => [];
      const stream = (_mail: Mail): ReadableStream<Receipt> => new ReadableStream();
      expectTypeOf(mails.pipe(workerPool(send, config))).toEqualTypeOf<Observable<Receipt>>();
      expectTypeOf(mails.pipe(workerPool(watch, config))).toEqualTypeOf<Observable<Receipt>>();
      expectTypeOf(mails.pipe(workerPool(generator, config))).toEqualTypeOf<Observable<Receipt>>();
      expectTypeOf(mails.pipe(workerPool(array, config))).toEqualTypeOf<Observable<Receipt>>();
      // RxJS reads a ReadableStream's type no better.
      expectTypeOf(mails.pipe(workerPool(stream, config))).toEqualTypeOf(from(stream({ to: 'a' })));
    });

    it('are a union, where work returns one thing or another', () => {
      const either = (mail: Mail) => (mail.to === '' ? of('empty' as const) : send(mail));
      expectTypeOf(mails.pipe(workerPool(either, config))).toEqualTypeOf<Observable<'empty' | Receipt>>();
      expectTypeOf(
        mails.pipe(workerPool((mail) => (mail.to === '' ? Promise.resolve(true as const) : [1, 2]), config)),
      ).toEqualTypeOf<Observable<true | number>>();
    });

    it('are those of async functions, whose results are flattened', () => {
      const results = mails.pipe(workerPool(async (mail) => Promise.resolve(mail.to), config));
      expectTypeOf(results).toEqualTypeOf<Observable<string>>();
    });

    it('are never for work that never emits', () => {
      expectTypeOf(mails.pipe(workerPool(() => NEVER, config))).toEqualTypeOf<Observable<never>>();
    });

    it('are not a string’s characters: work that returns a string is refused', () => {
      // @ts-expect-error -- a string
      workerPool((mail: Mail) => mail.to, config);
      // @ts-expect-error -- a string
      workerPoolSettled((mail: Mail) => mail.to, config);
      // @ts-expect-error -- a string
      new BackgroundJobs((mail: Mail) => mail.to, config);
      // @ts-expect-error -- a string
      pullThrough([{ to: 'a' }], (mail: Mail) => mail.to, config);
      // @ts-expect-error -- now and then a string
      workerPool((mail: Mail) => (mail.to === '' ? of('a') : 'b'), config);
      expectTypeOf(workerPool((mail: Mail) => of(mail.to), config)).toEqualTypeOf<PoolOperator<Mail, string>>();
    });

    it('have to be an ObservableInput: work that returns nothing, or a number, is refused', () => {
      // @ts-expect-error -- nothing
      workerPool((_mail: Mail) => undefined, config);
      // @ts-expect-error -- nothing
      workerPoolSettled((_mail: Mail) => {}, config);
      // @ts-expect-error -- a number
      workerPool((_mail: Mail) => 1, config);
      // @ts-expect-error -- now and then nothing
      workerPool((mail: Mail) => (mail.to === '' ? undefined : send(mail)), config);
    });
  });

  describe('of outcomes', () => {
    const outcomes$ = mails.pipe(workerPoolSettled(send, config));

    it('are those of the job and of its result', () => {
      expectTypeOf(outcomes$).toEqualTypeOf<Observable<JobOutcome<Mail, Receipt>>>();
      expectTypeOf(new BackgroundJobs(send, config).outcomes$).toEqualTypeOf<typeof outcomes$>();
    });

    it('are narrowed by their status', () => {
      outcomes$.subscribe((outcome) => {
        expectTypeOf(outcome.job).toEqualTypeOf<Mail>();
        expectTypeOf(outcome.attempts).toEqualTypeOf<number>();
        switch (outcome.status) {
          case 'completed':
            expectTypeOf(outcome).toEqualTypeOf<JobCompleted<Mail, Receipt>>();
            expectTypeOf(outcome.value).toEqualTypeOf<Receipt>();
            break;
          case 'failed':
            expectTypeOf(outcome).toEqualTypeOf<JobFailed<Mail>>();
            expectTypeOf(outcome.error).toEqualTypeOf<unknown>();
            break;
          case 'dropped':
            expectTypeOf(outcome).toEqualTypeOf<JobDropped<Mail>>();
            expectTypeOf(outcome.reason).toEqualTypeOf<DropReason>();
            break;
          case 'aborted':
            expectTypeOf(outcome).toEqualTypeOf<JobAborted<Mail>>();
            expectTypeOf(outcome.settled).toEqualTypeOf<boolean>();
            break;
          default:
            expectTypeOf(outcome).toEqualTypeOf<never>();
        }
      });
    });

    it('have no value, and no error, before they are narrowed', () => {
      outcomes$.subscribe((outcome) => {
        // @ts-expect-error -- only of one that completed
        void outcome.value;
        // @ts-expect-error -- only of one that failed
        void outcome.error;
        // @ts-expect-error -- read-only
        outcome.job = { to: 'b' };
      });
    });

    type ValueOf<O> = O extends JobCompleted<unknown, infer V> ? V : never;
    const values = <O>(_outcomes$: Observable<O>): ValueOf<O>[] => [];

    it('have a value for a promise, and perhaps none for a stream, which may be empty', () => {
      const ofStream = mails.pipe(workerPoolSettled(watch, config));
      const ofArray = mails.pipe(workerPoolSettled(() => [1], config));
      const ofEither = mails.pipe(workerPoolSettled((mail) => (mail.to === '' ? of('a') : send(mail)), config));
      expectTypeOf(values(outcomes$)).toEqualTypeOf<Receipt[]>();
      expectTypeOf(values(ofStream)).toEqualTypeOf<(Receipt | undefined)[]>();
      expectTypeOf(values(ofArray)).toEqualTypeOf<(number | undefined)[]>();
      expectTypeOf(values(ofEither)).toEqualTypeOf<(Receipt | string | undefined)[]>();
    });

    it('tell no lies: the value of an empty stream is undefined', () => {
      const told: unknown[] = [];
      of({ to: 'a' })
        .pipe(workerPoolSettled(watch, config))
        .subscribe((outcome) => told.push(outcome.status === 'completed' && outcome.value));
      expect(told).to.eql([undefined]);
    });
  });

  describe('of options', () => {
    it('may be undefined, also under exactOptionalPropertyTypes', () => {
      const absent = { shutdown: undefined, hooks: undefined, yieldAfter: undefined, scheduler: undefined };
      expectTypeOf(mails.pipe(workerPool(send, { ...config, ...absent, overflow: undefined }))).toEqualTypeOf<
        Observable<Receipt>
      >();
      expectTypeOf(pullThrough([], send, { ...config, ...absent })).toEqualTypeOf<AsyncIterable<Receipt>>();
      void new BackgroundJobs(send, { ...config, ...absent }).shutdown('drain', {
        deadline: 1,
        abortGrace: undefined,
        scheduler: undefined,
      });
      new PoolMonitor({ interval: undefined, scheduler: undefined });
      gracefulShutdown({ on: NEVER, deadline: 1, abortGrace: undefined, scheduler: undefined });
      boundedBuffer({ capacity: 1, overflow: undefined, onDrop: undefined, demand: NEVER });
      toAsyncIterable(mails, { capacity: 1, overflow: undefined, onDrop: undefined });
    });

    it('may come from a config that is annotated', () => {
      const annotated: PoolConfig<Mail, Receipt> = { workers: Infinity, buffer: 1, overflow: 'clear' };
      expectTypeOf(mails.pipe(workerPool(send, annotated))).toEqualTypeOf<Observable<Receipt>>();
    });

    it('are required, and have the names and types that are documented', () => {
      const thrown = (act: () => unknown): void => void expect(act).to.throw(TypeError);
      // @ts-expect-error -- no buffer
      thrown(() => workerPool(send, { workers: 1 }));
      // @ts-expect-error -- no workers
      thrown(() => workerPoolSettled(send, { buffer: 1 }));
      // @ts-expect-error -- no config
      thrown(() => new BackgroundJobs(send));
      // @ts-expect-error -- not an option
      thrown(() => workerPool(send, { ...config, concurrency: 1 }));
      // @ts-expect-error -- not a policy
      thrown(() => workerPool(send, { ...config, overflow: 'drop-latest' }));
      // @ts-expect-error -- what is pulled has a place
      thrown(() => pullThrough([], send, { ...config, overflow: 'clear' }));
      // @ts-expect-error -- not a number
      thrown(() => workerPool(send, { workers: '1', buffer: 1 }));
      // @ts-expect-error -- not a notifier
      thrown(() => workerPool(send, { ...config, shutdown: new AbortController() }));
      // @ts-expect-error -- no deadline
      thrown(() => gracefulShutdown({ on: NEVER }));
      // @ts-expect-error -- not a signal
      thrown(() => fromSignals('sigterm'));
      // @ts-expect-error -- no signal
      thrown(() => fromSignals());
    });

    it('are not in the way of what the job and the result are: hooks know both', () => {
      const seen: string[] = [];
      const results = from([{ to: 'a' }] as Mail[]).pipe(
        workerPool((mail) => of(mail.to.length), {
          ...config,
          hooks: {
            accepted: (mail) => {
              expectTypeOf(mail).toEqualTypeOf<Mail>();
              seen.push(mail.to);
            },
            started: (_mail, context) => expectTypeOf(context).toEqualTypeOf<JobContext>(),
            settled: (outcome) => {
              expectTypeOf(outcome).toEqualTypeOf<JobOutcome<Mail, number | undefined>>();
            },
          },
        }),
      );
      expectTypeOf(results).toEqualTypeOf<Observable<number>>();
      results.subscribe();
      expect(seen).to.eql(['a']);
    });

    it('are not in the way either where hooks know nothing, or something else', () => {
      const log: JobHooks = { settled: ({ status }) => void status };
      const some: JobHooks<{ readonly to: unknown }> = {};
      expectTypeOf(mails.pipe(workerPool(send, { ...config, hooks: log }))).toEqualTypeOf<Observable<Receipt>>();
      expectTypeOf(mails.pipe(workerPool(send, { ...config, hooks: [log, some] }))).toEqualTypeOf<
        Observable<Receipt>
      >();
      expectTypeOf(mails.pipe(workerPoolSettled((mail) => of(mail.to), { ...config, hooks: log }))).toEqualTypeOf<
        Observable<JobOutcome<Mail, string | undefined>>
      >();
    });

    it('may be a PoolMonitor, of everything or of this', () => {
      const any = new PoolMonitor();
      const ofMails = new PoolMonitor<Mail, Receipt>();
      expectTypeOf(any).toEqualTypeOf<PoolMonitor>();
      for (const hooks of [any, ofMails, [any, ofMails]] as const) {
        expectTypeOf(mails.pipe(workerPool((mail) => send(mail), { ...config, hooks }))).toEqualTypeOf<
          Observable<Receipt>
        >();
      }
      expectTypeOf(ofMails.outcomes$).toEqualTypeOf<Observable<JobOutcome<Mail, Receipt>>>();
      expectTypeOf(new BackgroundJobs(send, { ...config, hooks: ofMails })).toEqualTypeOf<
        BackgroundJobs<Mail, Receipt>
      >();
    });

    it('take any notifier as shutdown', () => {
      const levels: Observable<ShutdownLevel> = NEVER;
      for (const shutdown of [
        levels,
        NEVER,
        Promise.resolve('abort'),
        [1],
        gracefulShutdown({ on: NEVER, deadline: 1 }),
        new AbortController().signal,
      ])
        expectTypeOf(mails.pipe(workerPool(send, { ...config, shutdown }))).toEqualTypeOf<Observable<Receipt>>();
    });
  });

  describe('of an operator', () => {
    it('are those of pipe, also in a longer one', () => {
      const length: OperatorFunction<Mail, Receipt> = workerPool(send, config);
      expectTypeOf(
        mails.pipe(
          length,
          workerPool((receipt) => of(receipt.id), config),
        ),
      ).toEqualTypeOf<Observable<number>>();
    });

    it('take an iterable and an async iterable as they are', () => {
      const pool = workerPool(send, config);
      expectTypeOf(pool).parameter(0).toEqualTypeOf<JobSource<Mail>>();
      expectTypeOf(pool([{ to: 'a' }])).toEqualTypeOf<Observable<Receipt>>();
      expectTypeOf(pool(new ReadableStream<Mail>())).toEqualTypeOf<Observable<Receipt>>();
      // @ts-expect-error -- not mails
      pool([1]);
      // @ts-expect-error -- not only mails
      pool(new ReadableStream<Mail | number>());
    });
  });

  describe('of BackgroundJobs', () => {
    it('are those of its work', () => {
      const jobs = new BackgroundJobs(send, config);
      expectTypeOf(jobs.offer).toEqualTypeOf<(job: Mail) => boolean>();
      expectTypeOf(jobs.submit).parameter(0).toEqualTypeOf<Mail>();
      expectTypeOf(jobs.submit).returns.toEqualTypeOf<Promise<Receipt>>();
      expectTypeOf(jobs.send).returns.toEqualTypeOf<Promise<void>>();
      expectTypeOf(jobs.listenTo).parameter(0).toEqualTypeOf<JobSource<Mail>>();
      expectTypeOf(jobs.ended).toEqualTypeOf<Promise<ShutdownReport<Mail>>>();
      expectTypeOf(jobs).toExtend<AsyncDisposable>();
      // @ts-expect-error -- not a level
      expect(() => jobs.shutdown('now')).to.throw(TypeError);
      void jobs.shutdown();
    });

    it('have perhaps no result for a stream', () => {
      const jobs = new BackgroundJobs(watch, config);
      expectTypeOf(jobs).toEqualTypeOf<BackgroundJobs<Mail, Receipt | undefined>>();
      void jobs.shutdown();
    });

    it('take a stream, and not what is none', () => {
      const jobs = new BackgroundJobs(send, config);
      jobs.listenTo(new ReadableStream<Mail>()).unsubscribe();
      // @ts-expect-error -- not mails
      expect(() => jobs.listenTo(new ReadableStream<number>()).unsubscribe()).not.to.throw();
      void jobs.shutdown();
    });
  });

  describe('that are given: those of the job and of its result', () => {
    it('for each form', () => {
      expectTypeOf(workerPool<Mail, Receipt>(send, config)).toEqualTypeOf<PoolOperator<Mail, Receipt>>();
      expectTypeOf(workerPool<Mail, Receipt>(watch, config)).toEqualTypeOf<PoolOperator<Mail, Receipt>>();
      expectTypeOf(workerPoolSettled<Mail, Receipt>(send, config)).toEqualTypeOf<
        PoolOperator<Mail, JobOutcome<Mail, Receipt>>
      >();
      expectTypeOf(pullThrough<Mail, Receipt>([], send, config)).toEqualTypeOf<AsyncIterable<Receipt>>();
      const jobs = new BackgroundJobs<Mail, Receipt>(send, config);
      expectTypeOf(jobs).toEqualTypeOf<BackgroundJobs<Mail, Receipt>>();
      void jobs.shutdown();
    });

    it('type the parameters of work, inside pipe and outside', () => {
      workerPool<Mail, string>((mail, { signal }) => {
        expectTypeOf(mail).toEqualTypeOf<Mail>();
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
        return of(mail.to);
      }, config);
      expectTypeOf(mails.pipe(workerPool<Mail, string>(async (mail) => mail.to, config))).toEqualTypeOf<
        Observable<string>
      >();
    });

    it('have to fit the work, and what it returns', () => {
      // @ts-expect-error -- a number is no receipt
      workerPool<Mail, Receipt>(async () => 1, config);
      // @ts-expect-error -- a string
      workerPool<Mail, string>((mail) => mail.to, config);
      // @ts-expect-error -- a stream may have had no value
      new BackgroundJobs<Mail, Receipt>(watch, config);
      expectTypeOf(new BackgroundJobs<Mail, Receipt | undefined>(watch, config)).toEqualTypeOf<
        BackgroundJobs<Mail, Receipt | undefined>
      >();
    });

    it('for a class that extends BackgroundJobs', async () => {
      class Mails extends BackgroundJobs<Mail, string> {
        constructor() {
          super(async (mail, { signal }) => (signal.aborted ? '' : mail.to), config);
        }
        welcome(to: string): Promise<string> {
          return this.submit({ to });
        }
      }
      class Feeds extends BackgroundJobs<Mail, Receipt | undefined> {
        constructor() {
          super(watch, { ...config, hooks: { settled: ({ job }) => expectTypeOf(job).toEqualTypeOf<Mail>() } });
        }
      }
      const [jobs, feeds] = [new Mails(), new Feeds()];
      expectTypeOf(feeds.submit).returns.toEqualTypeOf<Promise<Receipt | undefined>>();
      expect(await jobs.welcome('a')).to.equal('a');
      await Promise.all([jobs.shutdown(), feeds.shutdown()]);
    });

    it('or are inferred, in a wrapper that is generic itself', () => {
      const given = <J, R>(work: (job: J, context: JobContext) => Promise<R>, options: PoolConfig<J, R>) =>
        workerPool<J, R>(work, options);
      const inferred = <J, R>(work: (job: J) => Observable<R>) => workerPool(work, config);
      const handle = <J, R>(work: (job: J) => Promise<R>, options: PoolConfig<J, R>): BackgroundJobs<J, R> =>
        new BackgroundJobs(work, options);
      const any = <J, O extends PromiseOrObservableOf<unknown>>(work: Work<J, O>) => workerPoolSettled(work, config);
      expectTypeOf(given(send, config)).toEqualTypeOf<PoolOperator<Mail, Receipt>>();
      expectTypeOf(inferred(watch)).toEqualTypeOf<PoolOperator<Mail, Receipt>>();
      expectTypeOf(handle(send, config)).toEqualTypeOf<BackgroundJobs<Mail, Receipt>>();
      expectTypeOf(any(watch)).toEqualTypeOf<PoolOperator<Mail, JobOutcome<Mail, Receipt | undefined>>>();
    });
  });

  describe('of the other exports', () => {
    it('leaseFrom: those of the iterable that it opens', () => {
      const open = async function* (demand: LeaseDemand): AsyncGenerator<Mail> {
        expectTypeOf(demand.places$).toEqualTypeOf<Observable<number>>();
        yield* [];
      };
      const mails$ = leaseFrom(open, {
        settle: (outcome) => expectTypeOf(outcome).toEqualTypeOf<JobOutcome<Mail, unknown>>(),
        lost: new Subject<Mail>(),
      });
      expectTypeOf(mails$).toEqualTypeOf<Observable<Mail>>();
      // @ts-expect-error what is lost is a job
      leaseFrom(open, { settle: () => undefined, lost: new Subject<number>() });
      // @ts-expect-error settle is required
      expect(() => leaseFrom(open, {})).to.throw(TypeError);
      // @ts-expect-error an array takes no time to answer
      leaseFrom(() => [1], { settle: () => undefined });
    });

    it('pullFrom: those of the iterable', () => {
      expectTypeOf(pullFrom([1, 2])).toEqualTypeOf<Observable<number>>();
      expectTypeOf(pullFrom(new Map<string, Mail>())).toEqualTypeOf<Observable<[string, Mail]>>();
      expectTypeOf(pullFrom(new ReadableStream<Mail>())).toEqualTypeOf<Observable<Mail>>();
      expectTypeOf(pullFrom(new ReadableStream<Mail>() as ReadableStreamOf<Mail>)).toEqualTypeOf<Observable<Mail>>();
      expectTypeOf(pullFrom(new Response('a').body!)).toEqualTypeOf<Observable<Uint8Array<ArrayBuffer>>>();
      // @ts-expect-error -- an Observable cannot be asked to wait
      expect(() => pullFrom(mails)).to.throw(TypeError);
      // @ts-expect-error -- not an iterable
      expect(() => pullFrom(1)).to.throw(TypeError);
    });

    it('pullThrough: the job is the item, the result is that of the work', () => {
      const results = pullThrough(
        new Set([{ to: 'a' }]),
        (mail) => {
          expectTypeOf(mail).toEqualTypeOf<{ to: string }>();
          return of(mail.to.length);
        },
        { ...config, hooks: { accepted: (mail) => expectTypeOf(mail).toEqualTypeOf<{ to: string }>() } },
      );
      expectTypeOf(results).toEqualTypeOf<AsyncIterable<number>>();
      expectTypeOf(pullThrough(new ReadableStream<Mail>(), send, config)).toEqualTypeOf<AsyncIterable<Receipt>>();
      // @ts-expect-error -- an Observable cannot be asked to wait
      expect(() => pullThrough(mails, send, config)).to.throw(TypeError);
    });

    it('boundedBuffer: what comes in goes out', () => {
      const demand = new Subject<number>();
      const onDrop = (_mail: Mail, _reason: 'full' | 'evicted'): void => undefined;
      expectTypeOf(mails.pipe(boundedBuffer({ capacity: 1, demand }))).toEqualTypeOf<Observable<Mail>>();
      expectTypeOf(mails.pipe(boundedBuffer({ capacity: 1, demand, onDrop }))).toEqualTypeOf<Observable<Mail>>();
      expectTypeOf(boundedBuffer<Mail>({ capacity: 1, demand })).toEqualTypeOf<MonoTypeOperatorFunction<Mail>>();
      mails.pipe(
        boundedBuffer({
          capacity: 1,
          demand: new Subject<void>(),
          onDrop: (mail, reason) => {
            expectTypeOf(mail).toEqualTypeOf<Mail>();
            expectTypeOf(reason).toEqualTypeOf<'full' | 'evicted'>();
          },
        }),
      );
      // @ts-expect-error -- a demand is a number
      mails.pipe(boundedBuffer({ capacity: 1, demand: of('1') }));
    });

    it('toAsyncIterable: what the Observable emits', () => {
      const iterable = toAsyncIterable(mails, {
        capacity: 1,
        onDrop: (mail) => expectTypeOf(mail).toEqualTypeOf<Mail>(),
      });
      expectTypeOf(iterable).toEqualTypeOf<AsyncIterable<Mail>>();
      // @ts-expect-error -- not an option
      expect(() => toAsyncIterable(mails, { capacity: 1, demand: NEVER })).to.throw(TypeError);
    });

    it('errors: a literal name, which can be assigned', () => {
      const error = new JobDroppedError('full', 'a', { cause: undefined });
      expectTypeOf(error.name).toEqualTypeOf<'JobDroppedError'>();
      expectTypeOf(error.job).toEqualTypeOf<string>();
      expectTypeOf(error).toExtend<Error>();
      error.name = 'Renamed';
      expect(error.name).to.equal('Renamed');
      expectTypeOf(new JobFailedError({ to: 'a' }, { cause: 'x' })).toEqualTypeOf<JobFailedError<{ to: string }>>();
      // @ts-expect-error -- not without what it failed with
      new JobFailedError('a');
    });

    it('fromSignals and gracefulShutdown: names and levels', () => {
      expectTypeOf(fromSignals('SIGTERM', 'SIGINT')).toEqualTypeOf<Observable<SignalName>>();
      expectTypeOf(gracefulShutdown({ on: fromSignals('SIGTERM'), deadline: Infinity })).toEqualTypeOf<
        Observable<ShutdownLevel>
      >();
    });
  });
});
