// A scheduler that loses nothing it took on. Each SIGTERM is a job; SIGINT drains, a second one aborts, a third abandons.
//
//   npm start                  prints what to type in another terminal
//   npm start -- --ms 500      how long a job takes
//   npm start -- --self 20     sends itself 20 SIGTERMs and a SIGINT: the whole life in one command
import { parseArgs } from 'node:util';
import { map, share, skipUntil, startWith, take, timer } from 'rxjs';
import type { Observable } from 'rxjs';
import { fromSignals, gracefulShutdown, surviveSignals, workerPoolSettled } from '../src/index.js';
import type { JobContext } from '../src/index.js';

interface Arguments {
  readonly ms: number;
  readonly self: number | undefined;
}

const FATES = ['completed', 'aborted', 'dropped (full)', 'dropped (shutdown)', 'dropped (closed)'];

function schedule({ ms, self }: Arguments): void {
  const job$ = fromSignals('SIGTERM').pipe(
    map((_, i) => i + 1),
    share(),
  );
  const shutdown$ = gracefulShutdown({ on: fromSignals('SIGINT'), deadline: 10_000 }).pipe(share());

  let offered = 0;
  const fates = new Map(FATES.map((fate) => [fate, 0]));
  const workers = new Set<number>();

  const work = (job: number, { worker }: JobContext): Observable<unknown> => {
    workers.add(worker);
    console.log(`job ${job} starting on worker ${worker}`);
    return timer(ms);
  };
  const end = (job: number, fate: string): void => {
    fates.set(fate, (fates.get(fate) ?? 0) + 1);
    console.log(`job ${job} ${fate}`);
  };

  // The pool lets go of its source when the drain begins; from then on a SIGTERM is a job that came too late.
  job$.subscribe((job) => {
    offered = job;
    console.log(`job ${job} offered`);
  });
  job$.pipe(skipUntil(shutdown$)).subscribe((job) => end(job, 'dropped (closed)'));

  void job$
    .pipe(
      workerPoolSettled(work, { workers: 5, buffer: 10, overflow: 'drop-incoming', shutdown: shutdown$ }),
      surviveSignals('SIGTERM'), // and the process stays alive, until the last job has ended
    )
    .forEach(({ job, ...outcome }) => {
      end(job, outcome.status === 'dropped' ? `dropped (${outcome.reason})` : outcome.status);
    })
    .then(() => {
      for (const worker of workers) console.log(`worker ${worker} closing`);
      console.log(`offered ${offered}`);
      for (const [fate, count] of fates) console.log(`  ${count} ${fate}`);
      console.log('exiting');
    });
  // Subscribed after the pool, which has ended its intake when this one hears of it.
  shutdown$.pipe(take(1)).subscribe(() => console.log('draining'));

  console.log(`Process ID ${process.pid}`);
  console.log(`  kill -TERM ${process.pid}    in another terminal adds a job: five run, ten wait, more are dropped`);
  console.log(`  kill -INT ${process.pid}     (or Ctrl-C here) drains, once more aborts, and once more abandons`);
  console.log('ready');

  if (self === undefined) return;
  // Signals that are pending are not counted, but merged: so the next one is sent when the last has arrived.
  job$.pipe(startWith(0), take(self + 1)).subscribe((arrived) => {
    process.kill(process.pid, arrived < self ? 'SIGTERM' : 'SIGINT');
  });
}

function readArguments(): Arguments | undefined {
  try {
    const { values } = parseArgs({ options: { ms: { type: 'string', default: '3000' }, self: { type: 'string' } } });
    for (const [name, value] of Object.entries(values)) {
      if (!/^\d+$/.test(value)) throw new TypeError(`--${name} must be a whole number, but is '${value}'`);
    }
    return { ms: Number(values.ms), self: values.self === undefined ? undefined : Number(values.self) };
  } catch (error) {
    console.error(`${(error as Error).message}\nusage: npm start -- [--ms MILLISECONDS] [--self SIGNALS]`);
    process.exitCode = 2;
    return undefined;
  }
}

const given = readArguments();
if (given !== undefined) schedule(given);
