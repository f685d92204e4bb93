import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Attribute, ElementType } from '../../src/backends/onnxruntime/graph.js';
import { toOnnx } from '../../src/backends/onnxruntime/onnx.js';
import type { Program } from '../../src/backends/onnxruntime/program.js';
import { BertTokenizer } from '../../src/datasets/tokenizer.js';
import { Random } from '../../src/nn/random.js';

/** Feature-extraction models in the layout of the hub, small enough to compute by hand. */

type Axes = readonly (number | string)[];

const spec = (name: string, dtype: ElementType, shape: Axes) => ({
  ...{ name, dtype },
  shape: shape as readonly number[], // an axis of any size has a name
});
const node = (
  op: string,
  inputs: readonly string[],
  output: string,
  attributes: Record<string, Attribute> = {},
): Program['nodes'][number] => ({
  ...{ op, domain: '', inputs, attributes },
  outputs: [spec(output, 'float32', [])],
});
const constant = (
  name: string,
  dtype: 'float32' | 'int64',
  shape: readonly number[],
  data: readonly number[],
) => ({ name, dtype, shape, data, constant: true as const });

export const vocabulary = [
  ...['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'],
  ...['a', 'the', 'ice', 'snow', 'frost', 'wind', 'cloud', 'rain', 'sun', 'sand', 'fire'],
];
export const textWidth = 6;

/** The vectors of the words, [words, textWidth]. */
export function wordVectors(seed = 1): number[][] {
  const random = new Random(seed);
  const vector = (): number[] =>
    Array.from({ length: textWidth }, () => Math.fround(random.normal(0, 1)));
  return vocabulary.map(vector);
}

/** last_hidden_state is each word's vector and the mean of the text's. */
function textProgram(seed: number): Uint8Array {
  const table = wordVectors(seed).flat();
  const ids = ['batch', 'length'];
  return toOnnx({
    inputs: [spec('input_ids', 'int64', ids), spec('attention_mask', 'int64', ids)],
    constants: [
      constant('table', 'float32', [vocabulary.length, textWidth], table),
      constant('one', 'int64', [1], [1]),
      constant('two', 'int64', [1], [2]),
    ],
    nodes: [
      node('Gather', ['table', 'input_ids'], 'words'),
      node('Cast', ['attention_mask'], 'kept', { to: 1 }),
      node('Unsqueeze', ['kept', 'two'], 'mask'),
      node('Mul', ['words', 'mask'], 'counted'),
      node('ReduceSum', ['counted', 'one'], 'sum', { keepdims: 1 }),
      node('ReduceSum', ['mask', 'one'], 'count', { keepdims: 1 }),
      node('Div', ['sum', 'count'], 'mean'),
      node('Add', ['words', 'mean'], 'last_hidden_state'),
    ],
    outputs: [spec('last_hidden_state', 'float32', [...ids, textWidth])],
  });
}

export const imageWidth = 4;
/** What each of the image model's features takes of red, green and blue. */
export const colourWeights = [
  [1, 0, 0],
  [0, 2, 0],
  [0, 0, -1],
  [0.5, -0.5, 1],
];
export const side = 8;
export const [mean, deviation] = [0.5, 0.25];

/** last_hidden_state is a map of colours mixed; pooler_output the largest of each over the places. */
function imageProgram(): Uint8Array {
  return toOnnx({
    inputs: [spec('pixel_values', 'float32', ['batch', 3, 'height', 'width'])],
    constants: [constant('weights', 'float32', [imageWidth, 3, 1, 1], colourWeights.flat())],
    nodes: [
      node('Conv', ['pixel_values', 'weights'], 'last_hidden_state', { kernel_shape: [1, 1] }),
      node('GlobalMaxPool', ['last_hidden_state'], 'pooler_output'),
    ],
    outputs: [
      spec('last_hidden_state', 'float32', ['batch', imageWidth, 'height', 'width']),
      spec('pooler_output', 'float32', ['batch', imageWidth, 1, 1]),
    ],
  });
}

async function writeModel(folder: string, config: object, model: Uint8Array): Promise<void> {
  await mkdir(join(folder, 'onnx'), { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  await writeFile(join(folder, 'onnx/model.onnx'), model);
}

/** A model of texts of at most 12 tokens. */
export async function writeTextModel(folder: string, seed = 1): Promise<string> {
  await writeModel(folder, { model_type: 'bert', hidden_size: textWidth }, textProgram(seed));
  await (await BertTokenizer.fromVocab(vocabulary, { maxLength: 12 })).save(folder);
  return folder;
}

/** A model of pictures, which its processor makes `side` pixels wide and high. */
export async function writeImageModel(folder: string): Promise<string> {
  await writeModel(folder, { model_type: 'resnet' }, imageProgram());
  const preprocessor = {
    image_processor_type: 'ViTImageProcessor',
    ...{ do_resize: true, size: { height: side, width: side }, resample: 2 },
    ...{ do_rescale: true, rescale_factor: 1 / 255 },
    ...{ do_normalize: true, image_mean: [mean, mean, mean] },
    image_std: [deviation, deviation, deviation],
  };
  await writeFile(join(folder, 'preprocessor_config.json'), JSON.stringify(preprocessor));
  return folder;
}
