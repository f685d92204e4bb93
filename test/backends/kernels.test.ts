import * as tf from '@tensorflow/tfjs-core';
import { batchNorm } from '../../src/nn/norm.js';
import { compareWithCpu, i32, nhwc, unary } from './cases.js';
import type { Case, Shape } from './cases.js';

const PAIR = [2, 3];

/** TensorFlow.js's own gradient of some operators does not sum over the axes that were broadcast. */
const UNSUMMED = ['maximum', 'minimum', 'squaredDifference', 'floorDiv'];

const binary = (
  name: string,
  f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  range?: [number, number],
): Case[] =>
  (
    [
      [PAIR, PAIR],
      [
        [4, 1, 3],
        [5, 1],
      ],
      [[], [2, 2]],
    ] as Shape[][]
  ).map((shapes) => ({
    name: `${name} ${JSON.stringify(shapes)}`,
    shapes,
    compute: f as Case['compute'],
    ...(range === undefined ? {} : { range }),
    gradient: name !== 'floorDiv' && (shapes[0] === shapes[1] || !UNSUMMED.includes(name)),
  }));

const cases: Case[] = [
  unary('abs', tf.abs),
  unary('acos', tf.acos, [-0.9, 0.9]),
  unary('acosh', tf.acosh, [1.1, 3]),
  unary('asin', tf.asin, [-0.9, 0.9]),
  unary('asinh', tf.asinh),
  unary('atan', tf.atan),
  unary('atanh', tf.atanh, [-0.9, 0.9]),
  unary('ceil', tf.ceil),
  unary('clipByValue', (x) => tf.clipByValue(x, -0.5, 0.25)),
  unary('cos', tf.cos),
  unary('cosh', tf.cosh),
  unary('elu', tf.elu),
  unary('erf', tf.erf),
  unary('exp', tf.exp),
  unary('expm1', tf.expm1),
  unary('expm1 near zero', tf.expm1, [-1e-4, 1e-4]),
  unary('floor', tf.floor),
  unary('leakyRelu', (x) => tf.leakyRelu(x, 0.1)),
  unary('log', tf.log, [0.1, 4]),
  unary('log1p', tf.log1p, [-0.5, 4]),
  unary('log1p near zero', tf.log1p, [-1e-4, 1e-4]),
  unary('neg', tf.neg),
  unary('reciprocal', tf.reciprocal, [0.5, 2]),
  unary('relu', tf.relu),
  unary('relu6', (x) => tf.relu6(tf.mul(x, 8))),
  unary('round', tf.round),
  unary('rsqrt', tf.rsqrt, [0.1, 4]),
  unary('selu', tf.selu),
  unary('sigmoid', tf.sigmoid),
  unary('sign', tf.sign),
  unary('sin', tf.sin),
  unary('sinh', tf.sinh),
  unary('softplus', tf.softplus),
  unary('sqrt', tf.sqrt, [0.1, 4]),
  unary('square', tf.square),
  unary('step', (x) => tf.step(x)),
  unary('step with alpha', (x) => tf.step(x, 0.3)),
  unary('tan', tf.tan, [-1, 1]),
  unary('tanh', tf.tanh),
  unary('isNaN', (x) => tf.isNaN(tf.sqrt(x)), undefined, false),
  unary('isInf', (x) => tf.isInf(tf.div(1, tf.relu(x))), undefined, false),
  unary('isFinite', (x) => tf.isFinite(tf.div(1, tf.relu(x))), undefined, false),
  ...binary('add', tf.add),
  ...binary('sub', tf.sub),
  ...binary('mul', tf.mul),
  ...binary('div', tf.div, [0.5, 2]),
  ...binary('floorDiv', tf.floorDiv, [0.5, 4]),
  ...binary('mod', tf.mod, [0.5, 4]),
  ...binary('pow', tf.pow, [0.5, 2]),
  ...binary('maximum', tf.maximum),
  ...binary('minimum', tf.minimum),
  ...binary('squaredDifference', tf.squaredDifference),
  ...binary('atan2', tf.atan2),
  {
    name: 'where',
    shapes: [
      [3, 4],
      [3, 4],
    ],
    compute: (a, b) => tf.where(tf.tensor([[true], [false], [true]]), a!, b!),
  },
  {
    name: 'where compared',
    shapes: [[3, 4], [4]],
    compute: (a, b) => tf.where(tf.greater(a!, b!), a!, b!),
    gradient: false,
  },
  ...(['equal', 'notEqual', 'greater', 'greaterEqual', 'less', 'lessEqual'] as const).map(
    (name): Case => ({
      name,
      shapes: [[3, 4], [4]],
      compute: (a, b) => tf[name](tf.round(a!), tf.round(b!)),
      gradient: false,
    }),
  ),
  ...(['logicalAnd', 'logicalOr', 'logicalXor'] as const).map((name): Case => ({
    name,
    shapes: [[3, 4], [4]],
    compute: (a, b) => tf[name](tf.greater(a!, 0), tf.greater(b!, 0)),
    gradient: false,
  })),
  unary('logicalNot', (x) => tf.logicalNot(tf.greater(x, 0)), undefined, false),
  {
    name: 'addN',
    shapes: [
      [2, 3],
      [2, 3],
      [2, 3],
    ],
    compute: (...x) => tf.addN(x),
  },
  { name: 'prelu', shapes: [[2, 3, 4], [4]], compute: (x, a) => tf.prelu(x!, a!) },
  ...([null, 0, [1, 2], [-1]] as (number | number[] | null)[]).flatMap((axis) =>
    [false, true].flatMap((keep): Case[] => [
      {
        name: `sum ${axis} ${keep}`,
        shapes: [[2, 3, 4]],
        compute: (x) => tf.sum(x!, axis ?? undefined, keep),
      },
      {
        name: `mean ${axis} ${keep}`,
        shapes: [[2, 3, 4]],
        compute: (x) => tf.mean(x!, axis ?? undefined, keep),
      },
      {
        name: `max ${axis} ${keep}`,
        shapes: [[2, 3, 4]],
        compute: (x) => tf.max(x!, axis ?? undefined, keep),
      },
      {
        name: `min ${axis} ${keep}`,
        shapes: [[2, 3, 4]],
        compute: (x) => tf.min(x!, axis ?? undefined, keep),
      },
      {
        name: `prod ${axis} ${keep}`,
        shapes: [[2, 3, 4]],
        compute: (x) => tf.prod(x!, axis ?? undefined, keep),
        gradient: false,
      },
    ]),
  ),
  unary('any', (x) => tf.any(tf.greater(x, 1), [0, 3]), undefined, false),
  unary('all', (x) => tf.all(tf.greater(x, -1), [1]), undefined, false),
  unary('argMax', (x) => tf.argMax(x, 1), undefined, false),
  unary('argMin', (x) => tf.argMin(x, -1), undefined, false),
  unary('cumsum', (x) => tf.cumsum(x, 1), undefined, false),
  unary('cumsum exclusive reverse', (x) => tf.cumsum(x, 3, true, true)),
  unary('logSumExp', (x) => tf.logSumExp(x, [1, 3])),
  unary('softmax', (x) => tf.softmax(x)),
  unary('logSoftmax', (x) => tf.logSoftmax(x)),
  unary('reshape', (x) => tf.reshape(x, [5, -1])),
  unary('expandDims', (x) => tf.expandDims(x, 2)),
  unary('squeeze', (x) => tf.squeeze(x)),
  unary('transpose', (x) => tf.transpose(x, [3, 0, 2, 1])),
  unary('transpose of transpose', (x) => tf.transpose(tf.transpose(x, [3, 0, 2, 1]), [2, 1, 0, 3])),
  unary('slice', (x) => tf.slice(x, [0, 1, 0, 2], [-1, 2, 1, 2])),
  unary(
    'stridedSlice',
    (x) => tf.stridedSlice(x, [0, 0, 0, 0], [2, 3, 1, 5], [1, 2, 1, 3]),
    undefined,
    false,
  ),
  unary(
    'stridedSlice back',
    (x) => tf.stridedSlice(x, [1, 2, 0, 4], [0, 0, 1, 0], [-1, -1, 1, -2]),
    undefined,
    false,
  ),
  unary('pad', (x) =>
    tf.pad(
      x,
      [
        [0, 1],
        [2, 0],
        [0, 0],
        [1, 1],
      ],
      0.5,
    ),
  ),
  unary(
    'mirrorPad',
    (x) =>
      tf.mirrorPad(
        x,
        [
          [0, 1],
          [2, 0],
          [0, 0],
          [1, 1],
        ],
        'reflect',
      ),
    undefined,
    false,
  ),
  unary('reverse', (x) => tf.reverse(x, [0, 3])),
  unary('tile', (x) => tf.tile(x, [2, 1, 3, 1])),
  unary('broadcastTo', (x) => tf.broadcastTo(x, [2, 3, 4, 5])),
  unary('stack', (x) => tf.stack([x, tf.mul(x, 2)], 1)),
  unary('unstack', (x) => tf.add(tf.unstack(x, 1)[0]!, tf.unstack(x, 1)[2]!)),
  unary('split', (x) => tf.mul(tf.split(x, [2, 3], 3)[0]!, 2)),
  unary('cast', (x) => tf.cast(tf.cast(tf.mul(x, 3), 'int32'), 'float32'), undefined, false),
  unary('cast bool', (x) => tf.cast(tf.cast(tf.round(x), 'bool'), 'int32'), undefined, false),
  unary('zerosLike', (x) => tf.add(tf.zerosLike(x), x)),
  unary('onesLike', (x) => tf.mul(tf.onesLike(x), x)),
  { name: 'fill', shapes: [[10, 9]], compute: (x) => tf.mul(x!, tf.fill([10, 9], 0.3)) },
  {
    name: 'range and linspace',
    shapes: [[4]],
    compute: (x) => tf.mul(tf.add(x!, tf.range(0, 4)), tf.linspace(0, 1, 4)),
  },
  { name: 'oneHot', shapes: [[4, 3]], compute: (x) => tf.mul(x!, tf.oneHot(i32([0, 2, 1, 2]), 3)) },
  {
    name: 'oneHot other values',
    shapes: [[4, 3]],
    compute: (x) => tf.mul(x!, tf.oneHot(i32([0, 2, 1, 5]), 3, 2, -1)),
  },
  {
    name: 'concat',
    shapes: [
      [2, 3],
      [2, 5],
    ],
    compute: (a, b) => tf.concat([a!, b!], -1),
  },
  {
    name: 'concat of several types, whose first is that of the result',
    shapes: [[2, 3]],
    compute: (x) => {
      const whole = tf.cast(tf.mul(x!, 3), 'int32');
      const isMore = tf.greater(x!, 0);
      const ofFirst = tf.concat([whole, x!, isMore]);
      return tf.concat([x!, ofFirst, isMore], 0);
    },
    gradient: false,
  },
  {
    name: 'concat with nothing',
    shapes: [
      [2, 3],
      [0, 3],
    ],
    compute: (a, b) => tf.concat([a!, b!], 0),
    gradient: false,
  },
  { name: 'gather', shapes: [[5, 3, 2]], compute: (x) => tf.gather(x!, i32([4, 0, 0, 3], [2, 2])) },
  { name: 'gather axis 1', shapes: [[5, 3, 2]], compute: (x) => tf.gather(x!, i32([2, 0, 0]), 1) },
  {
    name: 'gatherND',
    shapes: [[5, 3, 2]],
    compute: (x) => tf.gatherND(x!, i32([4, 0, 0, 2], [2, 2])),
    gradient: false,
  },
  {
    name: 'scatterND',
    shapes: [[3, 2]],
    compute: (x) => tf.scatterND(i32([4, 0, 4], [3, 1]), x!, [5, 2]),
    gradient: false,
  },
  {
    name: 'unsortedSegmentSum',
    shapes: [[5, 3]],
    compute: (x) => tf.unsortedSegmentSum(x as tf.Tensor2D, i32([1, 0, 1, 3, 1]) as tf.Tensor1D, 4),
  },
  {
    name: 'matMul',
    shapes: [
      [3, 4],
      [4, 5],
    ],
    compute: (a, b) => tf.matMul(a!, b!),
  },
  {
    name: 'matMul transposed',
    shapes: [
      [4, 3],
      [5, 4],
    ],
    compute: (a, b) => tf.matMul(a!, b!, true, true),
  },
  {
    name: 'matMul batch',
    shapes: [
      [2, 3, 4],
      [2, 5, 4],
    ],
    compute: (a, b) => tf.matMul(a!, b!, false, true),
  },
  {
    name: 'matMul broadcast',
    shapes: [
      [1, 3, 4],
      [3, 4, 5],
    ],
    compute: (a, b) => tf.matMul(a!, b!),
    gradient: false,
  },
  {
    name: 'fused matMul',
    shapes: [[3, 4], [4, 5], [5]],
    compute: (a, b, bias) => tf.fused.matMul({ a: a!, b: b!, bias: bias!, activation: 'relu' }),
    gradient: false,
  },
  ...(
    [
      [[2, 7, 5, 3], [3, 3, 3, 4], 1, 'same', 1],
      [[2, 7, 5, 3], [3, 3, 3, 4], 2, 'same', 1],
      [[2, 8, 6, 3], [3, 3, 3, 4], 2, 1, 1],
      [[1, 9, 8, 17], [3, 2, 17, 4], [2, 1], 'valid', 1],
      [[2, 7, 5, 3], [1, 1, 3, 4], 1, 'valid', 1],
      [[2, 7, 6, 3], [1, 1, 3, 4], 2, 'valid', 1],
      [[2, 9, 9, 3], [3, 3, 3, 4], 1, 'valid', 2],
      [[1, 11, 10, 3], [7, 7, 3, 4], 2, 3, 1],
      // Maps larger than the filter: the gradient is a convolution with the filter turned.
      [[2, 15, 9, 3], [2, 3, 3, 4], 1, 'same', 1],
      [[2, 13, 14, 3], [3, 5, 3, 2], 1, 'valid', 1],
      [[2, 12, 12, 2], [3, 3, 2, 3], 1, 3, 1],
      [[2, 11, 8, 3], [1, 1, 3, 4], [2, 3], 'valid', 1],
      // Many channels: the gradient of the filter is a product for each picture, and for each tap where maps are small.
      [[2, 9, 8, 16], [3, 3, 16, 4], 1, 'same', 1],
      [[1, 12, 11, 17], [2, 3, 17, 5], 1, 'valid', 1],
      [[3, 10, 9, 16], [4, 5, 16, 3], 1, 2, 1],
      [[2, 9, 13, 18], [1, 4, 18, 3], 1, 'same', 1],
      [[2, 4, 3, 32], [3, 3, 32, 16], 1, 'same', 1],
    ] as [Shape, Shape, number | [number, number], 'same' | 'valid' | number, number][]
  ).map(([x, w, strides, pad, dilations]): Case => ({
    name: `conv2d ${JSON.stringify([x, w, strides, pad, dilations])}`,
    shapes: [x, w],
    compute: (a, b) =>
      tf.conv2d(
        nhwc(a!),
        nhwc(b!),
        strides,
        pad,
        'NHWC',
        dilations,
        typeof pad === 'number' ? 'floor' : undefined,
      ),
    gradient: dilations === 1, // TensorFlow.js has no gradient of a dilated convolution
    relative: 2e-5,
  })),
  {
    name: 'maps with strides between two convolutions that keep them as NCHW',
    shapes: [
      [2, 9, 8, 3],
      [3, 3, 3, 4],
      [1, 1, 4, 2],
      [3, 3, 2, 2],
    ],
    compute: (x, a, b, c) => {
      const first = tf.relu(tf.conv2d(nhwc(x!), nhwc(a!), 1, 'same'));
      const strided = tf.conv2d(first, nhwc(b!), [2, 3], 'valid');
      return tf.conv2d(strided, nhwc(c!), 1, 'same');
    },
    relative: 2e-5,
  },
  {
    name: 'batch normalisation of large maps',
    shapes: [[2, 12, 13, 3], [3], [3]],
    compute: (x, gamma, beta) =>
      batchNorm(nhwc(x!), gamma as tf.Tensor1D, beta as tf.Tensor1D, 1e-5, () => {}),
    relative: 2e-5,
  },
  {
    name: 'conv2d of OIHW filters, normalised, twice',
    shapes: [[2, 6, 5, 3], [4, 3, 3, 3], [4, 4, 1, 1], [4]],
    compute: (x, w, v, b) => {
      const first = tf.relu(
        tf.add(tf.conv2d(nhwc(x!), nhwc(tf.transpose(w!, [2, 3, 1, 0])), 1, 'same'), b!),
      );
      const centred = tf.sub(first, tf.mean(first, [0, 1, 2]));
      const second = tf.conv2d(nhwc(centred), nhwc(tf.transpose(v!, [2, 3, 1, 0])), 1, 'valid');
      return tf.conv2d(
        nhwc(tf.add(second, first)),
        nhwc(tf.transpose(v!, [2, 3, 1, 0])),
        2,
        'valid',
      );
    },
    relative: 2e-5,
  },
  ...(
    [
      [[2, 7, 6, 3], 3, 2, 'same'],
      [[2, 7, 6, 3], 2, 2, 'valid'],
      [[1, 9, 8, 2], [3, 2], [2, 1], 'valid'],
      [[1, 8, 8, 2], 3, 2, 1],
    ] as [Shape, number | [number, number], number | [number, number], 'same' | 'valid' | number][]
  ).flatMap(([x, size, strides, pad]): Case[] => {
    const rounding = typeof pad === 'number' ? 'floor' : undefined;
    const name = JSON.stringify([x, size, strides, pad]);
    return [
      {
        name: `maxPool ${name}`,
        shapes: [x],
        compute: (a: tf.Tensor) => tf.maxPool(nhwc(a), size, strides, pad, rounding),
      },
      {
        name: `avgPool ${name}`,
        shapes: [x],
        compute: (a) => tf.avgPool(nhwc(a!), size, strides, pad, rounding),
        gradient: pad === 'valid', // at a padded border, cpu's gradient is not the slope of its own forward
      },
    ];
  }),
  {
    name: 'batchNorm',
    shapes: [[2, 3, 4, 5], [5], [5], [5]],
    compute: (x, mean, offset, scale) =>
      tf.batchNorm(
        x!,
        mean as tf.Tensor1D,
        tf.exp(mean!) as tf.Tensor1D,
        offset as tf.Tensor1D,
        scale as tf.Tensor1D,
        1e-5,
      ),
    relative: 3e-5,
  },
  unary('moments', (x) => tf.moments(x, [0, 3]).variance),
  unary(
    'int32 arithmetic',
    (x) => {
      const n = tf.cast(tf.mul(x, 10), 'int32');
      return tf.add(
        tf.add(tf.mul(n, n), tf.sum(n)),
        tf.add(tf.max(n), tf.cast(tf.floorDiv(n, i32([3])), 'int32')),
      );
    },
    undefined,
    false,
  ),
];

compareWithCpu('kernels', cases);
