// Every block of the README is compiled against src, and run; what it prints is what its `// →` comments say.
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Observable } from 'rxjs';
import ts from 'typescript';
import { BufferOverflowError, workerPool } from '../src/index.js';
import type { Overflow } from '../src/index.js';
import { OVERFLOWS } from '../src/internal/core/overflow.js';
import { marbles } from './support/marbles.js';

const root = join(__dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code!);

function promised(code: string): string[] {
  return [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => line!.trim());
}

/** Runs a block, sends it the signals that its source listens to, and resolves when it has printed so many lines. */
function run(code: string, lines: number): Promise<string[]> {
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const requireHere = createRequire(__filename);
  const load = (name: string): unknown => requireHere(name === 'rxjs-background-jobs' ? '../src/index.ts' : name);
  return new Promise((resolve) => {
    const printed: string[] = [];
    const log = (...values: unknown[]): void => {
      printed.push(values.map(String).join(' '));
      if (printed.length === lines) resolve(printed);
    };
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- a block of our own README
    const program = new Function('require', 'exports', 'console', outputText) as (...args: unknown[]) => void;
    program(load, {}, { log });
    if (code.includes("takeUntil(fromSignals('SIGINT'))")) {
      process.emit('SIGTERM', 'SIGTERM');
      process.emit('SIGINT', 'SIGINT');
    }
  });
}

describe('README', () => {
  it('has blocks', () => {
    expect(blocks.length).to.be.greaterThan(3);
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

  it('compiles', () => {
    const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config as {
      compilerOptions: object;
    };
    const { options } = ts.convertCompilerOptionsFromJson(
      { ...config.compilerOptions, isolatedDeclarations: false, declaration: false },
      root,
    );
    const names = blocks.map((_, i) => join(root, 'spec', `readme-block-${i}.ts`));
    const host = ts.createCompilerHost(options);
    const { readFile, fileExists } = host;
    const text = (path: string): string | undefined => {
      const code = blocks[names.indexOf(path)];
      return code && `${code.replace("'rxjs-background-jobs'", "'../src/index.js'")}\nexport {};\n`;
    };
    host.readFile = (path) => text(path) ?? readFile(path);
    host.fileExists = (path) => names.includes(path) || fileExists(path);
    const { getSourceFile } = host;
    host.getSourceFile = (path, ...rest) => {
      const code = text(path);
      return code === undefined
        ? getSourceFile(path, ...rest)
        : ts.createSourceFile(path, code, ts.ScriptTarget.ES2022);
    };
    const problems = ts.getPreEmitDiagnostics(ts.createProgram(names, options, host));
    expect(problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).to.deep.equal([]);
  });

  blocks.forEach((code, i) => {
    it(`prints what block ${i + 1} says`, async () => {
      const expected = promised(code);
      expect(expected).not.to.be.empty;
      expect((await run(code, expected.length)).sort()).to.deep.equal(expected.sort());
    });
  });
});
