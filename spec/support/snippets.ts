// Programs that stand in a document or a doc comment: compiled against src, and run.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import ts from 'typescript';

const root = join(__dirname, '../..');
/** The library, or one of its entry points, in an import. */
const LIBRARY = /'rxjs-background-jobs(\/[a-z]+)?'/g;

/** What the compiler, as strict as it is with src, says against `programs`. */
export function problemsOf(programs: readonly string[]): string[] {
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config as {
    compilerOptions: object;
  };
  const { options } = ts.convertCompilerOptionsFromJson(
    { ...config.compilerOptions, isolatedDeclarations: false, declaration: false },
    root,
  );
  const names = programs.map((_, i) => join(root, 'spec', `snippet-${i}.ts`));
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

/** Runs `code`. `globals` are in its scope, by their names, and what it imports may be replaced by `modules`. */
export function runSnippet(
  code: string,
  globals: Readonly<Record<string, unknown>>,
  modules: Readonly<Record<string, unknown>> = {},
): void {
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const requireHere = createRequire(__filename);
  const load = (name: string): unknown => {
    return modules[name] ?? requireHere(name.replace(/^rxjs-background-jobs(\/.+)?$/, '../../src$1/index.ts'));
  };
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- a program of our own documents
  const program = new Function('require', 'exports', ...Object.keys(globals), outputText) as (
    ...args: unknown[]
  ) => void;
  program(load, {}, ...Object.values(globals));
}
