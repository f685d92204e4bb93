import type { DType, TypedArray } from './graph.js';

/** A tensor as the runtime takes it. */
export interface Feed {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/** A compiled program. */
export interface Executable {
  /** Runs it and returns its outputs' bytes in the order of the program's outputs. */
  run(feeds: readonly Feed[]): Promise<TypedArray[]>;
  /** Gives its memory back. */
  release(): Promise<void>;
}

/** How programs are to be run. */
export interface RuntimeOptions {
  /** Threads of one operator; default: the number of physical cores. */
  readonly threads?: number;
}

/** The one seam between the backend and ONNX Runtime. */
export interface Runtime {
  /** What runs: `onnxruntime-node` or `onnxruntime-web`. */
  readonly name: string;
  /** Set where a better one could be had: how. */
  readonly advice?: string;
  /** Compiles the bytes of an ONNX model whose outputs have these names. */
  compile(model: Uint8Array, outputs: readonly string[]): Promise<Executable>;
  /** Compiles and runs within the call; absent where the platform cannot. */
  runSync?(model: Uint8Array, outputs: readonly string[], feeds: readonly Feed[]): TypedArray[];
}

/** How ONNX Runtime comes into the process. */
export interface RuntimeLoader {
  load(): Promise<Runtime>;
  /** Within the call; undefined where that is not possible. */
  loadSync(): Runtime | undefined;
}
