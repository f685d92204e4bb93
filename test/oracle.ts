import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import type { HostTensor } from '../src/nn/stateDict.js';
import { expectClose, take } from './backends.js';
import type { Tolerance } from './backends.js';

/** What a generator in test/fixtures recorded: tensors by name, and strings. */
export class Oracle {
  readonly #tensors: ReadonlyMap<string, HostTensor>;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(name: string) {
    const file = readFileSync(new URL(`fixtures/${name}.safetensors`, import.meta.url));
    const start = 8 + Number(file.readBigUInt64LE(0));
    const { __metadata__: metadata, ...entries } = JSON.parse(file.toString('utf8', 8, start));
    this.metadata = metadata;
    this.#tensors = new Map(
      Object.entries(entries as Record<string, Entry>).map(
        ([key, { dtype, shape, data_offsets: at }]) => {
          const bytes = Uint8Array.from(file.subarray(start + at[0], start + at[1])).buffer;
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

  /** Compares shape and values, and disposes the tensor. */
  async expect(tensor: tf.Tensor, name: string, tolerance: Tolerance): Promise<void> {
    const { shape, values } = this.host(name);
    if (String(tensor.shape) !== String(shape)) {
      throw new Error(`${name}: got [${tensor.shape}], expected [${shape}]`);
    }
    try {
      expectClose(await take(tensor), values, tolerance);
    } catch (error) {
      throw new Error(`${name}: ${String(error)}`, { cause: error });
    }
  }
}

interface Entry {
  readonly dtype: 'F32' | 'I32';
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Logits within 1e-4 and gradients within 1e-3, of the largest magnitude. */
export const forwardTolerance: Tolerance = { relative: 1e-4, absolute: 1e-6 };
export const gradientTolerance: Tolerance = { relative: 1e-3, absolute: 1e-5 };
