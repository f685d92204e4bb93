import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import type { LabelledExample } from '../../src/datasets/exampleDataset.js';
import type { Dataset, PixelData } from '../../src/datasets/example.js';
import { ImageProcessor } from '../../src/datasets/image.js';
import { BertTokenizer } from '../../src/datasets/tokenizer.js';
import { BertResNetModel } from '../../src/model.js';
import type { ModelOptions } from '../../src/modelOptions.js';
import { Random } from '../../src/nn/random.js';

export const labels = ['cold', 'mild', 'warm'];
const words = [
  ['ice', 'snow', 'frost'],
  ['wind', 'cloud', 'rain'],
  ['sun', 'sand', 'fire'],
];
const colours = [
  [20, 40, 220],
  [120, 120, 120],
  [230, 60, 20],
];

const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'the', ...words.flat()];
const side = 8;

/** A model that trains in a moment, with what reads its inputs. */
export async function tinyModel(options: ModelOptions = {}): Promise<BertResNetModel> {
  return new BertResNetModel({
    labels,
    text: {
      vocabSize: vocabulary.length,
      hiddenSize: 8,
      numHiddenLayers: 1,
      numAttentionHeads: 2,
      intermediateSize: 12,
      maxPositionEmbeddings: 16,
    },
    image: { embeddingSize: 4, hiddenSizes: [4, 6], depths: [1, 1], layerType: 'basic' },
    hiddenSize: 8,
    tokenizer: await BertTokenizer.fromVocab(vocabulary),
    processor: new ImageProcessor({ size: { height: side, width: side }, cropSize: side }),
    ...options,
  });
}

/** A row whose words and colour both tell its label, each with some noise. */
function tinyRow(random: Random, label: number): LabelledExample {
  const word = (): string => words[label]![random.integer(3)]!;
  const data = new Uint8Array(side * side * 4);
  for (let i = 0; i < data.length; i++) {
    const channel = i % 4;
    data[i] =
      channel === 3
        ? 255
        : Math.max(0, Math.min(255, colours[label]![channel]! + random.normal(0, 40)));
  }
  const image: PixelData = { data, width: side, height: side };
  return { text: `the ${word()} a ${word()}`, image, label: labels[label]! };
}

export function tinyRows(count: number, seed = 1): LabelledExample[] {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, i) => tinyRow(random, i % labels.length));
}

export function tinyData(count: number, seed = 1, name = 'tiny'): Dataset {
  return datasetFrom(tinyRows(count, seed), { labels, name });
}

/** Every weight and statistic of a model, by name. */
export async function weightsOf(model: BertResNetModel): Promise<Record<string, number[]>> {
  const entries = Object.entries(model.stateDict());
  const values = await Promise.all(entries.map(([, tensor]) => tensor.data()));
  entries.forEach(([, tensor]) => tensor.dispose());
  return Object.fromEntries(entries.map(([name], i) => [name, [...values[i]!]]));
}
