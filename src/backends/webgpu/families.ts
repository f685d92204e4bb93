import { util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { WebGpuBackend } from './backend.js';
import { runShader } from './shader.js';
import type { Output, Run, Shader } from './shader.js';

type Part = Pick<Shader, 'name' | 'inputs' | 'outputs' | 'code'> & Partial<Shader>;
type Given = Pick<Run, 'inputs' | 'outputs'> & { readonly numbers?: readonly number[] };

/** A kernel that makes its outputs in one dispatch. */
type Family = (backend: WebGpuBackend, given: Given) => TensorInfo[];

/** One invocation an element of the first output, whose index is `i`. */
export function forEachElement(part: Part): Family {
  const shader: Shader = {
    lanes: 64,
    ...part,
    numbers: { size: 'u32', ...part.numbers },
    code: `let i = work * LANES + lane;
  if (i >= numbers.size) { return; }
  ${part.code}`,
  };
  return (backend, { inputs, outputs, numbers = [] }) => {
    const size = util.sizeFromShape([...outputs[0]!.shape]);
    const workgroups = Math.ceil(size / shader.lanes);
    return runShader(backend, shader, { inputs, outputs, numbers: [size, ...numbers], workgroups });
  };
}

/**
 * One workgroup a row of the last axis of the first input: `work` is the row, `first` the index of its first element,
 * `width` the number of them. `total(value, lane)` is the sum over the lanes, `greatest(value, lane)` their maximum.
 */
export function forEachRow(part: Part): Family {
  const shader: Shader = {
    lanes: 64,
    ...part,
    numbers: { rows: 'u32', width: 'u32', ...part.numbers },
    declarations: `${reduction('total', 'a + b')}${reduction('greatest', 'max(a, b)')}
${part.declarations ?? ''}`,
    code: `if (work >= numbers.rows) { return; }
  let width = numbers.width;
  let first = work * width;
  ${part.code}`,
  };
  return (backend, { inputs, outputs, numbers = [] }) => {
    const { shape } = inputs[0]!;
    const width = shape.at(-1)!;
    const rows = util.sizeFromShape(shape) / width;
    const all = [rows, width, ...numbers];
    return runShader(backend, shader, { inputs, outputs, numbers: all, workgroups: rows });
  };
}

/** A function that combines one value of each lane, where all lanes of a workgroup come to it. */
export function reduction(name: string, combine: string): string {
  return `
var<workgroup> ${name}s: array<f32, LANES>;
fn ${name}(value: f32, lane: u32) -> f32 {
  ${name}s[lane] = value;
  workgroupBarrier();
  for (var left = LANES / 2u; left > 0u; left /= 2u) {
    if (lane < left) {
      let a = ${name}s[lane];
      let b = ${name}s[lane + left];
      ${name}s[lane] = ${combine};
    }
    workgroupBarrier();
  }
  let result = ${name}s[0];
  workgroupBarrier();
  return result;
}`;
}

/** Columns and rows of one workgroup of `forEachColumn`: neighbouring lanes read neighbouring columns. */
const COLUMNS = 16;
const ROWS = 16;
/** Rows of one block, of which there are not more than MOST_BLOCKS. */
const BLOCK = 1024;
const MOST_BLOCKS = 64;

/** What `forEachColumn` adds to a shader: how rows of a column become one value, and what is written of it. */
export interface ColumnPart extends Omit<Part, 'code'> {
  /** The type of what is accumulated, in WGSL, and where it begins. */
  readonly type: string;
  readonly start: string;
  /** What `sum` becomes with the element `i` of column `column`. */
  readonly step: string;
  /** Expression that combines `a` and `b`. */
  readonly combine: string;
  /** Writes `sum`; `at` is the index of its block and column. */
  readonly write: string;
}

/**
 * Accumulates the rows of each column of [rows, columns], the columns being the last axis of the first input: a block
 * of rows at a time, so that the card is busy where columns are few. Outputs are [blocks, columns, ...].
 */
export function forEachColumn(part: ColumnPart): (
  backend: WebGpuBackend,
  given: Omit<Given, 'outputs'> & {
    /** How many numbers are written of a column. */
    readonly outputs: (blocks: number, columns: number) => readonly Output[];
    /** Whether all rows are one block. */
    readonly whole?: boolean;
  },
) => TensorInfo[] {
  const { type, start, step, combine, write, ...rest } = part;
  const shader: Shader = {
    ...rest,
    lanes: COLUMNS * ROWS,
    numbers: { rows: 'u32', columns: 'u32', block: 'u32', blocks: 'u32', ...part.numbers },
    declarations: `${part.declarations ?? ''}
var<workgroup> sums: array<${type}, LANES>;
fn combine(a: ${type}, b: ${type}) -> ${type} { return ${combine}; }`,
    code: `let across = (numbers.columns + ${COLUMNS - 1}u) / ${COLUMNS}u;
  let block = work / across;
  if (block >= numbers.blocks) { return; }
  let column = (work % across) * ${COLUMNS}u + lane % ${COLUMNS}u;
  let end = min((block + 1u) * numbers.block, numbers.rows);
  var sum = ${start};
  if (column < numbers.columns) {
    for (var row = block * numbers.block + lane / ${COLUMNS}u; row < end; row += ${ROWS}u) {
      let i = row * numbers.columns + column;
      ${step}
    }
  }
  sums[lane] = sum;
  workgroupBarrier();
  for (var left = ${ROWS / 2}u; left > 0u; left /= 2u) {
    if (lane < left * ${COLUMNS}u) {
      sums[lane] = combine(sums[lane], sums[lane + left * ${COLUMNS}u]);
    }
    workgroupBarrier();
  }
  if (lane < ${COLUMNS}u && column < numbers.columns) {
    let at = block * numbers.columns + column;
    sum = sums[lane];
    ${write}
  }`,
  };
  return (backend, { inputs, outputs, numbers = [], whole = false }) => {
    const { shape } = inputs[0]!;
    const columns = shape.at(-1)!;
    const rows = util.sizeFromShape(shape) / columns;
    const most = whole ? 1 : Math.min(MOST_BLOCKS, Math.ceil(rows / BLOCK));
    const block = Math.ceil(rows / most);
    const blocks = Math.ceil(rows / block);
    const all = [rows, columns, block, blocks, ...numbers];
    const workgroups = Math.ceil(columns / COLUMNS) * blocks;
    const made = outputs(blocks, columns);
    return runShader(backend, shader, { inputs, outputs: made, numbers: all, workgroups });
  };
}
