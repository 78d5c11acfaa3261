// A table as the queue: the pool leases its rows, and the table is told how the job of each row has ended. A row whose process
// was killed is leased again when its minute is over. A demo, not a product: work that takes longer must extend its lease.
//
// It needs Node 22.13 or newer, for node:sqlite.
//
// Run it with: node -r ts-node/register/transpile-only demos/13-sqlite-lender.ts
import { setTimeout as sleep } from 'node:timers/promises';
import { leaseFrom, workerPoolSettled } from '../src/index.js';

interface Mail {
  readonly id: number;
  readonly address: string;
}

interface Statement {
  run(...values: (string | number)[]): unknown;
  all(...values: (string | number)[]): unknown[];
}
interface Sqlite {
  DatabaseSync: new (path: string) => { exec(sql: string): void; prepare(sql: string): Statement };
}

/** Milliseconds. */
const LEASE = 60_000;
const sqlite = process.getBuiltinModule?.('node:sqlite') as unknown as Sqlite | undefined;

if (sqlite === undefined) {
  console.log(`node:sqlite is not in Node ${process.versions.node}: this demo needs Node 22.13 or newer`);
} else {
  const table = new sqlite.DatabaseSync(':memory:');
  table.exec(
    `CREATE TABLE mails (id INTEGER PRIMARY KEY, address TEXT, state TEXT DEFAULT 'new', until INTEGER DEFAULT 0)`,
  );
  const insert = table.prepare('INSERT INTO mails (address) VALUES (?)');
  for (const name of ['ann', 'bob', 'nobody', 'cid', 'dan']) insert.run(`${name}@example.org`);

  const lease = table.prepare(`UPDATE mails SET state = 'leased', until = ? WHERE id IN
    (SELECT id FROM mails WHERE state = 'new' OR state = 'leased' AND until < ? ORDER BY id LIMIT ?) RETURNING id, address`);
  const settle = table.prepare('UPDATE mails SET state = ? WHERE id = ?');
  const states = { completed: 'sent', failed: 'failed', dropped: 'new', aborted: 'new' };

  const mails$ = leaseFrom<Mail>(
    // eslint-disable-next-line @typescript-eslint/require-await -- SQLite answers at once; a service would await its poll here
    async function* (demand) {
      while (!demand.signal.aborted) {
        const batch = lease.all(Date.now() + LEASE, Date.now(), demand.wanted) as Mail[];
        // The demo ends when the table is empty. A service waits: await sleep(1000, undefined, { signal: demand.signal })
        if (batch.length === 0) return;
        yield* batch;
      }
    },
    { settle: ({ job, status }) => void settle.run(states[status], job.id) },
  );

  const send = async ({ address }: Mail): Promise<void> => {
    await sleep(5);
    if (address.startsWith('nobody')) throw new Error('no such mailbox');
  };
  mails$.pipe(workerPoolSettled(send, { workers: 1, buffer: 1 })).subscribe({
    next: ({ job, status }) => console.log(`${job.address}: ${status}`),
    complete: () => {
      const counts = table.prepare('SELECT state, count(*) AS n FROM mails GROUP BY state ORDER BY state').all();
      console.log((counts as { state: string; n: number }[]).map(({ state, n }) => `${n} ${state}`).join(', '));
    },
  });
}
