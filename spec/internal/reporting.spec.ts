import { expect } from 'chai';
import { config, of } from 'rxjs';
import { workerPoolSettled } from '../../src/index.js';
import { turn } from '../support/guard.js';

/** What nobody has caught while `act` ran, and until the next turn. mocha's own listeners do not hear of it. */
async function uncaught(act: () => unknown): Promise<unknown[]> {
  const errors: unknown[] = [];
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => errors.push(error));
  try {
    act();
    await turn();
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const other of others) process.on('uncaughtException', other);
  }
  return errors;
}

describe('an error that no caller can receive', () => {
  const error = new Error('hook');
  const settled = (): never => {
    throw error;
  };
  const run = (outcomes: string[]) => () =>
    of('a', 'b')
      .pipe(workerPoolSettled((job: string) => of(job), { workers: 1, buffer: 1, hooks: { settled } }))
      .subscribe(({ job, status }) => outcomes.push(`${job} ${status}`));
  const completed = ['a completed', 'b completed'];

  it('is an uncaught exception, later, where RxJS has no onUnhandledError', async () => {
    const outcomes: string[] = [];
    config.onUnhandledError = null;
    expect(await uncaught(run(outcomes))).to.eql([error, error]);
    expect(outcomes).to.eql(completed);
  });

  it('is told to the onUnhandledError that is there when it is reported', async () => {
    const [outcomes, told]: [string[], unknown[]] = [[], []];
    const act = run(outcomes);
    const caught = await uncaught(() => {
      act();
      config.onUnhandledError = (unhandled) => told.push(unhandled);
    });
    expect([caught, told, outcomes]).to.eql([[], [error, error], completed]);
  });
});
