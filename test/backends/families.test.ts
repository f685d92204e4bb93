import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { kernelNames, lowerings } from '../../src/backends/onnxruntime/kernels/index.js';
import { complexKernelNames } from '../../src/backends/onnxruntime/kernels/complex.js';
import { immediateKernels } from '../../src/backends/onnxruntime/kernels/host.js';
import { registerOnnxRuntime } from '../../src/backends/onnxruntime/index.js';
import { useBackend } from '../../src/backends/select.js';
import { describeBackends, expectClose, take } from '../backends.js';
import { compareWithCpu, i32, nhwc, unary } from './cases.js';
import type { Case, Shape } from './cases.js';

const volume = (x: tf.Tensor) => x as tf.Tensor5D;
const text = (...parts: unknown[]) => JSON.stringify(parts);

type Pad = 'same' | 'valid' | number;
const rounding = (pad: Pad) => (typeof pad === 'number' ? 'floor' : undefined);

const depthwise = (
  [
    [[2, 7, 5, 3], [3, 2, 3, 2], 1, 'same', 1],
    [[2, 8, 7, 3], [3, 3, 3, 1], 2, 'valid', 1],
    [[1, 9, 8, 2], [2, 3, 2, 3], [2, 2], 'same', 1],
    [[2, 9, 8, 2], [3, 2, 2, 2], 1, 'same', 2],
    [[1, 9, 9, 2], [3, 3, 2, 1], 1, 1, [2, 3]],
  ] as [Shape, Shape, number, Pad, number | [number, number]][]
).map(([x, w, strides, pad, dilations]): Case => ({
  name: `depthwiseConv2d ${text(x, w, strides, pad, dilations)}`,
  shapes: [x, w],
  compute: (a, b) =>
    tf.depthwiseConv2d(nhwc(a!), nhwc(b!), strides, pad, 'NHWC', dilations, rounding(pad)),
  relative: 2e-5,
  gradient: dilations === 1, // TensorFlow.js has no gradient of a dilated convolution
}));

const volumes = (
  [
    [[2, 4, 5, 6, 2], [2, 3, 2, 2, 3], 1, 'same'],
    [[1, 6, 5, 7, 2], [3, 2, 3, 2, 2], 2, 'valid'],
    [[1, 5, 6, 4, 1], [2, 2, 2, 1, 3], [1, 2, 1], 'same'],
  ] as [Shape, Shape, number | [number, number, number], 'same' | 'valid'][]
).flatMap(([x, w, strides, pad]): Case[] => {
  const size = w.slice(0, 3) as [number, number, number];
  return [
    {
      name: `conv3d ${text(x, w, strides, pad)}`,
      shapes: [x, w],
      compute: (a, b) => tf.conv3d(volume(a!), volume(b!), strides, pad),
      relative: 2e-5,
    },
    {
      name: `maxPool3d ${text(x, size, strides, pad)}`,
      shapes: [x],
      compute: (a) => tf.maxPool3d(volume(a!), size, strides, pad),
      gradient: false,
    },
    {
      name: `avgPool3d ${text(x, size, strides, pad)}`,
      shapes: [x],
      compute: (a) => tf.avgPool3d(volume(a!), size, strides, pad),
      gradient: pad === 'valid',
    },
  ];
});

const resized = (
  [
    [[2, 4, 5, 3], [7, 9], false],
    [[1, 7, 6, 2], [3, 4], false],
    [[2, 5, 5, 1], [9, 9], true],
    [[1, 5, 5, 2], [1, 1], true],
  ] as [Shape, [number, number], boolean][]
).flatMap(([x, size, alignCorners]): Case[] => [
  {
    name: `resizeBilinear ${text(x, size, alignCorners)}`,
    shapes: [x],
    compute: (a) => tf.image.resizeBilinear(nhwc(a!), size, alignCorners),
    gradient: false,
  },
  {
    name: `resizeNearestNeighbor ${text(x, size, alignCorners)}`,
    shapes: [x],
    compute: (a) => tf.image.resizeNearestNeighbor(nhwc(a!), size, alignCorners),
    gradient: false,
  },
  ...(alignCorners
    ? []
    : [
        {
          name: `resizeBilinear of half pixels ${text(x, size)}`,
          shapes: [x],
          compute: (a: tf.Tensor) => tf.image.resizeBilinear(nhwc(a), size, false, true),
          gradient: false,
        },
        {
          name: `resizeNearestNeighbor of half pixels ${text(x, size)}`,
          shapes: [x],
          compute: (a: tf.Tensor) => tf.image.resizeNearestNeighbor(nhwc(a), size, false, true),
          gradient: false,
        },
      ]),
]);

