// The clock of a pool, and how often it is read.
import { expect } from 'chai';
import { BackgroundJobs } from '../../src/index.js';
import type { JobOutcome } from '../../src/index.js';
import { oncePerRound } from '../../src/internal/support/clock.js';

describe('oncePerRound', () => {
  it('reads the clock once for all that happens before the next microtask', async () => {
    let reading = 0;
    const now = oncePerRound(() => ++reading, { observed: false });
    expect([now(), now(), now()]).to.deep.equal([1, 1, 1]);
    await Promise.resolve();
    expect([now(), now()]).to.deep.equal([2, 2]);
  });

  it('reads it each time while somebody watches', () => {
    let reading = 0;
    const watched = { observed: false };
    const now = oncePerRound(() => ++reading, watched);
    const before = [now(), now()];
    watched.observed = true;
    expect([...before, now(), now()]).to.deep.equal([1, 1, 2, 3]);
  });
});

describe('the times of a handle', () => {
  const { now } = performance;
  let time = 0;

  beforeEach(() => {
    time = 1000;
    performance.now = () => time;
  });

  afterEach(() => {
    performance.now = now;
  });

  /** Two jobs of one call, 5 ms after one another. One worker: the second one waits for the end of the first. */
  async function twoJobs(
    watch: (jobs: BackgroundJobs<string, string>, outcomes: JobOutcome<string, string>[]) => void,
  ): Promise<string[]> {
    const outcomes: JobOutcome<string, string>[] = [];
    const hooks = { settled: (outcome: JobOutcome<string, string>) => void outcomes.push(outcome) };
    const jobs = new BackgroundJobs((job: string) => Promise.resolve(job), {
      workers: 1,
      buffer: 2,
      ...(watch.length === 0 ? { hooks } : {}),
    });
    watch(jobs, outcomes);
    const a = jobs.submit('a');
    time += 5;
    const b = jobs.submit('b');
    time += 2;
    await Promise.all([a, b]);
    await jobs.shutdown();
    return outcomes.map(({ job, queuedFor, ranFor }) => `${job}: ${queuedFor} + ${ranFor}`);
  }

  it('are exact where a hook is told of them', async () => {
    expect(await twoJobs(() => undefined)).to.deep.equal(['a: 0 + 7', 'b: 2 + 0']);
  });

  it('are exact where outcomes$ is observed', async () => {
    const told = await twoJobs((jobs, outcomes) => {
      jobs.outcomes$.subscribe((outcome) => outcomes.push(outcome));
    });
    expect(told).to.deep.equal(['a: 0 + 7', 'b: 2 + 0']);
  });

  it('are those of the round while nobody watches', () => {
    const jobs = new BackgroundJobs(() => new Promise<void>(() => undefined), { workers: 1, buffer: 2 });
    void jobs.submit('a');
    time += 5;
    void jobs.submit('b');
    time += 2;
    const { queued, running } = jobs.inspect();
    expect([running[0]!.ranFor, queued[0]!.queuedFor]).to.deep.equal([7, 7]);
    void jobs.shutdown('abandon');
  });
});
