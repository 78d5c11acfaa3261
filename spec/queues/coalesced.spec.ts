import { expect } from 'chai';
import { map, NEVER, Subject } from 'rxjs';
import type { Observable } from 'rxjs';
import { BackgroundJobs, byKey, byPriority, coalesced, workerPool, workerPoolSettled } from '../../src/index.js';
import type { JobQueue, Overflow } from '../../src/index.js';
import { Held } from '../support/deferred.js';
import { turn } from '../support/guard.js';
import { marbles } from '../support/marbles.js';

const joined = (most = Infinity, key: (job: string) => unknown = () => 0): JobQueue<string> =>
  coalesced(key, (waiting, incoming) => waiting + incoming, { most });

describe('coalesced', () => {
  it('merges what arrives into what waits, as its doc comment draws it', () =>
    marbles(({ hot, cold, expectObservable }) => {
      const jobs$ = hot('    -(abc)------|');
      const run = cold('      ----(r|)');
      const work = (job: string): Observable<string> => run.pipe(map(() => job));
      expectObservable(jobs$.pipe(workerPool(work, { workers: 1, buffer: 1, queue: joined() }))).toBe('-----a---m--|', {
        a: 'a',
        m: 'bc',
      });
    }));

  it('begins a new one at `most`, and needs no room to merge', () => {
    const held = new Held<string>();
    const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 2, queue: joined(2) });
    expect(['a', 'b', 'c', 'd', 'e', 'f'].map((job) => jobs.offer(job))).to.eql([true, true, true, true, true, false]);
    expect(jobs.inspect().queued.map(({ job }) => job)).to.eql(['bc', 'de']);
    expect(jobs.stats).to.include({ offered: 6, accepted: 3, refused: 3, queued: 2, running: 1 });
    return jobs.shutdown('abort');
  });

  it('is a bulk insert of what waits, each caller with its own promise', async () => {
    const inserted: string[][] = [];
    const inserts = new BackgroundJobs(
      async (rows: string[]) => {
        inserted.push(rows);
        return rows.length;
      },
      {
        workers: 1,
        buffer: 1,
        queue: coalesced(
          () => 'rows',
          (waiting: string[], incoming: string[]) => [...waiting, ...incoming],
        ),
      },
    );
    const answers = await Promise.all(['a', 'b', 'c'].map((row) => inserts.submit([row])));
    expect([inserted, answers]).to.eql([
      [['a'], ['b', 'c']],
      [1, 2, 2],
    ]);
    await inserts.send(['d']);
    await inserts.shutdown();
  });

  it('rejects one who gives up alone, and aborts the merged job when all have', async () => {
    const held = new Held<string>();
    const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 1, queue: joined() });
    jobs.offer('x');
    const [first, second] = [new AbortController(), new AbortController()];
    const fates = [first, second].map(({ signal }, i) => jobs.submit('ab'[i]!, { signal }).catch((e: unknown) => e));
    first.abort('gone');
    expect(await fates[0]).to.equal('gone');
    expect(jobs.inspect().queued.map(({ job }) => job)).to.eql(['ab']);
    second.abort('too');
    expect([await fates[1], jobs.stats.queued, jobs.stats.aborted]).to.eql(['too', 0, 1]);
    await jobs.shutdown('abandon');
  });

  it('is kept by a part that came by offer, and is no victim when a part was sent', async () => {
    const held = new Held<string>();
    const queue = joined(Infinity, (job) => job[0]);
    const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 1, overflow: 'drop-oldest', queue });
    jobs.offer('x');
    const controller = new AbortController();
    const fate = jobs.submit('a1', { signal: controller.signal }).catch((e: unknown) => e);
    jobs.offer('a2');
    controller.abort('gone');
    await fate;
    expect(jobs.stats.queued).to.equal(1);
    await jobs.send('a3');
    expect([jobs.offer('b'), jobs.inspect().queued[0]!.job]).to.eql([false, 'a1a2a3']);
    await jobs.shutdown('abandon');
  });

  it('fails the arriving job alone whose merge throws', async () => {
    const held = new Held<string>();
    const queue = coalesced(
      () => 0,
      (waiting: string, incoming: string) => {
        if (incoming === 'bad') throw new Error('no merge');
        return waiting + incoming;
      },
    );
    const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 1, queue });
    jobs.offer('x');
    jobs.offer('a');
    expect(await jobs.submit('bad').catch((e: unknown) => (e as Error).message)).to.equal('no merge');
    jobs.offer('b');
    expect(jobs.inspect().queued.map(({ job }) => job)).to.eql(['ab']);
    expect(jobs.stats).to.include({ offered: 4, accepted: 3, refused: 1, failed: 1, queued: 1, running: 1 });
    await jobs.shutdown('abandon');
  });

  it('tells the coalesced outcome at once, and may be the lane of a key', () => {
    const source = new Subject<string>();
    const told: string[] = [];
    const queue = byKey((job: string) => job[0], { lane: joined() });
    source
      .pipe(workerPoolSettled(() => NEVER, { workers: 1, buffer: 2, queue }))
      .subscribe((outcome) => told.push(`${outcome.job} ${outcome.status === 'dropped' ? outcome.reason : ''}`));
    for (const job of ['x', 'a1', 'b1', 'a2', 'b2']) source.next(job);
    expect(told).to.eql(['a2 coalesced', 'b2 coalesced']);
  });

  it('loses nothing that merge itself offers', async () => {
    let again = true;
    const held = new Held<string>();
    const queue = coalesced(
      () => 0,
      (waiting: string, incoming: string): string => {
        if (again) {
          again = false;
          jobs.offer('n');
        }
        return waiting + incoming;
      },
    );
    const jobs: BackgroundJobs<string, string> = new BackgroundJobs<string, string>(held.promises as never, {
      workers: 1,
      buffer: 5,
      queue,
    });
    for (const job of ['x', 'a', 'b', 'c']) jobs.offer(job);
    expect(jobs.inspect().queued.map(({ job }) => job)).to.eql(['ab', 'nc']);
    await jobs.shutdown('abandon');
    await turn();
  });
});

