import type { Dataset, ImageSource } from '../datasets/example.js';
import { encodeImage } from '../datasets/encodeImage.node.js';
import { decodeImage } from '../datasets/image.node.js';
import { completeConfig } from '../datasets/imageConfig.js';
import { resize } from '../datasets/imageResize.js';
import { InputError } from '../errors.js';
import { bootstrapInterval, figureIntervals } from '../evaluation/bootstrap.js';
import { reliabilityBins, softmaxRows } from '../training/metrics.js';
import type { ModeAnswers, RowAnswers } from '../training/rowAnswers.js';
import { thinned } from './axis.js';
import type { Mistake, TestedRows } from './reportData.js';

/** What a report shows of the answers to the rows of a data set. */
export async function testedRows(
  answers: RowAnswers,
  dataset: Dataset,
  mistakes: number,
): Promise<TestedRows> {
  const { calibration } = answers;
  const { mode, labels: names, name } = answers.of;
  const asked = answers.in(mode);
  const { labels, logits, probabilities } = asked;
  const classes = names.length;
  const plain = softmaxRows({ values: logits, classes });
  const heads = Object.entries(calibration?.heads ?? {});
  const intervals = answers.modes.map((one) => {
    const found = answers.in(one);
    return [one, figureIntervals(found.labels, found.predictions)] as const;
  });
  return {
    name,
    rows: answers.size,
    majority: majorityOf(labels, names),
    figures: answers.report(),
    intervals: Object.fromEntries(intervals),
    reliability: {
      plain: reliabilityBins(labels, { values: plain, classes }),
      ...(calibration && {
        calibrated: reliabilityBins(labels, { values: probabilities, classes }),
      }),
    },
    calibratedOn: calibration?.data,
    temperatures: Object.fromEntries(heads.map(([head, { temperature }]) => [head, temperature])),
    coverage: coverageOf(surestFirst(asked), asked),
    presenceIntervals: mode === 'both' ? presenceIntervals(answers) : {},
    mistakes: await surestMistakes(answers, dataset, mistakes),
  };
}

function majorityOf(labels: Int32Array, names: readonly string[]): TestedRows['majority'] {
  const counts = names.map((_, c) => labels.filter((label) => label === c).length);
  const most = Math.max(...counts);
  return { label: names[counts.indexOf(most)]!, share: most / labels.length };
}

/** The probability of the answer to a row. */
function confidence({ predictions, probabilities }: ModeAnswers, row: number): number {
  const classes = probabilities.length / predictions.length;
  return probabilities[row * classes + predictions[row]!]!;
}

function surestFirst(answers: ModeAnswers): number[] {
  const sure = Float64Array.from(answers.labels, (_, row) => confidence(answers, row));
  return [...answers.labels.keys()].toSorted((a, b) => sure[b]! - sure[a]!);
}

const mostPoints = 60;

/** The share of the surest rows that is right, for more and more rows. */
function coverageOf(
  surest: readonly number[],
  { labels, predictions }: ModeAnswers,
): TestedRows['coverage'] {
  let right = 0;
  const points = surest.map((row, i) => {
    if (labels[row] === predictions[row]) right += 1;
    return [(i + 1) / surest.length, right / (i + 1)] as const;
  });
  // Of a few rows the share is luck.
  return thinned(points.slice(Math.min(points.length - 1, 9)), mostPoints);
}

function presenceIntervals(answers: RowAnswers): TestedRows['presenceIntervals'] {
  const intervals = answers.byPresence().map(({ has, labels, predictions }) => {
    return [has, bootstrapInterval(labels, predictions)] as const;
  });
  return Object.fromEntries(intervals);
}

const longestText = 400;

async function surestMistakes(
  answers: RowAnswers,
  dataset: Dataset,
  count: number,
): Promise<Mistake[]> {
  const { mode, labels: names } = answers.of;
  const found = answers.in(mode);
  const { positions, labels, predictions, probabilities, heads } = found;
  const wrong = surestFirst(found).filter((row) => labels[row] !== predictions[row]);
  const rows = wrong.slice(0, count);
  const examples = await dataset.examples(rows.map((row) => positions[row]!));
  return Promise.all(
    rows.map(async (row, i) => ({
      row: dataset.describe(positions[row]!),
      ...(heads[row] === 'image' ? {} : { text: shortened(examples[i]!.text!) }),
      ...(heads[row] === 'text' ? {} : { image: await thumbnail(examples[i]!.image!) }),
      label: names[labels[row]!]!,
      prediction: names[predictions[row]!]!,
      probability: confidence(found, row),
      labelProbability: probabilities[row * names.length + labels[row]!]!,
    })),
  );
}

function shortened(text: string): string {
  const units = [...text];
  return units.length <= longestText ? text : `${units.slice(0, longestText).join('')}…`;
}

/** The longer side of a picture in a report, in pixels. */
const side = 240;

/** A picture as the model reads it, in small. */
async function thumbnail(source: ImageSource): Promise<string | undefined> {
  try {
    const image = await decodeImage(source, { maxPixels: completeConfig({}).maxPixels });
    const scale = Math.min(1, side / Math.max(image.width, image.height));
    const [width, height] = [image.width, image.height].map((size) =>
      Math.max(1, Math.round(size * scale)),
    ) as [number, number];
    return await encodeImage(resize(image, { width, height }, 'lanczos'));
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}
