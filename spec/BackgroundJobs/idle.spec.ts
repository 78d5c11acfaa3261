import { expect } from 'chai';
import { take } from 'rxjs';
import { BackgroundJobs } from '../../src/index.js';
import { fateOf, Held } from '../support/deferred.js';
import type { Fate } from '../support/deferred.js';
import { turn } from '../support/guard.js';
import { nonZero } from './support.js';

describe('BackgroundJobs', () => {
  describe('idle', () => {
    it('resolves at once when nothing is queued and nothing runs: before the first job, and after the last', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      await jobs.idle();
      jobs.offer('a');
      held.complete('a');
      await jobs.idle();
      expect(jobs.offer('b')).to.equal(true);
      await jobs.shutdown('abort');
    });

    it('resolves after the last job of submit, of which nobody but its caller hears', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 1 });
      const result = jobs.submit('a');
      const idle = fateOf(jobs.idle());
      await turn();
      expect(idle.status).to.equal('open');
      held.complete('a');
      await result;
      await turn();
      expect(idle.status).to.equal('fulfilled');
      await jobs.shutdown();
    });

    it('waits for what runs, what is queued and those who wait for room, for all who ask', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1 });
      for (const job of ['a', 'b']) jobs.offer(job);
      void jobs.send('c');
      const idle = [fateOf(jobs.idle())];
      const seen: string[] = [];
      for (const job of ['a', 'b', 'c']) {
        await turn();
        idle.push(fateOf(jobs.idle()));
        seen.push(idle.map(({ status }) => status[0]).join(''));
        held.complete(job);
      }
      await turn();
      seen.push(idle.map(({ status }) => status[0]).join(''));
      expect(seen).to.eql(['oo', 'ooo', 'oooo', 'ffff']);
      await jobs.shutdown();
    });

    it('waits for the job that is offered in answer to an outcome', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      jobs.outcomes$.subscribe(({ job }) => job === 'a' && jobs.offer('b'));
      jobs.offer('a');
      const idle = fateOf(jobs.idle());
      held.complete('a');
      await turn();
      expect([held.called, idle.status]).to.eql([['a', 'b'], 'open']);
      held.complete('b');
      await turn();
      expect(idle.status).to.equal('fulfilled');
      await jobs.shutdown();
    });

    it('waits, asked for in the middle of a call, for what starts in the same call', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      const idle: Fate[] = [];
      jobs.outcomes$.pipe(take(1)).subscribe(() => idle.push(fateOf(jobs.idle())));
      jobs.offer('a');
      void jobs.send('b');
      held.complete('a');
      await turn();
      expect([held.called, idle[0]!.status]).to.eql([['a', 'b'], 'open']);
      held.complete('b');
      await turn();
      expect(idle[0]!.status).to.equal('fulfilled');
      await jobs.shutdown();
    });

    it('waits for what is queued while no job runs, because the event loop has its turn', async () => {
      const jobs = new BackgroundJobs(async (job: number) => job, { workers: 1, buffer: Infinity, yieldAfter: 0 });
      for (let job = 0; job < 1_000; job++) jobs.offer(job);
      await jobs.idle();
      expect(nonZero(jobs.stats)).to.eql({ offered: 1_000, accepted: 1_000, completed: 1_000 });
      await jobs.shutdown();
    });

    const lastEnds: Record<
      string,
      (jobs: BackgroundJobs<string, unknown>, held: Held<string>, abort: () => void) => unknown
    > = {
      completes: (_jobs, held) => held.complete('a'),
      fails: (_jobs, held) => held.fail('a', new Error('a')),
      'is given up by its caller': (_jobs, _held, abort) => abort(),
      'is aborted with its pool': (jobs) => jobs.shutdown('abort'),
    };
    for (const [end, act] of Object.entries(lastEnds)) {
      it(`resolves when the last job ${end}`, async () => {
        const held = new Held<string>();
        const controller = new AbortController();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
        const result = fateOf(jobs.submit('a', { signal: controller.signal }));
        const idle = fateOf(jobs.idle());
        await turn();
        expect(idle.status).to.equal('open');
        act(jobs, held, () => controller.abort());
        await turn();
        expect([idle.status, result.status]).to.not.include('open');
        await jobs.shutdown();
      });
    }

    it("waits for a promise that was aborted, and not after 'abandon'", async () => {
      const jobs = new BackgroundJobs(() => new Promise<never>(() => undefined), { workers: 1, buffer: 0 });
      jobs.offer('a');
      const idle = fateOf(jobs.idle());
      void jobs.shutdown('abort');
      await turn();
      expect(idle.status).to.equal('open');
      await jobs.shutdown('abandon');
      expect(idle.status).to.equal('fulfilled');
    });
  });
});
