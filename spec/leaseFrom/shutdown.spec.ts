// Each level of a shutdown, in each state of a lease, with engines that answer at once, late, with an error and never.
import { expect } from 'chai';
import { BehaviorSubject, NEVER, Subject } from 'rxjs';
import type { PoolConfig, ShutdownLevel } from '../../src/index.js';
import { Held } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';
import { Engine, FORMS, nameOf, rest, Run } from './support.js';
import type { Form } from './support.js';

const LEVELS: readonly ShutdownLevel[] = ['drain', 'discard', 'abort', 'abandon'];
/** The state of job x when the shutdown comes, at 20. */
const STATES = ['queued', 'delayed', 'lingering', 'promise', 'stream', 'overdue', 'settling'] as const;
type State = (typeof STATES)[number];
const ANSWERS = ['at once', 'late', 'rejects', 'never'] as const;

/** When what runs is ended, when a late engine answers, and how long an abandoned pool waits. */
const ENDS = 30;
const LATE = 500;
const SECOND = 1000;

/** What the engine is told of job x. */
const TOLD: Readonly<Record<State, Readonly<Record<ShutdownLevel, string>>>> = {
  queued: { drain: 'completed', discard: 'shutdown', abort: 'shutdown', abandon: 'shutdown' },
  delayed: { drain: 'completed', discard: 'shutdown', abort: 'shutdown', abandon: 'shutdown' },
  lingering: { drain: 'completed', discard: 'shutdown', abort: 'shutdown', abandon: 'shutdown' },
  promise: { drain: 'completed', discard: 'completed', abort: 'completed', abandon: 'abandoned: JobAbortedError' },
  stream: {
    drain: 'completed',
    discard: 'completed',
    abort: 'aborted: JobAbortedError',
    abandon: 'aborted: JobAbortedError',
  },
  overdue: {
    drain: 'failed: TimeoutError',
    discard: 'failed: TimeoutError',
    abort: 'failed: TimeoutError',
    abandon: 'abandoned: TimeoutError',
  },
  settling: { drain: 'completed', discard: 'completed', abort: 'completed', abandon: 'completed' },
};

const CONFIGS: Readonly<Record<State, Partial<PoolConfig<string, unknown>>>> = {
  queued: {},
  delayed: { retry: { count: 1, delay: 25 } },
  lingering: { timeout: 5, retry: { count: 1, delay: 20 } },
  promise: {},
  stream: {},
  overdue: { timeout: 5 },
  settling: {},
};

/** Brings job x into `state`. */
async function bring(form: Form, state: State, engine: Engine): Promise<{ run: Run; endAll: () => void }> {
  const held = new Held<string>();
  const run = new Run(
    form,
    engine,
    (job, context) => {
      if (state === 'delayed' && context.attempt === 1) return Promise.reject(new Error('no'));
      if (state === 'lingering' && context.attempt === 2) return Promise.resolve('again');
      return state === 'stream' ? held.streams(job, context) : held.promises(job, context);
    },
    { workers: 1, buffer: 1, ...CONFIGS[state] },
  );
  if (state === 'queued') engine.give('a');
  engine.give('x');
  await run.at(10);
  if (state === 'settling') held.complete('x');
  await run.at(20);
  const endAll = (): void => {
    for (const job of ['a', 'x']) if (held.runs(job)) held.complete(job);
  };
  return { run, endAll };
}

