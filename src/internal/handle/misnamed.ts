// What other libraries call the members of their queues: reading such a name of a BackgroundJobs says what it is called here.

/**
 * The names, and the hint for them. Left out is what programs look for in any object to find out what it is, because reading
 * it must not throw: `on`, `once`, `emit`, `length`, `map`, `then`, `pipe`, `write`, `close`, `end`, `destroy`, `dispose`,
 * `abort`, `cancel`, and `schedule`, by which RxJS knows a scheduler in `of(jobs)`.
 */
const MISNAMED: Readonly<Record<string, string>> = {
  'add push enqueue execute run': `call submit(job) for its result, send(job) to wait for room, or offer(job) not to wait`,
  'addAll addBulk': `call submit(job) for each job, or listenTo(iterable)`,
  process: `give its work to the constructor`,
  start: `it has started, listenTo(source) takes jobs from a source, and resume() ends a pause`,
  'onSizeLessThan onPendingZero': `send(job) waits for room, and idle() until no job waits or runs`,
  clearQueue: `call clear()`,
  runningTasks: `inspect().running has the jobs that run`,
  'onIdle onEmpty drained': `idle() is a promise that resolves when no job waits or runs`,
  drain: `call shutdown() to finish all jobs and take no more, or idle() to wait until no job waits or runs`,
  'stop kill terminate': `call shutdown(level): 'drain' finishes all jobs, 'abort' drops those that wait and aborts those that run`,
  'size waiting queued pending running active activeCount pendingCount': `stats.queued is how many jobs wait, and stats.running how many run`,
  'concurrency setConcurrency workers': `stats.workers is the number now, and the option workers takes an Observable that changes it`,
  queue: `inspect().queued has the jobs that wait, and the option queue orders them`,
  'unshift priority setPriority': `the option queue: byPriority((job) => …) says which job starts first`,
};

/** Gives the prototype a getter for each of the names, which throws. A subclass and an assignment may still use the name. */
export function refuseMisnamed(prototype: object): void {
  for (const [names, hint] of Object.entries(MISNAMED)) {
    for (const name of names.split(' ')) {
      Object.defineProperty(prototype, name, {
        configurable: true,
        get: () => {
          throw new TypeError(`a BackgroundJobs has no ${name}: ${hint}`);
        },
        set(this: object, value: unknown) {
          Object.defineProperty(this, name, { value, configurable: true, enumerable: true, writable: true });
        },
      });
    }
  }
}
