import { InputError, messageOf } from '../index.js';
import type { Command } from './command.js';
import { compareCommand } from './compare.node.js';
import { doctorCommand } from './doctor.js';
import { evaluateCommand } from './evaluate.js';
import { exportCommand } from './export.js';
import { findLearningRateCommand } from './findLearningRate.js';
import { commandHelp, programHelp } from './help.js';
import { inspectCommand } from './inspect.js';
import { isInterruption } from './interrupt.js';
import { nearest } from '../nearest.js';
import { parseCommand } from './parse.node.js';
import { predictCommand } from './predict.js';
import { reportCommand } from './report.js';
import { exitCodes } from './terminal.js';
import type { Terminal } from './terminal.js';
import { trainCommand } from './train.js';
import { tuneCommand } from './tune.js';

/** The commands, in the order of their use. */
export const commands: readonly Command[] = [
  findLearningRateCommand,
  tuneCommand,
  trainCommand,
  evaluateCommand,
  reportCommand,
  compareCommand,
  predictCommand,
  exportCommand,
  inspectCommand,
  doctorCommand,
];

/** What `runProgram` needs of the process it runs in. */
export interface Surroundings {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  readonly version: string;
}

/**
 * Runs the command line on these words and returns its exit code; nothing is thrown. An error that is the
 * caller's to mend is said in its own words, any other with `--debug`'s hint; the stack is shown only with it.
 */
export async function runProgram(words: readonly string[], world: Surroundings): Promise<number> {
  try {
    return await dispatch(words, world);
  } catch (error) {
    return report(error, words, world);
  }
}

async function dispatch(words: readonly string[], world: Surroundings): Promise<number> {
  // `report` looks for it among all words, wherever it stands.
  const [name, ...rest] = words[0] === '--debug' ? words.slice(1) : words;
  if (name === '--version' || name === '-v') return answer(world, world.version);
  if (name === undefined) return usage(world);
  if (name === '--help' || name === '-h' || name === 'help') return help(rest[0], world);
  const command = findCommand(name);
  const { positionals, options, common } = parseCommand(command, rest);
  if (common.help) return answer(world, commandHelp(command));
  return command.run({ positionals, options, terminal: world.terminal, signal: world.signal });
}

function answer(world: Surroundings, text: string): number {
  world.terminal.out(text);
  return exitCodes.ok;
}

/** Called with nothing: the help is what a person needs, and a script must see that it failed. */
function usage(world: Surroundings): number {
  world.terminal.say(programHelp(commands, world.version));
  return exitCodes.usage;
}

function help(name: string | undefined, world: Surroundings): number {
  const text =
    name === undefined || name.startsWith('-') ? undefined : commandHelp(findCommand(name));
  return answer(world, text ?? programHelp(commands, world.version));
}

function findCommand(name: string): Command {
  const found = commands.find((command) => command.name === name);
  if (found !== undefined) return found;
  const names = commands.map((command) => command.name);
  const meant = nearest(name, names);
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  const kind = name.startsWith('-') ? 'option' : 'command';
  throw new InputError(`unknown ${kind} '${name}'${hint} (the commands are ${names.join(', ')})`);
}

function report(error: unknown, words: readonly string[], world: Surroundings): number {
  if (isInterruption(error, world.signal)) {
    world.terminal.say('bertresnet: interrupted');
    return exitCodes.interrupted;
  }
  const debug = words.includes('--debug');
  if (debug && error instanceof Error) world.terminal.say(error.stack ?? error.message);
  else world.terminal.say(`bertresnet: ${messageOf(error)}`);
  // By its name: the command line may carry a second copy of what threw it, and of its class.
  if (error instanceof Error && error.name === 'InputError') return exitCodes.usage;
  if (!debug) world.terminal.say('(--debug shows where this happened)');
  return exitCodes.failure;
}
