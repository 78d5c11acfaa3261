// Every example of a doc comment in src is compiled, and run; what it prints is what its `// →` comments say.
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as library from '../src/index.js';
import { printedBy, problemsOf, promisedBy } from './support/snippets.js';

const src = join(__dirname, '../src');
/** A server, whose world has to be made for it: BackgroundJobs/example.spec.ts. */
const ELSEWHERE = 'BackgroundJobs.ts, BackgroundJobs';
/** What only compiles here, because it needs a server of another kind, and what stands before it. */
const COMPILED: Readonly<Record<string, string>> = {
  // bullmq.spec.ts runs the like of it.
  'bullmq/fromBullMQ.ts, fromBullMQ': `interface Mail { readonly to: string }
interface Receipt { readonly id: string }
declare function send(mail: Mail): Promise<Receipt>;
`,
};

/** The examples by their file and by the name of what they are of. */
const examples = new Map(
  readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => {
      const text = readFileSync(join(src, file), 'utf8');
      // The comment of an overload stands before all of them.
      const comments = text.matchAll(
        /^\/\*\*\n(?: \*.*\n)*? \*\/\nexport (?:function|class|interface|type|const) (\w+)/gm,
      );
      return [...comments].flatMap(([comment, name]) =>
        [...comment.matchAll(/^ \* ```ts\n((?: \*.*\n)*?) \* ```$/gm)].map(
          ([, code]) => [`${file.replaceAll('\\', '/')}, ${name}`, code!.replace(/^ \* ?/gm, '')] as const,
        ),
      );
    }),
);

describe('examples of doc comments', () => {
  const programs = [...examples].filter(([title]) => title !== ELSEWHERE);

  it('stand with every function and class that is exported', () => {
    const named = new Set([...examples.keys()].map((title) => title.split(', ')[1]));
    expect(Object.keys(library).filter((name) => !named.has(name))).to.eql([]);
    expect(examples).to.include.keys(ELSEWHERE);
  });

  it('are all found', () => {
    const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const tags = files.flatMap((file) => readFileSync(join(src, file), 'utf8').match(/@example/g) ?? []);
    expect(examples.size).to.equal(tags.length);
  });

  it('compile', function () {
    this.timeout(60_000); // a whole compiler, perhaps beside other work
    expect(problemsOf(programs.map(([title, code]) => (COMPILED[title] ?? '') + code))).to.eql([]);
  });

  for (const [title, code] of programs.filter(([name]) => !(name in COMPILED))) {
    it(`${title}: prints what it says`, async () => {
      const expected = promisedBy(code);
      expect(expected).not.to.be.empty;
      expect((await printedBy(code)).sort()).to.eql(expected.sort());
    });
  }
});
