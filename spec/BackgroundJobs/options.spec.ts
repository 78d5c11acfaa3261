import { expect } from 'chai';
import { NEVER, Observable } from 'rxjs';
import { BackgroundJobs, BufferOverflowError } from '../../src/index.js';
import { fateOf } from '../support/deferred.js';
import { turn } from '../support/guard.js';

describe('BackgroundJobs', () => {
  describe('options', () => {
    const work = (): Observable<never> => NEVER;
    const refused: Record<string, readonly [unknown, unknown, string]> = {
      'work that is no function': [null, { workers: 1, buffer: 0 }, "BackgroundJobs's work must be a function"],
      'no config': [work, undefined, 'config'],
      'no workers': [work, { buffer: 0 }, 'workers must be'],
      'no buffer': [work, { workers: 1 }, 'buffer must be'],
      'no worker': [work, { workers: 0, buffer: 0 }, 'workers must be'],
      'an unknown policy': [work, { workers: 1, buffer: 0, overflow: 'drop-latest' }, 'overflow must be one of'],
      'an unknown option': [
        work,
        { workers: 1, buffer: 0, concurrency: 1 },
        "BackgroundJobs has no option 'concurrency'",
      ],
      'a notifier that is an AbortController': [
        work,
        { workers: 1, buffer: 0, shutdown: new AbortController() },
        'shutdown must be',
      ],
      'a notifier that is no object': [work, { workers: 1, buffer: 0, shutdown: 'SIGTERM' }, 'shutdown must be'],
    };
    for (const [name, [given, config, message]] of Object.entries(refused)) {
      it(`refuses ${name}, when it is made`, () => {
        expect(() => new BackgroundJobs(given as () => Observable<never>, config as never)).to.throw(message);
      });
    }

    for (const method of ['send', 'submit'] as const) {
      it(`of ${method} are checked in the call, and nothing is offered`, async () => {
        const jobs = new BackgroundJobs(work, { workers: 1, buffer: 0 });
        for (const config of [null, 1, { sgnal: AbortSignal.abort() }, { signal: 1 }])
          expect(() => jobs[method]('a', config as never)).to.throw(TypeError, method);
        expect(jobs.stats.offered).to.equal(0);
        await jobs.shutdown();
      });
    }

    it('are read once: what is changed later has no effect, and undefined is absent', async () => {
      const config = {
        workers: 1,
        buffer: 0,
        overflow: undefined,
        shutdown: undefined,
        hooks: undefined,
        scheduler: undefined,
        yieldAfter: undefined,
      };
      const jobs = new BackgroundJobs(work, config);
      Object.assign(config, { workers: 5, buffer: 5, overflow: 'clear' });
      const fates = ['a', 'b'].map((job) => fateOf(jobs.submit(job)));
      expect(jobs.stats.workers).to.equal(1);
      await turn();
      expect(fates[1]!.value).to.be.an.instanceOf(BufferOverflowError);
      await jobs.shutdown('abort');
    });
  });
});
