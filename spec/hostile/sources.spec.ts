import { expect } from 'chai';
import { EMPTY, mergeMap, NEVER, Observable, of, range, Subject, take, tap } from 'rxjs';
import type { Observer } from 'rxjs';
import type { JobOutcome } from '../../src/index.js';
import { takeReported, turn } from '../support/guard.js';
import { each, errorsOf, forms, Trial } from './support.js';
import type { Config, Work } from './support.js';

describe('hostile sources', () => {
  const run = (form: string, source: Observable<string>, work: Work = () => of('v'), config: Partial<Config> = {}) => {
    const log: string[] = [];
    const pool = forms[form]!(work, { workers: 1, buffer: 10, ...config });
    const subscription = source.pipe(pool).subscribe({
      next: () => log.push('next'),
      error: (error: unknown) => log.push(`error ${String(error)}`),
      complete: () => log.push('complete'),
    });
    return { log, subscription };
  };

  each('that are synchronous and endless start exactly three jobs under take(3)', (form) => {
    let started = 0;
    let asked = 0;
    const source = range(0, Infinity).pipe(tap(() => asked++));
    const pool = forms[form]!(() => (started++, of('v')), { workers: 2, buffer: 0 });
    (source as Observable<never>).pipe(pool, take(3)).subscribe();
    expect(started).to.equal(3);
    expect(asked).to.equal(3);
  });

  each('that go on after their end are not heard of', (form) => {
    const source = new Observable<string>((subscriber) => {
      subscriber.next('a');
      subscriber.complete();
      /* eslint-disable rxjs-x/no-redundant-notify -- that is the subject */
      subscriber.next('b');
      subscriber.error('e');
      subscriber.complete();
      /* eslint-enable rxjs-x/no-redundant-notify */
    });
    expect(run(form, source).log).to.eql(['next', 'complete']);
  });

  each('that go on after they were unsubscribed are not heard of', (form) => {
    let observer!: Observer<string>;
    const source = new Observable<string>((subscriber) => void (observer = subscriber));
    const { log, subscription } = run(form, source);
    observer.next('a');
    subscription.unsubscribe();
    observer.next('b');
    observer.error('e');
    expect(log).to.eql(['next']);
  });

  each('that are empty complete, and start nothing', (form) => {
    expect(run(form, EMPTY, () => expect.fail('work was called')).log).to.eql(['complete']);
  });

  each('that error with work in flight do so at once, or when outcomes are told, after it', (form) => {
    const job = new Subject<string>();
    const source = new Subject<string>();
    const { log } = run(form, source, () => job);
    source.next('a');
    source.next('b');
    source.error('e');
    expect(log).to.eql(form === 'workerPool' ? ['error e'] : []);
    expect(job.observed).to.equal(form === 'workerPoolSettled');
    job.complete();
    expect(log).to.eql(form === 'workerPool' ? ['error e'] : ['next', 'next', 'error e']);
  });

  each('that throw in subscribe are sources that error', (form) => {
    const source = new Observable<string>((subscriber) => {
      subscriber.next('a');
      throw 'e';
    });
    expect(run(form, source).log).to.eql(['next', 'error e']);
  });

  const teardowns = ['unsubscription', 'completion'] as const;
  for (const teardown of teardowns) {
    each(`that throw in their teardown are seen as with mergeMap: ${teardown}`, async (form) => {
      const stop = (pool: (source: Observable<string>) => Observable<unknown>) => {
        const log: unknown[] = [];
        const source = new Observable<string>((subscriber) => {
          ends.subscribe(subscriber);
          return () => {
            throw new Error('teardown');
          };
        });
        const ends = new Subject<string>();
        const results = source.pipe(pool).subscribe({
          error: (error: unknown) => log.push(error),
          complete: () => log.push('complete'),
        });
        try {
          if (teardown === 'completion') ends.complete();
          else results.unsubscribe();
        } catch (error) {
          log.push(...errorsOf(error).map(String));
        }
        return log;
      };
      const logs = [forms[form]!(() => of('v'), { workers: 1, buffer: 1 }), mergeMap(() => of('v'))].map(stop);
      await turn();
      const reported = takeReported().flatMap(errorsOf).map(String);
      expect(logs[0]).to.eql(logs[1]);
      expect(reported.slice(0, reported.length / 2)).to.eql(reported.slice(reported.length / 2));
    });
  }

  each('that offer from a hook which hears of a loss never find more than the buffer holds', (form) => {
    const waiting = new Set<string>();
    let most = 0;
    const hooks = {
      accepted: (job: string) => {
        waiting.add(job);
        most = Math.max(most, waiting.size);
      },
      started: (job: string) => waiting.delete(job),
      settled: ({ job }: JobOutcome<string, unknown>) => {
        waiting.delete(job);
        if (job.length < 5) trial.offer(`${job}'`);
      },
    };
    const trial: Trial = new Trial(form, { x: () => NEVER }, { buffer: 1, overflow: 'drop-oldest', hooks });
    trial.offer('x', 'b', 'c');
    expect(most).to.equal(1);
    expect(waiting.size).to.equal(1);
    expect(trial.started).to.eql(['x']);
    trial.subscription.unsubscribe();
  });

  each('of two subscriptions share nothing', (form) => {
    const pool = forms[form]!(() => NEVER, { workers: 1, buffer: 1 });
    const ends: unknown[] = [];
    for (const n of [1, 2]) {
      const source = new Subject<string>();
      const results = source.pipe(pool).subscribe({ error: () => ends.push(n) });
      source.next('a');
      source.next('b');
      results.unsubscribe();
    }
    expect(ends).to.eql([]);
  });
});
