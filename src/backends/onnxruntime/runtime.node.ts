import { createRequire } from 'node:module';
import type * as Common from 'onnxruntime-common';
import { messageOf } from '../../errors.js';
import type { TypedArray } from './graph.js';
import type { Executable, Feed, Runtime, RuntimeOptions } from './runtime.js';

type Ort = Pick<typeof Common, 'InferenceSession' | 'Tensor'>;

/** What onnxruntime-node's native module offers below its promises. */
interface NativeBinding {
  InferenceSession: new () => {
    loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: object): void;
    run(feeds: object, fetches: object, options: object): Record<string, { data: TypedArray }>;
    dispose(): void;
  };
}

const ADVICE =
  "onnxruntime-node is not installed: running on ONNX Runtime's WebAssembly build, which is slower. " +
  'For the fast one: ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node';

/**
 * Loads ONNX Runtime: the native package, or its WebAssembly build where that could not be installed.
 *
 * @throws Error where neither loads.
 */
export async function loadRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  const failures: string[] = [];
  if (process.env['BERTRESNET_ONNXRUNTIME'] !== 'wasm') {
    try {
      return nativeRuntime(moduleOf(await import('onnxruntime-node')), options);
    } catch (error) {
      failures.push(`onnxruntime-node: ${messageOf(error)}`);
    }
  }
  try {
    return await wasmRuntime(options);
  } catch (error) {
    failures.push(`onnxruntime-web: ${messageOf(error)}`);
  }
  throw new Error(
    `onnxruntime: needs onnxruntime-node or onnxruntime-web, neither loads (${failures.join('; ')}); ` +
      'npm install onnxruntime-node',
  );
}

/** The same within the call, where the native package is there; for values that are read within a call. */
export function loadRuntimeSync(options: RuntimeOptions = {}): Runtime | undefined {
  if (process.env['BERTRESNET_ONNXRUNTIME'] === 'wasm') return undefined;
  try {
    return nativeRuntime(createRequire(import.meta.url)('onnxruntime-node') as Ort, options);
  } catch {
    return undefined;
  }
}

/** A CommonJS package's exports, imported from either module system. */
function moduleOf(imported: object): Ort {
  return ('default' in imported ? imported.default : imported) as Ort;
}

function sessionOptions({ threads }: RuntimeOptions): Common.InferenceSession.SessionOptions {
  return {
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    // An arena of its own keeps what each program ever needed; without, programs share the heap at equal speed.
    enableCpuMemArena: false,
    // Planned memory was neither faster nor smaller in training steps.
    enableMemPattern: false,
    // Threads that spin between operators take the cores from decoding, and from everybody else on the machine.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
    logSeverityLevel: 4, // what fails is thrown, and so said once
  };
}

function nativeRuntime(ort: Ort, options: RuntimeOptions): Runtime {
  const native = { ...sessionOptions(options), executionProviders: ['cpu'] };
  const binding = loadBinding();
  return {
    name: 'onnxruntime-node',
    compile: (model, outputs) => compile(ort, model, outputs, native),
    ...(binding === undefined
      ? {}
      : {
          runSync: (model, outputs, feeds) => runSync(ort, binding, native, model, outputs, feeds),
        }),
  };
}

async function wasmRuntime(options: RuntimeOptions): Promise<Runtime> {
  const ort = (await import('onnxruntime-web')) as unknown as Ort & { env: Common.Env };
  const { availableParallelism } = await import('node:os');
  ort.env.wasm.numThreads = options.threads ?? Math.min(4, availableParallelism());
  ort.env.logLevel = 'error';
  const wasm = { ...sessionOptions(options), executionProviders: ['wasm'] };
  return {
    name: 'onnxruntime-web',
    advice: ADVICE,
    compile: (model, outputs) => compile(ort, model, outputs, wasm),
  };
}

async function compile(
  ort: Ort,
  model: Uint8Array,
  outputs: readonly string[],
  options: Common.InferenceSession.SessionOptions,
): Promise<Executable> {
  const session = await ort.InferenceSession.create(model, options);
  return {
    async run(feeds) {
      const results = await session.run(toFeeds(ort, feeds));
      return outputs.map((name) => results[name]!.data as TypedArray);
    },
    release: () => session.release(),
  };
}

function toFeeds(ort: Ort, feeds: readonly Feed[]): Record<string, Common.Tensor> {
  const tensors: Record<string, Common.Tensor> = {};
  for (const { name, dtype, shape, data } of feeds) {
    tensors[name] = new ort.Tensor(dtype, data as Float32Array, shape);
  }
  return tensors;
}

/** The native module itself runs within the call; its package offers that only behind a promise. */
function loadBinding(): NativeBinding | undefined {
  try {
    const require = createRequire(import.meta.url);
    const module = require('onnxruntime-node/dist/binding.js') as {
      binding: NativeBinding;
      initOrt(): void;
    };
    module.initOrt();
    return module.binding;
  } catch {
    return undefined;
  }
}

function runSync(
  ort: Ort,
  binding: NativeBinding,
  options: object,
  model: Uint8Array,
  outputs: readonly string[],
  feeds: readonly Feed[],
): TypedArray[] {
  const session = new binding.InferenceSession();
  try {
    session.loadModel(model.buffer, model.byteOffset, model.byteLength, options);
    const fetches = Object.fromEntries(outputs.map((name) => [name, null]));
    const results = session.run(toFeeds(ort, feeds), fetches, {});
    return outputs.map((name) => results[name]!.data);
  } finally {
    session.dispose();
  }
}
