// An API that misbehaves, so that the demo needs no network. What it does to an item depends on the item's number alone, and
// what becomes of its quota on the number of requests: so each run meets the same trouble.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Api {
  readonly url: string;
  close(): void;
}

/** Requests that it answers before it says 429 to everybody. */
const QUOTA = 25;
/** Milliseconds until it has its quota again: a little less than the whole second that it asks for. */
const REST = 900;

export async function startApi(): Promise<Api> {
  /** By item: requests that counted against the quota. */
  const visits = new Map<number, number>();
  let left = QUOTA;
  let fullAgainAt = 0;

  const server = createServer((request, response) => {
    if (left === 0 && performance.now() >= fullAgainAt) left = QUOTA;
    if (left === 0) {
      response.writeHead(429, { 'retry-after': '1' }).end();
      return;
    }
    if (--left === 0) fullAgainAt = performance.now() + REST;

    const item = Number(request.url?.split('/').at(-1));
    const visit = (visits.get(item) ?? 0) + 1;
    visits.set(item, visit);
    if (item === 13) response.writeHead(404).end();
    else if (item % 8 === 3 && visit === 1)
      return; // never answers
    else if (item % 5 === 2 && visit <= 2) response.writeHead(500).end();
    else setTimeout(() => response.end(`item ${item}`), 20);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
