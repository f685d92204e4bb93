import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

/** What a page loads, in bytes behind gzip. */
export interface BundleSize {
  /** This library's own code that is loaded with the page: without its engine and TensorFlow.js's gradients. */
  readonly own: number;
  /** The backend `onnxruntime`. */
  readonly engine: number;
  /** Modules of TensorFlow.js that our build brings along, as its package does not export them. */
  readonly gradients: number;
  /** Chunks that are loaded when they are needed, the largest first. */
  readonly late: readonly { readonly name: string; readonly gzip: number }[];
}

/** Bundles a program as `vite build` does, minified, all packages but ours left out, and weighs what a page loads. */
export async function bundleSize(program: string, browserFolder: string): Promise<BundleSize> {
  const [gradients, engine] = await Promise.all([
    filesOf(browserFolder, '/src/backends/gradients.ts'),
    filesOf(browserFolder, '/src/backends/onnxruntime/backend.ts'),
  ]);
  const bundle = (left: readonly string[]) => chunksOf(program, browserFolder, left);
  const [own, withEngine, whole] = [
    await bundle([...gradients, ...engine]),
    await bundle(gradients),
    await bundle([]),
  ].map(({ first }) => first);
  const { late } = await bundle([...gradients, ...engine]);
  return { own: own!, engine: withEngine! - own!, gradients: whole! - withEngine!, late };
}

/** The files of a build that hold a module, by their source maps. */
async function filesOf(folder: string, module: string): Promise<string[]> {
  const maps = (await readdir(folder)).filter((name) => name.endsWith('.js.map'));
  const holds = async (name: string): Promise<boolean> => {
    const { sources } = JSON.parse(await readFile(join(folder, name), 'utf8')) as {
      sources: string[];
    };
    return sources.some((source) => source.endsWith(module));
  };
  const found = await Promise.all(maps.map(async (name) => ((await holds(name)) ? [name] : [])));
  return found.flat().map((name) => join(folder, name.replace(/\.map$/, '')));
}

async function chunksOf(program: string, browserFolder: string, left: readonly string[]) {
  const root = await mkdtemp(join(tmpdir(), 'bundle-size-'));
  try {
    const input = join(root, 'main.js');
    await writeFile(input, program);
    const isOutside = (id: string): boolean =>
      left.includes(id) || (/^[^./\0]/.test(id) && !id.startsWith('bertresnet'));
    const built = await build({
      root,
      configFile: false,
      logLevel: 'error',
      resolve: {
        alias: [
          { find: /^bertresnet$/, replacement: join(browserFolder, 'index.js') },
          { find: /^bertresnet\/(.*)$/, replacement: join(browserFolder, '$1.js') },
        ],
      },
      build: {
        write: false,
        modulePreload: false,
        rolldownOptions: { input, external: isOutside },
      },
    });
    const { output } = built as Exclude<typeof built, readonly unknown[]> & { output: Chunk[] };
    return weigh(output.filter(({ type }) => type === 'chunk'));
  } finally {
    await rm(root, { recursive: true });
  }
}

/** The part of a chunk that counts. */
interface Chunk {
  readonly type: string;
  readonly fileName: string;
  readonly isEntry: boolean;
  readonly imports: readonly string[];
  readonly code: string;
}

function weigh(chunks: readonly Chunk[]) {
  const byName = new Map(chunks.map((chunk) => [chunk.fileName, chunk]));
  const first = new Set<Chunk>();
  const load = (chunk: Chunk | undefined): void => {
    if (chunk === undefined || first.has(chunk)) return;
    first.add(chunk);
    chunk.imports.forEach((name) => load(byName.get(name)));
  };
  chunks.filter(({ isEntry }) => isEntry).forEach(load);
  const gzip = ({ code }: Chunk): number => gzipSync(code, { level: 9 }).length;
  return {
    first: [...first].reduce((sum, chunk) => sum + gzip(chunk), 0),
    late: chunks
      .filter((chunk) => !first.has(chunk))
      .map((chunk) => ({ name: chunk.fileName.replace(/^assets\//, ''), gzip: gzip(chunk) }))
      .toSorted((a, b) => b.gzip - a.gzip),
  };
}

/** A program that uses some exports of the package. */
export function programOf(...names: readonly string[]): string {
  const list = names.join(', ');
  return `import { ${list} } from 'bertresnet'; console.log(${list});`;
}
