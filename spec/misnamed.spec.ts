// What other libraries call the options: the error says what it is called here, at run time and, where it can, the compiler's.
import { expect } from 'chai';
import { EMPTY, NEVER } from 'rxjs';
import {
  BackgroundJobs,
  boundedBuffer,
  byKey,
  byPriority,
  coalesced,
  gracefulShutdown,
  PoolMonitor,
  pullThrough,
  toAsyncIterable,
  workerPool,
  workerPoolSettled,
} from '../src/index.js';
import type { PoolConfig } from '../src/index.js';
import { problemsOf } from './support/snippets.js';
import { typeErrorOf } from './support/thrown.js';

const work = async (job: string): Promise<number> => job.length;
const base = { workers: 1, buffer: 1 };
const ended: BackgroundJobs<string, number> = new BackgroundJobs(work, base);
void ended.shutdown('abandon');

const forms: Record<string, (config: never) => unknown> = {
  workerPool: (config) => workerPool(work, config),
  workerPoolSettled: (config) => workerPoolSettled(work, config),
  pullThrough: (config) => pullThrough(['a'], work, config),
  BackgroundJobs: (config) => new BackgroundJobs(work, config),
};
const configs: Record<string, (config: never) => unknown> = {
  ...forms,
  retry: (retry) => workerPool(work, { ...base, retry }),
  rateLimit: (rateLimit) => workerPool(work, { ...base, rateLimit }),
  byPriority: (config) => byPriority(() => 0, config),
  byKey: (config) => byKey(() => 0, config),
  coalesced: (config) =>
    coalesced(
      () => 0,
      () => 'a',
      config,
    ),
  send: (config) => ended.send('a', config),
  submit: (config) => ended.submit('a', config),
  submit$: (config) => ended.submit$('a', config),
  shutdown: (config) => ended.shutdown('drain', config),
  gracefulShutdown: (config) => gracefulShutdown(config),
  boundedBuffer: (config) => boundedBuffer(config),
  toAsyncIterable: (config) => toAsyncIterable(EMPTY, config),
  PoolMonitor: (config) => new PoolMonitor(config),
};

const called = (name: string): string => `it is called '${name}' here`;
const attempts = 'n - 1, which does not count the first attempt';
const byPriorityOfPool = 'give the pool queue: byPriority((job) => …)';
const byKeyOfPool = 'give the pool queue: byKey((job) => …)';
const rateLimit = 'write rateLimit: { limit, interval }';
const pausing = 'call pause() of a BackgroundJobs, or let workers be an Observable that starts at 0';
const bySignal = 'write signal: AbortSignal.timeout(ms)';

/** What is said of the options of every pool. */
const ofPools: Record<string, string> = {
  concurrency: called('workers'),
  concurrent: called('workers'),
  maxConcurrent: called('workers'),
  maxConcurrency: called('workers'),
  limit: called('workers'),
  size: called('buffer'),
  max: called('buffer'),
  maxSize: called('buffer'),
  maxsize: called('buffer'),
  capacity: called('buffer'),
  highWaterMark: called('buffer'),
  bufferSize: called('buffer'),
  maxQueue: called('buffer'),
  queueSize: called('buffer'),
  retries: 'write retry: n',
  maxRetries: 'write retry: n',
  attempts: `write retry: ${attempts}`,
  maxAttempts: `write retry: ${attempts}`,
  backoff: 'write retry: { count, delay }',
  interval: rateLimit,
  intervalCap: rateLimit,
  minTime: rateLimit,
  rate: rateLimit,
  throttle: rateLimit,
  limiter: rateLimit,
  priority: byPriorityOfPool,
  key: byKeyOfPool,
  group: byKeyOfPool,
  signal: 'write shutdown: signal, which lets accepted jobs finish',
  stop: called('shutdown'),
  until: called('shutdown'),
  deadline: 'write timeout for each attempt, or shutdown: gracefulShutdown({ on, deadline })',
  timeoutMs: "did you mean 'timeout'?",
  expires: called('ttl'),
  maxAge: called('ttl'),
  autoStart: pausing,
  paused: pausing,
  throwOnTimeout: 'leave it out, an attempt that times out always fails',
};

