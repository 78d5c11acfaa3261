// Random programs, against a model and against every form. README.md lists the faults that were planted to prove it.
import { expect } from 'chai';
import fc from 'fast-check';
import { formOf, nameOf } from './support/forms.js';
import type { Real } from './support/forms.js';
import { takeReported, turn } from './support/guard.js';
import { HARSHNESS, KINDS, Model, PLACES, POLICIES } from './support/model.js';
import type { Act, Form, Harshness, How, Kind, Place, Plan, Setting, SubmitOptions } from './support/model.js';
import { isPossible } from './support/policies.js';

/** Programs for each form. RUNS=10000 is for the patient. */
const RUNS = Number(process.env['RUNS'] ?? 400);
/** The same programs each time, so that what has to occur does; another seed is another walk. */
const SEED = Number(process.env['SEED'] ?? 1);

/** More turns of the microtask queue than a program's promises can take. */
const TICKS = 80;

type Program = Iterable<fc.AsyncCommand<Model, Real>>;

/** Does the same to the model and to the form, and compares all that can be known of them. */
class Step implements fc.AsyncCommand<Model, Real> {
  private readonly name: string;
  private readonly act: (actor: Model | Real, choice: number) => void;
  private readonly choose: (model: Readonly<Model>) => number | undefined;

  /** @param choose what it is done to; `undefined` when there is nothing that it could be done to */
  constructor(
    name: string,
    act: (actor: Model | Real, choice: number) => void,
    choose: (model: Readonly<Model>) => number | undefined = () => 0,
  ) {
    this.name = name;
    this.act = act;
    this.choose = choose;
  }

  check(model: Readonly<Model>): boolean {
    return this.choose(model) !== undefined;
  }

  async run(model: Model, real: Real): Promise<void> {
    model.count(`command: ${this.name.split(' ')[0]}`);
    const choice = this.choose(model)!;
    this.act(model, choice);
    model.flush();
    fc.pre(!model.undecided);
    this.act(real, choice);
    await ticks();
    compare(model, real);
  }

  toString(): string {
    return this.name;
  }
}

async function ticks(): Promise<void> {
  for (let i = 0; i < TICKS; i++) await Promise.resolve();
}

function compare(model: Model, real: Real): void {
  const first = model.log.findIndex((event, i) => event !== real.log[i]);
  if (first >= 0 || real.log.length > model.log.length) {
    const at = first >= 0 ? first : model.log.length;
    const [are, shouldBe] = [real, model].map(({ log }) => log.slice(at, at + 6).join('\n    '));
    throw new Error(`${model.log.slice(0, at).join('\n')}\n  then\n    ${are}\n  instead of\n    ${shouldBe}`);
  }
  expect([...real.fates], 'promises').to.deep.equal([...model.fates]);
  expect(real.report, 'ended').to.equal(model.report);
  expect(real.idled, 'idle').to.equal(model.idled);
  expect([...real.open.keys()], 'work that has not let go').to.deep.equal([...model.open.keys()]);
  const numbers = [...model.slots].flatMap(({ job }) => (job === undefined ? [] : [real.workers.get(job.id)]));
  expect(new Set(numbers).size, `workers ${String(numbers)}`).to.equal(numbers.length);
  for (const number of numbers) expect(number).to.be.within(1, model.setting.workers);
}

// ---- Programs

const mostly = fc.nat(3).map((n) => n > 0);
/** Half of the jobs take their time, so that buffers fill. */
const kind = fc.oneof(fc.constantFrom<Kind[]>('stream', 'promise', 'thenable'), fc.constantFrom(...KINDS));
const leaf: fc.Arbitrary<Plan> = fc.record({ kind, listens: mostly });

/** A pool that has ended at once has nothing left to escalate. */
const softFirst = fc.constantFrom<Harshness[]>('drain', 'drain', 'drain', 'discard', 'discard', 'abort', 'abandon');

function actOf(form: Form): fc.Arbitrary<Act> {
  const ways = form === 'BackgroundJobs' ? (['offer', 'send', 'submit'] as const) : (['offer'] as const);
  const ends = form === 'BackgroundJobs' ? [] : (['unsubscribe', 'complete'] as const);
  return fc.oneof(
    { arbitrary: fc.record({ do: fc.constantFrom(...ways), plan: leaf }), weight: 3 },
    {
      arbitrary: fc.record({ do: fc.constant('end' as const), how: fc.constantFrom<How[]>('complete', 'error') }),
      weight: 2,
    },
    { arbitrary: fc.record({ do: fc.constant('shutdown' as const), level: softFirst }), weight: 2 },
    ...ends.map((end) => ({ arbitrary: fc.record({ do: fc.constant(end) }), weight: 1 })),
  );
}

