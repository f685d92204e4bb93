import { scalar } from '../graph.js';
import type { Attribute, Constant, DType, Operand, Value } from '../graph.js';
import { cast, elementwise, reshape } from '../layout.js';
import { expand } from './creation.js';
import type { Lowering, LoweringTable } from './lowering.js';

const unary =
  (op: string, attributes: Record<string, Attribute> = {}): Lowering =>
  ({ x }) =>
    elementwise(op, [x], undefined, attributes);

/** A unary operator that TensorFlow.js defines on float32 and ONNX on floats alone. */
const float =
  (op: string): Lowering =>
  ({ x }) =>
    elementwise(op, [cast(x!, 'float32')]);

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

const one = (value: Value): Constant => scalar(1, value.dtype as DType);
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

/** TensorFlow.js gives int32 whatever the inputs. */
const FloorDiv: Lowering = ({ a, b }) => {
  const quotient = divide(cast(a!, 'float32'), cast(b!, 'float32'));
  return cast(elementwise('Floor', [quotient]), 'int32');
};

/** The remainder with the sign of the divisor. */
const Mod: Lowering = ({ a, b }) => {
  if (a!.dtype === 'int32') return elementwise('Mod', [a, b]);
  const quotient = elementwise('Floor', [divide(a, b)]);
  return subtract(a, multiply(quotient, b));
};

const SquaredDifference: Lowering = ({ a, b }) => {
  const difference = subtract(a, b);
  return multiply(difference, difference);
};

const AddN: Lowering = (inputs) => Object.values(inputs).reduce((sum, x) => add(sum, x));

/** exp(x) - 1 as 2t / (1 - t) with t = tanh(x / 2), which keeps its digits near zero. */
const Expm1: Lowering = ({ x }) => {
  const t = elementwise('Tanh', [multiply(x, scalar(0.5))]);
  return divide(multiply(t, scalar(2)), subtract(scalar(1), t));
};

/** log(1 + x) as 2 atanh(x / (2 + x)), which keeps its digits near zero. */
const Log1p: Lowering = ({ x }) =>
  multiply(elementwise('Atanh', [divide(x, add(x, scalar(2)))]), scalar(2));

const Rsqrt: Lowering = ({ x }) => elementwise('Reciprocal', [elementwise('Sqrt', [x])]);

const Step: Lowering<{ alpha?: number }> = ({ x }, { alpha = 0 }) => {
  const above = elementwise('Greater', [x, scalar(0, x!.dtype as DType)], 'bool');
  return where(above, one(x!), scalar(alpha, x!.dtype as DType), x!.dtype as DType);
};

const Relu6: Lowering = ({ x }) => elementwise('Clip', [x, scalar(0), scalar(6)]);

const ClipByValue: Lowering<{ clipValueMin: number; clipValueMax: number }> = (
  { x },
  { clipValueMin, clipValueMax },
) => elementwise('Clip', [x, scalar(clipValueMin), scalar(clipValueMax)]);

const LeakyRelu: Lowering<{ alpha: number }> = ({ x }, { alpha }) =>
  elementwise('LeakyRelu', [x], undefined, { alpha: { float: alpha } });

const Prelu: Lowering = ({ x, alpha }) => elementwise('PRelu', [x, alpha]);

const EluGrad: Lowering = ({ dy, y }) => {
  const positive = elementwise('GreaterOrEqual', [y, scalar(0)], 'bool');
  return elementwise('Where', [positive, dy, multiply(dy, add(y, scalar(1)))], 'float32');
};

/** The angle of (b, a), in all four quadrants. */
const Atan2: Lowering = ({ a, b }) => {
  const angle = elementwise('Atan', [divide(a, b)]);
  const turn = where(
    elementwise('GreaterOrEqual', [a, scalar(0)], 'bool'),
    scalar(Math.PI),
    scalar(-Math.PI),
    'float32',
  );
  const left = elementwise('Less', [b, scalar(0)], 'bool');
  const both = where(left, add(angle, turn), angle, 'float32');
  const origin = elementwise(
    'And',
    [elementwise('Equal', [a, scalar(0)], 'bool'), elementwise('Equal', [b, scalar(0)], 'bool')],
    'bool',
  );
  return where(origin, scalar(0), both, 'float32');
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

const Cast: Lowering<{ dtype: string }> = ({ x }, { dtype }) => {
  if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool') {
    throw new Error(`onnxruntime: cannot cast ${x!.dtype} to ${dtype}; use another backend`);
  }
  return cast(x!, dtype);
};

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
  Atan2,
  Atanh: float('Atanh'),
  BroadcastTo,
  Cast,
  Ceil: unary('Ceil'),
  ClipByValue,
  Cos: float('Cos'),
  Cosh: float('Cosh'),
  Elu: unary('Elu'),
  EluGrad,
  Equal: comparison('Equal'),
  Erf: float('Erf'),
  Exp: float('Exp'),
  Expm1,
  Floor: unary('Floor'),
  FloorDiv,
  Greater: comparison('Greater'),
  GreaterEqual: comparison('GreaterOrEqual'),
  IsFinite: ({ x }) => {
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
  Log1p,
  LogicalAnd: logical('And'),
  LogicalNot: unary('Not'),
  LogicalOr: logical('Or'),
  LogicalXor: logical('Xor'),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  Mod,
  Multiply: binary('Mul'),
  Neg: unary('Neg'),
  NotEqual: ({ a, b }) =>
    elementwise('Not', [elementwise('Equal', [numeric(a!), numeric(b!)], 'bool')]),
  Pow: binary('Pow'),
  Prelu,
  RealDiv: ({ a, b }) => divide(cast(a!, 'float32'), cast(b!, 'float32')),
  Reciprocal: unary('Reciprocal'),
  Relu: unary('Relu'),
  Relu6,
  Round: unary('Round'),
  Rsqrt,
  Select,
  Selu: unary('Selu'),
  Sigmoid: float('Sigmoid'),
  Sign: unary('Sign'),
  Sin: float('Sin'),
  Sinh: float('Sinh'),
  Softplus: float('Softplus'),
  Sqrt: float('Sqrt'),
  Square: ({ x }) => multiply(x, x),
  SquaredDifference,
  Step,
  Sub: binary('Sub'),
  Tan: float('Tan'),
  Tanh: float('Tanh'),
};
