import { expect } from 'chai';
import fc from 'fast-check';
import { JobRecord, OFFERED, PULLED, RecordStore } from '../../src/internal/handle/record.js';
import { TimestampedFifo } from '../../src/internal/lifecycle/timestampedFifo.js';
import { Fifo } from '../../src/internal/support/fifo.js';
import { LinkedQueue } from '../../src/internal/support/linkedQueue.js';
import type { Linked } from '../../src/internal/support/linkedQueue.js';

/** So often in a row: a few, or enough to grow past the length from which a line gives its memory back. */
const times = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 40 }), fc.constantFrom(1030, 2050));

/** Runs of one operation, each so many times. */
function runs<O extends string>(...operations: O[]): fc.Arbitrary<[operation: O, times: number][]> {
  return fc.array(fc.tuple(fc.constantFrom(...operations), times), { maxLength: 20 });
}

describe('Fifo', () => {
  it('is an array that is pushed to, shifted from and popped from', () => {
    fc.assert(
      fc.property(runs('push', 'push', 'shift', 'pop'), (program) => {
        const fifo = new Fifo<number>(0);
        const model: number[] = [];
        const told = [[], []] as [number[], number[]];
        const tell = (real: number, expected: number): void => {
          told[0].push(real);
          told[1].push(expected);
        };
        let next = 0;
        for (const [operation, count] of program) {
          for (let i = 0; i < count; i++) {
            if (operation === 'push') {
              fifo.push(next);
              model.push(next++);
            } else if (model.length > 0) tell(fifo[operation](), model[operation]()!);
            tell(fifo.length, model.length);
          }
        }
        while (model.length > 0) tell(fifo.shift(), model.shift()!);
        tell(fifo.length, 0);
        expect(told[0].join()).to.equal(told[1].join());
      }),
      { numRuns: 50 },
    );
  });

  // So many are in it when it grows; so many have left it before, which is where its head is then.
  for (const full of [16, 32, 1024, 2048]) {
    it(`keeps the order when it grows at ${full}, wherever its head is`, () => {
      for (const head of [0, 1, full / 2, full - 1]) {
        const fifo = new Fifo<number>(0);
        for (let i = 0; i < full; i++) fifo.push(i);
        for (let i = 0; i < head; i++) fifo.shift();
        // What has become free is taken again, at the start of its memory; the last one makes it grow.
        for (let i = full; i <= full + head; i++) fifo.push(i);
        expect(fifo.length).to.equal(full + 1);
        for (let i = head; i <= full + head; i++) expect(fifo.shift(), `head ${head}`).to.equal(i);
      }
    });
  }

  it('takes undefined for an item like any other', () => {
    const fifo = new Fifo<number | undefined>(undefined);
    for (const item of [undefined, 1, undefined]) fifo.push(item);
    expect(fifo.length).to.equal(3);
    expect([fifo.shift(), fifo.pop(), fifo.shift()]).to.eql([undefined, undefined, 1]);
  });

  it('is the same again after a burst of any size', () => {
    for (const burst of [1, 16, 17, 1024, 1025, 5000]) {
      const fifo = new Fifo<number>(0);
      for (const take of ['shift', 'pop'] as const) {
        for (let i = 0; i < burst; i++) fifo.push(i);
        for (let i = 0; i < burst; i++) expect(fifo[take]()).to.equal(take === 'shift' ? i : burst - 1 - i);
        expect(fifo.length).to.equal(0);
      }
      fifo.push(1);
      expect(fifo.pop()).to.equal(1);
    }
  });
});

