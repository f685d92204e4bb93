import type { Calibration, HeadCalibration } from '../calibration.js';
import type { Dataset } from '../datasets/example.js';
import { shortName } from '../datasets/example.js';
import { InputError } from '../errors.js';
import { modes } from '../fusion/fusion.js';
import type { Mode } from '../fusion/fusion.js';
import type { BertResNetModel } from '../model.js';
import { answerRows } from '../training/evaluate.js';
import type { EvaluateOptions } from '../training/evaluate.js';
import { argMaxRows, softmaxRows } from '../training/metrics.js';
import type { RowAnswers } from '../training/rowAnswers.js';
import { precisionCurve } from './precision.js';
import { fitTemperature } from './temperature.js';

/** How a model is calibrated. */
export interface CalibrateOptions extends EvaluateOptions {
  /** Thresholds that fewer rows reach are left out: their precision is luck (default 10). */
  readonly minimumRows?: number;
}

/**
 * Makes a model's probabilities mean what they say: fits the temperature of each of its heads (text,
 * image, both) on rows that it was not trained on, and finds the thresholds above which its answers
 * are as precise as may be asked for. The model keeps them: `predict` applies them, `save` writes
 * them to config.json. A head that answers none of the rows stays as it was calibrated before.
 *
 * ```ts
 * await calibrate(model, validation);
 * const [answer] = await model.predict(rows, { minimumPrecision: 0.9 });
 * ```
 *
 * @param rows the rows, or the answers of this model to them that `answerRows` gave: they keep the
 * calibration, too
 * @throws InputError as `evaluate`, and where an option cannot be used.
 */
export async function calibrate(
  model: BertResNetModel,
  rows: Dataset | RowAnswers,
  options: CalibrateOptions = {},
): Promise<Calibration> {
  const { minimumRows = 10 } = options;
  if (!Number.isInteger(minimumRows) || minimumRows < 1) {
    throw new InputError(`calibrate: minimumRows must be an integer >= 1, got ${minimumRows}`);
  }
  const answers = 'headOf' in rows ? rows : await answerRows(model, rows, options);
  const heads = modes.flatMap((head) => {
    const own = answersOf(answers, head);
    const { labels } = model;
    return own.labels.length === 0 ? [] : [[head, calibrateHead(own, labels, minimumRows)]];
  });
  const found = { data: shortName(answers.of.name), heads: Object.fromEntries(heads) };
  return (model.calibration = answers.calibration = merged(model.calibration, found));
}

/** A calibration, and of the one before it the heads that it says nothing of: they are of the same weights. */
function merged(before: Calibration | undefined, { data, heads }: Calibration): Calibration {
  const all = { ...before?.heads, ...heads };
  if (before === undefined || Object.keys(all).length === Object.keys(heads).length)
    return { data, heads };
  const sources = new Set([...before.data.split(' and '), data]);
  return { data: [...sources].join(' and '), heads: all };
}

/** The answers that a head gave itself: in mode `both`, those to rows that have both. */
function answersOf(answers: RowAnswers, head: Mode): OwnAnswers {
  const classes = answers.of.labels.length;
  const all = answers.modes.includes(head) ? answers.in(head) : undefined;
  const own = (row: number): boolean => all?.heads[row] === head;
  return {
    labels: (all?.labels ?? none).filter((_, row) => own(row)),
    logits: Array.from(all?.logits ?? []).filter((_, i) => own(Math.floor(i / classes))),
  };
}

interface OwnAnswers {
  readonly labels: Int32Array;
  /** [rows, classes] */
  readonly logits: readonly number[];
}

const none = new Int32Array();

function calibrateHead(
  { labels, logits }: OwnAnswers,
  names: readonly string[],
  minimumRows: number,
): HeadCalibration {
  const classes = names.length;
  const fitted = fitTemperature(labels, { values: logits, classes });
  const scaled = Float64Array.from(logits, (logit) => logit / fitted.temperature);
  const probabilities = softmaxRows({ values: scaled, classes });
  const predictions = argMaxRows({ values: logits, classes });
  const answers = Array.from(labels, (label, row) => {
    const prediction = predictions[row]!;
    const probability = probabilities[row * classes + prediction]!;
    return { prediction, probability, right: prediction === label };
  });
  const precision = names.map((name, c) => {
    const given = answers.filter(({ prediction }) => prediction === c);
    return [name, precisionCurve(given, minimumRows)] as const;
  });
  return { ...fitted, rows: labels.length, precision: Object.fromEntries(precision) };
}
