import { InputError } from '../../errors.js';

/** A build of ONNX Runtime for browsers: the program, and the script that its threads run. */
export interface WasmBuild {
  /** The package's entry that computes with it. */
  readonly entry: string;
  readonly wasm: WasmFile;
  readonly mjs: WasmFile;
}

/** A file of onnxruntime-web. */
interface WasmFile {
  readonly name: string;
  /** Its URL, if a bundler has followed it: Vite, webpack, Rollup and Parcel do, esbuild does not. */
  readonly bundled: URL;
}

/** Where a build's files are. */
export interface WasmUrls {
  readonly wasm: string;
  /** Set where the script is there as well. */
  readonly mjs?: string;
  /** Whether they come from a public server, as they are nowhere on this one. */
  readonly isPublic: boolean;
}

/** Computes on the processor. */
export const processorBuild: WasmBuild = {
  entry: 'onnxruntime-web/wasm',
  wasm: {
    name: 'ort-wasm-simd-threaded.wasm',
    bundled: new URL('onnxruntime-web/ort-wasm-simd-threaded.wasm', import.meta.url),
  },
  mjs: {
    name: 'ort-wasm-simd-threaded.mjs',
    bundled: new URL('onnxruntime-web/ort-wasm-simd-threaded.mjs', import.meta.url),
  },
};

/** Computes on the graphics card as well. */
export const webgpuBuild: WasmBuild = {
  entry: 'onnxruntime-web/webgpu',
  wasm: {
    name: 'ort-wasm-simd-threaded.asyncify.wasm',
    bundled: new URL('onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm', import.meta.url),
  },
  mjs: {
    name: 'ort-wasm-simd-threaded.asyncify.mjs',
    bundled: new URL('onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs', import.meta.url),
  },
};

/**
 * Finds a build's files: in the folder that is given, else where the import map has their package, where the bundler
 * has put them, in the package beside ours, beside the program, and last on jsDelivr, in the version that is asked for.
 *
 * @throws InputError where the folder that is given has no such file.
 */
export async function findWasm(
  build: WasmBuild,
  version: string,
  folder: string | undefined,
): Promise<WasmUrls> {
  const { wasm, mjs } = build;
  const isThere = async ({ name }: WasmFile, url: string): Promise<boolean> =>
    startsAs(name, await firstBytes(url));
  const urls = async (url: (file: WasmFile) => string | undefined) => {
    const found = url(wasm);
    if (found === undefined || !(await isThere(wasm, found))) return undefined;
    const script = url(mjs);
    const hasScript = script !== undefined && (await isThere(mjs, script));
    return { wasm: found, ...(hasScript && { mjs: script }), isPublic: false };
  };
  if (folder !== undefined) {
    const base = new URL(folder.endsWith('/') ? folder : `${folder}/`, location.href);
    const given = await urls(({ name }) => new URL(name, base).href);
    if (given !== undefined) return given;
    throw new InputError(
      `onnxruntime: wasmPaths must be a folder that holds ${wasm.name}, got ${folder}; ` +
        'copy it there from node_modules/onnxruntime-web/dist',
    );
  }
  const mapped = resolved(build.entry);
  const program = import.meta.url; // a bundler would look for what is written out beside it
  return (
    (await urls(({ name }) => mapped && new URL(name, mapped).href)) ??
    (await urls(bundledUrl)) ??
    (await urls(packagedUrl)) ??
    (await urls(({ name }) => new URL(name, program).href)) ?? {
      wasm: publicUrl(version, wasm),
      mjs: publicUrl(version, mjs),
      isPublic: true,
    }
  );
}

function publicUrl(version: string, { name }: WasmFile): string {
  return `https://cdn.jsdelivr.net/npm/onnxruntime-web@${version}/dist/${name}`;
}

/** Where an import map has a module, if it has. */
function resolved(specifier: string): string | undefined {
  try {
    const { resolve } = import.meta; // called by its full name, webpack would take the call for an import
    return resolve?.(specifier);
  } catch {
    return undefined;
  }
}

/** The URL that a bundler gave a file; undefined where none has followed it. */
function bundledUrl({ name, bundled }: WasmFile): string | undefined {
  return bundled.pathname.endsWith(`/onnxruntime-web/${name}`) ? undefined : bundled.href;
}

/** The URL of a file in the package that lies beside ours; undefined where ours is not served as it is. */
function packagedUrl({ name, bundled }: WasmFile): string | undefined {
  if (!bundled.pathname.includes('/bertresnet/dist/browser/')) return undefined;
  return new URL(`../../../../onnxruntime-web/dist/${name}`, bundled).href;
}

/** The first bytes of a file; none where it is absent. The rest is not fetched. */
async function firstBytes(url: string): Promise<Uint8Array> {
  try {
    const { ok, body } = await fetch(url, { credentials: 'same-origin' });
    if (!ok || body === null) return new Uint8Array();
    const reader = body.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return value ?? new Uint8Array();
  } catch {
    return new Uint8Array();
  }
}

/** Whether bytes begin what a name says; many servers answer with a page where there is no file. */
function startsAs(name: string, bytes: Uint8Array): boolean {
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, 16));
  return name.endsWith('.wasm') ? text.startsWith('\0asm') : text !== '' && !text.startsWith('<');
}
