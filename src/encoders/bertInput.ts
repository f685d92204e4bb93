import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import type { BertConfig } from './bertConfig.js';
import type { TextInput } from './encoder.js';

/**
 * Refuses tokens that BERT cannot read: shapes and types always, ids where they are on the host already.
 *
 * @throws InputError naming the input, what it must be, and what came.
 */
export function checkText(text: TextInput, config: BertConfig): void {
  const { inputIds, attentionMask, tokenTypeIds } = text;
  if (!(inputIds instanceof tf.Tensor)) {
    throw new InputError(
      'bert: text must be { inputIds, attentionMask?, tokenTypeIds? } of tensors',
    );
  }
  checkIds(inputIds, config);
  if (attentionMask !== undefined) checkLike('attentionMask', attentionMask, inputIds);
  if (tokenTypeIds === undefined) return;
  checkLike('tokenTypeIds', tokenTypeIds, inputIds);
  checkInt32('tokenTypeIds', tokenTypeIds);
  checkRange('tokenTypeIds', tokenTypeIds, config.typeVocabSize, 'typeVocabSize');
}

function checkIds(inputIds: tf.Tensor2D, config: BertConfig): void {
  const [batch = 0, length = 0] = inputIds.shape;
  const limit = config.maxPositionEmbeddings;
  if (inputIds.rank !== 2 || batch === 0 || length === 0 || length > limit) {
    const advice =
      length > limit ? 'pass maxLength to the tokenizer' : 'give at least one row and token';
    throw new InputError(
      `bert: inputIds must be [batch, length <= ${limit}], got ${show(inputIds)}; ${advice}`,
    );
  }
  checkInt32('inputIds', inputIds);
  checkRange('inputIds', inputIds, config.vocabSize, 'vocabSize');
}

function checkLike(name: string, tensor: tf.Tensor, inputIds: tf.Tensor): void {
  if (show(tensor) === show(inputIds)) return;
  throw new InputError(
    `bert: ${name} must have the shape of inputIds ${show(inputIds)}, got ${show(tensor)}`,
  );
}

function checkInt32(name: string, tensor: tf.Tensor): void {
  if (tensor.dtype === 'int32') return;
  throw new InputError(
    `bert: ${name} must be int32, got ${tensor.dtype}; cast it, or make it with 'int32'`,
  );
}

function checkRange(name: string, ids: tf.Tensor, limit: number, field: string): void {
  if (!isOnHost(ids)) return;
  const bad = ids.dataSync().find((id) => id < 0 || id >= limit);
  if (bad === undefined) return;
  throw new InputError(
    `bert: ${name} must be in 0 ... ${limit - 1} (${field} ${limit}), got ${bad}; ` +
      'use the tokenizer that belongs to these weights',
  );
}

// Reading a tensor may cost a whole round trip, and is free where it is an array on the host.
function isOnHost({ dataId }: tf.Tensor): boolean {
  const backend = tf.backend() as { isOnHost?(dataId: object): boolean };
  return inMainMemory.has(tf.getBackend()) || backend.isOnHost?.(dataId) === true;
}

const inMainMemory: ReadonlySet<string> = new Set(['cpu', 'wasm', 'tensorflow']);

function show(tensor: tf.Tensor): string {
  return `[${tensor.shape.join(', ')}]`;
}