const pictures: Case[] = [
  ...resized,
  {
    name: 'cropAndResize',
    shapes: [[3, 6, 5, 2]],
    compute: (x) =>
      tf.image.cropAndResize(
        nhwc(tf.square(x!)),
        tf.tensor2d([0, 0, 1, 1, 0.2, 0.7, -0.1, 1.2], [2, 4]),
        i32([2, 0]) as tf.Tensor1D,
        [3, 4],
        'bilinear',
        0.5,
      ),
    gradient: false,
  },
  {
    name: 'rotateWithOffset',
    shapes: [[2, 6, 5, 3]],
    compute: (x) => tf.image.rotateWithOffset(nhwc(x!), 0.7, 0.25, 0.4),
    gradient: false,
  },
  {
    name: 'transform',
    shapes: [[1, 6, 5, 3]],
    compute: (x) =>
      tf.image.transform(
        nhwc(x!),
        tf.tensor2d([1, 0.3, -1, -0.2, 1, 2, 0.01, 0], [1, 8]),
        'bilinear',
        'reflect',
        0,
        [4, 7],
      ),
    gradient: false,
  },
  {
    name: 'flipLeftRight',
    shapes: [[2, 3, 4, 2]],
    compute: (x) => tf.image.flipLeftRight(nhwc(x!)),
    gradient: false,
  },
  {
    name: 'dilation2d',
    shapes: [
      [2, 7, 6, 3],
      [3, 2, 3],
    ],
    compute: (x, w) => tf.dilation2d(nhwc(x!), w as tf.Tensor3D, [2, 1], 'same', 1),
  },
  {
    name: 'localResponseNormalization',
    shapes: [[2, 3, 2, 7]],
    compute: (x) => tf.localResponseNormalization(nhwc(x!), 2, 1.5, 0.7, 0.6),
  },
  {
    name: 'maxPoolWithArgmax',
    shapes: [[2, 7, 6, 3]],
    compute: (x) => {
      const { result, indexes } = tf.maxPoolWithArgmax(nhwc(x!), [3, 2], 2, 'same', true);
      return tf.add(result!, tf.cast(indexes!, 'float32'));
    },
    gradient: false,
  },
  {
    name: 'pool of dilated windows',
    shapes: [[2, 9, 8, 3]],
    compute: (x) => tf.pool(nhwc(x!), [3, 2], 'max', 'valid', [2, 1]),
  },
  ...(['floor', 'round', 'ceil'] as const).flatMap((mode): Case[] => [
    {
      name: `conv2d rounded by ${mode}`,
      shapes: [
        [1, 8, 7, 2],
        [3, 2, 2, 3],
      ],
      compute: (x, w) => tf.conv2d(nhwc(x!), nhwc(w!), 2, 0, 'NHWC', 1, mode),
      gradient: false,
    },
    {
      name: `maxPool rounded by ${mode}`,
      shapes: [[1, 8, 7, 2]],
      compute: (x) => tf.maxPool(nhwc(x!), 3, 2, 0, mode),
      gradient: false,
    },
    {
      name: `avgPool rounded by ${mode}`,
      shapes: [[1, 8, 7, 2]],
      compute: (x) => tf.avgPool(nhwc(x!), 3, 2, 0, mode),
      gradient: false,
    },
  ]),
];

