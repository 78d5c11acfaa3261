/** A promise and its two ends. */
export class Promised<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  reject!: (error: unknown) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Rejects, but raises no unhandledRejection where nobody looks. */
  giveUp(error: unknown): void {
    this.promise.catch(() => undefined);
    this.reject(error);
  }
}
