// How many requests at once does a service bear? adaptiveWorkers finds it out, and follows when it changes. The service has a
// knee: so many requests at once are served at full speed, and each one more has to wait. The knee is 20, after ten seconds 50,
// and after ten more 10. In virtual time: it takes a few seconds.
//
// A row is a second. The bar is the limit that was found: █ up to the knee, ▒ above it.
//
// Run it with: node -r ts-node/register/transpile-only demos/16-adaptive.ts
import { interval, Observable, takeWhile, VirtualTimeScheduler } from 'rxjs';
import { adaptiveWorkers } from '../src/adaptive/index.js';
import { pullFrom, workerPoolSettled } from '../src/index.js';
import type { JobOutcome } from '../src/index.js';

const END = 30_000;
const kneeAt = (ms: number): number => (ms < 10_000 ? 20 : ms < 20_000 ? 50 : 10);

/** A service whose requests take 25 to 75 ms. It refuses those that would be more than `most` times the knee. */
class Service {
  private readonly clock: VirtualTimeScheduler;
  private readonly most: number;
  private readonly queue: (() => void)[] = [];
  private busy = 0;
  private random = 1;

  constructor(clock: VirtualTimeScheduler, most: number) {
    this.clock = clock;
    this.most = most;
  }

  request(): Observable<never> {
    return new Observable((subscriber) => {
      if (this.busy + this.queue.length >= this.most * kneeAt(this.clock.now()))
        return this.clock.schedule(() => subscriber.error(new Error('429 Too Many Requests')), 1);
      this.queue.push(() => subscriber.complete());
      return this.serve();
    });
  }

  private serve(): undefined {
    while (this.queue.length > 0 && this.busy < kneeAt(this.clock.now())) {
      const answer = this.queue.shift()!;
      this.random = (this.random * 48_271) % 2_147_483_647;
      this.busy++;
      const done = (): void => {
        this.busy--;
        this.serve();
        answer();
      };
      this.clock.schedule(done, 25 + (this.random % 51));
    }
  }
}

function plot(title: string, algorithm: 'aimd' | 'gradient', most: number): void {
  const clock = new VirtualTimeScheduler();
  const service = new Service(clock, most);
  const limit = adaptiveWorkers({ min: 1, max: 200, algorithm });
  const now = { limit: 0, requests: 0, refused: 0, ms: 0 };
  const settled = ({ status, ranFor }: JobOutcome<number, never>): void => {
    if (status === 'failed') now.refused++;
    else Object.assign(now, { requests: now.requests + 1, ms: now.ms + ranFor });
  };
  function* jobs(): Generator<number> {
    for (let job = 0; clock.now() < END; job++) yield job;
  }

  console.log(`\n${title}\n   s  knee  refused  latency  limit`);
  interval(1000, clock)
    .pipe(takeWhile(() => clock.now() <= END))
    .subscribe(() => {
      const { limit: workers, requests, refused, ms } = now;
      const latency = `${Math.round(ms / Math.max(1, requests))} ms`;
      const [time, knee] = [clock.now() / 1000, kneeAt(clock.now() - 1)];
      const bar = '█'.repeat(workers).padEnd(knee).slice(0, knee) + '▒'.repeat(Math.max(0, workers - knee));
      const row = [
        String(time).padStart(4),
        String(knee).padStart(4),
        String(refused).padStart(7),
        latency.padStart(7),
      ];
      console.log(`${row.join('  ')}  ${String(workers).padStart(5)}  ${bar.trimEnd()}`);
      Object.assign(now, { requests: 0, refused: 0, ms: 0 });
    });
  limit.subscribe((workers) => (now.limit = workers));
  pullFrom(jobs())
    .pipe(
      workerPoolSettled(() => service.request(), {
        workers: limit,
        buffer: 0,
        hooks: [limit, { settled }],
        scheduler: clock,
      }),
    )
    .subscribe();
  clock.flush();
}

console.log('a row is a second; the bar is the limit of workers: █ up to the knee of the service, ▒ above it');
plot(`'aimd', on a service that refuses what is a fifth above its knee`, 'aimd', 1.2);
plot(`'gradient', on a service that never refuses and gets slower`, 'gradient', Infinity);
