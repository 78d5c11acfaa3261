// The little of a web framework that this server needs.
import type { IncomingMessage, ServerResponse } from 'node:http';

export type Handler = (request: IncomingMessage, response: ServerResponse, id: string) => void | Promise<void>;
/** By path, in which `:id` stands for one segment, and by method. */
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
      const handler = handlers.get(request.method!);
      if (handler !== undefined) return handler(request, response, match[1] ?? '');
      throw new HttpError(405, `${path} has no ${request.method}`, { Allow: [...handlers.keys()].join(', ') });
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
      else if (error instanceof HttpError) reply(response, error.status, { error: error.message }, error.headers);
      else reply(response, 500, { error: 'internal error' });
      request.resume(); // What is left of a body nobody wants, so that the client comes to read the answer.
    }
  };
}

export function reply(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  replyText(response, status, 'application/json', `${toJson(body)}\n`, headers);
}

export function replyText(
  response: ServerResponse,
  status: number,
  type: string,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...headers, 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
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
