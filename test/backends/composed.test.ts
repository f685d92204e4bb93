import * as tf from '@tensorflow/tfjs-core';
import { backends } from '../backends.js';
import { compareWithCpu, i32, nhwc } from './cases.js';
import type { Case, Shape } from './cases.js';

// The kernels that this library gives to TensorFlow.js's own backends.

const filter = (x: tf.Tensor) => x as tf.Tensor4D;

type Pad = 'same' | 'valid' | number | tf.backend_util.ExplicitPadding;

const convolution = (name: string, shapes: Shape[], strides: number, pad: Pad): Case => ({
  name: `conv2d ${name}`,
  shapes,
  compute: (x, w) => tf.conv2d(nhwc(x!), filter(w!), strides, pad),
});

const uneven: tf.backend_util.ExplicitPadding = [
  [0, 0],
  [2, 0],
  [1, 3],
  [0, 0],
];

const pool = (
  name: string,
  size: number,
  strides: number,
  pad: Pad,
  range: [number, number],
): Case => ({
  name: `maxPool ${name}`,
  shapes: [[2, 7, 6, 5]],
  range,
  compute: (x) => tf.maxPool(nhwc(x!), size, strides, pad),
});

const padded: Case[] = [
  convolution(
    '3x3, padded',
    [
      [2, 6, 5, 3],
      [3, 3, 3, 4],
    ],
    1,
    1,
  ),
  convolution(
    '3x3 in twos, padded',
    [
      [2, 7, 6, 3],
      [3, 3, 3, 4],
    ],
    2,
    1,
  ),
  convolution(
    '7x7 in twos, padded',
    [
      [2, 12, 13, 3],
      [7, 7, 3, 4],
    ],
    2,
    3,
  ),
  convolution(
    '3x3 in threes, padded unevenly',
    [
      [2, 8, 9, 2],
      [3, 3, 2, 3],
    ],
    3,
    uneven,
  ),
  convolution(
    '2x2, padded more than it reaches',
    [
      [1, 4, 4, 2],
      [2, 2, 2, 3],
    ],
    1,
    2,
  ),
  pool('padded, overlapping', 3, 2, 1, [-2, 2]),
  pool('padded, of negative numbers', 3, 2, 1, [-2, -1]),
  pool('padded, in ones', 2, 1, 1, [-2, 2]),
];

const training: Case[] = [
  ...padded,
  convolution(
    '1x1',
    [
      [2, 5, 4, 3],
      [1, 1, 3, 4],
    ],
    1,
    0,
  ),
  convolution(
    '1x1 in twos',
    [
      [2, 5, 4, 3],
      [1, 1, 3, 4],
    ],
    2,
    0,
  ),
  convolution(
    '1x1 in twos, padded',
    [
      [2, 5, 4, 3],
      [1, 1, 3, 4],
    ],
    2,
    1,
  ),
  convolution(
    'same in twos',
    [
      [2, 6, 7, 3],
      [3, 3, 3, 2],
    ],
    2,
    'same',
  ),
  convolution(
    'valid, with rows that no window reaches',
    [
      [1, 8, 8, 2],
      [2, 3, 2, 3],
    ],
    3,
    'valid',
  ),
  convolution(
    'of one picture and one channel',
    [
      [1, 5, 5, 1],
      [3, 3, 1, 1],
    ],
    1,
    1,
  ),
  pool('valid', 2, 2, 'valid', [-2, -1]),
  pool('same', 3, 2, 'same', [-2, 2]),
  ...([false, true] as const).flatMap((transposeA) =>
    ([false, true] as const).flatMap((transposeB): Case[] => [
      {
        name: `matMul ${transposeA} ${transposeB}`,
        shapes: [transposeA ? [7, 5] : [5, 7], transposeB ? [6, 7] : [7, 6]],
        compute: (a, b) => tf.matMul(a!, b!, transposeA, transposeB),
      },
      {
        name: `matMul ${transposeA} ${transposeB} in batches`,
        shapes: [
          transposeA ? [2, 3, 7, 5] : [2, 3, 5, 7],
          transposeB ? [2, 3, 6, 7] : [2, 3, 7, 6],
        ],
        compute: (a, b) => tf.matMul(a!, b!, transposeA, transposeB),
      },
      {
        name: `fused matMul ${transposeA} ${transposeB}`,
        shapes: [transposeA ? [7, 5] : [5, 7], transposeB ? [6, 7] : [7, 6], [6]],
        compute: (a, b, bias) =>
          tf.fused.matMul({
            a: a!,
            b: b!,
            bias: bias!,
            transposeA,
            transposeB,
            activation: 'relu',
          }),
        gradient: false,
      },
    ]),
  ),
  {
    name: 'gather with ids that repeat',
    shapes: [[6, 4]],
    compute: (table) => tf.gather(table!, i32([5, 0, 5, 2, 5, 0], [2, 3])),
  },
  {
    name: 'unsortedSegmentSum, with a segment that nothing has and one that there is not',
    shapes: [[5, 2, 3]],
    compute: (x) => tf.unsortedSegmentSum(x!, i32([3, 0, 3, -1, 0]) as tf.Tensor1D, 4),
    gradient: false,
  },
  ...(
    [
      [
        'ij,jk->ik',
        [
          [3, 4],
          [4, 5],
        ],
      ],
      [
        'bhqd,bhkd->bhqk',
        [
          [2, 3, 4, 5],
          [2, 3, 6, 5],
        ],
      ],
      [
        'bij,bjk->ki',
        [
          [2, 3, 4],
          [2, 4, 5],
        ],
      ],
      ['i,j->ij', [[3], [4]]],
      [
        'ij,ij->',
        [
          [3, 4],
          [3, 4],
        ],
      ],
      ['ijk->ki', [[2, 3, 4]]],
    ] as [string, Shape[]][]
  ).map(([equation, shapes]): Case => ({
    name: `einsum ${equation}`,
    shapes,
    compute: (...x) => tf.einsum(equation, ...x),
    gradient: false,
  })),
];

compareWithCpu('kernels for training', training, 'wasm');
if (backends.includes('tensorflow')) compareWithCpu('padded kernels', padded, 'tensorflow');
