import { engine, registerBackend, removeBackend } from '@tensorflow/tfjs-core';

/** Why a backend has lost what it computes on: a driver that is updated, a card that is overtaxed or asleep. */
const losses = new WeakMap<object, string>();

/** Takes down that a backend has lost what it computes on. */
export function markLost(backend: object, why: string): void {
  losses.set(backend, why);
}

/** @throws Error where the backend has lost what it computes on; it says what to do */
export function refuseLost(name: string, backend: object, cause?: unknown): void {
  const why = losses.get(backend);
  if (why === undefined) return;
  throw new Error(
    `${name}: the graphics card must stay with the page, and the browser took it away (${why}); what was computed on it ` +
      'is gone, and what was saved is not: call useBackend, make the model anew, and go on from the last checkpoint ' +
      'with resume: true',
    { cause },
  );
}

/** Has a backend begin anew where it has lost what it computes on; to be called before it is used. */
export function renewLostBackend(name: string): void {
  const { registry, registryFactory } = engine();
  const backend = registry[name];
  if (backend === undefined || !losses.has(backend)) return;
  const { factory, priority } = registryFactory[name]!;
  removeBackend(name);
  registerBackend(name, factory, priority);
}
