import type * as Common from 'onnxruntime-common';
import type { TypedArray } from './graph.js';
import { toOnnx } from './onnx.js';
import type { Executable, Feed, LongFeed, RuntimeOptions } from './runtime.js';

/** What the packages of ONNX Runtime have in common. */
export type Ort = Pick<typeof Common, 'InferenceSession' | 'Tensor'>;

/** How every session is opened; the caller adds where it runs. */
export function sessionOptions({
  threads,
}: Pick<RuntimeOptions, 'threads'>): Common.InferenceSession.SessionOptions {
  return {
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    // An arena keeps what a program ever needed, for good: Arenas says who may.
    enableCpuMemArena: false,
    // Planned memory was neither faster nor smaller in training steps.
    enableMemPattern: false,
    // Threads that spin between operators take the cores from decoding, and from everybody else on the machine.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
    logSeverityLevel: 4, // what fails is thrown, and so said once
  };
}

/** Opens a session for a model, or for the path of one, through the package's public interface. */
export async function compile(
  ort: Ort,
  model: Uint8Array | string,
  outputs: readonly string[],
  options: Common.InferenceSession.SessionOptions,
): Promise<Executable> {
  const session = await ort.InferenceSession.create(model as Uint8Array, options);
  return {
    async run(feeds) {
      const results = await session.run(toFeeds(ort, feeds));
      return outputs.map((name) => results[name]!.data as TypedArray);
    },
    release: () => session.release(),
  };
}

/** The tensors of a run, by their names; their bytes are not copied. */
export function toFeeds(
  ort: Ort,
  feeds: readonly (Feed | LongFeed)[],
): Record<string, Common.Tensor> {
  const tensors: Record<string, Common.Tensor> = {};
  for (const { name, dtype, shape, data } of feeds) {
    tensors[name] = new ort.Tensor(dtype, data as Float32Array, shape);
  }
  return tensors;
}

/** The smallest program there is, whose output is `v0`: it shows whether sessions can be opened. */
export const smallestModel = toOnnx({
  inputs: [{ name: 'i0', dtype: 'float32', shape: [1] }],
  constants: [],
  nodes: [
    {
      op: 'Identity',
      domain: '',
      inputs: ['i0'],
      attributes: {},
      outputs: [{ name: 'v0', dtype: 'float32', shape: [1] }],
    },
  ],
  outputs: [{ name: 'v0', dtype: 'float32', shape: [1] }],
});
