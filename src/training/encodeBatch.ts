import * as tf from '@tensorflow/tfjs-core';
import { toTensors } from '../datasets/batch.js';
import type { Batch, BatchTensors } from '../datasets/batch.js';
import type { HostFeatures } from '../datasets/features.js';
import type { Features, Mode } from '../fusion/fusion.js';
import type { BertResNetModel } from '../model.js';
import type { ModelContext } from '../modelOptions.js';

type EncodeContext = ModelContext & { readonly mode: Mode };

/** Whether any row of a batch has what a mode reads. */
export function holds({ hasText, hasImage }: Batch, mode: Mode): boolean {
  return (
    (mode === 'image' || hasText.includes(true)) && (mode === 'text' || hasImage.includes(true))
  );
}

/**
 * The features of a batch that the mode needs. Those that are known are taken; pictures that are
 * missing are not shown to the encoder, whose BatchNorm would take them for black ones: their
 * features are zero.
 */
export function encodeBatch(
  model: BertResNetModel,
  batch: Batch,
  context: EncodeContext,
): Features {
  const { mode } = context;
  const inputs = toTensors(batch);
  return {
    ...(mode !== 'image' && { text: textFeatures(model, batch, inputs, context) }),
    ...(mode !== 'text' && { image: imageFeatures(model, batch, inputs, context) }),
  };
}

function textFeatures(
  model: BertResNetModel,
  batch: Batch,
  { text }: BatchTensors,
  context: EncodeContext,
): tf.Tensor2D {
  const known = knownFeatures(batch, 'text');
  return known ?? model.encode({ text }, { ...context, mode: 'text' }).text!;
}

function imageFeatures(
  model: BertResNetModel,
  batch: Batch,
  { image }: BatchTensors,
  context: EncodeContext,
): tf.Tensor2D {
  const known = knownFeatures(batch, 'image');
  if (known !== undefined) return known;
  const encode = (pictures?: tf.Tensor4D): tf.Tensor2D =>
    model.encode({ image: pictures }, { ...context, mode: 'image' }).image!;
  const rows = batch.hasImage.flatMap((present, row) => (present ? [row] : []));
  if (rows.length === batch.size) return encode(image);
  const features = encode(tf.gather(image!, tf.tensor1d(rows, 'int32')));
  return tf.matMul(placement(rows, batch.size), features);
}

function knownFeatures(
  { size, features }: Batch,
  input: keyof HostFeatures,
): tf.Tensor2D | undefined {
  const values = features?.[input];
  return values && tf.tensor2d(values, [size, values.length / size]);
}

/** The matrix [size, rows.length] that puts each row in its place among zeros. */
function placement(rows: readonly number[], size: number): tf.Tensor2D {
  const matrix = new Float32Array(size * rows.length);
  rows.forEach((row, i) => (matrix[row * rows.length + i] = 1));
  return tf.tensor2d(matrix, [size, rows.length]);
}
