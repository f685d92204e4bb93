import * as tf from '@tensorflow/tfjs-core';
import * as v from 'valibot';
import type { Dataset } from '../datasets/example.js';
import { InputError } from '../errors.js';
import type { BertResNetModel } from '../model.js';
import type { StateDict } from '../nn/stateDict.js';
import { parseOptions } from '../schema.js';
import { readSafetensors } from '../weights/safetensors.js';
import { evaluate } from './evaluate.js';
import type { EvaluateOptions } from './evaluate.js';
import { isMinimized, monitors } from './monitor.js';
import type { Monitor } from './monitor.js';
import type { ClassificationReport } from './metrics.js';

/** Weights that may go into a soup. */
export interface Ingredient<T> {
  readonly of: T;
  /** Reads them; the tensors are the caller's. */
  readonly read: () => Promise<Record<string, tf.Tensor>>;
}

/** What a soup is made of, and how good it is. */
export interface Soup<T, R> {
  /** In the order in which they went in, the best first. */
  readonly ingredients: readonly T[];
  readonly report: R;
}

/**
 * The greedy soup of weights (Wortsman et al., 2022): beginning with the best, the next ones are averaged in, each kept
 * only where the figure does not become worse. At the end the model holds the average of those that were kept.
 *
 * @param ingredients the best first
 * @param load gives weights to the model
 * @param measure reports on the model as it is
 */
export async function cookSoup<T, R extends ClassificationReport>(
  ingredients: readonly Ingredient<T>[],
  monitor: Monitor,
  load: (weights: StateDict) => void,
  measure: () => Promise<R>,
): Promise<Soup<T, R>> {
  const kept: T[] = [];
  let mean: Record<string, tf.Tensor> = {};
  let best: R | undefined;
  try {
    for (const { of, read } of ingredients) {
      const added = await read();
      const tried = kept.length === 0 ? added : averaged(mean, added, kept.length);
      if (tried !== added) tf.dispose(added);
      const report = await measureWith(tried, load, measure);
      if (best !== undefined && isWorse(report, best, monitor)) {
        tf.dispose(tried);
        continue;
      }
      tf.dispose(mean);
      [mean, best] = [tried, report];
      kept.push(of);
    }
    load(mean);
  } finally {
    tf.dispose(mean);
  }
  return { ingredients: kept, report: best! };
}

async function measureWith<R>(
  weights: Record<string, tf.Tensor>,
  load: (weights: StateDict) => void,
  measure: () => Promise<R>,
): Promise<R> {
  try {
    load(weights);
    return await measure();
  } catch (error) {
    tf.dispose(weights);
    throw error;
  }
}

/** The mean of so many and one more. */
function averaged(
  mean: Record<string, tf.Tensor>,
  added: Record<string, tf.Tensor>,
  count: number,
): Record<string, tf.Tensor> {
  const entries = Object.entries(mean).map(([name, before]): [string, tf.Tensor] => [
    name,
    tf.tidy(() => tf.add(before, tf.div(tf.sub(added[name]!, before), count + 1))),
  ]);
  return Object.fromEntries(entries);
}

function isWorse(
  report: ClassificationReport,
  best: ClassificationReport,
  monitor: Monitor,
): boolean {
  const [now, before] = [report[monitor], best[monitor]];
  if (now === null || before === null) return now === null;
  return isMinimized(monitor) ? now > before : now < before;
}

/** Options of {@link greedySoup}. */
export interface SoupOptions extends EvaluateOptions {
  /** The figure that decides (default `accuracy`). */
  readonly monitor?: Monitor;
}

const monitorSchema = v.strictObject({ monitor: v.optional(v.picklist(monitors), 'accuracy') });

/**
 * The greedy soup (Wortsman et al., 2022) of models that were fine-tuned from the same pretrained weights, such as
 * those of several runs: they are sorted by their figure on the validation rows, and averaged as long as that does not
 * become worse. The model then holds the average, without the calibration that it had.
 *
 * ```ts
 * const files = ['run1', 'run2', 'run3'].map((run) => `${run}/model/model.safetensors`);
 * const { ingredients, report } = await greedySoup(model, files, validation);
 * ```
 *
 * @param files safetensors of the model's own architecture
 * @returns the files that went in, and the report of their average.
 * @throws InputError where there is no file, the monitor is none, or a file holds other weights.
 */
export async function greedySoup(
  model: BertResNetModel,
  files: readonly string[],
  validation: Dataset,
  { monitor: asked, ...options }: SoupOptions = {},
) {
  if (files.length === 0) {
    throw new InputError('greedySoup: files must name one model.safetensors or more, got none');
  }
  const { monitor } = parseOptions('greedySoup', monitorSchema, { monitor: asked });
  const measure = () => evaluate(model, validation, options);
  const load = (weights: StateDict): void => {
    model.loadStateDict(weights);
    model.calibration = undefined; // of weights that are no more
  };
  const ingredients = files.map((of) => ({ of, read: () => readSafetensors(of) }));
  const figures = new Map<string, number>();
  for (const { of, read } of ingredients) {
    const weights = await read();
    const report = await measureWith(weights, load, measure);
    tf.dispose(weights);
    const figure = report[monitor] ?? NaN;
    figures.set(of, isMinimized(monitor) ? -figure : figure);
  }
  const sorted = ingredients.toSorted((a, b) => figures.get(b.of)! - figures.get(a.of)! || 0);
  return cookSoup(sorted, monitor, load, measure);
}
