import type * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import type { HostTensor, StateDict } from '../nn/stateDict.js';
import { dtypes } from './dtypes.js';
import type { Values } from './dtypes.js';
import { writeHeader } from './safetensorsHeader.js';
import type { TensorEntry } from './safetensorsHeader.js';

/** What is written beside the tensors. */
export interface SafetensorsOptions {
  /** Free-form; PyTorch's tools expect `{ format: 'pt' }`. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes tensors as a safetensors file, which appears under its name only when it is whole. float32 is written as
 * F32, int32 as I32, bool (and a `Uint8Array` outside TensorFlow.js) as BOOL; the bytes are those that the Python
 * package writes. Tensors are read one after the other, so none may be disposed or assigned before this returns.
 *
 * @throws InputError for a tensor of another type, a shape that does not fit its values, or a name or metadata
 *   that the format cannot hold.
 */
export function writeSafetensors(
  path: string | URL,
  dict: StateDict,
  options?: SafetensorsOptions,
): Promise<void>;
/** The bytes of the file that `writeSafetensors(path, dict)` writes. */
export function writeSafetensors(
  dict: StateDict,
  options?: SafetensorsOptions,
): Promise<Uint8Array>;
export async function writeSafetensors(
  first: string | URL | StateDict,
  second: StateDict | SafetensorsOptions = {},
  third?: SafetensorsOptions,
): Promise<Uint8Array | void> {
  if (!(typeof first === 'string' || first instanceof URL)) {
    return concatenate(layOut(first, second as SafetensorsOptions));
  }
  const file = layOut(second as StateDict, third ?? {});
  const { writeFileAtomic } = await import('./files.node.js');
  await writeFileAtomic(first, chunks(file));
}

/** A file before its values are there. */
interface Layout {
  readonly header: Uint8Array;
  readonly tensors: readonly Source[];
  /** In bytes. */
  readonly size: number;
}

interface Source {
  readonly name: string;
  readonly dtype: 'F32' | 'I32' | 'BOOL';
  readonly tensor: tf.Tensor | HostTensor;
  /** In bytes. */
  readonly size: number;
}

/** Larger elements come first, so that each is aligned, then names in the order of their code points. */
function layOut(dict: StateDict, { metadata = {} }: SafetensorsOptions): Layout {
  checkMetadata(metadata);
  const tensors = Object.entries(dict)
    .map(([name, tensor]) => sourceOf(name, tensor))
    .toSorted((a, b) => ranks[a.dtype] - ranks[b.dtype] || compareCodePoints(a.name, b.name));
  let end = 0;
  const entries = tensors.map(({ name, dtype, tensor, size }): TensorEntry => {
    end += size;
    return { name, dtype, shape: tensor.shape, begin: end - size, end };
  });
  const header = writeHeader({ metadata, entries });
  return { header, tensors, size: header.length + end };
}

const arrays = { F32: Float32Array, I32: Int32Array, BOOL: Uint8Array } as const;
const ranks = { F32: 0, I32: 1, BOOL: 2 } as const;
const written: Readonly<Record<string, Source['dtype']>> = {
  float32: 'F32',
  int32: 'I32',
  bool: 'BOOL',
};

function sourceOf(name: string, tensor: tf.Tensor | HostTensor): Source {
  const fail = (why: string): InputError =>
    new InputError(`writeSafetensors: tensor '${name}' ${why}`);
  if (name === '__metadata__') throw fail('has the one name that the format keeps; rename it');
  if ('isDisposed' in tensor && tensor.isDisposed) throw fail('is disposed');
  const type = 'values' in tensor ? typeOf(tensor.values) : tensor.dtype;
  const dtype = Object.hasOwn(written, type) ? written[type] : undefined;
  if (dtype === undefined) throw fail(`must be float32, int32 or bool, got ${type}; cast it`);
  const length = tensor.shape.reduce((product, side) => product * side, 1);
  if ('values' in tensor && tensor.values.length !== length) {
    throw fail(
      `holds ${tensor.values.length} values, and its shape is [${tensor.shape.join(', ')}]`,
    );
  }
  return { name, dtype, tensor, size: length * dtypes[dtype]!.itemSize };
}

function typeOf(values: Values): string {
  if (values instanceof Float32Array) return 'float32';
  return values instanceof Int32Array ? 'int32' : 'bool';
}

function checkMetadata(metadata: Readonly<Record<string, unknown>>): void {
  const wrong = Object.entries(metadata).find(([, value]) => typeof value !== 'string');
  if (wrong === undefined) return;
  throw new InputError(
    `writeSafetensors: metadata must be strings, got ${String(wrong[1])} for '${wrong[0]}'`,
  );
}

/** The order of the UTF-8 bytes, which that of JavaScript strings is not beyond the basic plane. */
function compareCodePoints(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  const at = left.findIndex((character, i) => character !== right[i]);
  if (at < 0) return left.length - right.length;
  return right[at] === undefined ? 1 : left[at]!.codePointAt(0)! - right[at].codePointAt(0)!;
}

async function* chunks({ header, tensors }: Layout): AsyncGenerator<Uint8Array> {
  yield header;
  for (const source of tensors) yield await bytesOf(source);
}

async function bytesOf({ dtype, tensor, size }: Source): Promise<Uint8Array> {
  const values = 'values' in tensor ? tensor.values : ((await tensor.data()) as Values);
  const type = arrays[dtype];
  // A backend may hold a tensor's values in an array of another type.
  const held = values instanceof type ? values : type.from(values);
  return new Uint8Array(held.buffer, held.byteOffset, size);
}

async function concatenate(file: Layout): Promise<Uint8Array> {
  const bytes = new Uint8Array(file.size);
  let at = 0;
  for await (const chunk of chunks(file)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