const blocks: Case[] = [
  {
    name: 'spaceToBatchND',
    shapes: [[2, 5, 6, 3]],
    compute: (x) => tf.spaceToBatchND(x!, [2, 3], [[1, 2], [0, 3]]), // prettier-ignore
  },
  {
    name: 'batchToSpaceND',
    shapes: [[12, 3, 2, 2]],
    compute: (x) => tf.batchToSpaceND(x!, [2, 3], [[1, 0], [0, 2]]), // prettier-ignore
  },
  {
    name: 'depthToSpace',
    shapes: [[2, 3, 2, 12]],
    compute: (x) => tf.depthToSpace(nhwc(x!), 2),
    gradient: false,
  },
  unary('diag', (x) => tf.diag(x), undefined, false),
  unary(
    'mirrorPad symmetric',
    (x) =>
    tf.mirrorPad(x, [[2, 1], [0, 3], [1, 0], [2, 2]], 'symmetric'), // prettier-ignore
    undefined,
    false,
  ),
  unary('cumprod', (x) => tf.cumprod(x, 3), undefined, false),
  unary('cumprod exclusive reverse', (x) => tf.cumprod(x, 1, true, true), undefined, false),
  unary('topk values', (x) => tf.topk(x, 3).values, undefined, false),
  unary('topk indices', (x) => tf.topk(tf.round(x), 4).indices, undefined, false),
  {
    name: 'gather of batches',
    shapes: [[2, 3, 4, 2]],
    compute: (x) => tf.gather(x!, i32([3, 0, 1, 1, 2, 0, 3, 3, 0, 1, 2, 2], [2, 3, 2]), 2, 2),
    gradient: false,
  },
  {
    name: 'einsum',
    shapes: [
      [2, 3, 4],
      [4, 5, 2],
    ],
    compute: (...inputs) => tf.einsum('bij,jkb->bik', ...inputs),
    gradient: false,
  },
  {
    name: 'fused conv2d of channels first, with PReLU',
    shapes: [[2, 3, 6, 5], [3, 2, 3, 4], [4], [4]],
    compute: (x, w, bias, alpha) =>
      tf.fused.conv2d({
        x: nhwc(x!),
        filter: nhwc(w!),
        bias: bias!,
        preluActivationWeights: alpha!,
        activation: 'prelu',
        strides: 1,
        pad: 'valid',
        dataFormat: 'NCHW',
      }),
    gradient: false,
  },
  {
    name: 'searchSorted',
    shapes: [
      [2, 6],
      [2, 4],
    ],
    compute: (x, v) => tf.searchSorted(tf.cumsum(tf.square(x!), 1), v!, 'right'),
    gradient: false,
  },
  {
    name: 'tensorScatterUpdate',
    shapes: [
      [4, 3],
      [3, 3],
    ],
    compute: (x, u) => tf.tensorScatterUpdate(x!, i32([2, 0, 2], [3, 1]), u!),
    gradient: false,
  },
  {
    name: 'denseBincount of weights',
    shapes: [[2, 5]],
    compute: (x) =>
      tf.denseBincount(
        i32([0, 2, 2, 1, 0, 3, 3, 3, 9, 1], [2, 5]) as tf.Tensor2D,
        x as tf.Tensor2D,
        4,
      ),
    gradient: false,
  },
  {
    name: 'multinomial of a seed',
    shapes: [[2, 5]],
    compute: (x) => tf.multinomial(x as tf.Tensor2D, 20, 7),
    gradient: false,
  },
];

const empty: Case[] = [
  {
    name: 'conv2d',
    shapes: [
      [0, 5, 4, 2],
      [3, 3, 2, 4],
    ],
    compute: (x, w) => tf.conv2d(nhwc(x!), nhwc(w!), 1, 'same'),
  },
  {
    name: 'depthwiseConv2d',
    shapes: [
      [0, 5, 4, 2],
      [3, 3, 2, 1],
    ],
    compute: (x, w) => tf.depthwiseConv2d(nhwc(x!), nhwc(w!), 1, 'same'),
  },
  {
    name: 'maxPool',
    shapes: [[0, 5, 4, 2]],
    compute: (x) => tf.maxPool(nhwc(x!), 2, 2, 'same'),
  },
  {
    name: 'matMul',
    shapes: [
      [3, 0],
      [0, 4],
    ],
    compute: (a, b) => tf.matMul(a!, b!),
  },
  { name: 'sum', shapes: [[3, 0, 2]], compute: (x) => tf.sum(x!, 1) },
  { name: 'softmax', shapes: [[0, 3]], compute: (x) => tf.softmax(x!) },
  { name: 'pad', shapes: [[0, 2]], compute: (x) => tf.pad(x!, [[1, 1], [0, 2]]) }, // prettier-ignore
  { name: 'gather', shapes: [[3, 2]], compute: (x) => tf.gather(x!, i32([])) },
  { name: 'tile', shapes: [[2, 3]], compute: (x) => tf.tile(x!, [0, 2]), gradient: false },
  {
    name: 'resizeBilinear',
    shapes: [[0, 4, 4, 2]],
    compute: (x) => tf.image.resizeBilinear(nhwc(x!), [3, 3]),
  },
];

