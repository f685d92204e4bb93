// A data set that fits on a screen: the text names an animal, the picture shows a colour, and the
// label is both. Text alone is right half the time, the picture alone too; both together always.
import { BertResNetModel, BertTokenizer, ImageProcessor, datasetFrom } from 'bertresnet';
import type { Dataset, LabelledExample, PixelData } from 'bertresnet';

const animals = ['cat', 'dog'];
const colours = { red: [220, 40, 40], blue: [40, 40, 220] };
const phrases = ['a', 'the', 'my', 'look , a', 'one', 'here is the'];
const labels = ['blue cat', 'blue dog', 'red cat', 'red dog'];

/** Every phrase with every animal and every colour, as often as asked; no two pictures are the same. */
export function tinyDataset(name: string, repeats: number): Dataset {
  const rows: LabelledExample[] = [];
  for (let i = 0; i < repeats; i++) {
    for (const phrase of phrases) {
      for (const animal of animals) {
        for (const [colour, rgb] of Object.entries(colours)) {
          const image = patch(rgb, name.length + rows.length);
          rows.push({ text: `${phrase} ${animal}`, image, label: `${colour} ${animal}` });
        }
      }
    }
  }
  return datasetFrom(rows, { name }); // rows in memory; CsvDataset reads them from a file
}

/** 16 x 16 pixels of a colour, with a grain that depends on `seed`. */
function patch(colour: readonly number[], seed: number): PixelData {
  const data = new Uint8ClampedArray(16 * 16 * 4).fill(255);
  for (let i = 0; i < data.length; i++) {
    if (i % 4 < 3) data[i] = colour[i % 4]! + 60 * Math.sin(seed * 7.1 + i * i * 0.37);
  }
  return { data, width: 16, height: 16 };
}

/** A model of a few thousand parameters, with a vocabulary of a dozen words. */
export async function tinyModel(fusion = 'mlp'): Promise<BertResNetModel> {
  const words = new Set(`${phrases.join(' ')} ${animals.join(' ')}`.split(' '));
  const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...words];
  return new BertResNetModel({
    labels,
    text: {
      vocabSize: vocabulary.length,
      hiddenSize: 32,
      numHiddenLayers: 1,
      numAttentionHeads: 2,
      intermediateSize: 64,
      maxPositionEmbeddings: 16,
    },
    image: { embeddingSize: 8, hiddenSizes: [8, 16], depths: [1, 1], layerType: 'basic' },
    fusion,
    hiddenSize: 32,
    tokenizer: await BertTokenizer.fromVocab(vocabulary, { lowercase: true }),
    processor: new ImageProcessor({
      size: { height: 16, width: 16 },
      doCenterCrop: false,
      imageMean: [0.5, 0.5, 0.5],
      imageStd: [0.5, 0.5, 0.5],
    }),
    seed: 1,
  });
}
