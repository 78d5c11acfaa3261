// The five overflow policies side by side: the same six jobs, one worker, two places to wait. The name says who is lost.
// In virtual time, so the pictures are exact; a frame is a millisecond. Under 'error' the results end with job d, which found
// no place; a, which runs, and b and c, which wait, are lost with it.
//
// Run it with: node -r ts-node/register/transpile-only demos/03-overflow.ts
import { delay, materialize, of } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { workerPool } from '../src/index.js';
import type { JobOutcome, Overflow } from '../src/index.js';

const SOURCE = '-a-b-c-d-e-f-|';
const POLICIES: readonly Overflow[] = ['error', 'drop-incoming', 'drop-oldest', 'replace-newest', 'clear'];

/** What happened at which frame; what happens at the same one is drawn as a group, as in RxJS's own marbles. */
class Line {
  private readonly frames = new Map<number, string>();

  add(frame: number, mark: string): void {
    this.frames.set(frame, (this.frames.get(frame) ?? '') + mark);
  }

  toString(): string {
    return [...this.frames].reduce((line, [frame, marks]) => {
      return line.padEnd(frame, '-') + (marks.length > 1 ? `(${marks})` : marks);
    }, '');
  }
}

function run(overflow: Overflow): { output: Line; lost: Line } {
  const output = new Line();
  const lost = new Line();
  const clock = new TestScheduler(() => undefined);
  clock.run(({ cold }) => {
    const settled = ({ job, status }: JobOutcome<string, string>): void => {
      if (status !== 'completed') lost.add(clock.now(), job);
    };
    cold(SOURCE)
      .pipe(
        workerPool((job) => of(job).pipe(delay(12)), { workers: 1, buffer: 2, overflow, hooks: { settled } }),
        materialize(),
      )
      .subscribe(({ kind, value }) => output.add(clock.now(), { N: value ?? '', E: '#', C: '|' }[kind]));
  });
  return { output, lost };
}

const row = (name: string, line: unknown): void => console.log(`${name.padEnd(16)}${String(line)}`);

console.log('1 worker, buffer: 2, jobs of 12 frames; # is the error\n');
row('source', SOURCE);
for (const overflow of POLICIES) {
  const { output, lost } = run(overflow);
  console.log();
  row(overflow, output);
  row('  lost', lost);
}
