// Jobs that another may have now.
import { expect } from 'chai';
import { Subject } from 'rxjs';
import { byKey, leaseFrom } from '../../src/index.js';
import type { JobHooks, JobOutcome } from '../../src/index.js';
import { Deferred, Held } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';
import { echo, Engine, FORMS, lineOf, nameOf, rest, Run } from './support.js';

describe('leaseFrom: lost', () => {
  for (const form of FORMS) {
    describe(form, () => {
      it('never starts a job that waits', async () => {
        const engine = new Engine(['a', 'b']);
        const answer = new Deferred();
        engine.answer = () => answer.promise;
        const held = new Held<string>();
        const run = new Run(form, engine, held.promises);
        await rest();
        engine.lost.next('b');
        expect(engine.told).to.eql(['b aborted: LeaseLostError']);
        expect(engine.outcomes[0]).to.include({ attempts: 0 });
        if (run.pool) expect(run.pool.stats).to.include({ queued: 1, aborted: 0 });
        answer.resolve();
        await rest();
        if (run.pool) expect(run.pool.stats).to.include({ queued: 0, aborted: 1 });
        expect(run.log).to.eql(['b aborted: LeaseLostError']);
        held.complete('a');
        await run.shutdown('drain');
        expect(held.called).to.eql(['a']);
        expect(run.end).to.equal('complete');
        expect(engine.breaches).to.eql([]);
      });

      it('does not try a job again that waits for its retry', async () => {
        for (const isKeyed of [false, true]) {
          const engine = new Engine(['a', 'b']);
          let attempts = 0;
          const work = (): Promise<unknown> => (attempts++, Promise.reject(new Error('no')));
          const queue = isKeyed ? byKey(() => 'key') : undefined;
          const run = new Run(form, engine, work, { retry: { delay: 50 }, queue });
          await run.at(10);
          expect(attempts).to.equal(isKeyed ? 1 : 2);
          engine.lost.next('a');
          expect(engine.told).to.eql(['a aborted: LeaseLostError']);
          await rest();
          expect(attempts).to.equal(2);
          await run.at(40);
          engine.lost.next('b');
          await run.shutdown('drain');
          await run.at(200);
          expect(attempts).to.equal(2);
          expect(engine.told).to.have.length(2);
          expect(run.end).to.equal('complete');
        }
      });

      it('settles a job that waits for its retry when the work of its last attempt has let go', async () => {
        for (const level of [undefined, 'discard', 'abandon']) {
          const engine = new Engine(['a']);
          const held = new Held<string>();
          const run = new Run(form, engine, held.promises, { timeout: 10, retry: { delay: 50 } });
          await run.at(20);
          if (run.pool) expect(run.pool.stats).to.include({ delayed: 1, lingering: 1 });
          if (level !== 'abandon') engine.lost.next('a');
          if (level !== undefined) await run.shutdown(level);
          if (level !== 'abandon') {
            expect(engine.told).to.eql([]);
            if (run.pool) expect(run.pool.stats).to.include({ delayed: 1, lingering: 1 });
            held.complete('a');
            await rest();
          }
          expect(engine.told).to.eql([level === 'abandon' ? 'a shutdown' : 'a aborted: LeaseLostError']);
          expect(run.log[0]).to.equal(engine.told[0]);
          await run.shutdown('drain');
          expect(run.end).to.equal('complete');
        }
      });

      it('tells a job that runs to end, and aborts it though its work fulfils', async () => {
        const engine = new Engine(['a', 'b']);
        const held = new Held<string>();
        const run = new Run(form, engine, held.promises);
        await rest();
        engine.lost.next('a');
        expect(nameOf(held.contexts.get('a')!.signal.reason)).to.equal('LeaseLostError');
        expect(engine.told).to.eql([]);
        engine.lost.next('a');
        held.complete('a');
        await rest();
        expect(engine.told).to.eql(['a aborted: LeaseLostError']);
        expect(run.log).to.eql(['a aborted: LeaseLostError']);
        expect(engine.outcomes[0]).to.include({ settled: true, attempts: 1 });
        held.complete('b');
        await run.shutdown('drain');
        if (run.report) expect(run.report.aborted).to.eql([]);
        expect(run.end).to.equal('complete');
      });

      it('ends a stream that runs', async () => {
        const engine = new Engine(['a']);
        const held = new Held<string>();
        const run = new Run(form, engine, held.streams);
        await rest();
        engine.lost.next('a');
        expect(held.stopped).to.eql(['a']);
        expect(engine.told).to.eql(['a aborted: LeaseLostError']);
        await run.shutdown('drain');
      });

      it('aborts a timed-out job that has not let go', async () => {
        const engine = new Engine(['a']);
        const held = new Held<string>();
        const run = new Run(form, engine, held.promises, { timeout: 10, buffer: 0 });
        await run.at(20);
        engine.lost.next('a');
        held.complete('a');
        await rest();
        expect(engine.told).to.eql(['a aborted: LeaseLostError']);
        await run.shutdown('drain');
        expect(run.end).to.equal('complete');
      });

      it('has no effect on a job of which the engine has been told, nor on one that is not out', async () => {
        const engine = new Engine(['a']);
        const answer = new Deferred();
        engine.answer = () => answer.promise;
        const held = new Held<string>();
        const run = new Run(form, engine, held.promises);
        await rest();
        engine.lost.next('z');
        held.complete('a');
        await rest();
        engine.lost.next('a');
        answer.resolve();
        await rest();
        expect(engine.told).to.eql(['a completed']);
        expect(run.log.at(-1)).to.equal('a completed');
        await run.shutdown('drain');
      });

      it('says that the work was not waited for, after `abandon`', async () => {
        const engine = new Engine(['a']);
        const held = new Held<string>();
        const run = new Run(form, engine, held.promises);
        await rest();
        engine.lost.next('a');
        await run.shutdown('abandon');
        expect(engine.told).to.eql(['a abandoned: LeaseLostError']);
        expect(run.end).to.equal('complete');
        held.complete('a');
        await rest();
        expect(engine.told).to.have.length(1);
      });

      it('is for the oldest of equal jobs', async () => {
        const lost = new Subject<string>();
        const told: string[] = [];
        const source = leaseFrom<string>(
          async function* () {
            yield* ['a', 'a'];
          },
          { settle: (outcome: JobOutcome<string, unknown>) => told.push(`${outcome.id} ${lineOf(outcome)}`), lost },
        );
        let end!: () => void;
        const work = (): Promise<void> => new Promise((resolve) => (end = resolve));
        const run = new Run(form, { source }, work, { workers: 1, buffer: 1 });
        await rest();
        lost.next('a');
        lost.next('a');
        expect(told).to.eql(['1 a aborted: LeaseLostError']);
        end();
        await rest();
        expect(told).to.eql(['1 a aborted: LeaseLostError', '0 a aborted: LeaseLostError']);
        await run.shutdown('drain');
      });

      it('is an error of the source where it fails, and may complete', async () => {
        const engine = new Engine(['a']);
        const held = new Held<string>();
        const run = new Run(form, engine, held.promises);
        await rest();
        engine.lost.error(new RangeError('no events'));
        await rest();
        await turn();
        expect(takeReported().map(nameOf)).to.eql(form === 'listenTo' ? ['RangeError'] : []);
        expect(engine.returns).to.equal(1);
        held.complete('a');
        await run.shutdown('drain');
        if (form !== 'listenTo') expect(run.end).to.equal('RangeError');
        expect(engine.told).to.eql(['a completed']);
        expect(engine.lost.observed).to.equal(false);
        const other = new Engine(['a']);
        const second = new Run(form, other, echo);
        other.lost.complete();
        await second.shutdown('drain');
        expect(second.end).to.equal('complete');
      });

      it('may be told by work and by a hook, of their own job', async () => {
        const engine = new Engine(['a', 'b', 'c']);
        const work = async (job: string): Promise<string> => {
          engine.lost.next(job);
          return job;
        };
        const hooks = { started: (job: string) => job === 'b' && engine.lost.next('b') };
        const run = new Run(form, engine, work, { workers: 3, buffer: 0, hooks: hooks as never });
        await rest();
        expect(engine.told).to.have.members(['a', 'b', 'c'].map((job) => `${job} aborted: LeaseLostError`));
        await run.shutdown('drain');
        expect(engine.breaches).to.eql([]);
      });

      it('is heard in the middle of a drop, once', async () => {
        const engine = new Engine(['a', 'b', 'c']);
        const held = new Held<string>();
        const work = (job: string, context: never): Promise<unknown> =>
          job === 'a' ? held.promises(job, context) : Promise.reject(new Error('no'));
        engine.onTold = (job) => {
          if (job === 'b') engine.lost.next('c');
        };
        const run = new Run(form, engine, work as never, { workers: 2, buffer: 1, retry: { delay: 50 } });
        await rest();
        await run.shutdown('discard');
        expect(engine.told).to.eql(['b shutdown', 'c aborted: LeaseLostError']);
        held.complete('a');
        await rest();
        expect(run.end).to.equal('complete');
        expect(engine.breaches).to.eql([]);
      });
    });
  }

  it('takes a job out that waits for room among the senders: it was accepted, and aborted', async () => {
    const [one, two] = [new Engine([], { isDeaf: true }), new Engine([], { isDeaf: true })];
    const held = new Held<string>();
    const accepted: string[] = [];
    const hooks = { accepted: (job: string) => accepted.push(job) };
    const run = await oneThatWaits(one, two, held, hooks);
    const sent = run.pool!.send('x');
    two.lost.next('b');
    await rest();
    expect(two.told).to.eql(['b aborted: LeaseLostError']);
    expect(run.pool!.stats).to.include({ accepted: 2, aborted: 1, waiting: 1 });
    held.complete('a');
    await sent;
    held.complete('x');
    await run.shutdown('drain');
    one.end();
    two.end();
    await rest();
    expect(run.end).to.equal('complete');
    expect(accepted).to.eql(['a', 'b', 'x']);
    expect([one.told, two.told]).to.eql([['a completed'], ['b aborted: LeaseLostError']]);
  });

  it('counts a job as waiting that waited for room, until its engine has answered: it takes no place', async () => {
    const [one, two] = [new Engine([], { isDeaf: true }), new Engine([], { isDeaf: true })];
    const answer = new Deferred();
    two.answer = () => answer.promise;
    const held = new Held<string>();
    const accepted: string[] = [];
    const hooks = { accepted: (job: string) => accepted.push(job) };
    const run = await oneThatWaits(one, two, held, hooks);
    const jobs = run.pool!;
    two.lost.next('b');
    await rest();
    expect(two.told).to.eql(['b aborted: LeaseLostError']);
    expect(jobs.stats).to.include({ offered: 2, accepted: 1, waiting: 1, running: 1, queued: 0 });
    held.complete('a');
    await rest();
    await jobs.idle();
    expect(jobs.offer('x')).to.equal(true);
    expect(jobs.stats).to.include({ offered: 3, accepted: 2, waiting: 1, completed: 1, running: 1 });
    expect([accepted, run.log]).to.eql([['a', 'x'], ['a completed']]);
    answer.resolve();
    await rest();
    expect(jobs.stats).to.include({ offered: 3, accepted: 3, waiting: 0, completed: 1, aborted: 1, running: 1 });
    expect([accepted, run.log]).to.eql([
      ['a', 'x', 'b'],
      ['a completed', 'b aborted: LeaseLostError'],
    ]);
    held.complete('x');
    await run.shutdown('drain');
    one.end();
    two.end();
    await rest();
    expect(run.end).to.equal('complete');
  });

  it('ends within a second after `abandon` where the engine does not answer for a job that waited for room', async () => {
    const [one, two] = [new Engine(['a']), new Engine(['b'])];
    two.answer = () => new Promise(() => undefined);
    const run = new Run('listenTo', [one, two], () => new Promise(() => undefined), { workers: 1, buffer: 0 });
    await rest();
    two.lost.next('b');
    await run.shutdown('abandon');
    expect([run.end, run.pool!.stats.waiting]).to.eql([undefined, 1]);
    await run.at(1000);
    expect(run.end).to.equal('complete');
    expect(run.report!.stats).to.include({ offered: 2, accepted: 2, waiting: 0, aborted: 2 });
  });

  it('takes the only job out that waits for room: the next one is let in as ever', async () => {
    const [one, two] = [new Engine([], { isDeaf: true }), new Engine([], { isDeaf: true })];
    const held = new Held<string>();
    const run = await oneThatWaits(one, two, held);
    two.lost.next('b');
    await rest();
    expect(run.pool!.stats).to.include({ accepted: 2, aborted: 1, waiting: 0 });
    held.complete('a');
    await rest();
    two.give('c');
    await rest();
    held.complete('c');
    await run.shutdown('drain');
    one.end();
    two.end();
    await rest();
    expect(run.end).to.equal('complete');
    expect([one.told, two.told]).to.eql([['a completed'], ['b aborted: LeaseLostError', 'c completed']]);
  });
});

/** A pool of one worker, without a buffer, that runs the first engine's 'a': the second one's 'b' waits for room. */
async function oneThatWaits(one: Engine, two: Engine, held: Held<string>, hooks?: JobHooks<string>): Promise<Run> {
  const run = new Run('listenTo', [one, two], held.promises, { workers: 1, buffer: 0, ...(hooks && { hooks }) });
  await rest();
  one.give('a');
  two.give('b');
  await rest();
  return run;
}
