import * as tf from '@tensorflow/tfjs-core';
import { toTensors } from '../datasets/batch.js';
import type { Batch, BatchTensors } from '../datasets/batch.js';
import type { HostFeatures } from '../datasets/features.js';
import type { Features, Mode } from '../fusion/fusion.js';
import type { BertResNetModel } from '../model.js';
import type { ModelContext, ModelInput } from '../modelOptions.js';
import type { DropoutSource } from '../nn/dropout.js';
import { inOwnPrograms } from '../nn/programs.js';

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
  return batchEncoder(model, batch, context)();
}

/**
 * Encodes a batch as `encodeBatch` does, as often as it is called: each time with other dropout, and what drops nothing,
 * such as an image encoder or features that are known, once.
 */
export function batchEncoder(
  model: BertResNetModel,
  batch: Batch,
  context: EncodeContext,
): () => Features {
  const { mode, random } = context;
  const inputs = toTensors(batch);
  const needs = mode === 'both' ? model.fusion.needs : 'pooled';
  const encode: Encode = (given, input) => model.encode(given, { ...context, mode: input }, needs);
  // Texts differ in length from batch to batch, pictures do not.
  const apart = mode === 'both' && needs === 'pooled' && !batch.features?.image;
  const text = anewWhereRandom(() => textFeatures(encode, batch, inputs, apart), random);
  const image = anewWhereRandom(() => imageFeatures(encode, batch, inputs), random);
  return () => ({ ...(mode !== 'image' && text()), ...(mode !== 'text' && image()) });
}

/** What a function gives, computed again only where it has drawn from the source. */
function anewWhereRandom<T>(compute: () => T, random: DropoutSource | undefined): () => T {
  let known: T | undefined;
  return () => {
    if (known !== undefined) return known;
    const before = random?.drawn;
    const value = compute();
    if (random?.drawn === before) known = value;
    return value;
  };
}

type Encode = (given: ModelInput, input: 'text' | 'image') => Features;

function textFeatures(
  encode: Encode,
  batch: Batch,
  { text }: BatchTensors,
  apart: boolean,
): Features {
  const known = knownFeatures(batch, 'text');
  if (known !== undefined) return known;
  if (!apart) return encode({ text }, 'text');
  return { text: inOwnPrograms(() => encode({ text }, 'text').text!) };
}

function imageFeatures(encode: Encode, batch: Batch, { image }: BatchTensors): Features {
  const known = knownFeatures(batch, 'image');
  if (known !== undefined) return known;
  const rows = batch.hasImage.flatMap((present, row) => (present ? [row] : []));
  if (rows.length === batch.size) return encode({ image }, 'image');
  const features = encode({ image: tf.gather(image!, tf.tensor1d(rows, 'int32')) }, 'image');
  const matrix = placement(rows, batch.size);
  const placed = Object.entries(features).map(([name, x]: [string, tf.Tensor]) => {
    return [name, timesRows(matrix, x)];
  });
  return Object.fromEntries(placed) as Features;
}

function knownFeatures({ size, features }: Batch, input: keyof HostFeatures): Features | undefined {
  const values = features?.[input];
  return values && { [input]: tf.tensor2d(values, [size, values.length / size]) };
}

/** The matrix [size, rows.length] that puts each row in its place among zeros. */
function placement(rows: readonly number[], size: number): tf.Tensor2D {
  const matrix = new Float32Array(size * rows.length);
  rows.forEach((row, i) => (matrix[row * rows.length + i] = 1));
  return tf.tensor2d(matrix, [size, rows.length]);
}

/** A matrix [size, rows] times a tensor [rows, ...]: [size, ...]. */
export function timesRows<T extends tf.Tensor>(matrix: tf.Tensor2D, x: T): T {
  if (x.rank === 2) return tf.matMul(matrix, x as unknown as tf.Tensor2D) as unknown as T;
  const [rows, ...rest] = x.shape;
  const product = tf.matMul(matrix, tf.reshape<tf.Rank.R2>(x, [rows!, -1]));
  return tf.reshape(product, [matrix.shape[0], ...rest]) as unknown as T;
}
