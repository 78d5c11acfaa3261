#!/usr/bin/env bash
# The packed tarball as its users meet it: from CommonJS, ES modules and TypeScript 5.4, 5.9, 6 and 7 (nodenext, bundler; with and
# without @types/node), and in a bundle for browsers, which runs without Node's globals.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tarball=$(cd "$root" && npm pack --silent --pack-destination "$work")
cd "$work"
echo '{ "private": true }' > package.json
npm install --silent --no-audit --no-fund "./$tarball" "rxjs@7.8.2" "@types/node@20" "esbuild@0.28" \
  "typescript-5.4@npm:typescript@5.4.5" "typescript-5.9@npm:typescript@5.9.3" \
  "typescript-6@npm:typescript@6.0.3" "typescript-7@npm:typescript@7.0.2"

cat > use.cjs <<'JS'
const { from, lastValueFrom, toArray } = require('rxjs');
const { workerPool } = require('rxjs-background-jobs');
const { adaptiveWorkers } = require('rxjs-background-jobs/adaptive');
adaptiveWorkers({ min: 1, max: 8 }).subscribe((limit) => {
  if (limit !== 1) throw new Error(`CommonJS, adaptive: ${limit}`);
});
lastValueFrom(from([1, 2]).pipe(workerPool(async (x) => x * 2, { workers: 2, buffer: 2 }), toArray())).then((r) => {
  if (String(r) !== '2,4') throw new Error(`CommonJS: ${r}`);
});
// Node gives require and import one copy: a class of one is a class of the other.
const { BackgroundJobs, BufferOverflowError } = require('rxjs-background-jobs');
import('rxjs-background-jobs').then((imported) => {
  if (imported.BackgroundJobs !== BackgroundJobs) throw new Error('require and import give two copies');
  if (!(new imported.BufferOverflowError(1, 'job') instanceof BufferOverflowError)) throw new Error('instanceof');
});
JS
cat > use.mjs <<'JS'
import { from, lastValueFrom, toArray } from 'rxjs';
import { BackgroundJobs, workerPool } from 'rxjs-background-jobs';
import { adaptiveWorkers } from 'rxjs-background-jobs/adaptive';
adaptiveWorkers({ min: 1, max: 8 }).subscribe((limit) => {
  if (limit !== 1) throw new Error(`ES modules, adaptive: ${limit}`);
});
const r = await lastValueFrom(from([1, 2]).pipe(workerPool(async (x) => x * 2, { workers: 2, buffer: 2 }), toArray()));
if (String(r) !== '2,4') throw new Error(`ES modules: ${r}`);
await new BackgroundJobs(async (x) => x, { workers: 1, buffer: 1 }).shutdown();
JS
cat > use.ts <<'TS'
import { from, Observable } from 'rxjs';
import { BackgroundJobs, fromSignals, gracefulShutdown, pullThrough, workerPool, workerPoolSettled } from 'rxjs-background-jobs';
import type { JobHooks, JobOutcome } from 'rxjs-background-jobs';
import { adaptiveWorkers } from 'rxjs-background-jobs/adaptive';
import type { AdaptiveWorkers, AdaptiveWorkersConfig } from 'rxjs-background-jobs/adaptive';

const limits: AdaptiveWorkersConfig = { min: 1, max: 8, initial: undefined, algorithm: 'gradient', tolerance: 1.2 };
const adaptive: AdaptiveWorkers = adaptiveWorkers(limits);
const limit: Observable<number> = adaptive;
const learning: JobHooks<string, number> = adaptive;
const doubled: Observable<number> = from([1]).pipe(workerPool(async (x) => x * 2, { workers: 1, buffer: 1 }));
const settled: Observable<JobOutcome<number, string>> = from([1]).pipe(
  workerPoolSettled(async (x) => String(x), { workers: 1, buffer: 1, overflow: undefined }),
);
const jobs = new BackgroundJobs(async (name: string, { signal }) => (signal.aborted ? 0 : name.length), { workers: 1, buffer: 1 });
const length: Promise<number> = jobs.submit('abc');
const through: AsyncIterable<number> = pullThrough([1], async (x) => x, { workers: 1, buffer: 0 });
gracefulShutdown({ on: fromSignals('SIGTERM'), deadline: 1000 });
// @ts-expect-error a job's name is a string
jobs.offer(1);

// Explicit type arguments are those of the job and of its result.
class Lengths extends BackgroundJobs<string, number> {
  constructor() {
    super(async (name, { signal }) => (signal.aborted ? 0 : name.length), { workers: 1, buffer: 1 });
  }
}
const explicit: Observable<number> = from(['a']).pipe(workerPool<string, number>(async (x) => x.length, { workers: 1, buffer: 1 }));
const wrap = <J, R>(work: (job: J) => Promise<R>): BackgroundJobs<J, R> => new BackgroundJobs<J, R>(work, { workers: 1, buffer: 1 });
const wrapped: Promise<string> = wrap(async (n: number) => String(n)).submit(1);
export { doubled, explicit, learning, length, Lengths, limit, settled, through, wrapped };
TS
cat > body.ts <<'TS'
import type { Observable } from 'rxjs';
import { pullFrom, pullThrough, workerPool } from 'rxjs-background-jobs';

