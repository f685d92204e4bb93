import * as tf from '@tensorflow/tfjs-core';
import { ensureBackend } from '../backends/select.js';
import type { HostTensor } from '../nn/stateDict.js';
import { dtypes } from './dtypes.js';
import { headerLength, lengthBytes, parseHeader } from './safetensorsHeader.js';
import type { Header, TensorEntry } from './safetensorsHeader.js';
import { openSource, view } from './source.js';
import type { ByteSource, WeightsSource } from './source.js';

export { writeSafetensors } from './safetensorsWrite.js';
export type { SafetensorsOptions } from './safetensorsWrite.js';
export type { WeightsSource } from './source.js';

/** A tensor of a safetensors file. Its `values` are float32, int32, or (`BOOL`) bytes that are 0 or 1. */
export interface SafeTensor extends HostTensor {
  /** The type it is stored in, as the format spells it: `F32`, `BF16`, `I64`, ... */
  readonly dtype: string;
}

/** The tensors of a safetensors file in the order of their bytes, and its free-form metadata. */
export interface SafeTensors {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, SafeTensor>;
}

/**
 * Reads a safetensors file (https://github.com/huggingface/safetensors) as tensors: F64, F32, F16 and BF16 become
 * float32; I64, I32, I16, I8 and the unsigned types become int32; BOOL becomes bool.
 *
 * @param from a path or URL, which is read tensor by tensor, or its bytes, which the tensors may view: leave them
 *   as they are.
 * @throws InputError, naming file and tensor, for a file that is truncated or inconsistent, a type that is not
 *   supported, and a value outside the range of what it becomes.
 */
export async function readSafetensors(from: WeightsSource): Promise<Record<string, tf.Tensor>> {
  const source = await openSource(from);
  const { tensors } = await readAndClose(source);
  ensureBackend();
  // Not by assignment: a tensor may be called '__proto__'.
  return Object.fromEntries([...tensors].map(([name, tensor]) => [name, toTensor(tensor)]));
}

/** As `readSafetensors`, of a source that is open, and without TensorFlow.js; the source is closed. */
export async function readAndClose(source: ByteSource): Promise<SafeTensors> {
  try {
    const header = await readHeader(source);
    const tensors = new Map<string, SafeTensor>();
    for (const entry of header.entries) {
      const [begin, end] = placeOf(entry, header);
      tensors.set(entry.name, decode(entry, await source.read(begin, end), source.name));
    }
    return { metadata: header.metadata, tensors };
  } finally {
    await source.close();
  }
}

async function readHeader(source: ByteSource): Promise<Header> {
  const start = await source.read(0, Math.min(lengthBytes, source.size));
  const length = headerLength(start, source.size, source.name);
  const json = await source.read(lengthBytes, lengthBytes + length);
  return parseHeader(json, source.size, source.name);
}

/**
 * The tensors in the bytes of a safetensors file. F32, I32 and BOOL are views of the bytes, not copies, where they
 * are aligned, as every usual writer has them.
 *
 * @param name what errors call the bytes.
 * @throws InputError as `readSafetensors`.
 */
export function parseSafetensors(bytes: Uint8Array | ArrayBuffer, name = 'bytes'): SafeTensors {
  const whole = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes;
  const length = headerLength(whole, whole.length, name);
  const header = parseHeader(view(whole, lengthBytes, lengthBytes + length), whole.length, name);
  const tensors = header.entries.map((entry): [string, SafeTensor] => [
    entry.name,
    decode(entry, view(whole, ...placeOf(entry, header)), name),
  ]);
  return { metadata: header.metadata, tensors: new Map(tensors) };
}

function placeOf({ begin, end }: TensorEntry, { dataStart }: Header): [begin: number, end: number] {
  return [dataStart + begin, dataStart + end];
}

function decode({ name, dtype, shape }: TensorEntry, bytes: Uint8Array, file: string): SafeTensor {
  const values = dtypes[dtype]!.decode(bytes, `safetensors: ${file}: tensor '${name}'`);
  return { dtype, shape, values };
}

function toTensor({ dtype, shape, values }: SafeTensor): tf.Tensor {
  return tf.tensor(values, [...shape], dtypes[dtype]!.becomes);
}
