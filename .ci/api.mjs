// The public surface of each entry point, as .ci/api/*.api.md has it: what differs is an error, and `--update` writes it anew.
// It reads the types of the build, so build first.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';

const root = fileURLToPath(new URL('..', import.meta.url));
const { exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const found = mkdtempSync(join(tmpdir(), 'api-'));
const isUpdate = argv.includes('--update');
const off = { logLevel: 'none', addToApiReportFile: false };

let isSame = true;
for (const [entry, conditions] of Object.entries(exports)) {
  if (entry.endsWith('.json')) continue;
  const name = entry === '.' ? 'index' : entry.slice(2);
  const config = ExtractorConfig.prepare({
    packageJsonFullPath: `${root}package.json`,
    configObjectFullPath: undefined,
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: `${root}${conditions.import.types.slice(2)}`,
      newlineKind: 'lf',
      compiler: { tsconfigFilePath: `${root}.ci/tsconfig.esm.json`, skipLibCheck: true },
      apiReport: {
        enabled: true,
        reportFileName: `${name}.api.md`,
        reportFolder: `${root}.ci/api`,
        reportTempFolder: found,
        includeForgottenExports: true,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: { logLevel: 'error' } },
        // Doc comments are the reference's business: `npm run docs` checks them.
        tsdocMessageReporting: { default: off },
        extractorMessageReporting: {
          default: { logLevel: 'error' },
          'ae-missing-release-tag': off,
          'ae-undocumented': off,
          'ae-forgotten-export': off,
          'ae-unresolved-link': off,
        },
      },
    },
  });
  const { succeeded, apiReportChanged } = Extractor.invoke(config, {
    localBuild: isUpdate,
    // What the extractor says of the report itself is said below.
    messageCallback: (message) => {
      if (message.messageId.startsWith('console-')) message.handled = true;
    },
  });
  if (!succeeded || (apiReportChanged && !isUpdate)) isSame = false;
  console.log(`${name}: ${apiReportChanged ? (isUpdate ? 'updated' : 'has changed') : 'as it was'}`);
}
rmSync(found, { recursive: true });
if (!isSame) {
  console.error(
    'The public surface differs from .ci/api: if that is meant, run `npm run api` and say it in CHANGELOG.md.',
  );
  exit(1);
}
