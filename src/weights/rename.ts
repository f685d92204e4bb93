/**
 * A pattern of names and what it corresponds to. `{stage}` stands for an integer from 0 and `{stage+1}` for the
 * one after it; `{*}` for any text. A pattern matches whole parts (between dots) from the beginning of a name;
 * the parts behind it stay as they are.
 */
export type Rule = readonly [theirs: string, ours: string];

/** A function that gives a name's other form, or nothing where no rule matches it. */
export type Renamer = (name: string) => string | undefined;

/** Rules, read from left to right: theirs to ours. */
export function toOurs(rules: readonly Rule[]): Renamer {
  return firstOf(rules.map(([theirs, ours]) => renamer(theirs, ours)));
}

/** The same rules, read from right to left: ours to theirs. */
export function toTheirs(rules: readonly Rule[]): Renamer {
  return firstOf(rules.map(([theirs, ours]) => renamer(ours, theirs)));
}

function firstOf(renamers: readonly Renamer[]): Renamer {
  return (name) => {
    for (const rename of renamers) {
      const renamed = rename(name);
      if (renamed !== undefined) return renamed;
    }
    return undefined;
  };
}

interface Placeholder {
  readonly variable: string;
  readonly offset: number;
}

const placeholders = /\{(\*|\w+)(?:\+(\d+))?\}/g;

function renamer(from: string, to: string): Renamer {
  const found = [...from.matchAll(placeholders)].map(placeholder);
  const pattern = new RegExp(`^${sourceOf(from)}(?=\\.|$)`);
  return (name) => {
    const match = pattern.exec(name);
    if (match === null) return undefined;
    const values = new Map(found.map((one, i) => [one.variable, valueOf(match[i + 1]!, one)]));
    if ([...values.values()].some((value) => typeof value === 'number' && value < 0))
      return undefined;
    return fill(to, values) + name.slice(match[0].length);
  };
}

function placeholder([, variable, offset = '0']: RegExpMatchArray): Placeholder {
  return { variable: variable!, offset: Number(offset) };
}

/** The source of a regular expression with a group for each placeholder. */
function sourceOf(pattern: string): string {
  const escaped = pattern.replace(/[.\\^$()[\]|?]/g, '\\$&');
  return escaped.replace(placeholders, (_, variable) =>
    variable === '*' ? '(.*)' : '(0|[1-9]\\d*)',
  );
}

function valueOf(text: string, { variable, offset }: Placeholder): string | number {
  return variable === '*' ? text : Number(text) - offset;
}

function fill(pattern: string, values: ReadonlyMap<string, string | number>): string {
  return pattern.replace(placeholders, (_, variable: string, offset: string = '0') => {
    const value = values.get(variable)!;
    return typeof value === 'string' ? value : String(value + Number(offset));
  });
}
