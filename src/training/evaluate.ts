import type { Dataset } from '../datasets/example.js';
import { InputError } from '../errors.js';
import type { Mode } from '../fusion/fusion.js';
import type { BertResNetModel } from '../model.js';
import { received } from '../schema.js';
import type { ClassificationReport } from './metrics.js';
import type { RowAnswers } from './rowAnswers.js';

/** How {@link evaluate} runs. */
export interface EvaluateOptions {
  /**
   * What the answers rest on: `text`, `image` or `both` together; `all` stands for `both`, or for
   * the one that the data have. Default: the model's `trainedMode`, else `all`.
   */
  readonly mode?: Mode | 'all';
  /** Rows at a time (default 32). */
  readonly batchSize?: number;
  /** The number of tokens at which texts are cut (default: the model's `maxLength`, else what tokenizer and encoder take). */
  readonly maxLength?: number;
  /** How many batches are read ahead (default 2). */
  readonly prefetch?: number;
  /**
   * Reads what frozen encoders compute of the rows from where the Trainer keeps it (its option `cacheFeatures`), and keeps
   * there what is missing; default false.
   */
  readonly cacheFeatures?: boolean | string;
  /** Stops between two batches: `evaluate` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told after each batch how many rows are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** The figures of one mode. */
export interface ModeReport extends ClassificationReport {
  /** `loss` and `ece` with the temperatures of a model that is calibrated; those above are without. */
  readonly calibrated?: { readonly loss: number; readonly ece: number };
  /**
   * How many rows lack an input that the mode reads. In mode `both` they are answered by the head
   * of what they have (a row with neither is left out); in a single mode they are left out of all
   * figures.
   */
  readonly missing: { readonly text?: number; readonly image?: number };
}

/** The figures of rows that have the same inputs. */
export interface PresenceReport {
  readonly rows: number;
  readonly accuracy: number;
  readonly macroF1: number;
}

/**
 * What {@link evaluate} finds: the figures of the mode that was asked for, and of every mode that
 * was at hand.
 */
export interface EvaluationReport extends ModeReport {
  /** The mode of the figures at the top level. */
  readonly mode: Mode;
  /**
   * With mode `both`, also those of text alone and of image alone, over the rows that have them.
   */
  readonly modes: Partial<Record<Mode, ModeReport>>;
  /**
   * With mode `both`, the figures by what rows have: `text` are those of the rows with a text only,
   * `image` with a picture only, each answered from all that it has, and `both` with both. Together
   * they are the rows of the figures at the top level.
   */
  readonly byPresence?: Partial<Record<Mode, PresenceReport>>;
}

/**
 * Answers every row of a data set and compares with its labels. The encoders run once for each
 * batch; the heads of all modes answer from the same features. Rows whose texts are of like length
 * are answered together, so that there is little padding. Labels are matched by name, so a data set
 * may lack some of the classes.
 *
 * @throws InputError where a label is not one of the model's, a row has none, or no row has what
 * the mode needs.
 */
export async function evaluate(
  model: BertResNetModel,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<EvaluationReport> {
  return (await answerRows(model, dataset, options)).report();
}

/**
 * The answers that {@link evaluate} makes its figures of: the logits of every row, by the head that
 * gave them.
 *
 * @throws InputError as {@link evaluate}.
 */
export async function answerRows(
  model: BertResNetModel,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<RowAnswers> {
  requireDataset('evaluate', 'rows', dataset);
  const { answerUnknown } = await import('./answer.js');
  return answerUnknown(model, dataset, options);
}

/** @throws InputError for what is no data set, such as a path, an array of rows or the model itself */
export function requireDataset(who: string, what: string, given: unknown): void {
  const { size, labels, examples } = (given ?? {}) as Partial<Dataset>;
  if (typeof size === 'number' && Array.isArray(labels) && typeof examples === 'function') return;
  throw new InputError(
    `${who}: the ${what} must be a Dataset, got ${received(given)}; open a file with CsvDataset.open, or pass ` +
      'datasetFrom(rows)',
  );
}