function planOf(form: Form): fc.Arbitrary<Plan> {
  const react = fc.record({
    at: fc.constantFrom<Place[]>(...PLACES, 'work', 'work', 'signal', 'told'),
    act: actOf(form),
  });
  const throwsAt = fc.constantFrom(
    'accepted' as const,
    'started' as const,
    'settled' as const,
    'released' as const,
    'told' as const,
  );
  return fc.record({
    kind,
    listens: mostly,
    react: fc.option(react, { nil: undefined, freq: 2 }),
    throwsAt: fc.option(throwsAt, { nil: undefined, freq: 6 }),
  });
}

function settingOf(form: Form, hooks: boolean): fc.Arbitrary<Setting> {
  return fc
    .record({
      form: fc.constant(form),
      hooks: fc.constant(hooks),
      workers: fc.constantFrom(1, 1, 1, 2, 2, 2, 3, Infinity),
      buffer: fc.constantFrom(0, 1, 1, 1, 2, 2, 3, Infinity),
      overflow: fc.constantFrom(...POLICIES),
      watched: fc.boolean(),
    })
    .filter(isPossible);
}

function programOf(form: Form): fc.Arbitrary<Program> {
  const plan = planOf(form);
  const when = fc.constantFrom<SubmitOptions['signal'][]>('none', 'later', 'later', 'later', 'aborted');
  const any = fc.nat();
  const pick = (ids: Iterable<number>, n: number): number | undefined => {
    const all = [...ids];
    return all.length === 0 ? undefined : all[n % all.length];
  };
  const offer = plan.map((plan) => new Step(`offer ${show(plan)}`, (actor) => actor.offer(plan)));
  const end = fc.tuple(any, fc.constantFrom<How[]>('value', 'complete', 'complete', 'error')).map(
    ([n, how]) =>
      new Step(
        `${how} of one of those that run (${n})`,
        (actor, id) => actor.end(id, how),
        ({ open }) => pick(open.keys(), n),
      ),
  );
  const level = softFirst.map((level) => new Step(`shutdown ${level}`, (actor) => actor.shutdown(level)));
  const harder = any.map(
    (n) =>
      new Step(
        `shutdown harder (${n})`,
        (actor, level) => actor.shutdown(HARSHNESS[level]!),
        ({ level, closed }) => (level < 0 || level > 2 || closed ? undefined : level + 1 + (n % (3 - level))),
      ),
  );
  // A program has about as many of each command as there are of its arbitrary.
  const rare = fc.nat(3).chain((n) => (n > 0 ? offer : level));
  if (form !== 'BackgroundJobs') {
    const complete = fc.constant(new Step('complete', (actor) => actor.complete()));
    const fail = fc.constant(new Step('fail', (actor) => actor.fail()));
    const leave = fc.constant(new Step('unsubscribe', (actor) => actor.unsubscribe()));
    const over = fc.nat(23).chain((n) => [complete, fail, leave][n] ?? offer);
    return fc.commands([offer, offer, end, end, rare, over, harder, harder], { maxCommands: 40, size: 'max' });
  }
  const send = fc
    .tuple(plan, when)
    .map(([plan, when]) => new Step(`send ${when} ${show(plan)}`, (actor) => actor.send(plan, when)));
  const submit = fc
    .tuple(plan, when, fc.boolean())
    .map(
      ([plan, signal, wait]) =>
        new Step(`submit ${signal} ${wait} ${show(plan)}`, (actor) => actor.submit(plan, { signal, wait })),
    );
  const giveUp = any.map(
    (n) =>
      new Step(
        `giveUp (${n})`,
        (actor, id) => actor.giveUp(id),
        ({ signals }) => pick(signals, n),
      ),
  );
  const listenTo = fc
    .tuple(fc.array(plan, { maxLength: 4 }), fc.constantFrom('iterable' as const, 'observable' as const))
    .map(
      ([plans, from]) =>
        new Step(
          `listenTo ${from} ${plans.map(show).join('; ')}`,
          (actor) => actor.listenTo(plans, from),
          ({ pulling }) => (from === 'iterable' && pulling ? undefined : 0),
        ),
    );
  const idle = fc.constant(new Step('idle', (actor) => actor.idle()));
  return fc.commands([offer, send, submit, giveUp, listenTo, idle, end, end, end, rare, harder], {
    maxCommands: 40,
    size: 'max',
  });
}

function show({ kind, listens, react, throwsAt }: Plan): string {
  const reacts = react === undefined ? '' : `, at ${react.at}: ${JSON.stringify(react.act)}`;
  return `${kind}${listens ? ', listens' : ''}${reacts}${throwsAt === undefined ? '' : `, throws at ${throwsAt}`}`;
}

/** Runs the program, then all that it has left to run. */
async function run(setting: Setting, program: Program, tally: Map<string, number>): Promise<void> {
  const model = new Model(setting, tally);
  const real = formOf(setting);
  try {
    await fc.asyncModelRun(() => ({ model, real }), program);
    await finish(model, real);
  } finally {
    await turn();
    real.reported.push(...takeReported().map(nameOf));
  }
  expect(real.reported, 'reported').to.deep.equal(model.reported);
}