describe('leaseFrom: shutdown', () => {
  for (const form of FORMS) {
    for (const level of LEVELS) {
      for (const state of STATES) {
        for (const answer of ANSWERS) {
          it(`${form}: '${level}' while the job is ${state} and the engine answers ${answer}`, async () => {
            const engine = new Engine();
            const answers: (() => void)[] = [];
            engine.answer = ({ job }) => {
              if (job !== 'x' || (answer === 'at once' && state !== 'settling')) return undefined;
              return new Promise<void>((resolve, reject) => {
                if (answer === 'at once') answers.push(resolve);
                if (answer === 'rejects') reject(new RangeError('no lock'));
                if (answer === 'late') answers.push(resolve);
              });
            };
            const { run, endAll } = await bring(form, state, engine);
            const told = TOLD[state][level];
            // With an error it is over before the shutdown: it has failed, and so has a pipeline.
            const isOver = state === 'settling' && answer === 'rejects';
            expect(engine.told).to.eql(state === 'settling' ? ['x completed'] : []);
            if (isOver) expect(run.log).to.include('x failed: RangeError');
            await run.shutdown(level);
            if (state === 'settling' && answer === 'at once') answers.shift()!();
            await run.at(ENDS);
            endAll();
            await run.at(ENDS + 1);
            endAll();
            await run.at(LATE);
            for (const end of answers) end();
            await rest();
            if (answer === 'never' && !isOver) {
              expect(run.end).to.equal(undefined);
              if (run.pool) {
                const { queued, delayed, running } = run.pool.stats;
                expect(queued + delayed + running).to.equal(1);
              }
              // Only 'abandon' does not wait for an engine: for a second.
              if (level !== 'abandon') await run.shutdown('abandon');
              await run.at((level === 'abandon' ? 20 : LATE) + SECOND - 1);
              expect(run.end).to.equal(undefined);
              await run.at((level === 'abandon' ? 20 : LATE) + SECOND);
            }
            expect(engine.told.filter((line) => line.startsWith('x'))).to.eql([`x ${told}`]);
            const rejected = answer === 'rejects' && told === 'completed';
            const outcome = rejected ? 'failed: RangeError' : told;
            expect(run.log).to.include(`x ${outcome}`);
            expect(run.log.at(-1)).to.equal(run.end);
            const error = outcome.split(': ')[1];
            const fails = form === 'workerPool' && outcome.startsWith('failed');
            expect(run.end).to.equal(fails ? error : 'complete');
            expect(engine.breaches).to.eql([]);
            expect(engine.returns).to.equal(1);
            await turn();
            const isReported = answer === 'rejects' && told !== 'completed';
            expect(takeReported().map(nameOf)).to.eql(isReported ? ['RangeError'] : []);
            if (run.report) {
              const { stats } = run.report;
              expect(stats).to.include({ queued: 0, delayed: 0, running: 0, lingering: 0, waiting: 0 });
              const { completed, failed, evicted, aborted, accepted } = stats;
              expect(completed + failed + evicted + aborted).to.equal(accepted);
            }
          });
        }
      }
    }
  }

  it('escalates while engines are told, and reports a rejection that comes too late', async () => {
    const engine = new Engine(['a', 'b']);
    let refuse!: (error: unknown) => void;
    engine.answer = () => new Promise((_, reject) => (refuse = reject));
    const held = new Held<string>();
    const run = new Run('listenTo', engine, held.promises, { workers: 1, buffer: 0 });
    await rest();
    held.complete('a');
    await rest();
    for (const level of LEVELS) await run.shutdown(level);
    await run.at(SECOND);
    expect(run.log).to.eql(['a completed', 'complete']);
    refuse(new RangeError('no lock'));
    await rest();
    await turn();
    expect(takeReported().map(nameOf)).to.eql(['RangeError']);
    expect(run.report!.stats).to.include({ completed: 1, failed: 0 });
  });

  it('completes only after the last job has been given back', async () => {
    for (const form of FORMS) {
      const engine = new Engine(['a', 'b', 'c', 'd']);
      const answers: (() => void)[] = [];
      engine.answer = () => new Promise<void>((resolve) => answers.push(resolve));
      const run = new Run(form, engine, () => NEVER, { workers: 1, buffer: 3 });
      await rest();
      await run.shutdown('abort');
      expect(engine.told).to.have.length(4);
      while (answers.length > 0) {
        expect(run.end).to.equal(undefined);
        answers.pop()!();
        await rest();
      }
      expect(run.end).to.equal('complete');
      expect(run.log).to.have.length(5);
    }
  });

  it('errors in settled form, where the notifier fails, only after the last job has been given back', async () => {
    const engine = new Engine(['a', 'b']);
    const answers: (() => void)[] = [];
    engine.answer = ({ job }) => (job === 'b' ? new Promise<void>((resolve) => answers.push(resolve)) : undefined);
    const held = new Held<string>();
    const shutdown = new Subject<never>();
    const run = new Run('workerPoolSettled', engine, held.promises, { ttl: 5, shutdown });
    await run.at(5);
    shutdown.error(new RangeError('no notifier'));
    await rest();
    held.complete('a');
    await rest();
    expect(engine.told).to.eql(['b expired', 'a completed']);
    expect([run.end, run.log]).to.eql([undefined, ['a completed']]);
    answers[0]!();
    await rest();
    expect(run.log).to.eql(['a completed', 'b expired', 'RangeError']);
    expect(engine.returns).to.equal(1);
  });

  it('waits for engines, a second at most, where the handle ends because something has thrown', async () => {
    for (const answers of [true, false]) {
      const engine = new Engine(['a', 'b', 'c']);
      const open: (() => void)[] = [];
      engine.answer = () => new Promise<void>((resolve) => open.push(resolve));
      const held = new Held<string>();
      const workers = new BehaviorSubject(2);
      const run = new Run('listenTo', engine, held.promises, { workers, buffer: 1 });
      await rest();
      held.complete('b');
      await rest();
      workers.error(new RangeError('no number'));
      await rest();
      expect(engine.told).to.eql(['b completed', 'c shutdown', 'a abandoned: JobAbortedError']);
      expect([run.end, run.pool!.level]).to.eql([undefined, 'abandon']);
      if (answers) for (const answer of open) answer();
      else await run.at(SECOND);
      await rest();
      expect(run.log).to.have.members(['b completed', 'c shutdown', 'a abandoned: JobAbortedError', 'complete']);
      expect(run.report!.stats).to.include({
        accepted: 3,
        completed: 1,
        evicted: 1,
        aborted: 1,
        queued: 0,
        running: 0,
      });
      await turn();
      expect(takeReported().map(nameOf)).to.eql(['RangeError']);
      expect(engine.breaches).to.eql([]);
    }
  });
});
