import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import { activation } from '../nn/activations.js';
import { additiveMask, headsAttention } from '../nn/attention.js';
import { checkpoint } from '../nn/checkpoint.js';
import { dropout } from '../nn/dropout.js';
import type { ForwardContext } from '../nn/dropout.js';
import { Embedding } from '../nn/embedding.js';
import { constant, normal, normalExceptRow } from '../nn/initializers.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import type { Scope } from '../nn/module.js';
import { LayerNorm } from '../nn/norm.js';
import type { LoadOptions, LoadReport, StateDict } from '../nn/stateDict.js';
import type { PretrainedOptions, PretrainedSource } from '../weights/hub.js';
import { normalizeNames } from '../weights/names.js';
import { bertConfig, bertConfigFromJson } from './bertConfig.js';
import type { BertConfig } from './bertConfig.js';
import { checkText } from './bertInput.js';
import type { LayeredEncoder, SequenceEncoder, TextEncoder, TextInput } from './encoder.js';
import { poolTokens, waysOf } from './pooling.js';
import type { Pooling } from './pooling.js';

/**
 * BERT without its pooler (Devlin et al. 2018), every configuration of transformers' `BertModel` with
 * absolute positions. Names are transformers': `embeddings.word_embeddings.weight`,
 * `encoder.layer.0.attention.self.query.weight`, ...
 */
export class BertEncoder
  extends Module
  implements TextEncoder, SequenceEncoder<TextInput>, LayeredEncoder
{
  readonly config: BertConfig & { readonly modelType: 'bert' };
  readonly embeddings: BertEmbeddings;
  readonly layers: readonly BertLayer[];
  /** Whether its weights were loaded. */
  pretrained = false;

  /** @param config a known size ('bert-base-uncased', 'bert-tiny', ...) or some of a `BertConfig`'s fields */
  constructor(config: string | Partial<BertConfig> = 'bert-base-uncased', scope: Scope = {}) {
    super(scope);
    const full = bertConfig(config);
    this.config = { modelType: 'bert', ...full };
    this.embeddings = this.child('embeddings', (inner) => new BertEmbeddings(full, inner));
    this.layers = Array.from({ length: full.numHiddenLayers }, (_, i) =>
      this.child(`encoder.layer.${i}`, (inner) => new BertLayer(full, inner)),
    );
  }

  /**
   * Loads a folder or a hub id: config.json and safetensors of any BERT (an unused pooler or head is left out).
   *
   * @throws InputError where it is of another family, or its weights do not fit its configuration.
   */
  static async fromPretrained(
    source: PretrainedSource,
    options: PretrainedOptions & { readonly pooling?: Pooling | readonly Pooling[] } = {},
  ): Promise<BertEncoder> {
    const { openPretrained } = await import('../weights/hub.js');
    const { readWeights } = await import('../weights/read.js');
    const files = await openPretrained(source, options);
    const config = bertConfigFromJson(await files.readJson('config.json'), files.source);
    const weights = await readWeights(files);
    const encoder = new BertEncoder(
      { ...config, pooling: options.pooling ?? 'cls' },
      { initialize: false },
    );
    try {
      encoder.loadStateDict(weights);
    } catch (error) {
      encoder.dispose();
      throw error;
    }
    return encoder;
  }

  protected override get typeName(): string {
    return 'BertEncoder';
  }

  get featureSize(): number {
    const { hiddenSize, pooling } = this.config;
    return hiddenSize * waysOf(pooling).length;
  }

  get maxLength(): number {
    return this.config.maxPositionEmbeddings;
  }

  get sequenceSize(): number {
    return this.config.hiddenSize;
  }

  /**
   * One vector a row, [batch, featureSize]. Where only [CLS] is pooled, the last layer computes only that token.
   *
   * @throws InputError where an input's shape or ids are not fit.
   */
  forward(text: TextInput, context: ForwardContext): tf.Tensor2D {
    return tf.tidy(() => {
      const queries = this.config.pooling === 'cls' ? 1 : undefined;
      const states = this.#states(text, context, queries);
      return this.pool(states.at(-1)!, text.attentionMask);
    });
  }

  /** What enters the first layer and what leaves each, every one [batch, length, hiddenSize]. */
  hiddenStates(text: TextInput, context: ForwardContext): tf.Tensor3D[] {
    return this.#states(text, context);
  }

  /** What leaves the last layer, [batch, length, hiddenSize]. */
  sequence(text: TextInput, context: ForwardContext): tf.Tensor3D {
    return this.#states(text, context).at(-1)!;
  }

  /** As `pool`. */
  poolSequence(hidden: tf.Tensor3D, { attentionMask }: TextInput): tf.Tensor2D {
    return this.pool(hidden, attentionMask);
  }

  /** What enters the first layer, [batch, length, hiddenSize]. */
  embedText(text: TextInput, context: ForwardContext): tf.Tensor3D {
    checkText(text, this.config);
    return this.embeddings.forward(text, context);
  }

  /**
   * The same for vectors in the places of words, [batch, count, hiddenSize]: with positions from 0 on and the last token
   * type, normalised.
   *
   * @throws InputError where there are more of them than positions.
   */
  embedVectors(vectors: tf.Tensor3D, context: ForwardContext): tf.Tensor3D {
    return this.embeddings.embed(vectors, context);
  }

  /** What leaves the last layer of what enters the first, each [batch, length, hiddenSize]. */
  runLayers(
    embedded: tf.Tensor3D,
    mask: tf.Tensor2D | undefined,
    context: ForwardContext,
  ): tf.Tensor3D {
    return this.#run(embedded, mask, context).at(-1)!;
  }

  /** @param queries how many tokens leave the last layer; default: all. */
  #states(text: TextInput, context: ForwardContext, queries?: number): tf.Tensor3D[] {
    return this.#run(this.embedText(text, context), text.attentionMask, context, queries);
  }

  #run(
    embedded: tf.Tensor3D,
    attentionMask: tf.Tensor2D | undefined,
    context: ForwardContext,
    queries?: number,
  ): tf.Tensor3D[] {
    const mask = attentionMask && additiveMask(attentionMask);
    const states = [embedded];
    const last = this.layers.at(-1);
    for (const layer of this.layers) {
      states.push(layer.run(states.at(-1)!, mask, context, layer === last ? queries : undefined));
    }
    return states;
  }

  /** The feature of each row: [batch, length, hiddenSize] to [batch, featureSize]. */
  pool(hidden: tf.Tensor3D, attentionMask?: tf.Tensor2D): tf.Tensor2D {
    return poolTokens(hidden, this.config.pooling, attentionMask);
  }

  /** As `Module.loadStateDict`; names with a `bert.` prefix and a `gamma` or `beta` are understood. */
  override loadStateDict(dict: StateDict, options?: LoadOptions): LoadReport {
    const report = super.loadStateDict(normalizeNames(dict, 'text'), options);
    this.pretrained ||= report.missing.length === 0;
    return report;
  }
}

