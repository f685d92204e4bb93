import type { BertResNetModel } from '../model.js';
import type { TrainingOptions } from './options.js';

/** The options that say how fast, how long and towards what is learned, and the rates among them. */
const rates = [
  ...(['learningRate', 'textLearningRate', 'imageLearningRate', 'headLearningRate'] as const),
];

/** The peak rates: what is pretrained is to keep what it knows, what begins at random has everything to learn. */
export const defaultRates = { pretrained: 2e-5, adapters: 3e-4, random: 1e-3 } as const;

/** What a run is given by its model where no rate is given. */
export type ModelDefaults = Pick<
  TrainingOptions,
  (typeof rates)[number] | 'epochs' | 'schedule' | 'warmupRatio' | 'ema'
>;

/**
 * What suits a model where no rate is given: each encoder's rate by whether it was pretrained, and the rest by whether
 * any of them was. Whoever gives a rate has settled how the run learns, and gets no other of these.
 *
 * | | an encoder was pretrained | all weights are random |
 * |---|---|---|
 * | rate of a pretrained encoder | 2e-5, of adapters (`lora`) 3e-4 | - |
 * | rate of a random encoder, and of what is behind the encoders | 1e-3 | 1e-3 |
 * | `epochs` | 5 | 30 |
 * | `schedule`, `warmupRatio` | cosine, 0.1 | cosine, 0.1 |
 * | `ema` | 0 | 0.98 |
 *
 * @returns those of them that are not given, none where a rate is
 */
export function defaultsFor(model: BertResNetModel, given: TrainingOptions): ModelDefaults {
  if (rates.some((name) => given[name] !== undefined)) return {};
  const uses = (input: 'text' | 'image'): boolean =>
    (given.mode ?? 'both') === 'both' || given.mode === input;
  const text = uses('text') && model.textEncoder?.pretrained === true;
  const image = uses('image') && model.visualEncoder?.pretrained === true;
  const ofEncoders = text || image ? { epochs: 5, ema: 0 } : { epochs: 30, ema: 0.98 };
  const { pretrained, adapters, random } = defaultRates;
  const textRate = given.lora === undefined ? pretrained : adapters;
  const chosen: ModelDefaults = {
    learningRate: random,
    ...(text && { textLearningRate: textRate }),
    ...(image && { imageLearningRate: pretrained }),
    ...ofEncoders,
    schedule: 'cosine',
    ...(given.warmupSteps === undefined && { warmupRatio: 0.1 }),
  };
  const left = Object.entries(chosen).filter(
    ([name]) => given[name as keyof TrainingOptions] === undefined,
  );
  return Object.fromEntries(left);
}

/** The defaults in a line: `learningRate 0.001, textLearningRate 0.00002, epochs 5`. */
export function describeDefaults(chosen: ModelDefaults): string {
  return Object.entries(chosen)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ');
}

/** Remembers which encoders count as pretrained; the function that is returned puts that back. */
export function rememberPretrained({ textEncoder, visualEncoder }: BertResNetModel): () => void {
  const [text, image] = [textEncoder.pretrained, visualEncoder.pretrained];
  return () => {
    textEncoder.pretrained = text;
    visualEncoder.pretrained = image;
  };
}
