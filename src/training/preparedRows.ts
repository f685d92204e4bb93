import type { ImageReader } from '../datasets/batch.js';
import type { Dataset } from '../datasets/example.js';
import { openImageThread } from '../datasets/imageThread.js';
import type { RowLengths } from '../datasets/rowLengths.js';
import { lengthsOf } from './answer.js';
import type { KnownRows } from './answer.js';
import { cachedFeatures } from './featureCaches.js';
import type { CachedFeatures } from './featureCaches.js';
import type { RunPlan } from './plan.js';

/** What is found out about the rows of a run before its first step, once. */
export interface PreparedRows {
  readonly train: KnownRows;
  readonly validation: KnownRows;
  /** Ends what reads pictures and features. */
  close(): Promise<void>;
}

/** Who is told while rows are prepared. */
export interface PrepareListeners {
  readonly signal?: AbortSignal;
  readonly warn: (warning: string) => void;
  /** Told how many rows of a data set have their features, now and then. */
  readonly onFeatures?: (done: number, total: number) => void;
}

type Which = 'train' | 'validation';

/** Measures texts, and sees to the features of frozen encoders where they are cached. */
export async function prepareRows(
  plan: RunPlan,
  listeners: PrepareListeners,
): Promise<PreparedRows> {
  const lengths = await measure(plan, listeners.signal);
  const processor = openImageThread(plan.model.processor, listeners.warn);
  try {
    const features = await featuresOf(plan, processor, listeners);
    const known = (which: Which): KnownRows => ({
      processor,
      lengths: lengths[which],
      features: features?.of[which === 'train' ? 0 : 1],
    });
    const close = async (): Promise<void> => {
      await processor?.close();
      await features?.close();
    };
    return { train: known('train'), validation: known('validation'), close };
  } catch (error) {
    await processor?.close();
    throw error;
  }
}

async function measure(
  { model, mode, train, validation, options }: RunPlan,
  signal?: AbortSignal,
): Promise<Partial<Record<Which, RowLengths>>> {
  const lengths = (rows: Dataset): Promise<RowLengths | undefined> =>
    lengthsOf(model, rows, mode, { ...options, signal });
  return {
    ...(options.groupByLength && { train: await lengths(train) }),
    ...(validation && { validation: await lengths(validation) }),
  };
}

/** Those of the rows to train on, then those of validation; undefined where none are cached. */
async function featuresOf(
  { model, options, train, validation, cached }: RunPlan,
  processor: ImageReader | undefined,
  { signal, warn, onFeatures }: PrepareListeners,
): Promise<CachedFeatures | undefined> {
  const { cacheFeatures: folder, evalBatchSize: batchSize, prefetch } = options;
  if (folder === false || cached.length === 0) return undefined;
  const maxLength = model.textLength(options.maxLength);
  const how = { folder, processor, maxLength, batchSize, prefetch, signal, warn };
  const datasets = validation === undefined ? [train] : [train, validation];
  return cachedFeatures(model, cached, datasets, { ...how, onProgress: onFeatures });
}
