import { batches } from '../datasets/batch.js';
import type { Batch } from '../datasets/batch.js';
import { epochOrder, groupedOrder } from '../datasets/rowOrder.js';
import type { Position } from './checkpoint.js';
import type { KnownRows } from './answer.js';
import type { RunPlan } from './plan.js';

/** The batches that are left of an epoch, as many at a time as an optimizer step takes. */
export async function* batchGroups(
  plan: RunPlan,
  known: KnownRows,
  { epoch, batch: start }: Pick<Position, 'epoch' | 'batch'>,
): AsyncGenerator<Batch[]> {
  const { model, train, mode, options } = plan;
  const { batchSize, augment, prefetch, seed, gradientAccumulationSteps } = options;
  const maxLength = model.textLength(options.maxLength);
  const { tokenizer, extractors } = model;
  const { features, processor } = known;
  const readers = { mode, tokenizer, processor, extractors, maxLength, augment, features };
  const place = { order: orderOf(plan, known, epoch), seed, epoch, start };
  let group: Batch[] = [];
  for await (const batch of batches(train, { batchSize, prefetch, ...readers, ...place })) {
    group.push(batch);
    if (group.length < gradientAccumulationSteps) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/** The order of the rows in an epoch: shuffled, and where their lengths are known grouped by them. */
function orderOf({ train, options }: RunPlan, { lengths }: KnownRows, epoch: number): Int32Array {
  const { seed, batchSize } = options;
  if (lengths === undefined) return epochOrder(seed, epoch, train.size);
  return groupedOrder(seed, epoch, lengths, batchSize);
}
