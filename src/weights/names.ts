import { InputError } from '../errors.js';
import { toOurs, toTheirs } from './rename.js';
import type { Renamer, Rule } from './rename.js';

/** What a dict of weights belongs to: a text encoder, a visual encoder, or a whole model with both. */
export type NamedKind = 'text' | 'image' | 'model';

/** BERT's names are Hugging Face's; before version 4 of transformers it was TensorFlow's names for LayerNorm. */
const bertRules: readonly Rule[] = [
  ['{*}LayerNorm.gamma', '{*}LayerNorm.weight'],
  ['{*}LayerNorm.beta', '{*}LayerNorm.bias'],
];

/** ResNet's names are torchvision's, which timm shares; these are those of Hugging Face's `ResNetModel`. */
const huggingFaceResNet: readonly Rule[] = [
  ['embedder.embedder.convolution', 'conv1'],
  ['embedder.embedder.normalization', 'bn1'],
  [
    'encoder.stages.{stage}.layers.{block}.layer.{step}.convolution',
    'layer{stage+1}.{block}.conv{step+1}',
  ],
  [
    'encoder.stages.{stage}.layers.{block}.layer.{step}.normalization',
    'layer{stage+1}.{block}.bn{step+1}',
  ],
  [
    'encoder.stages.{stage}.layers.{block}.shortcut.convolution',
    'layer{stage+1}.{block}.downsample.0',
  ],
  [
    'encoder.stages.{stage}.layers.{block}.shortcut.normalization',
    'layer{stage+1}.{block}.downsample.1',
  ],
];

/** An `nn.Sequential` of torchvision's children, as in the notebook: 2 is the ReLU and 3 the pooling. */
const sequentialResNet: readonly Rule[] = [
  ['net.0', 'conv1'],
  ['net.1', 'bn1'],
  ['net.{stage+4}', 'layer{stage+1}'],
];

/** What a dialect's models may put before every name. */
const prefixes = { text: 'bert.', image: 'resnet.' } as const;

/** What pretrained files hold besides the encoder: counters, constants, and heads of other tasks. */
const ignored = {
  text: /^(embeddings\.(position_ids|token_type_ids)$|(pooler|cls|classifier|qa_outputs)\.)/,
  image: /^(fc|classifier)\./,
  anywhere: /(^|\.)num_batches_tracked$/,
} as const;

const dialects: Readonly<Record<'text' | 'image', Renamer>> = {
  text: toOurs(bertRules),
  image: toOurs([...huggingFaceResNet, ...sequentialResNet]),
};

/** The encoders of a whole model. */
const encoders: readonly (readonly [prefix: string, kind: 'text' | 'image'])[] = [
  ['text_encoder.', 'text'],
  ['visual_encoder.', 'image'],
];

/**
 * Gives weights the names of this library: Hugging Face's for BERT (with or without `bert.`, `gamma` and `beta`),
 * torchvision's for ResNet (from timm's, Hugging Face's or the notebook's). What is no part of an encoder is left
 * out: `num_batches_tracked`, `position_ids`, BERT's pooler, heads of other tasks. A name that no rule knows stays,
 * for strict loading to report.
 *
 * @param kind `model` for a whole model, whose encoders are `text_encoder.` and `visual_encoder.`.
 * @param own names that are meant as they are: a custom encoder may have a pooler.
 * @throws InputError where two names become one.
 */
export function normalizeNames<T>(
  dict: Readonly<Record<string, T>>,
  kind: NamedKind,
  own?: { has(name: string): boolean },
): Record<string, T> {
  const rename =
    kind === 'model' ? normalizeModelName : (name: string) => normalizeName(name, kind);
  return renameAll(dict, (name) => (own?.has(name) ? name : rename(name)));
}

/** A whole model's weights with the notebook's names for the visual encoder: `visual_encoder.net.4.0.conv1.weight`. */
export function toNotebookNames<T>(dict: Readonly<Record<string, T>>): Record<string, T> {
  return renameAll(dict, within('visual_encoder.', toTheirs(sequentialResNet)));
}

/** The reverse of `toNotebookNames`. */
export function fromNotebookNames<T>(dict: Readonly<Record<string, T>>): Record<string, T> {
  return renameAll(dict, within('visual_encoder.', toOurs(sequentialResNet)));
}

/** A visual encoder's weights with the names of Hugging Face's `ResNetModel`; `normalizeNames` is the reverse. */
export function toHuggingFaceNames<T>(dict: Readonly<Record<string, T>>): Record<string, T> {
  const rename = toTheirs(huggingFaceResNet);
  return renameAll(dict, (name) => rename(name) ?? name);
}

function normalizeModelName(name: string): string | undefined {
  for (const [prefix, kind] of encoders) {
    if (!name.startsWith(prefix)) continue;
    const inner = normalizeName(name.slice(prefix.length), kind);
    return inner === undefined ? undefined : prefix + inner;
  }
  return ignored.anywhere.test(name) ? undefined : name;
}

/** Our name, or nothing for what is left out. */
function normalizeName(name: string, kind: 'text' | 'image'): string | undefined {
  const prefix = prefixes[kind];
  const bare = name.startsWith(prefix) ? name.slice(prefix.length) : name;
  if (ignored.anywhere.test(bare) || ignored[kind].test(bare)) return undefined;
  return dialects[kind](bare) ?? bare;
}

function within(prefix: string, rename: Renamer): (name: string) => string {
  return (name) => {
    const inner = name.startsWith(prefix) ? rename(name.slice(prefix.length)) : undefined;
    return inner === undefined ? name : prefix + inner;
  };
}

function renameAll<T>(
  dict: Readonly<Record<string, T>>,
  rename: (name: string) => string | undefined,
): Record<string, T> {
  const renamed = new Map<string, readonly [from: string, value: T]>();
  for (const [from, value] of Object.entries(dict)) {
    const name = rename(from);
    if (name === undefined) continue;
    const other = renamed.get(name);
    if (other !== undefined) {
      throw new InputError(
        `weights: '${other[0]}' and '${from}' both mean '${name}'; keep one of them`,
      );
    }
    renamed.set(name, [from, value]);
  }
  return Object.fromEntries([...renamed].map(([name, [, value]]) => [name, value]));
}