/** The sum of the word's, the position's and the type's vector, normalised. */
export class BertEmbeddings extends Module {
  readonly words: Embedding;
  readonly positions: Embedding;
  readonly types: Embedding;
  readonly norm: LayerNorm;

  constructor(
    readonly config: BertConfig,
    scope: Scope = {},
  ) {
    super(scope);
    const { hiddenSize, vocabSize, padTokenId, maxPositionEmbeddings, typeVocabSize } = config;
    const init = normal(config.initializerRange);
    const initWords = normalExceptRow(config.initializerRange, padTokenId);
    this.words = this.child(
      'word_embeddings',
      (inner) => new Embedding(vocabSize, hiddenSize, initWords, inner, padTokenId),
    );
    this.positions = this.child(
      'position_embeddings',
      (inner) => new Embedding(maxPositionEmbeddings, hiddenSize, init, inner),
    );
    this.types = this.child(
      'token_type_embeddings',
      (inner) => new Embedding(typeVocabSize, hiddenSize, init, inner),
    );
    this.norm = this.child(
      'LayerNorm',
      (inner) => new LayerNorm(hiddenSize, config.layerNormEps, inner),
    );
  }

  /** [batch, length] to [batch, length, hiddenSize]. */
  forward({ inputIds, tokenTypeIds }: TextInput, context: ForwardContext): tf.Tensor3D {
    const types =
      tokenTypeIds === undefined ? this.types.first(1) : this.types.select(tokenTypeIds);
    const places: tf.Tensor = tf.add(types, this.positions.first(inputIds.shape[1]));
    const sum: tf.Tensor3D = tf.add(this.words.forward(inputIds), places);
    return dropout(this.norm.forward(sum), this.config.hiddenDropoutProb, context);
  }

