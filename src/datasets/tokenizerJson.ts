import { InputError } from '../errors.js';
import type { BertNormalizerOptions } from './tokenizerNormalize.js';

/** A stage of a tokenizer.json. */
export interface StageJson {
  type: string;
  [field: string]: unknown;
}

/** A `tokenizer.json` of the `tokenizers` library: the parts that are read here. */
export interface TokenizerJson {
  version?: string;
  truncation?: unknown;
  padding?: unknown;
  added_tokens?: AddedTokenJson[];
  normalizer?: StageJson | null;
  pre_tokenizer?: StageJson | null;
  post_processor?: PostProcessorJson | null;
  decoder?: unknown;
  model: WordPieceJson;
}

/** The model of a tokenizer.json. */
export interface WordPieceJson {
  type?: string;
  unk_token: string;
  vocab: Record<string, number>;
  [field: string]: unknown;
}

/** A token that is found in the raw text, before anything else. */
export interface AddedTokenJson {
  id: number;
  content: string;
  special?: boolean;
  single_word?: boolean;
  lstrip?: boolean;
  rstrip?: boolean;
  normalized?: boolean;
}

/** How special tokens are put around one text or two. */
export interface PostProcessorJson {
  type: string;
  single?: TemplatePieceJson[];
  pair?: TemplatePieceJson[];
  special_tokens?: Record<string, { id: string; ids: number[]; tokens: string[] }>;
  sep?: [string, number];
  cls?: [string, number];
  [field: string]: unknown;
}

/** One place of a template: a special token, or a text. */
export interface TemplatePieceJson {
  SpecialToken?: { id: string; type_id: number };
  Sequence?: { id: 'A' | 'B'; type_id: number };
}

/** A `tokenizer_config.json`: the fields that are read here. */
export interface TokenizerConfigJson {
  tokenizer_class?: string;
  do_lower_case?: boolean;
  strip_accents?: boolean | null;
  tokenize_chinese_chars?: boolean;
  model_max_length?: number;
  padding_side?: string;
  truncation_side?: string;
  [field: string]: unknown;
}

const specialDefaults = { unk: '[UNK]', cls: '[CLS]', sep: '[SEP]', pad: '[PAD]', mask: '[MASK]' };

/** The tokens that have a role, by role. */
export type SpecialTokens = Record<keyof typeof specialDefaults, string>;

/** The special tokens that a tokenizer_config.json names; BERT's own where it names none. */
export function specialTokens(config: TokenizerConfigJson): SpecialTokens {
  const named = Object.entries(specialDefaults).map(([role, token]) => {
    return [role, tokenText(config[`${role}_token`]) ?? token];
  });
  return Object.fromEntries(named) as SpecialTokens;
}

function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : undefined;
}

/** The tokens of a vocab.txt: one a line, their line numbers are their ids. */
export function vocabTokens(text: string): string[] {
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

const uncased: BertNormalizerOptions = {
  cleanText: true,
  handleChineseChars: true,
  stripAccents: null,
  lowercase: true,
};

/**
 * The tokenizer.json that is equivalent to a WordPiece vocabulary.
 *
 * @throws InputError where a token that BERT needs is not in the vocabulary.
 */
export function tokenizerJsonFromVocab(
  tokens: readonly string[],
  config: TokenizerConfigJson,
): TokenizerJson {
  const special = specialTokens(config);
  const ids = new Map(tokens.map((token, id) => [token, id]));
  checkVocabulary(special, ids);
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(special, ids),
    normalizer: normalizerJson(uncased),
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: templateJson(special, ids),
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: special.unk,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(ids),
    },
  };
}

function checkVocabulary(special: SpecialTokens, ids: ReadonlyMap<string, number>): void {
  for (const role of ['unk', 'cls', 'sep', 'pad'] as const) {
    if (ids.has(special[role])) continue;
    throw new InputError(
      `tokenizer: the vocabulary must hold ${special[role]}, got ${ids.size} tokens without it; ` +
        `pass the vocab.txt of a BERT model, or name it in tokenizer_config.json (${role}_token)`,
    );
  }
}

