// The platform's own Observable, wherever an Observable of RxJS may stand. Node has none: the stand-in follows its specification.
import { expect } from 'chai';
import { expectTypeOf } from 'expect-type';
import { firstValueFrom, lastValueFrom, map, Observable, of, Subject, take, toArray } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import {
  BackgroundJobs,
  boundedBuffer,
  gracefulShutdown,
  leaseFrom,
  pullFrom,
  pullThrough,
  toAsyncIterable,
  workerPool,
  workerPoolSettled,
} from '../src/index.js';
import type { JobOutcome } from '../src/index.js';
import { takeReported, turn } from './support/guard.js';
import { typeErrorOf } from './support/thrown.js';
import { reportedByThePlatform, when, WicgObservable } from './support/wicgObservable.js';
import type { Subscriber } from './support/wicgObservable.js';

const config = { workers: 2, buffer: 10 };
const double = (n: number): Promise<number> => Promise.resolve(n * 2);

/** A source that is pushed by hand. */
function pushed<T>(): { readonly source: WicgObservable<T>; push(...values: T[]): void; subscriber(): Subscriber<T> } {
  let subscriber: Subscriber<T> | undefined;
  return {
    source: new WicgObservable<T>((given) => {
      subscriber = given;
    }),
    push: (...values) => {
      for (const value of values) subscriber!.next(value);
    },
    subscriber: () => subscriber!,
  };
}

