import type { TypedArray } from './graph.js';

/** Below this many bytes the garbage collector may have the array: it costs more to hand it over. */
const SMALL = 65536;

/**
 * A port frees what comes only once the event loop has closed its other end: so it is opened early. There is none in
 * simulated browsers for tests.
 */
const nowhere = typeof MessageChannel === 'undefined' ? undefined : openNowhere();

/**
 * Frees an array's memory now: what a step leaves behind (all gradients, for one) would otherwise lie about until
 * the garbage collector comes to it, and the next step would ask for as much again. JavaScript frees a buffer at
 * once only where it is sent away: here, to a port that nobody listens to. The array is empty afterwards.
 */
export function discard({ buffer, byteLength }: TypedArray): void {
  if (byteLength < SMALL || buffer.byteLength !== byteLength) return;
  nowhere?.postMessage(undefined, [buffer as ArrayBuffer]);
}

function openNowhere(): MessagePort {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  return port1;
}
