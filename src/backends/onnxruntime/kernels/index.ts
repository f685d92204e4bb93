import * as core from '@tensorflow/tfjs-core';
import { registerKernel } from '@tensorflow/tfjs-core';
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import type { OnnxRuntimeBackend } from '../backend.js';
import type { Value } from '../graph.js';
import { convolutionKernels } from './convolution.js';
import { creationKernels } from './creation.js';
import { elementwiseKernels } from './elementwise.js';
import { gatherKernels } from './gather.js';
import type { Lowering, LoweringTable } from './lowering.js';
import { matrixKernels } from './matrix.js';
import { normalizationKernels } from './normalization.js';
import { optimizerKernels } from './optimizer.js';
import { poolingKernels } from './pooling.js';
import { reductionKernels } from './reduction.js';
import { shapeKernels } from './shape.js';

/** How each TensorFlow.js kernel becomes a graph. */
export const lowerings: LoweringTable = {
  ...convolutionKernels,
  ...creationKernels,
  ...elementwiseKernels,
  ...gatherKernels,
  ...matrixKernels,
  ...normalizationKernels,
  ...optimizerKernels,
  ...poolingKernels,
  ...reductionKernels,
  ...shapeKernels,
};

/** Registers every kernel for the backend of this name; one that is missing says so when it is called. */
export function registerKernels(backendName: string): void {
  registerKernel({ kernelName: 'Identity', backendName, kernelFunc: identity as never });
  for (const [kernelName, lowering] of Object.entries(lowerings)) {
    registerKernel({ kernelName, backendName, kernelFunc: kernelOf(lowering) as never });
  }
  for (const kernelName of missingKernels()) {
    registerKernel({ kernelName, backendName, kernelFunc: () => refuse(kernelName) });
  }
}

interface KernelCall {
  readonly inputs: NamedTensorInfoMap;
  readonly attrs?: NamedAttrMap;
  readonly backend: OnnxRuntimeBackend;
}

function kernelOf(lowering: Lowering): (call: KernelCall) => TensorInfo | TensorInfo[] {
  return ({ inputs, attrs, backend }) => {
    const values: Record<string, Value> = {};
    for (const [name, info] of Object.entries(inputs)) {
      if (info !== undefined && info !== null) values[name] = backend.lookUp(info);
    }
    const result = lowering(values, attrs ?? {});
    return Array.isArray(result)
      ? (result as Value[]).map((value) => backend.toTensorInfo(value))
      : backend.toTensorInfo(result as Value);
  };
}

/** The same data under one more reference, as every backend does it. */
function identity({ inputs, backend }: KernelCall): TensorInfo {
  const { dataId, shape, dtype } = inputs['x']!;
  backend.incRef(dataId);
  return { dataId, shape, dtype };
}

/** TensorFlow.js exports each kernel's name as a constant of the same name. */
function missingKernels(): string[] {
  const names = Object.entries(core)
    .filter(
      ([name, value]) =>
        typeof value === 'string' && /^_?[A-Z]/.test(name) && /^_?[A-Z]\w*$/.test(value),
    )
    .map(([, value]) => value as unknown as string);
  return names.filter((name) => name !== 'Identity' && !(name in lowerings));
}

function refuse(kernelName: string): never {
  throw new Error(
    `onnxruntime: the kernel ${kernelName} is not implemented; compute this part on another backend ` +
      "(useBackend('cpu')) or express it with other operators",
  );
}
