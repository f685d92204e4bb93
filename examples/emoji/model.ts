// The model of the emoji example: random weights, small enough to train on a laptop's CPU in minutes.
import { BertResNetModel, BertTokenizer, ImageProcessor } from 'bertresnet';

/**
 * A BERT of one layer, 384 wide, over bert-base-uncased's vocabulary, and a ResNet 32 to 256 wide. A text is keywords in the
 * order of the alphabet: what counts is which words there are, so one layer and the mean and maximum of all tokens read more of
 * it than more layers and [CLS].
 */
export async function emojiModel(
  folder: string,
  labels: readonly string[],
  seed: number,
): Promise<BertResNetModel> {
  return new BertResNetModel({
    labels,
    text: {
      hiddenSize: 384,
      numHiddenLayers: 1,
      numAttentionHeads: 6,
      intermediateSize: 1024,
      pooling: ['mean', 'max'],
      hiddenDropoutProb: 0.5,
    },
    image: {
      embeddingSize: 32,
      hiddenSizes: [32, 64, 128, 256],
      depths: [2, 2, 2, 2],
      layerType: 'basic',
    },
    // On so few rows `mlp` learns to trust the text, which it soon knows by heart: try it.
    fusion: 'late',
    tokenizer: await BertTokenizer.fromPretrained(folder),
    processor: new ImageProcessor({
      size: { height: 64, width: 64 },
      doCenterCrop: false,
      imageMean: [0.5, 0.5, 0.5],
      imageStd: [0.5, 0.5, 0.5],
    }),
    seed,
  });
}
