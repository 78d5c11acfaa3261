// The little of a web framework that this server needs.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';

/** Milliseconds in which a client whose body is refused should notice the answer, and stop sending. */
const LINGER = 1000;
const JSON_TYPE = 'application/json';

export type Handler = (request: IncomingMessage, response: ServerResponse, id: string) => void | Promise<void>;
/** By path, in which `:id` stands for one segment, and by method; what answers GET answers HEAD too. */
export type Routes = Readonly<Record<string, Readonly<Record<string, Handler>>>>;

/** Thrown by a handler: this is the answer. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** Finds the handler for a request, and answers for a handler that throws. */
export function route(routes: Routes): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const table = Object.entries(routes).map(([path, handlers]) => ({
    pattern: new RegExp(`^${path.replace(':id', '([^/]+)')}$`),
    handlers: new Map(Object.entries(handlers)),
  }));

  const dispatch = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [path = '/'] = request.url!.split('?', 1);
    for (const { pattern, handlers } of table) {
      const match = pattern.exec(path);
      if (match === null) continue;
      // To a HEAD, Node sends the headers alone.
      const handler = handlers.get(request.method === 'HEAD' ? 'GET' : request.method!);
      if (handler !== undefined) return handler(request, response, match[1] ?? '');
      const allowed = [...handlers.keys()].flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : method));
      throw new HttpError(405, `${path} has no ${request.method}`, { Allow: allowed.join(', ') });
    }
    throw new HttpError(404, `there is no ${path}`);
  };

  return async (request, response) => {
    try {
      await dispatch(request, response);
    } catch (error) {
      if (request.readableAborted) return; // The client has left in the middle of its request.
      if (!(error instanceof HttpError)) console.error(error);
      if (response.headersSent) response.destroy();
      else await refuse(request, response, error instanceof HttpError ? error : new HttpError(500, 'internal error'));
    }
  };
}

/**
 * Answers with an error. A request whose body is bad, or has not been read to its end, is the last one of its connection:
 * the rest of the body might never end.
 */
async function refuse(request: IncomingMessage, response: ServerResponse, error: HttpError): Promise<void> {
  const isBad = error.status === 400 || error.status === 413;
  const headers = isBad || !request.complete ? { ...error.headers, Connection: 'close' } : error.headers;
  const text = toLine({ error: error.message });
  writeHead(response, error.status, JSON_TYPE, text, headers);
  if (!request.complete) {
    // A connection that is closed while its client sends is reset, and the answer may be lost. So the client is given the
    // answer and some time to stop; what it sends until then is thrown away.
    response.write(text);
    request.resume();
    await finished(request, { signal: AbortSignal.timeout(LINGER) }).catch(() => undefined);
    response.end(); // After `Connection: close` Node closes the socket too.
  } else response.end(text);
}

export function reply(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  replyText(response, status, JSON_TYPE, toLine(body), headers);
}

export function replyText(
  response: ServerResponse,
  status: number,
  type: string,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  writeHead(response, status, type, text, headers);
  response.end(text);
}

function writeHead(
  response: ServerResponse,
  status: number,
  type: string,
  text: string,
  headers: Readonly<Record<string, string>>,
): void {
  response.writeHead(status, { ...headers, 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
}

function toLine(body: unknown): string {
  return `${toJson(body)}\n`;
}

/** As JSON, in which an Error is its message: by itself it would be `{}`. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (part instanceof Error ? part.message : part));
}

/** Reads a JSON body of at most `limit` bytes; none at all is `{}`. */
export async function readJson(request: IncomingMessage, limit: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Leaving this loop must not destroy the connection, on which the answer is still to be sent.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new HttpError(413, `a body has at most ${limit} bytes`);
    chunks.push(chunk);
  }
  if (size === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (error) {
    throw new HttpError(400, `the body is not JSON: ${(error as Error).message}`);
  }
}
