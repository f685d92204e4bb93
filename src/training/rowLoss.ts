import type { Batch } from '../datasets/batch.js';
import { InputError } from '../errors.js';
import { modes } from '../fusion/fusion.js';
import type { Mode } from '../fusion/fusion.js';

/** How the single-mode heads are trained beside the main one where the mode is `both`. */
export interface AuxiliaryOptions {
  /** What the losses of text alone and of image alone count, beside 1 for both together. */
  readonly weight: number;
  /** Whether these losses reach the encoders, or train their heads alone. */
  readonly reachEncoders: boolean;
}

/** Which losses each row of a batch has a part in. */
export interface RowLosses {
  /** The number of rows with a main loss: each counts 1 in the mean. */
  readonly rows: number;
  /**
   * What each row's loss counts in each mode, not yet divided by the rows of the step; absent where
   * all are 0.
   */
  readonly weights: Partial<Record<Mode, Float32Array>>;
  /** 1 where a single-mode loss of the row reaches the encoders, else 0. */
  readonly reach: Float32Array;
}

/**
 * A row has one main loss: that of the mode, or, where the mode is `both` and the row lacks its
 * text or its picture, that of the head of what it has. A row with both has the single-mode losses
 * in addition, by `auxiliary`. In a single mode, a row that lacks the input has no loss.
 *
 * @param dropped the input that a row with both is to be trained without, if any; with it, every mode has its weights,
 * so that all batches have the same graph.
 */
export function rowLosses(
  batch: Batch,
  mode: Mode,
  auxiliary: AuxiliaryOptions,
  dropped?: readonly ('text' | 'image' | undefined)[],
): RowLosses {
  const weights = { text: zeros(batch), image: zeros(batch), both: zeros(batch) };
  const reach = zeros(batch);
  let rows = 0;
  for (let row = 0; row < batch.size; row++) {
    const whole = mainMode(batch, row, mode);
    if (whole === undefined) continue;
    const main = whole === 'both' ? withoutInput(dropped?.[row]) : whole;
    rows += 1;
    if (main === 'both') weights.text[row] = weights.image[row] = auxiliary.weight;
    weights[main][row] = 1;
    reach[row] = main !== 'both' || auxiliary.reachEncoders ? 1 : 0;
  }
  const all = dropped !== undefined && weights.both.some((weight) => weight !== 0);
  const used = modes.filter((name) => all || weights[name].some((weight) => weight !== 0));
  return { rows, weights: Object.fromEntries(used.map((name) => [name, weights[name]])), reach };
}

/**
 * The mode that answers a row: the one asked for, or for `both` what the row has; undefined where
 * it lacks that.
 */
export function mainMode(
  { hasText, hasImage }: Pick<Batch, 'hasText' | 'hasImage'>,
  row: number,
  mode: Mode,
): Mode | undefined {
  const [text, image] = [hasText[row]!, hasImage[row]!];
  if (mode === 'text') return text ? 'text' : undefined;
  if (mode === 'image') return image ? 'image' : undefined;
  if (text && image) return 'both';
  return text ? 'text' : image ? 'image' : undefined;
}

function withoutInput(dropped: 'text' | 'image' | undefined): Mode {
  if (dropped === undefined) return 'both';
  return dropped === 'text' ? 'image' : 'text';
}

function zeros(batch: Batch): Float32Array {
  return new Float32Array(batch.size);
}

/**
 * From the class of a data set to the class of a model that has the same name; -1 stays -1.
 *
 * @throws InputError where a name is not among the model's.
 */
export function labelMap(
  who: string,
  data: { readonly name: string; readonly labels: readonly string[] },
  labels: readonly string[],
): (label: number) => number {
  if (data.labels.length === 0) {
    throw new InputError(`${who}: ${data.name} must have labels, got none; name its label column`);
  }
  const unknown = data.labels.filter((label) => !labels.includes(label));
  if (unknown.length > 0) {
    throw new InputError(
      `${who}: the labels of ${data.name} must be among the model's (${listLabels(labels)}), ` +
        `got ${listLabels(unknown)}; ` +
        'make the model with labels: dataset.labels, or correct the rows',
    );
  }
  const indices = data.labels.map((label) => labels.indexOf(label));
  return (label) => (label === -1 ? -1 : indices[label]!);
}

/** Labels as a message names them: the first ten. */
export function listLabels(labels: readonly string[]): string {
  const first = labels.slice(0, 10).map((label) => `'${label}'`);
  return first.join(', ') + (labels.length > 10 ? ` and ${labels.length - 10} more` : '');
}
