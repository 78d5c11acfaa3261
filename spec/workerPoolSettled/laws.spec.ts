import { expect } from 'chai';
import fc from 'fast-check';
import { map, NEVER, Observable, of, range, Subject, take, throwError } from 'rxjs';
import { workerPoolSettled } from '../../src/index.js';
import type { JobHooks, JobOutcome, Overflow, PoolOperator, ShutdownLevel } from '../../src/index.js';
import { Accounts } from '../support/accounts.js';
import { turn } from '../support/guard.js';
import { isPossible } from '../support/policies.js';

describe('workerPoolSettled', () => {
  describe('two subscriptions', () => {
    it('share neither workers nor buffer', () => {
      const operator = workerPoolSettled((_job: number) => NEVER, {
        workers: 1,
        buffer: 1,
        overflow: 'drop-incoming',
      });
      const refused: number[] = [];
      const sources = [new Subject<number>(), new Subject<number>()];
      const results = sources.map((source) => source.pipe(operator).subscribe(({ job }) => refused.push(job)));
      for (const job of [1, 2, 3]) sources[0]!.next(job);
      for (const job of [4, 5]) sources[1]!.next(job);
      expect(refused).to.eql([3]);
      for (const subscription of results) subscription.unsubscribe();
    });
  });

  describe('laws', () => {
    const pool = (): PoolOperator<number, JobOutcome<number, number | undefined>> =>
      workerPoolSettled((job: number) => of(job), { workers: 1, buffer: 0 });

    it('completes', () => {
      const log: unknown[] = [];
      of(1)
        .pipe(pool())
        .subscribe({ next: ({ status }) => log.push(status), complete: () => log.push('complete') });
      expect(log).to.eql(['completed', 'complete']);
    });

    it('forwards errors', () => {
      const log: unknown[] = [];
      throwError(() => 'error')
        .pipe(pool())
        .subscribe({ error: (error: unknown) => log.push(error) });
      expect(log).to.eql(['error']);
    });

    it('releases the source', () => {
      const source = new Subject<number>();
      const results = source.pipe(pool()).subscribe();
      expect(source.observed).to.equal(true);
      results.unsubscribe();
      expect(source.observed).to.equal(false);
    });

    it('stops a synchronous source', () => {
      let offered = 0;
      range(0, Infinity)
        .pipe(
          map((job) => (offered++, job)),
          pool(),
          take(3),
        )
        .subscribe();
      expect(offered).to.equal(3);
    });

    it('holds no state between subscriptions', () => {
      const jobs: number[] = [];
      const results = of(1).pipe(pool());
      results.subscribe(({ job }) => jobs.push(job));
      results.subscribe(({ job }) => jobs.push(job));
      expect(jobs).to.eql([1, 1]);
    });

    it('emits nothing after the end', async () => {
      const log: unknown[] = [];
      const shutdown = new Subject<ShutdownLevel>();
      const source = new Subject<string>();
      const work = (): Promise<string> => Promise.resolve('late');
      source
        .pipe(workerPoolSettled(work, { workers: 1, buffer: 0, shutdown }))
        .subscribe({ next: ({ status }) => log.push(status), complete: () => log.push('complete') });
      source.next('a');
      shutdown.next('abandon');
      source.next('b');
      await turn();
      expect(log).to.eql(['aborted', 'complete']);
    });

    // A tape says what everybody does: the caller, work, a hook and downstream each take the next act from it.
    const acts = [
      'nothing',
      'offer',
      'end the oldest',
      'end the youngest',
      'fail the oldest',
      'drain',
      'discard',
      'abort',
    ] as const;
    const results = ['later', 'at once', 'throws', 'fails at once'] as const;
    const tapes = fc
      .record({
        acts: fc.array(
          fc.oneof(
            { weight: 30, arbitrary: fc.constantFrom(...acts.slice(0, 5)) },
            { weight: 1, arbitrary: fc.constantFrom(...acts) },
          ),
          { maxLength: 60, size: 'max' },
        ),
        results: fc.array(fc.constantFrom(...results), { minLength: 1, maxLength: 8 }),
        workers: fc.integer({ min: 1, max: 3 }),
        buffer: fc.integer({ min: 0, max: 3 }),
        overflow: fc.constantFrom<Overflow>('drop-incoming', 'drop-oldest', 'replace-newest', 'error'),
      })
      .filter(isPossible);

    it('keeps the accounting law, whoever does what inside work, hooks and downstream', () => {
      fc.assert(
        fc.property(tapes, ({ acts, results, workers, buffer, overflow }) => {
          const accounts = new Accounts<number, unknown>({ workers, buffer });
          const source = new Subject<number>();
          const shutdown = new Subject<ShutdownLevel>();
          const open = new Map<number, Subject<string>>();
          const told: number[] = [];
          let offered = 0;
          let started = 0;
          let at = 0;
          let depth = 0;
          const end = (which: number, error?: string): void => {
            const entry = [...open].at(which);
            if (entry === undefined) return;
            open.delete(entry[0]);
            if (error === undefined) entry[1].complete();
            else entry[1].error(error);
          };
          const act = (): void => {
            const what = acts[at++];
            if (what === undefined || depth > 20) return;
            depth++;
            if (what === 'offer') source.next(offered++);
            else if (what === 'end the oldest') end(0);
            else if (what === 'end the youngest') end(-1);
            else if (what === 'fail the oldest') end(0, 'failed');
            else if (what !== 'nothing') shutdown.next(what);
            depth--;
          };
          const work = (job: number): Observable<string> => {
            accounts.check(`work ${job}`);
            act();
            const result = results[started++ % results.length];
            if (result === 'throws') throw 'thrown';
            if (result === 'at once') return of('x');
            if (result === 'fails at once') return throwError(() => 'failed');
            open.set(job, new Subject());
            return open.get(job)!;
          };
          const hooks: JobHooks<number>[] = [accounts, { accepted: act, started: act, settled: act, released: act }];
          let ended = false;
          source.pipe(workerPoolSettled(work, { workers, buffer, overflow, shutdown, hooks })).subscribe({
            next: ({ job }) => {
              told.push(job);
              accounts.check(`outcome ${job}`);
              act();
            },
            error: () => (ended = true),
            complete: () => (ended = true),
          });
          while (at < acts.length) act();
          source.complete();
          while (open.size > 0) end(0);
          accounts.settle();
          expect(accounts.breaches).to.eql([]);
          expect(ended).to.equal(true);
          expect(new Set(told).size).to.equal(told.length);
        }),
        { numRuns: 500 },
      );
    });
  });
});
