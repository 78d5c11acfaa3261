// Many leave at once, or come when it is nearly too late: the accounts and the bound hold all the same.
import { expect } from 'chai';
import { NEVER, Subject } from 'rxjs';
import { BackgroundJobs, PoolMonitor } from '../src/index.js';
import type { PoolStats } from '../src/index.js';
import { turn } from './support/guard.js';

function asked<T>(): { iterable: AsyncIterable<T>; give: (value: T) => Promise<void> } {
  const asks: ((item: IteratorResult<T>) => void)[] = [];
  const iterable = {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<T>>((r) => asks.push(r)) }),
  };
  return {
    iterable: iterable as AsyncIterable<T>,
    give: (value: T) => (asks.shift()!({ done: false, value }), turn()),
  };
}

describe('BackgroundJobs, at its edges', () => {
  it('the law holds while the queued jobs of one signal are given up', async () => {
    const seen: PoolStats[] = [];
    const jobs: BackgroundJobs<string, never> = new BackgroundJobs((_job: string) => NEVER as never, {
      workers: 1,
      buffer: 5,
      hooks: { settled: () => seen.push(jobs.stats) },
    });
    const controller = new AbortController();
    jobs.offer('a');
    const all = Promise.allSettled(['b', 'c', 'd'].map((job) => jobs.submit(job, { signal: controller.signal })));
    controller.abort();
    await all;
    await jobs.shutdown('abort');
    const off = seen.map(
      (s) => s.accepted - (s.completed + s.failed + s.evicted + s.aborted + s.queued + s.delayed + s.running),
    );
    expect(off).to.eql([0, 0, 0, 0]);
  });

  it('a late item that waits for room in a drain has its outcome when the pool is abandoned', async () => {
    const { iterable, give } = asked<string>();
    const told: string[] = [];
    const jobs = new BackgroundJobs((_job: string) => new Promise<never>(() => undefined), {
      workers: 1,
      buffer: 0,
      hooks: { settled: (o) => void told.push(`${o.job} ${o.status}`) },
    });
    jobs.listenTo(iterable);
    jobs.offer('a');
    void jobs.shutdown('drain');
    await give('late');
    const { stats } = await jobs.shutdown('abandon');
    expect([told, stats.waiting]).to.eql([['late dropped', 'a aborted'], 0]);
  });

  it('the bound holds when a drain begins from the outcome of the last running job, with held items', async () => {
    const sources = [asked<string>(), asked<string>(), asked<string>()];
    const first = new Subject<void>();
    let most = 0;
    const jobs: BackgroundJobs<string, unknown> = new BackgroundJobs((job: string) => (job === 'a' ? first : NEVER), {
      workers: 1,
      buffer: 0,
      hooks: { accepted: () => (most = Math.max(most, jobs.stats.queued + jobs.stats.running)) },
    });
    for (const { iterable } of sources) jobs.listenTo(iterable);
    jobs.offer('a');
    for (const { give } of sources) await give('held');
    jobs.outcomes$.subscribe(({ job }) => void (job === 'a' && jobs.shutdown('drain')));
    first.complete();
    await jobs.shutdown('abort');
    expect(most).to.equal(1);
  });

  it('a monitor counts a job that its owner gave up while it waited', async () => {
    const monitor = new PoolMonitor();
    const jobs = new BackgroundJobs((_job: string) => NEVER, { workers: 1, buffer: 1, hooks: monitor });
    const controller = new AbortController();
    jobs.offer('a');
    const given = jobs.submit('b', { signal: controller.signal });
    expect(monitor.stats).to.include({ offered: 2, queued: 1, running: 1 });
    controller.abort();
    await Promise.allSettled([given]);
    expect(monitor.stats).to.include({ offered: 2, queued: 0, running: 1, aborted: 1 });
    await jobs.shutdown('abort');
  });

  it('offered never goes down while senders are refused', async () => {
    const seen: number[] = [];
    const jobs: BackgroundJobs<string, never> = new BackgroundJobs((_job: string) => NEVER as never, {
      workers: 1,
      buffer: 0,
      hooks: { settled: () => void seen.push(jobs.stats.offered) },
    });
    jobs.offer('a');
    for (const job of ['b', 'c', 'd']) void jobs.send(job);
    await jobs.shutdown('abort');
    expect(seen).to.eql([4, 4, 4, 4]);
  });
});
