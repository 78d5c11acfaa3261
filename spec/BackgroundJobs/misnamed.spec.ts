// What other libraries call the members of their queues: reading such a name says what it is called here.
import { Readable } from 'node:stream';
import { inspect, isDeepStrictEqual } from 'node:util';
import { expect } from 'chai';
import { EMPTY, firstValueFrom, isObservable, of, startWith, Subscription } from 'rxjs';
import { BackgroundJobs, workerPool } from '../../src/index.js';
import { typeErrorOf } from '../support/thrown.js';

const work = async (job: string): Promise<number> => job.length;
const base = { workers: 1, buffer: 1 };
const ended: BackgroundJobs<string, number> = new BackgroundJobs(work, base);
void ended.shutdown('abandon');

const giving = 'call submit(job) for its result, send(job) to wait for room, or offer(job) not to wait';
const counts = 'stats.queued is how many jobs wait, and stats.running how many run';
const levels =
  "call shutdown(level): 'drain' finishes all jobs, 'abort' drops those that wait and aborts those that run";
const workers = 'stats.workers is the number now, and the option workers takes an Observable that changes it';
const first = 'the option queue: byPriority((job) => …) says which job starts first';
const idle = 'idle() is a promise that resolves when no job waits or runs';
const members: Record<string, string> = {
  add: giving,
  push: giving,
  enqueue: giving,
  execute: giving,
  run: giving,
  addAll: 'call submit(job) for each job, or listenTo(iterable)',
  addBulk: 'call submit(job) for each job, or listenTo(iterable)',
  process: 'give its work to the constructor',
  start: 'it has started, listenTo(source) takes jobs from a source, and resume() ends a pause',
  onSizeLessThan: 'send(job) waits for room, and idle() until no job waits or runs',
  onPendingZero: 'send(job) waits for room, and idle() until no job waits or runs',
  clearQueue: 'call clear()',
  runningTasks: 'inspect().running has the jobs that run',
  onIdle: idle,
  onEmpty: idle,
  drained: idle,
  drain: 'call shutdown() to finish all jobs and take no more, or idle() to wait until no job waits or runs',
  stop: levels,
  kill: levels,
  terminate: levels,
  size: counts,
  waiting: counts,
  queued: counts,
  pending: counts,
  running: counts,
  active: counts,
  activeCount: counts,
  pendingCount: counts,
  concurrency: workers,
  setConcurrency: workers,
  workers,
  queue: 'inspect().queued has the jobs that wait, and the option queue orders them',
  unshift: first,
  priority: first,
  setPriority: first,
};

