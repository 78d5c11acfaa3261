/** The slots of a pool, counted. */
export class Slots {
  /** Slots in use, by what runs and by what lingers. */
  active = 0;
  /** Slots of attempts that have been judged. */
  lingering = 0;
  /** Of these the ones in which no work goes on: a job waits there for its retry. */
  holding = 0;
  /** Jobs started so far: the next one's index. */
  started = 0;
  /** Jobs subscribed so far: the next one's place in the order of teardown. */
  subscribed = 0;

  /** Slots in which work goes on. */
  get working(): number {
    return this.active - this.holding;
  }
}
