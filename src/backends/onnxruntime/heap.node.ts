import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { discard } from './discard.js';

const MIB = 2 ** 20;

/** glibc's malloc may be brought to place blocks of up to 32 MiB on its heap; larger ones it maps one by one. */
const LARGEST = 31.5 * MIB;
const BLOCK = 31 * MIB;

/** How much is reserved for each byte asked for: there are gaps between blocks, and what is not used costs nothing. */
const ROOM = 2.5;

/**
 * Free memory that stays with the process. The system brings in and clears fresh memory page by page, and glibc gives
 * large blocks back to it as soon as they are free: a training step, which computes in gigabytes, pays for its pages in
 * every step anew. But glibc serves a request of any size from free memory within its heap first, and gives back only what
 * lies at the heap's end. So a block is left at the end of it, with the memory that is wanted before it: whatever
 * the process allocates is placed there, one program after another in the same pages. Memory that was never
 * written to is only addresses.
 */
export class Heap {
  /** The block at the end of the heap. */
  #pin: Uint8Array<ArrayBuffer> | undefined;
  #reserved = 0;

  /** Not in a worker, whose heap glibc makes of small pieces, and on Linux alone. */
  get isAvailable(): boolean {
    return isMainThread && heapSize() !== undefined;
  }

  /** Sees to it that so many bytes stay, with those of earlier calls among them; nothing happens where they do not. */
  reserve(bytes: number): void {
    const before = heapSize();
    if (bytes <= this.#reserved || before === undefined) return;
    const wanted = Math.min(ROOM * bytes, totalmem());
    // Having freed a mapped block, glibc places smaller ones on its heap. One of these does not fit in what is free there.
    for (const block of allocate(LARGEST, before)) discard(block);
    const blocks = allocate(BLOCK, wanted);
    const pin = blocks.pop();
    for (const block of blocks) discard(block);
    if (pin === undefined) return;
    if (heapSize()! - before < (wanted - this.#reserved) / 2) {
      discard(pin);
      return;
    }
    this.release();
    this.#pin = pin;
    this.#reserved = wanted;
  }

  /** Lets the process give its free memory back. */
  release(): void {
    if (this.#pin !== undefined) discard(this.#pin);
    this.#pin = undefined;
    this.#reserved = 0;
  }
}

/** Blocks of a size, together more than so many bytes; none where there is no room for them. */
function allocate(size: number, bytes: number): Uint8Array<ArrayBuffer>[] {
  const blocks: Uint8Array<ArrayBuffer>[] = [];
  try {
    for (let left = bytes; left > -size; left -= size) blocks.push(new Uint8Array(size));
    return blocks;
  } catch {
    for (const block of blocks) discard(block);
    return [];
  }
}

/** The size of the process's heap in bytes; undefined where the system does not tell (only Linux does). */
function heapSize(): number | undefined {
  try {
    const maps = readFileSync('/proc/self/maps', 'latin1');
    const [, start, end] = /^([\da-f]+)-([\da-f]+) .*\[heap\]$/m.exec(maps) ?? [];
    return start === undefined ? undefined : parseInt(end!, 16) - parseInt(start, 16);
  } catch {
    return undefined;
  }
}
