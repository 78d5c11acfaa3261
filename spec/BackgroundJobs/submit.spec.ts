import { expect } from 'chai';
import { concat, NEVER, of, throwError } from 'rxjs';
import type { ObservableInput } from 'rxjs';
import { BackgroundJobs, JobDroppedError } from '../../src/index.js';
import { fateOf, Held } from '../support/deferred.js';
import { turn } from '../support/guard.js';
import { POLICIES, throwing } from './support.js';

describe('BackgroundJobs', () => {
  describe('submit', () => {
    const values: Record<string, readonly [() => ObservableInput<unknown>, unknown]> = {
      'a promise: its value': [() => Promise.resolve(1), 1],
      'a thenable: its value': [() => ({ then: (f: (value: number) => void) => f(1) }) as PromiseLike<number>, 1],
      'an Observable: its last value': [() => of(1, 2, 3), 3],
      'an Observable that completes empty: undefined': [() => of(), undefined],
      'an iterable: its last item': [() => [1, 2], 2],
    };
    for (const [name, [work, value]] of Object.entries(values)) {
      it(`resolves with the result of ${name}`, async () => {
        const jobs = new BackgroundJobs(work, { workers: 1, buffer: 0 });
        expect(await jobs.submit('a')).to.equal(value);
        await jobs.shutdown();
      });
    }

    const error = new Error('broken');
    const failures: Record<string, readonly [() => ObservableInput<unknown>, unknown]> = {
      throws: [throwing(error), error],
      rejects: [() => Promise.reject(error), error],
      'rejects with undefined': [() => Promise.reject(undefined), undefined],
      errors: [
        () =>
          concat(
            of(1),
            throwError(() => error),
          ),
        error,
      ],
    };
    for (const [name, [work, reason]] of Object.entries(failures)) {
      it(`rejects with the very error when the work ${name}`, async () => {
        const jobs = new BackgroundJobs(work, { workers: 1, buffer: 0 });
        const fate = fateOf(jobs.submit('a'));
        await turn();
        expect(fate).to.eql({ status: 'rejected', value: reason });
        expect(fate.value).to.equal(reason);
        await jobs.shutdown();
      });
    }

    it('meets the policy: at a full buffer it rejects with the error of the policy, and carries the job back', async () => {
      const rejections: Record<string, unknown> = {};
      for (const overflow of POLICIES) {
        const jobs = new BackgroundJobs(() => NEVER, { workers: 1, buffer: 1, overflow });
        jobs.offer('a');
        const waiting = fateOf(jobs.submit('b'));
        const incoming = fateOf(jobs.submit('c'));
        await turn();
        const lost = (waiting.status === 'rejected' ? waiting : incoming).value as JobDroppedError<string>;
        rejections[overflow] =
          `${lost.job} ${lost.name} ${lost.reason} ${String((lost as { capacity?: number }).capacity ?? '')}`.trim();
        await jobs.shutdown('abort');
      }
      expect(rejections).to.eql({
        error: 'c BufferOverflowError full 1',
        'drop-incoming': 'c JobDroppedError full',
        'drop-oldest': 'b JobDroppedError evicted',
        'replace-newest': 'b JobDroppedError evicted',
        clear: 'b JobDroppedError evicted',
      });
    });

    it('waits for room when it is told to, and then gives the result', async () => {
      const held = new Held<string>();
      const jobs = new BackgroundJobs(held.streams, { workers: 1, buffer: 0 });
      jobs.offer('a');
      const fate = fateOf(jobs.submit('b', { wait: true }));
      await turn();
      expect([fate.status, jobs.stats.waiting]).to.eql(['open', 1]);
      held.complete('a');
      held.complete('b', 'result');
      await turn();
      expect(fate).to.eql({ status: 'fulfilled', value: 'result' });
      await jobs.shutdown();
    });

    it('tells the hooks first, then the promise, then outcomes$', async () => {
      const log: string[] = [];
      const value = {
        // A promise that is resolved looks whether it was given another one.
        get then() {
          return void log.push('promise');
        },
      };
      const hooks = ['first', 'second'].map((name) => ({
        settled: () => void log.push(`${name} settled`),
        released: () => void log.push(`${name} released`),
      }));
      const jobs = new BackgroundJobs(() => of(value), { workers: 1, buffer: 0, hooks });
      jobs.outcomes$.subscribe(() => log.push('outcomes$'));
      void jobs.submit('a');
      expect(log).to.eql([
        'first settled',
        'second settled',
        'first released',
        'second released',
        'promise',
        'outcomes$',
      ]);
      await jobs.shutdown();
    });
  });
});
