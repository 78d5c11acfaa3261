import type { Turn, Turns, TurnsFactory, TurnsHost } from '../core/turns.js';
import { wrong } from '../support/checks.js';
import { Fifo } from '../support/fifo.js';
import { Heap } from '../support/heap.js';
import type { InHeap } from '../support/heap.js';

/**
 * Results come in the order of arrival, as by RxJava's `concatMapEager`. Jobs start as ever: what a job tells before its turn is
 * held. At most as many jobs as the pool has places have started and not told all; then only the first in order may start.
 *
 * @throws TypeError that names the option and its value
 */
export function ordered(value: unknown): TurnsFactory | undefined {
  if (typeof value !== 'boolean') wrong('ordered', 'a boolean', value);
  return value ? (host) => new OrderedTurns(host) : undefined;
}

/** What a job has told before its turn, and whether more may come. */
class HeldTurn implements Turn, InHeap {
  readonly order: number;
  at = 0;
  held: Fifo<unknown> | undefined;
  isOver = false;
  failure: { readonly error: unknown } | undefined;
  readonly #turns: OrderedTurns;

  constructor(order: number, turns: OrderedTurns) {
    this.order = order;
    this.#turns = turns;
  }

  get isFirst(): boolean {
    return this.#turns.isFirst(this);
  }

  emit(item: unknown): void {
    if (this.isFirst) this.#turns.host.emit(item);
    else (this.held ??= new Fifo<unknown>(undefined)).push(item);
  }

  end(): void {
    if (!this.isOver) this.#turns.held++;
    this.isOver = true;
    this.#turns.advance();
  }

  leave(): void {
    if (!this.#turns.host.emitsOutcomes) this.end();
  }

  fail(error: unknown): void {
    this.failure = { error };
    this.#turns.onFailure(this.order);
    this.end();
  }
}

class OrderedTurns implements Turns {
  readonly host: TurnsHost;

  held = 0;
  /** In the order of arrival; where jobs start as they arrive, each new one is the last. */
  readonly #turns: Heap<HeldTurn> | Fifo<HeldTurn | undefined>;
  /** Results that were held are being told. */
  #isEmitting = false;
  /** The first in order of the jobs that have failed: its error will end the results, and nothing starts that is behind it. */
  #failedAt = Infinity;

  constructor(host: TurnsHost) {
    this.host = host;
    this.#turns = host.isFifo ? new Fifo<HeldTurn | undefined>(undefined) : new Heap((a, b) => a.order < b.order);
  }

  get length(): number {
    return this.#turns.length;
  }

  // ---- Starts

  mayStart(startable: number): number {
    const room = this.#room();
    if (room > 0 || startable <= room) return Math.min(room, startable);
    return (this.#isHeadWaiting() || this.#isBeforeFailure()) && this.host.isOldestStartable() ? 1 : 0;
  }

  /** The oldest that waits has to be told before the error, and there is room for its results. */
  #isBeforeFailure(): boolean {
    const { host } = this;
    if (this.#failedAt === Infinity || host.isFifo) return false;
    return host.oldestOrder() < this.#failedAt && this.#turns.length < host.places();
  }

  /** So many may start. A place is kept for the first in order where that one still waits. */
  #room(): number {
    if (this.#failedAt < Infinity) return 0;
    return this.host.places() - this.#turns.length - (this.#isHeadWaiting() ? 1 : 0);
  }

  #isHeadWaiting(): boolean {
    return !this.host.isFifo && this.host.oldestOrder() < (this.#turns.first?.order ?? Infinity);
  }

  choose(): void {
    if (!this.host.isFifo && this.#room() <= 0) this.host.promoteOldest();
  }

  begin(order: number): Turn {
    const turn = new HeldTurn(order, this);
    this.#turns.push(turn);
    return turn;
  }

  // ---- Results

  isFirst(turn: HeldTurn): boolean {
    return turn === this.#turns.first && !this.#isEmitting && !this.#isHeadWaiting();
  }

  onFailure(order: number): void {
    this.#failedAt = Math.min(this.#failedAt, order);
    this.host.stopIntake();
  }

  onLeft(): void {
    // What waits is behind all that have started, where jobs start as they arrive.
    if (!this.host.isFifo) this.advance();
  }

  /** Tells what is held, as far as it is its turn, and lets jobs start that may now. */
  advance(): void {
    if (this.#isEmitting) return;
    const wasFull = this.#room() <= 0;
    const before = this.#turns.length;
    this.#isEmitting = true;
    try {
      this.#emitHeld();
    } finally {
      this.#isEmitting = false;
    }
    if (wasFull && this.#turns.length < before) this.host.wake();
  }

  #emitHeld(): void {
    const { host } = this;
    for (let first; (first = this.#turns.first) !== undefined && !this.#isHeadWaiting();) {
      while (first.held !== undefined && first.held.length > 0) host.emit(first.held.shift());
      if (first.failure) return host.fail(first.failure.error);
      if (!first.isOver) return;
      this.#turns.shift();
      this.held--;
    }
  }
}
