import { expect } from 'chai';
import { LEVELS, readLevel } from '../../src/internal/core/shutdown.js';
import { show } from '../../src/internal/support/describe.js';
import { misspelt, unknownMember } from '../../src/internal/support/suggest.js';

describe('a suggestion', () => {
  const known = ['workers', 'buffer', 'on'];
  const said = (word: string): string => unknownMember('form', 'option', word, known, '; see there').message;
  const near: Record<string, string> = {
    worker: 'workers',
    Workers: 'workers',
    wrokers: 'workers',
    workersss: 'workers',
    wokrer: 'workers',
    bufer: 'buffer',
    bfufer: 'buffer',
    'buf fer': 'buffer',
    BUFFER: 'buffer',
    no: 'on',
    onn: 'on',
  };
  for (const [word, meant] of Object.entries(near)) {
    it(`is the known word that is near: ${word}`, () => {
      expect(said(word)).to.equal(`form has no option '${word}': did you mean '${meant}'?`);
    });
  }
  for (const word of ['', '5', 'sizes', 'work', 'colour', 'offset', 'workersworkers']) {
    it(`is all that there are, where none is near: '${word}'`, () => {
      expect(said(word)).to.equal(`form has no option '${word}': there are workers, buffer, on; see there`);
    });
  }

  const translated: Record<string, string> = {
    concurrency: "it is called 'workers' here",
    CONCURENCY: "it is called 'workers' here",
    Size: "it is called 'buffer' here",
  };
  for (const [word, hint] of Object.entries(translated)) {
    it(`is what a word of another library is called here: ${word}`, () => {
      expect(said(word)).to.equal(`form has no option '${word}': ${hint}`);
    });
  }

  it('takes one letter for a misspelling, and two for another word', () => {
    const found = ['setled', 'Settled', 'setteld', 'settledd', 'sattled', 'stated', 'settle', 'setle', 'unsettled'].map(
      (word) => misspelt(word, ['settled', 'started']),
    );
    expect(found).to.eql([
      'settled',
      'settled',
      'settled',
      'settled',
      'settled',
      'started',
      'settled',
      undefined,
      undefined,
    ]);
  });
});

describe('the value of a shutdown notifier', () => {
  for (const [index, level] of LEVELS.entries()) {
    it(`is the level that it names: ${level}`, () => expect(readLevel(level)).to.eql({ level: index }));
  }

  for (const value of [
    undefined,
    null,
    0,
    3,
    true,
    'SIGTERM',
    'stop',
    '',
    'drop',
    'report',
    'x'.repeat(1e6),
    {},
    ['abort'],
  ]) {
    it(`is a drain without a word, when it is nothing like a level: ${show(value).slice(0, 20)}`, () => {
      expect(readLevel(value)).to.eql({ level: 0 });
    });
  }

  const near: Record<string, string> = {
    abbort: 'abort',
    DRAIN: 'drain',
    Abort: 'abort',
    abotr: 'abort',
    ' abort\n': 'abort',
    'abort!': 'abort',
    discrad: 'discard',
    abandn: 'abandon',
  };
  for (const [value, meant] of Object.entries(near)) {
    it(`is a drain and a complaint, when it is nearly a level: ${JSON.stringify(value)}`, () => {
      const { level, complaint } = readLevel(value);
      expect(level).to.equal(0);
      expect(complaint).to.be.an.instanceOf(TypeError);
      expect(complaint!.message).to.equal(
        `the shutdown notifier emitted '${value}', which is no level and counts as 'drain': did you mean '${meant}'?`,
      );
    });
  }
});
