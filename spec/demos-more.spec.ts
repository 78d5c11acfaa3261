import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killChildren, startDemo } from './support/child.js';

const cleanExit = { code: 0, signal: null };

/** What a demo that ends by itself, and well, has printed. */
async function linesOf(name: string, ...args: string[]): Promise<readonly string[]> {
  const demo = startDemo(name, ...args);
  expect(await demo.exit, demo.lines.join('\n')).to.deep.equal(cleanExit);
  return demo.lines;
}

afterEach(killChildren);

describe('demo 03, overflow', () => {
  it('draws what each policy puts out and loses', async () => {
    expect(await linesOf('03-overflow')).to.deep.equal([
      '1 worker, buffer: 2, jobs of 12 frames',
      '',
      'source          -a-b-c-d-e-f-|',
      '',
      'error           -------#',
      '  lost          -------(dabc)',
      '',
      'drop-incoming   -------------a-----------b-----------(c|)',
      '  lost          -------d-e-f',
      '',
      'drop-oldest     -------------a-----------e-----------(f|)',
      '  lost          -------b-c-d',
      '',
      'replace-newest  -------------a-----------b-----------(f|)',
      '  lost          -------c-d-e',
      '',
      'clear           -------------a-----------(f|)',
      '  lost          -------(bc)(de)',
    ]);
  });
});

describe('demo 04, hash files', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hash-files-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const sha256 = (data: string | Buffer): Buffer => createHash('sha256').update(data).digest();

  /** What it says at its end. */
  const report = (lines: readonly string[]): Record<string, string> => {
    const at = lines.findIndex((line) => line.startsWith('files '));
    return Object.fromEntries(lines.slice(at).map((line) => line.split(/ {2,}/) as [string, string]));
  };

  /** Adds a file whose path the system refuses, to root too: its folder is filled first and then moved into the depth. */
  const addUnreadable = (): { path: string; moveBack: () => void } => {
    const longest = process.platform === 'linux' ? 4095 : 1023;
    let depth = folder;
    while (depth.length < longest - 250) depth = join(depth, 'd'.repeat(100));
    mkdirSync(depth, { recursive: true });
    const [outside, inside] = [join(folder, 'moved'), join(depth, 'moved')];
    mkdirSync(outside);
    const name = 'f'.repeat(250);
    writeFileSync(join(outside, name), 'nobody reads this');
    renameSync(outside, inside);
    return { path: join(inside, name), moveBack: () => renameSync(inside, outside) };
  };

  it('hashes every file below a folder, and counts those that it cannot read', async () => {
    const files: Record<string, Buffer> = {
      'a.txt': Buffer.from('a'),
      empty: Buffer.alloc(0),
      'deep/er/large': Buffer.alloc(300_000, 'large'),
    };
    mkdirSync(join(folder, 'deep/er'), { recursive: true });
    const expected = Buffer.alloc(32);
    for (const [name, contents] of Object.entries(files)) {
      writeFileSync(join(folder, name), contents);
      const line = sha256(`${sha256(contents).toString('hex')}  ${name}\n`);
      expected.forEach((byte, i) => (expected[i] = byte ^ line[i]!));
    }
    const unreadable = addUnreadable();
    try {
      const { 'peak heap': heap, ...rest } = report(await linesOf('04-hash-files', folder));
      expect(rest).to.deep.equal({
        files: '3',
        failed: '1',
        '': `Error: ENAMETOOLONG: name too long, open '${unreadable.path}'`,
        aborted: '0',
        bytes: '300001',
        digest: expected.toString('hex'),
      });
      expect(heap).to.match(/^\d+\.\d MB$/);
    } finally {
      unreadable.moveBack();
    }
  });

  it('says in one sentence that a folder does not exist, and exits with 1', async () => {
    const missing = join(folder, 'missing');
    const demo = startDemo('04-hash-files', missing);
    expect(await demo.exit).to.deep.equal({ code: 1, signal: null });
    expect(demo.lines).to.deep.equal([
      `cannot read the folder: ENOENT: no such file or directory, access '${missing}'`,
    ]);
  });

  it('stops at a SIGINT while it has found no file yet', async () => {
    for (let i = 0; i < 10_000; i++) mkdirSync(join(folder, String(i)));
    const demo = startDemo('04-hash-files', folder);
    await demo.waitForLine(/ 0 files, /);
    demo.signal('SIGINT');
    expect(await demo.exit).to.deep.equal(cleanExit);
    expect(report(demo.lines)).to.deep.include({ files: '0 until it was stopped', failed: '0', aborted: '0' });
  });

  it('finishes the open files after SIGINT, and reports', async () => {
    const [length, links] = [1_000_000, 10_000];
    writeFileSync(join(folder, '0'), Buffer.alloc(length));
    for (let i = 1; i < links; i++) linkSync(join(folder, '0'), join(folder, String(i)));

    const demo = startDemo('04-hash-files', folder);
    await demo.waitForLine(/ [1-9]\d* files, /);
    demo.signal('SIGINT');
    expect(await demo.exit).to.deep.equal(cleanExit);
    expect(demo.lines.some((line) => line.startsWith('finishing what is open: '))).to.be.true;
    const { files, failed, aborted, bytes } = report(demo.lines);
    const [, count] = /^(\d+) until it was stopped$/.exec(files!)!;
    expect(Number(count)).to.be.within(1, links - 1);
    expect(Number(bytes)).to.equal(Number(count) * length);
    expect([failed, aborted]).to.deep.equal(['0', '0']);
  });

  it('aborts a file that has no end at the second SIGINT', async () => {
    const demo = startDemo('04-hash-files', '/dev/zero');
    await demo.waitForLine(/ 1 open$/);
    demo.signal('SIGINT');
    await demo.waitForLine(/^finishing/);
    demo.signal('SIGINT');
    expect(await demo.exit).to.deep.equal(cleanExit);
    expect(report(demo.lines)).to.deep.include({ files: '0 until it was stopped', failed: '0', aborted: '1' });
  });
});

