// A service with a knee, in virtual time. Up to the knee each request has a server of its own, beyond it requests queue for one.
// It knows nothing of pools and limits.
import { Observable } from 'rxjs';
import type { SchedulerLike } from 'rxjs';

/** Pseudo-random numbers from 0 to 1, the same in each run. */
function randomFrom(seed: number): () => number {
  let state = seed * 16807 + 12345;
  const next = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  next();
  return next;
}

export interface Service {
  /** Requests that are served at once, at a moment in virtual time. */
  readonly knee: (now: number) => number;
  /** Beyond so many times the knee a request is refused, after 1 ms. @default never */
  readonly refusesBeyond?: number;
  /** What a request takes without a queue, in ms, in the mean. @default 50 */
  readonly time?: (now: number) => number;
  /** How requests differ: what each takes, as a multiple of the mean, made from a number from 0 to 1. @default 0.5 to 1.5 */
  readonly spread?: (random: number) => number;
}

class Refused extends Error {}

export class Downstream {
  /** What the service has done. */
  served = 0;
  refused = 0;
  #busy = 0;
  readonly #queue: ((ms: number) => void)[] = [];
  readonly #service: Service;
  readonly #clock: SchedulerLike;
  readonly #random: () => number;

  constructor(service: Service, clock: SchedulerLike, seed: number) {
    this.#service = service;
    this.#clock = clock;
    this.#random = randomFrom(seed);
  }

  get #knee(): number {
    return this.#service.knee(this.#clock.now());
  }

  request(): Observable<number> {
    return new Observable((subscriber) => {
      const { refusesBeyond = Infinity } = this.#service;
      if (this.#busy + this.#queue.length >= refusesBeyond * this.#knee) {
        this.refused++;
        return this.#clock.schedule(() => subscriber.error(new Refused('too many')), 1);
      }
      this.#queue.push((ms) => {
        subscriber.next(ms);
        subscriber.complete();
      });
      return this.#serve();
    });
  }

  #serve(): undefined {
    const { time = () => 50, spread = (random) => 0.5 + random } = this.#service;
    while (this.#queue.length > 0 && this.#busy < this.#knee) {
      const answer = this.#queue.shift()!;
      const ms = time(this.#clock.now()) * spread(this.#random());
      this.#busy++;
      this.#clock.schedule(() => {
        this.#busy--;
        this.served++;
        this.#serve();
        answer(ms);
      }, ms);
    }
  }
}
