// Vectors of WebAssembly reach nothing but its memory: what an optimizer works on stays there from step to step. A
// memory holds 4 GiB and cannot move, so there are several.

const PAGE = 65536;
/** The size of a memory, where nothing larger is asked for; what is never touched costs no memory of the machine. */
const SLAB = 256 * 2 ** 20;
/** Room at the start of a memory for what is brought in piece by piece. */
export const SCRATCH = 2 * PAGE;

/** Float32 elements of whole vectors. */
const padded = (length: number): number => Math.ceil(length / 4) * 16;

/** One WebAssembly memory: scratch space, then arrays one after another. */
export class Slab {
  readonly memory: WebAssembly.Memory;
  /** Where arrays of one size once stood that nobody has any more, by their size. */
  readonly #free = new Map<number, number[]>();
  #end = SCRATCH;
  /** The number of arrays that somebody has. */
  live = 0;

  constructor(bytes: number) {
    const pages = Math.ceil((bytes + SCRATCH) / PAGE);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  }

  /** Whether as many arrays of one length fit. */
  fits(length: number, count: number): boolean {
    const size = padded(length);
    const reusable = this.#free.get(size)?.length ?? 0;
    const room = Math.floor((this.memory.buffer.byteLength - this.#end) / Math.max(size, 16));
    return reusable + room >= count;
  }

  /** An array of zeros, aligned to 16 bytes, with room for its last vector. */
  allocate(length: number): Float32Array<ArrayBuffer> {
    const size = padded(length);
    const reused = this.#free.get(size)?.pop();
    const offset = reused ?? this.#end;
    if (reused === undefined) this.#end += size;
    const array = new Float32Array(this.memory.buffer, offset, length);
    if (reused !== undefined) array.fill(0);
    this.live++;
    return array;
  }

  /** Takes a place back. */
  free(offset: number, length: number): void {
    const size = padded(length);
    const places = this.#free.get(size);
    if (places === undefined) this.#free.set(size, [offset]);
    else places.push(offset);
    this.live--;
  }
}

/** Arrays in WebAssembly memories, which are given back when nobody has them any more. */
export class Residence {
  #slabs: Slab[] = [];
  readonly #bySlab = new WeakMap<ArrayBufferLike, Slab>();
  readonly #collected = new FinalizationRegistry<{ slab: Slab; offset: number; length: number }>(
    ({ slab, offset, length }) => {
      slab.free(offset, length);
      if (slab.live === 0) this.#slabs = this.#slabs.filter((other) => other !== slab);
    },
  );

  /** The memory that an array stands in, if it is one of these. */
  slabOf(array: ArrayBufferView): Slab | undefined {
    return this.#bySlab.get(array.buffer);
  }

  /** Arrays of zeros in one memory; undefined where no memory can be had. */
  allocate(length: number, count: number): Float32Array<ArrayBuffer>[] | undefined {
    const slab =
      this.#slabs.find((candidate) => candidate.fits(length, count)) ?? this.#add(length, count);
    if (slab === undefined) return undefined;
    return Array.from({ length: count }, () => this.#allocateIn(slab, length));
  }

  /** An array of zeros as long as one of these, in the same memory; undefined where that is full. */
  allocateBeside({ buffer, length }: Float32Array): Float32Array<ArrayBuffer> | undefined {
    const slab = this.#bySlab.get(buffer);
    return slab?.fits(length, 1) === true ? this.#allocateIn(slab, length) : undefined;
  }

  #allocateIn(slab: Slab, length: number): Float32Array<ArrayBuffer> {
    const array = slab.allocate(length);
    this.#collected.register(array, { slab, offset: array.byteOffset, length });
    return array;
  }

  #add(length: number, count: number): Slab | undefined {
    const slab = slabOf(Math.max(SLAB, padded(length) * count));
    if (slab === undefined) return undefined;
    this.#slabs.push(slab);
    this.#bySlab.set(slab.memory.buffer, slab);
    return slab;
  }
}

function slabOf(bytes: number): Slab | undefined {
  try {
    return new Slab(bytes);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Where the engine keeps what stays in WebAssembly. */
export const residence = new Residence();
