import { getKernel, registerKernel, unregisterKernel } from '@tensorflow/tfjs-core';
import type { KernelBackend, KernelConfig, NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';

/** The tensors that a kernel is given, by name; a list of tensors has the names 0, 1, 2 ... */
export type KernelInputs = Readonly<Record<string, TensorInfo>>;

/** What a kernel gives: a tensor, or several. */
type Result = TensorInfo | TensorInfo[];

/** A kernel that is composed of those that a backend has. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- every kernel has its own attributes
export type Kernel<A = any, R extends Result = TensorInfo> = (
  inputs: KernelInputs,
  attributes: A,
  workspace: Workspace,
) => R;

/**
 * A kernel in the place of one that the backend has, which is good for some arguments and not for others.
 *
 * @param own the backend's kernel.
 */
export type Wrapper = (own: Kernel) => Kernel;

/** Runs a backend's own kernels for one of ours, and frees what lies between its inputs and its result. */
export class Workspace {
  readonly #made: TensorInfo[] = [];

  constructor(
    readonly backendName: string,
    readonly backend: KernelBackend,
  ) {}

  /** The result of a kernel of the backend. */
  run(name: string, inputs: KernelInputs, attributes: object = {}): TensorInfo {
    const kernel = getKernel(name, this.backendName);
    if (kernel === undefined) throw new Error(`${this.backendName}: there is no kernel ${name}`);
    return this.call(kernel.kernelFunc, inputs, attributes);
  }

  /** The same of a kernel that is at hand. */
  call(func: KernelConfig['kernelFunc'], inputs: KernelInputs, attributes: object): TensorInfo {
    const attrs = { ...attributes } as NamedAttrMap;
    return this.keep(func({ inputs: { ...inputs }, backend: this.backend, attrs }) as TensorInfo);
  }

  reshape(x: TensorInfo, shape: readonly number[]): TensorInfo {
    return this.run('Reshape', { x }, { shape });
  }

  transpose(x: TensorInfo, perm: readonly number[]): TensorInfo {
    return this.run('Transpose', { x }, { perm });
  }

  /** Takes over a tensor that was made for this kernel. */
  keep(tensor: TensorInfo): TensorInfo {
    this.#made.push(tensor);
    return tensor;
  }

  /** Frees what was made, but the result. */
  finish<R extends Result>(result: R): R {
    const kept = new Set<TensorInfo>(([] as TensorInfo[]).concat(result));
    for (const tensor of this.#made) {
      if (!kept.has(tensor)) this.backend.disposeData(tensor.dataId);
    }
    return result;
  }
}

/** By it another copy of this module knows that a kernel is one of ours. */
const mark = Symbol.for('bertresnet.kernel');

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- every kernel has its own attributes
type AnyKernel = Kernel<any, any>;

/** Registers kernels in the place of those of their names, where there are any; once, however often it is called. */
export function addKernels(
  backendName: string,
  kernels: Readonly<Record<string, AnyKernel>>,
): void {
  for (const [name, kernel] of Object.entries(kernels)) {
    if (!isOurs(name, backendName)) replace(name, backendName, kernel);
  }
}

/** Registers kernels around the backend's own; once, however often it is called. */
export function wrapKernels(
  backendName: string,
  wrappers: Readonly<Record<string, Wrapper>>,
): void {
  for (const [name, wrapper] of Object.entries(wrappers)) {
    const kernel = getKernel(name, backendName);
    if (kernel === undefined || isOurs(name, backendName)) continue;
    const own: Kernel = (inputs, attributes, workspace) =>
      workspace.call(kernel.kernelFunc, inputs, attributes);
    replace(name, backendName, wrapper(own), kernel.setupFunc);
  }
}

function isOurs(name: string, backendName: string): boolean {
  const kernel = getKernel(name, backendName);
  return kernel !== undefined && mark in kernel.kernelFunc;
}

function replace(
  kernelName: string,
  backendName: string,
  kernel: AnyKernel,
  setupFunc?: KernelConfig['setupFunc'],
): void {
  if (getKernel(kernelName, backendName) !== undefined) unregisterKernel(kernelName, backendName);
  const run: KernelConfig['kernelFunc'] = ({ inputs, backend, attrs }) => {
    const workspace = new Workspace(backendName, backend as KernelBackend);
    return workspace.finish(kernel(inputs as KernelInputs, attrs, workspace));
  };
  const kernelFunc = Object.assign(run, { [mark]: true });
  registerKernel({ kernelName, backendName, kernelFunc, setupFunc });
}
