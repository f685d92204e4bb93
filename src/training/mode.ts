import type { Dataset } from '../datasets/example.js';
import { InputError } from '../errors.js';
import { modes } from '../fusion/fusion.js';
import type { Mode } from '../fusion/fusion.js';

/** What reads the rows: a model has both where it was given both. */
export interface Readers {
  readonly tokenizer?: unknown;
  readonly processor?: unknown;
  readonly extractors?: { readonly text?: unknown; readonly image?: unknown };
}

const sampled = 64;

/**
 * The mode that was asked for, or else what the first rows of the data set hold.
 *
 * @throws InputError where the mode is unknown, or a reader that it needs is missing.
 */
export async function resolveMode(
  who: string,
  readers: Readers,
  dataset: Dataset,
  asked: Mode | 'all' = 'all',
): Promise<Mode> {
  if (asked !== 'all' && !modes.includes(asked)) {
    throw new InputError(`${who}: unknown mode '${asked}'; the modes are ${modes.join(', ')}`);
  }
  if (dataset.size === 0) throw new InputError(`${who}: ${dataset.name} must have rows, got none`);
  const mode = asked === 'all' ? await modeOf(dataset) : asked;
  requireReaders(who, readers, mode, dataset.name);
  return mode;
}

/** What the first rows hold. */
async function modeOf(dataset: Dataset): Promise<Mode> {
  const positions = Array.from({ length: Math.min(sampled, dataset.size) }, (_, i) => i);
  const examples = await dataset.examples(positions);
  const text = examples.some((example) => example.text !== undefined);
  const image = examples.some((example) => example.image !== undefined);
  return text && image ? 'both' : image ? 'image' : 'text';
}

function requireReaders(who: string, readers: Readers, mode: Mode, name: string): void {
  const { tokenizer, processor, extractors = {} } = readers;
  if (mode !== 'image' && (tokenizer ?? extractors.text) === undefined) {
    throw new InputError(
      `${who}: mode '${mode}' reads the texts of ${name}; give the model a tokenizer`,
    );
  }
  if (mode !== 'text' && (processor ?? extractors.image) === undefined) {
    throw new InputError(
      `${who}: mode '${mode}' reads the pictures of ${name}; give the model a processor`,
    );
  }
}