describe('a wrong name of a member of BackgroundJobs', () => {
  describe('says what to call', () => {
    for (const [name, hint] of Object.entries(members)) {
      it(name, () => {
        expect(typeErrorOf(() => (ended as never)[name])).to.equal(`a BackgroundJobs has no ${name}: ${hint}`);
      });
    }

    it('and each such name is in this table', () => {
      const real =
        /^(constructor|stats|level|offer|send|submit\$?|listenTo|clear|inspect|pause|resume|paused|idle|shutdown)$/;
      const names = Object.getOwnPropertyNames(BackgroundJobs.prototype).filter((name) => !real.test(name));
      expect(names).to.have.members(Object.keys(members));
    });

    it('and a subclass may use it: as a method, a getter, a field, by assignment and in its constructor', async () => {
      class Mails extends BackgroundJobs<string, number> {
        readonly start = 'a field';
        constructor() {
          super(work, base);
          // As a compiler for older targets writes a field.
          Object.assign(this, { queue: 'assigned' });
        }
        add(job: string): Promise<number> {
          return this.submit(job);
        }
        get size(): number {
          return this.stats.queued;
        }
      }
      const mails = new Mails() as Mails & { queue: string };
      expect([await mails.add('abc'), mails.size, mails.start, mails.queue]).to.eql([3, 0, 'a field', 'assigned']);
      expect(Object.keys(mails)).to.include.members(['start', 'queue']);
      mails.queue = 'again';
      expect(mails.queue).to.equal('again');
      expect(typeErrorOf(() => (ended as never)['queue'])).to.contain('has no queue');
      await mails.shutdown();
    });

    it('and may be assigned through a Proxy, on a frozen handle it may not', () => {
      const jobs = new BackgroundJobs(work, base) as unknown as Record<string, unknown>;
      new Proxy(jobs, {})['add'] = 1;
      expect(Object.getOwnPropertyDescriptor(jobs, 'add')).to.eql({
        value: 1,
        configurable: true,
        enumerable: true,
        writable: true,
      });
      Object.freeze(jobs);
      expect(() => (jobs['push'] = 1)).to.throw(TypeError);
      void (jobs as unknown as BackgroundJobs<string, number>).shutdown();
    });
  });

  describe('is never read', () => {
    /** What asks any object what it is. */
    const programs: Record<string, (jobs: BackgroundJobs<string, number>) => unknown> = {
      'Promise.resolve': (jobs) => Promise.resolve(jobs),
      'JSON.stringify': (jobs) => JSON.stringify({ jobs }),
      'a copy': (jobs) => ({ ...jobs, ...Object.assign({}, jobs) }),
      'util.inspect': (jobs) => inspect(jobs, { showProxy: false }) + inspect(jobs, { showHidden: true }),
      isDeepStrictEqual: (jobs) => isDeepStrictEqual({ jobs }, { jobs: ended }),
      'chai’s eql': (jobs) => expect({ jobs }).not.to.eql({ jobs: ended }),
      'chai’s messages': (jobs) => expect(() => expect(jobs).to.equal(1)).to.throw('expected'),
      'RxJS’s of': (jobs) => firstValueFrom(of(jobs)),
      'RxJS’s startWith': (jobs) => firstValueFrom(EMPTY.pipe(startWith(jobs))),
      'RxJS’s isObservable': (jobs) => isObservable(jobs),
      'RxJS’s Subscription': (jobs) => new Subscription().add(jobs as never),
      'RxJS, as an input': (jobs) =>
        expect(() =>
          of(1)
            .pipe(startWith(1))
            .subscribe(jobs as never),
        ).not.to.throw(),
      'a pool, as each of its options': (jobs) => {
        for (const option of ['workers', 'buffer', 'overflow', 'shutdown', 'hooks', 'queue', 'retry', 'scheduler'])
          expect(() => workerPool(work, { ...base, [option]: jobs })).to.throw(TypeError, option);
      },
      'a pool, as its config': (jobs) => expect(() => workerPool(work, jobs as never)).to.throw('a BackgroundJobs'),
      'a pool, as its source': (jobs) => workerPool(work, base)(jobs as never).subscribe({ error: () => undefined }),
      'node:stream': (jobs) => [Readable.isDisturbed(jobs as never), readableFrom(jobs)],
      'Response and fetch': (jobs) => new Response(jobs as never),
      'Object.prototype.toString': (jobs) => Object.prototype.toString.call(jobs),
    };
    for (const [program, act] of Object.entries(programs)) {
      it(`by ${program}`, async () => {
        const jobs = new BackgroundJobs(work, base);
        const read = new Set<PropertyKey>();
        const watched = new Proxy(jobs, {
          get: (target, key) => (read.add(key), Reflect.get(target, key) as unknown),
          has: (target, key) => (read.add(key), Reflect.has(target, key)),
        });
        await act(watched);
        await act(jobs);
        expect([...read].filter((key) => Object.hasOwn(members, key))).to.eql([]);
        await jobs.shutdown();
      });
    }

    it('and shows nowhere: not in a loop over its properties, not in JSON, not in a log', () => {
      const seen: string[] = [];
      for (const key in ended) seen.push(key);
      expect(seen).to.eql(['outcomes$', 'ended']);
      expect('then' in ended).to.equal(false);
      expect(inspect(ended)).not.to.match(/Getter|add|push/);
    });

    it('which is why these are undefined: what programs look for in any object', () => {
      const left =
        'on once off emit addListener addEventListener removeListener length map then catch pipe subscribe next error complete ' +
        'closed unsubscribe schedule now write close end destroy dispose abort cancel getReader getWriter toJSON name message stream';
      for (const name of left.split(' ')) expect((ended as never)[name], name).to.equal(undefined);
    });
  });
});

function readableFrom(value: object): string {
  try {
    return typeof Readable.from(value as never);
  } catch (error) {
    return (error as Error).message;
  }
}
