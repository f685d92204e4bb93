import { assemble, i32, i32x4, instantiate, loopUntil, narrow, v128 } from './assembler.js';
import type { Code } from './assembler.js';

/** The mask is made and copied out by pieces of this many elements. */
const CHUNK = 65536;

/** Numbers 0 to 3, from which a vector's positions count. */
const FIRST = 0;
/** The mask's piece stands behind them. */
const OUTPUT = 16;

interface Maker {
  readonly run: (...parameters: number[]) => void;
  readonly output: Uint8Array;
}

let maker: Maker | undefined;

/**
 * 1 where the hash of `key` and an element's position is at least `threshold` (both unsigned 32-bit), else 0, for
 * `size` elements: what src/nn/dropout.ts defines, 16 elements at a time.
 */
export function dropoutMask(key: number, threshold: number, size: number): Uint8Array {
  const { run, output } = (maker ??= makeMaker());
  const mask = new Uint8Array(size);
  for (let begin = 0; begin < size; begin += CHUNK) {
    const count = Math.min(CHUNK, size - begin);
    run(OUTPUT, OUTPUT + count, begin, key | 0, threshold | 0);
    mask.set(count === CHUNK ? output : output.subarray(0, count), begin);
  }
  return mask;
}

function makeMaker(): Maker {
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 2 });
  new Int32Array(memory.buffer, FIRST, 4).set([0, 1, 2, 3]);
  const run = instantiate(new WebAssembly.Module(assembleMask()), memory);
  return { run, output: new Uint8Array(memory.buffer, OUTPUT, CHUNK) };
}

const GOLDEN_RATIO = 0x9e3779b9;

function assembleMask(): Uint8Array<ArrayBuffer> {
  const parameters = {
    out: 'i32',
    end: 'i32',
    first: 'i32',
    key: 'i32',
    threshold: 'i32',
  } as const;
  const locals = {
    position: 'v128',
    keys: 'v128',
    thresholds: 'v128',
    h: 'v128',
    a: 'v128',
    b: 'v128',
  } as const;
  const { add, mul, splat, shiftRight, greaterOrEqualUnsigned } = i32x4;
  const constant = (value: number): Code => splat(i32(value));
  return assemble(parameters, locals, (variables) => {
    const { out, end, first, key, threshold, position, keys, thresholds, h, a, b } = variables;
    const fold = (bits: number): Code => v128.xor(h.get, shiftRight(h.get, bits));
    /** MurmurHash3's final avalanche of key + position * golden ratio, for the next four positions. */
    const kept: Code = [
      ...h.set(add(keys.get, mul(position.get, constant(GOLDEN_RATIO)))),
      ...h.set(mul(fold(16), constant(0x85ebca6b))),
      ...h.set(mul(fold(13), constant(0xc2b2ae35))),
      ...position.set(add(position.get, constant(4))),
      ...greaterOrEqualUnsigned(fold(16), thresholds.get),
    ];
    const ones = constant(0x01010101);
    return [
      ...position.set(add(v128.load(i32(FIRST)), splat(first.get))),
      ...keys.set(splat(key.get)),
      ...thresholds.set(splat(threshold.get)),
      ...loopUntil(out, end, 16, [
        ...a.set(narrow.toI16(kept, kept)),
        ...b.set(narrow.toI16(kept, kept)),
        ...v128.store(out.get, v128.and(narrow.toI8(a.get, b.get), ones)),
      ]),
    ];
  });
}
