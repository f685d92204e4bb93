import * as v from 'valibot';
import { InputError } from './errors.js';

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

function problem(
  issue: v.BaseIssue<unknown>,
  schema: OptionsSchema,
  unions: Readonly<Record<string, string>>,
): string {
  const path = issue.path?.map(({ key }) => String(key)) ?? ['options'];
  const kinds = issue.type === 'union' ? unions[path[0]!] : undefined;
  if (kinds !== undefined) return `${path.join('.')} must be ${kinds}, got ${issue.received}`;
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    const known = namesIn(schema, path.slice(0, -1));
    return `unknown option '${path.join('.')}'; known: ${known.join(', ') || 'none'}`;
  }
  return `${path.join('.')} must be ${expectation(issue)}, got ${issue.received}`;
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
  return expected === null ? 'valid' : `a ${expected}`;
}
