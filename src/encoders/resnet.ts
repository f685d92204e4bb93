import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import { activation } from '../nn/activations.js';
import { checkpoint } from '../nn/checkpoint.js';
import { Conv2d, maxPool2d } from '../nn/conv.js';
import type { ForwardContext } from '../nn/dropout.js';
import { Module } from '../nn/module.js';
import type { Scope } from '../nn/module.js';
import { BatchNorm2d } from '../nn/norm.js';
import type { LoadOptions, LoadReport, StateDict } from '../nn/stateDict.js';
import type { PretrainedOptions, PretrainedSource } from '../weights/hub.js';
import { normalizeNames } from '../weights/names.js';
import { requireChoice, requireInteger } from './config.js';
import type { ImageEncoder, SequenceEncoder } from './encoder.js';
import { poolMaps, poolTokens, waysOf } from './pooling.js';
import { ResNetBlock } from './resnetBlock.js';
import { resNetConfig, resNetConfigFromJson } from './resnetConfig.js';
import type { ResNetConfig } from './resnetConfig.js';

/** Where a ResNet may stop: a child of torchvision's, `layer1` to the last stage. */
export type OutputLayer = 'conv1' | 'bn1' | 'relu' | 'maxpool' | `layer${number}` | 'avgpool';

/** The children, in the order in which a picture meets them. */
function childrenOf({ depths }: ResNetConfig): OutputLayer[] {
  const stages = depths.map((_, i): OutputLayer => `layer${i + 1}`);
  return ['conv1', 'bn1', 'relu', 'maxpool', ...stages, 'avgpool'];
}

/** The geometry of a ResNet, and where it stops. */
export interface ResNetOptions {
  /** A known size ('resnet18', ..., 'resnet152') or some of a `ResNetConfig`'s fields (default 'resnet50'). */
  readonly config?: string | Partial<ResNetConfig>;
  /** The last child that runs (default 'avgpool', which gives one vector); those after it do not exist. */
  readonly outputLayer?: OutputLayer;
  /** The pictures' height and width, which `featureSize` needs before `avgpool` (default [224, 224]). */
  readonly imageSize?: readonly [height: number, width: number];
}

/**
 * ResNet as a feature extractor (He et al. 2015): torchvision's children up to and including
 * `outputLayer`. After `avgpool` a picture is one vector, [batch, features]; before, it is that child's
 * map, [batch, height, width, channels]. Names are torchvision's: `layer1.0.conv1.weight`, ...
 */
