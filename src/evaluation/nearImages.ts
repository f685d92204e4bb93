import type { RgbImage } from '../datasets/imagePixels.js';
import { resize } from '../datasets/imageResize.js';

/** What a picture looks like, small enough to be kept of every one. */
export interface ImagePrint {
  /** 128 bits: where it becomes brighter from left to right, and from top to bottom. */
  readonly bits: Uint32Array;
  /** Its colours at 8 x 8, row-major [8, 8, 3]. */
  readonly colours: Uint8Array;
}

const side = 8;

/**
 * The difference hash of a picture (dHash, Krawetz 2013) along rows and along columns, and its
 * colours. Equal to that of Python's imagehash, whose `dhash` is the first half, by Pillow's
 * greyscale and Lanczos filter.
 */
export function imagePrint(image: RgbImage): ImagePrint {
  const grey = greyscale(image);
  const rows = brightness(grey, side + 1, side);
  const columns = brightness(grey, side, side + 1);
  const bits = new Uint32Array((2 * side * side) / 32);
  const put = (index: number, bit: boolean): void => {
    if (bit) bits[index >> 5]! |= 1 << (31 - (index & 31));
  };
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const at = y * side + x;
      const across = y * (side + 1) + x;
      put(at, rows[across + 1]! > rows[across]!);
      put(side * side + at, columns[at + side]! > columns[at]!);
    }
  }
  const small = resize(image, { height: side, width: side }, 'lanczos');
  return { bits, colours: Uint8Array.from(small.data) };
}

/** Pillow's `convert('L')`: ITU-R 601 in fixed point, in all three channels. */
function greyscale({ data, width, height }: RgbImage): RgbImage {
  const grey = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    const sum = data[i]! * 19595 + data[i + 1]! * 38470 + data[i + 2]! * 7471 + 0x8000;
    grey.fill(sum >> 16, i, i + 3);
  }
  return { data: grey, width, height };
}

function brightness(grey: RgbImage, width: number, height: number): Uint8Array {
  const { data } = resize(grey, { height, width }, 'lanczos');
  return Uint8Array.from({ length: width * height }, (_, i) => data[3 * i]!);
}

/** In how many of the 128 bits two pictures differ. */
export function hammingDistance(a: ImagePrint, b: ImagePrint): number {
  return a.bits.reduce((sum, word, i) => sum + ones(word ^ b.bits[i]!), 0);
}

function ones(word: number): number {
  let w = word - ((word >>> 1) & 0x55555555);
  w = (w & 0x33333333) + ((w >>> 2) & 0x33333333);
  return Math.imul((w + (w >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** The mean difference of two pictures' colours, in levels of 0 to 255. */
function colourDistance(a: ImagePrint, b: ImagePrint): number {
  const sum = a.colours.reduce((all, level, i) => all + Math.abs(level - b.colours[i]!), 0);
  return sum / a.colours.length;
}

/** In how many bits two near pictures may differ: one less than there are pieces. */
const mostBits = 7;
/** By how many levels their colours may, on average: hearts of two colours have the same edges. */
const mostLevels = 12;

/**
 * Finds near pictures among known ones: two hashes that differ in at most 7 bits are equal in one of
 * their 8 pieces of 16 bits at least, so that only those need to be compared.
 */
export class NearImages {
  readonly #pieces = new Map<number, number[]>();

  constructor(readonly known: readonly ImagePrint[]) {
    known.forEach((print, index) => {
      for (const piece of pieces(print)) {
        const found = this.#pieces.get(piece);
        if (found) found.push(index);
        else this.#pieces.set(piece, [index]);
      }
    });
  }

  /** The nearest of the known pictures, the first among equals; undefined where none is near. */
  nearest(print: ImagePrint): { readonly index: number; readonly distance: number } | undefined {
    const candidates = new Set(pieces(print).flatMap((piece) => this.#pieces.get(piece) ?? []));
    let best: { index: number; distance: number; levels: number } | undefined;
    for (const index of candidates) {
      const distance = hammingDistance(print, this.known[index]!);
      if (distance > mostBits) continue;
      const levels = colourDistance(print, this.known[index]!);
      if (levels > mostLevels) continue;
      const found = { index, distance, levels };
      if (best === undefined || isNearer(found, best)) best = found;
    }
    return best && { index: best.index, distance: best.distance };
  }
}

type Found = { readonly index: number; readonly distance: number; readonly levels: number };

function isNearer(a: Found, b: Found): boolean {
  return (a.distance - b.distance || a.levels - b.levels || a.index - b.index) < 0;
}

/** The 8 pieces of a hash, each with its place: a number of 19 bits. */
function pieces({ bits }: ImagePrint): number[] {
  return Array.from({ length: 8 }, (_, i) => {
    const word = bits[i >> 1]!;
    return (i << 16) | (i % 2 === 0 ? word >>> 16 : word & 0xffff);
  });
}
