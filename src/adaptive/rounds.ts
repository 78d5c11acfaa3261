import type { Algorithm } from './algorithm.js';

/** A round does not wait for its last attempts when so many times as many others have ended meanwhile: one may hang. */
const PATIENCE = 4;

/**
 * Cuts what pools tell into rounds, each under one limit. A round measures as many attempts as the limit, from the one that reaches
 * the limit on: those before it find a shorter queue. It ends when all of them have ended: the first to end are the short ones, and
 * their mean would be too low.
 */
export class Rounds {
  readonly #algorithm: Algorithm;
  /** Which of all starts each running attempt is, by the id of its job. Jobs of two pools may have the same. */
  readonly #running = new Map<number, number[]>();
  #inFlight = 0;
  #starts = 0;
  /** The first start of the round. */
  #begun = 0;
  /** The first start after the last overload: of one burst of failures only the first is an overload. */
  #fresh = 0;
  /** The starts that are measured: the first one, and the one after the last. Unknown until the limit is reached. */
  #from = Infinity;
  #to = Infinity;
  /** Of these, how many have not been released. */
  #awaited = 0;
  /** Attempts of later starts that have been released. */
  #later = 0;
  #samples = 0;
  #time = 0;
  #isReached = false;

  constructor(algorithm: Algorithm) {
    this.#algorithm = algorithm;
  }

  started(id: number): void {
    const start = this.#starts++;
    const running = this.#running.get(id);
    if (running === undefined) this.#running.set(id, [start]);
    else running.push(start);
    this.#inFlight++;
    // Where too little is to be done the limit is not reached; the round goes on all the same.
    if (this.#from === Infinity && (this.#isFull() || this.#starts - this.#begun >= this.#algorithm.limit))
      this.#measure(start, Math.max(this.#algorithm.samples, Math.floor(this.#algorithm.limit)));
  }

  #isFull(): boolean {
    return this.#inFlight >= Math.floor(this.#algorithm.limit);
  }

  /** The attempt has completed, and still holds its worker. */
  completed(id: number, time: number): void {
    const start = this.#startOf(id);
    if (start < this.#from || start >= this.#to) return;
    // At the end of an attempt, not at its start: those that are aborted reach the limit too, and tell nothing.
    if (this.#isFull()) this.#isReached = true;
    this.#time += time;
    this.#samples++;
  }

  /** The attempt has failed, and still holds its worker. */
  overloaded(id: number): void {
    if (this.#startOf(id) < this.#fresh) return;
    this.#fresh = this.#starts;
    this.#algorithm.onOverload();
    this.#begin();
  }

  released(id: number): void {
    const start = this.#startOf(id);
    const running = this.#running.get(id);
    running?.shift();
    if (running?.length === 0) this.#running.delete(id);
    this.#inFlight--;
    if (start < this.#from) return;
    if (start < this.#to) this.#awaited--;
    else this.#later++;
    if (this.#awaited === 0 || this.#later >= PATIENCE * (this.#to - this.#from)) this.#end();
  }

  #startOf(id: number): number {
    return this.#running.get(id)?.[0] ?? -1;
  }

  #end(): void {
    const missing = this.#algorithm.samples - this.#samples;
    // Attempts that tell nothing have taken the place of others: the round goes on with as many more.
    if (missing > 0) return this.#measure(this.#starts, missing);
    this.#algorithm.onRound(this.#time / this.#samples, this.#isReached);
    this.#begin();
  }

  #begin(): void {
    this.#begun = this.#starts;
    this.#from = this.#to = Infinity;
    this.#samples = this.#time = 0;
    this.#isReached = false;
  }

  #measure(from: number, attempts: number): void {
    this.#from = from;
    this.#to = from + attempts;
    this.#awaited = attempts;
    this.#later = 0;
  }
}
