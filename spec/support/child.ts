// A program in a process of its own. Nothing here waits for a time: a line, a message or the end is what is waited for.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { filter, firstValueFrom, ReplaySubject, throwIfEmpty } from 'rxjs';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Whether the kernel tells about other processes, as Linux does. */
export const hasProc: boolean = process.platform === 'linux';

const root = join(__dirname, '../..');
const living = new Set<Child>();

/** For `afterEach`: what hangs does not outlive its spec. */
export async function killChildren(): Promise<void> {
  for (const child of living) child.kill();
  await Promise.all([...living].map((child) => child.exit));
}

/** Starts a demo, as a user does. */
export function startDemo(name: string, ...args: string[]): Child {
  return new Child(process.execPath, [...program(`demos/${name}.ts`), ...args], 'pipe');
}

/** Starts a program of `fixtures`, and waits until it has said that it is ready. */
export async function startFixture(name: string, ...args: string[]): Promise<Child> {
  const child = new Child(process.execPath, [...program(`spec/support/fixtures/${name}.ts`), ...args], 'ipc');
  await child.ready;
  return child;
}

/** As {@link startFixture}, as the first process of a PID namespace, as in a container. The child is its parent. */
export async function startFixtureAsPid1(name: string): Promise<Child> {
  const flags = ['--pid', '--fork', '--kill-child', process.execPath];
  const child = new Child('unshare', [...flags, ...program(`spec/support/fixtures/${name}.ts`)], 'ipc');
  await child.ready;
  return child;
}

function program(path: string): string[] {
  return ['-r', 'ts-node/register/transpile-only', join(root, path)];
}

export class Child {
  readonly pid: number;
  /** What it has printed so far, its errors too. */
  readonly lines: string[] = [];
  /** Resolves when it has ended and all that it has written is in {@link lines}. */
  readonly exit: Promise<Exit>;
  /** Resolves with the first message, rejects when it ends without one. Only for a child with a channel. */
  readonly ready: Promise<unknown>;

  private readonly process: ChildProcess;
  private readonly isGroup: boolean;
  private readonly printed = new ReplaySubject<string>(Infinity);

  constructor(command: string, args: readonly string[], channel: 'ipc' | 'pipe') {
    // A demo may have children of its own: they are one group, and go together.
    this.isGroup = channel === 'pipe' && process.platform !== 'win32';
    this.process = spawn(command, args, {
      cwd: root,
      stdio: ['pipe', 'pipe', 'pipe', channel],
      detached: this.isGroup,
    });
    this.pid = this.process.pid!;
    this.printed.subscribe((line) => this.lines.push(line));
    for (const stream of [this.process.stdout!, this.process.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => this.printed.next(line));
    }
    living.add(this);
    this.exit = new Promise((resolve) => {
      this.process.once('close', (code, signal) => {
        living.delete(this);
        this.printed.complete();
        resolve({ code, signal });
      });
    });
    this.ready = Promise.race([
      once(this.process, 'message'),
      this.exit.then(() => Promise.reject(this.missed('a message'))),
    ]);
    this.ready.catch(() => undefined);
  }

  /** With all that it has started, where it is a demo. */
  kill(): void {
    if (!this.isGroup) return this.signal('SIGKILL');
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      // All of them have ended, and only their last lines have yet to be read.
    }
  }

  /** Resolves with the first line that matches, printed already or not yet; rejects when the child ends without one. */
  waitForLine(pattern: RegExp): Promise<string> {
    return firstValueFrom(
      this.printed.pipe(
        filter((line) => pattern.test(line)),
        throwIfEmpty(() => this.missed(String(pattern))),
      ),
    );
  }

  signal(name: NodeJS.Signals): void {
    this.process.kill(name);
  }

  /** Writes a line to its standard input. */
  type(line: string): void {
    this.process.stdin!.write(`${line}\n`);
  }

  /** Sends SIGSTOP, and waits until the kernel has stopped every one of its threads. */
  async stop(): Promise<void> {
    this.signal('SIGSTOP');
    const tasks = `/proc/${this.pid}/task`;
    while (readdirSync(tasks).some((task) => !/^State:\tT/m.test(readFileSync(`${tasks}/${task}/status`, 'utf8')))) {
      await nextTurn();
    }
  }

  /** Waits until the kernel knows of no handler for `name`: the next one would have its default action. */
  async stopsListeningTo(name: NodeJS.Signals): Promise<void> {
    const bit = 1n << BigInt(constants.signals[name] - 1);
    while ((this.caughtSignals() & bit) !== 0n) await nextTurn();
  }

  private caughtSignals(): bigint {
    const [, mask] = /^SigCgt:\t(\w+)$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))!;
    return BigInt(`0x${mask}`);
  }

  private missed(what: string): Error {
    return new Error(`the child ended without ${what}; it printed:\n${this.lines.join('\n')}`);
  }
}
