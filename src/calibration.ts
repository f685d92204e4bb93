import { InputError } from './errors.js';
import { modes } from './fusion/fusion.js';
import type { Mode } from './fusion/fusion.js';

/** A threshold and what was seen above it. */
export interface PrecisionPoint {
  /** An answer of at least this probability is kept. */
  readonly threshold: number;
  /** The share of the kept answers that are right. */
  readonly precision: number;
  /** How many answers were kept. */
  readonly rows: number;
}

/** What is known of one head of a model: the one that reads text, the image, or both. */
export interface HeadCalibration {
  /** What logits are divided by before the softmax; 1 leaves them as they are. */
  readonly temperature: number;
  /** Why no temperature was fitted, where it is 1 for want of one. */
  readonly reason?: string;
  /** How many rows it was fitted on. */
  readonly rows: number;
  /** By label, thresholds in rising order, each of a higher precision than those before it. */
  readonly precision: Readonly<Record<string, readonly PrecisionPoint[]>>;
}

/**
 * What makes a model's probabilities mean what they say, fitted on rows that it was not trained on:
 * `calibrate` finds it, config.json keeps it, `predict` applies it.
 */
export interface Calibration {
  /** What the rows are called that it was fitted on. */
  readonly data: string;
  /** By head: that of the text, that of the image, that of both together. */
  readonly heads: Readonly<Partial<Record<Mode, HeadCalibration>>>;
}

/** What a head's logits are divided by: 1 where nothing was fitted. */
export function temperatureOf(calibration: Calibration | undefined, head: Mode): number {
  return calibration?.heads[head]?.temperature ?? 1;
}

/**
 * The smallest threshold of a label above which answers had a precision: Infinity where none had.
 *
 * @throws InputError where the head has no calibration.
 */
export function thresholdFor(
  calibration: Calibration | undefined,
  head: Mode,
  label: string,
  precision: number,
): number {
  const found = calibration?.heads[head];
  if (found === undefined) {
    throw new InputError(
      `predict: minimumPrecision needs a model whose answers from mode '${head}' are calibrated; ` +
        'run calibrate(model, validation) first, or give a threshold',
    );
  }
  const point = found.precision[label]?.find((one) => one.precision >= precision);
  return point?.threshold ?? Infinity;
}

/** What config.json holds, checked. @throws InputError where it is no calibration */
export function readCalibration(json: unknown, source: string): Calibration | undefined {
  if (json === undefined) return undefined;
  const heads = Object.entries((json as Partial<Calibration> | null)?.heads ?? { none: null });
  const fit = heads.every(
    ([mode, head]) => modes.includes(mode as Mode) && Number(head?.temperature) > 0,
  );
  if (fit) return json as Calibration;
  throw new InputError(
    `BertResNetModel: the calibration in ${source} must have heads among ${modes.join(', ')}, each with a ` +
      'positive temperature; remove it, or calibrate again',
  );
}
