import type { Puller } from '../core/intake.js';
import { LinkedQueue } from '../support/linkedQueue.js';
import type { Linked } from '../support/linkedQueue.js';

/** A member of the line for room: all senders together are one, and so is each iterable that could be asked for an item. */
export interface Claim extends Linked<Claim> {
  /** The senders' claim: it joins at the front, unless it was served last. */
  readonly isGroup: boolean;
  /** A synchronous iterable's: it takes a place only for a job that starts at once, unless senders wait. */
  readonly onlyStarts: boolean;
  /** An async iterable's: it yields to those that only start, because what it reads ahead would fill the buffer. */
  readonly readsAhead: boolean;
  /** Takes one place. The claim itself leaves the line when it has nothing more for now. */
  serve(): void;
}

/** The pool, as the line asks it for places. */
export interface Places {
  /** Asked by a worker that looks for a job: the line, while somebody is in it. */
  puller: Puller | undefined;
  /** {@link puller} is another. */
  onPuller(): void;
  hasRoom(): boolean;
  mayReadAhead(): boolean;
  canStart(isNested: boolean): boolean;
}

/** All that wait for a place in the handle take turns: one place each, at a cost that does not grow with their number. */
export class Line implements Puller {
  readonly #claims = new LinkedQueue<Claim>();
  readonly #places: Places;
  /** Claims in the line that take a place only for a start. */
  #starters = 0;
  #isServing = false;
  #servedGroup = false;
  /** The senders' claim, while it is in the line. */
  #group: Claim | undefined;

  constructor(places: Places) {
    this.#places = places;
  }

  /** If it is not in the line. */
  join(claim: Claim): void {
    if (claim.queue !== undefined) return;
    if (this.#places.puller === undefined) this.#setPuller(this);
    if (claim.isGroup) this.#group = claim;
    if (claim.isGroup && !this.#servedGroup) this.#claims.unshift(claim);
    else this.#claims.push(claim);
    if (claim.onlyStarts) this.#starters++;
  }

  leave(claim: Claim): void {
    if (claim.queue === undefined) return;
    this.#claims.remove(claim);
    if (this.#claims.length === 0) this.#setPuller(undefined);
    if (claim.isGroup) this.#group = undefined;
    if (claim.onlyStarts) this.#starters--;
  }

  #setPuller(puller: Puller | undefined): void {
    this.#places.puller = puller;
    this.#places.onPuller();
  }

  /** There may be room. A claim that has been served goes to the end. */
  pull(): void {
    const isNested = this.#isServing;
    this.#isServing = true;
    for (let claim; (claim = this.#nextDue(isNested)) !== undefined;) {
      this.#claims.push(this.#claims.remove(claim));
      this.#servedGroup = claim.isGroup;
      claim.serve();
    }
    this.#isServing = isNested;
  }

  /** The first in the line. While starts are held back, senders have places that no iterable is asked to fill. */
  #nextDue(isNested: boolean): Claim | undefined {
    const { first } = this.#claims;
    if (first === undefined || this.#isDue(first, isNested)) return first;
    const group = this.#group;
    return group !== undefined && this.#isDue(group, isNested) ? group : undefined;
  }

  /** While senders wait, room is enough for every claim: one that only starts would never have its turn beside them. */
  #isDue({ isGroup, onlyStarts, readsAhead }: Claim, isNested: boolean): boolean {
    const needsStart = this.#group === undefined && (onlyStarts || (readsAhead && this.#starters > 0));
    if (needsStart) return this.#places.canStart(isNested);
    return isGroup ? this.#places.hasRoom() : this.#places.mayReadAhead();
  }
}