describe('TimestampedFifo', () => {
  it('knows of what left last when it had come, and its id', () => {
    fc.assert(
      fc.property(runs('push', 'push', 'take', 'evictNewest'), (program) => {
        let now = 0;
        const store = new TimestampedFifo<number>(() => now);
        const model: { readonly job: number; readonly at: number }[] = [];
        const told = [[], []] as [number[], number[]];
        for (const [operation, count] of program) {
          for (let i = 0; i < count; i++) {
            now += 3;
            if (operation === 'push') {
              store.push(-now, now + 1);
              model.push({ job: -now, at: now });
            } else if (model.length > 0) {
              const { job, at } = operation === 'take' ? model.shift()! : model.pop()!;
              told[0].push(store[operation](), store.arrivedAt, store.id);
              told[1].push(job, at, at + 1);
            }
            told[0].push(store.length, store.evictable);
            told[1].push(model.length, model.length);
          }
        }
        expect(told[0].join()).to.equal(told[1].join());
      }),
      { numRuns: 50 },
    );
  });

  it('reads the clock once for each that comes, and never when one leaves', () => {
    let reads = 0;
    const store = new TimestampedFifo<string>(() => reads++);
    for (const job of ['a', 'b', 'c']) store.push(job, 0);
    expect(reads).to.equal(3);
    store.take();
    store.evictNewest();
    expect(reads).to.equal(3);
  });
});

describe('LinkedQueue', () => {
  class Member implements Linked<Member> {
    queue: object | undefined;
    ahead: Member | undefined;
    behind: Member | undefined;
  }

  it('is an array that members leave from the front and the middle, and that they join at both ends', () => {
    const program = fc.array(
      fc.tuple(fc.constantFrom('push', 'push', 'unshift', 'shift', 'remove'), fc.nat({ max: 1000 })),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(program, (steps) => {
        const line = new LinkedQueue<Member>();
        const model: Member[] = [];
        for (const [operation, at] of steps) {
          if (operation === 'push' || operation === 'unshift') {
            const member = new Member();
            line[operation](member);
            model[operation](member);
          } else if (model.length > 0) {
            const [gone] = model.splice(operation === 'shift' ? 0 : at % model.length, 1) as [Member];
            expect(operation === 'remove' ? line.remove(gone) : line.shift()).to.equal(gone);
            expect([gone.queue, gone.ahead, gone.behind]).to.eql([undefined, undefined, undefined]);
          }
          expect([line.length, line.first, line.last]).to.eql([model.length, model[0], model.at(-1)]);
          for (const [j, member] of model.entries()) {
            expect(member.queue).to.equal(line);
            expect(member.ahead).to.equal(model[j - 1]);
            expect(member.behind).to.equal(model[j + 1]);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('RecordStore', () => {
  type Item = JobRecord<number, never>;

  it('is one line, of which only what was offered may be evicted', () => {
    const program = fc.array(
      fc.tuple(
        fc.constantFrom('push', 'push', 'pushProtected', 'take', 'evictOldest', 'evictNewest', 'remove'),
        fc.nat({ max: 1000 }),
        fc.boolean(),
      ),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(program, (steps) => {
        const store = new RecordStore<number, never>();
        const model: { readonly record: Item; readonly evictable: boolean }[] = [];
        for (const [i, [operation, at, wasPulled]] of steps.entries()) {
          const evictable = model.filter((member) => member.evictable);
          if (operation.startsWith('push')) {
            const record: Item = new JobRecord<number, never>(i, wasPulled ? PULLED : OFFERED, 2 * i, 10 * i);
            const mayLeave = operation === 'push';
            store.push(record, record.id, mayLeave);
            model.push({ record, evictable: mayLeave && !wasPulled });
          } else if (operation === 'remove' && model.length > 0) {
            const { record } = model.splice(at % model.length, 1)[0]!;
            expect(store.has(record)).to.equal(true);
            store.remove(record);
            expect(store.has(record)).to.equal(false);
          } else {
            const gone =
              operation === 'take' ? model[0] : operation === 'evictOldest' ? evictable[0] : evictable.at(-1);
            if (gone === undefined || operation === 'remove') continue;
            model.splice(model.indexOf(gone), 1);
            expect(store[operation as 'take']()).to.equal(gone.record);
            expect([store.id, store.arrivedAt]).to.eql([gone.record.id, gone.record.arrivedAt]);
          }
          expect(store.length).to.equal(model.length);
          expect(store.evictable).to.equal(model.filter((member) => member.evictable).length);
          expect([...store]).to.eql(model.map(({ record }) => record));
        }
      }),
      { numRuns: 50 },
    );
  });
});
