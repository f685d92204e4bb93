import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize, sep } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** With these two a page is isolated, and its WebAssembly may have threads. */
const HEADERS = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cache-Control': 'no-store',
};

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
): Promise<StaticServer> {
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
    const path = decodeURIComponent(new URL(request.url!, 'http://localhost').pathname);
    const body = await find(path);
    const type = TYPES[extname(path)] ?? 'application/octet-stream';
    response.writeHead(body === undefined ? 404 : 200, { ...HEADERS, 'Content-Type': type });
    response.end(body);
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
