// Callbacks that shut the pool down at the worst moment.
import { expect } from 'chai';
import { Subject } from 'rxjs';
import { BackgroundJobs, pullFrom, pullThrough, workerPoolSettled } from '../src/index.js';
import type { JobContext, JobHooks, ShutdownLevel } from '../src/index.js';
import { brief, nonZero } from './BackgroundJobs/support.js';
import { Deferred } from './support/deferred.js';
import { takeReported, turn } from './support/guard.js';

type Jobs = BackgroundJobs<string, unknown>;
type Work = (job: string, context: JobContext) => Promise<unknown>;

/** A handle of one worker, and what becomes of its jobs. */
function handle(work: Work, hooks: JobHooks<string, unknown> = {}): { readonly jobs: Jobs; readonly log: string[] } {
  const log: string[] = [];
  const settled: JobHooks<string, unknown>['settled'] = (outcome) => log.push(brief(outcome));
  const jobs: Jobs = new BackgroundJobs(work, { workers: 1, buffer: 4, hooks: [{ settled }, hooks] });
  void jobs.ended.then(() => log.push('ended'));
  return { jobs, log };
}

describe('a job whose async iterable throws in [Symbol.asyncIterator]()', () => {
  const broken = {
    [Symbol.asyncIterator](): never {
      throw new Error('broken');
    },
  } as unknown as Promise<unknown>;

  for (const where of ['a hook', 'work']) {
    it(`leaves nothing to the next one: aborted from inside ${where}, that settles once, as its promise does`, async () => {
      const answer = new Deferred<string>();
      const abort = (): unknown => jobs.shutdown('abort');
      const work: Work = (job) => {
        if (job === 'a') return broken;
        if (where === 'work') abort();
        return answer.promise;
      };
      const { jobs, log } = handle(work, { started: (job) => void (job === 'b' && where === 'a hook' && abort()) });
      jobs.offer('a');
      jobs.offer('b');
      const isCalled = where === 'work';
      expect(log).to.eql(isCalled ? ['a failed'] : ['a failed', 'b aborted']);
      answer.resolve('done');
      await jobs.ended;
      expect(log).to.eql(['a failed', isCalled ? 'b completed' : 'b aborted', 'ended']);
      expect(jobs.stats).to.include({ offered: 2, accepted: 2, failed: 1, running: 0 });
    });
  }
});

describe('an async generator that shuts its own pool down', () => {
  for (const level of ['abort', 'abandon'] as const) {
    it(`before its first await ('${level}') ${level === 'abort' ? 'keeps' : 'loses'} its slot until it has come to rest`, async () => {
      const cleanup = new Deferred();
      async function* work(): AsyncGenerator<string> {
        try {
          void jobs.shutdown(level);
          await turn();
          yield 'late';
        } finally {
          log.push('cleans up');
          await cleanup.promise;
        }
      }
      const { jobs, log } = handle(work as unknown as Work);
      jobs.offer('a');
      await turn();
      await turn();
      const abandoned = ['a aborted, not settled', 'ended', 'cleans up'];
      expect(log).to.eql(level === 'abort' ? ['cleans up'] : abandoned);
      cleanup.resolve();
      await turn();
      expect(log).to.eql(level === 'abort' ? ['cleans up', 'a aborted', 'ended'] : abandoned);
    });
  }

  it("does not begin when the pool is aborted from inside its iterable's [Symbol.asyncIterator]()", async () => {
    const calls: string[] = [];
    const iterable = {
      [Symbol.asyncIterator]() {
        void jobs.shutdown('abort');
        return {
          next: () => calls.push('next'),
          return: () => calls.push('return'),
        };
      },
    };
    const { jobs, log } = handle(() => iterable as unknown as Promise<unknown>);
    jobs.offer('a');
    await jobs.ended;
    expect(calls).to.eql(['return']);
    expect(log).to.eql(['a aborted', 'ended']);
  });
});

describe('a ReadableStream that has come to its end', () => {
  for (let microtasks = 0; microtasks < 6; microtasks++) {
    it(`is let go of without a complaint when a shutdown comes ${microtasks} microtasks later`, async () => {
      let end!: () => void;
      const stream = new ReadableStream<string>({
        start(controller) {
          end = () => controller.close();
        },
      });
      const shutdown = new Subject<ShutdownLevel>();
      const log: unknown[] = [];
      pullFrom(stream)
        .pipe(workerPoolSettled(async () => 'x', { workers: 1, buffer: 0, shutdown }))
        .subscribe({ complete: () => log.push('complete') });
      await turn();
      end();
      for (let i = 0; i < microtasks; i++) await Promise.resolve();
      shutdown.next('discard');
      await turn();
      expect(takeReported()).to.eql([]);
      expect(log).to.eql(['complete']);
      expect(stream.locked).to.equal(false);
    });
  }
});

describe('an iterable that shuts the handle down in its [Symbol.iterator]()', () => {
  for (const level of ['drain', 'abandon'] as const) {
    for (const [kind, symbol] of [
      ['', Symbol.iterator],
      ['async ', Symbol.asyncIterator],
    ] as const) {
      it(`('${level}', ${kind}iterable) is asked for nothing, and told to return`, async () => {
        const calls: string[] = [];
        const iterator = {
          next: () => calls.push('next'),
          return: () => calls.push('return'),
        };
        const { jobs } = handle(async () => undefined);
        const iterable = {
          [symbol]() {
            void jobs.shutdown(level);
            return iterator;
          },
        };
        const subscription = jobs.listenTo(iterable as unknown as Iterable<string>);
        await jobs.ended;
        expect(calls).to.eql(['return']);
        expect(subscription.closed).to.equal(true);
        expect(nonZero(jobs.stats)).to.eql({});
      });
    }
  }
});

describe('a polluted Object.prototype', () => {
  it('is not taken for the error with which an iteration ends', async () => {
    const prototype = Object.prototype as { error?: unknown; isError?: unknown };
    const results: number[] = [];
    try {
      prototype.error = 'somebody put it there';
      prototype.isError = true;
      for await (const n of pullThrough([1, 2], async (i) => i, { workers: 1, buffer: 0 })) results.push(n);
    } finally {
      delete prototype.error;
      delete prototype.isError;
    }
    expect(results).to.eql([1, 2]);
  });
});
