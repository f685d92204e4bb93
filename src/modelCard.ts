import type { EncoderConfig } from './encoders/encoder.js';
import type { TransformersConfig } from './encoders/transformers.js';
import type { BertResNetModel } from './model.js';
import type { Mode } from './fusion/fusion.js';
import type { ReportData, TestedRows } from './report/reportData.js';

/**
 * The README.md of a saved model, in the form of Hugging Face's model cards: what it answers, what it is made of, how to
 * run it, and, where a report is given, on what it was trained and tested, its figures, their calibration and limits.
 */
export function modelCard(model: BertResNetModel, report?: ReportData): string {
  const { labels, text, image, fusion } = model.config;
  const parts = [
    frontMatter(report),
    `# A classifier of text and image

It reads a text, an image or both, and answers one of ${labels.length} labels:

${labels.map((label) => `- ${code(label)}`).join('\n')}

| part | what |
|---|---|
| text encoder | ${encoderName(text)}, ${model.textEncoder.featureSize} features |
| image encoder | ${encoderName(image)}, ${model.visualEncoder.featureSize} features |
| fusion | ${code(fusion.type)} |
| parameters | ${parameterCount(model)} |

\`\`\`js
import { BertResNetModel } from 'bertresnet';

const model = await BertResNetModel.fromPretrained('path/to/this/folder');
const [answer] = await model.predict([{ text: '...', image: 'picture.jpg' }]);
\`\`\`

${elsewhere(text, image)}\`model.safetensors\` holds the weights under PyTorch's names and in PyTorch's layouts.`,
    report && dataSection(report),
    report?.test && figuresSection(report.test, labels),
    calibrationSection(model),
    report?.test && limitsSection(model, report, report.test),
  ];
  return `${parts.filter((part) => part !== undefined).join('\n\n')}\n`;
}

/** Its family, and the model where that is not in this folder. */
function encoderName(config: EncoderConfig): string {
  const { model, revision } = config as Partial<TransformersConfig>;
  if (model === undefined) return code(config.modelType);
  return `${code(model)} (revision ${code(revision!)}, run by ${config.modelType}.js)`;
}

/** What is needed beside this folder. */
function elsewhere(...encoders: readonly EncoderConfig[]): string {
  if (encoders.every(({ modelType }) => modelType !== 'transformers')) return '';
  return (
    'A frozen encoder is not in this folder: it is loaded by its name, and `npm install @huggingface/transformers` ' +
    'installs what runs it. '
  );
}

/** What the Hub calls a task. It has no name for one of text and picture together, which is counted to that of texts. */
const tasks = {
  text: { type: 'text-classification', name: 'Text classification' },
  image: { type: 'image-classification', name: 'Image classification' },
  both: { type: 'text-classification', name: 'Text and image classification' },
} as const;

/** The YAML in which the Hub looks for figures; every string is quoted as JSON, which is YAML too. */
function frontMatter({ test, title = '' }: Partial<ReportData> = {}): string {
  const mode = test?.figures.mode;
  const single = mode !== undefined && mode !== 'both';
  const head = `---
library_name: bertresnet
${single ? `pipeline_tag: ${tasks[mode].type}\n` : ''}tags: [bert, resnet, multimodal, text, image, classification]`;
  if (test === undefined) return `${head}\n---`;
  const { accuracy, macroF1, weightedF1, loss, ece, calibrated } = test.figures;
  const task = tasks[test.figures.mode];
  const metrics = [
    ['accuracy', 'Accuracy', accuracy],
    ['f1', 'Macro F1', macroF1],
    ['f1', 'Weighted F1', weightedF1],
    ['log_loss', 'Log loss', calibrated?.loss ?? loss],
    ['expected_calibration_error', 'Expected calibration error', calibrated?.ece ?? ece],
  ] as const;
  const lines = metrics.map(
    ([type, name, value]) => `      - type: ${type}
        name: ${name}
        value: ${Number(value.toFixed(4))}`,
  );
  return `${head}
metrics: [accuracy, f1]
model-index:
- name: ${JSON.stringify(title)}
  results:
  - task:
      type: ${task.type}
      name: ${task.name}
    dataset:
      type: csv
      name: ${JSON.stringify(test.name)}
    metrics:
${lines.join('\n')}
---`;
}

interface DataRecord {
  readonly name?: string;
  readonly size?: number;
}

