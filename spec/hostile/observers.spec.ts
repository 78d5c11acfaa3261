import { expect } from 'chai';
import { concat, merge, mergeMap, NEVER, Observable, of, Subject, Subscriber } from 'rxjs';
import { workerPool } from '../../src/index.js';
import { Deferred } from '../support/deferred.js';
import { takeReported, turn } from '../support/guard.js';
import { each, Trial } from './support.js';

describe('hostile observers', () => {
  each('that throw in next are reported, and the next job runs', async (form) => {
    const e = new Error('observer');
    let heard = 0;
    const trial: Trial = new Trial(
      form,
      {},
      {},
      {
        next: () => {
          heard++;
          throw e;
        },
      },
    );
    trial.offer('a', 'b', 'c');
    trial.source.complete();
    await turn();
    expect(heard).to.equal(3);
    expect(trial.fates).to.eql(['a completed a!', 'b completed b!', 'c completed c!']);
    expect(trial.released).to.eql(['a', 'b', 'c']);
    expect(trial.ends).to.eql(['complete']);
    expect(takeReported()).to.eql([e, e, e]);
  });

  for (const kind of ['an Observable', 'a promise'] as const) {
    each(`that unsubscribe at the first value hear no second one, and nothing more starts: ${kind}`, async (form) => {
      const works = Object.fromEntries(
        ['a', 'b', 'c'].map((job) => [job, () => (kind === 'a promise' ? Promise.resolve(job) : of(job, job))]),
      );
      const trial: Trial = new Trial(form, works, {}, { next: () => trial.subscription.unsubscribe() });
      trial.offer('a', 'b', 'c');
      await turn();
      expect(trial.values).to.have.lengthOf(1);
      expect(trial.started).to.eql(['a']);
      expect(trial.ends).to.eql([]);
      expect(trial.source.observed).to.equal(false);
    });
  }

  each('that unsubscribe in the middle of a drain end it there', (form) => {
    const first = new Subject<string>();
    const jobs = ['b', 'c', 'd', 'e'];
    const trial: Trial = new Trial(
      form,
      { first: () => first },
      {},
      {
        next: () => {
          if (trial.values.length === 2) trial.subscription.unsubscribe();
        },
      },
    );
    trial.offer('first', ...jobs);
    trial.source.complete();
    first.next('v');
    first.complete();
    expect(trial.started).to.eql(['first', 'b']);
    expect(trial.values).to.have.lengthOf(2);
    expect(trial.ends).to.eql([]);
  });

  each('that offer from next have their job run in its turn', (form) => {
    const trial: Trial = new Trial(
      form,
      {},
      {},
      {
        next: () => {
          if (trial.values.length < 3) trial.offer('again');
        },
      },
    );
    trial.offer('a');
    expect(trial.started).to.eql(['a', 'again', 'again']);
    expect(trial.fates).to.have.lengthOf(3);
  });

  each('hear nothing after the end, whatever work does then', async (form) => {
    const jobs = ['a', 'b', 'c'].map((name) => ({
      name,
      stream: new Subject<unknown>(),
      later: new Deferred<unknown>(),
    }));
    const works = Object.fromEntries(
      jobs.map(({ name, stream, later }) => [
        name,
        () => (name === 'c' ? later.promise : merge(stream, concat(NEVER))),
      ]),
    );
    const trial = new Trial(form, works, { workers: 3 }).offer('a', 'b', 'c');
    trial.shutdown.next('abandon');
    const before = [...trial.values];
    for (const { stream, later } of jobs) {
      stream.next('late');
      stream.error('late');
      later.resolve('late');
    }
    await turn();
    expect(trial.values).to.eql(before);
    expect(trial.ends).to.eql(['complete']);
    expect(trial.outcomes).to.have.lengthOf(3);
  });

  for (const how of ['throws', 'rejects'] as const) {
    each(`as hooks: one that ${how} is reported, and nobody else notices`, async (form) => {
      const e = new Error('hook');
      const seen: string[] = [];
      const bad = (): unknown => {
        if (how === 'throws') throw e;
        return Promise.reject(e);
      };
      const events = ['accepted', 'started', 'settled', 'released'] as const;
      const hooks = [
        Object.fromEntries(events.map((event) => [event, bad])),
        Object.fromEntries(events.map((event) => [event, () => seen.push(event)])),
      ];
      const trial = new Trial(form, {}, { hooks }).offer('a');
      await turn();
      await turn();
      expect(seen).to.eql(events);
      expect(trial.values).to.eql([form === 'workerPool' ? 'a!' : 'a completed a!']);
      expect(takeReported()).to.eql([e, e, e, e]);
    });
  }

  it('that are Subscribers of their own and throw in next have it as an error, as with mergeMap', () => {
    class Foreign extends Subscriber<unknown> {
      readonly ends: unknown[] = [];
      override next(): void {
        throw 'foreign';
      }
      override error(error: unknown): void {
        this.ends.push(error);
        super.error(error);
      }
    }
    const operators = [
      workerPool((job: string) => of(job), { workers: 1, buffer: 0 }),
      mergeMap((job: string) => of(job)),
    ];
    for (const operator of operators) {
      const source = new Subject<string>();
      const foreign = new Foreign({ error: () => undefined } as never);
      source.pipe(operator).subscribe(foreign);
      source.next('a');
      expect([foreign.ends, source.observed]).to.eql([['foreign'], false]);
    }
  });

  each('an Observable whose own subscribe() throws: its job fails', (form) => {
    class Broken extends Observable<string> {
      override subscribe(): never {
        throw e;
      }
    }
    const e = new Error('subscribe');
    expect(new Trial(form, { a: () => new Broken() }).offer('a').fates).to.eql(['a failed Error: subscribe']);
  });
});
