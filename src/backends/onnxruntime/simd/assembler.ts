// Two inner loops of a training step, AdamW and dropout, are too slow in JavaScript and are no graph of operators. They
// are WebAssembly with 128-bit vectors, which every engine of Node and browsers has; these few functions write its
// binary format (WebAssembly Core Specification 2.0, chapter 5), so that a loop reads as what it computes.

/** Instructions. */
export type Code = readonly number[];

const VALUE_TYPES = { i32: 0x7f, f32: 0x7d, v128: 0x7b } as const;

/** The type of a parameter or a local variable. */
export type ValueType = keyof typeof VALUE_TYPES;

/** A variable of a function. */
export interface Local {
  readonly get: Code;
  /** Assigns what a code computes. */
  set(value: Code): Code;
}

/** What a function may name its variables after: parameters first. */
export type Variables = Readonly<Record<string, ValueType>>;

/** An unsigned number in LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const more = rest > 0x7f;
    bytes.push((rest & 0x7f) | (more ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return bytes;
}

/** A signed 32-bit number in LEB128. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const byte = rest & 0x7f;
    rest >>= 7;
    const last = (rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0);
    bytes.push(last ? byte : byte | 0x80);
    if (last) return bytes;
  }
}

const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];
const vectors =
  (opcode: number) =>
  (...operands: readonly Code[]): Code => [...operands.flat(), ...simd(opcode)];

/** A 32-bit constant. */
export const i32 = (value: number): Code => [0x41, ...signed(value)];
export const addI32 = (a: Code, b: Code): Code => [...a, ...b, 0x6a];
const lessUnsigned = (a: Code, b: Code): Code => [...a, ...b, 0x49];

/** Operations on vectors, as the specification names them. */
export const v128 = {
  /** 16 bytes at an address. */
  load: (address: Code): Code => [...address, ...simd(0), 4, 0],
  store: (address: Code, value: Code): Code => [...address, ...value, ...simd(11), 4, 0],
  xor: vectors(0x51),
  and: vectors(0x4e),
} as const;

export const f32x4 = {
  splat: vectors(0x13),
  sqrt: vectors(0xe3),
  add: vectors(0xe4),
  sub: vectors(0xe5),
  mul: vectors(0xe6),
  div: vectors(0xe7),
} as const;

export const i32x4 = {
  splat: vectors(0x11),
  add: vectors(0xae),
  mul: vectors(0xb5),
  /** The bits moved right by a number, zeros coming in. */
  shiftRight: (value: Code, bits: number): Code => [...value, ...i32(bits), ...simd(0xad)],
  greaterOrEqualUnsigned: vectors(0x40),
} as const;

/** The low halves of two vectors' elements, saturating. */
export const narrow = { toI16: vectors(0x85), toI8: vectors(0x65) } as const;

/** Repeats a body while `counter` is below `end` after it has grown by `step`; the body runs at least once. */
export function loopUntil(counter: Local, end: Local, step: number, body: Code): Code {
  const next = counter.set(addI32(counter.get, i32(step)));
  const again = [...lessUnsigned(counter.get, end.get), 0x0d, 0];
  return [0x03, 0x40, ...body, ...next, ...again, 0x0b];
}

const section = (id: number, content: Code): number[] => [
  id,
  ...unsigned(content.length),
  ...content,
];
const vector = (items: readonly Code[]): number[] => [...unsigned(items.length), ...items.flat()];
const text = (value: string): number[] =>
  vector([...new TextEncoder().encode(value)].map((b) => [b]));

/**
 * A module that exports one function, `run`, without a result, and imports its memory as `env.memory`.
 *
 * @param body writes the function's code, given its variables.
 */
export function assemble<P extends Variables, L extends Variables>(
  parameters: P,
  locals: L,
  body: (variables: Readonly<Record<keyof P | keyof L, Local>>) => Code,
): Uint8Array<ArrayBuffer> {
  const names = [...Object.keys(parameters), ...Object.keys(locals)];
  const variables = Object.fromEntries(names.map((name, index) => [name, local(index)]));
  const types = Object.values(parameters).map((type) => [VALUE_TYPES[type]]);
  const declared = Object.values(locals).map((type) => [1, VALUE_TYPES[type]]);
  const code = [...vector(declared), ...body(variables as never), 0x0b];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector([[0x60, ...vector(types), 0]])),
    ...section(2, vector([[...text('env'), ...text('memory'), 0x02, 0, 0]])),
    ...section(3, vector([[0]])),
    ...section(7, vector([[...text('run'), 0x00, 0]])),
    ...section(10, vector([[...unsigned(code.length), ...code]])),
  ]);
}

function local(index: number): Local {
  return {
    get: [0x20, ...unsigned(index)],
    set: (value) => [...value, 0x21, ...unsigned(index)],
  };
}

/** A compiled module's function on a memory. */
export function instantiate(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): (...parameters: number[]) => void {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return exports['run'] as (...parameters: number[]) => void;
}
