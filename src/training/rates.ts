import { blocksAbove, encoderOfParameter } from './layers.js';
import type { ResolvedTraining } from './options.js';

type RateOptions = Pick<
  ResolvedTraining,
  'learningRate' | 'textLearningRate' | 'imageLearningRate' | 'headLearningRate' | 'layerDecay'
>;

/**
 * The peak rate of each parameter: that of its encoder, or of the head. With `layerDecay` an encoder's last block has
 * its rate times the factor, the one before it times the factor squared, and so on (Clark et al. 2020; the numbers of
 * timm's `param_groups_layer_decay`).
 *
 * @param names of all parameters of the model, so that a frozen block counts as one
 */
export function parameterRates(names: Iterable<string>, options: RateOptions): Map<string, number> {
  const all = [...names];
  const above = blocksAbove(all);
  return new Map(
    all.map((name) => {
      const blocks = above.get(name);
      const factor = blocks === undefined ? 1 : options.layerDecay ** (blocks + 1);
      return [name, partRate(name, options) * factor];
    }),
  );
}

function partRate(name: string, options: RateOptions): number {
  const { learningRate, textLearningRate, imageLearningRate, headLearningRate } = options;
  const encoder = encoderOfParameter(name);
  if (encoder === 'text') return textLearningRate ?? learningRate;
  if (encoder === 'image') return imageLearningRate ?? learningRate;
  return headLearningRate ?? learningRate;
}
