import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';

/** A tensor outside TensorFlow.js: a shape and row-major values, as a weights file holds it. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array | Uint8Array;
}

/** Names and values of a module's parameters and buffers, in PyTorch's layouts. */
export type StateDict = Readonly<Record<string, tf.Tensor | HostTensor>>;

/** `strict` (default true): whether a missing or unexpected name is an error. */
export interface LoadOptions {
  readonly strict?: boolean;
}

/** What did not fit, as `torch.nn.Module.load_state_dict` returns it: empty lists where all did. */
export interface LoadReport {
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
}

/**
 * Gives variables the values of the same names. Nothing is assigned unless everything may be.
 *
 * @throws InputError with every missing, unexpected and misshapen name (both shapes), or only the
 *   misshapen ones where `strict` is false.
 */
export function assignState(
  owner: string,
  variables: ReadonlyMap<string, tf.Variable>,
  dict: StateDict,
  { strict = true }: LoadOptions = {},
): LoadReport {
  const missing = [...variables.keys()].filter((name) => !Object.hasOwn(dict, name));
  const unexpected = Object.keys(dict).filter((name) => !variables.has(name));
  const shared = [...variables].filter(([name]) => Object.hasOwn(dict, name));
  const misshapen = shared.flatMap(([name, variable]) => shapeProblem(name, variable, dict[name]!));
  const problems = [
    ...(strict ? list('missing', missing) : []),
    ...(strict ? list('unexpected', unexpected) : []),
    ...list('misshapen', misshapen),
  ];
  if (problems.length > 0) throw new InputError(describe(owner, problems, strict));
  tf.tidy(() => {
    const values = shared.map(([name]) => toTensor(dict[name]!));
    shared.forEach(([, variable], i) => variable.assign(values[i]!));
  });
  return { missing, unexpected };
}

function describe(owner: string, problems: readonly string[], strict: boolean): string {
  const hint = strict ? ' (strict: false ignores missing and unexpected names)' : '';
  return (
    `${owner}.loadStateDict: names and shapes must be those of this module; ` +
    `load what the same architecture saved${hint}\n${problems.join('\n')}`
  );
}

function list(what: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : [`  ${what} (${names.length}): ${names.join(', ')}`];
}

function shapeProblem(
  name: string,
  variable: tf.Variable,
  value: tf.Tensor | HostTensor,
): string[] {
  const size = value.shape.reduce((product, length) => product * length, 1);
  if (!(value instanceof tf.Tensor) && value.values.length !== size) {
    return [`${name} holds ${value.values.length} values for its shape ${show(value.shape)}`];
  }
  if (show(value.shape) === show(variable.shape)) return [];
  return [`${name} is ${show(value.shape)}, expected ${show(variable.shape)}`];
}

function show(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

function toTensor(value: tf.Tensor | HostTensor): tf.Tensor {
  if (value instanceof tf.Tensor) return tf.cast(value, 'float32');
  const values =
    value.values instanceof Float32Array ? value.values : Float32Array.from(value.values);
  return tf.tensor(values, [...value.shape], 'float32');
}
