import { changedInputs } from '../datasets/augmentation.js';
import type { EncoderConfig, ImageEncoder, TextEncoder } from '../encoders/encoder.js';
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
 * Which inputs can be cached: those whose encoder is frozen, and known by its configuration, and that augmentation
 * leaves alone.
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
  const changed = changedInputs(augment);
  const frozen = inputsOf(mode).filter((input) => encoderOf(model, input).frozen);
  const why = (input: Input): string | undefined => {
    if (!frozen.includes(input)) return `the ${input} encoder is trained (freeze it)`;
    if (!hasIdentity(model, input)) return anonymous(input);
    return changed[input] ? moving[input] : undefined;
  };
  const reasons = inputsOf(mode).map((input) => [input, why(input)] as const);
  const inputs = reasons.flatMap(([input, reason]) => (reason === undefined ? [input] : []));
  if (inputs.length > 0) {
    const others = reasons.filter(([input, reason]) => reason && frozen.includes(input));
    return { inputs, warnings: others.map(([, reason]) => `trainer: cacheFeatures: ${reason!}`) };
  }
  throw new InputError(
    'trainer: cacheFeatures keeps what frozen encoders compute of rows that stay as they are, ' +
      `but ${reasons.map(([, reason]) => reason!).join(', and ')}`,
  );
}

/** The inputs of rows as they are that can be cached: those whose encoder is frozen and can be told from others. */
export function cacheable(model: BertResNetModel, mode: Mode): Input[] {
  if (mode === 'both' && model.fusion.needs !== 'pooled') return [];
  return inputsOf(mode).filter(
    (input) => encoderOf(model, input).frozen && hasIdentity(model, input),
  );
}

function inputsOf(mode: Mode): Input[] {
  return (['text', 'image'] as const).filter((input) => mode === 'both' || mode === input);
}

/** Whether an encoder of one's own says in its configuration what it is, as those of this library do. */
function hasIdentity(model: BertResNetModel, input: Input): boolean {
  const { config } = encoderOf(model, input) as { readonly config?: Partial<EncoderConfig> };
  return typeof config?.modelType === 'string' && config.modelType !== '';
}

function anonymous(input: Input): string {
  return (
    `the ${input} encoder cannot be told from others (name it in config.modelType), ` +
    'so its features are computed anew in every epoch'
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
