import { expect } from 'chai';
import { Deferred } from '../support/deferred.js';
import { turn } from '../support/guard.js';
import { each, thenable, Trial } from './support.js';

describe('hostile work', () => {
  describe('that is a thenable', () => {
    const twice: Record<string, readonly [first: string, second: string]> = {
      'fulfils twice': ['fulfil', 'fulfil'],
      'fulfils, then rejects': ['fulfil', 'reject'],
      'rejects, then fulfils': ['reject', 'fulfil'],
      'rejects twice': ['reject', 'reject'],
    };
    for (const [name, [first, second]] of Object.entries(twice)) {
      for (const when of ['at once', 'later'] as const) {
        each(`ends once when it ${name}, ${when}, and never touches the next job`, async (form) => {
          const b = new Deferred<unknown>();
          const settle: Record<string, (value: unknown) => void> = {};
          const x = thenable((fulfil, reject) => {
            Object.assign(settle, { fulfil, reject });
            if (when === 'later') return;
            settle[first]!('first');
            settle[second]!('second');
          });
          const trial = new Trial(form, { x: () => x, b: () => b.promise }).offer('x', 'b');
          if (when === 'later') settle[first]!('first');
          settle[second]!('second');
          await turn();
          const fate = first === 'fulfil' ? 'x completed first' : 'x failed first';
          expect(trial.fates[0]).to.equal(fate);
          if (form === 'workerPool' && first === 'reject') {
            expect(trial.ends).to.eql([{ error: 'first' }]);
            return;
          }
          expect(trial.started).to.eql(['x', 'b']);
          expect(trial.fates).to.eql([fate]);
          settle[second]!('third');
          b.resolve('its own');
          await turn();
          expect(trial.fates).to.eql([fate, 'b completed its own']);
          expect(trial.values).to.eql(form === 'workerPool' ? ['first', 'its own'] : trial.fates);
          expect(trial.released).to.eql(['x', 'b']);
        });
      }
    }

    each('is asked for its then once', (form) => {
      let reads = 0;
      const x = {
        get then() {
          reads++;
          return thenable((fulfil) => fulfil('v')).then;
        },
      } as PromiseLike<unknown>;
      const trial = new Trial(form, { x: () => x }).offer('x');
      expect(trial.fates).to.eql(['x completed v']);
      expect(reads).to.equal(1);
    });

    each('has its then called as a method, once', (form) => {
      const calls: unknown[] = [];
      const x = {
        then(fulfil: (value: unknown) => void) {
          calls.push(this);
          fulfil('v');
          return thenable(() => undefined);
        },
      };
      const trial = new Trial(form, { x: () => x as unknown as PromiseLike<unknown> }).offer('x');
      expect(calls).to.eql([x]);
      expect(trial.fates).to.eql(['x completed v']);
    });

    each('has fulfilled, although its then throws after that', async (form) => {
      const x = thenable((fulfil) => {
        fulfil('v');
        throw new Error('too late');
      });
      const trial = new Trial(form, { x: () => x }).offer('x', 'b');
      await turn();
      expect(trial.fates).to.eql(['x completed v', 'b completed b!']);
      expect(trial.ends).to.eql([]);
    });

    each('may fulfil with itself, which is a value like any other', (form) => {
      const x: PromiseLike<unknown> = thenable((fulfil) => fulfil(x));
      const trial = new Trial(form, { x: () => x }).offer('x', 'b');
      expect((trial.outcomes[0] as { value: unknown }).value).to.equal(x);
      expect(trial.fates[1]).to.equal('b completed b!');
    });

    each('fails its job, as a promise that is resolved with itself', async (form) => {
      const { promise, resolve } = new Deferred<unknown>();
      resolve(promise);
      const trial = new Trial(form, { x: () => promise }).offer('x');
      await turn();
      expect((trial.outcomes[0] as { error: unknown }).error).to.be.an.instanceOf(TypeError);
    });

    each('may come from a class that extends Promise, or from another realm', async (form) => {
      class Mine extends Promise<unknown> {}
      const foreign = Object.setPrototypeOf(Promise.resolve('y!'), {
        then: Promise.prototype.then,
      }) as Promise<unknown>;
      const trial = new Trial(form, { x: () => Mine.resolve('x!'), y: () => foreign }).offer('x', 'y');
      await turn();
      expect(trial.fates).to.eql(['x completed x!', 'y completed y!']);
    });
  });
});
