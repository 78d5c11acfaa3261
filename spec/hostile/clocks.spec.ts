import { expect } from 'chai';
import { asyncScheduler, from, Observable, Subject } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { BackgroundJobs } from '../../src/index.js';
import { Held } from '../support/deferred.js';
import { turn } from '../support/guard.js';
import { each, forms } from './support.js';

/** A scheduler whose clock is the spec's. */
function clock(now: () => unknown): SchedulerLike {
  return { now: now as () => number, schedule: asyncScheduler.schedule.bind(asyncScheduler) };
}

describe('hostile clocks', () => {
  const message = 'scheduler.now() must return a number, but returned bigint';

  each('that tell no number at the subscription are an error of the results, and nothing starts', (form) => {
    const ends: unknown[] = [];
    const pool = forms[form]!(() => expect.fail('work was called'), {
      workers: 1,
      buffer: 0,
      scheduler: clock(() => 1n),
    });
    from(['a'])
      .pipe(pool)
      .subscribe({ error: (error: unknown) => ends.push(error) });
    expect(ends.map(String)).to.eql([`TypeError: ${message}`]);
  });

  it('that tell no number when a BackgroundJobs is made are refused there', () => {
    const config = { workers: 1, buffer: 0, scheduler: clock(() => 1n) };
    expect(() => new BackgroundJobs(async (job: string) => job, config)).to.throw(TypeError, message);
  });

  for (const kind of ['promises', 'streams'] as const) {
    each(`that throw later, once, end the results, and nothing starts any more: ${kind}`, async (form) => {
      const error = new Error('no time');
      let now = (): number => 0;
      const held = new Held<string>();
      const source = new Subject<string>();
      const ends: unknown[] = [];
      // Whether the next job may start is asked of the clock.
      const config = { workers: 1, buffer: 5, rateLimit: { limit: 1, interval: 10 }, scheduler: clock(() => now()) };
      const work = held[kind] as (job: string) => Observable<unknown>;
      source.pipe(forms[form]!(work, config)).subscribe({ error: (error: unknown) => ends.push(error) });
      for (const job of ['a', 'b']) source.next(job);
      now = () => {
        now = () => 0;
        throw error;
      };
      held.complete('a');
      await turn();
      expect([ends, source.observed, held.called]).to.eql([[error], false, ['a']]);
    });
  }
});