function dataSection({ configuration, test, leakage }: ReportData): string | undefined {
  const record = (key: string): DataRecord | undefined =>
    (configuration?.[key] ?? undefined) as DataRecord | undefined;
  const rows = [
    ['training', record('train')],
    ['validation', record('validation')],
    ['tested here', test && { name: test.name, size: test.rows }],
  ] as const;
  const lines = rows.flatMap(([what, found]) =>
    found?.name === undefined
      ? []
      : [`| ${what} | ${code(found.name.split(/[\\/]/).at(-1)!)} | ${count(found.size ?? 0)} |`],
  );
  if (lines.length === 0) return undefined;
  const leaked =
    leakage &&
    (leakage.counts.rows === 0
      ? 'No row that was tested has a text or a picture that was trained on, or nearly so.'
      : `${count(leakage.counts.rows)} of the tested rows have a text or a picture that was trained on, or nearly so.`);
  return `## Data

| | file | rows |
|---|---|---|
${lines.join('\n')}${leaked ? `\n\n${leaked}` : ''}`;
}

const mostLabels = 40;

function figuresSection(
  { figures, intervals, name, majority }: TestedRows,
  labels: readonly string[],
): string {
  const modes = Object.entries(figures.modes).map(([mode, one]) => {
    const range = intervals[mode as Mode]?.accuracy;
    const accuracy = range
      ? `${decimal(one.accuracy)} (${decimal(range.low)} to ${decimal(range.high)})`
      : decimal(one.accuracy);
    const { loss, ece } = one.calibrated ?? one;
    const cells = [one.macroF1, one.weightedF1, loss, ece].map(decimal).join(' | ');
    return `| ${mode} | ${count(one.rows)} | ${accuracy} | ${cells} |`;
  });
  const classes = labels.slice(0, mostLabels).map((label) => {
    const { precision, recall, f1, support } = figures.perClass[label]!;
    return `| ${code(label)} | ${[precision, recall, f1].map(decimal).join(' | ')} | ${count(support)} |`;
  });
  return `## Figures

On ${code(name)}; in parentheses 95% bootstrap intervals. Always answering ${code(majority.label)} would have the accuracy ${decimal(majority.share)}.

| input | rows | accuracy | macro F1 | weighted F1 | log loss | calibration error |
|---|---|---|---|---|---|---|
${modes.join('\n')}

| label | precision | recall | F1 | rows |
|---|---|---|---|---|
${classes.join('\n')}`;
}

function calibrationSection({ calibration }: BertResNetModel): string | undefined {
  if (calibration === undefined) return undefined;
  const lines = Object.entries(calibration.heads).map(
    ([mode, { temperature, rows, reason }]) =>
      `| ${mode} | ${decimal(temperature)}${reason === undefined ? '' : ` (${reason})`} | ${count(rows)} |`,
  );
  return `## Calibration

Logits are divided by a temperature fitted on ${code(calibration.data)} (Guo et al., 2017): \`predict\` does it. With \`minimumPrecision\` it abstains from answers that were
right less often on those rows.

| input | temperature | rows |
|---|---|---|
${lines.join('\n')}`;
}

/** Below so many rows the figures of a label say little. */
const fewRows = 30;

function limitsSection(
  model: BertResNetModel,
  { leakage }: ReportData,
  { figures, name, calibratedOn }: TestedRows,
): string {
  const few = model.labels.filter((label) => figures.perClass[label]!.support < fewRows);
  const length = model.textLength();
  const limits = [
    'The figures are of the rows above; of other sources, languages and times they say nothing.',
    calibratedOn === name &&
      'The rows that were tested also chose the best epoch and the temperatures: figures on new rows are likely to be lower.',
    few.length > 0 &&
      `Fewer than ${fewRows} rows were tested of ${few.slice(0, mostLabels).map(code).join(', ')}: their figures are uncertain.`,
    leakage &&
      leakage.counts.rows > 0 &&
      'Some tested rows were trained on, see Data: the figures flatter.',
    length !== undefined && `Texts are cut at ${length} tokens.`,
    Object.keys(figures.byPresence ?? {}).length < 2 &&
      'How well rows are answered that lack an input was measured by the single inputs above, not on such rows.',
  ];
  return `## Limits

${limits
  .filter((limit) => typeof limit === 'string')
  .map((limit) => `- ${limit}`)
  .join('\n')}`;
}

function decimal(value: number): string {
  return value.toFixed(3);
}

function count(value: number): string {
  return value.toLocaleString('en');
}

/** Text from outside as Markdown code: on one line, and with no mark that could end it. */
function code(text: string): string {
  return `\`${text.replace(/\s+/g, ' ').replaceAll('`', "'").replaceAll('|', '\\|')}\``;
}

function parameterCount(model: BertResNetModel): string {
  const sizes = [...model.namedParameters().values()].map((variable) => variable.size);
  return count(sizes.reduce((sum, size) => sum + size, 0));
}