const ofNothing: Case[] = [0, 1].flatMap((axis) =>
  Object.entries({
    any: (x: tf.Tensor) => tf.any(tf.cast(x, 'bool'), axis),
    'any, keeping axes,': (x: tf.Tensor) => tf.any(tf.cast(x, 'bool'), axis, true),
    sum: (x: tf.Tensor) => tf.sum(x, axis),
    prod: (x: tf.Tensor) => tf.prod(x, axis),
    cumsum: (x: tf.Tensor) => tf.cumsum(x, axis, true),
    cumprod: (x: tf.Tensor) => tf.cumprod(x, axis, true),
    'cumprod from behind': (x: tf.Tensor) => tf.cumprod(x, axis, true, true),
  }).map(([name, f]): Case => ({
    name: `${name} along ${axis}`,
    shapes: [[0, 3]],
    compute: (x) => f(x!),
    gradient: false,
  })),
);

compareWithCpu('kernels of tensors without elements', [...empty, ...ofNothing]);
compareWithCpu('convolutions', [...depthwise, ...volumes]);
compareWithCpu('kernels of pictures', pictures);
compareWithCpu('kernels that rearrange and search', blocks);

type Linear = readonly [name: string, shape: Shape, f: (x: tf.Tensor) => tf.Tensor];
/** Of what is linear piece by piece, the gradient times x is the result: an oracle where cpu's gradient is wrong. */
const linear: readonly Linear[] = [
  ['avgPool at a padded border', [2, 3, 4, 2], (x) => tf.avgPool(nhwc(x), 3, 2, 'same')],
  ['avgPool3d at a padded border', [1, 3, 4, 5, 2], (x) => tf.avgPool3d(volume(x), 3, 2, 'same')],
  ['maxPool3d', [2, 4, 5, 6, 2], (x) => tf.maxPool3d(volume(x), [2, 3, 2], 1, 'same')],
  ['resizeBilinear', [2, 4, 5, 3], (x) => tf.image.resizeBilinear(nhwc(x), [7, 9])],
  [
    'resizeBilinear of half pixels',
    [1, 6, 5, 2],
    (x) => tf.image.resizeBilinear(nhwc(x), [4, 8], false, true),
  ],
  ['resizeNearestNeighbor', [2, 4, 5, 3], (x) => tf.image.resizeNearestNeighbor(nhwc(x), [7, 9])],
  ...(['round', 'ceil'] as const).flatMap((mode) =>
    (
      [
        [
          'conv2d',
          [1, 8, 7, 2],
          (x) => tf.conv2d(nhwc(x), tf.ones([3, 2, 2, 3]), 2, 0, 'NHWC', 1, mode),
        ],
        [
          "conv2d's filter",
          [3, 2, 2, 3],
          (w) => tf.conv2d(nhwc(tf.ones([1, 8, 7, 2])), nhwc(w), 2, 0, 'NHWC', 1, mode),
        ],
        ['maxPool', [1, 8, 7, 2], (x) => tf.maxPool(nhwc(x), 3, 2, 0, mode)],
        ['avgPool', [1, 8, 7, 2], (x) => tf.avgPool(nhwc(x), 3, 2, 0, mode)],
      ] as Linear[]
    ).map(([name, shape, f]): Linear => [`${name} rounded by ${mode}`, shape, f]),
  ),
];

describe('gradients that cpu has otherwise are slopes', () => {
  beforeAll(() => useBackend('onnxruntime'));
  afterAll(() => useBackend('cpu'));
  test.each(linear)('%s', async (_, shape, f) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length: size }, (_, i) => Math.sin(i * i + i));
    const [product, result] = tf.tidy(() => {
      const x = tf.tensor(values, shape as number[]);
      const y = f(x);
      const weights = Float32Array.from({ length: y.size }, (_, i) => Math.cos(i * i));
      const weigh = (input: tf.Tensor) => tf.sum(tf.mul(f(input), tf.tensor(weights, y.shape)));
      return [tf.sum(tf.mul(tf.grad(weigh)(x), x)), weigh(x)];
    });
    expectClose(await take(product!), await take(result!), { relative: 1e-5, absolute: 1e-5 });
  });
});