describe("the platform's Observable", () => {
  afterEach(() => {
    expect(reportedByThePlatform.splice(0)).to.eql([]);
  });

  describe('as a source', () => {
    it('gives a pool its jobs', async () => {
      const results$ = workerPool(double, config)(WicgObservable.from([1, 2, 3]));
      expectTypeOf(results$).toEqualTypeOf<Observable<number>>();
      expect(await lastValueFrom(results$.pipe(toArray()))).to.eql([2, 4, 6]);
    });

    it('gives them in settled form', async () => {
      const outcomes$ = workerPoolSettled(double, config)(WicgObservable.from([1]));
      expectTypeOf(outcomes$).toEqualTypeOf<Observable<JobOutcome<number, number>>>();
      expect(await lastValueFrom(outcomes$)).to.include({ status: 'completed', value: 2 });
    });

    it('is told to end by its signal when the results are unsubscribed', () => {
      const { source, push, subscriber } = pushed<number>();
      const subscription = workerPool(double, config)(source).subscribe();
      push(1);
      expect(subscriber().active).to.be.true;
      subscription.unsubscribe();
      expect(subscriber().active).to.be.false;
    });

    it('is told so in the middle of a synchronous emission', async () => {
      let asked = 0;
      const long = new WicgObservable<number>((subscriber) => {
        while (subscriber.active && asked < 1000) subscriber.next(asked++);
      });
      const results$ = workerPool((n: number) => of(n), config)(long);
      expect(await lastValueFrom(results$.pipe(take(3), toArray()))).to.eql([0, 1, 2]);
      expect(asked).to.equal(3);
    });

    it('passes its error on', async () => {
      const error = new Error('the source');
      const failing = new WicgObservable<number>((subscriber) => subscriber.error(error));
      const thrown = await lastValueFrom(workerPool(double, config)(failing)).catch((e: unknown) => e);
      expect(thrown).to.equal(error);
    });

    it('is listened to by a handle, and left by unsubscribing', async () => {
      const { source, push, subscriber } = pushed<number>();
      await using jobs = new BackgroundJobs(double, { ...config, overflow: 'drop-incoming' });
      const outcomes = firstValueFrom(jobs.outcomes$.pipe(take(2), toArray()));
      const subscription = jobs.listenTo(source);
      push(1, 2);
      expect((await outcomes).map(({ job }) => job)).to.eql([1, 2]);
      subscription.unsubscribe();
      expect(subscriber().active).to.be.false;
    });

    it('is refused by listenTo where the buffer could only overflow, as any Observable is', () => {
      const jobs = new BackgroundJobs(double, config);
      expect(typeErrorOf(() => jobs.listenTo(WicgObservable.from([1])))).to.match(/cannot be asked to wait/);
    });

    it('is read by toAsyncIterable', async () => {
      const read: number[] = [];
      for await (const n of toAsyncIterable(WicgObservable.from([1, 2]), { capacity: 2 })) read.push(n);
      expect(read).to.eql([1, 2]);
    });

    it('is refused by pullFrom and pullThrough, which say what to do', () => {
      const source = WicgObservable.from([1]) as never;
      for (const call of [() => pullFrom(source), () => pullThrough(source, double, config)]) {
        const message = typeErrorOf(call);
        expect(message).to.match(/source must be an iterable or an async iterable, but is an Observable/);
        expect(message).to.include('give it to workerPool(…)(source) itself');
      }
    });
  });

  describe('as a notifier', () => {
    it('shuts a pool down, and escalates', async () => {
      const { source, push, subscriber } = pushed<string>();
      const outcomes = lastValueFrom(
        of(1, 2, 3).pipe(
          workerPoolSettled(() => new Promise<never>(() => {}), { workers: 1, buffer: 2, shutdown: source }),
          map(({ status }) => status),
          toArray(),
        ),
      );
      push('discard', 'abandon');
      expect(await outcomes).to.eql(['dropped', 'dropped', 'aborted']);
      expect(subscriber().active).to.be.false;
    });

    it('starts a graceful shutdown', () => {
      const target = new EventTarget();
      const levels: string[] = [];
      gracefulShutdown({ on: when(target, 'pagehide'), deadline: Infinity, abortGrace: Infinity }).subscribe((level) =>
        levels.push(level),
      );
      for (let n = 0; n < 3; n++) target.dispatchEvent(new Event('pagehide'));
      expect(levels).to.eql(['drain', 'abort', 'abandon']);
    });

    it('says when a failed job is tried again', async () => {
      const { source, push } = pushed<void>();
      let calls = 0;
      const work = (): Promise<number> => (++calls === 1 ? Promise.reject(new Error('once')) : Promise.resolve(calls));
      const retry = { delay: () => source as unknown as ObservableInput<void> };
      const result = lastValueFrom(of('a').pipe(workerPool(work, { ...config, retry })));
      await turn();
      push(undefined);
      expect(await result).to.equal(2);
    });

    it('demands what waits in a buffer', async () => {
      const { source, push } = pushed<number>();
      const values$ = of('a', 'b', 'c').pipe(boundedBuffer({ capacity: 3, demand: source }), toArray());
      const all = lastValueFrom(values$);
      push(1, 2);
      expect(await all).to.eql(['a', 'b', 'c']);
    });

    it('says how many workers there are', async () => {
      const jobs$ = new Subject<string>();
      const started: string[] = [];
      const { source, push } = pushed<number>();
      const work = (job: string): Promise<string> => {
        started.push(job);
        return Promise.resolve(job);
      };
      const done = lastValueFrom(jobs$.pipe(workerPool(work, { workers: source, buffer: 2 })));
      jobs$.next('a');
      jobs$.complete();
      expect(started).to.eql([]);
      push(1);
      expect(started).to.eql(['a']);
      await done;
    });

    it('says which leases are lost', async () => {
      const { source, push } = pushed<string>();
      const statuses: string[] = [];
      async function* open(): AsyncGenerator<string> {
        yield await Promise.resolve('a');
      }
      const leased$ = leaseFrom(open, { settle: ({ status }) => void statuses.push(status), lost: source });
      let started!: () => void;
      const running = new Promise<void>((resolve) => (started = resolve));
      const work = (): Observable<never> => new Observable<never>(() => started());
      const done = lastValueFrom(leased$.pipe(workerPoolSettled(work, config)));
      await running;
      push('a');
      expect(await done).to.include({ status: 'aborted' });
      expect(statuses).to.eql(['aborted']);
    });
  });

  describe('as the result of work', () => {
    it('emits its values, in every form', async () => {
      const work = (n: number): WicgObservable<number> => WicgObservable.from([n, n * 10]);
      const results$ = of(1, 2).pipe(workerPool(work, config), toArray());
      expectTypeOf(results$).toEqualTypeOf<Observable<number[]>>();
      expect(await lastValueFrom(results$)).to.eql([1, 10, 2, 20]);
      const outcome = await lastValueFrom(of(1).pipe(workerPoolSettled(work, config)));
      expectTypeOf(outcome).toEqualTypeOf<JobOutcome<number, number | undefined>>();
      expect(outcome).to.include({ status: 'completed', value: 10 });
      await using jobs = new BackgroundJobs(work, config);
      const last = await jobs.submit(3);
      expectTypeOf(last).toEqualTypeOf<number | undefined>();
      expect(last).to.equal(30);
      const pulled: number[] = [];
      for await (const n of pullThrough([1], work, config)) pulled.push(n);
      expect(pulled).to.eql([1, 10]);
    });

    it('fails the job with its error', async () => {
      const error = new Error('the job');
      const work = (): WicgObservable<never> => new WicgObservable((subscriber) => subscriber.error(error));
      expect(await lastValueFrom(of(1).pipe(workerPoolSettled(work, config)))).to.include({ status: 'failed', error });
    });

    it('is told to end by its signal when the job is aborted, and its slot is free at once', async () => {
      let torn = 0;
      const work = (): WicgObservable<number> =>
        new WicgObservable((subscriber) => {
          subscriber.addTeardown(() => torn++);
        });
      const jobs = new BackgroundJobs(work, config);
      const controller = new AbortController();
      const submitted = jobs.submit(1, { signal: controller.signal }).catch((error: unknown) => error);
      controller.abort('left');
      expect(await submitted).to.equal('left');
      expect(torn).to.equal(1);
      expect(jobs.stats).to.include({ running: 0, lingering: 0, aborted: 1 });
      await jobs.shutdown();
    });

    it('is timed out, and retried', async () => {
      let calls = 0;
      const work = (): WicgObservable<number> =>
        new WicgObservable((subscriber) => {
          if (++calls < 2) return;
          subscriber.next(calls);
          subscriber.complete();
        });
      const result$ = of(1).pipe(workerPool(work, { ...config, timeout: 1, retry: 1 }));
      expect(await lastValueFrom(result$)).to.equal(2);
    });
  });

  describe('as the way out', () => {
    it('is made by Observable.from(pullThrough(…))', async () => {
      expect(await WicgObservable.from(pullThrough([1, 2, 3], double, config)).toArray()).to.eql([2, 4, 6]);
    });

    it("aborting its subscription calls the source iterator's return()", async () => {
      let hasReturned = false;
      function* numbers(): Generator<number> {
        try {
          for (let n = 0; ; n++) yield n;
        } finally {
          hasReturned = true;
        }
      }
      const controller = new AbortController();
      const taken: number[] = [];
      await new Promise<void>((resolve) => {
        WicgObservable.from(pullThrough(numbers(), double, config)).subscribe(
          (n) => {
            taken.push(n);
            if (taken.length < 3) return;
            controller.abort();
            resolve();
          },
          { signal: controller.signal },
        );
      });
      await turn();
      expect(taken).to.eql([0, 2, 4]);
      expect(hasReturned).to.be.true;
    });
  });

  it('is not mistaken for whatever else can be subscribed to', async () => {
    const store = { subscribe: (run: (n: number) => void) => run(1) };
    expect(typeErrorOf(() => workerPool(double, { ...config, shutdown: store as never }))).to.match(/^shutdown/);
    const outcome = await lastValueFrom(of(1).pipe(workerPoolSettled(() => store as never, config)));
    expect((outcome as { error?: Error }).error?.message).to.match(/^work must return a promise/);
    expect(takeReported()).to.eql([]);
  });
});
