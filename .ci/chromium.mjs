// The browser's bundle of the package in a real Chromium: the page runs its checks and posts what became of them. It needs a build.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, exit } from 'node:process';
import { setTimeout } from 'node:timers';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome'].map((name) => `/usr/bin/${name}`);
const browser = argv[2] ?? BROWSERS.find((path) => existsSync(path));
if (browser === undefined) {
  console.error('no Chromium found: give its path, or install the package chromium');
  exit(1);
}
/** Milliseconds: far longer than all of it takes. */
const PATIENCE = 120_000;

/** Runs in the page, where `app` has the package and what is needed of RxJS. Returns what each check has come to. */
async function checkAll() {
  const { BackgroundJobs, fromSignals, gracefulShutdown, pullThrough, workerPool, workerPoolSettled } = app;
  const { from, lastValueFrom, of, range, reduce, toArray } = app;
  const equal = (actual, expected) => {
    const [a, b] = [actual, expected].map((value) => JSON.stringify(value));
    if (a !== b) throw new Error(`${a}, where ${b} was expected`);
  };
  const config = { workers: 2, buffer: 10 };
  const double = async (n) => n * 2;
  const all = (results$) => lastValueFrom(results$.pipe(toArray()));
  const checks = {
    async 'a pool'() {
      equal(await all(from([1, 2]).pipe(workerPool(double, config))), [2, 4]);
    },
    async 'a handle'() {
      const jobs = new BackgroundJobs(double, config);
      equal(await Promise.all([1, 2].map((n) => jobs.submit(n))), [2, 4]);
      equal((await jobs.shutdown()).stats.completed, 2);
    },
    async 'a million synchronous jobs'() {
      const count$ = range(0, 1_000_000).pipe(
        workerPool((n) => of(n), { workers: 1, buffer: 0 }),
        reduce((count) => count + 1, 0),
      );
      equal(await lastValueFrom(count$), 1_000_000);
    },
    async 'the event loop turns beside promise jobs'() {
      let turns = 0;
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        turns++;
        port2.postMessage(0);
      };
      port2.postMessage(0);
      const work = (n) => {
        for (const start = performance.now(); performance.now() - start < 0.2;);
        return Promise.resolve(n);
      };
      await lastValueFrom(range(0, 500).pipe(workerPool(work, { workers: 1, buffer: Infinity })));
      port1.close();
      equal(turns >= 2, true);
    },
    async 'the body of a response'() {
      const sizes$ = workerPool(async (chunk) => chunk.byteLength, config)(new Response('body').body);
      equal(await all(sizes$), [4]);
    },
    async 'no process, and it says so'() {
      const error = await new Promise((resolve) => fromSignals('SIGTERM').subscribe({ error: resolve }));
      equal(error.message.includes('no process'), true);
    },
    async "the platform's Observable as a source"() {
      equal(await all(workerPool(double, config)(Observable.from([1, 2]))), [2, 4]);
      let endless;
      const numbers = new Observable((subscriber) => {
        endless = subscriber;
        for (let n = 0; subscriber.active; n++) subscriber.next(n);
      });
      const first3 = [];
      const subscription = workerPool(
        (n) => of(n),
        config,
      )(numbers).subscribe((n) => {
        // Inside its own call there is no subscription to end yet.
        if (first3.push(n) === 3) endless.complete();
      });
      equal(first3, [0, 1, 2]);
      equal(subscription.closed, true);
    },
    async "the platform's Observable, listened to and left"() {
      const target = new EventTarget();
      const jobs = new BackgroundJobs(async ({ type }) => type, { ...config, overflow: 'drop-oldest' });
      const types = [];
      jobs.outcomes$.subscribe(({ value }) => types.push(value));
      const subscription = jobs.listenTo(target.when('click'));
      target.dispatchEvent(new Event('click'));
      subscription.unsubscribe();
      target.dispatchEvent(new Event('click'));
      await jobs.shutdown();
      equal(types, ['click']);
    },
    async "the platform's Observable as a notifier"() {
      const target = new EventTarget();
      const never = () => new Promise(() => {});
      const shutdown = gracefulShutdown({ on: target.when('pagehide'), deadline: Infinity, abortGrace: Infinity });
      const outcomes = all(of(1).pipe(workerPoolSettled(never, { ...config, shutdown })));
      for (let n = 0; n < 3; n++) target.dispatchEvent(new Event('pagehide'));
      equal(
        (await outcomes).map(({ status, settled }) => [status, settled]),
        [['aborted', false]],
      );
      const drained = all(from([1]).pipe(workerPool(double, { ...config, shutdown: target.when('stop') })));
      equal(await drained, [2]);
    },
    async "the platform's Observable as the result of work"() {
      equal(await all(of(1).pipe(workerPool((n) => Observable.from([n, n + 1]), config))), [1, 2]);
      let torn = 0;
      const work = () => new Observable((subscriber) => subscriber.addTeardown(() => torn++));
      const jobs = new BackgroundJobs(work, config);
      const controller = new AbortController();
      const submitted = jobs.submit(1, { signal: controller.signal }).catch((error) => error);
      controller.abort('left');
      equal([await submitted, torn, jobs.stats.running], ['left', 1, 0]);
      await jobs.shutdown();
    },
    async 'Observable.from(pullThrough(…)) as the way out'() {
      equal(await Observable.from(pullThrough([1, 2], double, config)).toArray(), [2, 4]);
      let hasReturned = false;
      const numbers = function* () {
        try {
          for (let n = 0; ; n++) yield n;
        } finally {
          hasReturned = true;
        }
      };
      const taken = await Observable.from(pullThrough(numbers(), double, config))
        .take(3)
        .toArray();
      while (!hasReturned) await new Promise((resolve) => setTimeout(resolve, 1));
      equal(taken, [0, 2, 4]);
    },
  };
  const report = [];
  for (const [name, check] of Object.entries(checks)) {
    const said = await check().then(
      () => 'passed',
      (error) => `failed: ${error?.stack ?? error}`,
    );
    report.push({ name, said });
  }
  return report;
}

