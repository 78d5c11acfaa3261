// The reference: a page of Markdown for each public symbol. A symbol without a doc comment, or a link that leads nowhere, is an error.
// The entry points are those of package.json's "exports".
import { readFileSync } from 'node:fs';

const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const entryPoints = Object.keys(exports)
  .filter((entry) => !entry.endsWith('.json'))
  .map((entry) => (entry === '.' ? '../src/index.ts' : `../src/${entry.slice(2)}/index.ts`));

export default {
  entryPoints,
  tsconfig: 'tsconfig.esm.json',
  out: '../reference',
  name: 'rxjs-background-jobs',
  readme: 'none',
  plugin: ['typedoc-plugin-markdown'],
  excludeExternals: true,
  excludePrivate: true,
  excludeInternal: true,
  disableGit: true,
  basePath: '..',
  gitRevision: 'main',
  sourceLinkTemplate: 'https://github.com/rxjs-background-jobs/rxjs-background-jobs/blob/{gitRevision}/{path}#L{line}',
  validation: { notDocumented: true, notExported: true, invalidLink: true },
  // Part of the type of an option that does not exist: its message says what the option is called here.
  intentionallyNotExported: ['CalledHere'],
  // Every kind that has a comment of its own: a constructor's is that of its class, a setter's that of its getter.
  requiredToBeDocumented: [
    'Enum',
    'EnumMember',
    'Variable',
    'Function',
    'Class',
    'Interface',
    'Property',
    'Method',
    'CallSignature',
    'GetSignature',
    'TypeAlias',
  ],
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
};
