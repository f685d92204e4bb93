import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { cast, transpose, TO_NHWC } from '../backends/onnxruntime/layout.js';
import type { OpenSpec } from '../backends/onnxruntime/onnx.js';
import { record } from '../backends/onnxruntime/recorder.js';
import type { Inputs, Recording } from '../backends/onnxruntime/recorder.js';
import type { ImageSize } from '../datasets/imagePixels.js';
import { InputError } from '../errors.js';
import type { Mode } from '../fusion/fusion.js';
import type { BertResNetModel } from '../model.js';
import type { ModelInput } from '../modelOptions.js';
import { mergeRecordings } from './graph.js';
import type { Graph } from './graph.js';
import { shortestLimit, tracePoints } from './sizes.js';
import type { Point } from './sizes.js';

/** The inputs of texts, as transformers names them. */
export const textInputs = ['input_ids', 'attention_mask', 'token_type_ids'] as const;
/** The input of pictures, as transformers names it. */
export const imageInput = 'pixel_values';

/** A model's computation in one mode. */
export interface TracedModel {
  readonly graph: Graph;
  readonly inputs: readonly OpenSpec[];
  /** The size of the pictures that it reads, if it reads any. */
  readonly imageSize?: ImageSize;
}

/**
 * The graph of a model's evaluation: token ids int64 [batch, length], pictures float32 [batch, 3, height, width] as
 * exporters of PyTorch have them, to logits [batch, classes].
 */
export function traceModel(
  model: BertResNetModel,
  mode: Mode,
  asked?: number | ImageSize,
): TracedModel {
  const [readsText, readsImage] = [mode !== 'image', mode !== 'text'];
  const imageSize = readsImage ? sizeOfPictures(model, asked) : undefined;
  if (readsText) checkLength(model);
  const points = tracePoints(readsText ? model.textEncoder.maxLength : undefined);
  const variables = new Map([...model.namedParameters(), ...model.namedBuffers()]);
  const recordAt = (point: Point): Recording =>
    record(variables, (inputs) => {
      const text = readsText ? tokens(inputs, point) : undefined;
      const image = imageSize && pictures(inputs, point, imageSize);
      return model.forward({ text, image }, { mode });
    });
  const graph = mergeRecordings(points.map(recordAt), {
    points,
    sources: {
      batch: [readsText ? textInputs[0] : imageInput, 0],
      ...(readsText ? { length: [textInputs[0], 1] } : {}),
    },
    output: 'logits',
  });
  const specs = [...(readsText ? textSpecs : []), ...(imageSize ? [imageSpec(imageSize)] : [])];
  return { graph, inputs: specs, imageSize };
}

const textSpecs = textInputs.map((name): OpenSpec => {
  return { name, dtype: 'int64', shape: ['batch', 'length'] };
});

const imageSpec = ({ height, width }: ImageSize): OpenSpec => ({
  name: imageInput,
  dtype: 'float32',
  shape: ['batch', 3, height, width],
});

function tokens(inputs: Inputs, { batch, length }: Point): ModelInput['text'] {
  const [inputIds, attentionMask, tokenTypeIds] = textInputs.map((name) =>
    inputs.tensor<Tensor2D>(cast(inputs.value(name, 'int64', [batch, length]), 'int32')),
  ) as [Tensor2D, Tensor2D, Tensor2D];
  return { inputIds, attentionMask, tokenTypeIds };
}

function pictures(inputs: Inputs, { batch }: Point, { height, width }: ImageSize): Tensor4D {
  const pixels = inputs.value(imageInput, 'float32', [batch, 3, height, width]);
  return inputs.tensor<Tensor & Tensor4D>(transpose(pixels, TO_NHWC));
}

function checkLength({ textEncoder: { maxLength } }: BertResNetModel): void {
  if (maxLength === undefined || maxLength >= shortestLimit) return;
  throw new InputError(
    `toOnnx: the text encoder must read ${shortestLimit} tokens or more, got at most ${maxLength}; ` +
      "export without it: { mode: 'image' }",
  );
}

function sizeOfPictures(model: BertResNetModel, asked?: number | ImageSize): ImageSize {
  const given = typeof asked === 'number' ? { height: asked, width: asked } : asked;
  if (given !== undefined) checkSides(given);
  const processed = model.processor?.size;
  if (given === undefined) return processed ?? sizeOfEncoder(model);
  const same = given.height === processed?.height && given.width === processed.width;
  if (processed === undefined || same) return given;
  throw new InputError(
    `toOnnx: imageSize must be what the model's processor makes, ${processed.height} x ${processed.width}, ` +
      `got ${given.height} x ${given.width}; leave it out, or give the model another processor`,
  );
}

function checkSides({ height, width }: ImageSize): void {
  if ([height, width].every((side) => Number.isInteger(side) && side > 0)) return;
  throw new InputError(
    `toOnnx: imageSize must be a positive integer or { height, width } of such, got ${height} x ${width}`,
  );
}

function sizeOfEncoder({ visualEncoder: { config } }: BertResNetModel): ImageSize {
  const size = (config as { imageSize?: readonly [number, number] }).imageSize;
  if (size !== undefined) return { height: size[0], width: size[1] };
  throw new InputError(
    "toOnnx: the model has no processor that would tell the pictures' size; pass imageSize",
  );
}
