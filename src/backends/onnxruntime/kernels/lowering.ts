import type { Value } from '../graph.js';

/** The tensors that a kernel is given, by name; a list of tensors has the names 0, 1, 2 ... */
export type KernelInputs = Readonly<Record<string, Value>>;

/**
 * How a TensorFlow.js kernel becomes nodes of a graph. The attributes are those that TensorFlow.js documents for
 * the kernel; each lowering names the ones that it reads.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- every kernel has its own attributes
export type Lowering<A = any> = (inputs: KernelInputs, attributes: A) => Value | readonly Value[];

/** Lowerings by kernel name. */
export type LoweringTable = Readonly<Record<string, Lowering>>;
