import { readFileSync } from 'node:fs';
import type * as tf from '@tensorflow/tfjs-core';
import { expectClose, take } from './backends.js';
import type { Tolerance } from './backends.js';
import { Recorded } from './recorded.js';

/** What a generator in test/fixtures recorded, to compare with. */
export class Oracle extends Recorded {
  /** @param name of a safetensors file in test/fixtures */
  constructor(name: string) {
    // A copy: the bytes of a Buffer may stand in one that it shares.
    super(Uint8Array.from(readFileSync(new URL(`fixtures/${name}.safetensors`, import.meta.url))));
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

/** Logits within 1e-4 and gradients within 1e-3, of the largest magnitude. */
export const forwardTolerance: Tolerance = { relative: 1e-4, absolute: 1e-6 };
export const gradientTolerance: Tolerance = { relative: 1e-3, absolute: 1e-5 };
