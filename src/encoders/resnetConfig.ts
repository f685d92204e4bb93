import { InputError } from '../errors.js';
import { activation } from '../nn/activations.js';
import type { ActivationName } from '../nn/activations.js';
import { imagePoolings, requirePooling } from './pooling.js';
import type { ImagePooling } from './pooling.js';
import { fromSnakeCase, knownSize, requireChoice, requireInteger, withDefaults } from './config.js';

/** The fields of a Hugging Face ResNet config.json in camelCase. */
export interface ResNetConfig {
  /** Channels of the stem. */
  readonly embeddingSize: number;
  /** Channels that leave each stage (four, but for unusual models). */
  readonly hiddenSizes: readonly number[];
  /** Blocks of each stage. */
  readonly depths: readonly number[];
  readonly layerType: 'basic' | 'bottleneck';
  /** After the stem and after each block's sum; within a block it is ReLU, as in transformers. */
  readonly hiddenAct: ActivationName;
  /** Whether the first stage halves the picture too. */
  readonly downsampleInFirstStage: boolean;
  /** Where a bottleneck has its stride: true in its first 1x1 convolution, false (torchvision) in its 3x3. */
  readonly downsampleInBottleneck: boolean;
  /**
   * How the last map becomes a vector (default `mean`): by the mean over its places, the largest elements, or both, one
   * after the other, as timm's `catavgmax`.
   */
  readonly pooling: ImagePooling | readonly ImagePooling[];
}

const basic = [64, 128, 256, 512] as const;
const bottleneck = [256, 512, 1024, 2048] as const;

const resnet50: ResNetConfig = {
  embeddingSize: 64,
  hiddenSizes: bottleneck,
  depths: [3, 4, 6, 3],
  layerType: 'bottleneck',
  hiddenAct: 'relu',
  downsampleInFirstStage: false,
  downsampleInBottleneck: false,
  pooling: 'mean',
};

/** The geometries that are known by name (He et al. 2015; the stride as torchvision's version 1.5). */
export const resNetSizes: Readonly<Record<string, Partial<ResNetConfig>>> = {
  resnet18: { hiddenSizes: basic, depths: [2, 2, 2, 2], layerType: 'basic' },
  resnet34: { hiddenSizes: basic, depths: [3, 4, 6, 3], layerType: 'basic' },
  resnet50: { hiddenSizes: bottleneck, depths: [3, 4, 6, 3] },
  resnet101: { hiddenSizes: bottleneck, depths: [3, 4, 23, 3] },
  resnet152: { hiddenSizes: bottleneck, depths: [3, 8, 36, 3] },
};

/**
 * A complete configuration, from a known size or some fields (resnet50's are the defaults).
 *
 * @throws InputError where a field is unknown or out of range.
 */
export function resNetConfig(given: string | Partial<ResNetConfig>): ResNetConfig {
  const fields = typeof given === 'string' ? knownSize('resnet', resNetSizes, given) : given;
  const config = withDefaults('resnet', resnet50, fields);
  requireInteger('resnet', 'embeddingSize', config.embeddingSize);
  requireStages('hiddenSizes', config.hiddenSizes, config.hiddenSizes);
  requireStages('depths', config.depths, config.hiddenSizes);
  requireChoice('resnet', 'layerType', config.layerType, ['basic', 'bottleneck']);
  activation('resnet', config.hiddenAct);
  requirePooling('resnet', config.pooling, imagePoolings);
  const narrow = config.hiddenSizes.find((channels) => channels < 4);
  if (config.layerType === 'bottleneck' && narrow !== undefined) {
    throw new InputError(`resnet: hiddenSizes of a bottleneck must be at least 4, got ${narrow}`);
  }
  return config;
}

function requireStages(field: string, values: unknown, likewise: readonly number[]): void {
  if (!Array.isArray(values) || values.length === 0 || values.length !== likewise.length) {
    throw new InputError(
      `resnet: hiddenSizes and depths must be lists of one length, the number of stages, ` +
        `got ${field} [${String(values)}] and hiddenSizes [${String(likewise)}]`,
    );
  }
  for (const value of values) requireInteger('resnet', field, value);
}

/**
 * Reads a config.json of a Hugging Face ResNet or of timm's (which names its architecture); `source`
 * names it in errors.
 *
 * @throws InputError where it is of another family.
 */
export function resNetConfigFromJson(json: object, source: string): ResNetConfig {
  const {
    model_type: family,
    architecture,
    num_channels: channels,
  } = json as Record<string, unknown>;
  if (family === undefined && typeof architecture === 'string')
    return timmConfig(architecture, source);
  if (family !== undefined && family !== 'resnet')
    throw new InputError(refusal(source, String(family)));
  if (channels !== undefined && channels !== 3) {
    throw new InputError(
      `resnet: ${source} reads ${String(channels)} channels, and only 3 are supported`,
    );
  }
  return resNetConfig(fromSnakeCase(json, Object.keys(resnet50)) as Partial<ResNetConfig>);
}

function timmConfig(architecture: string, source: string): ResNetConfig {
  if (!Object.hasOwn(resNetSizes, architecture))
    throw new InputError(refusal(source, architecture));
  return resNetConfig(architecture);
}

function refusal(source: string, family: string): string {
  if (family === 'bertresnet') {
    return `resnet: ${source} is a whole model; load it with BertResNetModel.fromPretrained`;
  }
  return (
    `resnet: ${source} is of the family '${family}', and only 'resnet' is supported; ` +
    `use microsoft/resnet-50 or timm/resnet50.tv_in1k, or pass an ImageEncoder of your own`
  );
}
