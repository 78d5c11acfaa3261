// A fast source that cannot be asked to wait, such as a WebSocket, and a consumer that is slower. What it misses it misses
// for good, so the question is which values are worth keeping: a bound, a policy, and a count of what was lost.
//
// Run it with: node -r ts-node/register/transpile-only demos/05-slow-consumer.ts
import { lastValueFrom, map, share, take, timer, VirtualTimeScheduler } from 'rxjs';
import type { Observable, SchedulerLike } from 'rxjs';
import { boundedBuffer, toAsyncIterable } from '../src/index.js';
import type { BufferConfig } from '../src/index.js';

/** A hundred prices, one each millisecond: 1, 2, 3 … so that it is plain to see which are missing. */
function prices(scheduler?: SchedulerLike): Observable<number> {
  return timer(1, 1, scheduler).pipe(
    map((i) => i + 1),
    take(100),
  );
}

/** A screen that draws 60 times a second: each frame is demand for one value. */
function draw(config: BufferConfig<number>): number[] {
  const drawn: number[] = [];
  const clock = new VirtualTimeScheduler();
  const frames = timer(16, 16, clock).pipe(map(() => 1));
  prices(clock)
    .pipe(boundedBuffer({ ...config, demand: frames }))
    .subscribe((price) => drawn.push(price));
  clock.flush();
  return drawn;
}

/** A loop that takes as long to save a price as ten more take to come. */
async function save(config: BufferConfig<number>): Promise<number[]> {
  const saved: number[] = [];
  const price$ = prices().pipe(share({ resetOnComplete: false }));
  for await (const price of toAsyncIterable(price$, config)) {
    saved.push(price);
    await lastValueFrom(price$.pipe(take(10)), { defaultValue: undefined });
  }
  return saved;
}

async function report(name: string, consume: typeof draw | typeof save, config: BufferConfig<number>): Promise<void> {
  let dropped = 0;
  const taken = await consume({ ...config, onDrop: () => dropped++ });
  console.log(`\n${name}: capacity: ${config.capacity}, ${config.overflow}`);
  console.log(`  ${taken.join(' ')}`);
  console.log(`  ${taken.length} taken, ${dropped} dropped`);
}

async function main(): Promise<void> {
  console.log('100 prices, one each millisecond');
  await report('a screen that shows the newest', draw, { capacity: 1, overflow: 'drop-oldest' });
  await report('a screen that shows the last three, late', draw, { capacity: 3, overflow: 'drop-oldest' });
  await report('a loop that saves the newest', save, { capacity: 1, overflow: 'drop-oldest' });
  await report('a loop that saves the last three, late', save, { capacity: 3, overflow: 'drop-oldest' });
  await report('a loop that saves the first that came', save, { capacity: 3, overflow: 'drop-incoming' });
  await report('a loop that saves the newest, after a gap', save, { capacity: 3, overflow: 'clear' });
}

void main();
