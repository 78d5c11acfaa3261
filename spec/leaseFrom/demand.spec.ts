// What an engine is told of the pool that borrows from it.
import { expect } from 'chai';
import { asyncScheduler, BehaviorSubject, finalize, map, NEVER, Subject, timer, VirtualTimeScheduler } from 'rxjs';
import type { Observable, UnsubscriptionError } from 'rxjs';
import { BackgroundJobs, leaseFrom, pullFrom, pullThrough, workerPool } from '../../src/index.js';
import type { JobOutcome, LeaseDemand } from '../../src/index.js';
import { Held } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';
import { echo, Engine, FORMS, lineOf, nameOf, rest, Run } from './support.js';

const JOBS = ['a', 'b', 'c', 'd', 'e', 'f'];

describe('leaseFrom: demand', () => {
  for (const form of FORMS) {
    describe(form, () => {
      it('asks for a job while fewer than `places` are out, those that wait for a retry included', async () => {
        const engine = new Engine(JOBS);
        const run = new Run(form, engine, () => Promise.reject(new Error('no')), {
          workers: 2,
          buffer: 1,
          retry: { delay: 50 },
        });
        await run.at(40);
        expect([engine.demand.places, engine.nexts, engine.out.size]).to.eql([3, 3, 3]);
        expect(run.pool?.stats.delayed ?? 3).to.equal(3);
        expect(engine.demand.wanted).to.equal(0);
        await run.shutdown('discard');
        expect(engine.told).to.eql(['a shutdown', 'b shutdown', 'c shutdown']);
        expect(run.end).to.equal('complete');
        expect(engine.breaches).to.eql([]);
      });

      it('says how many are wanted, the one that is asked for included', async () => {
        const wanted: number[] = [];
        const run = new Run(
          form,
          {
            source: leaseFrom(
              async function* (demand) {
                for (const job of JOBS) {
                  wanted.push(demand.wanted);
                  yield job;
                }
              },
              { settle: () => undefined },
            ),
          },
          () => new Promise(() => undefined),
          { workers: 2, buffer: 2 },
        );
        await rest();
        expect(wanted).to.eql([4, 3, 2, 1]);
        await run.shutdown('abandon');
        await run.at(1000);
      });

      it('follows the number of workers, and fetches nothing at 0 that others could do', async () => {
        const engine = new Engine(JOBS);
        const workers = new BehaviorSubject(0);
        const held = new Held<string>();
        const run = new Run(form, engine, held.promises, { workers, buffer: 0 });
        const places: (number | string)[] = [];
        engine.demand.places$.subscribe({ next: (n) => places.push(n), complete: () => places.push('complete') });
        await rest();
        expect([engine.nexts, engine.demand.wanted]).to.eql([0, 0]);
        workers.next(2);
        await rest();
        expect([engine.nexts, engine.out.size]).to.eql([2, 2]);
        workers.next(2);
        workers.next(1);
        held.complete('a');
        await rest();
        expect(engine.out.size).to.equal(1);
        held.complete('b');
        await rest();
        expect(engine.out.size).to.equal(1);
        await run.shutdown('drain');
        expect(places).to.eql([0, 2, 1, 'complete']);
        held.complete('c');
        await rest();
        expect(engine.breaches).to.eql([]);
        expect(run.end).to.equal('complete');
        engine.demand.places$.subscribe({ next: (n) => places.push(n), complete: () => places.push('complete') });
        expect(places.slice(4)).to.eql(['complete']);
      });

      it('fires its signal before the iterator is told to return', async () => {
        const engine = new Engine();
        const run = new Run(form, engine, echo);
        await run.shutdown('drain');
        expect([engine.returns, run.end]).to.eql([1, 'complete']);
        expect(engine.breaches).to.eql([]);
        expect(engine.demand.wanted).to.equal(0);
      });

      it('lets a generator go that polls for ever', async () => {
        let polls = 0;
        let isOver = false;
        const wake = new Subject<void>();
        const source = leaseFrom<string>(
          async function* ({ signal }) {
            try {
              while (!signal.aborted) {
                polls++;
                await new Promise<void>((resolve) => {
                  wake.subscribe(() => resolve());
                  signal.addEventListener('abort', () => resolve());
                });
              }
              yield* [];
            } finally {
              isOver = true;
            }
          },
          { settle: () => undefined },
        );
        const run = new Run(form, { source }, echo);
        await rest();
        wake.next();
        await rest();
        expect(polls).to.equal(2);
        await run.shutdown('drain');
        expect([isOver, run.end]).to.eql([true, 'complete']);
      });

      it('waits for an engine that is deaf, and for its return(), until `abandon` has waited for a second', async () => {
        for (const manners of [{ isDeaf: true }, { return: 'never' }] as const) {
          const engine = new Engine([], manners);
          const run = new Run(form, engine, echo);
          await run.at(10);
          await run.shutdown('drain');
          await run.at(5000);
          for (const level of ['discard', 'abort', 'abandon']) {
            expect(run.end).to.equal(undefined);
            await run.shutdown(level);
          }
          await run.at(5999);
          expect(run.end).to.equal(undefined);
          await run.at(6000);
          expect(run.end).to.equal('complete');
        }
      });

      it('settles a job that comes after that second, outside the books', async () => {
        const engine = new Engine([], { isDeaf: true });
        const run = new Run(form, engine, echo);
        await run.shutdown('abandon');
        await run.at(1000);
        expect(run.end).to.equal('complete');
        engine.give('a');
        await rest();
        expect(engine.told).to.eql(['a closed']);
      });

      it('needs no return() of its iterator', async () => {
        const engine = new Engine([], { return: 'none' });
        const run = new Run(form, engine, echo);
        await run.shutdown('drain');
        expect(run.end).to.equal('complete');
      });

      it('completes, or listens no longer, when the iterator has ended and every lease is settled', async () => {
        const engine = new Engine(['a']);
        const held = new Held<string>();
        const run = new Run(form, engine, held.promises);
        await rest();
        engine.end();
        await rest();
        expect(engine.demand.signal.aborted).to.equal(true);
        expect(run.end).to.equal(undefined);
        if (run.listening) expect(run.listening.closed).to.equal(false);
        held.complete('a');
        await rest();
        if (run.listening) {
          expect(run.listening.closed).to.equal(true);
          await run.shutdown('drain');
        }
        expect([run.end, engine.returns]).to.eql(['complete', 0]);
      });

      it('takes an iterator that throws, or gives no object, for a source that errors', async () => {
        const hand = (engine: Engine, item: unknown): void =>
          (engine as unknown as { taker(item: unknown): void }).taker(item);
        const failures: [string, (engine: Engine) => void][] = [
          ['RangeError', (engine) => engine.fail(new RangeError('no connection'))],
          ['TypeError', (engine) => hand(engine, 0)],
          ['TypeError', (engine) => hand(engine, undefined)],
        ];
        for (const property of ['done', 'value', 'then']) {
          const get = (): never => {
            throw new RangeError(property);
          };
          failures.push(['RangeError', (engine) => hand(engine, Object.defineProperty({}, property, { get }))]);
        }
        for (const [name, fail] of failures) {
          const engine = new Engine(['a', 'b']);
          const held = new Held<string>();
          const run = new Run(form, engine, held.promises, { buffer: 2 });
          await rest();
          fail(engine);
          await rest();
          await turn();
          expect(takeReported().map(nameOf)).to.eql(form === 'listenTo' ? [name] : []);
          expect(run.end).to.equal(form === 'workerPool' ? name : undefined);
          expect(engine.returns).to.equal(0);
          expect(engine.demand.signal.aborted).to.equal(true);
          held.complete('a');
          await rest();
          if (form !== 'workerPool') held.complete('b');
          await rest();
          expect(engine.told).to.eql(
            form === 'workerPool' ? ['b shutdown', 'a completed'] : ['a completed', 'b completed'],
          );
          if (form === 'workerPoolSettled') expect(run.end).to.equal(name);
          await run.shutdown('drain');
          expect(engine.breaches).to.eql([]);
        }
      });

      it('takes what `open` and `next` throw for an error of the source, and what it returns must be an async iterable', async () => {
        const opens: [string, () => unknown][] = [
          [
            'RangeError: no engine',
            () => {
              throw new RangeError('no engine');
            },
          ],
          ["TypeError: what leaseFrom's open returns must be an async iterable, but is an array", () => ['a']],
          [
            'RangeError: no next',
            () => ({
              [Symbol.asyncIterator]: () => ({
                next: () => {
                  throw new RangeError('no next');
                },
              }),
            }),
          ],
        ];
        for (const [message, open] of opens) {
          const source = leaseFrom<string>(open as never, { settle: () => undefined });
          const run = new Run(form, { source }, echo);
          if (run.listening) expect(run.listening.closed).to.equal(true);
          await run.shutdown('drain');
          await turn();
          const errors = form === 'listenTo' ? takeReported() : [run.error];
          expect(errors.map(String)).to.eql([message]);
        }
      });

      it('reports what return() throws, or rejects with', async () => {
        for (const isSync of [true, false]) {
          const error = new RangeError('no return');
          const source = leaseFrom<string>(
            ({ signal }) => ({
              [Symbol.asyncIterator]: () => ({
                next: () => new Promise((_, reject) => signal.addEventListener('abort', () => reject(error))),
                return: () => {
                  if (isSync) throw error;
                  return Promise.reject(error);
                },
              }),
            }),
            { settle: () => undefined },
          );
          const run = new Run(form, { source }, echo);
          await run.shutdown('drain');
          await turn();
          expect(takeReported()).to.eql([error]);
          expect(run.end).to.equal('complete');
        }
      });

      for (const how of ['the source ends', 'a drain', 'unsubscription', 'abandon'] as const) {
        it(`reports what a finalizer of the engine throws, and ends as ever: ${how}`, async () => {
          const fail = (name: string) => (): never => {
            throw new RangeError(name);
          };
          const told: string[] = [];
          const source = leaseFrom<string>(
            async function* ({ places$, signal }) {
              places$.pipe(finalize(fail('places$'))).subscribe();
              yield 'a';
              if (how === 'the source ends') return;
              await new Promise((resolve) => signal.addEventListener('abort', resolve));
            },
            { lost: NEVER.pipe(finalize(fail('lost'))), settle: (outcome) => told.push(lineOf(outcome)) },
          );
          const run = new Run(form, { source }, echo);
          await rest();
          if (how === 'unsubscription') (run.listening ?? run).unsubscribe();
          if (how === 'abandon') await run.shutdown('abandon');
          else await run.shutdown('drain');
          await turn();
          const reported = takeReported().map((error) => (error as UnsubscriptionError).errors.map(String));
          expect(reported).to.eql([['RangeError: places$'], ['RangeError: lost']]);
          expect(told).to.eql(['a completed']);
          if (run.pool !== undefined || how !== 'unsubscription') expect(run.end).to.equal('complete');
        });
      }

      it('reads a ReadableStream too, and gives timers a turn where jobs are at hand', async () => {
        let count = 0;
        let turns = 0;
        const timer = setInterval(() => turns++, 0);
        const source = leaseFrom<string>(
          () =>
            new ReadableStream<string>({
              pull: (controller) => (count < 2000 ? controller.enqueue(String(count++)) : controller.close()),
            }) as never,
          { settle: () => undefined },
        );
        const work = async (job: string): Promise<string> => {
          const end = performance.now() + 0.02;
          while (performance.now() < end);
          return job;
        };
        const run = new Run(form, { source }, work, { workers: 2, buffer: 2, scheduler: asyncScheduler });
        if (run.listening) {
          await new Promise<void>((resolve) => run.listening!.add(() => resolve()));
          await run.shutdown('drain');
        }
        while (run.end === undefined) await turn();
        clearInterval(timer);
        expect(count).to.equal(2000);
        expect(turns).to.be.greaterThan(2);
      });
    });
  }

  it('fetches and completes as its doc comment draws it', async () => {
    //  fetched   (ab)--c
    //  results   ----a-----b-----c-|
    const clock = new VirtualTimeScheduler(undefined, 0);
    const engine = new Engine(['a', 'b', 'c']);
    const log: string[] = [];
    const note = (what: string): void => void log.push(`${what} ${clock.now()}`);
    engine.answer = () => new Promise<void>((resolve) => timer(2, clock).subscribe(() => resolve()));
    engine.onGiven = (job) => note(`fetched ${job}`);
    const work = (job: string): Observable<string> => timer(4, clock).pipe(map(() => job));
    engine.source
      .pipe(workerPool(work, { workers: 1, buffer: 1, scheduler: clock }))
      .subscribe({ next: note, complete: () => note('complete') });
    for (let now = 0; now <= 20; now++) {
      clock.maxFrames = now;
      clock.flush();
      clock.frame = now;
      await rest();
      if (now === 13) engine.end();
    }
    expect(log).to.eql([...['fetched a 0', 'fetched b 0', 'a 4', 'fetched c 6', 'b 10', 'c 16', 'complete 18']]);
  });

  it('opens an iterable for each subscription', async () => {
    const demands: LeaseDemand[] = [];
    const source = leaseFrom<string>(
      async function* (demand) {
        demands.push(demand);
        yield 'a';
      },
      { settle: () => undefined },
    );
    const results = source.pipe(workerPool(echo, { workers: 1, buffer: 0 }));
    const values: unknown[] = [];
    results.subscribe((value) => values.push(value));
    results.subscribe((value) => values.push(value));
    await rest();
    expect(values).to.eql(['a', 'a']);
    expect(demands).to.have.length(2);
  });

  it('asks for nothing more than the buffer while the handle is paused', async () => {
    const engine = new Engine(JOBS);
    const run = new Run('listenTo', engine, echo, { workers: 2, buffer: 1 });
    const places: number[] = [];
    engine.demand.places$.subscribe((n) => places.push(n));
    run.pool!.pause();
    await rest();
    expect([engine.demand.places, engine.out.size]).to.eql([1, 1]);
    run.pool!.resume();
    await rest();
    expect(engine.told).to.have.length(6);
    run.pool!.pause(10);
    expect(engine.demand.places).to.equal(1);
    await run.at(9);
    expect(places).to.eql([3, 1, 3, 1]);
    await run.at(10);
    expect(places).to.eql([3, 1, 3, 1, 3]);
    await run.shutdown('drain');
    expect(engine.breaches).to.eql([]);
  });

  it('fetches nothing in a pause where nothing may wait', async () => {
    const engine = new Engine(JOBS);
    const run = new Run('listenTo', [], echo, { workers: 2, buffer: 0 });
    run.pool!.pause();
    run.pool!.listenTo(engine.source);
    await rest();
    expect(engine.nexts).to.equal(0);
    run.pool!.resume();
    await rest();
    expect(engine.told).to.have.length(6);
    await run.shutdown('drain');
  });

  it('asks for no more than may wait while the rate is used up', async () => {
    const engine = new Engine(JOBS);
    const run = new Run('listenTo', engine, echo, { workers: 2, buffer: 1, rateLimit: { limit: 1, interval: 10 } });
    await run.at(5);
    expect(engine.told).to.eql(['a completed']);
    expect(engine.out.size).to.equal(1);
    await run.at(100);
    expect(engine.told).to.have.length(6);
    await run.shutdown('drain');
    expect(engine.breaches).to.eql([]);
  });

  it('takes turns with other engines and with senders', async () => {
    const [one, two] = [new Engine(['a1', 'a2', 'a3']), new Engine(['b1', 'b2', 'b3'])];
    const started: string[] = [];
    const work = async (job: string): Promise<string> => (started.push(job), job);
    const run = new Run('listenTo', [one, two], work, { workers: 1, buffer: 0 });
    const sent = ['c1', 'c2', 'c3'].map((job) => run.pool!.send(job));
    await Promise.all(sent);
    await rest();
    // What was asked for before them has come when their places were gone: it waits its turn among them.
    expect(started).to.eql(['c1', 'c2', 'c3', 'a1', 'b1', 'a2', 'b2', 'a3', 'b3']);
    await run.shutdown('drain');
    expect([...one.told, ...two.told]).to.have.length(6);
    expect(run.report!.stats).to.include({ offered: 9, completed: 9 });
  });

  it('gives back what waits among the senders when the drain begins', async () => {
    const [one, two] = [new Engine([], { isDeaf: true }), new Engine([], { isDeaf: true })];
    const held = new Held<string>();
    const run = new Run('listenTo', [one, two], held.promises, { workers: 1, buffer: 0 });
    await rest();
    one.give('a');
    two.give('b');
    await rest();
    expect(run.pool!.stats).to.include({ running: 1, waiting: 1 });
    await run.shutdown('drain');
    expect(two.told).to.eql(['b closed']);
    held.complete('a');
    await rest();
    one.end();
    await rest();
    expect(one.told).to.eql(['a completed']);
    expect(run.end).to.equal('complete');
    expect(run.report!.stats).to.include({ offered: 2, refused: 1, completed: 1 });
  });

  it('is let go by unsubscribing listenTo: what was accepted runs, a late job is given back, and the end waits for it', async () => {
    const engine = new Engine(['a', 'b'], { isDeaf: true });
    const held = new Held<string>();
    const run = new Run('listenTo', engine, held.promises, { buffer: 4 });
    await rest();
    run.listening!.unsubscribe();
    expect([engine.demand.signal.aborted, engine.returns]).to.eql([true, 1]);
    const pool = run.pool!;
    expect(pool.offer('x')).to.equal(true);
    engine.give('c');
    await rest();
    expect(engine.told).to.eql(['c closed']);
    for (const job of ['a', 'b', 'x']) {
      held.complete(job);
      await rest();
    }
    expect(engine.told).to.eql(['c closed', 'a completed', 'b completed']);
    await pool.idle();
    await run.shutdown('drain');
    expect(run.end).to.equal('complete');
  });

  it('is not opened by a handle that has ended, and is left at once by one that it ends when it is opened', async () => {
    const jobs = new BackgroundJobs(echo, { workers: 1, buffer: 1 });
    let opened = 0;
    const source = leaseFrom<string>(
      async function* () {
        opened++;
        void jobs.shutdown();
        yield* [];
      },
      { settle: () => undefined },
    );
    const demanding = leaseFrom<string>(
      (demand) => {
        opened++;
        void jobs.shutdown();
        expect(demand.places).to.equal(2);
        return (async function* () {})();
      },
      { settle: () => undefined },
    );
    jobs.listenTo(demanding);
    await jobs.ended;
    expect(jobs.listenTo(source).closed).to.equal(true);
    expect(opened).to.equal(1);
  });

  it('holds idle() back while jobs are given back', async () => {
    const engine = new Engine(['a', 'b']);
    let answer!: () => void;
    engine.answer = ({ job }: JobOutcome<string, unknown>) =>
      job === 'b' ? new Promise<void>((resolve) => (answer = resolve)) : undefined;
    const held = new Held<string>();
    const run = new Run('listenTo', engine, held.promises, { ttl: 10 });
    await run.at(10);
    held.complete('a');
    await rest();
    expect(engine.told).to.eql(['b expired', 'a completed']);
    let isIdle = false;
    void run.pool!.idle().then(() => (isIdle = true));
    await rest();
    expect(isIdle).to.equal(false);
    answer();
    await rest();
    expect(isIdle).to.equal(true);
    await run.shutdown('drain');
  });

  it('reports no failure of a leased job as unhandled', async () => {
    const engine = new Engine(['a']);
    const jobs = new BackgroundJobs(() => Promise.reject(new Error('no')), { workers: 1, buffer: 1 });
    jobs.listenTo(engine.source as Observable<unknown>);
    await rest();
    await turn();
    expect(engine.told).to.eql(['a failed: Error']);
    expect(takeReported()).to.eql([]);
    await jobs.shutdown();
  });

  it('is refused by anything but a pool, with a sentence', () => {
    const engine = new Engine(['a']);
    const errors: unknown[] = [];
    const observer = { error: (error: unknown) => errors.push(error) };
    engine.source.subscribe(observer);
    engine.source.pipe(map((job) => job)).subscribe(observer);
    engine.source
      .pipe(
        map((job) => job),
        workerPool(echo, { workers: 1, buffer: 1 }),
      )
      .subscribe(observer);
    expect(errors.map(nameOf)).to.eql(['TypeError', 'TypeError', 'TypeError']);
    expect(String(errors[0])).to.match(/leaseFrom: only a pool can settle leases.*workerPool/);
    expect(engine.nexts).to.equal(0);
    expect(() => pullThrough(engine.source as never, echo, { workers: 1, buffer: 1 })).to.throw(
      TypeError,
      /pipe it onto workerPool/,
    );
    expect(() => pullFrom(engine.source as never)).to.throw(TypeError);
  });

  it('refuses bad arguments by their names', () => {
    const open = (): AsyncGenerator<string> => (async function* () {})();
    const settle = (): void => undefined;
    const bad: [RegExp, () => unknown][] = [
      [/leaseFrom's open must be a function/, () => leaseFrom(0 as never, { settle })],
      [/leaseFrom's config must be a plain object/, () => leaseFrom(open, undefined as never)],
      [/settle must be a function/, () => leaseFrom(open, {} as never)],
      [/lost must be an Observable/, () => leaseFrom(open, { settle, lost: [] as never })],
      [/leaseFrom has no option 'settled'/, () => leaseFrom(open, { settle, settled: 1 } as never)],
    ];
    for (const [message, make] of bad) expect(make).to.throw(TypeError, message);
  });
});
