// Programs that stand in a document or a doc comment: compiled against src, and run.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import ts from 'typescript';
import { turn } from './guard.js';

const root = join(__dirname, '../..');
/** The library, or one of its entry points, in an import. */
const LIBRARY = /'rxjs-background-jobs(\/[a-z]+)?'/g;

/** What the compiler, as strict as it is with src, says against `programs`, which are modules: they may await. */
export function problemsOf(programs: readonly string[]): string[] {
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config as {
    compilerOptions: object;
  };
  const { options } = ts.convertCompilerOptionsFromJson(
    { ...config.compilerOptions, isolatedDeclarations: false, declaration: false },
    root,
  );
  const names = programs.map((_, i) => join(root, 'spec', `snippet-${i}.mts`));
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists } = host;
  const text = (path: string): string | undefined => {
    const code = programs[names.indexOf(path)];
    return code && `${code.replace(LIBRARY, (_, entry: string = '') => `'../src${entry}/index.js'`)}\nexport {};\n`;
  };
  host.readFile = (path) => text(path) ?? readFile(path);
  host.fileExists = (path) => names.includes(path) || fileExists(path);
  const { getSourceFile } = host;
  host.getSourceFile = (path, ...rest) => {
    const code = text(path);
    return code === undefined ? getSourceFile(path, ...rest) : ts.createSourceFile(path, code, ts.ScriptTarget.ES2022);
  };
  const problems = ts.getPreEmitDiagnostics(ts.createProgram(names, options, host));
  return problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

/** `code` as a function of what it imports from and of `globals`, which are in its scope by their names. */
function compiled(
  code: string,
  globals: Readonly<Record<string, unknown>>,
  modules: Readonly<Record<string, unknown>>,
  Constructor: FunctionConstructor,
): () => unknown {
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const requireHere = createRequire(__filename);
  const load = (name: string): unknown => {
    return modules[name] ?? requireHere(name.replace(/^rxjs-background-jobs(\/.+)?$/, '../../src$1/index.ts'));
  };
  const program = new Constructor('require', 'exports', ...Object.keys(globals), outputText) as (
    ...args: unknown[]
  ) => unknown;
  return () => program(load, {}, ...Object.values(globals));
}

/** Runs `code`. `globals` are in its scope, by their names, and what it imports may be replaced by `modules`. */
export function runSnippet(
  code: string,
  globals: Readonly<Record<string, unknown>>,
  modules: Readonly<Record<string, unknown>> = {},
): void {
  compiled(code, globals, modules, Function)();
}

const AsyncFunction = (async () => undefined).constructor as FunctionConstructor;

/** What the program's `// →` comments say that it prints. */
export function promisedBy(code: string): string[] {
  return [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => line!.trim());
}

/**
 * Runs `code`, which may await, and resolves with what it has printed when that is as many lines as it promises. `act` is called
 * when it has begun: a program may wait for a signal.
 */
export function printedBy(code: string, act = (): void => undefined): Promise<string[]> {
  const lines = promisedBy(code).length;
  return new Promise((resolve, reject) => {
    const printed: string[] = [];
    const log = (...values: unknown[]): void => {
      printed.push(values.map(String).join(' '));
      // A turn later, so that a line too many is seen.
      if (printed.length === lines) void turn().then(() => resolve(printed));
    };
    (compiled(code, { console: { log } }, {}, AsyncFunction)() as Promise<unknown>).catch(reject);
    act();
  });
}
