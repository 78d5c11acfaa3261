import { createReadStream } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { EMPTY, Subject } from 'rxjs';
import { BackgroundJobs, PoolMonitor } from '../../src/index.js';
import { badResult, isPlain, show } from '../../src/internal/support/describe.js';

class Mailer {}
class Signal extends EventTarget {
  readonly aborted = false;
  readonly [Symbol.toStringTag] = 'AbortSignal';
}
const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();
const unreadable = Object.defineProperty({}, 'then', {
  get: () => {
    throw new Error('never read');
  },
});

describe('a value in an error', () => {
  const shown: readonly (readonly [unknown, string])[] = [
    ['5', "'5'"],
    ['', "''"],
    [5, '5'],
    [-0, '0'],
    [NaN, 'NaN'],
    [5n, '5n'],
    [true, 'true'],
    [null, 'null'],
    [undefined, 'undefined'],
    [Symbol('five'), 'Symbol(five)'],
    [[], 'an array'],
    [runInNewContext('[]'), 'an array'],
    [{}, 'an object'],
    [Object.create(null), 'an object'],
    [runInNewContext('({})'), 'an object'],
    [new Map(), 'a Map'],
    [new WeakSet(), 'a WeakSet'],
    [runInNewContext('new Set()'), 'a Set'],
    [new Date(0), 'a Date'],
    [/x/, 'a RegExp'],
    [new RangeError('x'), 'an Error'],
    [new Uint8Array(1), 'a Uint8Array'],
    [new URL('https://example.com'), 'a URL'],
    [Promise.resolve(), 'a Promise'],
    [{ then: () => undefined }, 'a Promise'],
    [runInNewContext('Promise.resolve()'), 'a Promise'],
    [EMPTY, 'an Observable'],
    [new Subject(), 'an Observable'],
    [{ subscribe: () => undefined }, 'an Observable that is not of RxJS'],
    [new AbortController(), 'an AbortController'],
    [new AbortController().signal, 'an AbortSignal'],
    [new Signal(), 'an AbortSignal'],
    [new ReadableStream(), 'a ReadableStream'],
    [(function* () {})(), 'a generator'],
    [(async function* () {})(), 'an async generator'],
    [() => 5, 'a function'],
    [async () => 5, 'an async function'],
    [function* () {}, 'a generator function'],
    [async function* () {}, 'an async generator function'],
    [Mailer, 'a function'],
    [new Mailer(), 'an instance of Mailer'],
    [new PoolMonitor(), 'an instance of PoolMonitor'],
    [new (class {})(), 'an object'],
    [Object.create(Object.create(Object.create(null) as object) as object), 'an object'],
    [Object.create({}), 'an instance of Object'],
    [revoked, 'an object'],
    [unreadable, 'an object'],
    ['x'.repeat(60), `'${'x'.repeat(60)}'`],
    ['x'.repeat(61), `'${'x'.repeat(60)}…'`],
  ];
  for (const [value, expected] of shown) {
    it(`is told apart from its string, and described by what it is: ${expected}`, () => {
      expect(show(value)).to.equal(expected);
    });
  }

  it('is a BackgroundJobs, whatever its class is called inside', async () => {
    const jobs = new BackgroundJobs(() => EMPTY, { workers: 1, buffer: 0 });
    expect(show(jobs)).to.equal('a BackgroundJobs');
    await jobs.shutdown();
  });

  it('is a stream of Node, by the name of its class', () => {
    const stream = createReadStream(__filename);
    expect(show(stream)).to.equal('an instance of ReadStream');
    stream.destroy();
  });

  it('is not called', () => {
    const calls: string[] = [];
    const call = (name: string) => () => calls.push(name);
    show({
      toString: call('toString'),
      valueOf: call('valueOf'),
      then: call('then'),
      constructor: call('constructor'),
    });
    expect(calls).to.eql([]);
  });
});

describe('the result of work that is none', () => {
  const may = 'work must return a promise, an Observable, an iterable or an async iterable';
  const given: readonly (readonly [unknown, string])[] = [
    [undefined, 'but returned undefined: is a return missing?'],
    [null, 'but returned null: return a promise or an Observable of it'],
    [5, 'but returned 5: return a promise or an Observable of it'],
    ['done', "but returned 'done': return a promise or an Observable of it"],
    [() => 5, 'but returned a function: return a promise or an Observable of it'],
    [{}, 'but returned an object: return a promise or an Observable of it'],
  ];
  for (const [value, rest] of given) {
    it(`is refused by a TypeError that names it, and what work may return: ${show(value)}`, () => {
      expect(badResult(value)).to.be.an.instanceOf(TypeError);
      expect(badResult(value).message).to.equal(`${may}, ${rest}`);
    });
  }
});

describe('a plain object', () => {
  const plain: Record<string, object> = {
    'an object literal': {},
    'an object without a prototype': Object.create(null) as object,
    'an object of another realm': runInNewContext('({})') as object,
    'a frozen one': Object.freeze({}),
    'one behind a Proxy': new Proxy({}, {}),
  };
  const others: Record<string, object> = {
    'an array': [],
    'an array of another realm': runInNewContext('[]') as object,
    'a Map': new Map(),
    'an object that inherits from another': Object.create({}) as object,
    'an object of a class': new Mailer(),
  };
  for (const [name, value] of Object.entries(plain)) it(`is ${name}`, () => expect(isPlain(value)).to.equal(true));
  for (const [name, value] of Object.entries(others))
    it(`is not ${name}`, () => expect(isPlain(value)).to.equal(false));
});
