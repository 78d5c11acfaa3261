// Where policies meet: each of these was a fault once.
import { expect } from 'chai';
import { BehaviorSubject, from, NEVER, of, Subject, throwError, timer, VirtualTimeScheduler } from 'rxjs';
import { BackgroundJobs, byKey, pullFrom, pullThrough, workerPool, workerPoolSettled } from '../../src/index.js';
import { turn } from '../support/guard.js';
import { marbles } from '../support/marbles.js';

describe('policies together', () => {
  it('start nothing twice, and nothing that is not there, when the gate opens while a worker looks for a job', () => {
    marbles(({ hot, flush }) => {
      const log: unknown[] = [];
      const work = (job: string) => {
        log.push(job);
        return job === 'a' ? timer(4) : of(0);
      };
      const config = { workers: 2, buffer: 5, rateLimit: { limit: 2, interval: 4 } };
      hot('(abc)').pipe(workerPool(work, config)).subscribe();
      flush();
      expect(log).to.eql(['a', 'b', 'c']);
    });
  });

  it('give no job a worker above the limit when the gate opens as it arrives', () => {
    const clock = new VirtualTimeScheduler();
    const log: string[] = [];
    const jobs = new Subject<string>();
    const levels = new Subject<string>();
    const config = {
      workers: 1,
      buffer: 0,
      retry: { count: 1, delay: 0 },
      rateLimit: { limit: 3, interval: 4 },
      shutdown: levels,
      scheduler: clock,
      hooks: { started: (job: string) => log.push(`started ${job}`) },
    } as const;
    const work = (job: string, { attempt }: { attempt: number }) =>
      attempt === 1 ? throwError(() => 'no') : job === 'b' ? NEVER : of(job);
    jobs
      .pipe(workerPoolSettled(work, config))
      .subscribe({ next: ({ job, status }) => log.push(`${status} ${job}`), error: () => log.push('error') });
    clock.schedule(() => jobs.next('c'), 4);
    jobs.next('a');
    clock.maxFrames = 0;
    clock.flush();
    jobs.next('b');
    clock.flush();
    clock.maxFrames = 100;
    clock.flush();
    levels.next('abandon');
    expect(log.filter((line) => line === 'started c')).to.have.length(0);
  });

  it('refuse a job that comes when the gate opens for one whose failure ends the results', () => {
    const clock = new VirtualTimeScheduler();
    const outcomes: string[] = [];
    const jobs = new Subject<string>();
    const config = {
      workers: 1,
      buffer: 1,
      rateLimit: { limit: 1, interval: 10 },
      scheduler: clock,
      hooks: { settled: ({ job, status }: { job: string; status: string }) => outcomes.push(`${job} ${status}`) },
    };
    jobs
      .pipe(workerPool((job: string) => (job === 'b' ? throwError(() => 'no') : of(job)), config))
      .subscribe({ error: (error: unknown) => outcomes.push(String(error)) });
    jobs.next('a');
    jobs.next('b');
    clock.frame = 10; // the window is over, and the timer is late
    jobs.next('c');
    expect(outcomes).to.eql(['a completed', 'b failed', 'no', 'c dropped']);
  });

  it('tell how a job ends that waited when no worker had ever been needed', () => {
    const outcomes: string[] = [];
    const jobs = new Subject<string>();
    const results = jobs
      .pipe(
        workerPool(() => NEVER, {
          workers: new BehaviorSubject(0),
          buffer: 1,
          hooks: { settled: ({ job, status }) => outcomes.push(`${job} ${status}`) },
        }),
      )
      .subscribe();
    jobs.next('a');
    results.unsubscribe();
    expect(outcomes).to.eql(['a dropped']);
  });

  it('have a place for what was pulled when a retry has taken it meanwhile', async () => {
    const clock = new VirtualTimeScheduler();
    const outcomes: string[] = [];
    let bring!: () => void;
    async function* items(): AsyncGenerator<string, void> {
      yield 'a';
      await new Promise<void>((resolve) => (bring = resolve));
      yield 'b';
    }
    const work = (job: string, { attempt }: { attempt: number }) =>
      job === 'a' && attempt === 1 ? throwError(() => 'no') : timer(5, clock);
    pullFrom(items())
      .pipe(workerPoolSettled(work, { workers: 1, buffer: 0, retry: { delay: 3 }, scheduler: clock }))
      .subscribe({
        next: ({ job, status }) => outcomes.push(`${job} ${status}`),
        error: (error: unknown) => outcomes.push((error as Error).name),
      });
    await turn();
    clock.maxFrames = 4;
    clock.flush();
    bring();
    await turn();
    clock.maxFrames = 100;
    clock.flush();
    expect(outcomes).to.eql(['a completed', 'b completed']);
  });

  it('expire an item that was pulled for a free worker and has to wait for its key', async () => {
    const clock = new VirtualTimeScheduler();
    const outcomes: string[] = [];
    const config = {
      workers: 2,
      buffer: 0,
      ttl: 5,
      queue: byKey(() => 'key'),
      scheduler: clock,
      hooks: { settled: ({ job, status }: { job: string; status: string }) => outcomes.push(`${job} ${status}`) },
    };
    const results = pullThrough(['a', 'b'], () => timer(20, clock), config)[Symbol.asyncIterator]();
    const first = results.next();
    clock.maxFrames = 10;
    clock.flush();
    expect(outcomes).to.eql(['b dropped']);
    clock.maxFrames = 100;
    clock.flush();
    expect(await first).to.eql({ done: false, value: 0 });
    await results.return!();
  });

  it('start nothing inside a shutdown that is about to drop what waits', async () => {
    const clock = new VirtualTimeScheduler();
    const started: string[] = [];
    const jobs = new BackgroundJobs((job: string) => (started.push(job), of(job)), {
      workers: 1,
      buffer: 0,
      rateLimit: { limit: 1, interval: 10 },
      scheduler: clock,
    });
    jobs.offer('a');
    expect(jobs.offer('b')).to.equal(true);
    const sent = jobs.submit('c', { wait: true }).catch((error: Error) => error.message);
    clock.frame = 11; // the window is over, and the timer is late
    const { dropped } = await jobs.shutdown('discard');
    expect(started).to.eql(['a']);
    expect(dropped.map(({ job }) => job)).to.eql(['b']);
    expect(await sent).to.contain('closed');
  });

  it('let nobody in before a retry that is due', async () => {
    const starts: string[] = [];
    const jobs = new BackgroundJobs(
      (job: string, { attempt }: { attempt: number }) => {
        starts.push(`${job}${attempt}`);
        return job === 'a' && attempt === 1 ? Promise.reject(new Error('no')) : Promise.resolve(job);
      },
      { workers: 1, buffer: 0, retry: 1 },
    );
    jobs.offer('a');
    await jobs.send('b');
    await jobs.idle();
    expect(starts).to.eql(['a1', 'a2', 'b1']);
    await jobs.shutdown();
  });

  it('start a due retry on a worker that is idle, although another job has just had its turn', () => {
    const starts: string[] = [];
    const workers = new BehaviorSubject(0);
    const jobs = new Subject<string>();
    const work = (job: string, { attempt }: { attempt: number }) => {
      starts.push(`${job}${attempt}`);
      return attempt < 3 && job !== 'z' ? throwError(() => 'no') : NEVER;
    };
    jobs.pipe(workerPool(work, { workers, buffer: 9, retry: 5 })).subscribe();
    for (const job of ['x', 'y', 'z']) jobs.next(job);
    workers.next(3);
    expect(starts.filter((start) => start.endsWith('3'))).to.have.members(['x3', 'y3']);
  });

  it('keep no timer when the results are unsubscribed with a job behind the gate', () => {
    const clock = new VirtualTimeScheduler();
    const results = from(['a', 'b'])
      .pipe(workerPool(() => NEVER, { workers: 1, buffer: 1, rateLimit: { limit: 1, interval: 10 }, scheduler: clock }))
      .subscribe();
    results.unsubscribe();
    expect(clock.actions.filter(({ closed }) => !closed)).to.have.length(0);
  });

  it('end, also when jobs have waited in their slots and got places while their worker looked for the next one', async () => {
    const outcomes: string[] = [];
    const fails = (): Promise<never> => Promise.reject(new Error('no'));
    const throws = (): never => {
      throw new Error('no');
    };
    const jobs = new BackgroundJobs<string, string>((job, { attempt }) => (attempt === 1 ? fails() : throws()), {
      workers: 1,
      buffer: 1,
      retry: 3,
      hooks: { settled: ({ attempts, job, status }) => outcomes.push(`${job} ${status} ${attempts}`) },
    });
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map((job) => jobs.send(job)));
    await jobs.idle();
    const { stats } = await jobs.shutdown();
    expect(stats).to.include({ failed: 5, delayed: 0, lingering: 0, running: 0 });
    expect(outcomes).to.have.length(5);
  });
});
