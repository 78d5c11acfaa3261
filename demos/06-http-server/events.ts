// Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { defer, finalize, fromEvent, map, ReplaySubject, share, takeUntil } from 'rxjs';
import type { Observable } from 'rxjs';
import { toAsyncIterable } from '../../src/index.js';
import { HttpError, toJson } from './http.js';
import type { Handler } from './http.js';

/** How many outcomes are told at once, the newest ones; the counts in the state include the others. */
const MOST_OUTCOMES = 32;
/** How many pieces a client may be behind before it loses the oldest. */
const BEHIND = 32;
/** Seconds until a refused client should ask again. */
const RETRY_AFTER = 10;

interface Piece {
  readonly state: Buffer;
  /** The outcomes since the last piece, and the state. */
  readonly all: Buffer;
}

/**
 * One stream for all clients. Each state is sent together with the outcomes since the last one, as one piece of bytes that is
 * made once, however many clients there are. Without a client nothing is subscribed.
 *
 * A client that comes later is first sent the last state, so that it need not wait for the next one.
 */
export function eventsOf(state$: Observable<unknown>, outcome$: Observable<unknown>): Observable<Buffer> {
  const pieces = (): Observable<Piece> => {
    let outcomes: unknown[] = [];
    const collecting = outcome$.subscribe((outcome) => {
      if (outcomes.push(outcome) > MOST_OUTCOMES) outcomes.shift();
    });
    const makePiece = (state: unknown): Piece => {
      const last = event('state', state);
      const news = outcomes.map((outcome) => event('outcome', outcome)).join('');
      outcomes = [];
      return { state: Buffer.from(last), all: Buffer.from(news + last) };
    };
    return state$.pipe(
      map(makePiece),
      finalize(() => collecting.unsubscribe()),
    );
  };
  return defer(pieces).pipe(
    share({ connector: () => new ReplaySubject(1) }),
    map(({ state, all }, i) => (i === 0 ? state : all)),
  );
}

/** Sends events until they complete or the client leaves, to at most `most` clients at once. */
export function eventRoute(event$: Observable<Buffer>, most: number): Handler {
  let clients = 0;
  return async (request, response) => {
    if (clients >= most) {
      throw new HttpError(503, `${most} clients are reading the events already`, {
        'Retry-After': String(RETRY_AFTER),
      });
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    clients++;
    await send(event$, response).finally(() => clients--);
  };
}

/** A client that reads slowly costs a bounded buffer, no more. */
async function send(event$: Observable<Buffer>, response: ServerResponse): Promise<void> {
  const untilItLeaves$ = event$.pipe(takeUntil(fromEvent(response, 'close')));
  try {
    await pipeline(toAsyncIterable(untilItLeaves$, { capacity: BEHIND, overflow: 'drop-oldest' }), response);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}

function event(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${toJson(data)}\n\n`;
}