/** What is said of the others. */
const ofOthers: Record<string, Record<string, string>> = {
  workerPool: {
    strategy: called('overflow'),
    onOverflow: "did you mean 'overflow'?",
    dropPolicy: called('overflow'),
    // A long word may be misspelt.
    concurency: called('workers'),
    Concurrency: called('workers'),
    hihgWaterMark: called('buffer'),
  },
  retry: {
    retries: called('count'),
    maxRetries: called('count'),
    times: called('count'),
    max: called('count'),
    attempts: `write count: ${attempts}`,
    maxAttempts: `write count: ${attempts}`,
    backoff: called('delay'),
    interval: called('delay'),
  },
  rateLimit: {
    max: called('limit'),
    intervalCap: called('limit'),
    count: called('limit'),
    duration: called('interval'),
    window: called('interval'),
    per: called('interval'),
  },
  byPriority: { aging: "did you mean 'ageing'?" },
  byKey: { concurrency: called('limit'), concurrent: called('limit'), max: called('most'), buffer: called('most') },
  coalesced: { max: called('most'), size: called('most') },
  send: { timeout: bySignal, deadline: bySignal, priority: byPriorityOfPool, key: byKeyOfPool },
  submit: { timeout: bySignal, deadline: bySignal, priority: byPriorityOfPool, group: byKeyOfPool },
  submit$: { priority: byPriorityOfPool, key: byKeyOfPool },
  shutdown: { timeout: called('deadline'), timeoutMs: called('deadline'), gracePeriod: called('deadline') },
  gracefulShutdown: { timeout: called('deadline'), signal: called('on'), signals: called('on') },
  boundedBuffer: { size: called('capacity'), buffer: called('capacity'), strategy: called('overflow') },
  toAsyncIterable: { highWaterMark: called('capacity'), max: called('capacity') },
  PoolMonitor: { duration: called('interval') },
};

describe('a wrong name of an option', () => {
  describe('says what to write', () => {
    for (const [name, hint] of Object.entries(ofPools)) {
      it(`in every form: ${name}`, () => {
        for (const [form, call] of Object.entries(forms))
          expect(typeErrorOf(() => call({ ...base, [name]: 1 } as never))).to.equal(
            `${form} has no option '${name}': ${hint}`,
          );
      });
    }

    for (const [taker, names] of Object.entries(ofOthers)) {
      it(`to ${taker}: ${Object.keys(names).join(', ')}`, () => {
        for (const [name, hint] of Object.entries(names))
          expect(typeErrorOf(() => configs[taker]!({ [name]: 1 } as never))).to.equal(
            `${taker} has no option '${name}': ${hint}`,
          );
      });
    }

    it('only where the config has that option: pullThrough has no overflow, a rateLimit no workers, a hook is no option', () => {
      expect(typeErrorOf(() => pullThrough(['a'], work, { ...base, strategy: 1 } as never))).to.contain(
        'there are workers',
      );
      expect(typeErrorOf(() => workerPool(work, { ...base, rateLimit: { concurrency: 1 } as never }))).to.equal(
        "rateLimit has no option 'concurrency': there are limit, interval",
      );
      expect(typeErrorOf(() => workerPool(work, { ...base, hooks: { max: 1 } as never }))).to.contain(
        'there are accepted',
      );
    });

    it('and not where a short word is only near, or the value is undefined', () => {
      expect(typeErrorOf(() => workerPool(work, { ...base, mac: 1 } as never))).to.contain('there are workers');
      expect(() => workerPool(work, { ...base, concurrency: undefined })).not.to.throw();
    });
  });

  describe('in TypeScript', () => {
    const names: Record<string, readonly [value: string, called: string]> = {
      concurrency: ['1', 'workers'],
      concurrent: ['1', 'workers'],
      size: ['1', 'buffer'],
      max: ['1', 'buffer'],
      strategy: ["'drop'", 'overflow'],
      retries: ['1', 'retry: n'],
      attempts: ['1', 'retry: n - 1'],
      priority: ['(job: string) => job.length', 'queue: byPriority((job) => …)'],
      interval: ['1', 'rateLimit: { limit, interval }'],
      signal: ['new AbortController().signal', 'shutdown: signal'],
    };
    const entries = Object.entries(names);
    let problems: string[];

    before(function () {
      this.timeout(120_000);
      const calls = entries.map(([name, [value]]) => `workerPool(work, { ...base, ${name}: ${value} });`);
      problems = problemsOf([
        `import { BackgroundJobs, pullThrough, workerPool } from 'rxjs-background-jobs';
const work = async (job: string) => job.length;
const base = { workers: 1, buffer: 1 };
const config = { ...base, concurrency: 1 };
${calls.join('\n')}
new BackgroundJobs(work, { ...base, concurrency: 1 });
pullThrough(['a'], work, { ...base, concurrency: 1 });
workerPool(work, config);
workerPool(work, { ...base, concurrency: undefined });`,
      ]);
    });

    it('makes the compiler name the right one, and it never says never', () => {
      expect(problems).to.have.length(entries.length + 3);
      for (const [i, [, [, right]]] of entries.entries()) expect(problems[i]).to.contain(`'CalledHere<"${right}">'`);
      for (const other of problems.slice(entries.length)) expect(other).to.contain(`'CalledHere<"workers">'`);
      for (const message of problems) expect(message).not.to.contain("'never'");
    });

    it('says what the error at run time says', () => {
      for (const [name, [, right]] of entries)
        expect(ofPools[name] ?? ofOthers['workerPool']![name], name).to.contain(right);
    });
  });

  it('is in PoolConfig, and nothing can be given to it', () => {
    // @ts-expect-error -- it is called workers
    const config: PoolConfig<string, number> = { ...base, concurrency: 1 };
    expect(() => workerPool(() => NEVER, config as never)).to.throw(TypeError, "it is called 'workers' here");
  });
});
