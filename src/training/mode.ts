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

/** Rows that are read at once: at first few, since most data sets have both inputs in one of them. */
const [firstRows, moreRows] = [64, 1024];

/**
 * The mode that was asked for, or else what the rows of the data set hold: `both` where one has a text and one a picture.
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

/** What the rows hold: `text` where they hold nothing. */
async function modeOf(dataset: Dataset): Promise<Mode> {
  const { text, image } = await inputsOf(dataset, ({ text, image }) => text && image);
  return text && image ? 'both' : image ? 'image' : 'text';
}

/**
 * @throws InputError where no row of the data set has an input that the mode reads: nothing would be learned from it, or
 * answered.
 */
export async function requireRowsFor(who: string, dataset: Dataset, mode: Mode): Promise<void> {
  const reads = ({ text, image }: Inputs): boolean =>
    (text && mode !== 'image') || (image && mode !== 'text');
  if (reads(await inputsOf(dataset, reads))) return;
  const input = { text: 'a text', image: 'a picture', both: 'a text or a picture' }[mode];
  throw new InputError(
    `${who}: mode '${mode}' needs rows with ${input}, got none in ${dataset.name}; ` +
      'take another mode, or look at its columns',
  );
}

/** Which inputs some row has. */
interface Inputs {
  readonly text: boolean;
  readonly image: boolean;
}

/** What the rows hold, read from the first until it is enough. */
async function inputsOf(dataset: Dataset, enough: (found: Inputs) => boolean): Promise<Inputs> {
  let found: Inputs = { text: false, image: false };
  for (let from = 0; from < dataset.size && !enough(found);) {
    const count = Math.min(from === 0 ? firstRows : moreRows, dataset.size - from);
    const rows = await dataset.examples(Array.from({ length: count }, (_, i) => from + i));
    found = {
      text: found.text || rows.some(({ text }) => text !== undefined),
      image: found.image || rows.some(({ image }) => image !== undefined),
    };
    from += count;
  }
  return found;
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
