// A client of an API that hangs, fails, and says "too many requests". All the same, each of forty items ends in one outcome:
//
//   timeout      a request that hangs is given up after 300 ms
//   retry        after a growing, random delay: so clients that failed together do not come back together
//   rateLimit    at most ten requests in any 200 ms, retries included
//   pause        after a 429 nobody calls for as long as the API says; several of them extend one pause
//
// The API is 10-api-client/server.ts, in this process. Ctrl-C takes on no more items, and finishes those that it has.
//
// Run it with: node -r ts-node/register/transpile-only demos/10-api-client.ts
import { SingleBar } from 'cli-progress';
import { throwError, timer } from 'rxjs';
import type { Observable } from 'rxjs';
import { BackgroundJobs, fromSignals, gracefulShutdown } from '../src/index.js';
import { startApi } from './10-api-client/server.js';

const ITEMS = 40;

class HttpError extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`status ${status}`);
    this.status = status;
  }
}

const nameOf = (error: unknown): string => (error instanceof HttpError ? String(error.status) : (error as Error).name);

/** Exponential back-off with full jitter: anything up to 50, 100, 200 ms … and never above a second. */
function backOff(error: unknown, retry: number): Observable<unknown> {
  // A 4xx says that the request is wrong, and would be so again. A 429 says only that it was too early.
  const isFinal = error instanceof HttpError && error.status < 500 && error.status !== 429;
  return isFinal ? throwError(() => error) : timer(Math.random() * Math.min(1000, 25 * 2 ** retry));
}

async function main(): Promise<void> {
  const api = await startApi();
  const trouble = new Map<string, number>();

  const jobs: BackgroundJobs<number, string> = new BackgroundJobs(
    async (item: number, { signal }) => {
      const response = await fetch(`${api.url}/items/${item}`, { signal });
      const body = await response.text();
      if (response.status === 429) jobs.pause(Number(response.headers.get('retry-after')) * 1000);
      if (!response.ok) throw new HttpError(response.status);
      return body;
    },
    {
      workers: 5,
      buffer: 5,
      timeout: 300,
      retry: {
        count: 8,
        delay: (error: unknown, retry) => {
          trouble.set(nameOf(error), (trouble.get(nameOf(error)) ?? 0) + 1);
          return backOff(error, retry);
        },
      },
      rateLimit: { limit: 10, interval: 200 },
      shutdown: gracefulShutdown({ on: fromSignals('SIGINT', 'SIGTERM'), deadline: 3000 }),
    },
  );
  const failures: string[] = [];
  jobs.outcomes$.subscribe((outcome) => {
    if (outcome.status === 'failed') failures.push(`item ${outcome.job}: ${nameOf(outcome.error)}`);
  });

  const { isTTY } = process.stderr;
  const bar = new SingleBar({ format: '{bar} {value}/{total}  {state}', barsize: 20, gracefulExit: false });
  const troubles = (): string => [...trouble].map(([name, times]) => `${times} × ${name}`).join(', ');
  const show = (): void => {
    const { completed, failed, running, queued, delayed } = jobs.stats;
    const now = jobs.paused ? 'paused by a 429' : jobs.level === undefined ? '' : 'finishing what it has';
    const state = `${running} running, ${queued} waiting, ${delayed} to be retried  ${troubles()}  ${now}`.trimEnd();
    if (isTTY) bar.update(completed + failed, { state });
    else console.log(`${completed + failed}/${ITEMS}  ${state}`);
  };
  if (isTTY) bar.start(ITEMS, 0, { state: '' });
  const drawing = timer(0, isTTY ? 50 : 500).subscribe(show);

  try {
    for (let item = 1; item <= ITEMS; item++) await jobs.send(item); // waits for room
  } catch {
    // Ctrl-C: this item is refused, and there are to be no more.
  }
  const { stats } = await jobs.shutdown();
  drawing.unsubscribe();
  show();
  bar.stop();
  api.close();

  console.log(`items      ${stats.offered}${stats.refused > 0 ? ' until it was stopped' : ''}`);
  console.log(`completed  ${stats.completed}`);
  console.log(`failed     ${stats.failed}  ${failures.join(', ')}`.trimEnd());
  console.log(`aborted    ${stats.aborted}`);
  console.log(`dropped    ${stats.refused + stats.evicted}`);
  console.log(`trouble    ${troubles()}`);
}

void main();
