// The models on offer: small enough to be trained in a tab, from random weights.

/** A model's geometry and the recipe that suits it. */
export interface Size {
  readonly name: string;
  readonly about: string;
  readonly text: {
    readonly hiddenSize: number;
    readonly numHiddenLayers: number;
    readonly numAttentionHeads: number;
    readonly intermediateSize: number;
  };
  readonly image: {
    readonly embeddingSize: number;
    readonly hiddenSizes: readonly number[];
    readonly depths: readonly number[];
    readonly layerType: 'basic';
  };
  /** Pixels of the square that pictures are resized to. */
  readonly pixels: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
}

export const sizes = {
  tiny: {
    name: 'Tiny',
    about: 'BERT 2 layers, 64 wide. ResNet 16 to 64 wide on 32 × 32 pixels.',
    text: { hiddenSize: 64, numHiddenLayers: 2, numAttentionHeads: 2, intermediateSize: 256 },
    image: { embeddingSize: 16, hiddenSizes: [16, 32, 64], depths: [1, 1, 1], layerType: 'basic' },
    pixels: 32,
    epochs: 12,
    batchSize: 64,
    learningRate: 2e-3,
  },
  small: {
    name: 'Small',
    about: 'BERT 2 layers, 128 wide. ResNet 32 to 256 wide on 64 × 64 pixels.',
    text: { hiddenSize: 128, numHiddenLayers: 2, numAttentionHeads: 2, intermediateSize: 512 },
    image: {
      embeddingSize: 32,
      hiddenSizes: [32, 64, 128, 256],
      depths: [2, 2, 2, 2],
      layerType: 'basic',
    },
    pixels: 64,
    epochs: 30,
    batchSize: 64,
    learningRate: 1e-3,
  },
} as const satisfies Readonly<Record<string, Size>>;

export type SizeName = keyof typeof sizes;

/** The fusions on offer, the first to try first. */
export const fusions = {
  late: {
    name: 'Vote',
    about: 'Text and picture each give an answer, and the two are added. Hard to fool on few rows.',
  },
  mlp: {
    name: 'Join',
    about: 'What both found is laid side by side, and two layers decide.',
  },
  attention: {
    name: 'Weigh',
    about: 'For each row the model decides which of the two to trust more, then joins them.',
  },
  cnn: {
    name: 'Convolve',
    about: 'What both found is read like a signal, by two small convolutions.',
  },
} as const;

export type FusionName = keyof typeof fusions;
