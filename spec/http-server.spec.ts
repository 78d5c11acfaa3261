// Demo 06 as a process under real HTTP. Whatever is waited for is an answer, an event or a line that the server prints.
import autocannon from 'autocannon';
import { expect } from 'chai';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { map, NEVER, Subject } from 'rxjs';
import type { JobContext } from '../src/index.js';
import { eventRoute, eventsOf } from '../demos/06-http-server/events.js';
import { Ledger } from '../demos/06-http-server/ledger.js';
import { parseOptions } from '../demos/06-http-server/options.js';
import type { Job } from '../demos/06-http-server/job.js';
import { killChildren, startDemo } from './support/child.js';
import type { Child } from './support/child.js';

const cleanExit = { code: 0, signal: null };
/** Longer than any spec waits. */
const FOREVER = '600000';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The text, where it is JSON. */
  readonly body: Record<string, unknown>;
}

interface ServerEvent {
  readonly name: string;
  readonly data: Record<string, unknown>;
}

class Server {
  readonly child: Child;
  readonly url: string;

  private constructor(child: Child, url: string) {
    this.child = child;
    this.url = url;
  }

  static async start(...args: string[]): Promise<Server> {
    const child = startDemo('06-http-server/server', '--port', '0', ...args);
    const line = await child.waitForLine(/^http/);
    return new Server(child, line.split(' ')[0]!);
  }

  async ask(method: string, path: string, body?: string): Promise<Answer> {
    const response = await this.open(method, path, body);
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk as string;
    const { statusCode, headers } = response;
    const isJson = headers['content-type'] === 'application/json' && text !== '';
    return { status: statusCode!, headers, text, body: isJson ? (JSON.parse(text) as Answer['body']) : {} };
  }

  post(job: object = {}): Promise<Answer> {
    return this.ask('POST', '/jobs', JSON.stringify(job));
  }

  /** Connects at once; the events end when the server ends them. */
  async events(): Promise<AsyncGenerator<ServerEvent>> {
    const response = await this.open('GET', '/events');
    expect(response.headers['content-type']).to.equal('text/event-stream');
    return eventsIn(response);
  }

  /** Sends the signal, and waits until the server has told that it has got it. */
  async tell(level: 'drain' | 'abort'): Promise<void> {
    this.child.signal('SIGTERM');
    await this.child.waitForLine(new RegExp(`^SIGTERM: ${level}`));
  }

  /** What it printed at its end. */
  get accounts(): Record<string, number> {
    const printed = this.child.lines.join('\n');
    return Object.fromEntries([
      ...[...printed.matchAll(/^(accepted|refused) (\d+)/gm)].map(([, name, n]) => [name!, Number(n)] as const),
      ...[...printed.matchAll(/[=+] (\d+) (\w+)/g)].map(([, n, name]) => [name!, Number(n)] as const),
    ]);
  }

  private async open(method: string, path: string, body?: string): Promise<IncomingMessage> {
    const sent = request(this.url + path, { method, agent: false, headers: { Connection: 'keep-alive' } }).end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return response;
  }
}

async function* eventsIn(response: IncomingMessage): AsyncGenerator<ServerEvent> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) {
    const blocks = (text + (chunk as string)).split('\n\n');
    text = blocks.pop()!;
    for (const block of blocks) {
      const [, name, data] = /^event: (.+)\ndata: (.+)$/.exec(block)!;
      yield { name: name!, data: JSON.parse(data!) as ServerEvent['data'] };
    }
  }
}

async function firstEvent(
  events: AsyncIterable<ServerEvent>,
  matches: (event: ServerEvent) => boolean,
): Promise<ServerEvent> {
  for await (const event of events) if (matches(event)) return event;
  throw new Error('the events have ended without it');
}

afterEach(killChildren);