const bundle = await build({
  stdin: {
    contents: `export * from './dist/esm/index.js';
      export { from, lastValueFrom, of, range, reduce, toArray } from 'rxjs';`,
    resolveDir: fileURLToPath(new URL('..', import.meta.url)),
  },
  bundle: true,
  platform: 'browser',
  format: 'iife',
  globalName: 'app',
  write: false,
});
const script = `${bundle.outputFiles[0].text}
addEventListener('error', ({ message }) => post([{ name: 'the page', said: message }]));
addEventListener('unhandledrejection', ({ reason }) => post([{ name: 'the page', said: String(reason) }]));
function post(report) { return fetch('/report', { method: 'POST', body: JSON.stringify(report) }); }
(${checkAll})().then(post);`;

let onReport;
const reported = new Promise((resolve) => (onReport = resolve));
const server = createServer(async (request, response) => {
  if (request.url === '/report') {
    let body = '';
    for await (const chunk of request) body += chunk;
    onReport(JSON.parse(body));
    response.end();
  } else if (request.url === '/')
    response.setHeader('content-type', 'text/html').end('<script src="/script.js"></script>');
  else if (request.url === '/script.js') response.setHeader('content-type', 'text/javascript').end(script);
  else response.writeHead(404).end();
});
await once(server.listen(0, '127.0.0.1'), 'listening');

const profile = await mkdtemp(join(tmpdir(), 'chromium-'));
const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', `--user-data-dir=${profile}`];
const child = spawn(browser, [...flags, `http://127.0.0.1:${server.address().port}/`], { stdio: 'ignore' });
const ended = once(child, 'exit');
const timer = setTimeout(() => onReport([{ name: 'the browser', said: `no report within ${PATIENCE} ms` }]), PATIENCE);
ended.then(() => onReport([{ name: 'the browser', said: 'ended without a report' }]));

const report = await reported;
clearTimeout(timer);
child.kill();
await ended;
server.close();
server.closeAllConnections();
await rm(profile, { recursive: true, force: true, maxRetries: 10 });

const failures = report.filter(({ said }) => said !== 'passed');
for (const { name, said } of failures) console.error(`✗ ${name}: ${said}`);
if (failures.length > 0) exit(1);
console.log(`Chromium: ${report.length} checks passed`);
