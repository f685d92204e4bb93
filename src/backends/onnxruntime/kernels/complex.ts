import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import { Value } from '../graph.js';
import { cast, elementwise, reshape } from '../layout.js';
import { constantOf } from './creation.js';
import { add, divide, multiply } from './elementwise.js';
import type { KernelCall } from './fallback.js';
import { fourier } from './fourier.js';
import type { KernelInputs, Lowering } from './lowering.js';
import { joinParts, multiplyComplex, partOf } from './pairs.js';

// What is linear is done to the real and to the imaginary part, each by the kernel that real numbers have.

/** Kernels that compute each part of complex tensors by itself. */
const linear: ReadonlySet<string> = new Set([
  'Add',
  'AddN',
  'BatchToSpaceND',
  'BroadcastTo',
  'Concat',
  'Cumsum',
  'ExpandDims',
  'GatherNd',
  'GatherV2',
  'Mean',
  'MirrorPad',
  'Neg',
  'Pack',
  'PadV2',
  'Reshape',
  'Reverse',
  'ScatterNd',
  'Select',
  'Slice',
  'SpaceToBatchND',
  'SplitV',
  'StridedSlice',
  'Sub',
  'Sum',
  'Tile',
  'Transpose',
  'Unpack',
  'UnsortedSegmentSum',
  'ZerosLike',
]);

/** x / y as x conj(y) / |y|^2. */
function divideComplex(x: Value, y: Value): Value {
  const [c, d] = [partOf(y, 0), partOf(y, 1)];
  const square = add(multiply(c, c), multiply(d, d));
  const product = multiplyComplex(x, joinParts(c, elementwise('Neg', [d])));
  return divide(product, reshape(square, [...square.shape, 1]));
}

/** In float64, where no square of a float32 overflows or vanishes. */
function magnitude(x: Value): Value {
  const [a, b] = [0, 1].map((which) => cast(partOf(x, which as 0 | 1), 'float64')) as [
    Value,
    Value,
  ];
  return cast(elementwise('Sqrt', [add(multiply(a, a), multiply(b, b))]), 'float32');
}

const toComplex = (x: Value): Value => {
  const real = cast(x, 'float32');
  return joinParts(real, constantOf(0, real.shape, 'float32'));
};

const onesLike = (x: Value): Value => toComplex(constantOf(1, x.shape.slice(0, -1), 'float32'));

/** Kernels that make complex tensors; those of complex inputs are given them as pairs [..., 2]. */
const toPairs: Readonly<Record<string, Lowering>> = {
  Complex: ({ real, imag }) => joinParts(real!, imag!),
  FFT: ({ input }) => fourier(input!, false),
  IFFT: ({ input }) => fourier(input!, true),
  Multiply: ({ a, b }) => multiplyComplex(a!, b!),
  OnesLike: ({ x }) => onesLike(x!),
  RealDiv: ({ a, b }) => divideComplex(a!, b!),
  Square: ({ x }) => multiplyComplex(x!, x!),
};

/** Kernels that make real tensors of complex ones. */
const toReal: Readonly<Record<string, Lowering>> = {
  ComplexAbs: ({ input, x }) => magnitude((input ?? x)!),
  Imag: ({ input }) => partOf(input!, 1),
  Real: ({ input }) => partOf(input!, 0),
};

/** Kernels that complex numbers alone have. */
export const complexKernelNames = ['Complex', 'ComplexAbs', 'FFT', 'IFFT', 'Imag', 'Real'] as const;

/**
 * Lowers a call of complex numbers.
 *
 * @param lowering the kernel's lowering for real numbers.
 * @throws Error where the kernel knows no complex numbers.
 */
export function runComplex(
  kernelName: string,
  lowering: Lowering | undefined,
  { inputs, attrs = {}, backend }: KernelCall,
): TensorInfo | TensorInfo[] {
  const values: Record<string, Value> = {};
  for (const [name, info] of Object.entries(inputs)) values[name] = backend.lookUp(info);
  const give = (result: Value | readonly Value[], dtype: 'complex64' | undefined) =>
    result instanceof Value
      ? backend.toTensorInfo(result, dtype)
      : result.map((value) => backend.toTensorInfo(value, dtype));
  if (kernelName === 'Cast') return castComplex(inputs['x']!, values['x']!, attrs, lowering!, give);
  const real = toReal[kernelName];
  if (real !== undefined) return give(real(values, attrs), undefined);
  const complex = toPairs[kernelName];
  if (complex !== undefined) return give(complex(values, attrs), 'complex64');
  if (lowering === undefined || !linear.has(kernelName)) {
    throw new Error(
      `onnxruntime: the kernel ${kernelName} takes no complex64; compute on tf.real and tf.imag`,
    );
  }
  return give(eachPart(lowering, inputs, values, attrs), 'complex64');
}

type Give = (
  result: Value | readonly Value[],
  dtype: 'complex64' | undefined,
) => TensorInfo | TensorInfo[];

function castComplex(
  { dtype }: TensorInfo,
  x: Value,
  attributes: NamedAttrMap,
  lowering: Lowering,
  give: Give,
): TensorInfo | TensorInfo[] {
  if (attributes['dtype'] !== 'complex64')
    return give(lowering({ x: partOf(x, 0) }, attributes), undefined);
  return give(dtype === 'complex64' ? x : toComplex(x), 'complex64');
}

/** Computes on the real parts, then on the imaginary; what is padded with a number is padded with a real one. */
function eachPart(
  lowering: Lowering,
  inputs: KernelCall['inputs'],
  values: KernelInputs,
  attributes: NamedAttrMap,
): Value | readonly Value[] {
  const parts = ([0, 1] as const).map((which) => {
    const chosen = Object.entries(values).map(
      ([name, value]) =>
        [name, inputs[name]!.dtype === 'complex64' ? partOf(value, which) : value] as const,
    );
    const own = which === 1 ? { ...attributes, constantValue: 0 } : attributes;
    return lowering(Object.fromEntries(chosen), own);
  });
  const [real, imaginary] = parts as [Value | Value[], Value | Value[]];
  if (!Array.isArray(real)) return joinParts(real, imaginary as Value);
  return real.map((value, i) => joinParts(value, (imaginary as Value[])[i]!));
}
