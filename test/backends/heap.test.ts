import { isMainThread } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { discard } from '../../src/backends/onnxruntime/discard.js';
import { Heap } from '../../src/backends/onnxruntime/heap.node.js';
import { nextTurn } from '../../src/eventLoop.node.js';

const MIB = 2 ** 20;
const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };

/** How often the system had to bring in pages for an array of so many bytes. */
function faultsOfFilling(bytes: number): number {
  const before = process.resourceUsage().minorPageFault;
  const array = new Uint8Array(bytes);
  array.fill(1);
  const faults = process.resourceUsage().minorPageFault - before;
  discard(array);
  return faults;
}

describe.skipIf(header.glibcVersionRuntime === undefined || !isMainThread)('Heap', () => {
  it('keeps memory with the process, for arrays of any size, until it is released', async () => {
    await nextTurn();
    await nextTurn();
    const heap = new Heap();
    expect(heap.isAvailable).toBe(true);
    heap.reserve(150 * MIB);
    heap.reserve(100 * MIB);
    const fresh = faultsOfFilling(200 * MIB);
    const full = process.memoryUsage.rss();
    expect(faultsOfFilling(200 * MIB)).toBeLessThan(fresh / 4);
    expect(faultsOfFilling(90 * MIB)).toBeLessThan(fresh / 4);
    expect(process.memoryUsage.rss()).toBeGreaterThan(full - 20 * MIB);
    heap.release();
    discard(new Uint8Array(MIB));
    expect(process.memoryUsage.rss()).toBeLessThan(full - 150 * MIB);
    expect(faultsOfFilling(200 * MIB)).toBeGreaterThan(fresh / 2);
  });
});
