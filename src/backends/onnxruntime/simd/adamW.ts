import { addI32, assemble, f32x4, i32, instantiate, loopUntil, v128 } from './assembler.js';
import type { Code, Local } from './assembler.js';
import { Slab, residence } from './memory.js';

/** The numbers of one update: 1 - rate * decay, rate / (1 - beta1^t), sqrt(1 - beta2^t), and Adam's own. */
export interface AdamWNumbers {
  readonly keep: number;
  readonly stepSize: number;
  readonly correction: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** What the gradient is multiplied by first. */
  readonly scale: number;
}

/** A variable, its gradient and its moments. */
export type AdamWArrays = readonly [
  variable: Float32Array,
  expAvg: Float32Array,
  expAvgSq: Float32Array,
  gradient: Float32Array,
];

type Run = (...parameters: number[]) => void;

/** Elements that are brought into WebAssembly at a time: four arrays of them stay in the processor's cache. */
const CHUNK = 8192;

let compiled: WebAssembly.Module | undefined;
const runs = new WeakMap<Slab, Run>();
let visitors: Slab | undefined;

/**
 * AdamW's update in one pass, in place. Arrays that stand in one WebAssembly memory are worked on where they are;
 * the others are brought in and out by pieces.
 */
export function adamW(arrays: AdamWArrays, numbers: AdamWNumbers): void {
  const slab = residence.slabOf(arrays[1]) ?? (visitors ??= new Slab(0));
  const run = runOf(slab);
  const parameters = parametersOf(numbers);
  const inside = arrays.map((array) => residence.slabOf(array) === slab);
  const length = arrays[0].length;
  if (length === 0) return;
  if (inside.every(Boolean)) {
    run(...arrays.map((array) => array.byteOffset), length * 4, ...parameters);
    return;
  }
  const scratch = arrays.map((_, i) => new Float32Array(slab.memory.buffer, i * CHUNK * 4, CHUNK));
  for (let begin = 0; begin < length; begin += CHUNK) {
    const end = Math.min(length, begin + CHUNK);
    const piece = (i: number): Float32Array => arrays[i]!.subarray(begin, end);
    const outside = [0, 1, 2, 3].filter((i) => !inside[i]);
    for (const i of outside) scratch[i]!.set(piece(i));
    const addresses = arrays.map((array, i) =>
      inside[i] ? array.byteOffset + begin * 4 : scratch[i]!.byteOffset,
    );
    run(...addresses, (end - begin) * 4, ...parameters);
    for (const i of outside) if (i < 3) piece(i).set(scratch[i]!.subarray(0, end - begin));
  }
}

function runOf(slab: Slab): Run {
  let run = runs.get(slab);
  if (run === undefined) {
    compiled ??= new WebAssembly.Module(assembleAdamW());
    runs.set(slab, (run = instantiate(compiled, slab.memory)));
  }
  return run;
}

/** m / (sqrt(v) / correction + epsilon) is computed as m correction / (sqrt(v) + epsilon correction). */
function parametersOf(numbers: AdamWNumbers): number[] {
  const { keep, stepSize, correction, beta1, beta2, epsilon, scale } = numbers;
  return [scale, keep, stepSize * correction, epsilon * correction, 1 - beta1, beta2, 1 - beta2];
}

const NUMBERS = ['scale', 'keep', 'step', 'floor', 'gain1', 'beta2', 'gain2'] as const;
type Name = (typeof NUMBERS)[number];

function assembleAdamW(): Uint8Array<ArrayBuffer> {
  const pointers = { p: 'i32', m: 'i32', v: 'i32', g: 'i32', bytes: 'i32' } as const;
  const scalars = Object.fromEntries(NUMBERS.map((name) => [name, 'f32'])) as Record<Name, 'f32'>;
  const splats = Object.fromEntries(NUMBERS.map((name) => [`${name}s`, 'v128'])) as Record<
    `${Name}s`,
    'v128'
  >;
  const locals = { end: 'i32', gs: 'v128', ms: 'v128', vs: 'v128', ...splats } as const;
  return assemble({ ...pointers, ...scalars }, locals, (variables) => {
    const { p, m, v, g, bytes, end, gs, ms, vs } = variables;
    const { scales, keeps, steps, floors, gain1s, beta2s, gain2s } = variables;
    const { add, sub, mul, div, sqrt } = f32x4;
    const mean = add(ms.get, mul(sub(gs.get, ms.get), gain1s.get));
    const square = add(mul(vs.get, beta2s.get), mul(mul(gs.get, gs.get), gain2s.get));
    const change = div(mul(steps.get, ms.get), add(sqrt(vs.get), floors.get));
    return [
      ...NUMBERS.flatMap((name) => variables[`${name}s`].set(f32x4.splat(variables[name].get))),
      ...end.set(addI32(p.get, bytes.get)),
      ...loopUntil(p, end, 16, [
        ...gs.set(mul(v128.load(g.get), scales.get)),
        ...ms.set(v128.load(m.get)),
        ...ms.set(mean),
        ...v128.store(m.get, ms.get),
        ...vs.set(v128.load(v.get)),
        ...vs.set(square),
        ...v128.store(v.get, vs.get),
        ...v128.store(p.get, sub(mul(v128.load(p.get), keeps.get), change)),
        ...[m, v, g].flatMap(advance),
      ]),
    ];
  });
}

const advance = (pointer: Local): Code => pointer.set(addI32(pointer.get, i32(16)));
