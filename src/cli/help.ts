import type { Command } from './command.js';
import { optionName } from './options.js';

const width = 80;

/** The help of the program: its commands. */
export function programHelp(commands: readonly Command[], version: string): string {
  const rows = commands.map((one): [string, string] => [usageOf(one), one.summary]);
  return [
    `bertresnet ${version}: classifiers that read a text and an image together`,
    '',
    'Usage: bertresnet COMMAND [options]',
    '',
    'Commands:',
    ...table(rows),
    '',
    'Options:',
    ...table([
      ['-h, --help', 'Show this help, or that of a command'],
      ['-v, --version', 'Show the version'],
      ['--debug', 'Show the stack of an error'],
    ]),
    '',
    'Exit codes: 0 done, 1 failed, 2 wrong usage or bad input, 130 interrupted.',
  ].join('\n');
}

/** The help of one command: what it takes, and commands to copy. */
export function commandHelp(command: Command): string {
  const options = Object.entries(command.options).map(([key, option]): [string, string] => {
    return [
      `--${optionName(key)}${option.value === undefined ? '' : ` ${option.value}`}`,
      option.help,
    ];
  });
  const places = command.positionals.map((one): [string, string] => [one.name, one.help]);
  return [
    ...wrap(`${command.summary}.`.split(' '), width),
    '',
    `Usage: bertresnet ${usageOf(command)} [options]`,
    '',
    ...(places.length === 0 ? [] : [...table(places), '']),
    'Options:',
    ...table([
      ...options,
      ['--debug', 'Show the stack of an error'],
      ['-h, --help', 'Show this help'],
    ]),
    '',
    'Examples:',
    ...command.examples.flatMap(exampleLines),
  ].join('\n');
}

function usageOf(command: Command): string {
  const places = command.positionals.map((one) => (one.optional ? `[${one.name}]` : one.name));
  return [command.name, ...places].join(' ');
}

/** A command to copy; a long one goes on in a next line, as a shell takes it, and keeps an option beside its value. */
function exampleLines(example: string): string[] {
  const whole = `bertresnet ${example}`;
  if (whole.length <= width - 2) return [`  ${whole}`];
  const lines = wrap(whole.split(/ (?=--)/), width - 8); // an indent of six, and a backslash
  return lines.map((line, i) => {
    return `${i === 0 ? '  ' : '      '}${line}${i < lines.length - 1 ? ' \\' : ''}`;
  });
}

/** Two columns; the second is wrapped, and starts on a line of its own where the first is long. */
function table(rows: readonly (readonly [string, string])[]): string[] {
  const left = Math.min(26, Math.max(...rows.map(([name]) => name.length)));
  return rows.flatMap(([name, help]) => {
    const lines = wrap(help.split(' '), width - left - 4);
    const fits = name.length <= left;
    const first = fits ? `  ${name.padEnd(left)}  ${lines[0]}` : `  ${name}`;
    const rest = fits ? lines.slice(1) : lines;
    return [first, ...rest.map((line) => `${' '.repeat(left + 4)}${line}`)];
  });
}

/** Words in lines of so many columns. */
function wrap(words: readonly string[], columns: number): string[] {
  const lines = [''];
  for (const word of words) {
    const last = lines.at(-1)!;
    if (last !== '' && last.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}
