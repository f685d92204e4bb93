import * as tf from '@tensorflow/tfjs-core';
import type { HostTensor } from '../src/nn/stateDict.js';

/** What a generator in test/fixtures recorded: tensors by name, and strings. */
export class Recorded {
  readonly #tensors: ReadonlyMap<string, HostTensor>;
  readonly metadata: Readonly<Record<string, string>>;

  /** @param file the bytes of a safetensors file of float32 and int32 tensors */
  constructor(file: Uint8Array) {
    const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
    const start = 8 + Number(view.getBigUint64(0, true));
    const header = new TextDecoder().decode(file.subarray(8, start));
    const { __metadata__: metadata, ...entries } = JSON.parse(header);
    this.metadata = metadata;
    this.#tensors = new Map(
      Object.entries(entries as Record<string, Entry>).map(
        ([key, { dtype, shape, data_offsets: at }]) => {
          const bytes = file.slice(start + at[0], start + at[1]).buffer;
          return [
            key,
            { shape, values: dtype === 'I32' ? new Int32Array(bytes) : new Float32Array(bytes) },
          ];
        },
      ),
    );
  }

  /** What was recorded under a name, on the host. */
  host(name: string): HostTensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new Error(`the fixture has no '${name}'`);
    return tensor;
  }

  /** The same as a tensor of the current backend, for the caller to dispose. */
  tensor<T extends tf.Tensor>(name: string): T {
    const { shape, values } = this.host(name);
    return tf.tensor(values, [...shape], values instanceof Int32Array ? 'int32' : 'float32') as T;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** Everything whose name begins with a prefix, which is taken off. */
  under(prefix: string): Record<string, HostTensor> {
    const names = [...this.#tensors.keys()].filter((name) => name.startsWith(prefix));
    return Object.fromEntries(names.map((name) => [name.slice(prefix.length), this.host(name)]));
  }
}

interface Entry {
  readonly dtype: 'F32' | 'I32';
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}
