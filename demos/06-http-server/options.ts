import { parseArgs } from 'node:util';

const usage = `usage: server.ts [option...]
  --port N       where to listen; 0 takes a free one (3000)
  --host NAME    on which address (127.0.0.1: this machine only)
  --workers N    jobs at once (4)
  --buffer N     jobs that may wait (20)
  --ms N         how long a job takes, when its client does not say (1000)
  --deadline N   ms that a shutdown may take before it aborts what still runs (10000)`;

export interface Options {
  readonly port: number;
  readonly host: string;
  readonly workers: number;
  readonly buffer: number;
  readonly ms: number;
  readonly deadline: number;
}

/** @returns the options of the command line, or nothing when it has told what is wrong with them */
export function readOptions(): Options | undefined {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', default: '3000' },
        host: { type: 'string', default: '127.0.0.1' },
        workers: { type: 'string', default: '4' },
        buffer: { type: 'string', default: '20' },
        ms: { type: 'string', default: '1000' },
        deadline: { type: 'string', default: '10000' },
      },
    });
    const { host, ...rest } = values;
    const wholeNumber = (name: keyof typeof rest): number => {
      if (!/^\d+$/.test(rest[name])) throw new TypeError(`--${name} must be a whole number, but is '${rest[name]}'`);
      return Number(rest[name]);
    };
    return {
      host,
      port: wholeNumber('port'),
      workers: wholeNumber('workers'),
      buffer: wholeNumber('buffer'),
      ms: wholeNumber('ms'),
      deadline: wholeNumber('deadline'),
    };
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exitCode = 2;
    return undefined;
  }
}
