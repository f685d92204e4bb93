import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { BuildOptions } from 'esbuild';
import { createServer } from 'vite';
import webpack from 'webpack';
import { serve } from '../../scripts/browser/serve.js';
import type { StaticServer } from '../../scripts/browser/serve.js';
import { root } from './packed.js';
import type { Application } from './packed.js';

/** Files by the path under which each is served. */
export type Files = Map<string, Uint8Array>;

/** Makes what is to be served of an application (`application/`), as a way to use packages in a browser does unasked. */
export type Bundler = (app: Application) => Promise<Files>;

/** Serves an application, as such a way does. */
export type Server = (app: Application) => Promise<Pick<StaticServer, 'origin' | 'close'>>;

/** Serves what a bundler made, as hosts of static files do. */
export function served(bundler: Bundler): Server {
  return async (app) => serve(await bundler(app), {}, { isolated: false });
}

/** `vite`: its development server, which bundles each package that is imported, and nothing else. */
export const byVite: Server = async (app) => {
  // The packages of an application lie in its folder; of this one they are linked from the repository.
  const fs = { allow: [app.folder, root] };
  const server = await createServer({ root: app.folder, logLevel: 'error', server: { fs } });
  await server.listen();
  return { origin: server.resolvedUrls!.local[0]!, close: () => server.close() };
};

/** `vite build`. */
export const withVite: Bundler = async (app) => {
  const { code, stdout, stderr } = await app.tool('vite', 'build', '--outDir', 'vite');
  const said = stdout + stderr;
  if (code !== 0 || said.includes('externalized')) throw new Error(`vite build: ${said}`);
  return filesIn(join(app.folder, 'vite'));
};

/** webpack, told the entry alone. */
export const withWebpack: Bundler = async (app) => {
  const path = join(app.folder, 'webpack');
  const [context, entry] = [app.folder, './main.js'];
  const compiler = webpack({ context, entry, mode: 'production', output: { path } });
  const stats = await new Promise<webpack.Stats>((resolve, reject) =>
    compiler.run((error, done) => (error ? reject(error) : resolve(done!))),
  );
  if (stats.hasErrors()) throw new Error(stats.toString({ all: false, errors: true }));
  return (await filesIn(path)).set('/index.html', page());
};

/** `esbuild main.js --bundle`, in chunks, and ONNX Runtime's WebAssembly beside them, as esbuild follows no URLs. */
export const withEsbuild: Bundler = async (app) => {
  const words = ['main.js', '--bundle', '--minify', '--format=esm', '--splitting'];
  const { code, stderr } = await app.tool('esbuild', ...words, '--outdir=esbuild');
  if (code !== 0 || stderr.includes('warning')) throw new Error(`esbuild: ${stderr}`);
  const files = await filesIn(join(app.folder, 'esbuild'));
  return new Map([...files, ...(await runtimeFiles(app)), ['/index.html', page()]]);
};

/** What onnxruntime-web fetches when it starts. */
async function runtimeFiles(app: Application): Promise<Files> {
  const files = await filesIn(join(app.folder, 'node_modules/onnxruntime-web/dist'));
  return new Map([...files].filter(([path]) => path.includes('/ort-wasm-')));
}

/**
 * No bundler, but the import map of docs/browser.md: node_modules as they are, and in esm.sh's place what it gives for an
 * address, a module with all that it imports in one file.
 */
export const withImportMap: Bundler = async (app) => {
  const documented = await readFile(join(root, 'docs/browser.md'), 'utf8');
  const [, map] = documented.match(/<script type="importmap">(.*?)<\/script>/s)!;
  const { imports } = JSON.parse(map!) as { imports: Record<string, string> };
  const files: Files = new Map();
  for (const specifier of await packageImports(app)) {
    const address = mapped(specifier, imports);
    if (address?.startsWith('https://esm.sh/') !== true) continue;
    imports[specifier] = `/esm.sh/${specifier}.js`;
    files.set(imports[specifier], await oneFile(app, specifier));
  }
  files.set('/index.html', page(JSON.stringify({ imports })));
  for (const name of ['learn.js', 'main.js']) {
    files.set(`/${name}`, await readFile(join(app.folder, name)));
  }
  for (const name of ['bertresnet/dist/browser', 'onnxruntime-web/dist']) {
    const folder = `/node_modules/${name}`;
    const served = await filesIn(join(app.folder, folder), folder);
    served.forEach((content, path) => files.set(path, content));
  }
  return files;
};

/** Where an import map has a module: by its name, or by a name that ends in a slash and begins it. */
function mapped(specifier: string, imports: Record<string, string>): string | undefined {
  const exact = imports[specifier];
  if (exact !== undefined) return exact;
  const prefix = Object.keys(imports).find((key) => key.endsWith('/') && specifier.startsWith(key));
  return prefix && imports[prefix]! + specifier.slice(prefix.length);
}

/** How a bundler reads the build for browsers: every module that it imports of other packages, by the file it stands in. */
export async function packageImports(app: Application): Promise<string[]> {
  const { metafile } = await build({
    ...quietly(app),
    entryPoints: ['index', 'onnxruntime', 'imageWorker'].map(
      (name) => `node_modules/bertresnet/dist/browser/${name}.js`,
    ),
    splitting: true,
    outdir: 'unused',
    packages: 'external',
    metafile: true,
  });
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
  return [...new Set(imports.filter(({ external }) => external).map(({ path }) => path))];
}

/** A module with all that it imports, but TensorFlow.js, of which there must be one. */
async function oneFile(app: Application, specifier: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    ...quietly(app),
    entryPoints: [specifier],
    external: ['@tensorflow/tfjs-core'].filter((name) => name !== specifier),
  });
  return outputFiles[0]!.contents;
}

function quietly(app: Application) {
  return {
    absWorkingDir: app.folder,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    write: false,
    logLevel: 'silent',
  } satisfies BuildOptions;
}

function page(importMap?: string): Uint8Array {
  const map = importMap && `<script type="importmap">${importMap}</script>`;
  return new TextEncoder().encode(
    `<!doctype html><title>application</title><link rel="icon" href="data:,">${map ?? ''}` +
      '<script type="module" src="./main.js"></script>',
  );
}

/** The files of a folder. */
export async function filesIn(folder: string, prefix = ''): Promise<Files> {
  const files: Files = new Map();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(`${prefix}${path.slice(folder.length)}`, await readFile(path));
  }
  return files;
}