const plainToken = {
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
};

function addedTokens(special: SpecialTokens, ids: ReadonlyMap<string, number>): AddedTokenJson[] {
  return Object.values(special)
    .filter((content) => ids.has(content))
    .map((content) => ({ id: ids.get(content)!, content, ...plainToken }))
    .sort((a, b) => a.id - b.id);
}

function templateJson(special: SpecialTokens, ids: ReadonlyMap<string, number>): PostProcessorJson {
  const token = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const text = (id: 'A' | 'B', type_id: number) => ({ Sequence: { id, type_id } });
  const entry = (id: string) => [id, { id, ids: [ids.get(id)!], tokens: [id] }];
  const single = [token(special.cls, 0), text('A', 0), token(special.sep, 0)];
  return {
    type: 'TemplateProcessing',
    single,
    pair: [...single, text('B', 1), token(special.sep, 1)],
    special_tokens: Object.fromEntries([entry(special.cls), entry(special.sep)]),
  };
}

/** BertNormalizer's settings as tokenizer.json writes them. */
export function normalizerJson(options: BertNormalizerOptions): StageJson {
  return {
    type: 'BertNormalizer',
    clean_text: options.cleanText,
    handle_chinese_chars: options.handleChineseChars,
    strip_accents: options.stripAccents,
    lowercase: options.lowercase,
  };
}

/** BertNormalizer's settings from tokenizer.json; undefined for another normalizer. */
export function normalizerOptions(json: TokenizerJson): BertNormalizerOptions | undefined {
  const normalizer = json.normalizer;
  if (normalizer?.type !== 'BertNormalizer') return undefined;
  return {
    cleanText: normalizer.clean_text !== false,
    handleChineseChars: normalizer.handle_chinese_chars !== false,
    stripAccents: (normalizer.strip_accents as boolean | null | undefined) ?? null,
    lowercase: normalizer.lowercase !== false,
  };
}

/**
 * The tokenizer.json with what tokenizer_config.json says differently put in: transformers'
 * BertTokenizer too gives the settings of tokenizer_config.json precedence. What it does not
 * mention stays.
 */
export function withConfig(json: TokenizerJson, config: TokenizerConfigJson): TokenizerJson {
  const options = normalizerOptions(json);
  const asBert = /^(DistilBert|Bert|Electra)Tokenizer(Fast)?$/;
  if (!options || !asBert.test(config.tokenizer_class ?? 'BertTokenizer')) return json;
  const normalizer = normalizerJson({
    cleanText: options.cleanText,
    handleChineseChars: config.tokenize_chinese_chars ?? options.handleChineseChars,
    stripAccents: config.strip_accents !== undefined ? config.strip_accents : options.stripAccents,
    lowercase: config.do_lower_case ?? options.lowercase,
  });
  return { ...json, normalizer };
}

/** @throws InputError where the content of the file `name` is not a WordPiece tokenizer.json. */
export function checkTokenizerJson(content: object, name: string): TokenizerJson {
  const json = content as TokenizerJson;
  const model = json.model as Partial<WordPieceJson> | undefined;
  const type = model?.type ?? 'WordPiece';
  if (type !== 'WordPiece') {
    throw new InputError(
      `tokenizer: ${name} must hold a WordPiece model (BERT's), got ${type}; ` +
        'use a tokenizer of the BERT family',
    );
  }
  if (!model?.vocab || typeof model.vocab !== 'object' || typeof model.unk_token !== 'string') {
    throw new InputError(
      `tokenizer: ${name} must hold model.vocab and model.unk_token; is it a tokenizer.json?`,
    );
  }
  const whole = json.added_tokens?.find((token) => token.single_word);
  if (whole) {
    throw new InputError(
      `tokenizer: ${name} has ${whole.content} as a single_word token, which is not supported`,
    );
  }
  return json;
}
