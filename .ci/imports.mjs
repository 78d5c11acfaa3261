// In src, imports point down and in no circle, types included. The layers, the highest first, with what may import what beside it:
//   entry points of their own · index · forms (one another) · options · wings (leases → handle → lifecycle) · core (one another) · support · errors · types
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { argv, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const src = resolve(argv[2] ?? fileURLToPath(new URL('../src', import.meta.url)));

/** The first pattern that matches a file's path says in which layer it is. A wing is a layer of its own. */
const LAYERS = [
  // They import what is public, one file at a time, and nothing that is internal.
  { name: 'an entry point', pattern: /^(adaptive|bullmq)\//, rank: 8, only: ['the forms', 'the errors', 'the types'] },
  { name: 'the index', pattern: /^index\.ts$/, rank: 7 },
  { name: 'the types', pattern: /^types\.ts$/, rank: 0 },
  { name: 'the errors', pattern: /^errors\.ts$/, rank: 1 },
  { name: 'the forms', pattern: /^[^/]+\.ts$/, rank: 6 },
  { name: 'the options', pattern: /^internal\/options\.ts$/, rank: 5 },
  { name: 'the wing lifecycle', pattern: /^internal\/lifecycle\//, rank: 4 },
  { name: 'the wing handle', pattern: /^internal\/handle\//, rank: 4, beside: ['the wing lifecycle'] },
  {
    name: 'the wing leases',
    pattern: /^internal\/leases\//,
    rank: 4,
    beside: ['the wing handle', 'the wing lifecycle'],
  },
  { name: 'the wing policies', pattern: /^internal\/policies\//, rank: 4 },
  { name: 'the wing queues', pattern: /^internal\/queues\//, rank: 4 },
  { name: 'the core', pattern: /^internal\/core\//, rank: 3 },
  { name: 'the support', pattern: /^internal\/support\//, rank: 2 },
];

function layerOf(file) {
  const layer = LAYERS.find(({ pattern }) => pattern.test(file));
  if (layer === undefined) throw new Error(`src/${file} is in no layer: add its folder to .ci/imports.mjs`);
  return layer;
}

/** The files of src that `file` imports, for their values or for their types. */
function importsOf(file) {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(src, file), 'utf8'), true, true);
  return importedFiles
    .filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => relative(src, join(src, dirname(file), fileName)).replace(/\.js$/, '.ts'));
}

const files = readdirSync(src, { recursive: true })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.ts'))
  .sort();
const imports = new Map(files.map((file) => [file, importsOf(file)]));

function isAllowed(from, to) {
  if (from.only !== undefined && to !== from && !from.only.includes(to.name)) return false;
  return to.rank < from.rank || to === from || (from.beside ?? []).includes(to.name);
}

const problems = [];
for (const [file, imported] of imports) {
  const from = layerOf(file);
  const isForbidden = (other) => !isAllowed(from, layerOf(other));
  for (const other of imported.filter(isForbidden)) {
    const to = layerOf(other);
    const why =
      to.rank > from.rank
        ? 'imports point down'
        : from.only
          ? `it imports only ${from.only.join(', ')}`
          : 'wings do not know each other';
    problems.push(`src/${file} → src/${other}: ${from.name} may not import ${to.name}, because ${why}.`);
  }
  // The search for circles does not follow them, or it would tell of each of them again.
  imports.set(
    file,
    imported.filter((other) => !isForbidden(other)),
  );
}

/** Walks from `file` down its imports. `chain` is the way that led to it, `done` has the files from which no circle starts. */
function findCircles(file, chain, done) {
  const at = chain.indexOf(file);
  if (at >= 0) {
    const circle = [...chain.slice(at), file].map((name) => `src/${name}`).join(' → ');
    problems.push(`${circle}: these files import one another in a circle.`);
    return;
  }
  if (done.has(file)) return;
  for (const other of imports.get(file) ?? []) findCircles(other, [...chain, file], done);
  done.add(file);
}
const done = new Set();
for (const file of files) findCircles(file, [], done);

for (const problem of problems) console.error(problem);
if (problems.length > 0) exit(1);
console.log(`the imports of ${files.length} files point down, and in no circle`);
