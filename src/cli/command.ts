import type { Options, Values } from './options.js';
import type { Terminal } from './terminal.js';

/** A value that a command takes by its place. */
export interface Positional {
  readonly name: string;
  readonly help: string;
  readonly optional?: boolean;
}

/** What a command is given to run. */
export interface Invocation<O extends Options> {
  /** The values by their place; those that are optional may be missing. */
  readonly positionals: readonly string[];
  readonly options: Values<O>;
  readonly terminal: Terminal;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** One command of the command line. */
export interface Command<O extends Options = Options> {
  readonly name: string;
  /** What it does, in a line. */
  readonly summary: string;
  readonly positionals: readonly Positional[];
  readonly options: O;
  /** Commands a person can copy, without the program's name. */
  readonly examples: readonly string[];
  /** Runs it and returns the exit code. */
  run(invocation: Invocation<O>): Promise<number>;
}

/** Keeps the types of a command's options for its `run`. */
export function defineCommand<const O extends Options>(command: Command<O>): Command {
  return command as unknown as Command;
}
