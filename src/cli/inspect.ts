import type { BertResNetModel, EvaluationReport } from '../index.js';
import { defineCommand } from './command.js';
import type { Invocation } from './command.js';
import { flag } from './options.js';
import { modeTable } from './reportLines.js';
import { loadModel, openRun, readRunJson } from './runFolder.node.js';
import { count, plural, table } from './table.js';
import { exitCodes } from './terminal.js';

const options = {
  json: flag('Print it as JSON on stdout, and nothing else there'),
};

/** What config.json of a run folder holds; a program that trained by itself leaves no `command`. */
interface RunConfig {
  readonly command?: object;
  readonly training?: object;
  readonly train?: object;
  readonly validation?: object | null;
  readonly backend?: string;
}

/** What is known of a run. */
interface Inspection {
  readonly model: string;
  readonly labels: readonly string[];
  readonly text: object;
  readonly image: object;
  readonly fusion: object;
  readonly hiddenSize: number;
  /** How many numbers are learned, by part: the encoders, and the fusion's layers. */
  readonly parameters: Record<string, number>;
  /** config.json of the run folder: what it was trained with. */
  readonly training?: RunConfig;
  /** metrics.json of the run folder: the figures of its best epoch. */
  readonly metrics?: EvaluationReport;
}

async function run({ positionals, options: given, terminal }: Invocation<typeof options>) {
  const found = await openRun(positionals[0]!, 'inspect');
  const model = await loadModel(found);
  const { labels, text, image, fusion, hiddenSize } = model.config;
  const whole = found.model !== found.folder;
  const inspection: Inspection = {
    ...{ model: found.model, labels, text, image, fusion, hiddenSize },
    parameters: parameterCounts(model),
    training: whole ? await readRunJson(found, 'config.json') : undefined,
    metrics: whole ? await readRunJson(found, 'metrics.json') : undefined,
  };
  model.dispose();
  if (given.json) terminal.out(JSON.stringify(inspection, null, 2));
  else inspectionLines(inspection).forEach((line) => terminal.out(line));
  return exitCodes.ok;
}

/** The parameters of each part, a part being the first word of a name. */
function parameterCounts(model: BertResNetModel): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [name, variable] of model.namedParameters()) {
    const part = name.split('.', 1)[0]!;
    counts[part] = (counts[part] ?? 0) + variable.size;
  }
  return counts;
}

function inspectionLines(inspection: Inspection): string[] {
  const { model, labels, text, image, fusion, hiddenSize, parameters, training, metrics } =
    inspection;
  const total = Object.values(parameters).reduce((sum, size) => sum + size, 0);
  const parts = Object.entries(parameters).map(([name, size]) => [name, count(size)]);
  return [
    `${model}: ${plural(labels.length, 'label')} (${labels.join(', ')})`,
    ...section('Text encoder', text),
    ...section('Visual encoder', image),
    ...section(`Fusion (hidden size ${hiddenSize})`, fusion),
    '',
    'Parameters:',
    ...table([['part', 'numbers'], ...parts, ['all', count(total)]]),
    ...(training === undefined ? [] : trainingLines(training)),
    ...(metrics === undefined ? [] : ['', 'Best epoch:', ...modeTable(metrics)]),
  ];
}

function trainingLines({ command, training, train, validation, backend }: RunConfig): string[] {
  return [
    ...section('Training', { backend, ...training }),
    ...(train === undefined ? [] : section('Rows to train on', train)),
    ...(validation == null ? [] : section('Rows of validation', validation)),
    ...(command === undefined ? [] : section('Options, paths relative to the run folder', command)),
  ];
}

/** An object's fields, a line each; objects within are written as JSON. */
function section(title: string, fields: object): string[] {
  const rows = Object.entries(fields).filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...rows.map(([key]) => key.length));
  const shown = (value: unknown): string =>
    typeof value === 'object' ? JSON.stringify(value) : String(value);
  return [
    '',
    `${title}:`,
    ...rows.map(([key, value]) => `  ${key.padEnd(width)}  ${shown(value)}`),
  ];
}

/** `bertresnet inspect`: what a run is made of and how good it is. */
export const inspectCommand = defineCommand({
  name: 'inspect',
  summary: 'Show what a model is made of, how it was trained and how good it is',
  positionals: [{ name: 'RUN', help: 'The folder that train left, or a saved model' }],
  options,
  examples: ['inspect results/run1', 'inspect results/run1 --json'],
  run,
});
