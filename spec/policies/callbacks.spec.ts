// A user's callback acts on the pool in the middle of what it is asked.
import { expect } from 'chai';
import { NEVER, Observable, of, Subject, Subscriber, throwError, VirtualTimeScheduler } from 'rxjs';
import { BackgroundJobs, byKey, coalesced, pullFrom, workerPool, workerPoolSettled } from '../../src/index.js';
import { Held } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';

const failing = (): Observable<never> => throwError(() => 'no');

describe('a callback that acts on its own pool', () => {
  it('key: throws for an item that was pulled for a worker, and fails that item alone', async () => {
    const queue = byKey((job: string) => {
      if (job === 'bad') throw new Error('no key');
      return job;
    });
    const outcomes: string[] = [];
    pullFrom(['a', 'bad', 'b'])
      .pipe(workerPoolSettled(async (job: string) => job, { workers: 1, buffer: 0, queue }))
      .subscribe(({ job, status }) => outcomes.push(`${job} ${status}`));
    while (outcomes.length < 3) await turn();
    expect(outcomes).to.eql(['a completed', 'bad failed', 'b completed']);
  });

  it('key: ends the intake, and its job is refused', () => {
    const end = new Subject<void>();
    const jobs = new Subject<string>();
    const queue = byKey((job: string) => {
      if (job === 'last') end.next();
      return job;
    });
    const outcomes: string[] = [];
    jobs.pipe(workerPoolSettled((job) => of(job), { workers: 1, buffer: 1, queue, shutdown: end })).subscribe({
      next: (outcome) =>
        outcomes.push(`${outcome.job} ${outcome.status === 'dropped' ? outcome.reason : outcome.status}`),
      complete: () => outcomes.push('complete'),
    });
    jobs.next('a');
    jobs.next('last');
    expect([...outcomes].sort()).to.eql(['a completed', 'complete', 'last closed']);
  });

  it('key: takes the room of the sender that it is asked for, who waits on', async () => {
    const held = new Held<string>();
    let taking = false;
    const queue = byKey((job: string) => {
      if (taking && job === 'sent') {
        taking = false;
        jobs.offer('thief');
      }
      return job;
    });
    const jobs: BackgroundJobs<string, string> = new BackgroundJobs<string, string>(held.promises as never, {
      workers: 1,
      buffer: 0,
      queue,
    });
    jobs.offer('a');
    const sent = jobs.send('sent');
    taking = true;
    held.complete('a');
    await turn();
    expect([held.called, jobs.stats.waiting]).to.eql([['a', 'thief'], 1]);
    held.complete('thief');
    await sent;
    held.complete('sent');
    const { stats } = await jobs.shutdown();
    expect(stats).to.include({ offered: 3, completed: 3 });
  });

  it('merge: gives the incoming job up, whose caller is not counted', async () => {
    const held = new Held<string>();
    const [first, second] = [new AbortController(), new AbortController()];
    const queue = coalesced(
      () => 'key',
      (waiting: string, incoming: string): string => {
        second.abort('gone');
        return waiting + incoming;
      },
    );
    const jobs = new BackgroundJobs<string, string>(held.promises as never, { workers: 1, buffer: 2, queue });
    jobs.offer('x');
    const fates = [
      jobs.submit('a', { signal: first.signal }).catch((error: unknown) => error),
      jobs.submit('b', { signal: second.signal }).catch((error: unknown) => error),
    ];
    expect(await fates[1]).to.equal('gone');
    expect(jobs.inspect().queued.map(({ job }) => job)).to.eql(['ab']);
    first.abort('too');
    expect([await fates[0], jobs.stats.queued]).to.eql(['too', 0]);
    await jobs.shutdown('abandon');
  });

  it('merge: takes the waiting job away, and the incoming one begins a new one', async () => {
    const held = new Held<string>();
    const queue = coalesced(
      () => 'key',
      (waiting: string, incoming: string): string => {
        jobs.clear();
        return waiting + incoming;
      },
    );
    const jobs: BackgroundJobs<string, string> = new BackgroundJobs<string, string>(held.promises as never, {
      workers: 1,
      buffer: 2,
      queue,
    });
    for (const job of ['x', 'a', 'b']) jobs.offer(job);
    expect(jobs.inspect().queued.map(({ job }) => job)).to.eql(['b']);
    expect(jobs.stats).to.include({ evicted: 1, queued: 1 });
    await jobs.shutdown('abandon');
  });

  it('merge: each caller of a stream hears its values, and a promise its last', async () => {
    const values = new Subject<string>();
    const jobs = new BackgroundJobs<string, string | undefined>((job: string) => (job === 'x' ? gate : values), {
      workers: 1,
      buffer: 2,
      queue: coalesced(
        () => 'key',
        (waiting: string, incoming: string) => waiting + incoming,
      ),
    });
    jobs.offer('x');
    const heard: string[] = [];
    jobs.submit$('a').subscribe((value) => heard.push(`a ${value}`));
    jobs.submit$('b').subscribe((value) => heard.push(`b ${value}`));
    const last = jobs.submit('c');
    gate.complete();
    for (const value of ['1', '2']) values.next(value);
    values.complete();
    expect(await last).to.equal('2');
    expect(heard).to.eql(['a 1', 'b 1', 'a 2', 'b 2']);
    await jobs.shutdown();
  });
  const gate = new Subject<string>();

  it('delay: begins a discard, and the failure is final', async () => {
    const jobs: BackgroundJobs<string, string> = new BackgroundJobs<string, string>(failing as never, {
      workers: 1,
      buffer: 0,
      retry: {
        delay: () => {
          void jobs.shutdown('discard');
          return of(0);
        },
      },
    });
    const error: unknown = await jobs.submit('a').catch((e: unknown) => e);
    expect([error, (await jobs.ended).stats.failed]).to.eql(['no', 1]);
  });

  it('delay: its notifier gives the job up, and then errs in vain', async () => {
    const controller = new AbortController();
    const outcomes: string[] = [];
    const jobs = new BackgroundJobs<string, string>(failing as never, {
      workers: 1,
      buffer: 0,
      retry: {
        delay: () =>
          new Observable((subscriber) => {
            controller.abort('enough');
            subscriber.error('in vain');
          }),
      },
      hooks: { settled: ({ status }) => outcomes.push(status) },
    });
    const fate = jobs.submit('a', { signal: controller.signal }).catch((e: unknown) => e);
    expect([await fate, outcomes]).to.eql(['enough', ['aborted']]);
    await jobs.shutdown();
  });

  it('retrying: gives the job up, which is not tried again', async () => {
    const controller = new AbortController();
    let attempts = 0;
    const work = (): Observable<never> => {
      attempts++;
      return failing();
    };
    const jobs = new BackgroundJobs<string, string>(work as never, {
      workers: 1,
      buffer: 0,
      retry: 3,
      hooks: { retrying: () => controller.abort('enough') },
    });
    const fate = jobs.submit('a', { signal: controller.signal }).catch((e: unknown) => e);
    expect([await fate, attempts, jobs.stats.aborted, jobs.stats.delayed]).to.eql(['enough', 1, 1, 0]);
    await jobs.shutdown();
  });

  it('delay: a job that waits in its slot and is due before all others starts there', () => {
    const clock = new VirtualTimeScheduler();
    const starts: string[] = [];
    const work = (job: string, { attempt }: { attempt: number }) => {
      starts.push(`${clock.frame} ${job}${attempt}`);
      return attempt === 1 ? failing() : of(job);
    };
    const delays: Record<string, number> = { a: 100, b: 5 };
    const jobs = new Subject<string>();
    const config = {
      workers: 1,
      buffer: 0,
      scheduler: clock,
      retry: {
        delay: () =>
          new Observable<void>((subscriber) => {
            const job = starts.at(-1)!.at(-2)!;
            return clock.schedule(() => subscriber.next(), delays[job]);
          }),
      },
    };
    jobs.pipe(workerPool(work, config)).subscribe();
    jobs.next('a');
    jobs.next('b');
    clock.maxFrames = 1000;
    clock.flush();
    expect(starts).to.eql(['0 a1', '0 b1', '5 b2', '100 a2']);
  });

  it('now: a clock that throws when a timed-out job has let go ends the results', () => {
    const clock = new VirtualTimeScheduler();
    let isBroken = false;
    const now = (): number => {
      if (isBroken) throw new Error('no time');
      return clock.frame;
    };
    const scheduler = { now, schedule: clock.schedule.bind(clock) } as never;
    const jobs = new Subject<string>();
    const failures: string[] = [];
    const work = (): Observable<never> => new Observable(() => () => (isBroken = true));
    jobs
      .pipe(
        workerPool(work, {
          workers: 1,
          buffer: 1,
          timeout: 5,
          retry: { delay: () => NEVER },
          rateLimit: { limit: 1, interval: 100 },
          scheduler,
        }),
      )
      .subscribe({ error: (error: unknown) => failures.push((error as Error).message) });
    jobs.next('a');
    jobs.next('b');
    try {
      clock.flush();
    } catch (error) {
      failures.push((error as Error).message);
    }
    expect(failures).to.eql(['no time']);
  });

  it('next: what throws when a synchronous job has settled is no second end of that job', async () => {
    class Foreign extends Subscriber<unknown> {
      override next(): void {
        throw new Error('foreign');
      }
    }
    const jobs = new BackgroundJobs((job: string) => of(job), { workers: 1, buffer: 0 });
    jobs.outcomes$.subscribe(new Foreign());
    jobs.offer('a');
    const { stats } = await jobs.ended;
    expect(stats).to.include({ completed: 1, failed: 0, running: 0 });
    await turn();
    expect(takeReported().map(String)).to.eql(['Error: foreign']);
  });
});
