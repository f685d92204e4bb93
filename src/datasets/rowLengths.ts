import type { TextReader } from './batch.js';
import type { Dataset } from './example.js';

/** What is known of the rows of a data set before they are batched: 5 bytes a row. */
export interface RowLengths {
  /** The number of tokens of each text, cut as it will be; 0 where a row has none. */
  readonly tokens: Int32Array;
  /** Which inputs each row has: 1 for a text, 2 for a picture, 3 for both. */
  readonly kinds: Uint8Array;
}

/** How rows are measured. */
export interface MeasureOptions {
  readonly maxLength?: number;
  /** Stops between two chunks: `measureRows` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Rows that are tokenised at a time. */
const chunk = 256;

/**
 * Tokenises every row once, a chunk at a time, and keeps the lengths alone. An estimate would be
 * cheaper and worse: among tweets the number of characters leaves two thirds of the padding that
 * tokens avoid. Pictures are not opened.
 */
export async function measureRows(
  dataset: Dataset,
  tokenizer: TextReader,
  { maxLength, signal }: MeasureOptions = {},
): Promise<RowLengths> {
  const tokens = new Int32Array(dataset.size);
  const kinds = new Uint8Array(dataset.size);
  for (let start = 0; start < dataset.size; start += chunk) {
    signal?.throwIfAborted();
    const count = Math.min(chunk, dataset.size - start);
    const examples = await dataset.examples(Array.from({ length: count }, (_, i) => start + i));
    examples.forEach(({ text, image }, i) => {
      kinds[start + i] = (text === undefined ? 0 : 1) | (image === undefined ? 0 : 2);
    });
    const texts = examples.flatMap(({ text }) => (text === undefined ? [] : [text]));
    const lengths = await tokenLengths(texts, tokenizer, maxLength);
    let next = 0;
    examples.forEach(({ text }, i) => {
      if (text !== undefined) tokens[start + i] = lengths[next++]!;
    });
  }
  return { tokens, kinds };
}

/** The number of tokens of each text, cut at `maxLength`. */
export async function tokenLengths(
  texts: readonly string[],
  tokenizer: TextReader,
  maxLength?: number,
): Promise<number[]> {
  if (texts.length === 0) return [];
  const cut = maxLength === undefined ? {} : { maxLength };
  const { attentionMask, length } = await tokenizer.encodeHost(texts, cut);
  return texts.map((_, row) =>
    attentionMask.subarray(row * length, (row + 1) * length).reduce((sum, kept) => sum + kept, 0),
  );
}
