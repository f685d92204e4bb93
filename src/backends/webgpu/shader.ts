import { util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Uniform, WebGpuBackend } from './backend.js';

/** The type of a number or of an element in WGSL. */
type Scalar = 'f32' | 'i32' | 'u32';

/** A program of the graphics card that reads some tensors and writes some others, in one dispatch. */
export interface Shader {
  /** Tells it from all others. */
  readonly name: string;
  /** Tensors of float32 that it reads, by the names of their arrays; it must use each of them. */
  readonly inputs: readonly string[];
  /** Those it writes, at least one. */
  readonly outputs: Readonly<Record<string, Scalar>>;
  /** Numbers that may change from dispatch to dispatch: `numbers.epsilon`. */
  readonly numbers: Readonly<Record<string, Scalar>>;
  /** Invocations of a workgroup: the constant `LANES`. */
  readonly lanes: number;
  /** Declarations beside the entry point. */
  readonly declarations?: string;
  /** What each invocation does: `work` is the index of its workgroup (u32), `lane` its own within that. */
  readonly code: string;
}

/** A tensor to be made, or one that is there already and is written to. */
export type Output = NewTensor | TensorInfo;

interface NewTensor {
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'bool';
}

/** What a shader runs on. */
export interface Run {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly Output[];
  readonly numbers: readonly number[];
  readonly workgroups: number;
}

const uniformTypes = { f32: 'float32', i32: 'int32', u32: 'uint32' } as const;

/**
 * Runs a shader within the pass of TensorFlow.js's own kernels. Its backend knows programs of one output; those that
 * follow the first are bound behind the inputs.
 */
export function runShader(
  backend: WebGpuBackend,
  shader: Shader,
  { inputs, outputs, numbers, workgroups }: Run,
): TensorInfo[] {
  const made = outputs.map((output) =>
    'dataId' in output ? output : backend.makeTensorInfo(output.shape, output.dtype),
  );
  if (workgroups === 0) return made;
  const tensors = [made[0]!, ...inputs, ...made.slice(1)].map(flat);
  for (const { dataId } of tensors) backend.uploadToGPU(dataId);
  const [first, ...others] = tensors;
  const program = {
    pipeline: pipelineOf(backend, shader),
    dispatch: gridOf(workgroups, backend.device.limits.maxComputeWorkgroupsPerDimension),
  };
  const uniforms = Object.values(shader.numbers).map((type, i): Uniform => {
    return { type: uniformTypes[type], data: [numbers[i]!] };
  });
  backend.recordAndSubmit(program, first!, others, uniforms);
  return made;
}

/** With one axis only, so that its shape is a single number among those of the dispatch. */
function flat({ dataId, shape, dtype }: TensorInfo): TensorInfo {
  return { dataId, shape: [util.sizeFromShape(shape)], dtype };
}

function gridOf(workgroups: number, most: number): [number, number, number] {
  const rows = Math.ceil(workgroups / most);
  return [Math.ceil(workgroups / rows), rows, 1];
}

const pipelines = new WeakMap<object, Map<string, object>>();

function pipelineOf({ device }: WebGpuBackend, shader: Shader): object {
  let known = pipelines.get(device);
  if (known === undefined) pipelines.set(device, (known = new Map<string, object>()));
  let pipeline = known.get(shader.name);
  if (pipeline === undefined) {
    const label = `bertresnet ${shader.name}`;
    const module = device.createShaderModule({ code: sourceOf(shader), label });
    const compute = { module, entryPoint: 'main' };
    pipeline = device.createComputePipeline({ layout: 'auto', compute, label });
    known.set(shader.name, pipeline);
  }
  return pipeline;
}

/** The whole program in WGSL; its bindings stand in the order in which the backend binds. */
function sourceOf(shader: Shader): string {
  const [first, ...others] = Object.entries(shader.outputs);
  const buffers = [
    written(first!),
    ...shader.inputs.map((name) => `var<storage, read> ${name}: array<f32>;`),
    ...others.map(written),
    'var<uniform> numbers: Numbers;',
  ];
  const fields = [
    'nan: f32',
    'infinity: f32',
    ...buffers.slice(1).flatMap((_, i) => [`length${i}: i32`, `stride${i}: i32`]),
    ...Object.entries(shader.numbers).map(([name, type]) => `${name}: ${type}`),
  ];
  return `
const LANES = ${shader.lanes}u;
struct Numbers { ${fields.join(', ')} };
${buffers.map((buffer, i) => `@group(0) @binding(${i}) ${buffer}`).join('\n')}
${shader.declarations ?? ''}
@compute @workgroup_size(${shader.lanes})
fn main(
  @builtin(workgroup_id) place: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let work = place.y * grid.x + place.x;
  ${shader.code}
}`;
}

const written = ([name, type]: [string, Scalar]): string =>
  `var<storage, read_write> ${name}: array<${type}>;`;
