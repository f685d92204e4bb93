import { changedInputs } from '../datasets/augmentation.js';
import type { ImageEncoder, TextEncoder } from '../encoders/encoder.js';
import { InputError } from '../errors.js';
import type { Mode } from '../fusion/fusion.js';
import type { BertResNetModel } from '../model.js';
import type { ResolvedOptions } from './options.js';

/** An input that an encoder reads. */
export type Input = 'text' | 'image';

/** Which inputs a run keeps the features of, and what is to be said about the others. */
export interface CachedInputs {
  readonly inputs: readonly Input[];
  readonly warnings: readonly string[];
}

/**
 * Which inputs can be cached: those whose encoder is frozen and that augmentation leaves alone.
 *
 * @throws InputError where there is none, with the reason for each.
 */
export function cachedInputs(
  model: BertResNetModel,
  mode: Mode,
  { cacheFeatures, augment }: Pick<ResolvedOptions, 'cacheFeatures' | 'augment'>,
): CachedInputs {
  if (cacheFeatures === false) return { inputs: [], warnings: [] };
  if (mode === 'both' && model.fusion.needs !== 'pooled') {
    throw new InputError(
      `trainer: cacheFeatures keeps one vector a row, and the fusion '${model.fusion.config.type}' reads tokens and ` +
        'regions; leave it out, or take a fusion of pooled features',
    );
  }
  const read = (['text', 'image'] as const).filter((input) => mode === 'both' || mode === input);
  const frozen = read.filter((input) => encoderOf(model, input).frozen);
  const changed = changedInputs(augment);
  const inputs = frozen.filter((input) => !changed[input]);
  if (inputs.length > 0) {
    const others = frozen.filter((input) => changed[input]);
    return { inputs, warnings: others.map((input) => `trainer: cacheFeatures: ${moving[input]}`) };
  }
  const reasons = read.map((input) =>
    frozen.includes(input) ? moving[input] : `the ${input} encoder is trained (freeze it)`,
  );
  throw new InputError(
    'trainer: cacheFeatures keeps what frozen encoders compute of rows that stay as they are, ' +
      `but ${reasons.join(', and ')}`,
  );
}

const moving: Readonly<Record<Input, string>> = {
  text: 'augment changes texts (wordDropout), so their features are computed anew in every epoch',
  image: 'augment changes pictures, so their features are computed anew in every epoch',
};

/** The encoder that reads an input. */
export function encoderOf(model: BertResNetModel, input: Input): TextEncoder | ImageEncoder {
  return input === 'text' ? model.textEncoder : model.visualEncoder;
}
