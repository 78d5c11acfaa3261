/** What `act` throws. */
export function errorOf(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

/** The message of the TypeError that `act` throws. */
export function typeErrorOf(act: () => unknown): string {
  const error = errorOf(act);
  if (!(error instanceof TypeError)) throw new Error(`no TypeError: ${String(error)}`);
  return error.message;
}
