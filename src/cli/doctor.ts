import { BackendUnavailableError, messageOf, useBackend } from '../index.js';
import type { BackendChoice, BackendName } from '../index.js';
import { defineCommand } from './command.js';
import type { Invocation } from './command.js';
import { thisMachine } from './machine.node.js';
import type { Machine } from './machine.node.js';
import { flag, integer } from './options.js';
import { smallStep, timeSteps } from './stepTime.js';
import { count, plural, table } from './table.js';
import { exitCodes } from './terminal.js';

const options = {
  json: flag('Print it as JSON on stdout, and nothing else there'),
  steps: integer('Training steps that are timed on each backend at most (default 10)'),
};

/** How long the steps of one backend may take. */
const patience = 5_000; // milliseconds

/** Those that Node has: `webgpu` and `webgl` are for browsers. */
const names = ['onnxruntime', 'tensorflow', 'wasm', 'cpu'] as const satisfies BackendName[];

/** A backend, as it was found. */
interface Finding {
  readonly name: BackendName;
  readonly present: boolean;
  /** Why it is not present, and what to install. */
  readonly problem?: string;
  /** What there is to know where it is present. */
  readonly advice?: string;
  /** Milliseconds of the first training step, and the median of those after it. */
  readonly firstStepMs?: number;
  readonly stepMs?: number;
  /** How many steps the median is of. */
  readonly steps?: number;
}

/** What the doctor finds. */
interface Diagnosis {
  readonly machine: Machine;
  readonly backends: readonly Finding[];
  /** What `auto` takes. */
  readonly auto: BackendChoice;
}

async function run({
  options: { json, steps = 10 },
  terminal,
  signal,
}: Invocation<typeof options>) {
  const backends: Finding[] = [];
  for (const name of names) {
    signal.throwIfAborted();
    terminal.say(`${name} ...`);
    backends.push(await examine(name, { steps, signal }));
  }
  signal.throwIfAborted();
  const diagnosis = { machine: thisMachine(), backends, auto: await choiceOfAuto() };
  if (json) terminal.out(JSON.stringify(diagnosis, null, 2));
  else lines(diagnosis).forEach((line) => terminal.out(line));
  return exitCodes.ok;
}

async function examine(
  name: BackendName,
  limits: { readonly steps: number; readonly signal: AbortSignal },
): Promise<Finding> {
  const said: string[] = [];
  try {
    await useBackend(name, { onAdvice: (text) => said.push(text) });
    const { first, step, timed } = await timeSteps(smallStep, {
      ...limits,
      milliseconds: patience,
    });
    const advice = said.length === 0 ? {} : { advice: said.join('; ') };
    const times = { firstStepMs: tenths(first), stepMs: tenths(step), steps: timed };
    return { name, present: true, ...advice, ...times };
  } catch (error) {
    limits.signal.throwIfAborted();
    return { name, present: false, problem: problemOf(error) };
  }
}

/** Why a backend is not present, and what would bring it. */
function problemOf(error: unknown): string {
  if (!(error instanceof BackendUnavailableError)) return messageOf(error);
  return [error.reason, ...(error.remedy === undefined ? [] : [error.remedy])].join('; ');
}

const tenths = (value: number): number => Math.round(value * 10) / 10;

async function choiceOfAuto(): Promise<BackendChoice> {
  let choice: BackendChoice | undefined;
  await useBackend('auto', { onChoice: (made) => (choice = made), onAdvice: () => {} });
  return choice!;
}

function lines({ machine, backends, auto }: Diagnosis): string[] {
  const present = backends.filter((backend) => backend.present);
  const absent = backends.filter((backend) => !backend.present);
  const rows = present.map(({ name, firstStepMs, stepMs, steps }) => [
    name,
    ms(firstStepMs),
    ms(stepMs),
    String(steps),
  ]);
  const { batch, tokens, pixels } = smallStep;
  return [
    `bertresnet ${machine.bertresnet}, Node ${machine.node}, ${machine.system}`,
    `${machine.processor}, ${plural(machine.cores, 'core')}, ${machine.memoryGiB} GiB of memory`,
    '',
    `A training step of a small BERT and ResNet (${batch} rows, ${tokens} tokens, ${pixels} x ${pixels} pixels):`,
    ...table([['backend', 'first step, ms', 'median of later, ms', 'of'], ...rows]),
    ...present.flatMap(({ name, advice }) =>
      advice === undefined ? [] : [`  ${name}: ${advice}`],
    ),
    ...(absent.length === 0 ? [] : ['', 'Not present:']),
    ...absent.map(({ name, problem }) => `  ${name}: ${problem}`),
    '',
    `'auto' takes ${auto.name}: ${auto.why}`,
    ...auto.passedOver.map(({ name, why }) => `  not ${name}: ${why}`),
    ...(auto.faster.length === 0
      ? ['Nothing is known that would be faster on this machine.']
      : ['Faster on this machine:', ...auto.faster.map((remedy) => `  ${remedy}`)]),
  ];
}

const ms = (value = NaN): string => (value < 10 ? value.toFixed(1) : count(Math.round(value)));

/** `bertresnet doctor`: what can compute here, how fast, and how to get something faster. */
export const doctorCommand = defineCommand({
  name: 'doctor',
  summary: 'Show what can compute here, how fast each is, and what to install for a faster one',
  positionals: [],
  options,
  examples: ['doctor', 'doctor --json'],
  run,
});
