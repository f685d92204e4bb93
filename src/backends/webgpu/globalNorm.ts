import { util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { WebGpuBackend } from './backend.js';
import { forEachRow, reduction } from './families.js';
import { floats } from './kernel.js';
import type { Kernel, KernelTable } from './kernel.js';
import { runShader } from './shader.js';
import type { Shader } from './shader.js';

/** Tensors that one dispatch may read beside the one that it writes: WebGPU promises eight bindings in all. */
const MOST_TENSORS = 7;
/** Elements that a workgroup adds up before another one shares its work, and the most workgroups of a dispatch. */
const SHARE = 4096;
const MOST_GROUPS = 64;

const squares = Array.from({ length: MOST_TENSORS }, (_, i): Shader => {
  const names = Array.from({ length: i + 1 }, (_, k) => `x${k}`);
  return {
    name: `GlobalNorm of ${names.length}`,
    inputs: names,
    outputs: { parts: 'f32' },
    numbers: {
      first: 'u32',
      groups: 'u32',
      ...Object.fromEntries(names.map((name) => [`${name}Size`, 'u32' as const])),
    },
    lanes: 256,
    declarations: reduction('total', 'a + b'),
    code: `if (work >= numbers.groups) { return; }
  let start = work * LANES + lane;
  let stride = numbers.groups * LANES;
  var sum = 0.0;
${names
  .map(
    (x) => `  for (var i = start; i < numbers.${x}Size; i += stride) { sum += ${x}[i] * ${x}[i]; }`,
  )
  .join('\n')}
  sum = total(sum, lane);
  if (lane == 0u) { parts[numbers.first + work] = sum; }`,
  };
});

const root = forEachRow({
  name: 'GlobalNorm',
  inputs: ['parts'],
  outputs: { norm: 'f32' },
  code: `
  var sum = 0.0;
  for (var i = lane; i < width; i += LANES) { sum += parts[i]; }
  sum = total(sum, lane);
  if (lane == 0u) { norm[0] = sqrt(sum); }`,
});

interface Portion {
  readonly tensors: readonly TensorInfo[];
  readonly groups: number;
}

/** The square root of the sum of the squares of all elements of all tensors: several tensors a dispatch. */
const GlobalNorm: Kernel = (inputs, _, backend) => {
  const portions = portionsOf(Object.values(inputs));
  const count = portions.reduce((sum, { groups }) => sum + groups, 0);
  const parts = backend.makeTensorInfo([count], 'float32');
  let first = 0;
  for (const { tensors, groups } of portions) {
    addSquares(backend, tensors, parts, first, groups);
    first += groups;
  }
  const norm = root(backend, { inputs: [parts], outputs: [floats([])] });
  backend.disposeData(parts.dataId);
  return norm;
};

function portionsOf(tensors: readonly TensorInfo[]): Portion[] {
  const portions: Portion[] = [];
  for (let at = 0; at < tensors.length; at += MOST_TENSORS) {
    const some = tensors.slice(at, at + MOST_TENSORS);
    const size = some.reduce((sum, tensor) => sum + sizeOf(tensor), 0);
    const groups = Math.min(MOST_GROUPS, Math.max(1, Math.ceil(size / SHARE)));
    portions.push({ tensors: some, groups });
  }
  return portions;
}

function addSquares(
  backend: WebGpuBackend,
  tensors: readonly TensorInfo[],
  parts: TensorInfo,
  first: number,
  groups: number,
): void {
  runShader(backend, squares[tensors.length - 1]!, {
    inputs: tensors,
    outputs: [parts],
    numbers: [first, groups, ...tensors.map(sizeOf)],
    workgroups: groups,
  });
}

const sizeOf = ({ shape }: TensorInfo): number => util.sizeFromShape(shape);

/** Kernels that gradients pass before they are applied (src/training/clip.ts). */
export const globalNormKernels: KernelTable = { GlobalNorm };
