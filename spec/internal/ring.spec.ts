import { Subscription } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { expect } from 'chai';
import fc from 'fast-check';
import { DatedRing } from '../../src/internal/lifecycle/timestampedFifo.js';
import { Ring } from '../../src/internal/support/fifo.js';
import { Ticket, TicketLine } from '../../src/internal/handle/record.js';

/** So often in a row: a few, or enough to grow past the length from which a ring gives its memory back. */
const times = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 40 }), fc.constantFrom(1030, 2050));

/** Runs of one operation, each so many times. */
function runs<O extends string>(...operations: O[]): fc.Arbitrary<[operation: O, times: number][]> {
  return fc.array(fc.tuple(fc.constantFrom(...operations), times), { maxLength: 20 });
}

describe('Ring', () => {
  it('is an array that is pushed to, shifted from and popped from', () => {
    fc.assert(
      fc.property(runs('push', 'push', 'shift', 'pop'), (program) => {
        const ring = new Ring<number>();
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
              ring.push(next);
              model.push(next++);
            } else if (model.length > 0) tell(ring[operation](), model[operation]()!);
            tell(ring.length, model.length);
          }
        }
        while (model.length > 0) tell(ring.shift(), model.shift()!);
        tell(ring.length, 0);
        expect(told[0].join()).to.equal(told[1].join());
      }),
      { numRuns: 50 },
    );
  });

  // So many are in it when it grows; so many have left it before, which is where its head is then.
  for (const full of [16, 32, 1024, 2048]) {
    it(`keeps the order when it grows at ${full}, wherever its head is`, () => {
      for (const head of [0, 1, full / 2, full - 1]) {
        const ring = new Ring<number>();
        for (let i = 0; i < full; i++) ring.push(i);
        for (let i = 0; i < head; i++) ring.shift();
        // What has become free is taken again, at the start of its memory; the last one makes it grow.
        for (let i = full; i <= full + head; i++) ring.push(i);
        expect(ring.length).to.equal(full + 1);
        for (let i = head; i <= full + head; i++) expect(ring.shift(), `head ${head}`).to.equal(i);
      }
    });
  }

  it('takes undefined for an item like any other', () => {
    const ring = new Ring<number | undefined>();
    for (const item of [undefined, 1, undefined]) ring.push(item);
    expect(ring.length).to.equal(3);
    expect([ring.shift(), ring.pop(), ring.shift()]).to.eql([undefined, undefined, 1]);
  });

  it('is the same again after a burst of any size', () => {
    for (const burst of [1, 16, 17, 1024, 1025, 5000]) {
      const ring = new Ring<number>();
      for (const take of ['shift', 'pop'] as const) {
        for (let i = 0; i < burst; i++) ring.push(i);
        for (let i = 0; i < burst; i++) expect(ring[take]()).to.equal(take === 'shift' ? i : burst - 1 - i);
        expect(ring.length).to.equal(0);
      }
      ring.push(1);
      expect(ring.pop()).to.equal(1);
    }
  });
});

describe('DatedRing', () => {
  const clock = (now: () => number): SchedulerLike => ({ now, schedule: () => Subscription.EMPTY });

  it('knows of what left last when it had come', () => {
    fc.assert(
      fc.property(runs('push', 'push', 'shift', 'pop'), (program) => {
        let now = 0;
        const ring = new DatedRing<number>(clock(() => now));
        const model: { readonly job: number; readonly at: number }[] = [];
        const told = [[], []] as [number[], number[]];
        let last = 0;
        for (const [operation, count] of program) {
          for (let i = 0; i < count; i++) {
            now += 3;
            if (operation === 'push') {
              ring.push(-now);
              model.push({ job: -now, at: now });
            } else if (model.length > 0) {
              const { job, at } = model[operation]()!;
              last = at;
              told[0].push(ring[operation]());
              told[1].push(job);
            }
            told[0].push(ring.length, ring.arrivedAt);
            told[1].push(model.length, last);
          }
        }
        expect(told[0].join()).to.equal(told[1].join());
      }),
      { numRuns: 50 },
    );
  });

  it('reads the clock once for each that comes, and never when one leaves', () => {
    let reads = 0;
    const ring = new DatedRing<string>(clock(() => reads++));
    for (const job of ['a', 'b', 'c']) ring.push(job);
    expect(reads).to.equal(3);
    ring.shift();
    ring.pop();
    expect(reads).to.equal(3);
  });
});

describe('TicketLine', () => {
  type Tickets = Ticket<number, never>;

  it('is an array that members leave from the front, the back and the middle', () => {
    const program = fc.array(
      fc.tuple(fc.constantFrom('push', 'push', 'push', 'shift', 'pop', 'remove'), fc.nat({ max: 1000 })),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(program, (steps) => {
        const line = new TicketLine<number, never>();
        const model: Tickets[] = [];
        for (const [i, [operation, at]] of steps.entries()) {
          if (operation === 'push') {
            const ticket: Tickets = new Ticket(i, 10 * i);
            line.push(ticket);
            model.push(ticket);
          } else if (model.length > 0) {
            const index = operation === 'shift' ? 0 : operation === 'pop' ? model.length - 1 : at % model.length;
            const [gone] = model.splice(index, 1) as [Tickets];
            expect(operation === 'remove' ? line.remove(gone) : line[operation]()).to.equal(gone);
            expect(line.arrivedAt).to.equal(gone.arrivedAt);
            expect([gone.line, gone.previous, gone.next]).to.eql([undefined, undefined, undefined]);
          }
          expect(line.length).to.equal(model.length);
          for (const [j, ticket] of model.entries()) {
            expect(ticket.line).to.equal(line);
            expect(ticket.previous).to.equal(model[j - 1]);
            expect(ticket.next).to.equal(model[j + 1]);
          }
        }
        while (model.length > 0) expect(line.shift()).to.equal(model.shift()!);
        expect(line.length).to.equal(0);
      }),
      { numRuns: 50 },
    );
  });

  it('takes a ticket again that has left, also another line', () => {
    const [line, other]: TicketLine<string, never>[] = [new TicketLine(), new TicketLine()];
    const [a, b]: Ticket<string, never>[] = [new Ticket('a', 1), new Ticket('b', 2)];
    line!.push(a!);
    line!.push(b!);
    line!.remove(a!);
    other!.push(a!);
    other!.shift();
    line!.push(a!);
    expect([line!.length, a!.line === line, b!.next === a]).to.eql([2, true, true]);
  });
});
