// What a process goes through with real signals: the programs are in support/fixtures.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { hasProc, killChildren, startFixture, startFixtureAsPid1 } from './support/child.js';

const cleanExit = { code: 0, signal: null };
const onLinux = hasProc ? it : it.skip;

afterEach(killChildren);

describe('a process that listens for work', () => {
  describe('levels of the shutdown', () => {
    it('drains at the first signal, and survives and counts the jobs that come meanwhile', async () => {
      const child = await startFixture('jobs', 'stream');
      child.signal('SIGTERM');
      await child.waitForLine(/^started 1$/);
      child.signal('SIGINT');
      await child.waitForLine(/^drain$/);
      for (const job of [2, 3]) {
        child.signal('SIGTERM');
        await child.waitForLine(new RegExp(`^refused ${job}$`));
      }
      child.signal('SIGUSR2');
      expect(await child.exit).to.deep.equal(cleanExit);
      expect(child.lines).to.deep.equal([
        'started 1',
        'drain',
        'refused 2',
        'refused 3',
        'completed 1',
        'ended, 3 offered',
      ]);
    });

    it('aborts at the second: a stream ends at once', async () => {
      const child = await startFixture('jobs', 'stream');
      child.signal('SIGTERM');
      await child.waitForLine(/^started 1$/);
      child.signal('SIGINT');
      await child.waitForLine(/^drain$/);
      child.signal('SIGINT');
      expect(await child.exit).to.deep.equal(cleanExit);
      expect(child.lines.slice(2)).to.deep.equal(['abort', 'aborted 1, settled: true', 'ended, 1 offered']);
    });

    it('waits after the second for a promise that does not listen, and believes what it says', async () => {
      const child = await startFixture('jobs', 'promise');
      child.signal('SIGTERM');
      await child.waitForLine(/^started 1$/);
      child.signal('SIGINT');
      await child.waitForLine(/^drain$/);
      child.signal('SIGINT');
      await child.waitForLine(/^abort$/);
      child.signal('SIGUSR2');
      expect(await child.exit).to.deep.equal(cleanExit);
      expect(child.lines.slice(3)).to.deep.equal(['completed 1', 'ended, 1 offered']);
    });

    it('waits for nothing after the third', async () => {
      const child = await startFixture('jobs', 'promise');
      child.signal('SIGTERM');
      await child.waitForLine(/^started 1$/);
      for (const level of ['drain', 'abort']) {
        child.signal('SIGINT');
        await child.waitForLine(new RegExp(`^${level}$`));
      }
      child.signal('SIGINT');
      expect(await child.exit).to.deep.equal(cleanExit);
      expect(child.lines.slice(3)).to.deep.equal(['abandon', 'aborted 1, settled: false', 'ended, 1 offered']);
    });
  });

  describe('how signals arrive', () => {
    onLinux('has one job for any number of signals that came while it was stopped', async () => {
      const child = await startFixture('jobs', 'stream');
      await child.stop();
      for (let i = 0; i < 100; i++) child.signal('SIGTERM');
      child.signal('SIGCONT');
      await child.waitForLine(/^started 1$/);
      child.signal('SIGINT');
      await child.waitForLine(/^drain$/);
      child.signal('SIGUSR2');
      expect(await child.exit).to.deep.equal(cleanExit);
      expect(child.lines).to.deep.equal(['started 1', 'drain', 'completed 1', 'ended, 1 offered']);
    });

    it('receives the signal that came while its event loop was blocked', async () => {
      const child = await startFixture('blocked');
      await child.waitForLine(/^blocked$/);
      child.signal('SIGTERM');
      child.type('go on');
      expect(await child.exit).to.deep.equal(cleanExit);
      expect(child.lines).to.deep.equal(['blocked', 'free', 'received SIGTERM']);
    });

    it('dies of the signal again when the last listener has gone', async () => {
      const child = await startFixture('once');
      child.signal('SIGTERM');
      await child.waitForLine(/^no longer listening$/);
      child.signal('SIGTERM');
      expect(await child.exit).to.deep.equal({ code: null, signal: 'SIGTERM' });
    });

    // Needs the right to make a namespace, which a container usually does not have.
    const unshare = hasProc && spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0;
    (unshare ? it : it.skip)(
      'receives, drains and ends with its own code as the first process of a container',
      async () => {
        const unsharing = await startFixtureAsPid1('jobs');
        const pid1 = Number(readFileSync(`/proc/${unsharing.pid}/task/${unsharing.pid}/children`, 'utf8'));
        expect(readFileSync(`/proc/${pid1}/status`, 'utf8')).to.match(/^NSpid:.*\t1$/m);
        process.kill(pid1, 'SIGTERM');
        await unsharing.waitForLine(/^started 1$/);
        process.kill(pid1, 'SIGINT');
        await unsharing.waitForLine(/^drain$/);
        process.kill(pid1, 'SIGTERM');
        await unsharing.waitForLine(/^refused 2$/);
        process.kill(pid1, 'SIGUSR2');
        expect(await unsharing.exit).to.deep.equal(cleanExit);
        expect(unsharing.lines.slice(3)).to.deep.equal(['completed 1', 'ended, 2 offered']);
      },
    );

    it('is told in a worker thread that no signal arrives there', async () => {
      const child = await startFixture('thread');
      expect(await child.exit).to.deep.equal(cleanExit);
      expect(child.lines).to.have.lengthOf(1);
      expect(child.lines[0]).to.match(/^Error: fromSignals: signals never arrive in a worker thread/);
    });
  });

  describe('beside others', () => {
    it('leaves the other listeners alone', async () => {
      const child = await startFixture('others');
      child.signal('SIGTERM');
      await child.waitForLine(/^ours$/);
      child.signal('SIGINT');
      await child.waitForLine(/^ours ended$/);
      child.signal('SIGTERM');
      expect(await child.exit).to.deep.equal(cleanExit);
      expect(child.lines).to.deep.equal(['theirs 1', 'ours', 'ours ended', 'theirs 2']);
    });

    it('gives each of two pools every signal, and the second goes on when the first has ended', async () => {
      const child = await startFixture('twoPools');
      child.signal('SIGTERM');
      await child.waitForLine(/^second 1$/);
      child.signal('SIGINT');
      await child.waitForLine(/^first ended$/);
      child.signal('SIGTERM');
      await child.waitForLine(/^second 2$/);
      child.signal('SIGUSR2');
      expect(await child.exit).to.deep.equal(cleanExit);
      expect(child.lines).to.deep.equal(['first 1', 'second 1', 'first ended', 'second 2', 'second ended']);
    });
  });

  describe('surviveSignals', () => {
    it('is all that it takes to survive a SIGTERM during the drain, and to end by itself', async () => {
      const child = await startFixture('survive');
      child.signal('SIGTERM');
      await child.waitForLine(/^started 1$/);
      child.signal('SIGINT');
      await child.waitForLine(/^draining$/);
      child.signal('SIGTERM');
      child.signal('SIGUSR2');
      expect(await child.exit).to.deep.equal(cleanExit);
      expect(child.lines).to.deep.equal(['started 1', 'draining', 'completed 1', 'ended']);
    });

    it('leaves a second Ctrl-C its default action', async () => {
      const child = await startFixture('survive');
      child.signal('SIGTERM');
      await child.waitForLine(/^started 1$/);
      child.signal('SIGINT');
      await child.waitForLine(/^draining$/);
      child.signal('SIGINT');
      expect(await child.exit).to.deep.equal({ code: null, signal: 'SIGINT' });
    });

    it('leaves nothing that would keep a framework from dying of the signal that it raises again', async () => {
      const child = await startFixture('framework', 'handle');
      child.signal('SIGTERM');
      expect(await child.exit).to.deep.equal({ code: null, signal: 'SIGTERM' });
      expect(child.lines).to.deep.equal(['3 completed, listeners: 1']);
    });

    it('lets finalize raise the signal again', async () => {
      const child = await startFixture('framework', 'finalize');
      child.signal('SIGTERM');
      expect(await child.exit).to.deep.equal({ code: null, signal: 'SIGTERM' });
      expect(child.lines).to.deep.equal(['completed 1', 'listeners: 0']);
    });
  });

  describe('the end', () => {
    it('stays for the deadline and the grace, and ends by itself after them', async () => {
      const child = await startFixture('deadline');
      expect(await child.exit).to.deep.equal(cleanExit);
      expect(child.lines).to.deep.equal(['drain', 'abort', 'abandon', 'ended']);
    });

    it('loses what runs and what waits when it is killed, and starts again with nothing', async () => {
      const killed = await startFixture('jobs', 'stream');
      killed.signal('SIGTERM');
      await killed.waitForLine(/^started 1$/);
      killed.signal('SIGKILL');
      expect(await killed.exit).to.deep.equal({ code: null, signal: 'SIGKILL' });
      expect(killed.lines).to.deep.equal(['started 1']);

      const next = await startFixture('jobs', 'stream');
      next.signal('SIGINT');
      expect(await next.exit).to.deep.equal(cleanExit);
      expect(next.lines).to.deep.equal(['drain', 'ended, 0 offered']);
    });

    it('writes all of a large last result before it ends', async () => {
      const child = await startFixture('report');
      expect(await child.exit).to.deep.equal({ code: 3, signal: null });
      expect(child.lines.map((line) => line.length)).to.deep.equal(new Array(1024).fill(1023));
    });
  });
});
