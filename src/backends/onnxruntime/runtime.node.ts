import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir, totalmem } from 'node:os';
import { basename, join } from 'node:path';
import type * as Common from 'onnxruntime-common';
import { InputError, messageOf } from '../../errors.js';
import { Arenas } from './arenas.js';
import type { Arena } from './arenas.js';
import { Heap } from './heap.node.js';
import type { TypedArray } from './graph.js';
import { operatorTimes } from './profile.js';
import { ProtobufWriter } from '../../protobuf.js';
import type {
  Executable,
  Feed,
  LongFeed,
  MemoryUse,
  OperatorTime,
  Runtime,
  ExecutionProvider,
  RuntimeOptions,
} from './runtime.js';
import { compile, sessionOptions, smallestModel, toFeeds } from './runtime.session.js';
import type { Ort } from './runtime.session.js';

/** What onnxruntime-node's native module offers below its promises. */
interface NativeBinding {
  /** What this platform's build may compute on, whether or not it can start here. */
  listSupportedBackends(): readonly { readonly name: string }[];
  InferenceSession: new () => NativeSession;
}

interface NativeSession {
  loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: object): void;
  loadModel(path: string, options: object): void;
  run(feeds: object, fetches: object, options: object): Record<string, { data: TypedArray }>;
  /** Returns the path of what was written. */
  endProfiling(): string;
  dispose(): void;
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
  if (!asksForWasm(options)) {
    try {
      return nativeRuntime(moduleOf(await import('onnxruntime-node')), options);
    } catch (error) {
      if (error instanceof InputError) throw error;
      failures.push(`onnxruntime-node: ${messageOf(error)}`);
    }
  }
  requireProcessor(options, failures);
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

/** The level of debugging that the environment asks for, as it was written. */
export function debugVariable(): string | undefined {
  return process.env['BERTRESNET_DEBUG'] || undefined;
}

/** The same within the call, where the native package is there; for values that are read within a call. */
export function loadRuntimeSync(options: RuntimeOptions = {}): Runtime | undefined {
  if (asksForWasm(options)) return undefined;
  try {
    return nativeRuntime(createRequire(import.meta.url)('onnxruntime-node') as Ort, options);
  } catch (error) {
    if (error instanceof InputError) throw error;
    return undefined;
  }
}

function asksForWasm({ executionProvider }: RuntimeOptions): boolean {
  if (executionProvider === undefined) return process.env['BERTRESNET_ONNXRUNTIME'] === 'wasm';
  return executionProvider === 'wasm';
}

/** Through WebAssembly, Node reaches the processor alone. */
function requireProcessor({ executionProvider }: RuntimeOptions, failures: string[]): void {
  if (executionProvider === undefined || executionProvider === 'wasm') return;
  throw new InputError(
    `onnxruntime: executionProvider '${executionProvider}' needs onnxruntime-node, which does not load ` +
      `(${failures.join('; ')}); ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node`,
  );
}

/** A CommonJS package's exports, imported from either module system. */
function moduleOf(imported: object): Ort {
  return ('default' in imported ? imported.default : imported) as Ort;
}

function nativeRuntime(ort: Ort, options: RuntimeOptions): Runtime {
  const { executionProvider = 'cpu' } = options;
  const native = { ...sessionOptions(options), executionProviders: [executionProvider] };
  const binding = loadBinding();
  if (binding !== undefined) startProvider(executionProvider, binding, native);
  const name = 'onnxruntime-node';
  if (binding === undefined) {
    const compileWith = (model: Uint8Array | string, outputs: readonly string[]) =>
      compile(ort, model, outputs, native);
    return { name, compile: compileWith, open: compileWith };
  }
  const open = (model: Uint8Array | string, more: object = {}): NativeSession => {
    const session = new binding.InferenceSession();
    const options = { ...native, ...more };
    if (typeof model === 'string') session.loadModel(model, options);
    else session.loadModel(model.buffer, model.byteOffset, model.byteLength, options);
    return session;
  };
  const arenas = new Arenas(totalmem() / 8, new Heap());
  const compileSync = (
    model: Uint8Array,
    _outputs: readonly string[],
    memory: MemoryUse,
  ): Executable => {
    const arena = arenas.open(memory);
    try {
      const session = open(withoutCopies(model), { enableCpuMemArena: arena.kept });
      return inPlaceExecutable(ort, session, arena);
    } catch (error) {
      arena.release();
      throw error;
    }
  };
  return {
    name,
    compile: (model, outputs, memory) => inTurn(() => compileSync(model, outputs, memory)),
    open: (model, outputs) => inTurn(() => nativeExecutable(ort, open(model), outputs)),
    compileSync,
    profile: (model, outputs, feeds) =>
      profile((options) => open(model, options), outputs, toFeeds(ort, feeds)),
  };
}

/** What a graphics card needs beside the package, where something can be done. */
const remedies: Readonly<Partial<Record<ExecutionProvider, string>>> = {
  cuda: "CUDA 12, cuDNN 9 and the libraries that onnxruntime-node's post-install script downloads (npm rebuild onnxruntime-node)",
  webgpu: 'a driver of Vulkan, Metal or Direct3D 12',
};

