import { scalar } from '../graph.js';
import type { DType, Operand, Value } from '../graph.js';
import { cast, elementwise, reshape } from '../layout.js';
import { expand } from './creation.js';
import type { Lowering, LoweringTable } from './lowering.js';

const unary =
  (op: string): Lowering =>
  ({ x }) =>
    elementwise(op, [numeric(x!)]);

/** A unary operator that TensorFlow.js defines on float32 and ONNX on floats alone. */
const float =
  (op: string): Lowering =>
  ({ x }) =>
    elementwise(op, [cast(x!, 'float32')]);

/** A unary operator that leaves whole numbers as they are, and that ONNX has for floats alone. */
const rounding =
  (op: string): Lowering =>
  ({ x }) =>
    x!.dtype === 'float32' ? elementwise(op, [x]) : x!;

const binary =
  (op: string): Lowering =>
  ({ a, b }) =>
    elementwise(op, [numeric(a!), numeric(b!)]);

const comparison =
  (op: string): Lowering =>
  ({ a, b }) =>
    elementwise(op, [numeric(a!), numeric(b!)], 'bool');

const logical =
  (op: string): Lowering =>
  ({ a, b }) =>
    elementwise(op, [a, b], 'bool');

const test =
  (op: string): Lowering =>
  ({ x }) =>
    elementwise(op, [cast(x!, 'float32')], 'bool');

/** ONNX does no arithmetic on bool. */
export function numeric(value: Value): Value {
  return value.dtype === 'bool' ? cast(value, 'int32') : value;
}

export const add = (a: Operand, b: Operand): Value => elementwise('Add', [a, b]);
export const subtract = (a: Operand, b: Operand): Value => elementwise('Sub', [a, b]);
export const multiply = (a: Operand, b: Operand): Value => elementwise('Mul', [a, b]);
export const divide = (a: Operand, b: Operand): Value => elementwise('Div', [a, b]);

/** ONNX's Where takes no bool branches. */
export function where(condition: Value, then: Operand, otherwise: Operand, dtype: DType): Value {
  if (dtype !== 'bool') return elementwise('Where', [condition, then, otherwise], dtype);
  return cast(elementwise('Where', [condition, asInt(then), asInt(otherwise)], 'int32'), 'bool');
}

const asInt = (operand: Operand): Operand =>
  operand !== undefined && 'constant' in operand
    ? { ...operand, dtype: 'int32' }
    : cast(operand!, 'int32');

const Square: Lowering = (inputs) => {
  const x = numeric(inputs['x']!);
  return multiply(x, x);
};

const SquaredDifference: Lowering = ({ a, b }) => {
  const difference = subtract(numeric(a!), numeric(b!));
  return multiply(difference, difference);
};

const AddN: Lowering = (inputs) =>
  Object.values(inputs)
    .map(numeric)
    .reduce((sum, x) => add(sum, x));

const Rsqrt: Lowering = ({ x }) =>
  elementwise('Reciprocal', [elementwise('Sqrt', [cast(x!, 'float32')])]);

const [LEAST_INT32, LARGEST_INT32] = [-(2 ** 31), 2 ** 31 - 1];

/** Whole bounds for whole numbers, which none of them is beyond. */
export function clip(x: Value, low: number, high: number): Value {
  if (x.dtype === 'float32') return elementwise('Clip', [x, scalar(low), scalar(high)]);
  const bounds = [Math.ceil(low), Math.floor(high)].map((bound) =>
    scalar(Math.min(Math.max(bound, LEAST_INT32), LARGEST_INT32), 'int32'),
  );
  return elementwise('Clip', [cast(x, 'int32'), ...bounds]);
}

const ClipByValue: Lowering<{ clipValueMin: number; clipValueMax: number }> = (
  { x },
  { clipValueMin, clipValueMax },
) => clip(x!, clipValueMin, clipValueMax);

