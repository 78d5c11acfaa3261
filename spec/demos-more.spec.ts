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
      '1 worker, buffer: 2, jobs of 12 frames; # is the error',
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
      'partition:offset, how its message ended, and the offsets from which partitions 0 and 1 go on',
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

describe('demo 10, a client of an API that misbehaves', () => {
  /** What it says at its end: each line's first number, and the troubles by their names. */
  const report = (lines: readonly string[]) => {
    const at = lines.findIndex((line) => line.startsWith('items '));
    const told = new Map(lines.slice(at).map((line) => line.split(/ {2,}/, 2) as [string, string]));
    const count = (name: string): number => Number.parseInt(told.get(name)!);
    const trouble = new Map<string, number>();
    for (const [, times, name] of told.get('trouble')?.matchAll(/(\d+) × (\w+)/g) ?? []) {
      trouble.set(name!, Number(times));
    }
    const ended = count('completed') + count('failed') + count('aborted') + count('dropped');
    return { count, ended, items: told.get('items'), trouble, lines: lines.slice(at) };
  };

  describe('left alone', () => {
    let told: ReturnType<typeof report>;
    before(async function () {
      this.timeout(60_000); // it takes some seconds by itself, and its start as long again on a busy machine
      told = report(await linesOf('10-api-client'));
    });

    it('brings each item to an outcome, and only what no retry can help fails', () => {
      expect([told.count('items'), told.ended, told.count('completed')]).to.deep.equal([40, 40, 39]);
      expect(told.lines.find((line) => line.startsWith('failed'))).to.contain('item 13: ');
      expect(told.trouble.get('TimeoutError')).to.be.at.least(5); // the items that hang when they are first asked for
    });

    it('lets nobody call after a 429: each time the quota of 25 is used up five workers get at most five', () => {
      const refusals = told.trouble.get('429') ?? 0;
      const others = [...told.trouble.values()].reduce((sum, times) => sum + times, -refusals);
      expect(refusals).to.be.at.most(5 * Math.floor((told.count('completed') + others) / 25));
    });
  });

  it('takes on no more items after SIGINT, and ends those that it has', async () => {
    const demo = startDemo('10-api-client');
    await demo.waitForLine(/^0\/40/);
    demo.signal('SIGINT');
    expect(await demo.exit).to.deep.equal(cleanExit);
    const { count, ended, items } = report(demo.lines);
    expect(items).to.match(/^\d+ until it was stopped$/);
    expect(count('items')).to.be.below(40);
    expect(ended).to.equal(count('items'));
  });
});

describe('demo 11, tenants', () => {
  interface Lane {
    readonly offers: string;
    readonly runs: readonly string[];
    readonly lost: string;
  }
  type Picture = Record<'flood' | 'brisk' | 'small', Lane>;

  /** Reads the three pictures as they are drawn. */
  const read = (lines: readonly string[]): readonly Picture[] => {
    const pictures: Record<string, { offers: string; runs: string[]; lost: string }>[] = [];
    let lane = { offers: '', runs: [] as string[], lost: '' };
    for (const line of lines) {
      if (/^\d\. /.test(line)) pictures.push({});
      const [, tenant, kind, marks] = /^ {2}(\w*) +(offers|runs|lost) {2,4}([ \w-]+)$/.exec(line) ?? [];
      if (kind === 'offers') pictures.at(-1)![tenant!] = lane = { offers: marks!, runs: [], lost: '' };
      else if (kind === 'runs') lane.runs.push(marks!);
      else if (kind === 'lost') lane.lost = marks!;
    }
    return pictures;
  };
  const isMark = (mark: string | undefined): boolean => /\w/.test(mark ?? '');
  const running = ({ runs }: Lane, tick: number): number => runs.filter((row) => isMark(row[tick])).length;
  const start = ({ runs }: Lane, job: string): number => Math.max(...runs.map((row) => row.indexOf(job)));
  const letters = (marks: string): string[] => [...marks].filter(isMark);
  const ticks = Array.from({ length: 60 }, (_, tick) => tick);

  let pictures: readonly Picture[];
  before(async () => {
    pictures = read(await linesOf('11-tenants'));
    expect(pictures).to.have.lengthOf(3);
  });

  it('draws each job that is offered: it runs for four ticks, or it is lost', () => {
    for (const picture of pictures) {
      for (const { offers, runs, lost } of Object.values(picture)) {
        const ran = runs.join('').match(/(\w)\1{3}/g)!;
        expect(letters(runs.join(''))).to.have.lengthOf(ran.length * 4);
        expect([...ran.map((bar) => bar[0]!), ...letters(lost)].sort()).to.deep.equal(letters(offers).sort());
      }
    }
  });

  it('never runs more than three jobs, and all three workers have their share', () => {
    for (const picture of pictures) {
      const sums = ticks.map((tick) => Object.values(picture).reduce((sum, lane) => sum + running(lane, tick), 0));
      expect(Math.max(...sums)).to.equal(3);
    }
  });

  it('never runs more than two of a tenant where it has lanes, also while a worker is free', () => {
    const [arrivals, ...lanes] = pictures;
    expect(Math.max(...ticks.map((tick) => running(arrivals!.flood, tick)))).to.equal(3);
    for (const picture of lanes) {
      for (const lane of Object.values(picture)) {
        for (const tick of ticks) expect(running(lane, tick)).to.be.at.most(2);
      }
    }
  });

  it('starves the small tenant in the order of arrival, and nobody but the flood loses a job where there are lanes', () => {
    const [arrivals, ...lanes] = pictures;
    expect(letters(arrivals!.small.lost)).to.deep.equal(['B', 'c']);
    for (const { flood, brisk, small } of lanes) {
      expect([brisk.lost, small.lost]).to.deep.equal(['', '']);
      expect(letters(flood.lost)).to.not.be.empty;
      // A worker is free every four ticks at the latest, and the tenants take turns.
      for (const job of letters(small.offers)) expect(start(small, job) - small.offers.indexOf(job)).to.be.at.most(4);
    }
  });

  it('starts urgent jobs first, and with ageing one that has waited before a fresher urgent one', () => {
    const [, strict, aged] = pictures;
    /** Urgent jobs that arrived after c: those that overtook it, and those that it started before. */
    const around = ({ flood }: Picture) => {
      const later = letters(flood.runs.join('')).filter((job) => job > 'C' && job < 'a');
      const overtook = later.filter((job) => start(flood, job) < start(flood, 'c'));
      const waited = later.filter(
        (job) => start(flood, job) > start(flood, 'c') && flood.offers.indexOf(job) < start(flood, 'c'),
      );
      return { overtook: new Set(overtook).size, waited: new Set(waited).size };
    };
    expect(around(strict!).waited).to.equal(0);
    expect(around(aged!).overtook).to.be.above(0);
    expect(around(aged!).waited).to.be.above(0);
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
