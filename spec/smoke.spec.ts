import { expect } from 'chai';
import {
  from,
  of,
  range,
  take,
  Subject,
  NEVER,
  timer,
  map,
  concat,
  Observable,
  mergeMap,
  toArray,
  finalize,
} from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { workerPool, workerPoolSettled } from '../src/index.js';
const marbles = (f: Parameters<TestScheduler['run']>[0]) =>
  new TestScheduler((a, e) => {
    expect(a).to.deep.equal(e);
  }).run(f);
describe('smoke', () => {
  it('doc marble', () =>
    marbles(({ hot, expectObservable, cold }) => {
      const src = () => hot('-a-b-c--|');
      const work = (x: string) => cold('-----(x|)', { x });
      expectObservable(src().pipe(workerPool(work, { workers: 1, buffer: 1, overflow: 'drop-incoming' }))).toBe(
        '------a----(b|)',
      );
      expectObservable(src().pipe(workerPool(work, { workers: 1, buffer: 1, overflow: 'drop-oldest' }))).toBe(
        '------a----(c|)',
      );
      expectObservable(
        src().pipe(
          workerPoolSettled(work, { workers: 1, buffer: 1, overflow: 'drop-oldest' }),
          map((o) => `${o.job}${o.status}${o.queuedFor}${o.ranFor}`),
        ),
      ).toBe('-----ba----(c|)', { a: 'acompleted05', b: 'bdropped20', c: 'ccompleted15' });
    }));
  it('a million sync', () => {
    let n = 0;
    range(0, 1e6)
      .pipe(workerPool((x) => of(x), { workers: 1, buffer: 0 }))
      .subscribe(() => n++);
    expect(n).equal(1e6);
  });
  it('a million sync behind one', () => {
    let n = 0;
    const s = new Subject<number>();
    const first = new Subject<number>();
    s.pipe(workerPool((x) => (x === 0 ? first : of(x)), { workers: 1, buffer: Infinity })).subscribe(() => n++);
    for (let i = 0; i < 1e6; i++) s.next(i);
    first.complete();
    expect(n).equal(1e6 - 1);
  });
  it('take 3', () => {
    let started = 0;
    const r: number[] = [];
    range(0, Infinity)
      .pipe(
        workerPool(
          (x) => {
            started++;
            return of(x);
          },
          { workers: 2, buffer: 0 },
        ),
        take(3),
      )
      .subscribe((x) => r.push(x));
    expect(started).equal(3);
    expect(r).eql([0, 1, 2]);
  });
  it('promises', async () => {
    const r = await new Promise<number[]>((res) =>
      from([1, 2, 3])
        .pipe(
          workerPool(async (x: number) => x, { workers: 2, buffer: 2 }),
          toArray(),
        )
        .subscribe(res),
    );
    expect(r).eql([1, 2, 3]);
  });
  it('levels', () =>
    marbles(({ hot, cold, expectObservable }) => {
      const go = (s: string) =>
        hot('-abcd-----|').pipe(
          workerPoolSettled((x: string) => cold('-----(x|)', { x }), {
            workers: 2,
            buffer: 2,
            shutdown: cold(s, { d: 'drain', i: 'discard', a: 'abort', n: 'abandon' }),
          }),
          map((o) => `${o.job}:${o.status}`),
        );
      const v = {
        A: 'a:completed',
        B: 'b:completed',
        C: 'c:completed',
        D: 'd:completed',
        c: 'c:dropped',
        d: 'd:dropped',
        a: 'a:aborted',
        b: 'b:aborted',
      };
      expectObservable(go('-----d')).toBe('------AB---C(D|)', v);

      expectObservable(go('-----a')).toBe('-----(cdab|)', v);
    }));
});
