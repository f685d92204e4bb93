import { parseArgs } from 'node:util';
import { InputError } from '../index.js';
import type { Command } from './command.js';
import { nearest } from '../nearest.js';
import { optionName } from './options.js';
import type { Option, Options, Values } from './options.js';

/** Options that every command has. */
export interface CommonFlags {
  readonly help: boolean;
  readonly debug: boolean;
}

/** What stood behind the name of a command. */
export interface Parsed {
  readonly positionals: readonly string[];
  readonly options: Values<Options>;
  readonly common: CommonFlags;
}

/**
 * Reads the words behind a command's name.
 *
 * @throws InputError for an unknown option (with the nearest known one), a value that is missing or cannot be
 * read, an option given twice, and too few or too many positionals.
 */
export function parseCommand(command: Command, words: readonly string[]): Parsed {
  const { values, positionals } = parseWords(command, words);
  const common = { help: values.has('help'), debug: values.has('debug') };
  if (!common.help) checkPositionals(command, positionals);
  return { positionals, common, options: common.help ? {} : readValues(command, values) };
}

/** Splits words into options, as given, and positionals. */
function parseWords(command: Command, words: readonly string[]) {
  const known = optionTable(command);
  const { tokens } = parseArgs({
    args: withBareOptions(words, known),
    options: Object.fromEntries(known.map(([name, option]) => [name, shape(name, option)])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const option = known.find(([name]) => name === token.name)?.[1];
    if (option === undefined) throw unknownOption(command, token.rawName, known);
    checkValue(command, token, option);
    const given = token.value ?? '';
    values.set(token.name, [...(values.get(token.name) ?? []), given]);
  }
  return { values, positionals };
}

/** Writes `--name` as `--name=` where the value that may follow it does not. */
function withBareOptions(words: readonly string[], known: [string, Option<unknown>][]): string[] {
  const bare = known.flatMap(([name, { mayBeBare }]) => (mayBeBare ? [`--${name}`] : []));
  return words.map((word, i) => {
    const next = words[i + 1];
    return bare.includes(word) && (next === undefined || next.startsWith('-')) ? `${word}=` : word;
  });
}

function optionTable(command: Command): [string, Option<unknown>][] {
  const own = Object.entries(command.options);
  return [
    ...own.map(([key, option]): [string, Option<unknown>] => [optionName(key), option]),
    ...commonOptions,
  ];
}

const commonOptions: readonly [string, Option<unknown>][] = [
  ['help', { help: 'Show this help', read: () => true }],
  ['debug', { help: 'Show the stack of an error', read: () => true }],
];

function shape(name: string, option: Option<unknown>) {
  const type = option.value === undefined ? ('boolean' as const) : ('string' as const);
  return name === 'help' ? { type, short: 'h', multiple: true } : { type, multiple: true };
}

function unknownOption(
  command: Command,
  raw: string,
  known: [string, Option<unknown>][],
): InputError {
  const meant = nearest(
    raw,
    known.map(([name]) => `--${name}`),
  );
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  return new InputError(
    `${command.name}: unknown option ${raw}${hint} (bertresnet ${command.name} --help lists them)`,
  );
}

interface OptionToken {
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function checkValue(command: Command, token: OptionToken, option: Option<unknown>): void {
  const { rawName, value, inlineValue } = token;
  if (option.value === undefined) {
    if (value === undefined) return;
    throw new InputError(`${command.name}: ${rawName} takes no value, got '${value}'`);
  }
  // A word that begins as an option does is a value only where it is written behind '='.
  if (value === undefined || (inlineValue !== true && /^-+[a-z]/i.test(value))) {
    throw new InputError(`${command.name}: ${rawName} needs a value (${option.value})`);
  }
}

function checkPositionals(command: Command, given: readonly string[]): void {
  const missing = command.positionals.find((one, i) => !one.optional && given[i] === undefined);
  if (missing !== undefined) {
    throw new InputError(`${command.name}: ${missing.name} is missing (${missing.help})`);
  }
  const extra = given[command.positionals.length];
  if (extra !== undefined) {
    throw new InputError(
      `${command.name}: takes ${command.positionals.map((one) => one.name).join(' and ')}, got also '${extra}'`,
    );
  }
}

function readValues(command: Command, values: ReadonlyMap<string, string[]>): Values<Options> {
  const result: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(command.options)) {
    const name = `--${optionName(key)}`;
    const [raw, again] = values.get(optionName(key)) ?? [];
    if (raw === undefined) continue;
    if (again !== undefined && option.value !== undefined) {
      throw new InputError(`${command.name}: ${name} is given twice ('${raw}' and '${again}')`);
    }
    result[key] = option.read(raw, `${command.name}: ${name}`);
  }
  return result;
}
