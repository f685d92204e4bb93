import { InputError } from '../errors.js';
import { activation } from '../nn/activations.js';
import type { ActivationName } from '../nn/activations.js';
import { fromSnakeCase, knownSize, requireInteger, withDefaults } from './config.js';
import { poolings, requirePooling } from './pooling.js';
import type { Pooling } from './pooling.js';

/** The fields of a Hugging Face BERT config.json in camelCase, and how a row becomes one vector. */
export interface BertConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  /** Divides hiddenSize. */
  readonly numAttentionHeads: number;
  readonly intermediateSize: number;
  readonly hiddenAct: ActivationName;
  readonly hiddenDropoutProb: number;
  readonly attentionProbsDropoutProb: number;
  /** The longest row, in tokens. */
  readonly maxPositionEmbeddings: number;
  readonly typeVocabSize: number;
  readonly layerNormEps: number;
  /** The deviation of the first weights. */
  readonly initializerRange: number;
  /** The token whose embedding is zero at first and gets no gradient. */
  readonly padTokenId: number;
  /**
   * `cls`: the last layer's first vector as it is; `mean`: the mean of those that the mask keeps (Reimers and Gurevych
   * 2019); `max`: the largest of each element. Of several, the vectors are joined: the feature is so many times longer.
   */
  readonly pooling: Pooling | readonly Pooling[];
}

const bertBase: BertConfig = {
  vocabSize: 30522,
  hiddenSize: 768,
  numHiddenLayers: 12,
  numAttentionHeads: 12,
  intermediateSize: 3072,
  hiddenAct: 'gelu',
  hiddenDropoutProb: 0.1,
  attentionProbsDropoutProb: 0.1,
  maxPositionEmbeddings: 512,
  typeVocabSize: 2,
  layerNormEps: 1e-12,
  initializerRange: 0.02,
  padTokenId: 0,
  pooling: 'cls',
};

const size = (layers: number, hidden: number, vocabSize = 30522): Partial<BertConfig> => ({
  vocabSize,
  hiddenSize: hidden,
  numHiddenLayers: layers,
  numAttentionHeads: hidden / 64,
  intermediateSize: hidden * 4,
});

/** The geometries that are known by name (Devlin et al. 2018; Turc et al. 2019 for the small ones). */
export const bertSizes: Readonly<Record<string, Partial<BertConfig>>> = {
  'bert-base-uncased': size(12, 768),
  'bert-base-cased': size(12, 768, 28996),
  'bert-base-multilingual-uncased': size(12, 768, 105879),
  'bert-base-multilingual-cased': size(12, 768, 119547),
  'bert-base-chinese': size(12, 768, 21128),
  'bert-large-uncased': size(24, 1024),
  'bert-large-cased': size(24, 1024, 28996),
  'bert-tiny': size(2, 128),
  'bert-mini': size(4, 256),
  'bert-small': size(4, 512),
  'bert-medium': size(8, 512),
};

/**
 * A complete configuration, from a known size or some fields (bert-base-uncased's are the defaults).
 *
 * @throws InputError where a field is unknown or out of range.
 */
export function bertConfig(given: string | Partial<BertConfig>): BertConfig {
  const fields = typeof given === 'string' ? knownSize('bert', bertSizes, given) : given;
  const config = withDefaults('bert', bertBase, fields);
  const { vocabSize, hiddenSize, numAttentionHeads, padTokenId } = config;
  for (const field of integers) requireInteger('bert', field, config[field]);
  if (hiddenSize % numAttentionHeads !== 0) {
    throw new InputError(
      `bert: numAttentionHeads must divide hiddenSize, got ${numAttentionHeads} and ${hiddenSize}`,
    );
  }
  requireInteger('bert', 'padTokenId', padTokenId, 0);
  if (padTokenId >= vocabSize) {
    throw new InputError(
      `bert: padTokenId must be below vocabSize ${vocabSize}, got ${padTokenId}`,
    );
  }
  activation('bert', config.hiddenAct);
  requirePooling('bert', config.pooling, poolings);
  requireRange('hiddenDropoutProb', config.hiddenDropoutProb, 1);
  requireRange('attentionProbsDropoutProb', config.attentionProbsDropoutProb, 1);
  requireRange('layerNormEps', config.layerNormEps, Infinity);
  requireRange('initializerRange', config.initializerRange, Infinity);
  return config;
}

const integers = [
  'vocabSize',
  'hiddenSize',
  'numHiddenLayers',
  'numAttentionHeads',
  'intermediateSize',
  'maxPositionEmbeddings',
  'typeVocabSize',
] as const;

function requireRange(field: string, value: number, limit: number): void {
  if (value >= 0 && value < limit) return;
  throw new InputError(`bert: ${field} must be in [0, ${limit}), got ${value}`);
}

/**
 * Reads a Hugging Face config.json; `source` names it in errors.
 *
 * @throws InputError where it is of another family than BERT, or positions are not absolute.
 */
export function bertConfigFromJson(json: object, source: string): BertConfig {
  const fields = json as Record<string, unknown>;
  const family = fields['model_type'] ?? 'bert';
  if (family !== 'bert') throw new InputError(refusal(source, String(family)));
  const positions = fields['position_embedding_type'] ?? 'absolute';
  if (positions !== 'absolute') {
    throw new InputError(
      `bert: ${source} has position_embedding_type '${String(positions)}', and only 'absolute' is ` +
        'supported; use a BERT with absolute positions, such as google-bert/bert-base-uncased',
    );
  }
  if (fields['is_decoder'] === true || fields['add_cross_attention'] === true) {
    throw new InputError(`bert: ${source} is a decoder, and only encoders are supported`);
  }
  return bertConfig(fromSnakeCase(json, Object.keys(bertBase)) as Partial<BertConfig>);
}

function refusal(source: string, family: string): string {
  if (family === 'bertresnet') {
    return `bert: ${source} is a whole model; load it with BertResNetModel.fromPretrained`;
  }
  const instead = alternatives[family] ?? 'google-bert/bert-base-uncased';
  return (
    `bert: ${source} is of the family '${family}', and only 'bert' is supported; ` +
    `use ${instead}, or pass a TextEncoder of your own`
  );
}

/** The BERT that is nearest to an encoder of another family. */
const alternatives: Readonly<Record<string, string>> = {
  roberta: 'google-bert/bert-base-cased',
  'xlm-roberta': 'google-bert/bert-base-multilingual-cased',
  distilbert: 'google-bert/bert-base-uncased or sentence-transformers/all-MiniLM-L6-v2',
  albert: 'google-bert/bert-base-uncased or sentence-transformers/all-MiniLM-L6-v2',
  mpnet: 'sentence-transformers/all-MiniLM-L6-v2',
  camembert: 'google-bert/bert-base-multilingual-cased',
};
