// How to test a pipeline of your own. Let its work and its shutdown come from outside: then a test can give it marbles, and
// sees frame by frame what starts, what waits and what is lost. Promises need another kind of test, the last one here.
//
// Run it with: node -r ts-node/register/transpile-only demos/09-marble-testing.ts
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { from, lastValueFrom, NEVER, toArray } from 'rxjs';
import type { Observable, ObservableInput } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { workerPool } from '../src/index.js';
import type { Work } from '../src/index.js';

/** The pipeline under test. In the program `resize` returns promises, and `stop$` is a signal. */
function thumbnails(
  file$: Observable<string>,
  resize: Work<string, ObservableInput<string>>,
  stop$: Observable<unknown> = NEVER,
): Observable<string> {
  return file$.pipe(workerPool(resize, { workers: 2, buffer: 1, overflow: 'drop-oldest', shutdown: stop$ }));
}

function marbles(body: Parameters<TestScheduler['run']>[0]): () => void {
  return () => {
    new TestScheduler(assert.deepEqual).run(body);
  };
}

void test(
  'runs two at once, lets one wait, and drops the oldest',
  marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
    const files = hot('   -abcd--|  ');
    const a = cold('       ---a|    ');
    const b = cold('        ---b|   ');
    const c = cold('         ---c|  ');
    const d = cold('           ---d|');
    const expected = '    ----ab--d|';

    expectObservable(thumbnails(files, (file) => ({ a, b, c, d })[file]!)).toBe(expected);
    expectSubscriptions(b.subscriptions).toBe('--^---!');
    expectSubscriptions(c.subscriptions).toBe([]);
    expectSubscriptions(d.subscriptions).toBe('-----^---!');
  }),
);

void test(
  'finishes what it took on when it is stopped',
  marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
    const files = hot('   -abc-d-----');
    const stop = cold('   ----x      ');
    const taken = '       ^---!      ';
    const expected = '    ----ab--c| ';

    expectObservable(thumbnails(files, (file) => cold(`---${file}|`), stop)).toBe(expected);
    expectSubscriptions(files.subscriptions).toBe(taken);
  }),
);

void test(
  'cannot see a promise in virtual time, which is over before it settles',
  marbles(({ cold, expectObservable }) => {
    expectObservable(thumbnails(cold('a|'), (file) => Promise.resolve(file))).toBe('--');
  }),
);

void test('runs promises in real time: await its end', async () => {
  let running = 0;
  let most = 0;
  const resize = async (file: string): Promise<string> => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    return `${file}.png`;
  };
  const results = await lastValueFrom(thumbnails(from(['a', 'b', 'c']), resize).pipe(toArray()));
  assert.deepEqual(results, ['a.png', 'b.png', 'c.png']);
  assert.equal(most, 2);
});
