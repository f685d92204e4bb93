import * as v from 'valibot';
import { InputError } from './errors.js';
import { nearest } from './nearest.js';

/** A finite number of at least `least`. */
export const atLeast = (least: number) => v.pipe(v.number(), v.finite(), v.minValue(least));
/** An integer of at least `least`. */
export const integer = (least: number) => v.pipe(v.number(), v.integer(), v.minValue(least));
/** A finite number above 0. */
export const aboveZero = v.pipe(v.number(), v.finite(), v.gtValue(0));
/** A number from 0 to 1. */
export const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
/** A number from 0 on that is below 1. */
export const belowOne = v.pipe(v.number(), v.minValue(0), v.ltValue(1));

/** How messages name a value in the wrong place: a text in full, an object by its class. */
export function received(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  const { constructor } = value as { readonly constructor?: { readonly name: string } };
  return constructor?.name ?? 'Object';
}

/** Options by name, each with a schema; no others are taken. */
export type OptionsSchema = v.StrictObjectSchema<v.ObjectEntries, undefined>;

/**
 * The options that were given, with every default filled in.
 *
 * @param unions what options that may be of several kinds are, by name
 * @throws InputError naming every option that is unknown or out of its range.
 */
export function parseOptions<S extends OptionsSchema>(
  who: string,
  schema: S,
  given: unknown,
  unions: Readonly<Record<string, string>> = {},
): v.InferOutput<S> {
  const result = v.safeParse(schema, given);
  if (result.success) return result.output;
  const problems = result.issues.map((issue) => problem(issue, schema, unions));
  throw new InputError(`${who}: ${problems.join('; ')}`);
}

/** @throws InputError for an option whose name is unknown, with the nearest one; one that is undefined is not given */
export function refuseUnknown(
  who: string,
  given: object,
  known: Readonly<Record<string, true>>,
): void {
  const isUnknown = ([name, value]: [string, unknown]): boolean =>
    value !== undefined && !Object.hasOwn(known, name);
  const [unknown] = Object.entries(given).find(isUnknown) ?? [];
  if (unknown === undefined) return;
  const names = Object.keys(known);
  const near = nearest(unknown, names);
  const meant = near === undefined ? '; the' : `; did you mean ${near}? The`;
  throw new InputError(
    `${who}: unknown option '${unknown}'${meant} options are ${names.join(', ')}`,
  );
}

function problem(
  issue: v.BaseIssue<unknown>,
  schema: OptionsSchema,
  unions: Readonly<Record<string, string>>,
): string {
  const path = issue.path?.map(({ key }) => String(key)) ?? ['options'];
  const ofSeveral = issue.type === 'union' || issue.type === 'check';
  const kinds = ofSeveral ? unions[path[0]!] : undefined;
  const came = issue.type === 'check' ? JSON.stringify(issue.input) : issue.received;
  if (kinds !== undefined) return `${path.join('.')} must be ${kinds}, got ${came}`;
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    const known = namesIn(schema, path.slice(0, -1));
    return `unknown option '${path.join('.')}'; known: ${known.join(', ') || 'none'}`;
  }
  const within = issue.type === 'strict_object' && issue.path ? namesIn(schema, path) : [];
  const such = within.length > 0 ? ` such as { ${within.join(', ')} }` : '';
  return `${path.join('.')} must be ${expectation(issue)}${such}, got ${came}`;
}

/** The names of the options at a path of nested ones. */
function namesIn({ entries }: OptionsSchema, path: readonly string[]): string[] {
  const [first, ...others] = path;
  if (first === undefined) return Object.keys(entries);
  const { wrapped } = entries[first] as v.OptionalSchema<OptionsSchema, undefined>;
  return namesIn(wrapped, others);
}

function expectation({ type, requirement, expected }: v.BaseIssue<unknown>): string {
  const bound = String(requirement);
  if (type === 'integer') return 'an integer';
  if (type === 'finite') return 'finite';
  if (type === 'min_value') return `at least ${bound}`;
  if (type === 'max_value') return `at most ${bound}`;
  if (type === 'lt_value') return `below ${bound}`;
  if (type === 'gt_value') return `above ${bound}`;
  if (type === 'non_empty') return 'a non-empty text';
  if (type === 'picklist')
    return `one of ${expected!.replace(/[()]/g, '').replaceAll(' | ', ', ')}`;
  if (expected === 'Object' || expected === 'Array') return `an ${expected.toLowerCase()}`;
  return expected === null ? 'valid' : `a ${expected}`;
}
