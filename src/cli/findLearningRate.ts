import { findLearningRate } from '../index.js';
import type { LearningRateRange, RangePoint } from '../index.js';
import { defineCommand } from './command.js';
import type { Invocation } from './command.js';
import { engineOptions, startEngine } from './engine.js';
import { flag, integer, number } from './options.js';
import { table } from './table.js';
import { exitCodes } from './terminal.js';
import { makeModel, requireTokenizer } from './trainModel.node.js';
import { modelOptions, rowOptions, runOptions, trainingOptions } from './trainOptions.js';
import { openRows } from './trainRows.js';
import { cacheFolder, trainingOptionsOf } from './trainTask.node.js';

const { gradientCheckpointing, cacheFeatures } = runOptions;

const options = {
  min: number('The rate of the first step (default 1e-7)'),
  max: number('The rate of the last step (default 1)'),
  steps: integer('Optimizer steps (default 100)', 10),
  json: flag('Print the suggestion and every step as JSON on stdout, and nothing else there'),
  ...rowOptions,
  ...modelOptions,
  ...trainingOptions,
  ...{ gradientCheckpointing, cacheFeatures },
  ...engineOptions,
};

async function run({ positionals, options: given, terminal, signal }: Invocation<typeof options>) {
  const { min: minLearningRate, max: maxLearningRate, steps, json, ...values } = given;
  requireTokenizer(values);
  const { train } = await openRows({ train: positionals[0]!, values }, terminal, 'find-lr');
  await startEngine(values, terminal);
  const model = await makeModel(values, train.labels);
  signal.throwIfAborted();
  const found = await findLearningRate(model, train, {
    ...(await trainingOptionsOf(values)),
    ...{ minLearningRate, maxLearningRate, steps, signal },
    ...{ gradientCheckpointing: values.gradientCheckpointing, cacheFeatures: cacheFolder(values) },
    onWarning: (warning) => terminal.say(`warning: ${warning}`),
  });
  if (json) terminal.out(JSON.stringify(found, null, 2));
  else rangeLines(found).forEach((line) => terminal.out(line));
  return exitCodes.ok;
}

const shownPoints = 20;

/** The curve at a few of its points, and what follows from it. */
function rangeLines({ points, suggestion, diverged }: LearningRateRange): string[] {
  const every = Math.max(1, Math.ceil(points.length / shownPoints));
  const shown = points.filter((_, i) => (points.length - 1 - i) % every === 0);
  const ended = diverged ? 'The loss grew out of bounds behind the last of these.' : undefined;
  const advice =
    suggestion === undefined
      ? 'No suggestion: the loss fell nowhere; look at the data, or try --steps and --max larger.'
      : `--learning-rate ${suggestion.toPrecision(2)} (where the loss fell most steeply)`;
  const rows = shown.map(({ learningRate, smoothedLoss }: RangePoint) => [
    learningRate.toExponential(2),
    smoothedLoss.toFixed(4),
  ]);
  return [...table([['rate', 'loss'], ...rows]), ...(ended === undefined ? [] : [ended]), advice];
}

/** `bertresnet find-lr`: a learning rate range test. */
export const findLearningRateCommand = defineCommand({
  name: 'find-lr',
  summary: 'Find a learning rate: train with a growing one, and see where the loss falls',
  positionals: [{ name: 'CSV', help: 'The rows that are to be trained on' }],
  options,
  examples: [
    'find-lr train.csv --text path/to/bert --image path/to/resnet --fusion attention',
    'find-lr train.csv --scratch --text bert-tiny --image resnet18 --tokenizer vocab.txt',
  ],
  run,
});