const SPECIAL = [
  NaN, Infinity, -Infinity, 0, -0, 1, -1, 0.5, 2.5, -1.5, -2.5, 7, 88, -100, 3e9, 1e-8,
]; // prettier-ignore
const WHOLE = [0, 1, -1, 2, -3, 7, 10, 100, -100, 1000003, -2147483648];

type Function1 = (x: tf.Tensor) => tf.Tensor;
type Function2 = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;

/** What TensorFlow.js says of numbers at the edges. */
const functions1: readonly [string, Function1][] = [
  ...(['abs', 'round', 'sign', 'step', 'relu', 'relu6', 'exp', 'isNaN', 'isInf'] as const).map(
    (name) => [name, (x) => tf[name](x)] as [string, Function1],
  ),
  ...(
    ['ceil', 'floor', 'expm1', 'log1p', 'tan', 'elu', 'selu', 'sigmoid', 'sqrt', 'tanh'] as const
  ).map((name) => [name, (x) => tf[name](tf.cast(x, 'float32'))] as [string, Function1]),
  ['isFinite', (x) => tf.isFinite(x)],
  ['max', (x) => tf.max(x)],
  ['min', (x) => tf.min(x)],
  ['cast to int32', (x) => tf.cast(x, 'int32')],
  ['cast to bool', (x) => tf.cast(x, 'bool')],
  ['clip', (x) => tf.clipByValue(x, -2, 3)],
  ['clip on one side', (x) => tf.clipByValue(x, -1.5, Infinity)],
  ['clip by what no int32 is', (x) => tf.clipByValue(x, -3e9, 3e9)],
  ['pad with a fraction', (x) => tf.pad(x, [[1, 1]], 0.5)],
  ['pad with what no int32 is', (x) => tf.pad(tf.pad(x, [[1, 0]], 3e9), [[0, 1]], -Infinity)],
  ['one-hot rows of what no int32 is', (x) => tf.oneHot(tf.cast(x, 'int32'), 3, 3e9, 0.5, x.dtype)],
];
const functions2: readonly [string, Function2][] = [
  ...(['maximum', 'minimum', 'floorDiv', 'mod', 'div', 'divNoNan', 'equal', 'less'] as const).map(
    (name) => [name, tf[name]] as [string, Function2],
  ),
  ['atan2', (a, b) => tf.atan2(tf.cast(a, 'float32'), tf.cast(b, 'float32'))],
];

describe('numbers at the edges are those of cpu', () => {
  afterAll(() => useBackend('cpu'));
  const dtypes = ['float32', 'int32'] as const;
  const examples = dtypes.flatMap((dtype) => [
    ...functions1.map(([name, f]) => ({ name, dtype, inputs: 1, f: f as Function2 })),
    ...functions2.map(([name, f]) => ({ name, dtype, inputs: 2, f })),
  ]);
  test.each(examples)('$name of $dtype', async ({ f, dtype, inputs }) => {
    const numbers = dtype === 'float32' ? SPECIAL : WHOLE;
    const left = inputs === 1 ? numbers : numbers.flatMap((x) => numbers.map(() => x));
    const right = inputs === 1 ? numbers : numbers.flatMap(() => numbers);
    const run = async (backend: 'cpu' | 'onnxruntime') => {
      await useBackend(backend);
      const y = tf.tidy(() => f(tf.tensor1d(left, dtype), tf.tensor1d(right, dtype)));
      return { dtype: y.dtype, values: await take(y) };
    };
    const expected = await run('cpu');
    const actual = await run('onnxruntime');
    expect(actual.dtype).toBe(expected.dtype);
    expected.values.forEach((value, i) => {
      const what = `f(${left[i]}, ${right[i]}) = ${actual.values[i]}, expected ${value}`;
      if (Number.isFinite(value))
        expect(Math.abs(actual.values[i]! - value), what).toBeLessThanOrEqual(
          2e-6 * Math.abs(value) + 1e-38,
        );
      else expect(actual.values[i], what).toBe(value);
    });
  });
});

