import { expect } from 'chai';
import { TestScheduler } from 'rxjs/testing';

/** Runs `test` in virtual time. */
export function marbles(test: Parameters<TestScheduler['run']>[0]): void {
  new TestScheduler((actual, expected) => {
    expect(actual).to.deep.equal(expected);
  }).run(test);
}
