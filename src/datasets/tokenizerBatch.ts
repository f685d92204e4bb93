import { InputError } from '../errors.js';
import type { HostText } from './batch.js';
import type { PostProcessorJson, TemplatePieceJson, TokenizerJson } from './tokenizerJson.js';

/** One place of a template: a special token's id, or a text (0 the first, 1 the second). */
export interface TemplatePiece {
  readonly id?: number;
  readonly text?: 0 | 1;
  readonly type: number;
}

/** Where special tokens and texts go, for one text and for two. */
export interface Template {
  readonly single: readonly TemplatePiece[];
  readonly pair: readonly TemplatePiece[];
}

/** Ids of one text, or of two, without special tokens. */
export type TextIds = readonly [number[]] | readonly [number[], number[]];

/** @throws InputError where the tokenizer.json does not put special tokens around as BERT does. */
export function readTemplate(json: TokenizerJson): Template {
  const processor = json.post_processor;
  if (processor?.type === 'TemplateProcessing' && processor.single && processor.pair) {
    return { single: pieces(processor.single, processor), pair: pieces(processor.pair, processor) };
  }
  if (processor?.type === 'BertProcessing' && processor.cls && processor.sep) {
    return bertTemplate(processor.cls[1], processor.sep[1]);
  }
  throw new InputError(
    'tokenizer: post_processor must be TemplateProcessing or BertProcessing, ' +
      `got ${processor?.type ?? 'none'}; ` +
      'save the tokenizer again with transformers, or use its vocab.txt',
  );
}

function bertTemplate(cls: number, sep: number): Template {
  const single = [
    { id: cls, type: 0 },
    { text: 0, type: 0 },
    { id: sep, type: 0 },
  ] as const;
  return { single, pair: [...single, { text: 1, type: 1 }, { id: sep, type: 1 }] };
}

function pieces(
  template: readonly TemplatePieceJson[],
  processor: PostProcessorJson,
): TemplatePiece[] {
  return template.flatMap(({ SpecialToken: special, Sequence: sequence }): TemplatePiece[] => {
    if (sequence) return [{ text: sequence.id === 'A' ? 0 : 1, type: sequence.type_id }];
    const ids = special && processor.special_tokens?.[special.id]?.ids;
    if (!ids) {
      throw new InputError(`tokenizer: post_processor names the unknown token ${special?.id}`);
    }
    return ids.map((id) => ({ id, type: special.type_id }));
  });
}

/**
 * The lengths that two texts keep where together they may have `room` tokens: transformers'
 * `longest_first`, which cuts the longer one until both are equally long.
 */
export function truncatedLengths(
  first: number,
  second: number,
  room: number,
): readonly [number, number] {
  if (first + second <= room) return [first, second];
  const short = Math.min(first, second);
  const half = Math.floor(room / 2);
  const fits = short <= half;
  // Where both are cut the odd token goes to the longer one, and to the second of two equals.
  const [less, more] = fits ? [short, room - short] : [half, room - half];
  return first > second ? [more, less] : [less, more];
}

/** How a batch is cut and padded. */
export interface Packing {
  readonly maxLength: number;
  readonly padId: number;
  /** Rows are padded to the longest, rounded up to a multiple of this where maxLength allows. */
  readonly padToMultipleOf: number;
}

/** Truncates, adds special tokens and pads to the longest of the batch. */
export function packBatch(
  rows: readonly TextIds[],
  template: Template,
  { maxLength, padId, padToMultipleOf }: Packing,
): HostText {
  const packed = rows.map((row) => {
    return packRow(row, row.length === 1 ? template.single : template.pair, maxLength);
  });
  const longest = packed.reduce((most, { ids }) => Math.max(most, ids.length), 1);
  const rounded = Math.ceil(longest / padToMultipleOf) * padToMultipleOf;
  const length = Math.max(longest, Math.min(rounded, maxLength));
  const inputIds = new Int32Array(rows.length * length).fill(padId);
  const attentionMask = new Int32Array(rows.length * length);
  const tokenTypeIds = new Int32Array(rows.length * length);
  packed.forEach(({ ids, types }, row) => {
    inputIds.set(ids, row * length);
    tokenTypeIds.set(types, row * length);
    attentionMask.fill(1, row * length, row * length + ids.length);
  });
  return { inputIds, attentionMask, tokenTypeIds, length };
}

interface PackedRow {
  readonly ids: readonly number[];
  readonly types: readonly number[];
}

function packRow(texts: TextIds, template: readonly TemplatePiece[], maxLength: number): PackedRow {
  const room = maxLength - countSpecial(template);
  const kept = truncate(texts, room);
  const ids: number[] = [];
  const types: number[] = [];
  for (const { id, text, type } of template) {
    const part = text === undefined ? [id!] : kept[text]!;
    for (const value of part) {
      ids.push(value);
      types.push(type);
    }
  }
  return { ids, types };
}

function truncate(texts: TextIds, room: number): readonly number[][] {
  if (texts.length === 1) return [texts[0].slice(0, room)];
  const [first, second] = truncatedLengths(texts[0].length, texts[1].length, room);
  return [texts[0].slice(0, first), texts[1].slice(0, second)];
}

/** How many places of a template are special tokens. */
export function countSpecial(template: readonly TemplatePiece[]): number {
  return template.filter(({ id }) => id !== undefined).length;
}
