import * as tf from '@tensorflow/tfjs-core';
import type { Tokenizer } from '@huggingface/tokenizers';
import { ensureBackend } from '../backends/select.js';
import { InputError } from '../errors.js';
import { writeFileAtomic } from '../weights/files.node.js';
import { openPretrained } from '../weights/hub.js';
import type { PretrainedFiles, PretrainedOptions, PretrainedSource } from '../weights/hub.js';
import type { HostText } from './batch.js';
import { countSpecial, packBatch, readTemplate } from './tokenizerBatch.js';
import type { Template, TextIds } from './tokenizerBatch.js';
import {
  checkTokenizerJson,
  normalizerOptions,
  specialTokens,
  tokenizerJsonFromVocab,
  vocabTokens,
  withConfig,
} from './tokenizerJson.js';
import type { TokenizerConfigJson, TokenizerJson } from './tokenizerJson.js';
import { bertNormalizer, bertWords } from './tokenizerNormalize.js';

/** A text, or two that are read together (such as a question and a passage). */
export type TextInput = string | readonly [string, string];

/** How texts are made into a batch. */
export interface EncodeOptions {
  /** The longest row, in tokens, special tokens included; default: the tokenizer's own. */
  readonly maxLength?: number;
  /** The second text of each row, where rows are pairs. */
  readonly pairs?: readonly string[];
  /**
   * Pads to a multiple of this many tokens, though not beyond maxLength (default 1): a backend that
   * compiles sees fewer shapes.
   */
  readonly padToMultipleOf?: number;
}

/** What differs from the files of a tokenizer. */
export interface TokenizerOptions {
  /** Lowercase the text and strip its accents; default: what the files say, else true. */
  readonly lowercase?: boolean;
  /** The longest row, in tokens; default: `model_max_length` of tokenizer_config.json, else 512. */
  readonly maxLength?: number;
}

/** A batch of texts as tensors, int32 `[batch, length]`. */
export interface EncodedText {
  readonly inputIds: tf.Tensor2D;
  readonly attentionMask: tf.Tensor2D;
  readonly tokenTypeIds: tf.Tensor2D;
}

const defaultMaxLength = 512;
const surrogate = /[\ud800-\udfff]/;
// transformers writes 1e30 for "no limit".
const noLimit = 1e9;

/**
 * BERT's WordPiece tokenizer (Devlin et al. 2019; Wu et al. 2016): its ids equal those of
 * transformers' BertTokenizer. A lone surrogate, which transformers refuses, is read as U+FFFD.
 */
export class BertTokenizer {
  /** The longest row, in tokens, where a call does not say. */
  readonly maxLength: number;
  /** One more than the greatest id: the rows that an embedding needs. */
  readonly vocabSize: number;
  /** The id that fills up shorter rows. */
  readonly padId: number;
  readonly #tokenizer: Tokenizer;
  readonly #json: TokenizerJson;
  readonly #config: TokenizerConfigJson;
  readonly #template: Template;

  private constructor(tokenizer: Tokenizer, json: TokenizerJson, config: TokenizerConfigJson) {
    this.#tokenizer = tokenizer;
    this.#json = json;
    this.#config = config;
    this.#template = readTemplate(json);
    const special = countSpecial(this.#template.single);
    this.maxLength = checkMaxLength(config.model_max_length ?? defaultMaxLength, special);
    this.vocabSize = 1 + greatestId(json);
    this.padId = padIdOf(json, config);
  }

  /**
   * Reads a tokenizer from tokenizer.json, or else from vocab.txt, with tokenizer_config.json where
   * there is one.
   *
   * @param source a folder, a hub id, or the path of a vocab.txt.
   * @throws InputError where it holds neither file, or not those of a WordPiece tokenizer.
   */
  static async fromPretrained(
    source: PretrainedSource,
    options: TokenizerOptions & PretrainedOptions = {},
  ): Promise<BertTokenizer> {
    const { folder, vocabFile } = splitSource(source);
    const files = await openPretrained(folder, options);
    const config = withOptions(await readConfig(files), options);
    if (!vocabFile && (await files.has('tokenizer.json'))) {
      const content = await files.readJson('tokenizer.json');
      const json = checkTokenizerJson(content, `${files.source}/tokenizer.json`);
      return BertTokenizer.#create(withConfig(json, config), config);
    }
    const name = vocabFile ?? 'vocab.txt';
    if (!(await files.has(name))) {
      throw new InputError(
        vocabFile === undefined
          ? `tokenizer: ${files.source} must hold tokenizer.json or vocab.txt, got neither`
          : `tokenizer: a vocabulary must be a file that is there, got no '${vocabFile}' in ${files.source}`,
      );
    }
    return BertTokenizer.#fromTokens(vocabTokens(await files.readText(name)), config);
  }

  /**
   * A tokenizer over a vocabulary.
   *
   * @param vocabulary its tokens in the order of their ids, or the text of a vocab.txt.
   * @throws InputError where a token that BERT needs ([UNK], [CLS], [SEP], [PAD]) is not in it.
   */
  static async fromVocab(
    vocabulary: string | readonly string[],
    options: TokenizerOptions = {},
  ): Promise<BertTokenizer> {
    const tokens = typeof vocabulary === 'string' ? vocabTokens(vocabulary) : vocabulary;
    return BertTokenizer.#fromTokens(tokens, withOptions({}, options));
  }

  /**
   * The tokenizer that the contents of a tokenizer.json and a tokenizer_config.json describe.
   *
   * @throws InputError where they are not those of a WordPiece tokenizer.
   */
  static async fromJSON(
    json: TokenizerJson,
    config: TokenizerConfigJson = {},
  ): Promise<BertTokenizer> {
    const complete = withOptions(config, {});
    const checked = checkTokenizerJson(json, 'tokenizer.json');
    return BertTokenizer.#create(withConfig(checked, complete), complete);
  }

  static #fromTokens(
    tokens: readonly string[],
    config: TokenizerConfigJson,
  ): Promise<BertTokenizer> {
    const json = tokenizerJsonFromVocab(tokens, config);
    return BertTokenizer.#create(withConfig(json, config), config);
  }

