import { InputError } from '../errors.js';

/** Keeps the known fields of a Hugging Face config.json, in camelCase. */
export function fromSnakeCase(json: object, known: Iterable<string>): Record<string, unknown> {
  const fields = new Map(Object.entries(json).map(([key, value]) => [camelCase(key), value]));
  const kept = [...known].filter((key) => (fields.get(key) ?? undefined) !== undefined);
  return Object.fromEntries(kept.map((key) => [key, fields.get(key)]));
}

function camelCase(key: string): string {
  return key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Adds defaults. @throws InputError naming a field that is not one of theirs. */
export function withDefaults<T extends object>(owner: string, defaults: T, given: Partial<T>): T {
  const unknown = Object.keys(given).filter((key) => !Object.hasOwn(defaults, key));
  if (unknown.length > 0) {
    const known = Object.keys(defaults).join(', ');
    throw new InputError(`${owner}: unknown field ${unknown.join(', ')}; the fields are ${known}`);
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(set) };
}

/** @throws InputError unless the value is an integer of at least `least`. */
export function requireInteger(owner: string, field: string, value: unknown, least = 1): void {
  if (Number.isSafeInteger(value) && (value as number) >= least) return;
  throw new InputError(`${owner}: ${field} must be an integer >= ${least}, got ${String(value)}`);
}

/** @throws InputError unless the value is one of the choices. */
export function requireChoice(
  owner: string,
  field: string,
  value: unknown,
  choices: readonly string[],
): void {
  if (choices.includes(value as string)) return;
  throw new InputError(
    `${owner}: ${field} must be one of ${choices.join(', ')}, got '${String(value)}'`,
  );
}

/** A named geometry. @throws InputError listing the known names. */
export function knownSize<T>(owner: string, sizes: Readonly<Record<string, T>>, name: string): T {
  const size = Object.hasOwn(sizes, name) ? sizes[name] : undefined;
  if (size !== undefined) return size;
  throw new InputError(
    `${owner}: '${name}' is not a known size (${Object.keys(sizes).join(', ')}); ` +
      'give a configuration, or load a folder or hub id with fromPretrained or BertResNetModel.create',
  );
}
