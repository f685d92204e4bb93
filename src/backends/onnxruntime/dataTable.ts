import { engine } from '@tensorflow/tfjs-core';
import type { KernelBackend } from '@tensorflow/tfjs-core';

/**
 * What a backend knows of the data of each tensor, as TensorFlow.js's DataStorage has it in a WeakMap. A training step
 * makes thousands of tensors, and such a map is work for the garbage collector as well: here it stands on the id.
 */
export class DataTable<T> {
  /** Each table has its own, as an id may have been in another backend before. */
  readonly #key = Symbol('data');
  #size = 0;

  constructor(private readonly backend: KernelBackend) {}

  get size(): number {
    return this.#size;
  }

  has(dataId: object): boolean {
    return this.#peek(dataId) !== undefined;
  }

  /** The data of this id, which is brought here first where it is in another backend. */
  get(dataId: object): T {
    const data = this.#peek(dataId);
    if (data !== undefined) return data;
    engine().moveData(this.backend, dataId);
    return this.#peek(dataId)!;
  }

  set(dataId: object, data: T): void {
    this.#size++;
    (dataId as Record<symbol, T | undefined>)[this.#key] = data;
  }

  delete(dataId: object): void {
    this.#size--;
    (dataId as Record<symbol, T | undefined>)[this.#key] = undefined;
  }

  #peek(dataId: object): T | undefined {
    return (dataId as Record<symbol, T | undefined>)[this.#key];
  }
}