describe('a bound for each key, and the lowest', () => {
  const letter = (job: string): string => job[0]!;
  for (const [overflow, kept] of [
    ['drop-incoming', ['a2', 'b1']],
    ['drop-oldest', ['b1', 'a3']],
    ['replace-newest', ['b1', 'a3']],
    ['clear', ['b1', 'a3']],
  ] as [Overflow, string[]][]) {
    it(`at \`most\` '${overflow}' chooses in that lane`, () => {
      const queue = byKey(letter, { most: 1 });
      const jobs = new BackgroundJobs((_: string) => NEVER, { workers: 1, buffer: 9, overflow, queue });
      for (const job of ['a1', 'a2', 'b1', 'a3']) jobs.offer(job);
      expect(
        jobs
          .inspect()
          .queued.map(({ job }) => job)
          .sort(),
      ).to.eql([...kept].sort());
      return jobs.shutdown('abandon');
    });
  }

  it("is an error in workerPool under 'error', with the key's bound", () => {
    let error: unknown;
    const source = new Subject<string>();
    const queue = byKey(letter, { most: 1 });
    source
      .pipe(workerPool(() => NEVER, { workers: 1, buffer: 9, queue }))
      .subscribe({ error: (e: unknown) => (error = e) });
    for (const job of ['a1', 'a2', 'a3']) source.next(job);
    expect(error).to.include({ name: 'BufferOverflowError', reason: 'full', capacity: 1, job: 'a3' });
  });

  it("'drop-lowest' drops the lowest, of one rank the youngest, and refuses what is no higher", () => {
    const queue = byPriority((job: string) => Number(job[1]));
    const jobs = new BackgroundJobs((_: string) => NEVER, { workers: 1, buffer: 2, overflow: 'drop-lowest', queue });
    const answers = ['x0', 'a2', 'b2', 'c2', 'd3', 'e1'].map((job) => jobs.offer(job));
    expect(answers).to.eql([true, true, true, false, true, false]);
    expect(jobs.inspect().queued.map(({ job }) => job)).to.eql(['d3', 'a2']);
    return jobs.shutdown('abandon');
  });
});
