import type { ImageReader } from '../datasets/batch.js';
import type { Dataset } from '../datasets/example.js';
import type { FeatureReader, KnownFeatures } from '../datasets/features.js';
import { openImageThread } from '../datasets/imageThread.js';
import type { RowLengths } from '../datasets/rowLengths.js';
import { lengthsOf } from './answer.js';
import type { KnownRows } from './answer.js';
import { FeatureCache } from './featureCache.js';
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
  const caches: FeatureCache[] = [];
  const close = async (): Promise<void> => {
    await processor?.close();
    for (const cache of caches.splice(0)) await cache.close();
  };
  try {
    const features = await fillCaches(plan, processor, listeners, caches);
    const known = (which: Which): KnownRows => ({
      processor,
      lengths: lengths[which],
      features: features[which],
    });
    return { train: known('train'), validation: known('validation'), close };
  } catch (error) {
    await close();
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

/** @param caches takes the caches that were opened, for the caller to close. */
async function fillCaches(
  plan: RunPlan,
  processor: ImageReader | undefined,
  listeners: PrepareListeners,
  caches: FeatureCache[],
): Promise<Record<Which, KnownFeatures>> {
  type Readers = Partial<Record<'text' | 'image', FeatureReader>>;
  const readers: Record<Which, Readers> = { train: {}, validation: {} };
  for (const input of plan.cached) {
    const cache = await openCache(plan, input, processor, listeners);
    caches.push(cache);
    readers.train[input] = await cache.fill(plan.train);
    if (plan.validation) readers.validation[input] = await cache.fill(plan.validation);
    await cache.finish();
  }
  return readers;
}

function openCache(
  { model, options }: RunPlan,
  input: 'text' | 'image',
  processor: ImageReader | undefined,
  { signal, warn, onFeatures }: PrepareListeners,
): Promise<FeatureCache> {
  const { cacheFeatures: folder, evalBatchSize: batchSize, prefetch } = options;
  if (folder === false) throw new Error('internal: nothing is cached');
  return FeatureCache.open(model, input, {
    folder,
    processor,
    maxLength: model.textLength(options.maxLength),
    batchSize,
    prefetch,
    signal,
    warn,
    onProgress: onFeatures,
  });
}
