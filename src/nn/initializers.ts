import type { Random } from './random.js';

/** Fills a parameter's first values; `random` is a stream that belongs to this parameter alone. */
export type Initializer = (values: Float32Array, shape: readonly number[], random: Random) => void;

/** Every element the same. */
export function constant(value: number): Initializer {
  return (values) => void values.fill(value);
}

/** Normal with mean 0 (BERT: Devlin et al. 2018, `initializer_range`). */
export function normal(deviation: number): Initializer {
  return (values, _shape, random) => {
    for (let i = 0; i < values.length; i++) values[i] = random.normal(0, deviation);
  };
}

/** Normal, but for one row that is zero and stays so: the embedding of the padding token. */
export function normalExceptRow(deviation: number, row: number): Initializer {
  const fill = normal(deviation);
  return (values, shape, random) => {
    fill(values, shape, random);
    const width = values.length / shape[0]!;
    values.fill(0, row * width, (row + 1) * width);
  };
}

/** Uniform in [-bound, bound). */
export function uniform(bound: number): Initializer {
  return (values, _shape, random) => {
    for (let i = 0; i < values.length; i++) values[i] = random.uniform(-bound, bound);
  };
}

/**
 * PyTorch's default for the weight and the bias of a linear or convolutional layer: uniform within
 * 1 / sqrt(fan in), which is Kaiming's uniform with a = sqrt(5).
 */
export function defaultUniform(fanIn: number): Initializer {
  return uniform(1 / Math.sqrt(fanIn));
}

/** Kaiming's normal for a ReLU, by fan out (He et al. 2015), which torchvision's ResNet uses; shape OIHW. */
export const kaimingNormalFanOut: Initializer = (values, shape, random) => {
  const fanOut = values.length / shape[1]!;
  normal(Math.sqrt(2 / fanOut))(values, shape, random);
};
