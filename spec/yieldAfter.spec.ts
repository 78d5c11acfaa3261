// What turns the event loop makes while promise jobs run back to back. Turns are counted, not timed.
import { expect } from 'chai';
import { EventEmitter, once } from 'node:events';
import { lastValueFrom, of, range, Subject, VirtualTimeScheduler } from 'rxjs';
import { pullFrom, workerPool } from '../src/index.js';
import type { ObservableInput } from 'rxjs';
import type { PoolConfig } from '../src/index.js';
import { turn } from './support/guard.js';

/** At 5 µs each they take 100 ms: twenty times as long as the loop may be kept from turning. */
const MANY = 20_000;

type Config = Partial<PoolConfig<number, number>>;

/** Runs so many jobs, each of some microseconds, and tells how many of them ended between two turns of the loop, turn by turn. */
async function flood(jobs: number, config: Config, onEnd = (): void => undefined): Promise<number[]> {
  const perTurn: number[] = [];
  let [ended, told, isOver] = [0, 0, false];
  const look = (): void => {
    perTurn.push(ended - told);
    told = ended;
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  const work = (n: number): Promise<number> => {
    for (const start = performance.now(); performance.now() - start < 0.005;);
    return Promise.resolve(n);
  };
  await new Promise<void>((resolve) => {
    range(0, jobs)
      .pipe(workerPool(work, { workers: 1, buffer: Infinity, ...config }))
      .subscribe({ next: () => ended++, complete: resolve });
  });
  onEnd();
  isOver = true;
  look();
  // Behind the last look of all.
  await new Promise((resolve) => setImmediate(resolve));
  expect(perTurn.reduce((a, b) => a + b, 0)).to.equal(jobs);
  return perTurn;
}

/** Is an immediate outstanding that was not before? */
function asksTheHost(act: () => void): boolean {
  const immediates = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Immediate').length;
  const before = immediates();
  act();
  return immediates() > before;
}

describe('yieldAfter', () => {
  for (const workers of [1, 1000]) {
    it(`lets the loop turn all the while, by default: workers ${workers}`, async () => {
      const perTurn = await flood(MANY, { workers });
      expect(perTurn.filter((ended) => ended > 0).length).to.be.greaterThan(5);
      expect(Math.max(...perTurn)).to.be.lessThan(MANY / 4);
    });

    it(`lets a timer and an event through: workers ${workers}`, async () => {
      const emitter = new EventEmitter();
      const log: string[] = [];
      const heard = once(emitter, 'event').then(() => log.push('event'));
      const timer = setTimeout(() => {
        log.push('timer');
        setImmediate(() => emitter.emit('event'));
      }, 5);
      await flood(MANY, { workers }, () => log.push('end'));
      clearTimeout(timer);
      await heard;
      expect(log).to.eql(['timer', 'event', 'end']);
    });
  }

  const works: Record<string, (n: number) => ObservableInput<number>> = {
    promises: (n) => Promise.resolve(n),
    streams: (n) => of(n),
  };
  for (const [kind, work] of Object.entries(works)) {
    it(`lets the loop turn while an async iterable has its items at hand: ${kind}`, async () => {
      let turns = 0;
      let isOver = false;
      const look = (): void => {
        turns++;
        if (!isOver) setImmediate(look);
      };
      setImmediate(look);
      const items = async function* (): AsyncGenerator<number> {
        for (let n = 0; n < MANY; n++) yield n;
      };
      await lastValueFrom(pullFrom(items()).pipe(workerPool(work, { workers: 2, buffer: 0, yieldAfter: 0 })));
      isOver = true;
      await turn();
      expect(turns).to.be.greaterThan(MANY / 1000);
    });
  }

  it('lets a turn come every few jobs where it is 0', async () => {
    const jobs = MANY / 10;
    const perTurn = await flood(jobs, { yieldAfter: 0 });
    expect(Math.max(...perTurn)).to.be.at.most(2 * 32);
  });

  for (const workers of [1, 1000]) {
    describe(`${workers} ${workers === 1 ? 'worker' : 'workers'}`, () => {
      it('lets no turn come before the end where it is Infinity', async () => {
        const perTurn = await flood(MANY, { workers, yieldAfter: Infinity });
        expect(perTurn.filter((ended) => ended > 0)).to.eql([MANY]);
      });

      it('lets a timer through only after the end where it is Infinity', async () => {
        const log: string[] = [];
        const timed = new Promise<void>((resolve) => {
          setTimeout(() => {
            log.push('timer');
            resolve();
          });
        });
        let ended = 0;
        await new Promise<void>((resolve) => {
          range(0, MANY)
            .pipe(workerPool((n) => Promise.resolve(n), { workers, buffer: Infinity, yieldAfter: Infinity }))
            .subscribe({ next: () => ended++, complete: resolve });
        });
        log.push(`end of ${ended}`);
        await timed;
        expect(log).to.eql([`end of ${MANY}`, 'timer']);
      });

      it('keeps the order of the jobs', async () => {
        const started: number[] = [];
        await new Promise<void>((resolve) => {
          range(0, 3000)
            .pipe(workerPool(async (n) => void started.push(n), { workers, buffer: Infinity, yieldAfter: 0 }))
            .subscribe({ complete: resolve });
        });
        expect(started).to.eql([...Array(3000).keys()]);
      });
    });
  }

  it('delays no job of a pool whose jobs wait for something real', async () => {
    let [started, answer] = [0, (): void => undefined];
    const work = (): Promise<void> => {
      started++;
      return new Promise((resolve) => (answer = resolve));
    };
    const running = range(0, 200)
      .pipe(workerPool(work, { workers: 1, buffer: Infinity, yieldAfter: 0 }))
      .subscribe();
    for (let n = 1; n < 200; n++) {
      expect(started).to.equal(n);
      // A whole turn: a timer alone may come before the immediates of the turn in which the job has started.
      await new Promise((resolve) => setImmediate(resolve));
      answer();
      // What answers it is a turn of the loop, so the next one starts in the same one.
      for (let tick = 0; tick < 5; tick++) await Promise.resolve();
    }
    running.unsubscribe();
    await turn();
  });

  it('asks the host for a turn while promise jobs run back to back, and not for other jobs', async () => {
    for (const [config, asks] of [
      // Never used up: this loop of microtasks would wait for a turn for ever.
      [{ yieldAfter: 100_000 }, true],
      [{ yieldAfter: Infinity }, false],
      [{ scheduler: new VirtualTimeScheduler() }, false],
      [{ scheduler: new VirtualTimeScheduler(), yieldAfter: 0 }, false],
    ] as const) {
      const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Immediate').length;
      let ended = 0;
      range(0, 100)
        .pipe(workerPool((n) => Promise.resolve(n), { workers: 1, buffer: Infinity, ...config }))
        .subscribe(() => ended++);
      let asked = false;
      while (ended < 100) {
        await Promise.resolve();
        asked ||= process.getActiveResourcesInfo().filter((kind) => kind === 'Immediate').length > before;
      }
      expect(asked).to.equal(asks);
      await turn();
    }
    const synchronous = (): void =>
      void range(0, 1000)
        .pipe(workerPool((n) => [n], { workers: 1, buffer: Infinity }))
        .subscribe();
    expect(asksTheHost(synchronous)).to.equal(false);
  });

  it('holds up no end: results that are unsubscribed while a turn is due start nothing more', async () => {
    let [started, ended] = [0, 0];
    const stop = new Subject<void>();
    const work = (n: number): Promise<number> => {
      started++;
      return Promise.resolve(n);
    };
    const results = range(0, 1000)
      .pipe(workerPool(work, { workers: 3, buffer: Infinity, yieldAfter: 0, shutdown: stop }))
      .subscribe(() => {
        if (++ended === 100) results.unsubscribe();
      });
    for (let i = 0; i < 5; i++) await turn();
    expect([started <= 103, ended]).to.eql([true, 100]);
  });

  it('runs all that waits for a turn when the pool drains', async () => {
    const stop = new Subject<void>();
    let ended = 0;
    await new Promise<void>((resolve) => {
      range(0, 1000)
        .pipe(workerPool((n) => Promise.resolve(n), { workers: 3, buffer: Infinity, yieldAfter: 0, shutdown: stop }))
        .subscribe({
          next: () => {
            if (++ended === 100) stop.next();
          },
          complete: resolve,
        });
    });
    expect(ended).to.equal(1000);
  });

  for (const [value, type] of [
    [-1, RangeError],
    [NaN, RangeError],
    ['5', TypeError],
    [null, TypeError],
  ] as const) {
    it(`is a number of milliseconds: not ${String(value)}`, () => {
      const config = { workers: 1, buffer: 0, yieldAfter: value as number };
      expect(() => workerPool((n: number) => [n], config)).to.throw(
        type,
        'yieldAfter must be a number of milliseconds',
      );
    });
  }
});
