import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobContext } from '../../src/index.js';
import { HttpError } from './http.js';

/** Milliseconds. */
export const LONGEST = 600_000;

export interface Job {
  readonly id: string;
  /** How long it takes, in milliseconds. */
  readonly ms: number;
  readonly fail: boolean;
}

/** Reads what a client has posted, such as `{"ms": 500, "fail": true}`; both may be missing. */
export function readJob(body: unknown, defaultMs: number): Job {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new HttpError(400, 'a job is a JSON object');
  }
  const { ms = defaultMs, fail = false } = body as Record<string, unknown>;
  if (typeof ms !== 'number' || !(ms >= 0 && ms <= LONGEST)) {
    throw new HttpError(400, `ms must be a number from 0 to ${LONGEST}`);
  }
  if (typeof fail !== 'boolean') throw new HttpError(400, 'fail must be a boolean');
  return { id: randomUUID(), ms, fail };
}

/** Stands for whatever takes its time: it waits, and lets go when its signal fires. */
export async function work({ ms, fail }: Job, { signal, worker }: JobContext): Promise<string> {
  await sleep(ms, undefined, { signal });
  if (fail) throw new Error('it was asked to fail');
  return `done by worker ${worker}`;
}
