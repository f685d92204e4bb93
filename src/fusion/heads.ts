import * as v from 'valibot';
import { InputError } from '../errors.js';
import { belowOne, integer } from '../schema.js';

/** Options of fusions that attend: their width, heads, and dropout. */
export const attentionOptions = v.strictObject({
  dim: v.optional(integer(1), 256),
  heads: v.optional(integer(1), 4),
  dropout: v.optional(belowOne, 0.1),
});

/** @throws InputError unless the heads divide the width. */
export function requireHeads(config: {
  readonly type: string;
  readonly dim: number;
  readonly heads: number;
}): void {
  const { type, dim, heads } = config;
  if (dim % heads === 0) return;
  throw new InputError(`fusion '${type}': heads must divide dim, got ${heads} and ${dim}`);
}
