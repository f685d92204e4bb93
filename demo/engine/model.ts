import { BertResNetModel, ImageProcessor } from 'bertresnet';
import type { TrainingOptions } from 'bertresnet';
import type { Setup } from '../protocol.js';
import { sizes } from '../sizes.js';
import { squares } from './pictures.js';
import { tokenizerFor } from './vocabulary.js';

/** Longer texts are cut. */
const maxLength = 64;
const half = [0.5, 0.5, 0.5];
export const seed = 42;

/** A model with random weights that reads texts like these. */
export async function buildModel(
  { size: name, fusion }: Setup,
  labels: readonly string[],
  texts: readonly string[],
  vocabulary: readonly string[],
): Promise<BertResNetModel> {
  const size = sizes[name];
  const tokenizer = await tokenizerFor(texts, vocabulary, maxLength);
  return new BertResNetModel({
    labels,
    text: { ...size.text, vocabSize: tokenizer.vocabSize, maxPositionEmbeddings: maxLength },
    image: size.image,
    fusion,
    hiddenSize: size.text.hiddenSize,
    tokenizer,
    processor: new ImageProcessor({ ...squares(size.pixels), imageMean: half, imageStd: half }),
    seed,
  });
}

/** How such a model is trained: few rows are soon known by heart, and most of this is there to make that harder. */
export function recipe({ size: name, epochs, vary }: Setup, rows: number): TrainingOptions {
  const { batchSize, learningRate } = sizes[name];
  return {
    epochs,
    // Some steps a pass, however few the rows.
    batchSize: Math.max(4, Math.min(batchSize, Math.ceil(rows / 8))),
    learningRate,
    weightDecay: 0.3,
    labelSmoothing: 0.1,
    auxiliary: { weight: 0.5, reachEncoders: true },
    monitor: 'loss',
    seed,
    ...(vary && { mixup: 0.4, augment: variations }),
  };
}

const variations: TrainingOptions['augment'] = {
  wordDropout: 0.4,
  horizontalFlip: 0.5,
  rotation: 15,
  shift: 0.1,
  scale: [0.8, 1.2],
  fill: [255, 255, 255],
  brightness: 0.3,
  contrast: 0.3,
  saturation: 0.3,
};
