import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type * as Common from 'onnxruntime-common';
import { messageOf } from '../../errors.js';
import type { TypedArray } from './graph.js';
import { operatorTimes } from './profile.js';
import type {
  Executable,
  Feed,
  LongFeed,
  OperatorTime,
  Runtime,
  RuntimeOptions,
} from './runtime.js';
import { compile, sessionOptions, toFeeds } from './runtime.session.js';
import type { Ort } from './runtime.session.js';

/** What onnxruntime-node's native module offers below its promises. */
interface NativeBinding {
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

/** The level of debugging that the environment asks for, as it was written. */
export function debugVariable(): string | undefined {
  return process.env['BERTRESNET_DEBUG'] || undefined;
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

function nativeRuntime(ort: Ort, options: RuntimeOptions): Runtime {
  const native = { ...sessionOptions(options), executionProviders: ['cpu'] };
  const binding = loadBinding();
  const name = 'onnxruntime-node';
  if (binding === undefined) {
    const compileWith = (model: Uint8Array | string, outputs: readonly string[]) =>
      compile(ort, model, outputs, native);
    return { name, compile: compileWith, open: compileWith };
  }
  const open = (model: Uint8Array, more: object = {}): NativeSession => {
    const session = new binding.InferenceSession();
    session.loadModel(model.buffer, model.byteOffset, model.byteLength, { ...native, ...more });
    return session;
  };
  const compileSync = (model: Uint8Array, outputs: readonly string[]): Executable =>
    nativeExecutable(ort, open(model), outputs);
  return {
    name,
    compile: (model, outputs) => inTurn(() => compileSync(model, outputs)),
    open: (path, outputs) =>
      inTurn(() => {
        const session = new binding.InferenceSession();
        session.loadModel(path, native);
        return nativeExecutable(ort, session, outputs);
      }),
    compileSync,
    profile: (model, outputs, feeds) =>
      profile((options) => open(model, options), outputs, toFeeds(ort, feeds)),
  };
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
    open: async (path, outputs) => {
      const externalData = await readDataFile(path);
      return compile(ort, await readFile(path), outputs, { ...wasm, externalData });
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
    const session = open({ enableProfiling: true, profileFilePrefix: join(folder, 'run') });
    const fetches = Object.fromEntries(outputs.map((name) => [name, null]));
    for (let run = 0; run < PROFILED_RUNS; run++) session.run(feeds, fetches, {});
    const path = session.endProfiling();
    session.dispose();
    return operatorTimes(readFileSync(path, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
