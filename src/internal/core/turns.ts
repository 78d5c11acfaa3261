/** What a job that has started may tell downstream, where results come in the order of arrival. */
export interface Turn {
  /** Nothing is before it: what it tells goes downstream at once. */
  readonly isFirst: boolean;
  emit(item: unknown): void;
  /** Nothing more comes of the job. */
  end(): void;
  /** The job has ended between two attempts. Where outcomes are told, its turn ends with that of its own. */
  leave(): void;
  /** The results end with this error when all that is before it has been told. */
  fail(error: unknown): void;
}

/** Keeps the results of jobs until it is their turn. */
export interface Turns {
  /** Jobs that have started, and whose results have not all been told. */
  readonly length: number;
  /** Of these the ones whose jobs have ended. */
  readonly held: number;
  /** How many of those that wait may start, of so many that could. */
  mayStart(startable: number): number;
  /** One of those that wait is about to be taken. */
  choose(): void;
  /** A job starts for the first time. @param order its place in the order of arrival */
  begin(order: number): Turn;
  /** Jobs that waited may have left. */
  onLeft(): void;
}

/** The pool, as the turns see it. */
export interface TurnsHost {
  /** Workers and buffer together. */
  places(): number;
  /** Jobs start in the order of arrival: what waits is behind all that have started. */
  readonly isFifo: boolean;
  /** Otherwise the place in the order of arrival of the oldest that waits; Infinity when nothing waits. */
  oldestOrder(): number;
  isOldestStartable(): boolean;
  /** The store gives the oldest next. */
  promoteOldest(): void;
  readonly emitsOutcomes: boolean;
  /** Tells downstream. */
  emit(item: unknown): void;
  /** Ends the results. */
  fail(error: unknown): void;
  /** No job is taken in any more. */
  stopIntake(): void;
  /** Jobs may start that could not. */
  wake(): void;
}

export type TurnsFactory = (host: TurnsHost) => Turns;
