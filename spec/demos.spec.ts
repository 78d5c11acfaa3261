import { expect } from 'chai';
import { hasProc, killChildren, startDemo } from './support/child.js';
import type { Child } from './support/child.js';

const cleanExit = { code: 0, signal: null };

afterEach(killChildren);

describe('demo 01, listen for work', () => {
  const start = async (ms: number): Promise<Child> => {
    const demo = startDemo('01-listen-for-work', String(ms));
    await demo.waitForLine(/^Process ID/);
    return demo;
  };
  const add = async (demo: Child, job: number): Promise<void> => {
    demo.signal('SIGTERM');
    await demo.waitForLine(new RegExp(`^<-${job} starting$`));
  };

  it('runs a job for each SIGTERM, five at once, and finishes them all after SIGINT', async () => {
    const demo = await start(400);
    for (let job = 1; job <= 7; job++) await add(demo, job);
    demo.signal('SIGINT');
    expect(await demo.exit).to.deep.equal(cleanExit);

    const [first, ...rest] = demo.lines;
    expect(first).to.equal(`Process ID ${demo.pid}`);
    expect(rest.pop()).to.equal('exiting');
    const running = new Set<string>();
    for (const line of rest) {
      const [, job, event] = /^<-(\d+) (starting|completed)$/.exec(line)!;
      if (event === 'starting') running.add(job!);
      else expect(running.delete(job!), line).to.be.true;
      expect(running.size, line).to.be.at.most(5);
    }
    expect(rest).to.have.lengthOf(14);
    expect(running).to.be.empty;
  });

  (hasProc ? it : it.skip)('survives a SIGTERM while it finishes what runs', async () => {
    const demo = await start(1000);
    await add(demo, 1);
    demo.signal('SIGINT');
    await demo.stopsListeningTo('SIGINT');
    demo.signal('SIGTERM');
    expect(await demo.exit).to.deep.equal(cleanExit);
    expect(demo.lines.slice(1)).to.deep.equal(['<-1 starting', '<-1 completed', 'exiting']);
  });
});

describe('demo 02, a scheduler', () => {
  const start = async (...args: string[]): Promise<Child> => {
    const demo = startDemo('02-scheduler', ...args);
    await demo.waitForLine(/^ready$/);
    return demo;
  };
  /** Adds job after job, each only when the last has been seen to arrive: signals that are pending are merged. */
  const addAll = async (demo: Child, from: number, to: number): Promise<void> => {
    for (let job = from; job <= to; job++) {
      demo.signal('SIGTERM');
      await demo.waitForLine(new RegExp(`^job ${job} offered$`));
    }
  };
  /** The end of what it printed: who is closing, how many were offered, and what has become of them. */
  const NONE = { completed: 0, aborted: 0, 'dropped (full)': 0, 'dropped (shutdown)': 0, 'dropped (closed)': 0 };
  const end = (demo: Child): { closing: string[]; offered: number; fates: Record<string, number> } => {
    const at = demo.lines.findIndex((line) => line.startsWith('offered '));
    const accounts = demo.lines.slice(at + 1, -1).map((line) => /^ {2}(\d+) (.+)$/.exec(line)!);
    return {
      closing: demo.lines.filter((line) => line.endsWith(' closing')),
      offered: Number(demo.lines[at]!.slice('offered '.length)),
      fates: Object.fromEntries(accounts.map(([, count, fate]) => [fate!, Number(count)])),
    };
  };

  it('says how to use it, runs what is added, and finishes it after SIGINT', async () => {
    const demo = await start('--ms', '200');
    expect(demo.lines[0]).to.equal(`Process ID ${demo.pid}`);
    expect(demo.lines[1]).to.contain(`kill -TERM ${demo.pid} `);
    expect(demo.lines[2]).to.contain(`kill -INT ${demo.pid} `);
    await addAll(demo, 1, 3);
    demo.signal('SIGINT');
    expect(await demo.exit).to.deep.equal(cleanExit);
    const { closing, ...accounts } = end(demo);
    expect(accounts).to.deep.equal({ offered: 3, fates: { ...NONE, completed: 3 } });
    const workers = demo.lines.flatMap((line) => / starting on (worker \d)$/.exec(line)?.[1] ?? []);
    expect(closing).to.deep.equal([...new Set(workers)].map((worker) => `${worker} closing`));
    expect(demo.lines.at(-1)).to.equal('exiting');
  });

  it('survives and counts the SIGTERMs that come during the drain', async () => {
    const demo = await start('--ms', '60000');
    await addAll(demo, 1, 1);
    demo.signal('SIGINT');
    await demo.waitForLine(/^draining$/);
    await addAll(demo, 2, 3);
    demo.signal('SIGINT');
    expect(await demo.exit).to.deep.equal(cleanExit);
    expect(end(demo)).to.deep.include({ offered: 3, fates: { ...NONE, 'dropped (closed)': 2, aborted: 1 } });
  });

  it('refuses what finds five running and ten waiting, and aborts at a second SIGINT', async () => {
    const demo = await start('--ms', '60000');
    await addAll(demo, 1, 17);
    demo.signal('SIGINT');
    await demo.waitForLine(/^draining$/);
    demo.signal('SIGINT');
    expect(await demo.exit).to.deep.equal(cleanExit);

    const { offered, fates, closing } = end(demo);
    expect(offered).to.equal(17);
    expect(fates).to.deep.equal({ ...NONE, 'dropped (full)': 2, 'dropped (shutdown)': 10, aborted: 5 });
    expect(closing).to.have.lengthOf(5);
  });

  it('shows its whole life by itself with --self', async () => {
    const demo = startDemo('02-scheduler', '--self', '5', '--ms', '50');
    expect(await demo.exit).to.deep.equal(cleanExit);
    expect(end(demo)).to.deep.include({ offered: 5, fates: { ...NONE, completed: 5 } });
    expect(demo.lines).to.include('draining');
    expect(demo.lines.at(-1)).to.equal('exiting');
  });

  it('refuses an argument that it does not know, or that is no number', async () => {
    for (const [args, message] of [
      [['--slef', '5'], /Unknown option '--slef'/],
      [['--ms', 'soon'], /--ms must be a whole number, but is 'soon'/],
    ] as const) {
      const demo = startDemo('02-scheduler', ...args);
      expect(await demo.exit).to.deep.equal({ code: 2, signal: null });
      expect(demo.lines[0]).to.match(message);
      expect(demo.lines.at(-1)).to.match(/^usage: /);
    }
  });
});