export function leakyRelu(x: Value, alpha: number): Value {
  return elementwise('LeakyRelu', [cast(x, 'float32')], undefined, { alpha: { float: alpha } });
}

const LeakyRelu: Lowering<{ alpha: number }> = ({ x }, { alpha }) => leakyRelu(x!, alpha);

export function prelu(x: Value, alpha: Value): Value {
  return elementwise('PRelu', [cast(x, 'float32'), cast(alpha, 'float32')]);
}

const Prelu: Lowering = ({ x, alpha }) => prelu(x!, alpha!);

const EluGrad: Lowering = ({ dy, y }) => {
  const positive = elementwise('GreaterOrEqual', [y, scalar(0)], 'bool');
  return elementwise('Where', [positive, dy, multiply(dy, add(y, scalar(1)))], 'float32');
};

/** A condition of rank one chooses whole rows. */
const Select: Lowering = ({ condition, t, e }) => {
  const rank = t!.shape.length;
  const rows =
    condition!.shape.length === 1 && rank > 1 ? rowCondition(condition!, rank) : condition!;
  return where(rows, t, e, t!.dtype as DType);
};

function rowCondition(condition: Value, rank: number): Value {
  return reshape(condition, [condition.shape[0]!, ...Array<number>(rank - 1).fill(1)]);
}

const BroadcastTo: Lowering<{ shape: number[] }> = ({ x }, { shape }) => expand(x!, shape);

/** Kernels that compute each element by itself. */
export const elementwiseKernels: LoweringTable = {
  Abs: unary('Abs'),
  Acos: float('Acos'),
  Acosh: float('Acosh'),
  Add: binary('Add'),
  AddN,
  Asin: float('Asin'),
  Asinh: float('Asinh'),
  Atan: float('Atan'),
  Atanh: float('Atanh'),
  BitwiseAnd: binary('BitwiseAnd'),
  BroadcastTo,
  Ceil: rounding('Ceil'),
  ClipByValue,
  Cos: float('Cos'),
  Cosh: float('Cosh'),
  Elu: float('Elu'),
  EluGrad,
  Equal: comparison('Equal'),
  Erf: float('Erf'),
  Floor: rounding('Floor'),
  Greater: comparison('Greater'),
  GreaterEqual: comparison('GreaterOrEqual'),
  IsFinite: (inputs) => {
    const x = cast(inputs['x']!, 'float32');
    const infinite = elementwise('IsInf', [x], 'bool');
    const nan = elementwise('IsNaN', [x], 'bool');
    return elementwise('Not', [elementwise('Or', [infinite, nan], 'bool')]);
  },
  IsInf: test('IsInf'),
  IsNan: test('IsNaN'),
  LeakyRelu,
  Less: comparison('Less'),
  LessEqual: comparison('LessOrEqual'),
  Log: float('Log'),
  LogicalAnd: logical('And'),
  LogicalNot: ({ x }) => elementwise('Not', [x]),
  LogicalOr: logical('Or'),
  LogicalXor: logical('Xor'),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  Multiply: binary('Mul'),
  Neg: unary('Neg'),
  NotEqual: ({ a, b }) =>
    elementwise('Not', [elementwise('Equal', [numeric(a!), numeric(b!)], 'bool')]),
  Prelu,
  RealDiv: ({ a, b }) => divide(cast(a!, 'float32'), cast(b!, 'float32')),
  Reciprocal: float('Reciprocal'),
  Relu: unary('Relu'),
  Relu6: ({ x }) => clip(x!, 0, 6),
  Round: rounding('Round'),
  Rsqrt,
  Select,
  Selu: float('Selu'),
  Sigmoid: float('Sigmoid'),
  Sin: float('Sin'),
  Sinh: float('Sinh'),
  Softplus: float('Softplus'),
  Sqrt: float('Sqrt'),
  Square,
  SquaredDifference,
  Sub: binary('Sub'),
  Tanh: float('Tanh'),
};
