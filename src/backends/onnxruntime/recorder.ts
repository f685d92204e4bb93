import {
  engine,
  findBackend,
  getBackend,
  registerBackend,
  setBackend,
  tidy,
} from '@tensorflow/tfjs-core';
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import { OnnxRuntimeBackend } from './backend.js';
import { Value } from './graph.js';
import type { ElementType } from './graph.js';
import { registerKernels } from './kernels/index.js';
import { portableLowerings } from './kernels/portable.js';

const NAME = 'onnx-recorder';

/** A computation as a graph of standard operators. */
export interface Recording {
  /** What leads to it is the graph. */
  readonly output: Value;
  /** The values that stand for something from outside: an input, or a variable. */
  readonly names: ReadonlyMap<Value, string>;
}

/** What a computation that is recorded takes its inputs from. */
export interface Inputs {
  /** An input of the graph. */
  value(name: string, dtype: ElementType, shape: readonly number[]): Value;
  /** A tensor of what is made of one. */
  tensor<T extends Tensor>(value: Value): T;
}

/**
 * Records what `compute` does, and runs nothing of it, whichever backend is in use: for the call another one is, on
 * which the variables have names in the place of values. Shapes may be of any size.
 */
export function record(
  variables: ReadonlyMap<string, Variable>,
  compute: (inputs: Inputs) => Tensor,
): Recording {
  const backend = recorder();
  const names = new Map<Value, string>();
  let output: Value | undefined;
  const inputs: Inputs = {
    value: (name, dtype, shape) => named(names, name, new Value(shape, dtype)),
    tensor: (value) =>
      engine().makeTensorFromTensorInfo(backend.toTensorInfo(value), backend) as never,
  };
  onRecorder(() => {
    withoutValues(variables, names, inputs, () => {
      output = backend.lookUp(compute(inputs));
    });
  });
  return { output: output!, names };
}

function named(names: Map<Value, string>, name: string, value: Value): Value {
  names.set(value, name);
  return value;
}

/** It has kernels of its own, and never computes. */
function recorder(): OnnxRuntimeBackend {
  const known = findBackend(NAME) as OnnxRuntimeBackend | null;
  if (known) return known;
  const refuse = (): never => {
    throw new Error('internal: a value was read while a graph was recorded');
  };
  const loader = {
    executionProvider: undefined,
    configure: refuse,
    load: refuse,
    loadSync: refuse,
  };
  const lowest = 0;
  registerBackend(NAME, () => new OnnxRuntimeBackend(loader), lowest);
  registerKernels(NAME, portableLowerings());
  return findBackend(NAME) as OnnxRuntimeBackend;
}

/** Within a call TensorFlow.js changes to a backend that is there already. */
function onRecorder(run: () => void): void {
  const previous = getBackend();
  void setBackend(NAME);
  try {
    tidy(run);
  } finally {
    void setBackend(previous);
  }
}

/** For the call, each variable holds a value that is only its name; its own data stays untouched where it is. */
function withoutValues(
  variables: ReadonlyMap<string, Variable>,
  names: Map<Value, string>,
  inputs: Inputs,
  run: () => void,
): void {
  const held = [...variables.values()].map((variable) => variable.dataId);
  try {
    for (const [name, variable] of variables) {
      const value = new Value(variable.shape, variable.dtype as ElementType);
      variable.dataId = inputs.tensor(named(names, name, value)).dataId;
    }
    run();
  } finally {
    [...variables.values()].forEach((variable, i) => (variable.dataId = held[i]!));
  }
}