/** @throws InputError where sessions cannot be opened on it */
function startProvider(
  provider: ExecutionProvider,
  binding: NativeBinding,
  native: Common.InferenceSession.SessionOptions,
): void {
  if (provider === 'cpu') return;
  const known = binding.listSupportedBackends().map(({ name }) => name);
  if (!known.includes(provider)) {
    throw new InputError(
      `onnxruntime: executionProvider must be one of ${known.join(', ')} on ${process.platform} ` +
        `${process.arch}, got '${provider}'`,
    );
  }
  try {
    const session = new binding.InferenceSession();
    const { buffer, byteOffset, byteLength } = smallestModel;
    session.loadModel(buffer, byteOffset, byteLength, native);
    session.dispose();
  } catch (error) {
    const remedy = remedies[provider];
    throw new InputError(
      `onnxruntime: executionProvider '${provider}' cannot start here (${messageOf(error)}); ` +
        `${remedy === undefined ? '' : `it needs ${remedy}; `}leave it out to compute on the processor`,
    );
  }
}

/** Runs synchronous work when the event loop comes to it. */
function inTurn<T>(work: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(work());
      } catch (error) {
        reject(error);
      }
    });
  });
}

function nativeExecutable(
  ort: Ort,
  session: NativeSession,
  outputs: readonly string[],
): Executable {
  const fetches = Object.fromEntries(outputs.map((name) => [name, null]));
  const runSync = (feeds: readonly (Feed | LongFeed)[]): TypedArray[] => {
    const results = session.run(toFeeds(ort, feeds), fetches, {});
    return outputs.map((name) => results[name]!.data);
  };
  return {
    run: (feeds) => inTurn(() => runSync(feeds)),
    runSync,
    release: async () => session.dispose(),
  };
}

/** An output of a type that JavaScript has no array for. */
const UNREADABLE = 'unreadable';
const BFLOAT16 = 16;

/**
 * A program with one more output, the first. The binding writes outputs into the arrays that it is given, and then
 * copies each into a new one that nobody needs, which for the gradients of a training step takes as long as its
 * optimizer. It makes those copies in order, and refuses the first: so there are none.
 */
function withoutCopies(model: Uint8Array): Uint8Array {
  // Where a message holds its graph twice, Protocol Buffers' parsers join the two.
  const more = new ProtobufWriter().message(7, (graph) => {
    graph.message(1, (node) => {
      node.string(2, UNREADABLE).string(4, 'Constant');
      node.message(5, (attribute) => {
        attribute.string(1, 'value').int(20, 4);
        attribute.message(5, (tensor) => tensor.ints(1, [1]).int(2, BFLOAT16).bytes(9, ZERO));
      });
    });
    graph.message(12, (output) => {
      output.string(1, UNREADABLE).message(2, (type) =>
        type.message(1, (tensor) => {
          tensor.int(1, BFLOAT16);
          tensor.message(2, (shape) => shape.message(1, (dimension) => dimension.int(1, 1)));
        }),
      );
    });
  });
  return new Uint8Array(Buffer.concat([more.finish(), model]));
}

const ZERO = new Uint8Array(2);

/** A program made by `withoutCopies`. */
function inPlaceExecutable(ort: Ort, session: NativeSession, arena: Arena): Executable {
  const runSync = (
    feeds: readonly (Feed | LongFeed)[],
    into: readonly Feed[] = [],
  ): TypedArray[] => {
    arena.use();
    try {
      session.run(toFeeds(ort, feeds), { [UNREADABLE]: null, ...toFeeds(ort, into) }, {});
    } catch (error) {
      // Thrown once everything was computed.
      if (!messageOf(error).startsWith(`Tensor type (${BFLOAT16}) is not supported`)) throw error;
    }
    return into.map(({ data }) => data);
  };
  return {
    writesInto: true,
    run: (feeds, into) => inTurn(() => runSync(feeds, into)),
    runSync,
    release: async () => {
      session.dispose();
      arena.release();
    },
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
    open: async (model, outputs) => {
      if (typeof model !== 'string') return compile(ort, model, outputs, wasm);
      const externalData = await readDataFile(model);
      return compile(ort, await readFile(model), outputs, { ...wasm, externalData });
    },
  };
}

/** WebAssembly sees no files: the one beside a model, where there is one, is handed over with it. */
async function readDataFile(
  path: string,
): Promise<Common.InferenceSession.SessionOptions['externalData']> {
  const beside = `${path}.data`;
  return existsSync(beside) ? [{ path: basename(beside), data: await readFile(beside) }] : [];
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

/** The first of them finds everything cold and does not count. */
const PROFILED_RUNS = 4;

/** ONNX Runtime writes what each operator took to a file, which is read and removed. */
function profile(
  open: (options: object) => NativeSession,
  outputs: readonly string[],
  feeds: object,
): OperatorTime[] {
  const folder = mkdtempSync(join(tmpdir(), 'bertresnet-profile-'));
  try {
    // Without an arena, the operator that first touches fresh memory is charged for it.
    const session = open({
      ...{ enableProfiling: true, profileFilePrefix: join(folder, 'run') },
      enableCpuMemArena: true,
    });
    const fetches = Object.fromEntries(outputs.map((name) => [name, null]));
    for (let run = 0; run < PROFILED_RUNS; run++) session.run(feeds, fetches, {});
    const path = session.endProfiling();
    session.dispose();
    return operatorTimes(readFileSync(path, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