  static async #create(json: TokenizerJson, config: TokenizerConfigJson): Promise<BertTokenizer> {
    for (const field of ['padding_side', 'truncation_side'] as const) {
      if ((config[field] ?? 'right') !== 'right') {
        throw new InputError(
          `tokenizer: ${field} must be right, got ${config[field]}; BERT counts from the left`,
        );
      }
    }
    return new BertTokenizer(await createTokenizer(json, config), json, config);
  }

  /**
   * Tokens of a batch as tensors, padded to the longest of the batch.
   *
   * @throws InputError where the batch is empty, something is not a string, or maxLength has no
   *   room.
   */
  encode(texts: string | readonly TextInput[], options: EncodeOptions = {}): EncodedText {
    const host = this.encodeHost(texts, options);
    const shape: [number, number] = [host.inputIds.length / host.length, host.length];
    ensureBackend();
    return {
      inputIds: tf.tensor2d(host.inputIds, shape, 'int32'),
      attentionMask: tf.tensor2d(host.attentionMask, shape, 'int32'),
      tokenTypeIds: tf.tensor2d(host.tokenTypeIds, shape, 'int32'),
    };
  }

  /** As {@link BertTokenizer.encode}, on the host. */
  encodeHost(texts: string | readonly TextInput[], options: EncodeOptions = {}): HostText {
    const rows = textRows(texts, options.pairs);
    const paired = rows.some((row) => row.length === 2);
    const special = countSpecial(paired ? this.#template.pair : this.#template.single);
    const maxLength = checkMaxLength(options.maxLength ?? this.maxLength, special);
    const ids = rows.map((row) => row.map((text) => this.#ids(text)) as unknown as TextIds);
    const padToMultipleOf = options.padToMultipleOf ?? 1;
    if (!Number.isInteger(padToMultipleOf) || padToMultipleOf < 1) {
      throw new InputError(
        `tokenizer: padToMultipleOf must be an integer of at least 1, got ${padToMultipleOf}`,
      );
    }
    return packBatch(ids, this.#template, { maxLength, padId: this.padId, padToMultipleOf });
  }

  /** The id of a token; undefined where the vocabulary lacks it. */
  tokenId(token: string): number | undefined {
    return this.#tokenizer.token_to_id(token);
  }

  /** The tokenizer.json, as the `tokenizers` library and transformers read it. */
  toJSON(): TokenizerJson {
    return { ...this.#json, truncation: null, padding: null };
  }

  /** The tokenizer_config.json that goes with {@link BertTokenizer.toJSON}. */
  toConfigJSON(): TokenizerConfigJson {
    const special = Object.entries(specialTokens(this.#config));
    const known = special.filter(([, token]) => this.tokenId(token) !== undefined);
    const tokens = Object.fromEntries(known.map(([role, token]) => [`${role}_token`, token]));
    const common = { model_max_length: this.maxLength, ...tokens };
    const normalizer = normalizerOptions(this.#json);
    if (!normalizer) return { tokenizer_class: 'PreTrainedTokenizerFast', ...common };
    return {
      tokenizer_class: 'BertTokenizer',
      do_lower_case: normalizer.lowercase,
      strip_accents: normalizer.stripAccents,
      tokenize_chinese_chars: normalizer.handleChineseChars,
      ...common,
    };
  }

  /**
   * Writes tokenizer.json and tokenizer_config.json into a folder, which both this library and
   * transformers read.
   */
  async save(folder: string): Promise<void> {
    await writeFileAtomic(`${folder}/tokenizer.json`, fileText(this.toJSON()));
    await writeFileAtomic(`${folder}/tokenizer_config.json`, fileText(this.toConfigJSON()));
  }

  #ids(text: string): number[] {
    const wellFormed = surrogate.test(text) ? text.replace(/\p{Cs}/gu, '\ufffd') : text;
    return this.#tokenizer.encode(wellFormed, { add_special_tokens: false }).ids;
  }
}

// The package wants all fields to be there; special tokens are put around texts by packBatch.
const absentFields = { added_tokens: [], normalizer: null, pre_tokenizer: null, decoder: null };

async function createTokenizer(
  json: TokenizerJson,
  config: TokenizerConfigJson,
): Promise<Tokenizer> {
  const { Tokenizer } = await import('@huggingface/tokenizers');
  const tokenizer = new Tokenizer({ ...absentFields, ...json, post_processor: null }, config);
  const normalizer = normalizerOptions(json);
  if (normalizer) {
    tokenizer.normalizer = bertNormalizer(normalizer) as unknown as Tokenizer['normalizer'];
  }
  if (json.pre_tokenizer?.type === 'BertPreTokenizer') {
    tokenizer.pre_tokenizer = bertWords as unknown as Tokenizer['pre_tokenizer'];
  }
  return tokenizer;
}

async function readConfig(files: PretrainedFiles): Promise<TokenizerConfigJson> {
  const name = 'tokenizer_config.json';
  return (await files.has(name)) ? ((await files.readJson(name)) as TokenizerConfigJson) : {};
}

function withOptions(config: TokenizerConfigJson, options: TokenizerOptions): TokenizerConfigJson {
  const { lowercase, maxLength } = options;
  const limit = config.model_max_length ?? noLimit;
  return {
    ...config,
    ...(lowercase === undefined ? {} : { do_lower_case: lowercase }),
    model_max_length: maxLength ?? (limit < noLimit ? limit : defaultMaxLength),
  };
}

function splitSource(source: PretrainedSource): { folder: PretrainedSource; vocabFile?: string } {
  if (typeof source !== 'string') return { folder: source };
  if (!source.endsWith('.txt')) return { folder: source };
  const slash = Math.max(source.lastIndexOf('/'), source.lastIndexOf('\\'));
  const folder = slash < 0 ? '.' : source.slice(0, slash) || '/';
  return { folder, vocabFile: source.slice(slash + 1) };
}

function textRows(
  texts: string | readonly TextInput[],
  pairs: readonly string[] | undefined,
): readonly (readonly string[])[] {
  const rows = typeof texts === 'string' ? [texts] : texts;
  if (!Array.isArray(rows) || rows.length === 0) {
    throw new InputError(
      `tokenizer: texts must be an array of one string or more, got ${describe(rows)}`,
    );
  }
  if (pairs && pairs.length !== rows.length) {
    throw new InputError(
      `tokenizer: pairs must be as many as the texts (${rows.length}), got ${pairs.length}`,
    );
  }
  return rows.map((row: TextInput, index) => {
    const parts = pairs ? [row, pairs[index]] : Array.isArray(row) ? row : [row];
    const few = parts.length === 1 || parts.length === 2;
    if (!few || !parts.every((part) => typeof part === 'string')) {
      throw new InputError(
        `tokenizer: text ${index} must be a string or a pair of strings, got ${describe(row)}`,
      );
    }
    return parts as string[];
  });
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return Array.isArray(value) ? `an array of ${value.length}` : `a ${typeof value}`;
}

function checkMaxLength(maxLength: number, special: number): number {
  if (Number.isInteger(maxLength) && maxLength >= special) return maxLength;
  throw new InputError(
    `tokenizer: maxLength must be an integer of at least ${special} (the special tokens), ` +
      `got ${maxLength}`,
  );
}

function greatestId(json: TokenizerJson): number {
  let greatest = -1;
  for (const id of Object.values(json.model.vocab)) greatest = Math.max(greatest, id);
  for (const { id } of json.added_tokens ?? []) greatest = Math.max(greatest, id);
  return greatest;
}

function padIdOf(json: TokenizerJson, config: TokenizerConfigJson): number {
  const { pad } = specialTokens(config);
  const added = json.added_tokens?.find(({ content }) => content === pad);
  const id = added?.id ?? json.model.vocab[pad];
  if (id !== undefined) return id;
  throw new InputError(
    `tokenizer: the vocabulary must hold the padding token ${pad}, got none; ` +
      'name it in tokenizer_config.json (pad_token)',
  );
}

const fileText = (value: unknown): string => JSON.stringify(value, null, 2) + '\n';
