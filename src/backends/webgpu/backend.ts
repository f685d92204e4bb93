import type { DataType, KernelBackend, TensorInfo } from '@tensorflow/tfjs-core';

/** What these kernels use of TensorFlow.js's WebGPU backend; `recordAndSubmit` its types keep to itself. */
export interface WebGpuBackend extends KernelBackend {
  readonly device: Device;
  makeTensorInfo(shape: readonly number[], dtype: DataType): TensorInfo;
  /** Gives a tensor its buffer, if it has none yet. */
  uploadToGPU(dataId: object): void;
  /**
   * Binds the output, the inputs, and a buffer of numbers, in this order, and appends the dispatch to the pass that the
   * backend's own kernels are in. The numbers are a NaN, an infinity, the shape and the strides of every input and of
   * the output, then those that are given.
   */
  recordAndSubmit(
    program: Program,
    output: TensorInfo,
    inputs: readonly TensorInfo[],
    numbers: readonly Uniform[],
  ): void;
}

/** A number of a dispatch, as the backend packs it. */
export interface Uniform {
  readonly type: 'int32' | 'uint32' | 'float32';
  readonly data: readonly number[];
}

/** What the backend dispatches. */
export interface Program {
  readonly pipeline: object;
  readonly dispatch: readonly [x: number, y: number, z: number];
}

/** The part of a GPUDevice that makes pipelines, and tells of its end. */
export interface Device {
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  readonly limits: { readonly maxComputeWorkgroupsPerDimension: number };
  createShaderModule(descriptor: { code: string; label?: string }): object;
  createComputePipeline(descriptor: {
    layout: 'auto';
    compute: { module: object; entryPoint: string };
    label?: string;
  }): object;
}
