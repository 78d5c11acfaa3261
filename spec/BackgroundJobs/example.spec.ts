// The example of the class's doc comment, compiled and run: a server that goes on after its first failure.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { Deferred } from '../support/deferred.js';
import { problemsOf, runSnippet } from '../support/snippets.js';

const source = readFileSync(join(__dirname, '../../src/BackgroundJobs.ts'), 'utf8');
const example = /@example\n \* ```ts\n([\s\S]*?) \* ```/.exec(source)![1]!.replace(/^ \* ?/gm, '');
const program = `interface Mail { readonly to: string }
declare function deliver(mail: Mail, signal: AbortSignal): Promise<void>;
${example}`;

describe('BackgroundJobs', () => {
  describe('example', () => {
    it('compiles', function () {
      this.timeout(60_000); // a whole compiler, perhaps beside other work
      expect(problemsOf([program])).to.eql([]);
    });

    it('survives its first bad mail, answers 503 when it is full, and ends with SIGTERM when all is delivered', async () => {
      const mailbox = new Deferred();
      const delivered: string[] = [];
      const errors: unknown[][] = [];
      const failure = new Error('no such mailbox');
      const deliver = async ({ to }: { readonly to: string }): Promise<void> => {
        if (to === '/bad') throw failure;
        await mailbox.promise;
        delivered.push(to);
      };
      let server!: Server;
      const create = (handle: RequestListener): Server => (server = createServer(handle));
      const globals = {
        console: { error: (...values: unknown[]) => errors.push(values) },
        deliver,
      };
      // Any free port.
      runSnippet(program.replace('3000', '0'), globals, { 'node:http': { createServer: create } });
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const post = async (path: string): Promise<number> => {
        const [response] = (await once(request({ port, path, method: 'POST', agent: false }).end(), 'response')) as [
          IncomingMessage,
        ];
        response.resume();
        return response.statusCode!;
      };

      try {
        expect(await post('/bad')).to.equal(202);
        expect(errors).to.eql([['no mail to /bad:', failure]]);
        // Five are being delivered, and a hundred wait.
        for (let mail = 0; mail < 105; mail++) expect(await post(`/${mail}`)).to.equal(202);
        expect(await post('/full')).to.equal(503);

        process.emit('SIGTERM', 'SIGTERM');
        expect(await post('/late')).to.equal(503);
        const closed = once(server, 'close');
        mailbox.resolve();
        await closed;
        expect(delivered).to.have.lengthOf(105);
        expect(errors).to.have.lengthOf(1);
      } finally {
        // Where it has failed, nothing may keep the process alive.
        mailbox.resolve();
        process.emit('SIGTERM', 'SIGTERM');
        server.close();
      }
    });
  });
});
