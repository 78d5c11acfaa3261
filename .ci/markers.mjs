// Each half of the build says what its files are: package.json has no "type", because the sources are run as CommonJS.
import { writeFileSync } from 'node:fs';

for (const [folder, type] of [
  ['cjs', 'commonjs'],
  ['esm', 'module'],
]) {
  const marker = { type, sideEffects: false };
  writeFileSync(new URL(`../dist/${folder}/package.json`, import.meta.url), `${JSON.stringify(marker, null, 2)}\n`);
}
