// Every block of the README and of AGENTS.md is compiled against src, and run; what it prints is what its `// →` comments say.
// A block marked `typescript` is compiled only: bullmq.spec.ts runs it.
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mergeMap, Observable, of, Subject } from 'rxjs';
import type { OperatorFunction } from 'rxjs';
import { BufferOverflowError, workerPool } from '../src/index.js';
import type { Overflow } from '../src/index.js';
import { OVERFLOWS } from '../src/internal/core/overflow.js';
import { marbles } from './support/marbles.js';
import { printedBy, problemsOf, promisedBy } from './support/snippets.js';

const root = join(__dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const agents = readFileSync(join(root, 'AGENTS.md'), 'utf8');
const blocksOf = (text: string): string[] => [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code!);
const blocks = [...blocksOf(readme), ...blocksOf(agents)];
/** Needs a Redis. */
const compiledOnly = [...readme.matchAll(/^```typescript\n([\s\S]*?)^```$/gm)].map(([, code]) => code!);
/** The sketches of demo 12, each with what it leaves out: what it uses of its engine's client, as that declares it. */
const recipes = Object.entries({
  Nest: (code: string) => `
    import type { Processor } from 'bullmq';
    import type { BackgroundJobs } from 'rxjs-background-jobs';
    declare const jobs: BackgroundJobs<Parameters<Processor<string, number>>[0], number>;
    const host: { readonly jobs: typeof jobs; process: Processor<string, number> } = { jobs, ${code} };
    void host;`,
  NATS: (code: string) => `
    import { leaseFrom } from 'rxjs-background-jobs';
    interface JsMsg { ackAck(): Promise<boolean>; nak(millis?: number): void; term(reason?: string): void }
    interface Fetch { max_messages: number; expires?: number }
    declare const consumer: { fetch(options: Fetch): Promise<AsyncIterable<JsMsg>> };
    ${code}`,
  SQS: (code: string) => `
    import { leaseFrom } from 'rxjs-background-jobs';
    interface Message { Body?: string | undefined; ReceiptHandle?: string | undefined }
    interface Held { QueueUrl: string | undefined; ReceiptHandle: string | undefined }
    interface Receive { QueueUrl: string | undefined; MaxNumberOfMessages?: number; WaitTimeSeconds?: number }
    declare const sqs: {
      receiveMessage(input: Receive): Promise<{ Messages?: Message[] | undefined }>;
      deleteMessage(input: Held): Promise<object>;
      changeMessageVisibility(input: Held & { VisibilityTimeout: number | undefined }): Promise<object>;
    };
    declare const QueueUrl: string;
    ${code}`,
}).map(([name, complete]) => complete(recipe(name)));

/** The indented block after the paragraph that begins with the name. */
function recipe(name: string): string {
  const text = readFileSync(join(root, 'demos/12-bullmq/README.md'), 'utf8');
  return new RegExp(`^\\*\\*${name}\\*\\*[^]*?\\n\\n((?:(?: {4}.*)?\\n)+)`, 'm').exec(text)![1]!;
}

/** Sends a program the signals that its source listens to. */
function signalsTo(code: string): () => void {
  return () => {
    if (!code.includes("takeUntil(fromSignals('SIGINT'))")) return;
    process.emit('SIGTERM', 'SIGTERM');
    process.emit('SIGINT', 'SIGINT');
  };
}

describe('README and AGENTS.md', () => {
  it('has blocks', () => {
    expect(blocksOf(readme).length).to.be.greaterThan(3);
    expect(blocksOf(agents).length).to.be.greaterThan(3);
  });

  it('is short', () => {
    expect(readme.split('\n').length).to.be.lessThan(301);
    expect(agents.split('\n').length).to.be.lessThan(181);
  });

  it('shows in marbles who is lost', () => {
    const source = /^ {4}source +(\S+) +1 worker, buffer: 1, jobs of 5 frames$/m.exec(readme)![1]!;
    const rows = [...readme.matchAll(/^ {4}(\S+) +output +(\S+)/gm)].filter(([, policy]) => policy !== 'on');
    expect(rows.map(([, policy]) => policy)).to.deep.equal(OVERFLOWS);
    for (const [, policy, output] of rows) {
      marbles(({ hot, cold, expectObservable }) => {
        const work = (job: string): Observable<string> => cold('-----(j|)', { j: job });
        const results = hot(source).pipe(workerPool(work, { workers: 1, buffer: 1, overflow: policy as Overflow }));
        expectObservable(results).toBe(output!, undefined, new BufferOverflowError(1, 'c'));
      });
    }
  });

  // The doc comment of workerPool lists the differences. These need no generated programs; the others are in equalsRxjs.spec.ts and yieldAfter.spec.ts.
  describe('differs from RxJS as it says', () => {
    it('6: starts nest 64 deep, and the job that comes then is run all the same', () => {
      const play = (operator: (work: (job: number) => Observable<number>) => OperatorFunction<number, number>) => {
        const jobs = new Subject<number>();
        let depth = 0;
        let deepest = 0;
        let done = 0;
        const work = (job: number): Observable<number> => {
          deepest = Math.max(deepest, ++depth);
          if (job < 200) jobs.next(job + 1);
          depth--;
          return of(job);
        };
        jobs.pipe(operator(work)).subscribe(() => done++);
        jobs.next(1);
        return { deepest, done };
      };
      expect(play((work) => mergeMap(work))).to.eql({ deepest: 200, done: 200 });
      const endless = { workers: Infinity, buffer: Infinity };
      expect(play((work) => workerPool(work, endless))).to.eql({ deepest: 64, done: 200 });
    });

    it('8: return() is called at once on unsubscription', () => {
      const play = (operator: (work: () => AsyncIterable<number>) => OperatorFunction<number, number>): number => {
        let returned = 0;
        const iterator = {
          next: () => new Promise<never>(() => undefined),
          return: () => Promise.resolve({ done: true as const, value: ++returned }),
        };
        of(1)
          .pipe(operator(() => ({ [Symbol.asyncIterator]: () => iterator })))
          .subscribe()
          .unsubscribe();
        return returned;
      };
      expect(play((work) => mergeMap(work))).to.equal(0);
      expect(play((work) => workerPool(work, { workers: 1, buffer: 0 }))).to.equal(1);
    });
  });

  it('compiles', function () {
    this.timeout(60_000); // a whole compiler, perhaps beside other work
    expect(compiledOnly).to.have.lengthOf(1);
    expect(problemsOf([...blocks, ...compiledOnly, ...recipes])).to.deep.equal([]);
  });

  blocks.forEach((code, i) => {
    it(`prints what block ${i + 1} says`, async () => {
      const expected = promisedBy(code);
      expect(expected).not.to.be.empty;
      expect((await printedBy(code, signalsTo(code))).sort()).to.deep.equal(expected.sort());
    });
  });
});
