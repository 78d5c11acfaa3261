// What other libraries call the options. Data only: the words are for errors, none of them is taken.

/**
 * The options meant, the words for them, and what to write where the option's name alone does not say it. A line counts where
 * the config has one of its options; the first that does and has the word is said.
 */
export const SYNONYMS: readonly (readonly [options: string, words: string, hint?: string])[] = [
  ['workers', 'concurrency concurrent maxConcurrent maxConcurrency limit'],
  ['lane', 'concurrency concurrent', `it is called 'limit' here`],
  ['buffer capacity most', 'size max maxSize buffer capacity highWaterMark bufferSize maxQueue queueSize'],
  ['overflow', 'strategy dropPolicy'],
  ['retry', 'retries maxRetries', 'write retry: n'],
  ['retry', 'attempts maxAttempts', 'write retry: n - 1, which does not count the first attempt'],
  ['retry', 'backoff', 'write retry: { count, delay }'],
  ['count', 'retries maxRetries times max'],
  ['count', 'attempts maxAttempts', 'write count: n - 1, which does not count the first attempt'],
  ['delay', 'backoff interval'],
  ['rateLimit', 'interval intervalCap minTime rate throttle limiter', 'write rateLimit: { limit, interval }'],
  ['limit', 'max intervalCap count'],
  ['interval', 'duration window per'],
  ['queue signal wait', 'priority', 'give the pool queue: byPriority((job) => …)'],
  ['queue signal wait', 'key group', 'give the pool queue: byKey((job) => …)'],
  ['signal', 'timeout deadline', 'write signal: AbortSignal.timeout(ms)'],
  ['shutdown', 'stop until'],
  ['shutdown', 'signal', 'write shutdown: signal, which lets accepted jobs finish'],
  ['shutdown', 'deadline', 'write timeout for each attempt, or shutdown: gracefulShutdown({ on, deadline })'],
  ['deadline', 'timeout timeoutMs gracePeriod'],
  ['on', 'signal signals'],
  ['ttl', 'expires maxAge'],
  ['timeout', 'throwOnTimeout', 'leave it out, an attempt that times out always fails'],
  ['workers', 'autoStart paused', 'call pause() of a BackgroundJobs, or let workers be an Observable that starts at 0'],
];