describe('demo 05, a slow consumer', () => {
  it('shows which values each bound and policy keep, and counts the others', async () => {
    expect(await linesOf('05-slow-consumer')).to.deep.equal([
      '100 prices, one each millisecond',
      '',
      'a screen that shows the newest: capacity: 1, drop-oldest',
      '  15 31 47 63 79 95 100',
      '  7 taken, 93 dropped',
      '',
      'a screen that shows the last three, late: capacity: 3, drop-oldest',
      '  13 29 45 61 77 93 98 99 100',
      '  9 taken, 91 dropped',
      '',
      'a loop that saves the newest: capacity: 1, drop-oldest',
      '  1 11 21 31 41 51 61 71 81 91 100',
      '  11 taken, 89 dropped',
      '',
      'a loop that saves the last three, late: capacity: 3, drop-oldest',
      '  1 9 19 29 39 49 59 69 79 89 98 99 100',
      '  13 taken, 87 dropped',
      '',
      'a loop that saves the first that came: capacity: 3, drop-incoming',
      '  1 2 3 4 12 22 32 42 52 62 72 82 92',
      '  13 taken, 87 dropped',
      '',
      'a loop that saves the newest, after a gap: capacity: 3, clear',
      '  1 11 21 31 41 51 61 71 81 91 98 99 100',
      '  13 taken, 87 dropped',
    ]);
  });
});

describe('demo 08, a Kafka consumer', () => {
  it('commits only what has been handled up to there, and the next consumer is given the rest', async () => {
    expect(await linesOf('08-kafka-consumer')).to.deep.equal([
      'a consumer that is stopped, while 0:1 hangs',
      '  0:0 completed  committed: 1, 0',
      '  1:0 completed  committed: 1, 1',
      '  1:1 to the dead letters',
      '  1:1 failed     committed: 1, 2',
      '  0:2 completed  committed: 1, 2',
      '  1:2 completed  committed: 1, 3',
      '  0:3 completed  committed: 1, 3',
      '  1:3 completed  committed: 1, 4',
      '  0:1 aborted    committed: 1, 4',
      'the next one, which nobody stops',
      '  0:1 completed  committed: 2, 4',
      '  0:2 completed  committed: 3, 4',
      '  0:3 completed  committed: 4, 4',
      '  0:4 completed  committed: 5, 4',
      '  1:4 completed  committed: 5, 5',
      '  0:5 completed  committed: 6, 5',
      '  1:5 completed  committed: 6, 6',
    ]);
  });
});

describe('demo 09, marble testing', () => {
  it('passes its own tests', async () => {
    const lines = await linesOf('09-marble-testing');
    for (const name of [
      'runs two at once, lets one wait, and drops the oldest',
      'finishes what it took on when it is stopped',
      'cannot see a promise in virtual time, which is over before it settles',
      'runs promises in real time: await its end',
    ]) {
      expect(
        lines.some((line) => /^(ok|✔)/.test(line) && line.includes(name)),
        name,
      ).to.be.true;
    }
    expect(lines.some((line) => /^. pass 4$/.test(line))).to.be.true;
  });
});

describe('demo 17, the scheduler of Go', () => {
  it('runs a job for each SIGTERM that it sends itself, and then closes each worker', async () => {
    const lines = await linesOf('17-go-scheduler');
    const processing = lines.slice(0, -3);
    expect(processing).to.have.lengthOf(5);
    for (const line of processing) expect(line).to.match(/^[123]<- Processing$/);
    expect(lines.slice(-3)).to.deep.equal(['1 closing', '2 closing', '3 closing']);
  });
});
