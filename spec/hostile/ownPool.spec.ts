import { expect } from 'chai';
import { NEVER, Observable, of, throwError } from 'rxjs';
import { BackgroundJobs, JobAbortedError } from '../../src/index.js';
import { fateOf, unhandledRejections } from '../support/deferred.js';
import { turn } from '../support/guard.js';
import { each, thenable, Trial } from './support.js';
import type { Work } from './support.js';

const LEVELS = ['drain', 'discard', 'abort', 'abandon'] as const;

describe('hostile work', () => {
  // What work does to its own pool, and then returns or throws.
  const afterwards: Record<string, Work> = {
    'returns a value': () => of('v'),
    'returns an Observable that never ends': () => NEVER,
    'returns one that errors': () => throwError(() => 'e'),
    'returns a promise': () => Promise.resolve('v'),
    'returns a promise that rejects': () => Promise.reject(new Error('e')),
    'returns a promise that never settles': () => new Promise(() => undefined),
    'returns a thenable': () => thenable((fulfil) => fulfil('v')),
    'returns a thenable that rejects': () => thenable((_, reject) => reject('e')),
    'returns an array': () => ['v'],
    'returns an async generator': async function* () {
      yield await Promise.resolve('v');
    },
    'returns a string': () => 'v' as never,
    'returns nothing': () => undefined as never,
    throws: () => {
      throw new Error('e');
    },
  };

  describe('that unsubscribes the results', () => {
    for (const [then, work] of Object.entries(afterwards)) {
      each(`and ${then} ends once, emits nothing, and starts nothing`, async (form) => {
        let trial: Trial;
        const raised = await unhandledRejections(() => {
          const x: Work = (job, context) => {
            trial.subscription.unsubscribe();
            return work(job, context);
          };
          trial = new Trial(form, { first: () => NEVER, x }, { workers: 2 });
          trial.offer('first', 'x', 'b');
        });
        expect(raised).to.eql([]);
        expect(trial!.started).to.eql(['first', 'x']);
        expect(trial!.values).to.eql([]);
        expect(trial!.ends).to.eql([]);
        expect(trial!.contexts.map(({ signal }) => signal.aborted)).to.eql([true, true]);
        expect(trial!.released.filter((job) => job === 'x').length).to.be.at.most(1);
        expect(trial!.source.observed).to.equal(false);
      });
    }

    each('tears down what it returns after that', (form) => {
      const log: string[] = [];
      const x: Work = () => {
        trial.subscription.unsubscribe();
        return new Observable((subscriber) => {
          log.push(`subscribed ${subscriber.closed}`);
          return () => log.push('torn down');
        });
      };
      const trial: Trial = new Trial(form, { x });
      trial.offer('x');
      expect(log).to.eql(['subscribed true', 'torn down']);
    });
  });

  describe('that shuts its pool down', () => {
    // How the job ends; at an abort, and where it waits for the abandon that follows, it is aborted.
    const aborted: Record<string, string> = {
      'returns a promise': 'x completed v',
      'returns a thenable': 'x completed v',
      'returns a promise that never settles': 'x aborted abandoned',
    };
    const finished: Record<string, string> = {
      ...aborted,
      'returns a value': 'x completed v',
      'returns one that errors': 'x failed e',
      'returns a promise that rejects': 'x failed Error: e',
      'returns a thenable that rejects': 'x failed e',
      'returns an array': 'x completed v',
      'returns an async generator': 'x completed v',
      'returns a string': 'x failed TypeError',
      'returns nothing': 'x failed TypeError',
      throws: 'x failed Error: e',
    };
    for (const level of LEVELS) {
      for (const [then, work] of Object.entries(afterwards)) {
        each(`with '${level}', and ${then}, ends once`, async (form) => {
          let trial: Trial;
          const raised = await unhandledRejections(async () => {
            const x: Work = (job, context) => {
              trial.shutdown.next(level);
              return work(job, context);
            };
            trial = new Trial(form, { x }, { workers: 1 });
            trial.offer('x', 'b');
            await turn();
            trial.shutdown.next('abandon');
          });
          const { started, outcomes, released, ends } = trial!;
          expect(raised).to.eql([]);
          expect(started).to.eql(['x']);
          expect(outcomes.filter(({ job }) => job === 'x')).to.have.lengthOf(1);
          expect(released).to.eql(['x']);
          expect(ends).to.have.lengthOf(1);
          const fates: Record<string, string | undefined> = { ...(level === 'abort' ? aborted : finished) };
          const fate = level === 'abandon' ? 'x aborted abandoned' : (fates[then] ?? 'x aborted settled');
          expect(trial!.fates.find((told) => told.startsWith('x'))!.slice(0, fate.length)).to.equal(fate);
        });
      }
    }

    each('with abort hears of it by its signal, before it returns', (form) => {
      const reasons: unknown[] = [];
      const x: Work = (_job, { signal }) => {
        trial.shutdown.next('abort');
        reasons.push(signal.reason);
        return NEVER;
      };
      const trial: Trial = new Trial(form, { x });
      trial.offer('x');
      expect(reasons).to.have.lengthOf(1);
      expect(reasons[0]).to.be.an.instanceOf(JobAbortedError).and.include({ job: 'x' });
      expect(trial.fates).to.eql(['x aborted settled']);
    });
  });

  describe('that offers to its own pool', () => {
    each('when it fits: the job runs when the slot is free', (form) => {
      const x: Work = () => {
        trial.offer('b');
        return of('x!');
      };
      const trial: Trial = new Trial(form, { x }, { buffer: 1 });
      trial.offer('x');
      expect(trial.fates).to.eql(['x completed x!', 'b completed b!']);
    });

    each('when it is full: the policy decides', (form) => {
      const x: Work = () => {
        trial.offer('b', 'c');
        return of('x!');
      };
      const trial: Trial = new Trial(form, { x }, { buffer: 1, overflow: 'drop-oldest' });
      trial.offer('x');
      expect(trial.fates).to.eql(['b dropped evicted', 'x completed x!', 'c completed c!']);
    });

    each('when it is closed: nobody hears of the job', (form) => {
      const x: Work = () => {
        trial.shutdown.next('drain');
        trial.offer('b');
        return of('x!');
      };
      const trial: Trial = new Trial(form, { x });
      trial.offer('x');
      expect(trial.fates).to.eql(['x completed x!']);
      expect(trial.ends).to.eql(['complete']);
    });
  });

  it('that calls shutdown and awaits it ends at the deadline', async () => {
    const jobs: BackgroundJobs<string, unknown> = new BackgroundJobs(
      (_job: string): Promise<unknown> => jobs.shutdown('drain', { deadline: 0, abortGrace: 0 }),
      { workers: 1, buffer: 0 },
    );
    const fate = fateOf(jobs.submit('x'));
    const { level, aborted } = await jobs.ended;
    expect(level).to.equal('abandon');
    expect(aborted.map(({ job, settled }) => [job, settled])).to.eql([['x', false]]);
    await turn();
    expect(fate.value).to.be.an.instanceOf(JobAbortedError);
  });
});
