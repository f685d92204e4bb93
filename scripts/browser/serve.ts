import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize, sep } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
  '.zip': 'application/zip',
};

/** With these a page is isolated, and its WebAssembly may have threads. */
const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** How files are served. */
export interface ServeOptions {
  /** Default: one that is free. */
  readonly port?: number;
  /** Whether pages are isolated (default true); hosts of static files rarely do that. */
  readonly isolated?: boolean;
  /** What answers in the place of files, by the prefix of its addresses. */
  readonly listeners?: Readonly<Record<string, RequestListener>>;
}

export interface StaticServer {
  /** Such as `http://127.0.0.1:40001`. */
  readonly origin: string;
  close(): Promise<void>;
}

/**
 * Serves files in memory by their path (`/page.js`), and folders under a prefix (`/fixtures/`), to this machine alone.
 */
export async function serve(
  files: ReadonlyMap<string, Uint8Array>,
  folders: Readonly<Record<string, string>> = {},
  { port = 0, isolated = true, listeners = {} }: ServeOptions = {},
): Promise<StaticServer> {
  const headers = { ...(isolated && ISOLATION), 'Cache-Control': 'no-store' };
  const find = async (path: string): Promise<Uint8Array | undefined> => {
    const held = files.get(path);
    if (held !== undefined) return held;
    const prefix = Object.keys(folders).find((candidate) => path.startsWith(candidate));
    if (prefix === undefined) return undefined;
    const folder = folders[prefix]!;
    const file = normalize(join(folder, path.slice(prefix.length)));
    return file.startsWith(folder + sep) ? readFile(file).catch(() => undefined) : undefined;
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = pathOf(request.url!);
    const body = path === undefined ? undefined : await find(path);
    const type = TYPES[extname(path ?? '')] ?? 'application/octet-stream';
    response.writeHead(body === undefined ? 404 : 200, { ...headers, 'Content-Type': type });
    response.end(body);
  };
  const server = createServer((request, response) => {
    const prefix = Object.keys(listeners).find((prefix) => request.url!.startsWith(prefix));
    if (prefix !== undefined) listeners[prefix]!(request, response);
    else void answer(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: taken } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${taken}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** The path that an address asks for; undefined where it is malformed. */
function pathOf(address: string): string | undefined {
  try {
    const path = decodeURIComponent(new URL(address, 'http://localhost').pathname);
    return path.endsWith('/') ? `${path}index.html` : path;
  } catch {
    return undefined;
  }
}