declare const response: Response;
const config = { workers: 1, buffer: 0, shutdown: new AbortController().signal };
const sizes: Observable<number> = pullFrom(response.body!).pipe(workerPool(async (chunk) => chunk.byteLength, config));
const through: AsyncIterable<number> = pullThrough(response.body!, async (chunk) => chunk.byteLength, config);
export { sizes, through };
TS
# Work that returns what it may not: each of these lines is refused, and the compiler says by what.
cat > wrong.ts <<'TS'
import { BackgroundJobs, pullThrough, workerPool, workerPoolSettled } from 'rxjs-background-jobs';
const config = { workers: 1, buffer: 0 };
export const made = [
  workerPool((name: string) => name, config),
  workerPool<string, string>((name) => name, config),
  workerPoolSettled((name: string) => (name === '' ? Promise.resolve(name) : name), config),
  workerPoolSettled((name: string) => void name, config),
  pullThrough(['a'], (name) => name.length, config),
  new BackgroundJobs((name: string) => name, config),
  new BackgroundJobs<string, string>((name) => name, config),
];
TS
node use.cjs
node use.mjs
# The oldest TypeScript that is allowed, the last of its line, the one that the package is built with, and the newest.
for version in 5.4 5.9 6 7; do
  tsc=(node "node_modules/typescript-$version/bin/tsc" --noEmit --strict --exactOptionalPropertyTypes --target es2022)
  for types in '--types node' ''; do # none is the default since TypeScript 6
    # shellcheck disable=SC2086
    "${tsc[@]}" $types --lib es2023,dom --module nodenext use.ts
    # shellcheck disable=SC2086
    "${tsc[@]}" $types --lib es2023,dom --module esnext --moduleResolution bundler use.ts
  done
  # In these libs a ReadableStream is no AsyncIterable before TypeScript 6.
  "${tsc[@]}" --lib es2022,dom --module esnext --moduleResolution bundler body.ts
  "${tsc[@]}" --lib es2022,dom --module nodenext --pretty false wrong.ts > said && { echo "TypeScript $version accepts wrong.ts"; exit 1; }
  grep "type 'never'" said && { echo "TypeScript $version says 'never'"; exit 1; }
  for line in 4 5 6 7 8 9 10; do
    grep -q "^wrong.ts($line," said || { echo "TypeScript $version accepts wrong.ts, line $line"; exit 1; }
  done
  [[ $(grep -cE "type '(PromiseOrObservableOf|PromiseLike)<[a-z]+>'\.$" said) -ge 7 ]] || { cat said; exit 1; }
done

cat > browser.mjs <<'JS'
export * from 'rxjs-background-jobs';
export { from, lastValueFrom, toArray } from 'rxjs';
JS
npx esbuild browser.mjs --bundle --platform=browser --format=iife --global-name=app --outfile=browser.js --log-level=warning
cat > run-browser.cjs <<'JS'
// The bundle in a realm that has what a browser has, and nothing of Node: a require or a process would throw.
const { readFileSync } = require('node:fs');
const { createContext, runInContext } = require('node:vm');
const realm = createContext({ setTimeout, clearTimeout, setInterval, clearInterval, MessageChannel, AbortController, performance, queueMicrotask });
runInContext(readFileSync('browser.js', 'utf8'), realm);
const program = `(async () => {
  const { from, fromSignals, lastValueFrom, toArray, workerPool } = app;
  const results = await lastValueFrom(from([1, 2]).pipe(workerPool(async (x) => x * 2, { workers: 2, buffer: 2 }), toArray()));
  const error = await new Promise((resolve) => fromSignals('SIGTERM').subscribe({ error: resolve }));
  return [String(results), error.message];
})()`;
runInContext(program, realm).then(([results, message]) => {
  if (results !== '2,4' || !message.includes('no process')) throw new Error(`browser: ${results}; ${message}`);
});
JS
node run-browser.cjs

for entry in workerPool BackgroundJobs '*'; do
  [[ $entry == '*' ]] && line="export * from 'rxjs-background-jobs'" || line="export { $entry } from 'rxjs-background-jobs'"
  echo "$line" > size.mjs
  bytes=$(npx esbuild size.mjs --bundle --minify --format=esm --external:rxjs --log-level=warning | gzip -9 | wc -c)
  echo "size of $entry without rxjs: $bytes bytes (gzip)"
  [[ $entry != workerPool || $bytes -le 18432 ]] || { echo "workerPool alone must stay within 18432 bytes"; exit 1; }
done
echo "the package works from CommonJS, ES modules, TypeScript and a browser's bundle"
