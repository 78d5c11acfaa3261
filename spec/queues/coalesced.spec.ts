import { AsyncLocalStorage } from 'node:async_hooks';
import { expect } from 'chai';
import { map, NEVER, Subject, VirtualTimeScheduler } from 'rxjs';
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

  it('fires the signal of a merged job that runs when the last of its callers has given up', async () => {
    const held = new Held<string>();
    const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 1, queue: joined() });
    jobs.offer('x');
    const [first, second] = [new AbortController(), new AbortController()];
    const fates = [first, second].map(({ signal }, i) => jobs.submit('ab'[i]!, { signal }).catch((e: unknown) => e));
    held.complete('x');
    await turn();
    const { signal } = held.contexts.get('ab')!;
    first.abort('gone');
    expect([await fates[0], signal.aborted, jobs.stats.running]).to.eql(['gone', false, 1]);
    second.abort('too');
    expect([await fates[1], signal.aborted, signal.reason]).to.eql(['too', true, 'too']);
    held.fail('ab', 'given up');
    await turn();
    expect(jobs.stats).to.include({ aborted: 1, running: 0 });
    await jobs.shutdown();
  });

  it('runs in the context of the first; each outcome is told in that of its own caller', async () => {
    const store = new AsyncLocalStorage<string>();
    const held = new Held<string>();
    const log: string[] = [];
    const jobs = new BackgroundJobs(
      (job: string, context) => {
        log.push(`work ${job}: ${store.getStore()}`);
        return held.promises(job, context);
      },
      {
        workers: 1,
        buffer: 1,
        queue: joined(),
        hooks: { settled: ({ job, status }) => log.push(`${status} ${job}: ${store.getStore()}`) },
      },
    );
    jobs.offer('x');
    const fates = ['anna', 'bert'].map((name) =>
      store.run(name, () => jobs.submit(name[0]!).then(() => log.push(`${name}: ${store.getStore()}`))),
    );
    store.run('stranger', () => held.complete('x'));
    await turn();
    store.run('stranger', () => held.complete('ab'));
    await Promise.all(fates);
    expect(log.slice(1)).to.eql([
      'dropped b: bert',
      'completed x: undefined',
      'work ab: anna',
      'completed ab: anna',
      'anna: anna',
      'bert: bert',
    ]);
    await jobs.shutdown();
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

  it("'drop-lowest' counts what has waited: with ageing an old low one outranks a fresh one of the same priority", () => {
    const scheduler = new VirtualTimeScheduler();
    const queue = byPriority((job: string) => Number(job[1]), { ageing: 10 });
    const config = { workers: 1, buffer: 2, overflow: 'drop-lowest', queue, scheduler } as const;
    const jobs = new BackgroundJobs((_: string) => NEVER, config);
    jobs.offer('x0');
    jobs.offer('a0');
    // 25 ms later the oldest counts as 2.5.
    scheduler.schedule(() => undefined, 25);
    scheduler.flush();
    jobs.offer('b1');
    expect([jobs.offer('c0'), jobs.offer('d2')]).to.eql([false, true]);
    expect(jobs.inspect().queued.map(({ job }) => job)).to.eql(['a0', 'd2']);
    return jobs.shutdown('abandon');
  });

  it("at `most` 'drop-lowest' chooses the lowest of that lane, though another lane has a lower one", () => {
    const queue = byKey(letter, { most: 2, lane: byPriority((job: string) => Number(job[1])) });
    const jobs = new BackgroundJobs((_: string) => NEVER, { workers: 1, buffer: 9, overflow: 'drop-lowest', queue });
    const answers = ['x0', 'b0', 'a2', 'a1', 'a3', 'a1'].map((job) => jobs.offer(job));
    expect(answers).to.eql([true, true, true, true, true, false]);
    const left = jobs.inspect().queued.map(({ job }) => job);
    expect(left.filter((job) => job.startsWith('a'))).to.eql(['a3', 'a2']);
    expect(left).to.include('b0');
    return jobs.shutdown('abandon');
  });

  it('at `most` what was sent or pulled is let in, and is no victim of it', async () => {
    const queue = byKey(letter, { most: 1 });
    const jobs = new BackgroundJobs((_: string) => NEVER, { workers: 1, buffer: 9, overflow: 'drop-oldest', queue });
    jobs.offer('a0');
    await Promise.all(['a1', 'a2'].map((job) => jobs.send(job)));
    void jobs.submit('a3', { wait: true }).catch(() => undefined);
    jobs.listenTo(['a4', 'a5']);
    expect(jobs.offer('a6')).to.equal(true);
    expect(jobs.offer('a7')).to.equal(true);
    // Of those that were offered one waits at a time.
    const queued = jobs.inspect().queued.map(({ job }) => job);
    expect(queued.slice(0, 3)).to.eql(['a1', 'a2', 'a3']);
    expect(queued).to.include('a7').and.not.to.include('a6');
    await jobs.shutdown('abandon');
  });
});
