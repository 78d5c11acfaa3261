interface GiveBack {
  /** Its place among all that were fetched. */
  readonly number: number;
  send(): void;
}

/** Each job that is given back goes to the head of its queue. Of one turn of the event loop the oldest goes last: they keep their order. */
export class GiveBacks {
  #batch: GiveBack[] = [];

  /** @returns settles as `moveToWait` does, which is called when the event loop has turned */
  add(number: number, moveToWait: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#batch.push({ number, send: () => void moveToWait().then(resolve, reject) });
      if (this.#batch.length === 1) setTimeout(() => this.#send());
    });
  }

  #send(): void {
    const batch = this.#batch;
    this.#batch = [];
    for (const { send } of batch.sort((a, b) => b.number - a.number)) send();
  }
}