export class ResNetFeatureModel
  extends Module
  implements ImageEncoder, SequenceEncoder<tf.Tensor4D>
{
  readonly config: ResNetConfig & {
    readonly modelType: 'resnet';
    readonly outputLayer: OutputLayer;
    readonly imageSize: readonly [height: number, width: number];
  };
  /** Whether its weights were loaded. */
  pretrained = false;
  readonly conv1: Conv2d;
  readonly bn1?: BatchNorm2d;
  /** The blocks of `layer1`, `layer2`, ..., as far as they exist. */
  readonly stages: readonly (readonly ResNetBlock[])[];

  constructor(options: ResNetOptions = {}, scope: Scope = {}) {
    super(scope);
    const { outputLayer = 'avgpool', imageSize = [224, 224] } = options;
    const config = resNetConfig(options.config ?? 'resnet50');
    requireChoice('resnet', 'outputLayer', outputLayer, childrenOf(config));
    for (const size of imageSize) requireInteger('resnet', 'imageSize', size);
    this.config = { modelType: 'resnet', ...config, outputLayer, imageSize };
    const stem = config.embeddingSize;
    this.conv1 = this.child(
      'conv1',
      (inner) => new Conv2d(3, stem, { kernel: 7, stride: 2, padding: 3 }, inner),
    );
    if (this.#has('bn1')) this.bn1 = this.child('bn1', (inner) => new BatchNorm2d(stem, inner));
    const stages = config.depths.filter((_, i) => this.#has(`layer${i + 1}`));
    this.stages = stages.map((depth, i) => this.#stage(i, depth));
  }

  /**
   * Loads a folder or a hub id: config.json and safetensors of a Hugging Face or timm ResNet (its
   * classifier is left out).
   *
   * @throws InputError where it is of another family, or its weights do not fit its configuration.
   */
  static async fromPretrained(
    source: PretrainedSource,
    options: PretrainedOptions &
      Omit<ResNetOptions, 'config'> &
      Partial<Pick<ResNetConfig, 'pooling'>> = {},
  ): Promise<ResNetFeatureModel> {
    const { openPretrained } = await import('../weights/hub.js');
    const { readWeights } = await import('../weights/read.js');
    const files = await openPretrained(source, options);
    const config = resNetConfigFromJson(await files.readJson('config.json'), files.source);
    const weights = await readWeights(files);
    const { outputLayer, imageSize, pooling } = options;
    const model = new ResNetFeatureModel(
      { config: { ...config, pooling }, outputLayer, imageSize },
      { initialize: false },
    );
    try {
      model.loadStateDict(model.#upToOutput(normalizeNames(weights, 'image')));
    } catch (error) {
      model.dispose();
      throw error;
    }
    return model;
  }

  protected override get typeName(): string {
    return 'ResNetFeatureModel';
  }

  /** The features of a picture; of a map before `avgpool`, all of its elements at `imageSize`. */
  get featureSize(): number {
    const { outputLayer, imageSize } = this.config;
    if (outputLayer === 'avgpool') return waysOf(this.config.pooling).length * this.sequenceSize;
    const halved = (length: number, times: number): number => Math.ceil(length / 2 ** times);
    const [height, width] = imageSize.map((length) => halved(length, this.#halvings()));
    return height! * width! * this.sequenceSize;
  }

  /** The channels of the last map. */
  get sequenceSize(): number {
    const { hiddenSizes, embeddingSize } = this.config;
    return hiddenSizes[this.stages.length - 1] ?? embeddingSize;
  }

  /**
   * [batch, height, width, 3] to [batch, features], or to the map of an earlier `outputLayer`.
   *
   * @throws InputError unless the picture is float32 with 3 channels.
   */
  forward(image: tf.Tensor4D, context: ForwardContext): tf.Tensor2D | tf.Tensor4D {
    return tf.tidy(() => {
      const maps = this.#maps(image, context);
      return this.config.outputLayer === 'avgpool' ? this.pool(maps) : maps;
    });
  }

  /** The places of the last map, row by row: [batch, height * width, channels]. */
  sequence(image: tf.Tensor4D, context: ForwardContext): tf.Tensor3D {
    return tf.tidy(() => {
      const maps = this.#maps(image, context);
      const [batch, height, width, channels] = maps.shape;
      return tf.reshape(maps, [batch, height * width, channels]);
    });
  }

  /** All places pooled, or, before `avgpool`, the map as PyTorch flattens it: [batch, featureSize]. */
  poolSequence(places: tf.Tensor3D): tf.Tensor2D {
    const { outputLayer, pooling } = this.config;
    if (outputLayer === 'avgpool') return tf.tidy(() => poolTokens(places, pooling));
    return tf.reshape(tf.transpose(places, [0, 2, 1]), [places.shape[0], -1]);
  }

  #maps(image: tf.Tensor4D, context: ForwardContext): tf.Tensor4D {
    checkImage(image);
    return this.stages.reduce(
      (x, blocks) => blocks.reduce((y, block) => block.run(y, context), x),
      this.#runStem(image, context),
    );
  }

  /** What enters `layer1`, or leaves an earlier `outputLayer`: [batch, height / 4, width / 4, embeddingSize]. */
  stem(image: tf.Tensor4D, context: ForwardContext): tf.Tensor4D {
    const edges = this.conv1.forward(image);
    const active = this.#activate(edges, context);
    return this.#has('maxpool') ? maxPool2d(active, 3, 2, 1) : active;
  }

  /** The stem's norm and activation, as far as `outputLayer` has them. */
  #activate(edges: tf.Tensor4D, context: ForwardContext): tf.Tensor4D {
    const { bn1, config } = this;
    if (bn1 === undefined) return edges;
    if (!this.#has('relu')) return bn1.forward(edges, context);
    if (config.hiddenAct === 'relu') return bn1.forwardRelu(edges, context);
    return activation('resnet', config.hiddenAct)(bn1.forward(edges, context));
  }

  /** [batch, height, width, channels] to [batch, channels], or as many more as there are poolings. */
  pool(maps: tf.Tensor4D): tf.Tensor2D {
    return tf.tidy(() => poolMaps(maps, this.config.pooling));
  }

  /** As `Module.loadStateDict`; torchvision's, timm's, Hugging Face's and the notebook's names are understood. */
  override loadStateDict(dict: StateDict, options?: LoadOptions): LoadReport {
    const report = super.loadStateDict(normalizeNames(dict, 'image'), options);
    this.pretrained ||= report.missing.length === 0;
    return report;
  }

  #runStem(image: tf.Tensor4D, context: ForwardContext): tf.Tensor4D {
    const { conv1, bn1 } = this;
    return checkpoint(
      ([x], inner) => this.stem(x as tf.Tensor4D, inner),
      [image],
      bn1 === undefined ? [conv1] : [conv1, bn1],
      context,
    );
  }

  #has(layer: OutputLayer): boolean {
    const order = childrenOf(this.config);
    return order.indexOf(layer) <= order.indexOf(this.config.outputLayer);
  }

  #stage(index: number, depth: number): ResNetBlock[] {
    const { embeddingSize, hiddenSizes, downsampleInFirstStage } = this.config;
    const before = index === 0 ? embeddingSize : hiddenSizes[index - 1]!;
    const channels = hiddenSizes[index]!;
    const stride = index > 0 || downsampleInFirstStage ? 2 : 1;
    return Array.from({ length: depth }, (_, i) =>
      this.child(`layer${index + 1}.${i}`, (inner) =>
        i === 0
          ? new ResNetBlock(before, channels, stride, this.config, inner)
          : new ResNetBlock(channels, channels, 1, this.config, inner),
      ),
    );
  }

  /** How often a map was halved by the time it leaves. */
  #halvings(): number {
    const stem = this.#has('maxpool') ? 2 : 1;
    const first = this.stages.length > 0 && this.config.downsampleInFirstStage ? 1 : 0;
    return stem + first + Math.max(0, this.stages.length - 1);
  }

  /** Leaves out what comes after `outputLayer`, and only that: a misspelt name stays to be refused. */
  #upToOutput(dict: StateDict): StateDict {
    const later = childrenOf(this.config).filter((layer) => !this.#has(layer));
    const kept = Object.entries(dict).filter(
      ([name]) => !later.some((layer) => name.startsWith(`${layer}.`)),
    );
    return Object.fromEntries(kept);
  }
}

function checkImage(image: tf.Tensor4D): void {
  const isImage = image instanceof tf.Tensor && image.rank === 4 && image.shape[3] === 3;
  if (isImage && image.dtype === 'float32' && image.size > 0) return;
  const came =
    image instanceof tf.Tensor ? `${image.dtype} [${image.shape.join(', ')}]` : typeof image;
  throw new InputError(
    `resnet: image must be float32 [batch, height, width, 3], got ${came}; make it with ImageProcessor`,
  );
}
