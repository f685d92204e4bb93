// The service worker: the page without a network, and threads where the host sends no headers.

const reloadedOnce = 'reloaded-for-isolation';
const patience = 15_000;

/**
 * Installs the service worker. Where the host sends no headers for threads, the page is loaded once more, through the
 * service worker, which adds them; this then never resolves. Without a service worker all works, but with one thread
 * and not offline.
 */
export async function installServiceWorker(): Promise<void> {
  if (!('serviceWorker' in navigator) || !isSecureContext) return;
  const installed = navigator.serviceWorker.register('serviceWorker.js').then(
    () => navigator.serviceWorker.ready,
    () => undefined,
  );
  if (crossOriginIsolated || sessionStorage.getItem(reloadedOnce) !== null) return;
  const registration = await Promise.race([installed, later(patience)]);
  if (registration === undefined) return;
  sessionStorage.setItem(reloadedOnce, 'yes');
  location.reload();
  await new Promise(() => {});
}

/** Has the service worker keep these files as well; resolves to whether the page now works without a network. */
export async function keepFiles(files: readonly string[]): Promise<boolean> {
  if (
    !('serviceWorker' in navigator) ||
    (await navigator.serviceWorker.getRegistration()) === undefined
  )
    return false;
  const { active } = await navigator.serviceWorker.ready;
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.addEventListener('message', ({ data }: MessageEvent<boolean>) => resolve(data));
    port1.start();
    active?.postMessage(files, [port2]);
  });
}

function later(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
