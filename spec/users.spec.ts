// What users of such libraries have asked for, in their words, and the shortest program that shows the answer.
import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { concatMap, exhaustMap, from, mergeMap, NEVER, Observable, of, Subject } from 'rxjs';
import type { ObservableInput, OperatorFunction } from 'rxjs';
import { BackgroundJobs, gracefulShutdown, pullFrom, workerPool } from '../src/index.js';
import type { JobContext, PoolConfig } from '../src/index.js';
import { fateOf, Held, unhandledRejections } from './support/deferred.js';
import { turn } from './support/guard.js';
import { marbles } from './support/marbles.js';

describe('what users have asked for', () => {
  // sindresorhus/p-queue#239, p-limit#25, mcollina/fastq#97, caolan/async kill(): after clear() they are open for ever.
  it('no promise of mine stays open when the queue is cleared or killed', async () => {
    const jobs = new BackgroundJobs(() => new Promise<never>(() => undefined), { workers: 1, buffer: 1 });
    const running = fateOf(jobs.submit('running'));
    const queued = fateOf(jobs.submit('queued'));
    const waiting = fateOf(jobs.send('waiting for room'));

    await jobs.shutdown('abandon');
    await turn();

    expect([running.status, queued.status, waiting.status]).to.eql(['rejected', 'rejected', 'rejected']);
  });

  // SGrondin/bottleneck#136, sindresorhus/p-queue#172
  it('a job that is dropped does not crash my process', async () => {
    const jobs = new BackgroundJobs((_job: string) => NEVER, { workers: 1, buffer: 1, overflow: 'drop-oldest' });
    const dropped: string[] = [];
    jobs.outcomes$.subscribe((outcome) => outcome.status === 'dropped' && dropped.push(outcome.job));

    const raised = await unhandledRejections(() => {
      for (const job of ['runs', 'evicted', 'stays']) void jobs.submit(job);
      void jobs.shutdown('abort');
    });

    expect(dropped).to.eql(['evicted', 'stays']);
    expect(raised).to.eql([]);
  });

  // sindresorhus/p-queue#87 (open since 2019), ReactiveX/rxjs#71, #1609
  it('my producer goes as fast as my workers, and no faster', async () => {
    let made = 0;
    let done = 0;
    let furthest = 0;
    const rows = (function* () {
      while (made < 1_000) {
        furthest = Math.max(furthest, made - done);
        yield ++made;
      }
    })();
    const work = async (row: number): Promise<number> => {
      await Promise.resolve();
      done++;
      return row;
    };

    await pullFrom(rows)
      .pipe(workerPool(work, { workers: 3, buffer: 10 }))
      .forEach(() => undefined);

    expect([done, furthest]).to.eql([1_000, 2]);
  });

  // The same for a producer that makes calls: it awaits each of them.
  it('my producer waits until there is room', async () => {
    const held = new Held<number>();
    const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 1 });
    let sent = 0;
    const produce = async (): Promise<void> => {
      while (sent < 4) {
        await jobs.send(sent + 1);
        sent++;
      }
    };
    const producing = produce();

    const progress: number[] = [];
    for (let job = 1; job <= 4; job++) {
      await turn();
      progress.push(sent);
      held.complete(job);
    }
    await producing;
    await jobs.shutdown();

    expect(progress).to.eql([2, 3, 4, 4]);
  });

  // SGrondin/bottleneck#63, piscinajs/piscina#139, taskforcesh/bullmq#4163, zio/zio#9844
  it('a graceful stop refuses what is new, finishes what runs, and hands back what it did not do', async () => {
    const held = new Held<string>();
    const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 2 });
    for (const mail of ['running', 'left 1', 'left 2']) jobs.offer(mail);

    const stopping = jobs.shutdown('discard', { deadline: 10_000 });
    const late = jobs.offer('late');
    held.complete('running');
    const { dropped, stats } = await stopping;

    expect(late).to.equal(false);
    expect(stats.completed).to.equal(1);
    expect(dropped.map(({ job }) => job)).to.eql(['left 1', 'left 2']);
  });

  // ReactiveX/rxjs#1777, #5004, #6460
  it('like exhaustMap, but the last one is not lost', () =>
    marbles(({ hot, cold, expectObservable }) => {
      const clicks = hot('-a-b-c--------|');
      const expected = '  ------a----c--|';
      const save = (click: string): Observable<string> => cold('-----(x|)', { x: click });
      const config = { workers: 1, buffer: 1, overflow: 'drop-oldest' } as const;
      expectObservable(clicks.pipe(workerPool(save, config))).toBe(expected);
    }));

  // ReactiveX/rxjs#3149 (open since 2017)
  it('one operator instead of mergeMap, concatMap and exhaustMap', () => {
    const mine = {
      'mergeMap of two': { workers: 2, buffer: Infinity },
      concatMap: { workers: 1, buffer: Infinity },
      exhaustMap: { workers: 1, buffer: 0, overflow: 'drop-incoming' },
    } as const;
    type Work = (job: string) => Observable<string>;
    const theirs: Record<keyof typeof mine, (work: Work) => OperatorFunction<string, string>> = {
      'mergeMap of two': (work) => mergeMap(work, 2),
      concatMap: (work) => concatMap(work),
      exhaustMap: (work) => exhaustMap(work),
    };
    for (const [name, config] of Object.entries<PoolConfig<string, string | undefined>>(mine)) {
      marbles(({ hot, cold, expectObservable }) => {
        const source = hot('-ab-c--d------|');
        const work: Work = (job) => cold('--x-(y|)', { x: job, y: job.toUpperCase() });
        const operator = theirs[name as keyof typeof mine];
        expectObservable(source.pipe(workerPool(work, config))).toEqual(source.pipe(operator(work)));
      });
    }
  });

  // ReactiveX/rxjs#7334 (open), #3609, mcollina/fastq#86, caolan/async#413
  it('a million jobs that complete at once neither overflow the stack nor stop in the middle', () => {
    const first = new Subject<number>();
    const source = new Subject<number>();
    let results = 0;
    source
      .pipe(workerPool((job) => (job === 0 ? first : of(job)), { workers: 1, buffer: Infinity }))
      .subscribe(() => results++);

    for (let job = 0; job <= 1_000_000; job++) source.next(job);
    first.complete();

    expect(results).to.equal(1_000_000);
  });

  // caolan/async#1729, #1833, mcollina/fastq#88, piscinajs/piscina#868, sindresorhus/p-queue#237: drain fires early, or never.
  it('I can wait until the pool has nothing to do, also when it has nothing to do already', async () => {
    const held = new Held<string>();
    const jobs = new BackgroundJobs(held.promises, { workers: 1, buffer: 1 });
    await jobs.idle();
    for (const job of ['a', 'b']) jobs.offer(job);

    const idle = fateOf(jobs.idle());
    const seen: string[] = [];
    for (const job of ['a', 'b']) {
      held.complete(job);
      await turn();
      seen.push(idle.status);
    }
    await jobs.idle();
    await jobs.shutdown();

    expect(seen).to.eql(['open', 'fulfilled']);
  });

  // sindresorhus/p-queue pull request 235, taskforcesh/bullmq#282, n8n-io/n8n#30392
  it('nothing is left behind: no listener on my signal, no timer that keeps my process alive', async () => {
    const { signal } = new AbortController();
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    await turn(); // mocha's own timer for this spec is there now
    const before = timers();
    const jobs = new BackgroundJobs(async (job: number) => job, { workers: 4, buffer: 4 });
    for (let job = 0; job < 1_000; job++) await jobs.submit(job, { signal });
    await jobs.shutdown('drain', { deadline: 60_000 });

    expect(getEventListeners(signal, 'abort')).to.eql([]);
    expect(timers()).to.equal(before);
  });

  // ReactiveX/rxjs#3122, #4051, #6442 (open), sindresorhus/p-queue#168, taskforcesh/bullmq#632
  it('my work is given an AbortSignal, which fires when nobody waits for the result any more', async () => {
    const signals: AbortSignal[] = [];
    const work = (_url: string, { signal }: JobContext): Promise<never> => {
      signals.push(signal);
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    };
    const subscription = from(['a', 'b'])
      .pipe(workerPool(work, { workers: 2, buffer: 0 }))
      .subscribe();
    const before = signals.map(({ aborted }) => aborted);

    subscription.unsubscribe();

    expect(before).to.eql([false, false]);
    expect(signals.map(({ aborted }) => aborted)).to.eql([true, true]);
  });

  // ReactiveX/rxjs#5028 (open): a promise has no place in virtual time, so the work comes from outside, and a test gives it marbles.
  it('my pipeline of promises is tested with marbles, its deadline too', () => {
    const pipeline = (
      mail$: Observable<string>,
      send: (mail: string) => ObservableInput<string>,
      stop$: Observable<unknown>,
    ): Observable<string> => {
      const shutdown = gracefulShutdown({ on: stop$, deadline: 4 });
      return mail$.pipe(workerPool(send, { workers: 1, buffer: 2, shutdown }));
    };

    marbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
      const mails = hot('  -ab-----    ');
      const stop = hot('   -----s     ');
      const sent = cold('   ----(x|)  ', { x: 'sent' });
      const expected = '   -----x---|  ';
      expectObservable(pipeline(mails, () => sent, stop)).toBe(expected, { x: 'sent' });
      expectSubscriptions(sent.subscriptions).toBe(['-^---!', '-----^---!']);
    });
  });
});
