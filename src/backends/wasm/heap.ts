import type { DataType, KernelBackend, TensorInfo } from '@tensorflow/tfjs-core';
import type { Workspace } from '../kernels.js';

/** What these kernels use of TensorFlow.js's WebAssembly backend. */
interface WasmBackend extends KernelBackend {
  makeOutput(shape: readonly number[], dtype: DataType): TensorInfo;
  typedArrayFromHeap(tensor: TensorInfo): Float32Array | Int32Array | Uint8Array;
}

/** A tensor that is to be filled. */
export function empty(workspace: Workspace, shape: readonly number[], dtype: DataType): TensorInfo {
  return workspace.keep((workspace.backend as WasmBackend).makeOutput(shape, dtype));
}

/** A tensor of zeros that is to be filled. */
export function zeros(workspace: Workspace, shape: readonly number[], dtype: DataType): TensorInfo {
  const tensor = empty(workspace, shape, dtype);
  elements(workspace, tensor).fill(0);
  return tensor;
}

/** The elements of a tensor where they lie. Making another tensor may move the memory away from under them. */
export function elements<T extends Float32Array | Int32Array | Uint8Array = Float32Array>(
  workspace: Workspace,
  tensor: TensorInfo,
): T {
  return (workspace.backend as WasmBackend).typedArrayFromHeap(tensor) as T;
}
