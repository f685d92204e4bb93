import * as tf from '@tensorflow/tfjs-core';
import type { DType, TypedArray } from '../backends/onnxruntime/graph.js';
import type { OpenSpec } from '../backends/onnxruntime/onnx.js';
import type { ImageSize } from '../datasets/imagePixels.js';
import { InputError } from '../errors.js';
import { modes } from '../fusion/fusion.js';
import type { Mode } from '../fusion/fusion.js';
import type { BertResNetModel } from '../model.js';
import { whileMerged } from '../nn/lora.js';
import type { FixedTensor } from './graph.js';
import { describeModel } from './metadata.js';
import { layOutModel } from './modelProto.js';
import type { FileLayout, ModelDescription, ModelLayout, Weight } from './modelProto.js';
import { traceModel } from './trace.js';

/** How a model is exported. */
export interface OnnxOptions {
  /** What answers rest on, and so which inputs there are (default: the model's `trainedMode`, else `both`). */
  readonly mode?: Mode;
  /**
   * The height and width of pictures; a number is the side of a square. By default those that the processor makes, else
   * those that the encoder was made for.
   */
  readonly imageSize?: number | ImageSize;
}

/** Readers of protobuf take less than 2 GiB. */
export const largestFile = 2 ** 31 - 1;

/**
 * A model as the bytes of one ONNX file.
 *
 * @throws InputError where an option cannot be used, the bytes would be 2 GiB or more, or a part of the model computes
 *   in a way that ONNX cannot express for every batch and length.
 */
export function onnxBytes(model: BertResNetModel, options: OnnxOptions = {}): Promise<Uint8Array> {
  return withDescription(model, options, async (description) => {
    const layout = layOutModel(description);
    if (layout.model.size <= largestFile) return concatenate(layout.model);
    throw new InputError(
      `toOnnx: one ONNX file must be smaller than 2 GiB, got ${layout.model.size} bytes; ` +
        "pass a path, where the weights go into a second file: model.toOnnx('model.onnx')",
    );
  });
}

/**
 * Writes a model as an ONNX file; where that would be 2 GiB or more, its weights into `<path>.data` beside it. The
 * files appear under their names only when both are whole.
 *
 * @param largest the size in bytes from which on weights go into a file of their own
 * @returns the paths that were written
 */
export function writeOnnx(
  model: BertResNetModel,
  path: string | URL,
  options: OnnxOptions = {},
  largest = largestFile,
): Promise<string[]> {
  return withDescription(model, options, async (description) => {
    const { fileName, writeFilesAtomic } = await import('../weights/files.node.js');
    const single = layOutModel(description);
    const { model: file, data }: ModelLayout =
      single.model.size <= largest ? single : layOutModel(description, `${fileName(path)}.data`);
    const beside = (ending: string): string | URL =>
      path instanceof URL ? new URL(path.href + ending) : path + ending;
    const files: [string | URL, AsyncIterable<Uint8Array>][] = [[path, chunks(file)]];
    if (data !== undefined) files.unshift([beside('.data'), chunks(data)]);
    return writeFilesAtomic(files);
  });
}

async function concatenate(file: FileLayout): Promise<Uint8Array> {
  const bytes = new Uint8Array(file.size);
  let at = 0;
  for await (const chunk of chunks(file)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

async function* chunks({ pieces }: FileLayout): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield piece instanceof Uint8Array ? piece : await piece.read();
}

/** Runs with all that is written of a model, whose weights stay as they are meanwhile. */
async function withDescription<T>(
  model: BertResNetModel,
  options: OnnxOptions,
  run: (description: ModelDescription) => Promise<T>,
): Promise<T> {
  const { mode = model.trainedMode ?? 'both' } = options;
  if (!modes.includes(mode)) {
    throw new InputError(`toOnnx: mode must be one of ${modes.join(', ')}, got '${String(mode)}'`);
  }
  requireOwnEncoders(model, mode);
  const { version } = await import('../version.node.js');
  await tf.ready();
  const { graph, inputs, imageSize, held } = whileMerged(model, () => {
    const traced = traceModel(model, mode, options.imageSize);
    const variables = [...model.namedParameters(), ...model.namedBuffers()];
    const read = variables.filter(([name]) => traced.graph.read.has(name));
    const clones = read.map(([name, value]): [string, tf.Tensor] => [name, tf.clone(value)]);
    return { ...traced, held: clones };
  });
  try {
    return await run({
      ...{ name: 'bertresnet', doc: docOf(model, inputs), version: version(), inputs },
      outputs: [{ name: 'logits', dtype: 'float32', shape: ['batch', model.labels.length] }],
      nodes: graph.nodes,
      constants: graph.constants,
      weights: [
        ...held.map(([name, tensor]) => weightOf(name, tensor)),
        ...graph.tensors.map(fixedWeight),
      ],
      metadata: describeModel(model, { mode, imageSize, version: version() }),
    });
  } finally {
    for (const [, tensor] of held) tensor.dispose();
  }
}

/** @throws InputError where an encoder that the mode needs computes elsewhere: its operations are not the model's. */
function requireOwnEncoders({ extractors: { text, image } }: BertResNetModel, mode: Mode): void {
  const kind = text && mode !== 'image' ? 'text' : image && mode !== 'text' ? 'image' : undefined;
  if (kind === undefined) return;
  throw new InputError(
    `toOnnx: mode '${mode}' needs the ${kind} encoder, which another library runs from an ONNX file of its own; ` +
      'export a mode without it, or use model.predict',
  );
}

function docOf({ labels }: BertResNetModel, inputs: readonly OpenSpec[]): string {
  const names = inputs.map(({ name }) => name).join(', ');
  return `A classifier by bertresnet: from ${names} to the logits of ${labels.join(', ')}.`;
}

const arrays = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

function weightOf(name: string, tensor: tf.Tensor): Weight {
  const dtype = tensor.dtype as DType;
  const size = tensor.size * arrays[dtype].BYTES_PER_ELEMENT;
  return {
    name,
    dtype,
    shape: tensor.shape,
    size,
    read: async () => bytesOf(dtype, await tensor.data()),
  };
}

function fixedWeight({ data, ...tensor }: FixedTensor): Weight {
  return { ...tensor, size: data.byteLength, read: async () => bytesOf(tensor.dtype, data) };
}

/** A backend may hold a tensor's values in an array of another type. */
function bytesOf(dtype: DType, values: TypedArray): Uint8Array {
  const held = values instanceof arrays[dtype] ? values : arrays[dtype].from(values);
  return new Uint8Array(held.buffer, held.byteOffset, held.byteLength);
}