describe('demo 06, an HTTP server', () => {
  describe('under load', () => {
    it('is told to stop at many times its capacity, and finishes every job that it answered with 202', async () => {
      // Two workers and 20 ms: a hundred jobs a second. Twenty connections ask thousands of times a second.
      const server = await Server.start('--workers', '2', '--buffer', '8', '--ms', '20');
      const answers = new Map<number, number>();
      let withoutRetryAfter = 0;
      const options: autocannon.Options = {
        url: `${server.url}/jobs`,
        method: 'POST',
        body: '{}',
        connections: 20,
        amount: 100_000,
        setupClient: (client) => {
          // What it is given is Node's parser's, whatever its type says: the headers are a flat list.
          client.on('headers', (head: unknown) => {
            const { statusCode, headers } = head as { statusCode: number; headers: string[] };
            const count = (answers.get(statusCode) ?? 0) + 1;
            answers.set(statusCode, count);
            if (statusCode === 503 && !headers.includes('Retry-After')) withoutRetryAfter++;
            if (statusCode === 202 && count === 30) server.child.signal('SIGTERM');
          });
        },
      };
      // With a callback it returns what can be stopped, and without one a promise.
      const load = autocannon(options, () => undefined);
      const loadEnded = once(load, 'done');
      const exit = await server.child.exit;
      load.stop();
      await loadEnded;
      console.log(`      ${answers.get(202)} × 202, ${answers.get(503)} × 503; ${server.child.lines.at(-1)}`);

      expect(exit).to.deep.equal(cleanExit);
      expect([...answers.keys()]).to.have.members([202, 503]);
      expect(withoutRetryAfter).to.equal(0);
      const { accepted, completed, refused, ...others } = server.accounts;
      expect(accepted).to.equal(answers.get(202)).and.to.be.at.least(30);
      expect(completed).to.equal(accepted);
      expect(refused).to.be.at.least(answers.get(503)!);
      expect(others).to.deep.equal({ failed: 0, evicted: 0, aborted: 0 });
    });
  });

  describe('jobs', () => {
    it('are accepted with an id, wait, run, and are refused when the buffer is full', async () => {
      const server = await Server.start('--workers', '1', '--buffer', '1', '--ms', '60000');
      const first = await server.post();
      const second = await server.post();
      const third = await server.post();
      expect([first.status, second.status, third.status]).to.deep.equal([202, 202, 503]);
      expect(third.body['error']).to.equal('1 jobs are waiting already');
      expect(third.headers['retry-after']).to.equal('60');

      const running = await server.ask('GET', first.headers.location!);
      expect(running.status).to.equal(200);
      expect(running.body).to.deep.include({ id: first.body['id'], state: 'running', worker: 1, ms: 60000 });
      const waiting = await server.ask('GET', second.headers.location!);
      expect(waiting.body).to.deep.equal({ id: second.body['id'], state: 'waiting' });
    });

    it('end with an outcome that can be asked for, and that is an event', async () => {
      const server = await Server.start('--ms', '1');
      for (const [posted, outcome] of [
        [undefined, { status: 'completed', attempts: 1, value: 'done by worker 1' }],
        ['{"fail": true}', { status: 'failed', attempts: 1, error: 'it was asked to fail' }],
      ] as const) {
        const events = await server.events();
        const { body, headers } = await server.ask('POST', '/jobs', posted);
        const { data } = await firstEvent(events, ({ name }) => name === 'outcome');
        const { job, ...ended } = data;
        expect(job).to.include({ id: body['id'] });
        expect(ended).to.include(outcome);
        const entry = await server.ask('GET', headers.location!);
        expect(entry.body).to.deep.equal({ id: body['id'], state: 'ended', outcome: ended });
      }
    });

    it('are remembered, the last ones that have ended', () => {
      const ledger = new Ledger<string>(2);
      const end = (id: string): void => {
        const job: Job = { id, ms: 0, fail: false };
        ledger.accepted(job);
        ledger.started(job, { worker: 1 } as JobContext);
        ledger.settled({ job, id: 0, status: 'completed', value: '', attempts: 1, queuedFor: 0, ranFor: 0 });
      };
      for (const id of ['a', 'b', 'c']) end(id);
      ledger.settled({ job: { id: 'd', ms: 0, fail: false }, id: 3, status: 'dropped', reason: 'full', ...noTime });
      expect(['a', 'b', 'c', 'd'].map((id) => ledger.find(id)?.state)).to.deep.equal([
        undefined,
        'ended',
        'ended',
        undefined,
      ]);
    });
  });

  it('refuses what it does not know or cannot read, and says why', async () => {
    const server = await Server.start();
    const cases: readonly (readonly [status: number, error: RegExp, ...question: [string, string, string?]])[] = [
      [404, /^there is no \/nothing$/, 'GET', '/nothing?at=all'],
      [404, /^no such job/, 'GET', '/jobs/0'],
      [405, /^\/jobs\/0 has no DELETE$/, 'DELETE', '/jobs/0'],
      [400, /^the body is not JSON: /, 'POST', '/jobs', '{"ms":'],
      [400, /^a job is a JSON object$/, 'POST', '/jobs', '[]'],
      [400, /^ms must be a number from 0 to /, 'POST', '/jobs', '{"ms":-1}'],
      [400, /^fail must be a boolean$/, 'POST', '/jobs', '{"fail":"yes"}'],
      [413, /^a body has at most 16384 bytes$/, 'POST', '/jobs', JSON.stringify('x'.repeat(1 << 20))],
    ];
    for (const [status, error, ...question] of cases) {
      const answer = await server.ask(...question);
      expect(answer.status, question.join(' ').slice(0, 40)).to.equal(status);
      expect(answer.body['error']).to.match(error);
      expect(answer.headers.allow).to.equal(status === 405 ? 'GET, HEAD' : undefined);
    }
    expect((await server.ask('GET', '/stats')).body['pool']).to.include({ offered: 0 });
  });

  it('answers HEAD as it does GET, without a body', async () => {
    const server = await Server.start('--ms', FOREVER);
    const { headers } = await server.post();
    for (const path of ['/', '/stats', '/health', headers.location!, '/nothing']) {
      const get = await server.ask('GET', path);
      const head = await server.ask('HEAD', path);
      expect([head.status, head.headers['content-type']]).to.deep.equal([get.status, get.headers['content-type']]);
      expect(head.headers).to.include.keys('content-length');
      expect(head.text).to.equal('');
      expect(get.text).not.to.equal('');
    }
    const events = await server.ask('HEAD', '/events');
    expect([events.status, events.headers['content-type'], events.text]).to.deep.equal([200, 'text/event-stream', '']);
    const none = await server.ask('HEAD', '/jobs');
    expect([none.status, none.headers.allow, none.text]).to.deep.equal([405, 'POST', '']);
  });

  describe('a request whose body is refused', () => {
    const ENDLESS = 'endless';
    const sockets: Socket[] = [];
    afterEach(() => sockets.splice(0).forEach((socket) => socket.destroy()));

    /** Posts a body, or one without an end, and resolves with the answer when the server has closed the connection. */
    const upload = async (server: Server, path: string, head: string, body: string): Promise<string> => {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1').setEncoding('utf8');
      sockets.push(socket);
      let answer = '';
      socket.on('data', (text: string) => (answer += text));
      socket.on('error', () => undefined); // The server need not wait for all that was sent.
      socket.write(`POST ${path} HTTP/1.1\r\nHost: demo\r\n${head}\r\n\r\n`);
      const chunk = 'x'.repeat(10_000);
      const more = (): void => {
        if (!socket.destroyed) socket.write(chunk, () => setImmediate(more));
      };
      if (body === ENDLESS) more();
      else socket.write(body);
      await new Promise((resolve) => socket.once('close', resolve));
      return answer;
    };

    it('is the last one of its connection, also while its client still sends', async () => {
      const server = await Server.start();
      const endless = `Content-Length: ${1e12}`;
      const cases = [
        [413, '/jobs', endless, ENDLESS],
        [413, '/jobs', endless, 'x'.repeat(20_000)], // and then says nothing more
        [404, '/nothing', endless, ENDLESS],
        [405, '/stats', endless, ENDLESS],
        [400, '/jobs', 'Content-Length: 5', '{"ms"'],
        [400, '/jobs', 'Content-Length: 9', '{"ms":-1}'],
      ] as const;
      const answers = await Promise.all(cases.map(([, path, head, body]) => upload(server, path, head, body)));
      answers.forEach((answer, i) => {
        expect(answer).to.match(new RegExp(`^HTTP/1.1 ${cases[i]![0]} `));
        expect(answer).to.match(/^Connection: close\r$/m);
        expect(answer).to.match(/\r\n\r\n\{"error":".+"\}\n$/);
      });
    });

    it('is not that one when only the buffer is full', async () => {
      const server = await Server.start('--workers', '1', '--buffer', '0', '--ms', FOREVER);
      await server.post();
      const refused = await server.post();
      expect([refused.status, refused.headers.connection]).to.deep.equal([503, 'keep-alive']);
    });
  });

  describe('the events', () => {
    class Counted {
      written = 0;
      toJSON(): string {
        this.written++;
        return 'data';
      }
    }

    it('are read and written once, however many clients there are', () => {
      for (const clients of [1, 200]) {
        const [state, outcome] = [new Counted(), new Counted()];
        const [moment$, outcome$] = [new Subject<void>(), new Subject<Counted>()];
        let read = 0;
        const read$ = moment$.pipe(
          map(() => {
            read++;
            return state;
          }),
        );
        const event$ = eventsOf(read$, outcome$);
        const last: Buffer[] = [];
        const subscriptions = Array.from({ length: clients }, (_, i) => event$.subscribe((bytes) => (last[i] = bytes)));

        moment$.next();
        for (let i = 0; i < 3; i++) outcome$.next(outcome);
        moment$.next();

        expect([read, state.written, outcome.written]).to.deep.equal([2, 2, 3]);
        const expected = `${'event: outcome\ndata: "data"\n\n'.repeat(3)}event: state\ndata: "data"\n\n`;
        expect(last).to.have.lengthOf(clients);
        for (const bytes of last) expect(bytes).to.equal(last[0]);
        expect(String(last[0])).to.equal(expected);

        for (const subscription of subscriptions) subscription.unsubscribe();
        expect([moment$.observed, outcome$.observed]).to.deep.equal([false, false]);
      }
    });

    it('begin with the last state for a client that comes later, without what came before it', () => {
      const [state$, outcome$] = [new Subject<number>(), new Subject<string>()];
      const event$ = eventsOf(state$, outcome$);
      event$.subscribe();
      outcome$.next('before');
      state$.next(1);
      const texts: string[] = [];
      event$.subscribe((bytes) => texts.push(String(bytes)));
      outcome$.next('after');
      state$.next(2);
      expect(texts).to.deep.equal([
        'event: state\ndata: 1\n\n',
        'event: outcome\ndata: "after"\n\nevent: state\ndata: 2\n\n',
      ]);
    });

    it('tell the newest 32 of the outcomes between two states', () => {
      const [state$, outcome$] = [new Subject<string>(), new Subject<number>()];
      let text = '';
      eventsOf(state$, outcome$).subscribe((bytes) => (text = String(bytes)));
      for (let i = 0; i < 1_000; i++) outcome$.next(i);
      state$.next('first');
      for (let i = 0; i < 1_000; i++) outcome$.next(i);
      state$.next('second');
      const told = [...text.matchAll(/^event: outcome\ndata: (\d+)$/gm)].map(([, i]) => Number(i));
      expect(told).to.deep.equal(Array.from({ length: 32 }, (_, i) => 968 + i));
    });

    it('are the same for two clients of one server', async () => {
      const server = await Server.start('--ms', '1');
      const [one, other] = [await server.events(), await server.events()];
      const { body } = await server.post();
      for (const events of [one, other]) {
        const { data } = await firstEvent(events, ({ name }) => name === 'outcome');
        expect(data['job']).to.include({ id: body['id'] });
      }
    });

    it('have no place for a client too many, until another has left', async () => {
      const server = await Server.start('--clients', '1');
      await server.events();
      const refused = await server.ask('GET', '/events');
      expect([refused.status, refused.body]).to.deep.equal([
        503,
        { error: '1 clients are reading the events already' },
      ]);
      expect(refused.headers['retry-after']).to.equal('10');

      const handle = eventRoute(NEVER, 1);
      const open = (): { response: ServerResponse; served: Promise<void> } => {
        const response = Object.assign(new PassThrough(), { writeHead: () => response }) as unknown as ServerResponse;
        return { response, served: Promise.resolve(handle({ method: 'GET' } as IncomingMessage, response, '')) };
      };
      const first = open();
      expect(await open().served.catch((error: Error) => error.message)).to.match(/^1 clients are reading/);
      first.response.destroy();
      await first.served;
      const next = open();
      next.response.destroy();
      await next.served;
    });
  });

  describe('what it tells about itself', () => {
    it('is a page, and the accounts as JSON and for Prometheus', async () => {
      const server = await Server.start('--workers', '2', '--buffer', '1', '--ms', FOREVER);
      const events = await server.events();
      await server.post({ ms: 1 });
      await firstEvent(events, ({ name }) => name === 'outcome');
      for (let i = 0; i < 4; i++) await server.post();

      const page = await server.ask('GET', '/');
      expect([page.status, page.headers['content-type']]).to.deep.equal([200, 'text/html; charset=utf-8']);
      expect(page.text).to.match(/^<!doctype html>/);

      const { body } = await server.ask('GET', '/stats');
      const pool = { offered: 5, accepted: 4, refused: 1, completed: 1, running: 2, queued: 1, workers: 2 };
      expect(body['buffer']).to.equal(1);
      expect(body['pool']).to.include(pool);
      expect(body['monitor']).to.include({ offered: 5, running: 2, queued: 1 }).and.to.have.property('ranFor');

      const { headers, text } = await server.ask('GET', '/metrics');
      expect(headers['content-type']).to.match(/^text\/plain; version=0\.0\.4/);
      const metrics = samplesIn(text);
      expect(metrics.get('job_pool_jobs_total{outcome="completed"}')).to.equal(1);
      expect(metrics.get('job_pool_jobs_total{outcome="aborted"}')).to.equal(0);
      expect(metrics.get('job_pool_jobs_total{outcome="dropped",drop_reason="full"}')).to.equal(1);
      expect(metrics.get('job_pool_workers_count{state="running"}')).to.equal(2);
      expect(metrics.get('job_pool_workers_count{state="idle"}')).to.equal(0);
      expect(metrics.get('job_pool_queue_size')).to.equal(1);
      expect(metrics.get('job_pool_queue_limit')).to.equal(1);
      expect(metrics.get('job_pool_wait_time_seconds_count')).to.equal(1);
      expect(metrics.get('messaging_process_duration_seconds_count')).to.equal(1);
      // Read again, the counters have not been counted twice.
      const again = samplesIn((await server.ask('GET', '/metrics')).text);
      expect(again.get('job_pool_jobs_total{outcome="completed"}')).to.equal(1);
    });

    it('is a stream of events, at first how things stand, that ends with the last accounts', async () => {
      const server = await Server.start('--workers', '1', '--ms', '100');
      const events = await server.events();
      const first = await events.next();
      expect(first.value).to.deep.include({ name: 'state' });
      expect((first.value as ServerEvent).data).to.deep.include({ ready: true, running: [] });
      for (let i = 0; i < 3; i++) await server.post();
      await server.tell('drain');

      const rest: ServerEvent[] = [];
      for await (const event of events) rest.push(event);
      expect(rest.filter(({ name }) => name === 'outcome')).to.have.lengthOf(3);
      const { name, data } = rest.at(-1)!;
      expect(name).to.equal('state');
      expect(data).to.deep.include({ ready: false, running: [] });
      expect(data['pool']).to.include({ accepted: 3, completed: 3, running: 0 });
      expect(await server.child.exit).to.deep.equal(cleanExit);
    });
  });

  describe('the end', () => {
    it('begins with its health, refuses, and aborts at a second signal', async () => {
      const server = await Server.start('--workers', '1', '--ms', FOREVER, '--deadline', FOREVER);
      for (let i = 0; i < 3; i++) await server.post();
      const ready = await server.ask('GET', '/health');
      expect([ready.status, ready.body]).to.deep.equal([200, { status: 'ready' }]);
      expect(ready.headers.connection).to.equal('keep-alive');

      await server.tell('drain');
      const unready = await server.ask('GET', '/health');
      expect([unready.status, unready.body]).to.deep.equal([503, { status: 'unready' }]);
      expect(unready.headers.connection).to.equal('close');
      const refused = await server.post();
      expect([refused.status, refused.body]).to.deep.equal([503, { error: 'shutting down' }]);
      expect(refused.headers['retry-after']).to.equal('600');

      await server.tell('abort');
      expect(await server.child.exit).to.deep.equal(cleanExit);
      expect(server.accounts).to.deep.equal({
        accepted: 3,
        refused: 1,
        completed: 0,
        failed: 0,
        evicted: 2,
        aborted: 1,
      });
    });

    it('comes after the deadline for jobs that take too long', async () => {
      const server = await Server.start('--workers', '1', '--ms', FOREVER, '--deadline', '50');
      for (let i = 0; i < 3; i++) await server.post();
      await server.tell('drain');
      expect(await server.child.exit).to.deep.equal(cleanExit);
      expect(server.accounts).to.include({ accepted: 3, completed: 0, evicted: 2, aborted: 1 });
    });

    it('comes at once when there is nothing to do, whoever is connected', async () => {
      const server = await Server.start('--deadline', FOREVER);
      const events = await server.events();
      server.child.signal('SIGINT');
      for await (const { data } of events) expect(data['pool']).to.include({ offered: 0 });
      expect(await server.child.exit).to.deep.equal(cleanExit);
      expect(server.accounts).to.include({ accepted: 0, refused: 0 });
    });

    it('is at the beginning, in one sentence, with an argument that it cannot use', async () => {
      const holder = createServer().listen(0, '127.0.0.1');
      await once(holder, 'listening');
      const { port } = holder.address() as AddressInfo;
      const cases = [
        [['--prot', '80'], /^Unknown option '--prot'; --help lists the options$/],
        [['--port', String(port)], /^cannot listen: listen EADDRINUSE: address already in use 127\.0\.0\.1:\d+$/],
      ] as const;
      const children = cases.map(([args]) => startDemo('06-http-server/server', ...args));
      const exits = await Promise.all(children.map(({ exit }) => exit));
      holder.close();
      children.forEach(({ lines }, i) => {
        expect(exits[i], lines.join('\n')).to.deep.equal({ code: 1, signal: null });
        expect(lines).to.have.lengthOf(1);
        expect(lines[0]).to.match(cases[i]![1]);
      });
      for (const [args, message] of [
        [['8080'], /^Unexpected argument '8080'; --help lists the options$/],
        [['--port'], /^Option '--port <value>' argument missing; --help lists the options$/],
        [['--ms', '-1'], /^Option '--ms' argument is ambiguous; --help lists the options$/],
        [['--ms', 'soon'], /^--ms must be a whole number from 0 to 600000, but is 'soon'; --help lists the options$/],
        [['--workers', '0'], /^--workers must be a whole number from 1 to 10000, but is '0'; /],
        [['--port', '65536'], /^--port must be a whole number from 0 to 65535, but is '65536'; /],
      ] as const) {
        expect(() => parseOptions([...args])).to.throw(Error, message);
      }
    });

    it('is at the beginning, too, when it is asked for help', async () => {
      const child = startDemo('06-http-server/server', '--help');
      expect(await child.exit).to.deep.equal(cleanExit);
      expect(child.lines[0]).to.equal('usage: server.ts [option...]');
      expect(child.lines).to.include('  --clients N    clients that may read the events at once (1000)');
    });
  });
});

/** The samples of Prometheus's text format; a line that is none is an error. */
function samplesIn(text: string): Map<string, number> {
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    samples.map((line) => {
      const [, name, value] = /^([a-z_]\w*(?:\{\w+="[^"]*"(?:,\w+="[^"]*")*\})?) ([-+.\deE]+|[-+]Inf|Nan)$/.exec(line)!;
      return [name!, Number(value)];
    }),
  );
}

const noTime = { attempts: 0, queuedFor: 0, ranFor: 0 };
