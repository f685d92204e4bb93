import type * as Common from 'onnxruntime-common';
import { InputError, messageOf } from '../../errors.js';
import { openFile } from '../../weights/files.browser.js';
import type { Executable, ExecutionProvider, Runtime, RuntimeOptions } from './runtime.js';
import { compile, sessionOptions, smallestModel } from './runtime.session.js';
import type { Ort } from './runtime.session.js';
import { findWasm, processorBuild, webgpuBuild } from './wasmFiles.browser.js';
import type { WasmUrls } from './wasmFiles.browser.js';

type OrtWeb = Ort & { env: Common.Env };
type Provider = 'wasm' | 'webgpu';

/** ONNX Runtime's own limit where it chooses itself. */
const MOST_THREADS = 4;

/**
 * Loads ONNX Runtime's WebAssembly build, and the kernels of TensorFlow.js's `cpu` backend, which a browser cannot load
 * within a call.
 *
 * @throws InputError where its files are not found, or there is no graphics card that could be used.
 */
export async function loadRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  const { executionProvider = 'wasm', wasmPaths } = options;
  const provider = knownProvider(executionProvider);
  if (provider === 'webgpu') await checkWebGpu();
  const [ort] = await Promise.all([importOrt(provider), import('@tensorflow/tfjs-backend-cpu')]);
  const build = provider === 'webgpu' ? webgpuBuild : processorBuild;
  const urls = await findWasm(build, ort.env.versions.web!, wasmPaths);
  const threads = threadsFor(options, urls);
  ort.env.logLevel = 'error';
  ort.env.wasm.numThreads = threads;
  // Threads run a script of their own: the one within the package's would need that file for itself, without a bundle.
  ort.env.wasm.wasmPaths = threads > 1 ? { wasm: urls.wasm, mjs: urls.mjs! } : { wasm: urls.wasm };
  const session = { ...sessionOptions({ threads }), executionProviders: [provider] };
  const compileWith = oneAtATime((model: Uint8Array, outputs: readonly string[], more = {}) =>
    compile(ort, model, outputs, { ...session, ...more }),
  );
  await start(compileWith, urls);
  return {
    name: 'onnxruntime-web',
    advice: adviceFor(options, urls),
    compile: (model, outputs) => compileWith(model, outputs),
    open: async (model, outputs) => {
      if (typeof model !== 'string') return compileWith(model, outputs);
      const data = await readFile(`${model}.data`).catch(() => undefined);
      const name = model.slice(model.lastIndexOf('/') + 1);
      const externalData = data === undefined ? [] : [{ path: `${name}.data`, data }];
      return compileWith(await readFile(model), outputs, { externalData });
    },
  };
}

/** Nothing is read within a call in a browser. */
export function loadRuntimeSync(_options: RuntimeOptions = {}): Runtime | undefined {
  return undefined;
}

/** A browser has no environment that could ask for debugging: `setDebug` does. */
export function debugVariable(): string | undefined {
  return undefined;
}

async function importOrt(provider: Provider): Promise<OrtWeb> {
  return provider === 'webgpu'
    ? ((await import('onnxruntime-web/webgpu')) as unknown as OrtWeb)
    : ((await import('onnxruntime-web/wasm')) as unknown as OrtWeb);
}

function knownProvider(provider: ExecutionProvider): Provider {
  if (provider === 'wasm' || provider === 'webgpu') return provider;
  throw new InputError(
    `onnxruntime: executionProvider must be 'wasm' or 'webgpu' in a browser, got '${provider}'`,
  );
}

async function checkWebGpu(): Promise<void> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
  if (gpu !== undefined && (await gpu.requestAdapter()) !== null) return;
  throw new InputError(
    `onnxruntime: executionProvider 'webgpu' needs WebGPU, and ${gpu === undefined ? 'this browser (or a page without https) has none' : 'it finds no graphics card here'}; ` +
      "leave it out, or pass 'wasm'",
  );
}

/** Threads share memory, which a browser grants to an isolated page alone; and they need their script. */
function threadsFor({ threads }: RuntimeOptions, { mjs }: WasmUrls): number {
  if (!crossOriginIsolated || mjs === undefined) return 1;
  return threads ?? Math.min(MOST_THREADS, navigator.hardwareConcurrency);
}

function adviceFor({ threads = MOST_THREADS }: RuntimeOptions, urls: WasmUrls): string | undefined {
  const advice: string[] = [];
  if (urls.isPublic) {
    advice.push(
      `onnxruntime: its WebAssembly file comes from ${new URL(urls.wasm).host}, as none lies beside the program; ` +
        'copy those of node_modules/onnxruntime-web/dist there, or pass wasmPaths',
    );
  }
  if (threads > 1 && !crossOriginIsolated) {
    advice.push(
      'onnxruntime: computing on one thread, as the page is not cross-origin isolated; for more, serve it with the ' +
        'headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp',
    );
  }
  return advice.length === 0 ? undefined : advice.join('\n');
}

type Compile = (
  model: Uint8Array,
  outputs: readonly string[],
  more?: Common.InferenceSession.SessionOptions,
) => Promise<Executable>;

/** Lets one session be opened or run at a time: on the graphics card two at once disturb each other. */
function oneAtATime(compileNow: Compile): Compile {
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  };
  return (...model) =>
    inTurn(async () => {
      const { run, release } = await compileNow(...model);
      return { run: (feeds) => inTurn(() => run(feeds)), release: () => inTurn(release) };
    });
}

/** Starts ONNX Runtime, which otherwise would fail when the first value is read. */
async function start(compileWith: Compile, { wasm }: WasmUrls): Promise<void> {
  try {
    const executable = await compileWith(smallestModel, ['v0']);
    await executable.release();
  } catch (error) {
    throw new InputError(
      `onnxruntime: ONNX Runtime did not start with ${wasm}: ${messageOf(error)}; ` +
        'is that file served, and of the installed version? wasmPaths names another folder',
    );
  }
}

async function readFile(path: string): Promise<Uint8Array> {
  const source = await openFile(path);
  try {
    return await source.read(0, source.size);
  } finally {
    await source.close();
  }
}
