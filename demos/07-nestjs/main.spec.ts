// Run by `npm test` in this folder, which needs what `npm ci` installs there; .ci/run does both.
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';

describe('demo 07, a NestJS service', () => {
  it('answers at once, refuses what finds no place, and sends all that it accepted before it ends', () => {
    const args = ['-r', 'ts-node/register/transpile-only', 'main.ts'];
    const { stdout, stderr, signal } = spawnSync(process.execPath, args, { cwd: __dirname, encoding: 'utf8' });
    expect(stdout.trimEnd().split('\n'), stderr).to.deep.equal([
      'POST /mails Ada: 202',
      'POST /mails Bob: 202',
      'POST /mails Cleo: 202',
      'POST /mails Dan: 202',
      'POST /mails Eve: 202',
      'POST /mails Flo: 503',
      'SIGTERM: 2 running, 3 queued',
      'sent Ada',
      'sent Bob',
      'sent Cleo',
      'sent Dan',
      'sent Eve',
      'drain: 5 sent, 0 lost',
    ]);
    expect(signal, 'Nest ends the process by the signal that it was sent').to.equal('SIGTERM');
  });
});
