import * as core from '@tensorflow/tfjs-core';
import { getKernel, registerKernel, unregisterKernel } from '@tensorflow/tfjs-core';
import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { Value } from '../graph.js';
import type { ExecutionProvider } from '../runtime.js';
import { barrierKernels, cardBarriers } from './barrier.js';
import { batchNormKernels } from './batchNorm.js';
import { blockKernels } from './blocks.js';
import { complexKernelNames, runComplex } from './complex.js';
import { convolutionKernels } from './convolution.js';
import { creationKernels } from './creation.js';
import { depthwiseKernels } from './depthwise.js';
import { elementwiseKernels } from './elementwise.js';
import { exactKernels } from './exact.js';
import { runNow } from './fallback.js';
import type { KernelCall } from './fallback.js';
import { filterGradientKernels } from './filterGradient.js';
import { gatherKernels } from './gather.js';
import { hostKernels, immediateKernels } from './host.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { matrixKernels } from './matrix.js';
import { mirrorKernels } from './mirror.js';
import { neighbourKernels } from './neighbours.js';
import { normalizationKernels } from './normalization.js';
import { optimizerKernels } from './optimizer.js';
import { poolingKernels } from './pooling.js';
import { reductionKernels } from './reduction.js';
import { resizeKernels } from './resize.js';
import { shapeKernels } from './shape.js';
import { volumeKernels } from './volume.js';
import { webGpuLowerings } from './webgpu.js';

/** How each TensorFlow.js kernel becomes a graph. */
export const lowerings: LoweringTable = {
  ...barrierKernels,
  ...batchNormKernels,
  ...blockKernels,
  ...convolutionKernels,
  ...creationKernels,
  ...depthwiseKernels,
  ...elementwiseKernels,
  ...exactKernels,
  ...filterGradientKernels,
  ...gatherKernels,
  ...hostKernels,
  ...matrixKernels,
  ...mirrorKernels,
  ...neighbourKernels,
  ...normalizationKernels,
  ...optimizerKernels,
  ...poolingKernels,
  ...reductionKernels,
  ...resizeKernels,
  ...shapeKernels,
  ...volumeKernels,
};

/** Lowerings in the place of these, by what ONNX Runtime computes on. */
const others: Partial<Record<ExecutionProvider, LoweringTable>> = {
  webgpu: { ...webGpuLowerings, ...cardBarriers },
  cuda: cardBarriers,
  dml: cardBarriers,
  coreml: cardBarriers,
};

/** Registers every kernel for the backend of this name; one that is missing says so when it is called. */
export function registerKernels(backendName: string, table: LoweringTable = lowerings): void {
  register('Identity', backendName, identity);
  for (const [kernelName, lowering] of Object.entries(table)) {
    register(kernelName, backendName, kernelOf(kernelName, lowering));
  }
  for (const kernelName of kernelNames().filter(
    (name) => name !== 'Identity' && !(name in table),
  )) {
    const kernel = unloweredKernel(kernelName);
    if (kernel !== undefined) register(kernelName, backendName, kernel);
  }
}

/** TensorFlow.js keeps the kernels of a backend that is removed. */
function register(kernelName: string, backendName: string, kernel: Kernel): void {
  if (getKernel(kernelName, backendName) !== undefined) unregisterKernel(kernelName, backendName);
  registerKernel({ kernelName, backendName, kernelFunc: kernel as never });
}

type Kernel = (call: KernelCall) => TensorInfo | TensorInfo[];

/** TensorFlow.js reads pixels itself where a backend has no kernel for it. */
const OPTIONAL: ReadonlySet<string> = new Set(['FromPixels', 'Draw']);

/** What a kernel without a lowering does, if it is to be known at all. */
function unloweredKernel(kernelName: string): Kernel | undefined {
  if (OPTIONAL.has(kernelName)) return undefined;
  if (immediateKernels.has(kernelName)) return (call) => runNow(kernelName, call);
  if ((complexKernelNames as readonly string[]).includes(kernelName))
    return (call) => runComplex(kernelName, undefined, call);
  return () => refuse(kernelName);
}

function kernelOf(kernelName: string, lowering: Lowering): Kernel {
  return (call) => {
    const { inputs, attrs, backend } = call;
    if (takes('string', call)) return runNow(kernelName, call);
    if (takes('complex64', call)) return runComplex(kernelName, lowering, call);
    const values: Record<string, Value> = {};
    for (const name in inputs) {
      const info = inputs[name];
      if (info !== undefined && info !== null) values[name] = backend.lookUp(info);
    }
    const { executionProvider = 'cpu' } = backend.executor.loader;
    const suited = others[executionProvider]?.[kernelName] ?? lowering;
    const result = suited(values, attrs ?? {});
    return Array.isArray(result)
      ? (result as Value[]).map((value) => backend.toTensorInfo(value))
      : backend.toTensorInfo(result as Value);
  };
}

/** Whether a kernel is called for tensors of this type. */
function takes(dtype: DataType, { inputs, attrs }: KernelCall): boolean {
  if (attrs?.['dtype'] === dtype) return true;
  for (const name in inputs) if (inputs[name]?.dtype === dtype) return true;
  return false;
}

/** The same data under one more reference, as every backend does it. */
function identity({ inputs, backend }: KernelCall): TensorInfo {
  const { dataId, shape, dtype } = inputs['x']!;
  backend.share(dataId);
  return { dataId, shape, dtype };
}

/** TensorFlow.js exports each kernel's name as a constant of the same name. */
export function kernelNames(): string[] {
  return Object.entries(core)
    .filter(
      ([name, value]) =>
        typeof value === 'string' && /^_?[A-Z]/.test(name) && /^_?[A-Z]\w*$/.test(value),
    )
    .map(([, value]) => value as unknown as string);
}

function refuse(kernelName: string): never {
  throw new Error(
    `onnxruntime: the kernel ${kernelName} is not implemented; compute this part on another backend ` +
      "(useBackend('cpu')) or express it with other operators",
  );
}
