// SHA-256 of every file under a folder, eight files at a time: names are pulled when there is a worker for them and contents
// are streamed, so a million files need as little memory as ten.
//
// Ctrl-C finishes the files that are open and reports, whatever it does at that moment; again aborts them.
//
// Run it with: node -r ts-node/register/transpile-only demos/04-hash-files.ts [folder]
import { createHash } from 'node:crypto';
import { accessSync, constants, createReadStream } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { SingleBar } from 'cli-progress';
import { share, take } from 'rxjs';
import { fromSignals, gracefulShutdown, PoolMonitor, pullFrom, workerPoolSettled } from '../src/index.js';
import type { JobContext, JobOutcome } from '../src/index.js';

interface Hashed {
  readonly digest: string;
  readonly bytes: number;
}

/**
 * A folder that cannot be read is given out as if it were a file, and fails as a file that cannot be read does. The signal
 * ends the walk also where it finds no file for a long time.
 */
async function* filesUnder(path: string, signal: AbortSignal): AsyncGenerator<string> {
  const folder = await opendir(path).catch(() => undefined);
  if (folder === undefined) yield path;
  for await (const entry of folder ?? []) {
    if (signal.aborted) return;
    if (entry.isDirectory()) yield* filesUnder(join(path, entry.name), signal);
    else if (entry.isFile()) yield join(path, entry.name);
  }
}

async function hashFile(path: string, { signal }: JobContext): Promise<Hashed> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path, { signal }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { digest: hash.digest('hex'), bytes };
}

async function hashAll(root: string): Promise<void> {
  const { isTTY } = process.stderr;
  const monitor = new PoolMonitor({ interval: isTTY ? 100 : 1000 });
  const walking = new AbortController();
  const firstFailures: string[] = [];
  const combined = Buffer.alloc(32);
  let bytes = 0;
  let peakHeap = 0;
  let stopping = '';

  const add = (outcome: JobOutcome<string, Hashed>): void => {
    if (outcome.status === 'failed' && firstFailures.length < 10) firstFailures.push(String(outcome.error));
    if (outcome.status !== 'completed') return;
    bytes += outcome.value.bytes;
    // Files end in any order, so it must not matter: the lines that sha256sum prints, hashed again and combined by xor.
    const line = `${outcome.value.digest}  ${relative(root, outcome.job)}\n`;
    const hash = createHash('sha256').update(line).digest();
    hash.forEach((byte, i) => (combined[i]! ^= byte));
  };

  // A line that is written over. How long a bar should be nobody knows before the whole folder has been walked.
  const status = new SingleBar({ format: '{duration_formatted} {progress}', gracefulExit: false });
  if (isTTY) status.start(0, 0, { progress: '' });

  const showProgress = (): void => {
    peakHeap = Math.max(peakHeap, process.memoryUsage().heapUsed);
    const { completed, running } = monitor.stats;
    const progress = `${stopping}${megabytes(bytes)}, ${completed} files, ${running} open`;
    if (isTTY) status.update(completed, { progress });
    else console.log(progress);
  };

  const shutdown = gracefulShutdown({ on: fromSignals('SIGINT', 'SIGTERM'), deadline: 10_000 }).pipe(share());
  shutdown.pipe(take(1)).subscribe(() => {
    walking.abort();
    stopping = 'finishing what is open: ';
    showProgress();
  });

  const progress = monitor.stats$.subscribe(showProgress);
  await pullFrom(filesUnder(root, walking.signal))
    .pipe(workerPoolSettled(hashFile, { workers: 8, buffer: 8, shutdown, hooks: monitor }))
    .forEach(add);
  progress.unsubscribe();
  showProgress();
  status.stop();

  const counts = monitor.stats;
  console.log(`files      ${counts.completed}${stopping && ' until it was stopped'}`);
  console.log(`failed     ${counts.failed}`);
  for (const failure of firstFailures) console.log(`  ${failure}`);
  console.log(`aborted    ${counts.aborted}`);
  console.log(`bytes      ${bytes}`);
  console.log(`digest     ${combined.toString('hex')}`);
  console.log(`peak heap  ${megabytes(peakHeap)}`);
}

const megabytes = (count: number): string => `${(count / 1e6).toFixed(1)} MB`;

const root = resolve(process.argv[2] ?? join(__dirname, '..'));
try {
  accessSync(root, constants.R_OK);
  void hashAll(root);
} catch (error) {
  console.error(`cannot read the folder: ${(error as Error).message}`);
  process.exitCode = 1;
}
