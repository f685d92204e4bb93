import { scalar } from '../graph.js';
import type { DType, Operand, Value } from '../graph.js';
import { cast, elementwise } from '../layout.js';
import { add, divide, multiply, numeric, subtract, where } from './elementwise.js';
import type { Lowering, LoweringTable } from './lowering.js';

const LOW_32_BITS = 2 ** 32 - 1;

/**
 * Numbers as a typed array of JavaScript takes them: cut to integers, NaN and infinities 0, what is too large wrapped.
 * What int64 cannot hold, which processors cast in ways of their own, has no low bits as a float32: 0. The mask is no
 * decoration: without it ONNX Runtime joins both casts to one, which saturates.
 */
export function toInt32(value: Value): Value {
  const { dtype } = value;
  if (dtype !== 'float32' && dtype !== 'float64') return cast(value, 'int32');
  const fits = elementwise('Less', [elementwise('Abs', [value]), scalar(2 ** 63, dtype)], 'bool');
  const held = elementwise('Where', [fits, value, scalar(0, dtype)], dtype);
  const low = elementwise('BitwiseAnd', [cast(held, 'int64'), scalar(LOW_32_BITS, 'int64')]);
  return cast(low, 'int32');
}

const toFloat = (value: Value): Value => cast(value, 'float32');
const toFloat64 = (value: Value): Value => cast(value, 'float64');
const both = (a: Operand, b: Operand): Value => elementwise('And', [a, b], 'bool');
const either = (a: Operand, b: Operand): Value => elementwise('Or', [a, b], 'bool');
const isNegative = (value: Operand): Value => elementwise('Less', [value, scalar(0)], 'bool');
const isZero = (value: Operand): Value => elementwise('Equal', [value, scalar(0)], 'bool');

const Cast: Lowering<{ dtype: string }> = ({ x }, { dtype }) => {
  if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool') {
    throw new Error(`onnxruntime: cannot cast ${x!.dtype} to ${dtype}; use another backend`);
  }
  return dtype === 'int32' ? toInt32(x!) : cast(x!, dtype);
};

/** TensorFlow.js gives int32 whatever the inputs; float64 holds every quotient's floor. */
const FloorDiv: Lowering = ({ a, b }) =>
  toInt32(elementwise('Floor', [divide(toFloat64(a!), toFloat64(b!))]));

const remainder = (a: Value, b: Value): Value => elementwise('Mod', [a, b], undefined, { fmod: 1 });

/** The remainder with the sign of the divisor, in JavaScript's numbers. */
const Mod: Lowering = ({ a, b }) => {
  const [x, y] = [toFloat64(a!), toFloat64(b!)];
  const rest = remainder(x, y);
  const signs = [x, y].map((value) => elementwise('Less', [value, scalar(0, 'float64')], 'bool'));
  const differ = elementwise('Xor', signs, 'bool');
  const result = elementwise('Where', [differ, remainder(add(rest, y), y), rest], 'float64');
  return a!.dtype === 'float32' ? toFloat(result) : toInt32(result);
};

/** Integers through float64, so that what JavaScript makes of a fraction or of too large a number holds. */
const Pow: Lowering = ({ a, b }) => {
  if (a!.dtype === 'float32') return elementwise('Pow', [a, b]);
  return toInt32(elementwise('Pow', [toFloat64(a!), toFloat64(b!)]));
};

/** Below this, what a function of 1 + x or e^x - 1 loses of x by adding or subtracting 1 shows. */
const NEAR = 0.5;

const isNear = (x: Value): Value =>
  elementwise('Less', [elementwise('Abs', [x]), scalar(NEAR)], 'bool');

/** exp(x) - 1; near zero as 2t / (1 - t) with t = tanh(x / 2), which keeps its digits. */
const Expm1: Lowering = (inputs) => {
  const x = toFloat(inputs['x']!);
  const t = elementwise('Tanh', [multiply(x, scalar(0.5))]);
  const near = divide(multiply(t, scalar(2)), subtract(scalar(1), t));
  return where(isNear(x), near, subtract(elementwise('Exp', [x]), scalar(1)), 'float32');
};

/** log(1 + x); near zero as 2 atanh(x / (2 + x)), which keeps its digits. */
const Log1p: Lowering = (inputs) => {
  const x = toFloat(inputs['x']!);
  const near = multiply(elementwise('Atanh', [divide(x, add(x, scalar(2)))]), scalar(2));
  return where(isNear(x), near, elementwise('Log', [add(x, scalar(1))]), 'float32');
};

/** The exponential of an integer is rounded once. */
const Exp: Lowering = ({ x }) =>
  x!.dtype === 'float32' ? elementwise('Exp', [x]) : toFloat(elementwise('Exp', [toFloat64(x!)]));

/** In float64, as near a pole float32 has no digits left. */
const Tan: Lowering = (inputs) => {
  const x = toFloat64(inputs['x']!);
  return toFloat(divide(elementwise('Sin', [x]), elementwise('Cos', [x])));
};

/** The angle of the point (b, a), in all four quadrants: that of (|b|, |a|), turned. */
const Atan2: Lowering = (inputs) => {
  const [a, b] = [toFloat(inputs['a']!), toFloat(inputs['b']!)];
  const [height, width] = [elementwise('Abs', [a]), elementwise('Abs', [b])];
  const steep = elementwise('Atan', [divide(height, width)]);
  const diagonal = both(elementwise('IsInf', [a], 'bool'), elementwise('IsInf', [b], 'bool'));
  const known = where(diagonal, scalar(Math.PI / 4), steep, 'float32');
  const angle = where(both(isZero(a), isZero(b)), scalar(0), known, 'float32');
  const left = where(hasMinus(b), subtract(scalar(Math.PI), angle), angle, 'float32');
  return where(hasMinus(a), elementwise('Neg', [left]), left, 'float32');
};

/** Whether a number has a minus sign, as minus zero has. */
const hasMinus = (x: Value): Value =>
  either(isNegative(x), isNegative(elementwise('Reciprocal', [x])));

/** NaN has no sign: 0. */
const Sign: Lowering = ({ x }) => {
  if (x!.dtype !== 'float32') return elementwise('Sign', [cast(x!, 'int32')]);
  const sign = elementwise('Sign', [x]);
  return where(elementwise('IsNaN', [x], 'bool'), scalar(0), sign, 'float32');
};

/** 1 above zero and alpha elsewhere; NaN stays, as it does where alpha is zero and ONNX's operators suffice. */
const Step: Lowering<{ alpha?: number }> = ({ x }, { alpha = 0 }) => {
  const number = numeric(x!);
  if (alpha === 0) return elementwise('Relu', [elementwise('Sign', [number])]);
  const dtype = number.dtype as DType;
  const below = scalar(dtype === 'int32' ? Math.trunc(alpha) : alpha, dtype);
  const above = elementwise('Greater', [number, scalar(0, dtype)], 'bool');
  const step = where(above, scalar(1, dtype), below, dtype);
  if (dtype === 'int32') return step;
  return where(elementwise('IsNaN', [number], 'bool'), number, step, dtype);
};

/**
 * Kernels of which TensorFlow.js and ONNX Runtime mean different numbers at the edges: of NaN, infinities, zero
 * divisors, integers, and where float32 loses its digits.
 */
export const exactKernels: LoweringTable = {
  Atan2,
  Cast,
  Exp,
  Expm1,
  FloorDiv,
  Log1p,
  Mod,
  Pow,
  Sign,
  Step,
  Tan,
};
