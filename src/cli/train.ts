import { LineProgress, Trainer } from '../index.js';
import type { BertResNetModel, EpochRecord, EvaluationReport } from '../index.js';
import { defineCommand } from './command.js';
import type { Invocation } from './command.js';
import { startEngine } from './engine.js';
import { isInterruption } from './interrupt.js';
import { reportLines } from './reportLines.js';
import { loadModel, openRun, readRunJson } from './runFolder.node.js';
import { plural } from './table.js';
import { exitCodes } from './terminal.js';
import type { Terminal } from './terminal.js';
import { makeModel, requireTokenizer } from './trainModel.node.js';
import { quoted, reportRun } from './trainReport.node.js';
import { options } from './trainOptions.js';
import { openRows } from './trainRows.js';
import {
  holdsModel,
  newTask,
  recordOf,
  resumedTask,
  trainerOptions,
  withConfig,
} from './trainTask.node.js';
import type { TrainTask } from './trainTask.node.js';

async function run({ positionals, options: given, terminal, signal }: Invocation<typeof options>) {
  const { train: csv, values } = await withConfig({ train: positionals[0], values: given });
  const task =
    values.resume === undefined ? await newTask(csv, values) : await resumedTask(csv, values);
  requireTokenizer(task.values);
  const { train, validation } = await openRows(task, terminal);
  const backend = await startEngine(task.values, terminal);
  const model = await modelOf(task, train.labels);
  terminal.say(`model: ${plural(parameterCount(model), 'parameter')}`);
  const trainer = new Trainer(model, {
    ...(await trainerOptions(task)),
    record: { command: await recordOf(task) },
    progress: terminal.interactive || new LineProgress({ write: terminal.say }),
    onWarning: (warning) => terminal.say(`warning: ${warning}`),
  });
  signal.throwIfAborted();
  try {
    const history = await trainer.fit(train, { validation, signal });
    const { options: training } = trainer;
    await reportRun({ task, model, train, validation, training, signal, terminal });
    await sayRun(task, model, history, { backend, terminal });
    return exitCodes.ok;
  } catch (error) {
    if (!isInterruption(error, signal)) throw error;
    terminal.say(`Stopped. To go on: bertresnet train --resume ${quoted(task.folder)}`);
    return exitCodes.interrupted;
  }
}

/** The model of a run: one that is resumed has its geometry, vocabulary and pictures beside its best weights. */
async function modelOf(task: TrainTask, labels: readonly string[]): Promise<BertResNetModel> {
  const { folder, resume, values } = task;
  if (resume && (await holdsModel(folder))) return loadModel(await openRun(folder, 'train'));
  return makeModel(values, labels);
}

function parameterCount(model: BertResNetModel): number {
  return [...model.namedParameters().values()].reduce((sum, { size }) => sum + size, 0);
}

interface Ending {
  readonly backend: string;
  readonly terminal: Terminal;
}

/** Says how good the run became and where it is. */
async function sayRun(
  { folder, values }: TrainTask,
  { labels }: BertResNetModel,
  history: readonly EpochRecord[],
  { backend, terminal }: Ending,
): Promise<void> {
  const found = await openRun(folder, 'train');
  const metrics = await readRunJson<EvaluationReport>(found, 'metrics.json');
  const best = history.findLast((record) => record.best)?.epoch ?? history.length;
  terminal.say(`best epoch: ${best} of ${history.length}`);
  if (values.json)
    terminal.out(JSON.stringify({ run: folder, backend, bestEpoch: best, metrics }, null, 2));
  else if (metrics !== undefined)
    reportLines(metrics, labels).forEach((line) => terminal.out(line));
  terminal.say(`run: ${folder} (bertresnet predict ${quoted(folder)} rows.csv predicts with it)`);
}

/** `bertresnet train`: rows in, a run folder out. */
export const trainCommand = defineCommand({
  name: 'train',
  summary: 'Train a classifier on the rows of a CSV, and keep its best epoch in a run folder',
  positionals: [
    { name: 'CSV', help: 'The rows: a text, the path of a picture, and a label', optional: true },
  ],
  options,
  examples: [
    'train train.csv --val val.csv --exclude val.csv --fusion attention --out results/run1',
    'train train.csv --text path/to/bert --image path/to/resnet --freeze image',
    'train train.csv --text transformers:Xenova/multilingual-e5-small --cache-features',
    'train train.csv --scratch --text bert-tiny --image resnet18 --tokenizer vocab.txt',
    'train train.csv --notebook --out results/notebook',
    'train --config results/run1/config.json --seed 43 --out results/run2',
    'train --resume results/run1',
  ],
  run,
});
