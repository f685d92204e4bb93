import { InputError, messageOf } from '../index.js';

/** One option of a command: how it is shown in help and how its value is read. */
export interface Option<T> {
  /** What stands for the value in help (`FILE`); absent for a flag. */
  readonly value?: string;
  readonly help: string;
  /** Whether the option may be given without its value, which is then read as an empty one. */
  readonly mayBeBare?: boolean;
  /** Which numbers lie between two that it takes; absent where it takes none. */
  readonly numbers?: 'all' | 'whole';
  /** Reads the value as given. Throws an InputError that starts with `name`. */
  read(raw: string, name: string): T;
}

/** The options of a command by their camelCase names; `--learning-rate` is `learningRate`. */
export type Options = Readonly<Record<string, Option<unknown>>>;

/** What the options of a command were given as; absent where they were not. */
export type Values<O extends Options> = {
  readonly [K in keyof O]?: O[K] extends Option<infer T> ? T : never;
};

/** An option's name on the command line: `learningRate` is `learning-rate`. */
export function optionName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A switch that is on where it is given; a file says true or false. */
export function flag(help: string): Option<boolean> {
  const read = (raw: string, name: string): boolean => {
    if (raw === '' || raw === 'true') return true;
    if (raw === 'false') return false;
    throw new InputError(`${name} is true or false, got '${raw}'`);
  };
  return { help, read };
}

/** Any string: a file, a folder, a column. */
export function text(value: string, help: string): Option<string> {
  return { value, help, read: (raw, name) => nonEmpty(raw, name) };
}

/** Any string, or nothing. */
export function optionalText(value: string, help: string): Option<string> {
  return { value, help, mayBeBare: true, read: (raw) => raw };
}

/** A name, or a JSON object; as it was given. */
export function nameOrJson(
  value: string,
  help: string,
  check: (meant: string | object) => void,
): Option<string> {
  const read = (raw: string, name: string): string => {
    check(meantBy(raw, name));
    return raw;
  };
  return { value, help, read };
}

function meantBy(raw: string, name: string): string | object {
  if (!raw.trimStart().startsWith('{')) return nonEmpty(raw, name);
  try {
    return JSON.parse(raw) as object;
  } catch (error) {
    throw new InputError(`${name} is a name or a JSON object, got '${raw}' (${messageOf(error)})`);
  }
}

/** A finite number from `minimum` to `maximum`, both allowed. */
export function number(help: string, minimum = 0, maximum = Infinity): Option<number> {
  const read = (raw: string, name: string): number => {
    const value = numberOf(raw);
    if (Number.isFinite(value) && value >= minimum && value <= maximum) return value;
    throw new InputError(`${name} takes a number ${range(minimum, maximum)}, got '${raw}'`);
  };
  return { value: 'X', help, numbers: 'all', read };
}

/** A share, or one for some of these names whose sum is at most 1: `0.2`, or `text=0.5`, which stays as it was given. */
export function shares(names: readonly string[], help: string): Option<number | string> {
  const value = names.map((one) => `${one}=X`).join(',');
  const read = (raw: string, name: string): number | string => {
    const share = numberOf(raw);
    if (share >= 0 && share <= 1) return share;
    const pairs = Object.entries(readPairs(raw) ?? {});
    const known = pairs.every(([one, x]) => names.includes(one) && x >= 0);
    if (pairs.length > 0 && known && pairs.reduce((sum, [, x]) => sum + x, 0) <= 1) return raw;
    throw new InputError(
      `${name} takes a number from 0 to 1, or ${value} (one of them or all, each once) whose sum is at most 1, got '${raw}'`,
    );
  };
  return { value: `X|${value}`, help, numbers: 'all', read };
}

/** The numbers of `good=1,bad=2.5` by their names; undefined where it is no such list, or has a name twice. */
export function readPairs(raw: string): Readonly<Record<string, number>> | undefined {
  const pairs = raw.split(',').map((pair) => {
    const at = pair.lastIndexOf('=');
    return at < 1 ? undefined : ([pair.slice(0, at), numberOf(pair.slice(at + 1))] as const);
  });
  const good = pairs.filter((pair) => pair !== undefined && Number.isFinite(pair[1]));
  const named = new Map(good as (readonly [string, number])[]);
  return named.size === pairs.length ? Object.fromEntries(named) : undefined;
}

/** A number as it was given; NaN where it is none. */
function numberOf(raw: string): number {
  return raw.trim() === '' ? NaN : Number(raw);
}

const secondsOf = { s: 1, m: 60, h: 3600 } as const;

/** A duration such as `90s`, `30m` or `1.5h`, in seconds. */
export function duration(help: string): Option<number> {
  const read = (raw: string, name: string): number => {
    const [, amount, unit] = /^(\d+(?:\.\d+)?)([smh])$/.exec(raw) ?? [];
    const seconds = Number(amount) * secondsOf[unit as keyof typeof secondsOf];
    if (seconds > 0) return seconds;
    throw new InputError(`${name} takes a duration such as 90s, 30m or 2h, got '${raw}'`);
  };
  return { value: 'TIME', help, read };
}

/** A whole number of at least `minimum`. */
export function integer(help: string, minimum = 1): Option<number> {
  const read = (raw: string, name: string): number => {
    if (/^\d+$/.test(raw) && Number.isSafeInteger(Number(raw)) && Number(raw) >= minimum) {
      return Number(raw);
    }
    throw new InputError(`${name} takes a whole number of at least ${minimum}, got '${raw}'`);
  };
  return { value: 'N', help, numbers: 'whole', read };
}

/** One of these words. */
export function choice<const T extends string>(choices: readonly T[], help: string): Option<T> {
  const read = (raw: string, name: string): T => {
    const found = choices.find((one) => one === raw);
    if (found !== undefined) return found;
    throw new InputError(`${name} is one of ${choices.join(', ')}; got '${raw}'`);
  };
  return { value: choices.join('|'), help, read };
}

/** One of these words, or several with commas between them. */
export function choices<const T extends string>(
  words: readonly T[],
  help: string,
): Option<T | T[]> {
  const one = choice(words, help);
  const read = (raw: string, name: string): T | T[] => {
    const read = raw.split(',').map((word) => one.read(word.trim(), name));
    return read.length === 1 ? read[0]! : read;
  };
  return { value: `${one.value},...`, help, read };
}

function nonEmpty(raw: string, name: string): string {
  if (raw === '') throw new InputError(`${name} needs a value, got an empty one`);
  return raw;
}

function range(minimum: number, maximum: number): string {
  return maximum === Infinity ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
}