/** What TensorFlow.js's other backends lack, or have with other edges. */
const engineAndReference = ['cpu', 'onnxruntime'] as const;

describeBackends(
  'one NaN makes an extreme NaN, wherever it stands',
  () => {
    test.each([0, 1, 2, 3])('at %i', async (at) => {
      const values = [1, 2, 3, 4].map((value, i) => (i === at ? NaN : value));
      const y = tf.tidy(() => {
        const x = tf.tensor2d([...values, 5, 6, 7, 8], [2, 4]);
        return tf.stack([tf.max(x, 1), tf.min(x, 1)]);
      });
      expect(await take(y)).toEqual([NaN, 8, NaN, 5]);
    });
  },
  engineAndReference,
);

describeBackends(
  'dilation2d of integers has all their digits, and nothing of the border',
  () => {
    test.each([
      [
        [1, 0, 1, 1],
        [16777218, 10, -6, 16777218, 10, -7],
      ],
      [
        [-1, -2, -3, -4],
        [16777214, 6, -8, 16777216, 8, -9],
      ],
    ])('filter %o', async (filter, expected) => {
      const y = tf.tidy(() => {
        const x = tf.tensor3d([-5, -6, -7, 2 ** 24 + 1, 9, -8], [2, 3, 1], 'int32');
        return tf.dilation2d(x, tf.tensor3d(filter, [2, 2, 1], 'int32'), 1, 'same');
      });
      expect(y.dtype).toBe('int32');
      expect(await take(y)).toEqual(expected);
    });
  },
  engineAndReference,
);

describeBackends(
  'complex numbers',
  () => {
    test('have parts, and magnitudes that neither vanish nor overflow', async () => {
      const [real, imaginary, size] = tf.tidy(() => {
        const x = tf.complex(tf.tensor1d([3, 3e-30, 3e30]), tf.tensor1d([4, 4e-30, 4e30]));
        return [tf.real(x), tf.imag(x), tf.abs(x)];
      });
      expectClose(await take(real!), [3, 3e-30, 3e30]);
      expectClose(await take(imaginary!), [4, 4e-30, 4e30]);
      const sizes = await take(size!);
      [5, 5e-30, 5e30].forEach((value, i) => expect(sizes[i]! / value).toBeCloseTo(1, 5));
    });

    test.each([1, 2, 3, 5, 8, 12, 31, 100])(
      'a Fourier transform of %i, and back',
      async (length) => {
        const wave = Float32Array.from({ length: 2 * length }, (_, i) => Math.sin(i * i + 1));
        const [spectrum, back] = tf.tidy(() => {
          const x = tf.complex(
            tf.tensor2d(wave, [2, length]),
            tf.tensor2d(wave.toReversed(), [2, length]),
          );
          const transformed = tf.fft(x);
          return [transformed, tf.ifft(transformed)];
        });
        const real = (row: number, i: number) => wave[row * length + i]!;
        const imaginary = (row: number, i: number) => wave[2 * length - 1 - row * length - i]!;
        const expected: number[] = [];
        for (let row = 0; row < 2; row++) {
          for (let k = 0; k < length; k++) {
            let [a, b] = [0, 0];
            for (let i = 0; i < length; i++) {
              const angle = (-2 * Math.PI * i * k) / length;
              a += real(row, i) * Math.cos(angle) - imaginary(row, i) * Math.sin(angle);
              b += real(row, i) * Math.sin(angle) + imaginary(row, i) * Math.cos(angle);
            }
            expected.push(a, b);
          }
        }
        expectClose(await take(spectrum!), expected, { relative: 3e-6, absolute: 1e-6 });
        const original = Array.from(wave).flatMap((_, i) => [
          real(Math.floor(i / length), i % length),
          imaginary(Math.floor(i / length), i % length),
        ]);
        expectClose(await take(back!), original, { relative: 3e-6, absolute: 1e-6 });
      },
    );
  },
  engineAndReference,
);

