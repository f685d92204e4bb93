import { Random } from '../nn/random.js';
import { augmentText } from './augment.js';
import type { BatchOptions, HostText, TextReader } from './batch.js';
import type { Example } from './example.js';

/**
 * Token ids of the rows of a batch; a row without a text is all padding. Undefined where none has
 * one, or there is no tokenizer.
 */
export async function readTexts(
  tokenizer: TextReader | undefined,
  options: BatchOptions,
  examples: readonly Example[],
  positions: readonly number[],
): Promise<HostText | undefined> {
  const rows = examples.flatMap(({ text }, row) => (text === undefined ? [] : [row]));
  if (!tokenizer || rows.length === 0) return undefined;
  const texts = textsOf(options, examples, positions);
  const encoded = await encode(
    tokenizer,
    rows.map((row) => texts[row]!),
    options,
  );
  return rows.length === examples.length ? encoded : spreadText(encoded, rows, examples.length);
}

/** The text of each row, changed as augmentation says. */
export function textsOf(
  { seed = 42, epoch = 0, augment }: BatchOptions,
  examples: readonly Example[],
  positions: readonly number[],
): (string | undefined)[] {
  return examples.map(({ text }, row) => {
    if (text === undefined || augment === undefined) return text;
    return augmentText(text, augment, new Random(seed, 'words', epoch, positions[row]!));
  });
}

async function encode(
  tokenizer: TextReader,
  texts: readonly string[],
  { maxLength, padToMultipleOf }: BatchOptions,
): Promise<HostText> {
  const cut = maxLength === undefined ? {} : { maxLength };
  const encoded = await tokenizer.encodeHost(texts, {
    ...cut,
    padToMultipleOf: padToMultipleOf ?? fineStep,
  });
  if (padToMultipleOf !== undefined || encoded.length <= fineLengths) return encoded;
  const limit = maxLength ?? tokenizer.maxLength ?? encoded.length;
  return widen(encoded, Math.min(bucketLength(encoded.length), limit), texts.length);
}

/** Up to so many tokens, lengths are told apart in steps of 8. */
const fineLengths = 64;
const fineStep = 8;

/**
 * The length to which texts of `longest` tokens are padded: a multiple of 8 up to 64 tokens, beyond
 * that one of four in each doubling (80, 96, 112, 128, 160, ...), so that an engine that compiles
 * meets 20 lengths in 512 tokens.
 */
export function bucketLength(longest: number): number {
  const step = longest <= fineLengths ? fineStep : 2 ** Math.ceil(Math.log2(longest)) / 8;
  return Math.ceil(longest / step) * step;
}

/** More padding: [size, length] where there were fewer tokens. */
function widen(encoded: HostText, length: number, size: number): HostText {
  if (length <= encoded.length) return encoded;
  const wide = (values: Int32Array) => {
    const all = new Int32Array(size * length);
    for (let row = 0; row < size; row++) {
      const own = values.subarray(row * encoded.length, (row + 1) * encoded.length);
      all.set(own, row * length);
    }
    return all;
  };
  return mapText(encoded, wide, length);
}

/** Puts the encoded rows in their places; the others are all padding. */
function spreadText(encoded: HostText, rows: readonly number[], size: number): HostText {
  const { length } = encoded;
  const spread = (values: Int32Array) => {
    const all = new Int32Array(size * length); // [size, length]
    rows.forEach((row, i) => all.set(values.subarray(i * length, (i + 1) * length), row * length));
    return all;
  };
  return mapText(encoded, spread, length);
}

function mapText(
  { inputIds, attentionMask, tokenTypeIds }: HostText,
  map: (values: Int32Array) => Int32Array,
  length: number,
): HostText {
  return {
    inputIds: map(inputIds),
    attentionMask: map(attentionMask),
    tokenTypeIds: map(tokenTypeIds),
    length,
  };
}