  /**
   * Vectors in the places of words, [batch, count, hiddenSize] to the same: with positions from 0 on and the last type.
   *
   * @throws InputError where there are more of them than positions.
   */
  embed(vectors: tf.Tensor3D, context: ForwardContext): tf.Tensor3D {
    const { hiddenSize, typeVocabSize, maxPositionEmbeddings, hiddenDropoutProb } = this.config;
    const count = vectors.shape[1];
    if (count > maxPositionEmbeddings) {
      throw new InputError(
        `bert: vectors must be [batch, count <= ${maxPositionEmbeddings}, ${hiddenSize}], got [${vectors.shape.join(', ')}]; ` +
          'give fewer, such as the regions of smaller pictures',
      );
    }
    const types = this.types.weight as tf.Tensor2D;
    const type = tf.slice(types, [typeVocabSize - 1, 0], [1, hiddenSize]);
    const sum: tf.Tensor3D = tf.add(vectors, tf.add(type, this.positions.first(count)));
    return dropout(this.norm.forward(sum), hiddenDropoutProb, context);
  }
}

function firstTokens(hidden: tf.Tensor3D, count: number): tf.Tensor3D {
  const [batch, length, width] = hidden.shape;
  return count === length ? hidden : tf.slice(hidden, [0, 0, 0], [batch, count, width]);
}

/** A transformer layer: self-attention and a feed-forward network, each with a residual and a norm after it. */
export class BertLayer extends Module {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly attentionOutput: Linear;
  readonly attentionNorm: LayerNorm;
  readonly intermediate: Linear;
  readonly output: Linear;
  readonly outputNorm: LayerNorm;

  constructor(
    readonly config: BertConfig,
    scope: Scope = {},
  ) {
    super(scope);
    const { hiddenSize, intermediateSize } = config;
    this.query = this.#linear('attention.self.query', hiddenSize, hiddenSize);
    this.key = this.#linear('attention.self.key', hiddenSize, hiddenSize);
    this.value = this.#linear('attention.self.value', hiddenSize, hiddenSize);
    this.attentionOutput = this.#linear('attention.output.dense', hiddenSize, hiddenSize);
    this.attentionNorm = this.#norm('attention.output.LayerNorm');
    this.intermediate = this.#linear('intermediate.dense', hiddenSize, intermediateSize);
    this.output = this.#linear('output.dense', intermediateSize, hiddenSize);
    this.outputNorm = this.#norm('output.LayerNorm');
  }

  /**
   * [batch, length, hiddenSize] to the same; the mask as `additiveMask` makes it.
   *
   * @param queries how many tokens, from the first, are computed of the result (default: all); these see all others.
   */
  forward(
    hidden: tf.Tensor3D,
    mask: tf.Tensor4D | undefined,
    context: ForwardContext,
    queries = hidden.shape[1],
  ): tf.Tensor3D {
    const rate = this.config.hiddenDropoutProb;
    const asking = firstTokens(hidden, queries);
    const attended = this.attentionOutput.forward(
      this.attend(hidden, mask, context, asking),
      context,
    );
    const middle = this.attentionNorm.forwardResidual(attended, asking, rate, context);
    const activate = activation('bert', this.config.hiddenAct);
    const fed = this.output.forward(activate(this.intermediate.forward(middle, context)), context);
    return this.outputNorm.forwardResidual(fed, middle, rate, context);
  }

  /** As `forward`; with gradient checkpointing the backward pass computes it again. */
  run(
    hidden: tf.Tensor3D,
    mask: tf.Tensor4D | undefined,
    context: ForwardContext,
    queries?: number,
  ): tf.Tensor3D {
    return checkpoint(
      ([x, m], inner) =>
        this.forward(x as tf.Tensor3D, m as tf.Tensor4D | undefined, inner, queries),
      mask === undefined ? [hidden] : [hidden, mask],
      [this],
      context,
    );
  }

  /** Attention of `asking` [batch, queries, hiddenSize] to all tokens, before its output projection. */
  attend(
    hidden: tf.Tensor3D,
    mask: tf.Tensor4D | undefined,
    context: ForwardContext,
    asking = hidden,
  ): tf.Tensor3D {
    const { numAttentionHeads: heads, attentionProbsDropoutProb: rate } = this.config;
    return headsAttention(
      this.query.forward(asking, context),
      this.key.forward(hidden, context),
      this.value.forward(hidden, context),
      { heads, mask, rate },
      context,
    );
  }

  #linear(name: string, inFeatures: number, outFeatures: number): Linear {
    const init = { weight: normal(this.config.initializerRange), bias: constant(0) };
    return this.child(name, (inner) => new Linear(inFeatures, outFeatures, inner, init));
  }

  #norm(name: string): LayerNorm {
    const { hiddenSize, layerNormEps } = this.config;
    return this.child(name, (inner) => new LayerNorm(hiddenSize, layerNormEps, inner));
  }
}
