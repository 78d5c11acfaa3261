// Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { fromEvent, interval, map, takeUntil } from 'rxjs';
import type { Observable } from 'rxjs';
import { toAsyncIterable } from '../../src/index.js';
import { toJson } from './http.js';

/** How many events a client may be behind before it loses the oldest. */
const BEHIND = 256;

/** A comment now and then: proxies cut a connection on which nothing moves, some of them after 30 s. */
export const heartbeat$: Observable<string> = interval(15_000).pipe(map(() => ':\n\n'));

export function event(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${toJson(data)}\n\n`;
}

/** Sends events until they complete or the client leaves. A client that reads slowly costs a bounded buffer, no more. */
export async function sendEvents(event$: Observable<string>, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  const untilItLeaves$ = event$.pipe(takeUntil(fromEvent(response, 'close')));
  try {
    await pipeline(toAsyncIterable(untilItLeaves$, { capacity: BEHIND, overflow: 'drop-oldest' }), response);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}
