import { nextTrial } from '../index.js';
import type { SearchRange, SearchSettings, SearchSpace, Trial, TrialResult } from '../index.js';
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
  const mode = modeOf(fixed);
  // One input alone has a head of its own, which none of them changes.
  const joined: SearchSpace = mode === 'both' ? { fusion: fusions } : {};
  // Where no encoder is ever trained, the head's rate is all there is.
  const frozen = fixed.freeze === 'both' || fixed.freeze === mode;
  const headAlone = frozen && !fixed.freezeEpochs && !fixed.unfreeze;
  const encoders = mode === 'both' ? ['image', 'both'] : [mode];
  // Adapters stand in a text encoder, which then cannot be frozen.
  const freezes = encoders.filter((one) => one === 'image' || fixed.lora === undefined);
  const space: SearchSpace = fixed.scratch
    ? { learningRate: { min: 1e-4, max: 1e-2, log: true }, ...joined }
    : {
        ...(headAlone ? {} : { learningRate: { min: 5e-6, max: 1e-4, log: true } }),
        headLearningRate: { min: 1e-4, max: 3e-3, log: true },
        ...joined,
        ...(freezes.length > 0 ? { freeze: [null, ...freezes] } : {}),
      };
  return Object.fromEntries(
    Object.entries(space).filter(([key]) => fixed[key as keyof TrainValues] === undefined),
  );
}

/** What is trained as far as the options say: a column may also be missing. */
function modeOf({ mode, textColumn, imageColumn }: TrainValues): 'text' | 'image' | 'both' {
  if (mode !== undefined) return mode;
  if (imageColumn === 'none') return 'text';
  return textColumn === 'none' ? 'image' : 'both';
}

/** A range of numbers. */
export type NumberRange = Exclude<SearchRange, readonly unknown[]>;

/** Whether an option is to be drawn from a range of numbers. */
export function isRange(range: SearchRange): range is NumberRange {
  return typeof range === 'object' && range !== null && !Array.isArray(range);
}

/**
 * What `nextTrial` tries next, in whole numbers where the option takes no others: they are drawn from half a number
 * below the range to half a number above it, so that its ends are as likely as what lies between them.
 */
export function nextOf(results: readonly TrialResult[], settings: SearchSettings) {
  const ranges = new Map(Object.entries(settings.space).filter(isWhole));
  const wide = [...ranges].map(([key, { min, max, log }]) => {
    return [key, { min: min - 0.5, max: max + 0.5, log }] as const;
  });
  const space = { ...settings.space, ...Object.fromEntries(wide) };
  const trial = nextTrial(results, { ...settings, space });
  if (trial === undefined) return undefined;
  const drawn = Object.entries(trial.options).map(([key, value]) => {
    const range = ranges.get(key);
    return [key, range === undefined ? value : rounded(value as number, range)];
  });
  return { ...trial, options: Object.fromEntries(drawn) as Trial['options'] };
}

function isWhole(entry: [string, SearchRange]): entry is [string, NumberRange] {
  const [key, range] = entry;
  return isRange(range) && triedOptions[key as keyof typeof triedOptions]?.numbers === 'whole';
}

function rounded(value: number, { min, max }: NumberRange): number {
  return Math.min(max, Math.max(min, Math.round(value)));
}
