// A Redis server of one's own: on a free port, in a temporary folder, gone with the process that has started it.
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** What to install where there is no Redis. */
export const INSTALL = 'there is no Redis server here: apt-get install redis-tools (or redis-server, or valkey-server)';

// In Debian's redis-tools there is one binary under many names. It is the server if it is called so.
const PROGRAMS: readonly (readonly [file: string, argv0: string])[] = [
  ['redis-check-rdb', 'redis-server'],
  ['redis-server', 'redis-server'],
  ['valkey-server', 'valkey-server'],
];

const program = PROGRAMS.find(([file, argv0]) => {
  return /server v=/.test(spawnSync(file, ['--version'], { argv0, encoding: 'utf8' }).stdout ?? '');
});

export const hasRedis: boolean = program !== undefined;

export class Redis {
  readonly port: number;
  private readonly folder: string;
  private server!: ChildProcess;
  private readonly onExit = (): void => {
    this.server.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  };

  private constructor(port: number) {
    this.port = port;
    this.folder = mkdtempSync(join(tmpdir(), 'redis-'));
    process.on('exit', this.onExit);
  }

  static async start(): Promise<Redis> {
    if (program === undefined) throw new Error(INSTALL);
    const redis = new Redis(await freePort());
    await redis.restart();
    return redis;
  }

  /** Starts it where it was, with its data: every write is in its file before it is answered. */
  async restart(): Promise<void> {
    const [file, argv0] = program!;
    const folder = ['--dir', this.folder, '--save', '', '--appendonly', 'yes', '--appendfsync', 'no'];
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--maxmemory-policy', 'noeviction', ...folder];
    this.server = spawn(file, args, { argv0, stdio: 'ignore' });
    while (!(await answers(this.port))) await nextTurn();
  }

  signal(name: NodeJS.Signals): void {
    this.server.kill(name);
  }

  /** It is gone when this resolves. */
  async kill(): Promise<void> {
    const exit = once(this.server, 'exit');
    this.server.kill('SIGKILL');
    await exit;
  }

  async stop(): Promise<void> {
    await this.kill();
    process.off('exit', this.onExit);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Whether a Redis that has its data answers at this port. */
export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const end = (isThere: boolean): void => {
      socket.destroy();
      resolve(isThere);
    };
    socket.once('data', (reply) => end(String(reply).startsWith('+PONG')));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