async function finish(model: Model, real: Real): Promise<void> {
  const take = async (step: Step): Promise<void> => (step.check(model) ? step.run(model, real) : undefined);
  if (model.isHandle) await take(new Step('shutdown', (actor) => actor.shutdown('abandon')));
  else await take(new Step('unsubscribe', (actor) => actor.unsubscribe()));
  while (model.open.size > 0)
    await take(
      new Step(
        'complete',
        (actor, id) => actor.end(id, 'complete'),
        ({ open }) => [...open.keys()][0],
      ),
    );
  expect(model.closed, 'the end').to.equal(true);
  expect(model.accounts.accepted + model.accounts.refused).to.equal(model.accounts.offered);
  expect(real.leaks()).to.deep.equal([]);
}

/** What has to have occurred, or the comparison was of less than it says. */
function required(form: Form, hooks: boolean): string[] {
  const isHandle = form === 'BackgroundJobs';
  const acts = isHandle ? ['offer', 'send', 'submit', 'end', 'shutdown'] : ['offer', 'end', 'shutdown'];
  const places = PLACES.filter((place) => hooks || place === 'work' || place === 'told' || place === 'signal');
  const of = (kinds: readonly string[], name: (kind: string) => string): string[] => kinds.map(name);
  return [
    ...of(['offer', 'value', 'complete', 'error', 'shutdown'], (command) => `command: ${command}`),
    ...of(KINDS, (kind) => `work: ${kind}`),
    ...of(['completed', 'failed', 'aborted', 'abandoned'], (verdict) => `running → ${verdict}`),
    'error refuses',
    'drop-incoming refuses',
    // Only a job that is offered when a loss is told finds nobody.
    ...(hooks || isHandle ? ['an evicting policy finds nobody to evict'] : []),
    ...of(['drop-oldest', 'replace-newest', 'clear'], (policy) => `${policy} evicts`),
    ...of(['drain', 'discard', 'abort', 'abandon'], (level) => `open → ${level}`),
    ...of(['discard', 'abort', 'abandon'], (level) => `drain → ${level}`),
    'discard → *',
    ...of(places, (place) => `offer from ${place}`),
    'shutdown from *',
    ...of(acts, (act) => `${act} from *`),
    ...(hooks
      ? of(['accepted', 'started', 'settled', 'released', 'told'], (place) => `${place} throws`)
      : ['told throws']),
    ...(hooks && !isHandle ? ['aborted before its work was called'] : []),
    'abort → abandon',
    'a step back',
    'shut down after the end',
    'queued',
    'drop-oldest evicts',
    'lost: shutdown',
    'a stream is stopped',
    'a promise is asked to stop',
    'a promise settles that nobody waits for',
    'a stream or thenable ends that nobody listens to',
    'abandoned inside its work',
    'the results complete',
    ...(isHandle ? requiredOfHandle(hooks) : requiredOfOperator),
  ];
}

const requiredOfOperator = [
  'command: fail',
  'command: unsubscribe',
  'the source completes',
  'the source fails',
  'the intake fails: BufferOverflowError',
  'the results fail',
  'downstream unsubscribes',
  'unsubscribe from *',
  'complete from *',
];

function requiredOfHandle(hooks: boolean): string[] {
  return [
    ...['send', 'submit', 'giveUp', 'listenTo', 'idle'].map((command) => `command: ${command}`),
    ...(hooks ? ['stops to listen in the middle'] : ['a failure that nobody sees']),
    'a promise is fulfilled',
    'a promise is rejected',
    'a sender waits',
    'a sender is seated',
    'a sender is turned away',
    'an offer finds senders before it',
    'send with an aborted signal',
    'send: a waiting sender gives up',
    'send: given up too late',
    'submit with an aborted signal',
    'submit: a waiting sender gives up',
    'submit: a queued job is given up',
    'submit: a running job is given up',
    'submit: given up too late',
    'an iterable is pulled',
    'an Observable that could only overflow is refused',
    'an arrival in the middle of another',
    'listens when it is closed',
    'waits for idleness',
    'refused: closed',
  ];
}

describe('the model of counts and lists', function () {
  this.timeout(20_000 + RUNS * 100);

  const forms: readonly [Form, boolean][] = [
    ['workerPool', true],
    ['workerPool', false],
    ['workerPoolSettled', true],
    ['workerPoolSettled', false],
    ['BackgroundJobs', true],
    ['BackgroundJobs', false],
  ];
  for (const [form, hooks] of forms) {
    it(`${form}${hooks ? ' with hooks' : ''} does what the model does`, async () => {
      const tally = new Map<string, number>();
      await fc.assert(
        fc.asyncProperty(settingOf(form, hooks), programOf(form), (setting, program) => run(setting, program, tally)),
        { numRuns: RUNS, seed: SEED },
      );
      const occurred = [...tally.keys()];
      const missing = required(form, hooks).filter((what) =>
        what.endsWith('*') ? !occurred.some((event) => event.startsWith(what.slice(0, -1))) : !tally.has(what),
      );
      expect(missing, 'never occurred').to.deep.equal([]);
    });
  }
});
