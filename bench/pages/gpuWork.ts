/** What a graphics card was asked to do. */
export interface GpuWork {
  /** Compute dispatches by the name of their program. */
  readonly dispatches: Record<string, number>;
  /** Command buffers handed to the queue. */
  submits: number;
  /** Pipelines made: programs that had not been used before. */
  pipelines: number;
  /** Bytes of the tensors that dispatches read or write, each counted once a dispatch. */
  bound: number;
  /** Bytes of tensors written by the processor, and of the numbers that go with each dispatch. */
  uploaded: number;
  uniforms: number;
  /** Bytes mapped for the processor to read. */
  readBack: number;
}

const nothing = (): GpuWork => ({
  dispatches: {},
  submits: 0,
  pipelines: 0,
  bound: 0,
  uploaded: 0,
  uniforms: 0,
  readBack: 0,
});

let work = nothing();

/** What was asked for since it was last called. */
export function takeWork(): GpuWork {
  const done = work;
  work = nothing();
  return done;
}

// TypeScript's own library has no WebGPU yet; of it this file uses what follows.

interface GpuBuffer {
  readonly size: number;
  readonly usage: number;
}

interface Binding {
  readonly buffer: GpuBuffer;
  readonly size?: number;
}

type Method = (this: object, ...given: never[]) => unknown;
type Class = { readonly prototype: Record<string, Method> };

const { GPUDevice, GPUQueue, GPUComputePassEncoder, GPUBuffer, GPUBufferUsage, GPUMapMode } =
  globalThis as unknown as Record<string, Class> & {
    GPUBufferUsage: { readonly UNIFORM: number };
    GPUMapMode: { readonly READ: number };
  };

/** Has a method tell what it is called with before it does its work. */
function watch(of: Class, name: string, see: (this: object, ...given: never[]) => void): void {
  const method = of.prototype[name]!;
  of.prototype[name] = function (...given) {
    see.apply(this, given);
    return method.apply(this, given);
  };
}

const isUniform = ({ usage }: GpuBuffer): boolean => (usage & GPUBufferUsage.UNIFORM) !== 0;

/** Counts everything that is asked of WebGPU in this page from here on. */
export function watchGpu(): void {
  const names = new WeakMap<object, string>();
  const current = new WeakMap<object, string>();
  const sizes = new WeakMap<object, number>();
  watch(GPUQueue!, 'submit', () => void work.submits++);
  watch(
    GPUQueue!,
    'writeBuffer',
    (buffer: GpuBuffer, _at: number, data: ArrayBuffer, from, size) => {
      const bytes = size ?? data.byteLength - (from ?? 0);
      work[isUniform(buffer) ? 'uniforms' : 'uploaded'] += bytes;
    },
  );
  watch(GPUDevice!, 'createBuffer', (options: { size: number; mappedAtCreation?: boolean }) => {
    if (options.mappedAtCreation === true) work.uploaded += options.size;
  });
  watch(GPUBuffer!, 'mapAsync', function (mode: number, offset = 0, size?: number) {
    if ((mode & GPUMapMode.READ) === 0) return;
    work.readBack += size ?? (this as GpuBuffer).size - offset;
  });
  for (const name of ['createComputePipeline', 'createComputePipelineAsync']) {
    const make = GPUDevice!.prototype[name]!;
    GPUDevice!.prototype[name] = function (...given) {
      work.pipelines++;
      const [{ label = 'unnamed' }] = given as unknown as [{ label?: string }];
      const pipeline = make.apply(this, given) as object | Promise<object>;
      if (pipeline instanceof Promise) return pipeline.then((made: object) => named(made, label));
      return named(pipeline, label);
    };
  }
  const named = (pipeline: object, label: string): object => {
    names.set(pipeline, label);
    return pipeline;
  };
  const makeGroup = GPUDevice!.prototype['createBindGroup']!;
  GPUDevice!.prototype['createBindGroup'] = function (...given) {
    const [{ entries }] = given as unknown as [{ entries: { resource: Binding }[] }];
    const group = makeGroup.apply(this, given) as object;
    const tensors = entries
      .map(({ resource }) => resource)
      .filter(({ buffer }) => !isUniform(buffer));
    sizes.set(
      group,
      tensors.reduce((sum, { size, buffer }) => sum + (size ?? buffer.size), 0),
    );
    return group;
  };
  const bound = new WeakMap<object, number>();
  watch(GPUComputePassEncoder!, 'setPipeline', function (pipeline: object) {
    current.set(this, names.get(pipeline) ?? 'unnamed');
  });
  watch(GPUComputePassEncoder!, 'setBindGroup', function (_index: number, group: object) {
    bound.set(this, sizes.get(group) ?? 0);
  });
  watch(GPUComputePassEncoder!, 'dispatchWorkgroups', function () {
    const name = current.get(this) ?? 'unnamed';
    work.dispatches[name] = (work.dispatches[name] ?? 0) + 1;
    work.bound += bound.get(this) ?? 0;
  });
}
