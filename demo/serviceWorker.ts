// Keeps the page for when there is no network, and sends the headers that threads need where the host does not.

/** The parts of a service worker's scope that are used: TypeScript's own types exclude those of a page. */
interface Scope {
  readonly clients: { claim(): Promise<void> };
  readonly location: Location;
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: Lasting) => void): void;
  addEventListener(type: 'fetch', listener: (event: Fetching) => void): void;
  addEventListener(type: 'message', listener: (event: Told) => void): void;
}
interface Lasting {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Lasting {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

interface Told extends Lasting {
  readonly data: readonly string[];
  readonly ports: readonly MessagePort[];
}

/** Written by the build: what the page consists of, and a name that changes with any of it. */
declare const FILES: readonly string[];
declare const VERSION: string;

const scope = self as unknown as Scope;
const cacheName = `bertresnet-${VERSION}`;
const ours = /^bertresnet-/;

scope.addEventListener('install', (event) => {
  event.waitUntil(fill().then(() => scope.skipWaiting()));
});

scope.addEventListener('activate', (event) => {
  event.waitUntil(removeOld().then(() => scope.clients.claim()));
});

scope.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  // What is not the page's own (such as pictures in memory) goes its way.
  if (request.method !== 'GET' || origin !== scope.location.origin) return;
  if (pathname === scope.location.pathname) return;
  event.respondWith(answer(event));
});

// The page says what else it has loaded: the runtime that this browser computes with.
scope.addEventListener('message', (event) => {
  const [port] = event.ports;
  const told = keep(event.data).then(
    () => port?.postMessage(true),
    () => port?.postMessage(false),
  );
  event.waitUntil(told);
});

async function keep(files: readonly string[]): Promise<void> {
  const cache = await caches.open(cacheName);
  for (const file of files) {
    if ((await cache.match(file, { ignoreSearch: true })) === undefined) await cache.add(file);
  }
}

async function fill(): Promise<void> {
  const cache = await caches.open(cacheName);
  // Not what the browser may still hold of an earlier version.
  await cache.addAll(FILES.map((file) => new Request(file, { cache: 'reload' })));
}

async function removeOld(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(
    names
      .filter((name) => ours.test(name) && name !== cacheName)
      .map((name) => caches.delete(name)),
  );
}

/** What is kept, or else what the network gives, which is kept from then on. */
async function answer(event: Fetching): Promise<Response> {
  const cache = await caches.open(cacheName);
  const kept = await cache.match(event.request, { ignoreSearch: true });
  if (kept !== undefined) return isolated(kept);
  const response = await fetch(event.request);
  if (response.status === 200) event.waitUntil(cache.put(event.request, response.clone()));
  return isolated(response);
}

/** The response with the headers that isolate a page from others, for which a browser grants it shared memory. */
function isolated(response: Response): Response {
  if (response.status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