describeBackends(
  'what numbers or strings decide',
  () => {
    test('unique, of values that are still to be computed', async () => {
      const { values, indices } = tf.tidy(() =>
        tf.unique(tf.floorDiv(tf.range(0, 8, 1, 'int32'), 3)),
      );
      expect(await take(values)).toEqual([0, 1, 2]);
      expect(await take(indices)).toEqual([0, 0, 0, 1, 1, 1, 2, 2]);
    });

    test('nonMaxSuppression', async () => {
      const kept = tf.tidy(() =>
        tf.image.nonMaxSuppression(
          tf.tensor2d([0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 2, 1, 3], [3, 4]),
          tf.square(tf.tensor1d([0.9, 0.8, 0.7])) as tf.Tensor1D,
          3,
          0.5,
        ),
      );
      expect(await take(kept)).toEqual([0, 2]);
    });

    test('sparse rows add up', async () => {
      const sums = tf.tidy(() =>
        tf.sparse.sparseSegmentSum(
          tf.square(tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2])) as tf.Tensor2D,
          tf.tensor1d([0, 2, 1], 'int32'),
          tf.tensor1d([0, 0, 1], 'int32'),
        ),
      );
      expect(await take(sums)).toEqual([26, 40, 9, 16]);
    });

    test('strings are stored, moved and compared', async () => {
      const words = tf.tidy(() => {
        const x = tf.tensor2d(['a', 'b', 'c', 'd'], [2, 2]);
        return tf.concat([tf.reshape(x, [4]), tf.slice(tf.reshape(x, [4]), [2], [1])]);
      });
      expect(await words.data()).toEqual(['a', 'b', 'c', 'd', 'c'] as never);
      const same = tf.tidy(() => tf.equal(words, tf.tensor1d(['a', 'x', 'c', 'd', 'x'])));
      words.dispose();
      expect(await take(same)).toEqual([1, 0, 1, 1, 0]);
    });
  },
  engineAndReference,
);

describeBackends(
  'indices that are computed and lie outside are refused, whatever stands there',
  () => {
    const x = () => tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
    /** As many as batches, so that those of every kernel have the right shape. */
    const computed = (...indices: number[]) =>
      tf.add<tf.Tensor2D>(
        tf.tensor2d(indices, [2, indices.length / 2], 'int32'),
        tf.scalar(-9, 'int32'),
      );
    const gathers: Record<string, (indices: tf.Tensor2D) => tf.Tensor> = {
      gather: (indices) => tf.gather(x(), indices, 1),
      'gather along the first axis': (indices) => tf.gather(tf.transpose(x()), indices),
      'gather of each batch': (indices) => tf.gather(x(), indices, 1, 1),
      'gather of integers': (indices) => tf.gather(tf.cast(x(), 'int32'), indices, 1),
      gatherND: (indices) => tf.gatherND(tf.reshape(x(), [3, 1, 2]), tf.reshape(indices, [-1, 1])),
    };
    describe.each(Object.entries(gathers))('by %s', (_, gather) => {
      test.each([8, 6, 12, 5, 100, 1e9])('%i', async (bad) => {
        const read = async () => {
          const y = tf.tidy(() => gather(computed(bad, 11, 9, 10)));
          await y.data().finally(() => y.dispose());
        };
        await expect(read()).rejects.toThrow();
      });

      test('while those within are taken', async () => {
        const run = (indices: () => tf.Tensor2D) => take(tf.tidy(() => gather(indices())));
        const known = await run(() => tf.tensor2d([0, 2, 1, 0], [2, 2], 'int32'));
        expect(await run(() => computed(9, 11, 10, 9))).toEqual(known);
      });
    });
  },
  engineAndReference,
);

