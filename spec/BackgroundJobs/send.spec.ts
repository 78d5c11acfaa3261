import { expect } from 'chai';
import { NEVER, Observable, of, Subject, take } from 'rxjs';
import { BackgroundJobs, JobDroppedError } from '../../src/index.js';
import { fateOf, Held } from '../support/deferred.js';
import type { Fate } from '../support/deferred.js';
import { turn } from '../support/guard.js';
import { LEVELS, listening, nonZero, outcomesOf, POLICIES } from './support.js';

describe('BackgroundJobs', () => {
  describe('send', () => {
    it('resolves when the job was accepted, not when it has ended', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 1 });
      const fates = [fateOf(jobs.send('a')), fateOf(jobs.send('b')), fateOf(jobs.send('c'))];
      await turn();
      expect(fates.map(({ status }) => status)).to.eql(['fulfilled', 'fulfilled', 'open']);
      expect(fates[0]!.value).to.equal(undefined);
      expect(nonZero(jobs.stats)).to.eql({ offered: 3, accepted: 2, waiting: 1, queued: 1, running: 1 });
      await jobs.shutdown('abandon');
    });

    describe('behind a pause', () => {
      it('gets the places of free workers, also where one of them has a retry to start', async () => {
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.promises, { workers: 3, buffer: 0, retry: 1 });
        for (const job of ['a', 'b', 'c']) jobs.offer(job);
        jobs.pause();
        const fates = ['d', 'e', 'f'].map((job) => fateOf(jobs.send(job)));
        held.fail('a', 'no');
        await turn();
        for (const job of ['b', 'c']) held.complete(job);
        await turn();
        // The third place is kept for the retry.
        expect(fates.map(({ status }) => status)).to.eql(['fulfilled', 'fulfilled', 'open']);
        expect(nonZero(jobs.stats)).to.include({ queued: 2, delayed: 1, waiting: 1 });
        await jobs.shutdown('abandon');
      });

      it('has its turn beside an async iterable, which is not asked to fill those places', async () => {
        const { held, source, jobs } = listening(2, 0);
        jobs.offer('a');
        await turn();
        jobs.offer('b');
        // It was asked for when there was a place.
        await source.give('c');
        jobs.pause();
        const fate = fateOf(jobs.send('d'));
        for (const job of ['a', 'b']) held.complete(job);
        await turn();
        expect(fate.status).to.equal('fulfilled');
        expect([nonZero(jobs.stats), source.asks.length]).to.eql([
          { offered: 4, accepted: 4, completed: 2, queued: 2 },
          0,
        ]);
        await jobs.shutdown('abandon');
      });
    });

    it('waits for room, first come first served, in one line with the submits that wait', async () => {
      const held = new Held<string>();
      const accepted: string[] = [];
      const hooks = { accepted: (job: string) => void accepted.push(job) };
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0, hooks });
      jobs.offer('a');
      const fates = [
        fateOf(jobs.send('b')),
        fateOf(jobs.submit('c', { wait: true })),
        fateOf(jobs.send('d')),
        fateOf(jobs.send('e')),
      ];
      const progress: string[] = [];
      for (const job of ['a', 'b', 'c', 'd', 'e']) {
        await turn();
        progress.push(`${accepted.join('')} ${fates.map(({ status }) => (status === 'open' ? '-' : '+')).join('')}`);
        held.complete(job);
      }
      expect(progress).to.eql(['a ----', 'ab +---', 'abc +---', 'abcd +++-', 'abcde ++++']);
      expect(fates[1]!.value).to.equal('c!');
      expect(held.called).to.eql(accepted);
      await jobs.shutdown();
    });

    for (const overflow of POLICIES) {
      it(`meets no policy: at a full buffer nobody is evicted or refused for it, '${overflow}'`, async () => {
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1, overflow });
        const outcomes = outcomesOf(jobs);
        for (const job of ['a', 'b', 'c', 'd']) void jobs.send(job);
        expect(nonZero(jobs.stats)).to.eql({ offered: 4, accepted: 2, waiting: 2, queued: 1, running: 1 });
        for (const job of ['a', 'b', 'c', 'd']) held.complete(job);
        expect(outcomes).to.eql(['a completed', 'b completed', 'c completed', 'd completed']);
        await jobs.shutdown();
      });
    }

    it('takes a place that is free in the middle of a call before a worker comes to it', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      const sent: Fate[] = [];
      jobs.outcomes$.pipe(take(1)).subscribe(() => sent.push(fateOf(jobs.send('b')), fateOf(jobs.send('c'))));
      jobs.offer('a');
      held.complete('a');
      await turn();
      expect(sent.map(({ status }) => status)).to.eql(['fulfilled', 'open']);
      await jobs.shutdown('abandon');
    });

    for (const level of LEVELS) {
      it(`rejects all who wait, the first first, when the pool is shut down: '${level}'`, async () => {
        const held = new Held<string>();
        const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
        jobs.offer('a');
        const outcomes = outcomesOf(jobs);
        const waiting = [jobs.send('b'), jobs.submit('c', { wait: true }), jobs.send('d')].map(fateOf);
        void jobs.shutdown(level);
        expect(outcomes.slice(0, 3)).to.eql(['b closed', 'c closed', 'd closed']);
        await turn();
        expect(waiting.map(({ status }) => status)).to.eql(['rejected', 'rejected', 'rejected']);
        const error = waiting[0]!.value as JobDroppedError;
        expect(error).to.be.an.instanceOf(JobDroppedError).that.includes({ name: 'JobDroppedError', job: 'b' });
        expect(error.reason).to.equal('closed');
        expect(held.called).to.eql(['a']);
        if (level === 'drain' || level === 'discard') held.complete('a');
        await jobs.ended;
      });
    }

    it('admits nobody once the shutdown has begun, although a place becomes free in the middle of it', async () => {
      const controller = new AbortController();
      const jobs = new BackgroundJobs((_job: string) => NEVER, { workers: 1, buffer: 1, overflow: 'drop-incoming' });
      jobs.offer('a');
      const gone = fateOf(jobs.submit('b', { signal: controller.signal }));
      const sent = fateOf(jobs.send('s'));
      jobs.listenTo(new Observable(() => () => controller.abort()));
      void jobs.shutdown();
      await turn();
      expect([gone.status, sent.status, jobs.stats.accepted]).to.eql(['rejected', 'rejected', 2]);
      await jobs.shutdown('abort');
    });

    it('lets ten thousand wait, each in its turn', async () => {
      const first = new Subject<number>();
      const ran: number[] = [];
      const work = (job: number): Observable<number> => (ran.push(job), job === 0 ? first : of(job));
      const jobs = new BackgroundJobs(work, { workers: 1, buffer: 0 });
      const sent = Array.from({ length: 10_000 }, (_, job) => jobs.send(job));
      expect(jobs.stats.waiting).to.equal(9_999);
      first.complete();
      await Promise.all(sent);
      expect(ran).to.eql(Array.from({ length: 10_000 }, (_, job) => job));
      await jobs.shutdown();
    });
  });
});
