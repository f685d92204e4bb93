import type { DType, TypedArray } from './graph.js';

/** A tensor as the runtime takes it. */
export interface Feed {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/** A tensor that no tensor of TensorFlow.js can be: the ids that models for others take. */
export interface LongFeed extends Omit<Feed, 'dtype' | 'data'> {
  readonly dtype: 'int64';
  readonly data: BigInt64Array;
}

/** A compiled program. */
export interface Executable {
  /** Set where `run` writes its outputs into arrays that are given, rather than returning new ones. */
  readonly writesInto?: true;
  /**
   * Runs it and returns its outputs' bytes in the order of the program's outputs.
   *
   * @param into for an executable that `writesInto`: the outputs, of which the data is written and returned.
   */
  run(feeds: readonly (Feed | LongFeed)[], into?: readonly Feed[]): Promise<TypedArray[]>;
  /** The same within the call; absent where the platform cannot. */
  runSync?(feeds: readonly (Feed | LongFeed)[], into?: readonly Feed[]): TypedArray[];
  /** Gives its memory back. */
  release(): Promise<void>;
}

/** What one operator of a program took, in the mean of some runs. */
export interface OperatorTime {
  /** The operator as ONNX Runtime ran it, which may have fused several of the program into one. */
  readonly op: string;
  /** The node: the name of its first output, where it is one of the program. */
  readonly name: string;
  /** Milliseconds a run. */
  readonly time: number;
  /** Types and shapes, such as `float[8,64]`. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** How programs are to be run. */
export interface RuntimeOptions {
  /** Threads of one operator; default: the number of physical cores. */
  readonly threads?: number;
  /**
   * What ONNX Runtime computes on: the processor (default), as `cpu` natively and as `wasm` through WebAssembly, or the
   * graphics card, through `webgpu`, NVIDIA's `cuda`, Windows' `dml` or Apple's `coreml`. A browser has `wasm` and
   * `webgpu`.
   */
  readonly executionProvider?: ExecutionProvider;
  /**
   * The folder, as a URL, that the WebAssembly files of the backend lie in; default: for `onnxruntime` where the bundler
   * put them, or beside the program, or else a public copy of them (jsDelivr), for `wasm` the page's. Browsers only.
   */
  readonly wasmPaths?: string;
}

/** What ONNX Runtime can compute on. */
export type ExecutionProvider = 'cpu' | 'wasm' | 'webgpu' | 'cuda' | 'dml' | 'coreml';

/** What a program needs of memory, in bytes. */
export interface MemoryUse {
  /** What it had better keep from run to run, of what it computes in. */
  readonly kept: number;
  /** The most that its whole plan takes at once: what its programs compute in, and what goes from one to the next. */
  readonly plan: number;
}

/** The one seam between the backend and ONNX Runtime. */
export interface Runtime {
  /** What runs: `onnxruntime-node` or `onnxruntime-web`. */
  readonly name: string;
  /** Set where a better one could be had: how. */
  readonly advice?: string;
  /** Compiles the bytes of a program whose outputs have these names. */
  compile(model: Uint8Array, outputs: readonly string[], memory: MemoryUse): Promise<Executable>;
  /** The same within the call, to what has a `runSync`; absent where the platform cannot. */
  compileSync?(model: Uint8Array, outputs: readonly string[], memory: MemoryUse): Executable;
  /**
   * Compiles a model from outside: its bytes, or the path of an ONNX file, which may keep its weights in a file beside
   * it, `<its name>.data`.
   */
  open(model: Uint8Array | string, outputs: readonly string[]): Promise<Executable>;
  /** Runs a model for its time by operator; absent where the platform cannot. */
  profile?(model: Uint8Array, outputs: readonly string[], feeds: readonly Feed[]): OperatorTime[];
}

/** How ONNX Runtime comes into the process. */
export interface RuntimeLoader {
  /** What it computes on, where that was chosen. */
  readonly executionProvider: ExecutionProvider | undefined;
  /**
   * Chooses how it is to be loaded.
   *
   * @throws InputError where that comes too late.
   */
  configure(options: RuntimeOptions): void;
  load(): Promise<Runtime>;
  /** Within the call; undefined where that is not possible. */
  loadSync(): Runtime | undefined;
}
