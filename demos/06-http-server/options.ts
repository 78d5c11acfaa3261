import { parseArgs } from 'node:util';
import { LONGEST } from './job.js';

type Name = 'port' | 'workers' | 'buffer' | 'ms' | 'deadline' | 'clients';
interface NumberOption {
  readonly byDefault: number;
  readonly least: number;
  readonly most: number;
  readonly is: string;
}

const NUMBERS: Readonly<Record<Name, NumberOption>> = {
  port: { byDefault: 3000, least: 0, most: 65_535, is: 'where to listen; 0 takes a free one' },
  workers: { byDefault: 4, least: 1, most: 10_000, is: 'jobs at once' },
  buffer: { byDefault: 20, least: 0, most: 1_000_000, is: 'jobs that may wait' },
  ms: { byDefault: 1000, least: 0, most: LONGEST, is: 'how long a job takes, when its client does not say' },
  deadline: { byDefault: 10_000, least: 0, most: 2 ** 31 - 1, is: 'ms that a shutdown may take before it aborts' },
  clients: { byDefault: 1000, least: 0, most: 100_000, is: 'clients that may read the events at once' },
};
const NAMES = Object.keys(NUMBERS) as Name[];

const usage = [
  'usage: server.ts [option...]',
  '  --host NAME    on which address (127.0.0.1: this machine only)',
  ...NAMES.map((name) => `  ${`--${name} N`.padEnd(13)}  ${NUMBERS[name].is} (${NUMBERS[name].byDefault})`),
].join('\n');

export type Options = Readonly<Record<Name, number> & { host: string }>;

/** @returns the options of the command line, or nothing when it has printed the usage, or what is wrong with them */
export function readOptions(): Options | undefined {
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options === undefined) console.log(usage);
    return options;
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
    return undefined;
  }
}

/**
 * @returns nothing when help is asked for
 * @throws Error that says in one sentence what is wrong
 */
export function parseOptions(args: string[]): Options | undefined {
  try {
    const { values } = parseArgs({
      args,
      options: {
        help: { type: 'boolean', default: false },
        host: { type: 'string', default: '127.0.0.1' },
        ...(Object.fromEntries(NAMES.map((name) => [name, { type: 'string' }])) as Record<Name, { type: 'string' }>),
      },
    });
    if (values.help) return undefined;
    const numbers = NAMES.map((name) => [name, readNumber(name, values[name])] as const);
    return { host: values.host, ...(Object.fromEntries(numbers) as Record<Name, number>) };
  } catch (error) {
    // Node's own messages go on with advice: the first sentence tells what is wrong.
    const [sentence] = (error as Error).message.split(/\.\s/, 1);
    throw new Error(`${sentence}; --help lists the options`, { cause: error });
  }
}

function readNumber(name: Name, text: string | undefined): number {
  const { byDefault, least, most } = NUMBERS[name];
  if (text === undefined) return byDefault;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new RangeError(`--${name} must be a whole number from ${least} to ${most}, but is '${text}'`);
}
