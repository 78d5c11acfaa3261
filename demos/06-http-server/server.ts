// A web server that runs jobs in the background. It never takes on more than it can hold, and a deploy loses none of them.
//
//   node -r ts-node/register/transpile-only demos/06-http-server/server.ts [--port 3000] [--workers 4] [--buffer 20] [--ms 1000]
//   (--help lists the other options)
//
//   POST /jobs       202 and an id, or 503 when the buffer is full or the server is about to end:
//                    curl -X POST localhost:3000/jobs -d '{"ms": 5000, "fail": false}' (both may be left out)
//   GET  /jobs/:id   waiting, running, or ended with its outcome
//   GET  /events     all of it as it happens, ten times a second; GET / draws it
//   GET  /stats, /metrics, /health
//
// SIGTERM (or Ctrl-C): /health turns to 503 so that no more requests are sent here, jobs are refused, those that were
// accepted are finished, and the process ends. A second one aborts what runs, a third one does not wait for it.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import {
  AsyncSubject,
  BehaviorSubject,
  combineLatest,
  concat,
  defer,
  filter,
  from,
  interval,
  map,
  of,
  startWith,
  takeUntil,
  zip,
} from 'rxjs';
import { BackgroundJobs, fromSignals, PoolMonitor } from '../../src/index.js';
import type { MonitorStats } from '../../src/index.js';
import { eventRoute, eventsOf } from './events.js';
import { HttpError, readJson, reply, replyText, route } from './http.js';
import { readJob, work } from './job.js';
import { Ledger } from './ledger.js';
import { metricsOf } from './metrics.js';
import { readOptions } from './options.js';
import type { Options } from './options.js';

const LARGEST_BODY = 16 * 1024;
const OUTCOMES_KEPT = 1000;
/** Milliseconds between two events that say how things stand, while they change. */
const PACE = 100;
/** And while they do not: proxies cut a connection on which nothing moves, some of them after 30 s. */
const HEARTBEAT = 15_000;
/** Milliseconds for a client to take its last response. */
const LAST_RESPONSE = 1000;

async function serve({ port, host, workers, buffer, ms, deadline, clients }: Options): Promise<void> {
  const eventLoop = monitorEventLoopDelay({ resolution: 10 });
  eventLoop.enable();

  const ledger = new Ledger<string>(OUTCOMES_KEPT);
  const monitor = new PoolMonitor({ interval: PACE });
  const jobs = new BackgroundJobs(work, { workers, buffer, overflow: 'drop-incoming', hooks: [ledger, monitor] });
  const metrics = metricsOf(jobs, buffer);
  const ready$ = new BehaviorSubject(true);

  const ended$ = new AsyncSubject<unknown>();
  from(jobs.ended).subscribe(ended$);

  const accounts = (stats: MonitorStats): object => ({ buffer, pool: jobs.stats, monitor: stats });
  const state = (stats: MonitorStats): object => ({
    ready: ready$.value,
    ...accounts(stats),
    now: Date.now(),
    running: ledger.running,
  });
  const state$ = concat(
    combineLatest([monitor.stats$, ready$, interval(HEARTBEAT).pipe(startWith(0))]).pipe(takeUntil(ended$)),
    defer(() => of([monitor.stats] as const)),
  ).pipe(map(([stats]) => state(stats)));
  // Refusals are only counted. An event for each would be a flood, at the very time when there is too much to do.
  const outcome$ = jobs.outcomes$.pipe(filter(({ job }) => ledger.find(job.id) !== undefined));
  const event$ = eventsOf(state$, outcome$);

  const refusal = (): HttpError => {
    if (!ready$.value) return new HttpError(503, 'shutting down', retryAfter(deadline));
    // By then what waits now has been run. A shorter time would bring everybody back to a buffer that is still full.
    return new HttpError(503, `${buffer} jobs are waiting already`, retryAfter((buffer * ms) / workers));
  };

  const handle = route({
    '/': {
      GET: (_, response) => replyText(response, 200, 'text/html; charset=utf-8', page),
    },
    '/jobs': {
      POST: async (request, response) => {
        const job = readJob(await readJson(request, LARGEST_BODY), ms);
        if (!jobs.offer(job)) throw refusal();
        reply(response, 202, { id: job.id }, { Location: `/jobs/${job.id}` });
      },
    },
    '/jobs/:id': {
      GET: (_, response, id) => {
        const entry = ledger.find(id);
        if (entry === undefined) throw new HttpError(404, 'no such job, or it has ended long ago');
        reply(response, 200, entry);
      },
    },
    '/events': {
      GET: eventRoute(event$, clients),
    },
    '/stats': {
      GET: (_, response) => reply(response, 200, accounts(monitor.stats)),
    },
    '/metrics': {
      GET: async (_, response) => replyText(response, 200, metrics.contentType, await metrics.metrics()),
    },
    '/health': {
      GET: (_, response) =>
        ready$.value ? reply(response, 200, { status: 'ready' }) : reply(response, 503, { status: 'unready' }),
    },
  });

  const server = createServer((request, response) => {
    // While this process ends, its clients' next requests belong elsewhere.
    if (!ready$.value) response.setHeader('Connection', 'close');
    void handle(request, response);
  });

  zip(fromSignals('SIGTERM', 'SIGINT'), ['drain', 'abort', 'abandon'] as const).subscribe(([signal, level]) => {
    console.log(`${signal}: ${level}, with ${jobs.stats.running} jobs running and ${jobs.stats.queued} waiting`);
    ready$.next(false);
    void jobs.shutdown(level, { deadline });
  });

  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    console.error(`cannot listen: ${(error as Error).message}`);
    process.exitCode = 1;
    return;
  }
  console.log(`http://${host}:${(server.address() as AddressInfo).port} is process ${process.pid}`);

  await jobs.ended;
  await close(server);
  const { accepted, refused, completed, failed, evicted, aborted } = jobs.stats;
  console.log(
    `accepted ${accepted} = ${completed} completed + ${failed} failed + ${evicted} evicted + ${aborted} aborted`,
  );
  console.log(`refused ${refused}`);
  const [median, worst] = [eventLoop.percentile(50), eventLoop.max].map((ns) => (ns / 1e6).toFixed(1));
  console.log(`event loop: a timer of 10 ms took ${median} ms (median), ${worst} ms (worst)`);
}

function retryAfter(ms: number): Record<string, string> {
  return { 'Retry-After': String(Math.max(1, Math.ceil(ms / 1000))) };
}

/** Resolves when each response that is under way has been sent, or its client has not taken it in time. */
function close(server: Server): Promise<void> {
  // Without a reference: it cuts connections that keep the process alive, and must not do so itself.
  setTimeout(() => server.closeAllConnections(), LAST_RESPONSE).unref();
  return new Promise((resolve) => server.close(() => resolve()));
}

const page = readFileSync(join(__dirname, 'page.html'), 'utf8');
const options = readOptions();
if (options !== undefined) void serve(options);
