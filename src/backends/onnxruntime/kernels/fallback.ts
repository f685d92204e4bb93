import { findBackend, getKernel } from '@tensorflow/tfjs-core';
import type {
  BackendValues,
  DataType,
  KernelBackend,
  NamedAttrMap,
  TensorInfo,
} from '@tensorflow/tfjs-core';
import { messageOf } from '../../../errors.js';
import type { OnnxRuntimeBackend } from '../backend.js';
import { emitHost } from '../graph.js';
import type { DType, TensorSpec, TypedArray, Value } from '../graph.js';
import { loadCpuKernels } from './fallback.node.js';
import type { KernelInputs, Lowering } from './lowering.js';

// What ONNX Runtime has no sound operator for, the kernels of TensorFlow.js's `cpu` backend compute on bytes that are
// there. Where the shapes of the outputs are known, that is work between two programs; where they depend on the
// numbers, the inputs are read within the call. The package is loaded when the first such kernel runs.

/** A tensor whose bytes are there. */
interface HostTensor {
  readonly shape: readonly number[];
  readonly dtype: DataType;
  readonly values: BackendValues;
}

/** The part of the `cpu` backend that is used. */
interface CpuBackend extends KernelBackend {
  firstUse: boolean;
  makeTensorInfo(shape: number[], dtype: DataType, values: BackendValues): TensorInfo;
  disposeIntermediateTensorInfo(info: TensorInfo): void;
}

function cpuBackend(): CpuBackend {
  if (getKernel('Add', 'cpu') === undefined) loadCpuKernels();
  const cpu = findBackend('cpu') as CpuBackend;
  cpu.firstUse = false; // It greets its users in Node with an advertisement.
  return cpu;
}

/**
 * Runs a kernel of the `cpu` backend.
 *
 * @throws Error where that backend has no such kernel, or the kernel refuses its inputs.
 */
function runOnCpu(
  kernelName: string,
  inputs: Readonly<Record<string, HostTensor | HostTensor[]>>,
  attrs: NamedAttrMap,
): HostTensor | HostTensor[] {
  const backend = cpuBackend();
  const kernel = getKernel(kernelName, 'cpu');
  if (kernel === undefined) throw new Error(`TensorFlow.js has no kernel ${kernelName} on cpu`);
  const made: TensorInfo[] = [];
  const make = ({ shape, dtype, values }: HostTensor): TensorInfo => {
    const info = backend.makeTensorInfo([...shape], dtype, values);
    made.push(info);
    return { ...info, rank: shape.length } as TensorInfo; // some kernels take it for a Tensor
  };
  try {
    const infos = mapInputs(inputs, make) as Record<string, TensorInfo>;
    const outputs = kernel.kernelFunc({ inputs: infos, attrs, backend });
    made.push(...[outputs].flat());
    const take = ({ dataId, shape, dtype }: TensorInfo): HostTensor => ({
      shape,
      dtype,
      values: backend.readSync(dataId),
    });
    return Array.isArray(outputs) ? outputs.map(take) : take(outputs);
  } finally {
    for (const info of made) backend.disposeIntermediateTensorInfo(info);
  }
}

/** The inputs of a kernel: tensors by name, or a list of tensors, where a tensor may itself be a list of some. */
function mapInputs<A, B>(
  inputs: Readonly<Record<string, A | A[]>>,
  change: (input: A) => B,
): Record<string, B | B[]> {
  const changed: Record<string, B | B[]> = Array.isArray(inputs) ? ([] as never) : {};
  for (const [name, input] of Object.entries(inputs)) {
    if (input === undefined || input === null) continue;
    changed[name] = Array.isArray(input) ? input.map(change) : change(input);
  }
  return changed;
}

/**
 * A lowering to work on the host between two programs, by the `cpu` backend's kernel of this name.
 *
 * @param outputs the shapes and types of what the kernel makes.
 */
export function onHost<A extends object>(
  kernelName: string,
  outputs: (inputs: KernelInputs, attributes: A) => readonly TensorSpec[],
): Lowering<A> {
  return (inputs, attributes) => {
    const specs = outputs(inputs, attributes);
    const made = emitOnHost(kernelName, inputs, attributes as NamedAttrMap, specs);
    return made.length === 1 ? made[0]! : made;
  };
}

function emitOnHost(
  kernelName: string,
  inputs: KernelInputs,
  attributes: NamedAttrMap,
  outputs: readonly TensorSpec[],
): readonly Value[] {
  const described = Object.entries(inputs).map(([name, { shape, dtype }]) => ({
    name,
    shape,
    dtype: dtype as DType,
  }));
  return emitHost(kernelName, Object.values(inputs), outputs, (buffers) => {
    const tensors: Record<string, HostTensor> = {};
    described.forEach(({ name, shape, dtype }, i) => {
      tensors[name] = { shape, dtype, values: buffers[i]! };
    });
    const results = [runOnCpu(kernelName, tensors, attributes)].flat();
    return results.map(({ values }, i) =>
      asOwn(values as TypedArray, outputs[i]!.dtype as DType, buffers),
    );
  });
}

/** The bytes in the array of their type, apart from those of the inputs: the engine may write over them. */
function asOwn(values: TypedArray, dtype: DType, inputs: readonly TypedArray[]): TypedArray {
  if (dtype === 'float32' && !(values instanceof Float32Array)) return Float32Array.from(values);
  if (dtype === 'int32' && !(values instanceof Int32Array)) return Int32Array.from(values);
  return inputs.some(({ buffer }) => buffer === values.buffer) ? values.slice() : values;
}

/** What TensorFlow.js hands to a kernel. */
export interface KernelCall {
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly attrs?: NamedAttrMap;
  readonly backend: OnnxRuntimeBackend;
}

/**
 * Runs a kernel of the `cpu` backend within the call.
 *
 * @throws Error where an input is still to be computed and the runtime cannot do that within a call.
 */
export function runNow(
  kernelName: string,
  { inputs, attrs, backend }: KernelCall,
): TensorInfo | TensorInfo[] {
  const tensors = mapInputs(inputs, (info: TensorInfo): HostTensor => {
    const { shape, dtype } = info;
    return { shape, dtype, values: valuesNow(kernelName, info, backend) };
  });
  const give = ({ shape, dtype, values }: HostTensor): TensorInfo => ({
    dataId: backend.write(values, [...shape], dtype),
    shape: [...shape],
    dtype,
  });
  const outputs = runOnCpu(kernelName, tensors, attrs ?? {});
  return Array.isArray(outputs) ? outputs.map(give) : give(outputs);
}

function valuesNow(
  kernelName: string,
  { dataId }: TensorInfo,
  backend: OnnxRuntimeBackend,
): BackendValues {
  try {
    return backend.readSync(dataId);
  } catch (error) {
    throw new Error(
      `onnxruntime: the kernel ${kernelName} runs on values that are there, await data() of its inputs first: ` +
        messageOf(error),
      { cause: error },
    );
  }
}
