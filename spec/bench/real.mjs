// Jobs as services have them: where the work costs something, the pool's own cost stops to matter.
import { scrypt } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Agent, createServer, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';

const derive = promisify(scrypt);

/** Each prepares its work, and answers `{ work, jobs, close }`: so many jobs are a burst. */
export const real = {
  'a 1 ms timer': () => ({ jobs: 2000, work: () => setTimeout(1), close: () => undefined }),
  'a file of 4 KB is read': () => {
    const folder = mkdtempSync(join(tmpdir(), 'bench-'));
    const path = join(folder, 'file');
    writeFileSync(path, Buffer.alloc(4096));
    return { jobs: 2000, work: () => readFile(path), close: () => rmSync(folder, { recursive: true }) };
  },
  'a GET from a local server': async () => {
    const server = createServer((_request, response) => response.end('ok'));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const { port } = server.address();
    const work = () =>
      new Promise((resolve, reject) => {
        get({ host: '127.0.0.1', port, agent }, (response) => response.resume().on('end', resolve)).on('error', reject);
      });
    const close = () => {
      agent.destroy();
      server.close();
    };
    return { jobs: 1000, work, close };
  },
  'scrypt, 16 MB': () => ({ jobs: 16, work: () => derive('password', 'salt', 32), close: () => undefined }),
};
