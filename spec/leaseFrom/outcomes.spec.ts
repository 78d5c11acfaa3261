// Every lease is settled once: when its work has let go and no retry follows.
import { expect } from 'chai';
import { Observable, of, Subject, take, timer } from 'rxjs';
import { BackgroundJobs, byKey, coalesced, leaseFrom, workerPool, workerPoolSettled } from '../../src/index.js';
import type { JobOutcome } from '../../src/index.js';
import { Deferred, Held } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';
import { echo, Engine, FORMS, rest, Run } from './support.js';
import type { Form } from './support.js';

/** In the form that ends with the first failure, what comes after it is not looked at. */
const GOES_ON: readonly Form[] = ['workerPoolSettled', 'listenTo'];

describe('leaseFrom: outcomes', () => {
  it('are the same objects for the engine and for whoever is told afterwards', async () => {
    const [piped, listened] = [new Engine(['a']), new Engine(['b'])];
    const told: JobOutcome<string, unknown>[] = [];
    piped.source.pipe(workerPoolSettled(echo, { workers: 1, buffer: 0 })).subscribe((outcome) => told.push(outcome));
    const jobs = new BackgroundJobs(echo, { workers: 1, buffer: 0 });
    jobs.outcomes$.subscribe((outcome) => told.push(outcome));
    jobs.listenTo(listened.source);
    await rest();
    expect(told).to.have.lengthOf(2);
    expect(told.every((outcome, i) => outcome === [piped, listened][i]!.outcomes[0])).to.equal(true);
    for (const engine of [piped, listened]) engine.end();
    await jobs.shutdown();
  });

  for (const form of FORMS) {
    describe(form, () => {
      it('settles a promise that is fulfilled, and a stream that completes', async () => {
        for (const kind of ['promises', 'streams'] as const) {
          const engine = new Engine(['a', 'b']);
          const held = new Held<string>();
          const run = new Run(form, engine, held[kind]);
          await rest();
          held.complete('a');
          await rest();
          expect(engine.told).to.eql(['a completed']);
          held.complete('b');
          await rest();
          expect(engine.told).to.eql(['a completed', 'b completed']);
          expect(engine.outcomes.map((outcome) => (outcome as { value?: unknown }).value)).to.eql(['a!', 'b!']);
          engine.end();
          await run.shutdown('drain');
          expect(run.end).to.equal('complete');
          expect(engine.breaches).to.eql([]);
        }
      });

      it('tells of each slot once that it is free, after the outcome', async () => {
        const engine = new Engine(['a', 'b']);
        const log: string[] = [];
        const run = new Run(form, engine, echo, {
          hooks: {
            settled: ({ job }) => log.push(`${job} settled`),
            released: (job) => log.push(`${job} released`),
          },
        });
        await rest();
        engine.end();
        await run.shutdown('drain');
        expect(log).to.eql(['a settled', 'a released', 'b settled', 'b released']);
      });

      it('frees the worker, and tells the outcome, when the engine has answered; values go before', async () => {
        for (const kind of ['promises', 'streams'] as const) {
          const engine = new Engine(['a', 'b']);
          const answer = new Deferred();
          engine.answer = () => answer.promise;
          const held = new Held<string>();
          const run = new Run(form, engine, held[kind]);
          await rest();
          held.complete('a');
          await rest();
          expect(run.log).to.eql(form === 'workerPool' ? ['value a!'] : []);
          expect(held.called).to.eql(['a']);
          answer.resolve();
          await rest();
          expect(run.log).to.eql(form === 'workerPool' ? ['value a!', 'a completed'] : ['a completed']);
          expect(held.called).to.eql(['a', 'b']);
          await run.shutdown('drain');
          held.complete('b');
          await rest();
          expect(engine.told).to.eql(['a completed', 'b completed']);
          expect(run.end).to.equal('complete');
        }
      });

      it('settles a failure, and is told of it by nothing else', async () => {
        const engine = new Engine(['a']);
        const held = new Held<string>();
        const run = new Run(form, engine, held.promises);
        await rest();
        const answer = new Deferred();
        engine.answer = () => answer.promise;
        held.fail('a', 'no');
        await rest();
        expect(engine.told).to.eql(['a failed: no']);
        expect(run.log).to.eql([]);
        answer.resolve();
        await rest();
        expect(run.log).to.eql(form === 'workerPool' ? ['a failed: no', 'no'] : ['a failed: no']);
        await run.shutdown('drain');
        expect(engine.told).to.have.length(1);
      });

      it('settles a failed stream when its finalizers have run', async () => {
        const engine = new Engine(['a']);
        const log: string[] = [];
        engine.onTold = () => log.push('told');
        let fail!: () => void;
        const work = (): Observable<never> =>
          new Observable((subscriber) => {
            fail = () => subscriber.error('no');
            return () => log.push('let go');
          });
        const run = new Run(form, engine, work);
        await rest();
        fail();
        await rest();
        await run.shutdown('drain');
        expect(log).to.eql(['let go', 'told']);
        expect(engine.told).to.eql(['a failed: no']);
      });

      it('settles a job once that is tried again, after its last attempt', async () => {
        const engine = new Engine(['a']);
        const work = async (_job: string, { attempt }: { attempt: number }): Promise<number> => {
          if (attempt < 3) throw new Error('not yet');
          return attempt;
        };
        const run = new Run(form, engine, work, { retry: { delay: 10 } });
        await run.at(15);
        expect(engine.told).to.eql([]);
        await run.at(30);
        expect(engine.told).to.eql(['a completed']);
        expect(engine.outcomes[0]!.attempts).to.equal(3);
        await run.shutdown('drain');
        expect(run.end).to.equal('complete');
      });

      it('settles a timed-out job when its work has let go, as failed', async () => {
        const engine = new Engine(['a', 'b']);
        const held = new Held<string>();
        const run = new Run(form, engine, held.promises, { timeout: 10, buffer: 0 });
        await run.at(20);
        expect(held.contexts.get('a')!.signal.aborted).to.equal(true);
        expect(engine.told).to.eql([]);
        expect(run.pool?.stats.running ?? 1).to.equal(1);
        expect(run.pool?.stats.lingering ?? 0).to.equal(0);
        held.complete('a');
        await rest();
        expect(engine.told).to.eql(['a failed: TimeoutError']);
        if (form !== 'workerPool') {
          expect(held.called).to.eql(['a', 'b']);
          held.complete('b');
        } else expect(run.end).to.equal('TimeoutError');
        await run.shutdown('drain');
      });

      it('settles a timed-out stream at once', async () => {
        const engine = new Engine(['a']);
        const run = new Run(form, engine, () => timer(20), { timeout: 10, buffer: 0 });
        await run.at(10);
        expect(engine.told).to.eql(['a failed: TimeoutError']);
        await run.shutdown('drain');
      });

      it('tries a timed-out job again when its work has let go', async () => {
        const engine = new Engine(['a']);
        const held = new Held<string>();
        const run = new Run(form, engine, held.promises, { timeout: 10, retry: 1, buffer: 0 });
        await run.at(15);
        expect(engine.told).to.eql([]);
        held.complete('a');
        await rest();
        expect(held.called).to.eql(['a', 'a']);
        held.complete('a');
        await rest();
        expect(engine.told).to.eql(['a completed']);
        await run.shutdown('drain');
      });

      it('settles one that has expired, and keeps its place until the engine has answered', async () => {
        const engine = new Engine(['a', 'b', 'c']);
        const answer = new Deferred();
        engine.answer = () => answer.promise;
        const held = new Held<string>();
        const run = new Run(form, engine, held.promises, { ttl: 10 });
        await run.at(10);
        expect(engine.told).to.eql(['b expired']);
        expect(run.log).to.eql([]);
        expect(engine.nexts).to.equal(2);
        expect(run.pool?.stats.queued ?? 1).to.equal(1);
        answer.resolve();
        await rest();
        expect(run.log).to.eql(['b expired']);
        expect(engine.nexts).to.equal(3);
        engine.answer = () => undefined;
        held.complete('a');
        await rest();
        held.complete('c');
        await run.shutdown('drain');
        expect(engine.told).to.eql(['b expired', 'a completed', 'c completed']);
        expect(engine.breaches).to.eql([]);
      });

      it('gives a job back that comes when the drain has begun', async () => {
        const engine = new Engine([], { isDeaf: true });
        const answer = new Deferred();
        engine.answer = () => answer.promise;
        const run = new Run(form, engine, echo);
        await run.shutdown('drain');
        engine.give('a');
        await rest();
        expect(engine.told).to.eql(['a closed']);
        expect(run.end).to.equal(undefined);
        if (run.pool) expect(run.pool.stats).to.include({ offered: 1, refused: 0, waiting: 1 });
        answer.resolve();
        await rest();
        expect(run.log).to.eql(['a closed', 'complete']);
        if (run.report) expect(run.report.stats).to.include({ offered: 1, refused: 1, waiting: 0 });
      });

      it('fails a job that has completed where the engine would not have it', async () => {
        for (const answer of [
          () => Promise.reject(new RangeError('no lock')),
          () => {
            throw new RangeError('no lock');
          },
          // A revoked Proxy throws as well.
          () => ({
            get then() {
              throw new RangeError('no lock');
            },
          }),
          () => ({
            then: () => {
              throw new RangeError('no lock');
            },
          }),
          () =>
            Object.assign(Promise.resolve(), {
              then: () => {
                throw new RangeError('no lock');
              },
            }),
        ]) {
          const engine = new Engine(['a']);
          const held = new Held<string>();
          engine.answer = answer;
          const run = new Run(form, engine, held.promises);
          await rest();
          held.complete('a');
          await rest();
          expect(engine.told).to.eql(['a completed']);
          const failed = ['a failed: RangeError'];
          expect(run.log).to.eql(form === 'workerPool' ? ['value a!', ...failed, 'RangeError'] : failed);
          engine.answer = () => undefined;
          await run.shutdown('drain');
          expect(engine.told).to.have.length(1);
        }
      });

      it('reports what settle throws, or rejects with, after any other outcome', async () => {
        for (const answer of [
          () => Promise.reject(new RangeError('no lock')),
          () => ({
            get then() {
              throw new RangeError('no lock');
            },
          }),
        ]) {
          const engine = new Engine(['a', 'b']);
          const held = new Held<string>();
          engine.answer = answer;
          const run = new Run(form, engine, held.promises);
          await rest();
          held.fail('a', 'no');
          await run.shutdown('discard');
          await turn();
          expect(engine.told).to.have.members(['a failed: no', 'b shutdown']);
          expect(takeReported().map(String)).to.eql(['RangeError: no lock', 'RangeError: no lock']);
          expect(run.log).to.include('a failed: no');
          if (form !== 'workerPool') expect(run.log).to.include('b shutdown');
          expect(run.end).to.equal(form === 'workerPool' ? 'no' : 'complete');
        }
      });

      it('runs any number of synchronous jobs that are settled at once', async () => {
        const jobs = Array.from({ length: 3000 }, (_, i) => String(i));
        const engine = new Engine(jobs);
        const run = new Run(form, engine, (job) => of(job), { workers: 1, buffer: 3000 });
        for (let i = 0; i < 200; i++) await rest();
        expect(engine.told).to.have.length(3000);
        await run.shutdown('drain');
        expect(run.end).to.equal('complete');
      });
    });
  }

  for (const form of GOES_ON) {
    it(`${form}: fails a job alone whose key throws`, async () => {
      const engine = new Engine(['a', 'b']);
      const answer = new Deferred();
      engine.answer = () => answer.promise;
      const queue = byKey((job: string) => {
        if (job === 'a') throw new RangeError('no key');
        return job;
      });
      const run = new Run(form, engine, (job) => of(job), { queue });
      await rest();
      expect(engine.told).to.eql(['a failed: RangeError', 'b completed']);
      if (run.pool) expect(run.pool.stats).to.include({ accepted: 2, failed: 0, queued: 1 });
      answer.resolve();
      await rest();
      expect(run.log).to.have.members(['a failed: RangeError', 'b completed']);
      await run.shutdown('drain');
      expect(run.end).to.equal('complete');
    });
  }

  it('workerPool: settles all when a key throws', async () => {
    const engine = new Engine(['a', 'b']);
    const held = new Held<string>();
    const queue = byKey((job: string) => {
      if (job === 'b') throw new RangeError('no key');
      return job;
    });
    const run = new Run('workerPool', engine, held.promises, { queue });
    await rest();
    expect(run.end).to.equal('RangeError');
    expect(engine.told).to.eql(['b failed: RangeError']);
    held.complete('a');
    await rest();
    expect(engine.told).to.eql(['b failed: RangeError', 'a completed']);
    expect(engine.breaches).to.eql([]);
    expect(engine.returns).to.equal(1);
  });

  it('settles each job of a pipeline that errors or is unsubscribed: what waits at once, what runs when it has let go', async () => {
    for (const how of ['error', 'unsubscribe'] as const) {
      const engine = new Engine(['a', 'b', 'c']);
      const held = new Held<string>();
      const run = new Run('workerPool', engine, held.promises, { workers: 2 });
      await rest();
      if (how === 'unsubscribe') run.unsubscribe();
      else held.fail('a', 'no');
      await rest();
      const first = how === 'error' ? ['a failed: no'] : [];
      expect(engine.told).to.eql([...first, 'c shutdown']);
      expect(engine.demand.signal.aborted).to.equal(true);
      if (how === 'unsubscribe') held.fail('a', 'ended');
      held.complete('b');
      await rest();
      expect(engine.told.slice(first.length)).to.eql(
        how === 'error' ? ['c shutdown', 'b completed'] : ['c shutdown', 'a aborted: JobAbortedError', 'b completed'],
      );
      expect(engine.returns).to.equal(1);
      expect(engine.breaches).to.eql([]);
    }
  });

  it('settles a job that comes after the results were unsubscribed', async () => {
    const engine = new Engine([], { isDeaf: true });
    const run = new Run('workerPool', engine, echo);
    await rest();
    run.unsubscribe();
    engine.give('a');
    await rest();
    expect(engine.told).to.eql(['a closed']);
    expect(run.log).to.eql(['a closed']);
  });

  it('settles each job when downstream has had enough', async () => {
    const engine = new Engine(['a', 'b']);
    const held = new Held<string>();
    const values: unknown[] = [];
    engine.source
      .pipe(workerPool(held.promises, { workers: 1, buffer: 1 }), take(1))
      .subscribe((value) => values.push(value));
    await rest();
    held.complete('a');
    await rest();
    expect(values).to.eql(['a!']);
    expect(engine.told).to.have.members(['a completed', 'b shutdown']);
    expect(engine.returns).to.equal(1);
    expect(engine.breaches).to.eql([]);
  });

  it('tells results in order where they are ordered, also of jobs that have run and are given back', async () => {
    for (const form of FORMS) {
      const engine = new Engine(['a', 'b']);
      const held = new Held<string>();
      const run = new Run(form, engine, held.promises, { workers: 2, buffer: 0, ordered: true });
      await rest();
      held.complete('b');
      await rest();
      expect(engine.told).to.eql(['b completed']);
      expect(run.log.filter((line) => line.startsWith('value'))).to.eql([]);
      held.complete('a');
      await rest();
      expect(run.log.filter((line) => line.startsWith('value'))).to.eql(
        form === 'workerPool' ? ['value a!', 'value b!'] : [],
      );
      await run.shutdown('drain');
      expect(run.end).to.equal('complete');
    }
    const engine = new Engine(['a', 'b']);
    const answers: (() => void)[] = [];
    engine.answer = () => new Promise<void>((resolve) => answers.push(resolve));
    const outcomes: string[] = [];
    const levels = new Subject<string>();
    const work = (): Promise<never> => Promise.reject(new Error('no'));
    engine.source
      .pipe(workerPoolSettled(work, { workers: 2, buffer: 0, ordered: true, retry: { delay: 1000 }, shutdown: levels }))
      .subscribe({ next: ({ job }) => outcomes.push(job), complete: () => outcomes.push('complete') });
    await rest();
    levels.next('discard');
    for (const answer of answers.reverse()) answer();
    await rest();
    expect(outcomes).to.eql(['a', 'b', 'complete']);
  });

  it('never merges a leased job', async () => {
    const engine = new Engine(['a', 'b', 'c']);
    const held = new Held<string>();
    const queue = coalesced(
      () => 'key',
      (x: string, y: string) => x + y,
    );
    const run = new Run('listenTo', engine, held.promises, { queue, buffer: 4, overflow: 'drop-incoming' });
    await rest();
    run.pool!.offer('x');
    run.pool!.offer('y');
    for (const job of ['a', 'b', 'c', 'xy']) {
      await rest();
      held.complete(job);
    }
    await rest();
    expect(engine.told).to.eql(['a completed', 'b completed', 'c completed']);
    await run.shutdown('drain');
  });

  it('never evicts a leased job, and clear() passes over it', async () => {
    const engine = new Engine(['a', 'b', 'c']);
    const held = new Held<string>();
    const work = (job: string, context: never): Promise<unknown> =>
      job === 'a' ? Promise.reject(new Error('later')) : held.promises(job, context);
    const run = new Run('listenTo', engine, work as never, {
      buffer: 2,
      overflow: 'drop-oldest',
      retry: { delay: 50 },
    });
    const { pool } = run;
    await rest();
    expect(pool!.stats).to.include({ running: 1, queued: 1, delayed: 1 });
    expect(pool!.offer('x')).to.equal(true);
    expect(pool!.offer('y')).to.equal(true);
    expect(run.log).to.eql(['x evicted']);
    expect(pool!.clear().map(({ job }) => job)).to.eql(['y']);
    expect(pool!.stats).to.include({ running: 1, queued: 1, delayed: 1 });
    expect(engine.told).to.eql([]);
    await run.shutdown('discard');
    held.complete('b');
    await rest();
    expect(engine.told).to.eql(['a shutdown', 'c shutdown', 'b completed']);
    expect(engine.breaches).to.eql([]);
    expect(run.end).to.equal('complete');
  });

  it('ends the results with what throws as the worker goes on after the answer', async () => {
    const engine = new Engine(['a', 'b']);
    const answer = new Deferred();
    engine.answer = () => answer.promise;
    const run = new Run('workerPoolSettled', engine, echo, { rateLimit: { limit: 1, interval: 10 } });
    await rest();
    expect(engine.told).to.eql(['a completed']);
    run.clock.now = () => {
      throw new Error('the clock');
    };
    answer.resolve();
    await rest();
    expect(run.error).to.have.property('message', 'the clock');
    expect(run.log).to.eql(['a completed', 'Error']);
  });

  it('tells the engine in the async context of listenTo, and the hooks what the engine was told', async () => {
    const outcomes: JobOutcome<string, string>[] = [];
    const told: unknown[] = [];
    const source = leaseFrom<string>(
      async function* () {
        yield 'a';
      },
      { settle: (outcome) => told.push(outcome) },
    );
    await new Promise<void>((resolve) => {
      source
        .pipe(
          workerPool(async (job) => job, {
            workers: 1,
            buffer: 0,
            hooks: { settled: (outcome) => outcomes.push(outcome) },
          }),
        )
        .subscribe({ complete: resolve });
    });
    expect(outcomes).to.have.length(1);
    expect(outcomes[0]).to.equal(told[0]);
  });
});