describe('the backend onnxruntime', () => {
  beforeAll(() => useBackend('onnxruntime'));
  afterAll(() => useBackend('cpu'));

  test('computes with complex numbers as pairs', async () => {
    const y = tf.tidy(() => {
      const x = tf.complex(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([5, 6, 7, 8], [2, 2]));
      const product = tf.mul(x, tf.complex(tf.scalar(0), tf.scalar(1)));
      const [row] = tf.unstack(tf.slice(x, [1, 0], [1, 2]));
      return tf.reshape(tf.concat([tf.add(x, product), tf.expandDims(row!)]), [6]);
    });
    expect(y.dtype).toBe('complex64');
    expect(y.shape).toEqual([6]);
    expect(await take(y)).toEqual([-4, 6, -4, 8, -4, 10, -4, 12, 3, 7, 4, 8]);
  });

  test('knows every kernel that TensorFlow.js has', () => {
    const known = new Set([
      ...Object.keys(lowerings),
      ...immediateKernels,
      ...complexKernelNames,
      'Identity',
    ]);
    expect(kernelNames().filter((name) => !known.has(name))).toEqual([
      'Draw', // of a browser, as FromPixels is
      'FromPixels',
      'LowerBound', // names that no operation uses
      'MatrixBandPart',
      'Pool',
      'UpperBound',
    ]);
  });

  test('leaves nothing behind on the backend whose kernels it borrows', async () => {
    const borrow = async () => {
      const [values, positions] = tf.tidy(() => [
        tf.unique(tf.square(tf.tensor1d([1, 2, 1]))).values,
        tf.searchSorted(tf.square(tf.tensor1d([1, 2])), tf.tensor1d([3])),
      ]);
      expect(await take(values!)).toEqual([1, 4]);
      expect(await take(positions!)).toEqual([1]);
    };
    await borrow();
    const count = () => [tf.findBackend('cpu').numDataIds(), registerOnnxRuntime().numDataIds()];
    const before = count();
    await borrow();
    expect(count()).toEqual(before);
  });

  test('has the gradients of dilated depthwise convolutions', async () => {
    const numbers = (shape: number[], phase: number) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return tf.tensor4d(
        Float32Array.from({ length: size }, (_, i) => Math.sin(i * i + phase)),
        shape as [number, number, number, number],
      );
    };
    const products = tf.tidy(() => {
      const [x, filter] = [numbers([2, 9, 8, 2], 1), numbers([3, 2, 2, 3], 2)];
      const y = tf.depthwiseConv2d(x, filter, 1, 'same', 'NHWC', [2, 3]);
      const dy = numbers(y.shape, 3);
      const run = (kernel: string, inputs: object, shape: object) =>
        tf.engine().runKernel(`DepthwiseConv2dNativeBackprop${kernel}`, inputs as never, {
          ...{ strides: 1, pad: 'same', dilations: [2, 3], dimRoundingMode: undefined as never },
          ...shape,
        }) as tf.Tensor;
      const dx = run('Input', { dy, filter }, { inputShape: x.shape });
      const dw = run('Filter', { x, dy }, { filterShape: filter.shape });
      return tf.stack([tf.sum(tf.mul(dx, x)), tf.sum(tf.mul(dw, filter)), tf.sum(tf.mul(dy, y))]);
    });
    const [input, weights, result] = await take(products);
    expectClose([input!, weights!], [result!, result!]);
  });

  test('transforms every picture of a batch', async () => {
    const shift = (by: number) => [1, 0, by, 0, 1, 0, 0, 0];
    const y = tf.tidy(() =>
      tf.image.transform(
        tf.tensor4d([1, 2, 3, 4, 5, 6], [2, 1, 3, 1]),
        tf.tensor2d([...shift(1), ...shift(-1)], [2, 8]),
      ),
    );
    expect(await take(y)).toEqual([2, 3, 0, 0, 4, 5]);
  });

  test('refuses what it cannot mean, by name', () => {
    tf.tidy(() => {
      const x = tf.complex(tf.tensor1d([1]), tf.tensor1d([2]));
      expect(() => tf.relu(x)).toThrow(
        'onnxruntime: the kernel Relu takes no complex64; compute on tf.real and tf.imag',
      );
      expect(() => tf.add(tf.zeros([2, 3]), tf.zeros([2, 4]))).toThrow(
        'onnxruntime: shapes must broadcast, got [2,3] and [2,4]',
      );
      expect(() => tf.gather(tf.zeros([2, 3]), tf.tensor1d([2], 'int32'))).toThrow(
        'GatherV2: the index value 2 is not in [0, 1]',
      );
      const outside = tf.tensor2d([0, 2, 1, -1], [2, 2], 'int32');
      expect(() => tf.gatherND(tf.zeros([2, 3]), outside)).toThrow(
        'GatherNd: the indices must lie in shape [2,3], got -1',
      );
    });
  });
});
