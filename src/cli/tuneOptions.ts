import type { SearchSpace } from '../index.js';
import { engineOptions } from './engine.js';
import { duration, flag, integer, optionalText, text } from './options.js';
import type { Values } from './options.js';
import { modelOptions, rowOptions, runOptions, trainingOptions } from './trainOptions.js';
import type { TrainValues } from './trainOptions.js';

const { epochs: _, ...fixable } = trainingOptions;
const { gradientCheckpointing, cacheFeatures, evalBatchSize } = runOptions;

const searchOptions = {
  budget: duration('The time that trials may take, all together (default: no limit)'),
  trials: integer('How many configurations are drawn at most (default 30)'),
  minEpochs: integer('The epochs that each is trained for at first (default 1)'),
  maxEpochs: integer('The epochs that the best are trained for (default 5)'),
  space: text(
    'FILE',
    'What is tried, a JSON file: {"mixup": [0, 0.2], "learning-rate": { "min": 1e-5, "max": 1e-3, "log": true }}',
  ),
  out: text('FOLDER', 'Where the search is kept (default results/tune)'),
  resume: optionalText('FOLDER', 'Go on with a search, exactly (default: that of --out)'),
  json: flag('Print the trials as JSON on stdout, and nothing else there'),
};

/** Every option of `tune`: those of `train` that are given stay fixed. */
export const options = {
  ...searchOptions,
  ...rowOptions,
  ...modelOptions,
  ...fixable,
  ...{ gradientCheckpointing, cacheFeatures, evalBatchSize },
  ...engineOptions,
};

// What trials are judged by, and what is kept of a run, is the same for all of them.
const { seed: __, monitor: ___, keepAdapter: ____, ...tried } = fixable;

/** What `--space` may name: options that make a model, or train it. */
export const triedOptions = { ...modelOptions, ...tried };

/** The options of `tune` as they were given. */
export type TuneValues = Values<typeof options>;

/** Those of them that are `train`'s. */
export function fixedOf(values: TuneValues): TrainValues {
  const own = Object.keys(searchOptions);
  return Object.fromEntries(Object.entries(values).filter(([key]) => !own.includes(key)));
}

/** The usual one, and those that docs/fusions.md cannot tell from the best on either data, but the slowest two. */
const fusions = ['mlp', 'max', 'sum', 'gmu', 'mfb'];

/** What is tried by default; `null` leaves an option to its default. What was given is not tried. */
export function defaultSpace(fixed: TrainValues): SearchSpace {
  // Where no encoder is ever trained, the head's rate is all there is.
  const headAlone = fixed.freeze === 'both' && !fixed.freezeEpochs && !fixed.unfreeze;
  const space: SearchSpace = fixed.scratch
    ? { learningRate: { min: 1e-4, max: 1e-2, log: true }, fusion: fusions }
    : {
        ...(headAlone ? {} : { learningRate: { min: 5e-6, max: 1e-4, log: true } }),
        headLearningRate: { min: 1e-4, max: 3e-3, log: true },
        fusion: fusions,
        freeze: [null, 'image', 'both'],
      };
  return Object.fromEntries(
    Object.entries(space).filter(([key]) => fixed[key as keyof TrainValues] === undefined),
  );
}
