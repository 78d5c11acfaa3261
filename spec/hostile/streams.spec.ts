import { expect } from 'chai';
import { EMPTY, finalize, NEVER, Observable, of, range, Subject, tap, throwError } from 'rxjs';
import type { Observer } from 'rxjs';
import { Deferred } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';
import { Asked, badAnswers, each, errorsOf, Trial } from './support.js';

describe('hostile work', () => {
  describe('that is an Observable', () => {
    each('may be empty, or emit many values', (form) => {
      const trial = new Trial(form, { x: () => EMPTY, y: () => of(1, 2, 3) }).offer('x', 'y', 'b');
      expect(trial.fates).to.eql(['x completed undefined', 'y completed 3', 'b completed b!']);
      expect(trial.values).to.eql(form === 'workerPool' ? [1, 2, 3, 'b!'] : trial.fates);
    });

    each('synchronous and endless, is stopped by an abort from inside itself', (form) => {
      let emitted = 0;
      const endless = range(0, Infinity).pipe(
        tap(() => {
          if (++emitted === 1000) trial.shutdown.next('abort');
        }),
      );
      const trial: Trial = new Trial(form, { x: () => endless });
      trial.offer('x', 'b');
      expect(emitted).to.equal(1000);
      expect(trial.fates).to.eql(['x aborted settled']);
      expect(trial.ends).to.eql(['complete']);
    });

    each('that emits, errors and completes after its end is not heard of again', (form) => {
      let late!: Observer<unknown>;
      const x = new Observable<unknown>((subscriber) => {
        late = subscriber;
        subscriber.complete();
        /* eslint-disable rxjs-x/no-redundant-notify -- that is the subject */
        subscriber.next('late');
        subscriber.error('late');
        /* eslint-enable rxjs-x/no-redundant-notify */
      });
      const b = new Subject<unknown>();
      const trial = new Trial(form, { x: () => x, b: () => b }).offer('x', 'b');
      late.next('later');
      late.error('later');
      late.complete();
      expect(trial.fates).to.eql(['x completed undefined']);
      b.complete();
      expect(trial.fates).to.eql(['x completed undefined', 'b completed undefined']);
    });

    for (const [name, verdict] of [
      ['next', 'x completed v'],
      ['error', 'x failed v'],
    ] as const) {
      each(`of another library is taken, and settles its job once: ${name}`, (form) => {
        const observers: Observer<unknown>[] = [];
        const key = (Symbol as { observable?: symbol }).observable ?? '@@observable';
        const foreign = {
          [key]: () => ({
            subscribe: (observer: Observer<unknown>) => (observers.push(observer), { unsubscribe() {} }),
          }),
        };
        const trial = new Trial(form, { x: () => foreign as never }).offer('x');
        for (const observer of [...observers, ...observers]) {
          observer[name]('v');
          observer.complete();
        }
        expect(observers).to.have.lengthOf(1);
        expect(trial.fates).to.eql([verdict]);
      });
    }
  });

  describe('whose finalizer throws', () => {
    const boom = new Error('finalizer');
    const fails = <T>(source: Observable<T>): Observable<T> =>
      new Observable((subscriber) => {
        source.subscribe(subscriber);
        return () => {
          throw boom;
        };
      });

    each('synchronously: that is reported, and the next job has its slot', async (form) => {
      const trial = new Trial(form, { x: () => fails(of('x!')) }).offer('x', 'b');
      await turn();
      expect(trial.fates).to.eql(['x completed x!', 'b completed b!']);
      expect(trial.released).to.eql(['x', 'b']);
      expect(takeReported().flatMap(errorsOf)).to.eql([boom]);
    });

    each('later: that is reported, and the next job has its slot', async (form) => {
      const x = new Subject<string>();
      const trial = new Trial(form, { x: () => fails(x) }).offer('x', 'b');
      x.next('x!');
      expect(() => x.complete()).not.to.throw();
      await turn();
      expect(trial.fates).to.eql(['x completed x!', 'b completed b!']);
      expect(trial.released).to.eql(['x', 'b']);
      expect(takeReported().flatMap(errorsOf)).to.eql([boom]);
    });

    for (const when of ['synchronously', 'later']) {
      each(`after a failure, ${when}: that is reported, and the job has failed with its own error`, async (form) => {
        const x = new Subject<string>();
        const e = throwError(() => 'e');
        const trial = new Trial(form, { x: () => fails(when === 'later' ? x : e) }).offer('x', 'b');
        if (when === 'later') x.error('e');
        await turn();
        expect(trial.fates[0]).to.equal('x failed e');
        if (form === 'workerPool') expect(trial.ends).to.eql([{ error: 'e' }]);
        else expect(trial.fates[1]).to.equal('b completed b!');
        expect(takeReported().flatMap(errorsOf)).to.eql([boom]);
      });
    }

    each('at an abort: that is reported, and the pool comes to its end', async (form) => {
      const trial = new Trial(form, { x: () => fails(NEVER), y: () => fails(NEVER) }, { workers: 2 }).offer('x', 'y');
      expect(() => trial.shutdown.next('abort')).not.to.throw();
      await turn();
      expect(trial.fates).to.eql(['x aborted settled', 'y aborted settled']);
      expect(trial.ends).to.eql(['complete']);
      expect(takeReported().flatMap(errorsOf)).to.eql([boom, boom]);
    });

    each('at an unsubscription: the other jobs are stopped, and the error is seen', async (form) => {
      const stopped: string[] = [];
      const y = NEVER.pipe(finalize(() => stopped.push('y')));
      const trial = new Trial(form, { x: () => fails(NEVER), y: () => y }, { workers: 2 }).offer('x', 'y');
      let thrown: unknown[] = [];
      try {
        trial.subscription.unsubscribe();
      } catch (error) {
        thrown = errorsOf(error);
      }
      await turn();
      expect(stopped).to.eql(['y']);
      expect([...thrown, ...takeReported().flatMap(errorsOf)]).to.eql([boom]);
    });
  });

  describe('that is an async iterable', () => {
    for (const level of ['abort', 'abandon', 'unsubscription'] as const) {
      each(`is returned at once: ${level}`, async (form) => {
        const x = new Asked(() => Promise.resolve({ done: true, value: undefined }));
        const trial = new Trial(form, { x: () => x }).offer('x');
        if (level === 'unsubscription') trial.subscription.unsubscribe();
        else trial.shutdown.next(level);
        expect(x.calls).to.eql(['next', 'return']);
        // Its slot is taken until its return() has settled, which only 'abandon' does not wait for.
        const fate = level === 'abandon' ? 'x aborted abandoned' : 'x aborted settled';
        expect(trial.fates).to.eql(level === 'abandon' ? [fate] : []);
        expect(trial.ends).to.eql(level === 'abandon' ? ['complete'] : []);
        await turn();
        expect(trial.fates).to.eql([fate]);
        expect(trial.ends).to.eql(level === 'unsubscription' ? [] : ['complete']);
        x.item.resolve({ done: false, value: 'late' });
        await turn();
        expect(x.calls).to.eql(['next', 'return']);
        expect(trial.values).to.eql(form === 'workerPool' || level === 'unsubscription' ? [] : [fate]);
      });
    }

    for (const how of ['rejects', 'throws'] as const) {
      each(`whose return ${how} is reported, and nobody else notices`, async (form) => {
        const e = new Error('return');
        const onReturn = (): Promise<never> => {
          if (how === 'throws') throw e;
          return Promise.reject(e);
        };
        const trial = new Trial(form, { x: () => new Asked(onReturn) }).offer('x');
        trial.shutdown.next('abort');
        await turn();
        await turn();
        expect(trial.fates).to.eql(['x aborted settled']);
        expect(takeReported()).to.eql([e]);
      });
    }

    each('whose next throws fails its job: at the first item, or at a later one', async (form) => {
      for (const items of [0, 1]) {
        let nexts = 0;
        const next = (): { value: string } => {
          if (nexts++ < items) return { value: 'v' };
          throw new Error('next');
        };
        const iterable = { [Symbol.asyncIterator]: () => ({ next }) } as unknown as AsyncIterable<string>;
        const trial = new Trial(form, { x: () => iterable }).offer('x');
        await turn();
        expect([trial.fates, nexts]).to.eql([['x failed Error: next'], items + 1]);
      }
    });

    for (const [name, answerOf] of Object.entries(badAnswers)) {
      for (const items of [0, 1]) {
        each(`whose next answers with ${name} fails its job: at item ${items}`, async (form) => {
          let nexts = 0;
          const next = (): unknown => (nexts++ < items ? { value: 'v' } : answerOf());
          const iterable = { [Symbol.asyncIterator]: () => ({ next }) } as unknown as AsyncIterable<string>;
          const trial = new Trial(form, { x: () => iterable }).offer('x', 'y');
          await turn();
          expect(trial.fates[0]).to.equal('x failed Error: look');
          if (form === 'workerPoolSettled') expect(trial.fates[1]).to.equal('y completed y!');
          expect(nexts).to.equal(items + 1);
        });
      }
    }

    each('whose next gives no object fails its job', async (form) => {
      const iterable = { [Symbol.asyncIterator]: () => ({ next: () => 5 }) } as unknown as AsyncIterable<string>;
      const trial = new Trial(form, { x: () => iterable }).offer('x');
      await turn();
      expect(trial.fates).to.eql(['x failed TypeError: what next() returns must be an object, but is 5']);
    });

    for (const late of ['a value', 'an error'] as const) {
      each(`that has no return keeps its slot until what it was asked for has come: ${late}`, async (form) => {
        const item = new Deferred<IteratorResult<string>>();
        const iterable = { [Symbol.asyncIterator]: () => ({ next: () => item.promise }) };
        const trial = new Trial(form, { x: () => iterable as AsyncIterable<string> }).offer('x');
        trial.shutdown.next('abort');
        await turn();
        expect([trial.fates, trial.ends]).to.eql([[], []]);
        if (late === 'a value') item.resolve({ done: false, value: 'late' });
        else item.reject('late');
        await turn();
        await turn();
        expect([trial.fates, trial.ends]).to.eql([['x aborted settled'], ['complete']]);
        expect(takeReported()).to.eql(late === 'a value' ? [] : ['late']);
      });
    }

    each(
      'that has no return, and aborts the pool when it is asked for an iterator, is asked for nothing',
      async (form) => {
        let nexts = 0;
        const iterable = {
          [Symbol.asyncIterator]() {
            trial.shutdown.next('abort');
            return { next: () => nexts++ };
          },
        };
        const trial: Trial = new Trial(form, { x: () => iterable as unknown as AsyncIterable<string> });
        trial.offer('x');
        await turn();
        expect([trial.fates, trial.ends, nexts]).to.eql([['x aborted settled'], ['complete'], 0]);
      },
    );

    for (const end of ['ends', 'fails'] as const) {
      each(`is not returned when it ${end} by itself`, async (form) => {
        const x = new Asked();
        const trial = new Trial(form, { x: () => x }).offer('x');
        if (end === 'ends') x.item.resolve({ done: true, value: undefined });
        else x.item.reject('e');
        await turn();
        expect(x.calls).to.eql(['next']);
        expect(trial.fates).to.eql([end === 'ends' ? 'x completed undefined' : 'x failed e']);
      });
    }

    each('may be a generator in the middle of an await: it keeps its slot until it has cleaned up', async (form) => {
      const log: string[] = [];
      const gate = new Deferred();
      async function* x(): AsyncGenerator<string> {
        try {
          yield 'v';
          await gate.promise;
          yield 'late';
        } finally {
          log.push('finally');
        }
      }
      const trial = new Trial(form, { x }).offer('x');
      await turn();
      trial.shutdown.next('abort');
      await turn();
      expect([trial.ends, trial.fates, log]).to.eql([[], [], []]);
      gate.resolve();
      await turn();
      expect(log).to.eql(['finally']);
      expect(trial.ends).to.eql(['complete']);
      expect(trial.fates).to.eql(['x aborted settled']);
    });

    it('may be a ReadableStream, which is cancelled at an abort, and waited for until it is', async () => {
      const log: string[] = [];
      const cancelled = new Deferred<void>();
      const x = new ReadableStream<string>({
        start: (controller) => controller.enqueue('v'),
        cancel: () => (log.push('cancel'), cancelled.promise),
      });
      const next = (): void => trial.shutdown.next('abort');
      const trial: Trial = new Trial('workerPool', { x: () => x }, {}, { next });
      trial.offer('x');
      await turn();
      expect(log).to.eql(['cancel']);
      expect([trial.values, trial.fates, trial.ends]).to.eql([['v'], [], []]);
      cancelled.resolve();
      await turn();
      expect([trial.fates, trial.ends, x.locked]).to.eql([['x aborted settled'], ['complete'], false]);
    });

    each('may be a ReadableStream that somebody else reads: the job fails', async (form) => {
      const x = new ReadableStream<string>();
      x.getReader();
      const trial = new Trial(form, { x: () => x }).offer('x', 'b');
      await turn();
      expect((trial.outcomes[0] as { error: unknown }).error).to.be.an.instanceOf(TypeError);
      expect(trial.outcomes[0]).to.include({ job: 'x', status: 'failed' });
    });
  });
});
