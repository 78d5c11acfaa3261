import { Subscription, TimeoutError } from 'rxjs';
import type { Slot } from '../core/observer.js';
import type { Policy, PolicyFactory, PoolDoors } from '../core/policy.js';
import { Alarm } from '../support/alarm.js';
import { checkDuration } from '../support/checks.js';
import { LinkedQueue } from '../support/linkedQueue.js';
import type { Linked } from '../support/linkedQueue.js';
import { tearDown } from '../support/reporting.js';

/**
 * An attempt that takes longer is judged: it has failed with RxJS's TimeoutError. Its slot stays taken until its work lets go.
 *
 * @throws TypeError or RangeError that names the option and its value
 */
export function timeout(value: unknown): PolicyFactory | undefined {
  const duration = checkDuration('timeout', value);
  return duration === Infinity ? undefined : (doors) => new Timeouts(doors, duration);
}

/** What was started in one turn of the scheduler. */
interface Batch {
  /** Known when the turn is over: then no attempt of the batch is judged early. */
  due: number;
}

/** A slot's attempt. */
class Running implements Linked<Running> {
  slot: Slot;
  batch: Batch;
  queue: object | undefined = undefined;
  ahead: Running | undefined = undefined;
  behind: Running | undefined = undefined;

  constructor(slot: Slot, batch: Batch) {
    this.slot = slot;
    this.batch = batch;
  }
}

/** All attempts have the same time, so they end in the order of their starts: one timer for all, and one look at the clock a turn. */
class Timeouts implements Policy {
  readonly #doors: PoolDoors;
  readonly #duration: number;
  readonly #running = new LinkedQueue<Running>();
  /** By the numbers of the slots. */
  readonly #bySlot: Running[] = [];
  readonly #alarm: Alarm;
  /** Of the turn that is not over yet. */
  #open: Batch | undefined;
  #endOfTurn = Subscription.EMPTY;

  constructor(doors: PoolDoors, duration: number) {
    this.#doors = doors;
    this.#duration = duration;
    this.#alarm = new Alarm(doors, () => this.#judge());
  }

  started(slot: Slot): void {
    const batch = this.#open ?? this.#openBatch();
    const running = (this.#bySlot[slot.number] ??= new Running(slot, batch));
    running.slot = slot;
    running.batch = batch;
    this.#running.push(running);
  }

  judged(slot: Slot): void {
    const running = this.#bySlot[slot.number]!;
    if (running.queue === undefined) return;
    this.#running.remove(running);
    if (this.#running.length === 0) this.#alarm.stop();
  }

  stop(): void {
    this.#alarm.stop();
    tearDown(this.#endOfTurn);
  }

  #openBatch(): Batch {
    const batch = (this.#open = { due: Infinity });
    try {
      this.#endOfTurn = this.#doors.scheduler.schedule(() => {
        this.#open = undefined;
        batch.due = this.#doors.now() + this.#duration;
        this.#arm();
      });
    } catch (error) {
      // A scheduler of the user's: the attempts of this batch would never be judged.
      this.#doors.fail(error);
    }
    return batch;
  }

  #arm(): void {
    const { first } = this.#running;
    if (first !== undefined && first.batch.due < Infinity) this.#alarm.set(first.batch.due);
  }

  #judge(): void {
    const now = this.#doors.now();
    for (let first; (first = this.#running.first) !== undefined && first.batch.due <= now;) {
      this.#running.remove(first);
      first.slot.fail(new TimeoutError());
    }
    this.#arm();
  }
}
