import { DataStorage, KernelBackend, engine, util } from '@tensorflow/tfjs-core';
import type {
  BackendValues,
  DataType,
  DataToGPUWebGLOption,
  TensorInfo,
} from '@tensorflow/tfjs-core';
import { messageOf } from '../../errors.js';
import { Executor } from './executor.js';
import { Value, sizeOf } from './graph.js';
import type { DType } from './graph.js';
import { plan } from './program.js';
import type { Step } from './program.js';
import type { RuntimeLoader } from './runtime.js';

interface TensorData {
  value: Value;
  refCount: number;
}

/**
 * A TensorFlow.js backend that computes nothing when a kernel is called: kernels record a graph, and reading a
 * value plans all that is pending and alive, compiles each program once for its structure, and runs it in ONNX
 * Runtime. Whatever `tf.tidy` disposed of is an interior value, which ONNX Runtime fuses and frees.
 *
 * Bytes given to a tensor are not copied: they must not change before they have been used.
 */
export class OnnxRuntimeBackend extends KernelBackend {
  /** Compiles and runs what is recorded; its `stats` and `onCompile` are for whoever debugs a slow model. */
  readonly executor: Executor;
  readonly #data = new DataStorage<TensorData>(this, engine());
  readonly #pending = new Set<Value>();
  readonly #holders = new Map<BackendValues, number>();
  #flushing: Promise<void> | undefined;
  #failed = false;

  /** @param loader loads ONNX Runtime, when something is first computed. */
  constructor(loader: RuntimeLoader) {
    super();
    this.executor = new Executor(loader, (buffer) => this.#holders.has(buffer));
  }

  /** The value that a tensor holds, in the tensor's shape. */
  lookUp({ dataId, shape }: TensorInfo): Value {
    const { value } = this.#data.get(dataId);
    if (util.arraysEqual(value.shape as number[], shape)) return value;
    throw new Error(
      `internal: a tensor of shape [${shape}] holds a value of shape [${value.shape}]`,
    );
  }

  /** Makes a tensor of a value. */
  toTensorInfo(value: Value): TensorInfo {
    const dataId = {};
    this.#put(dataId, value, 1);
    return { dataId, shape: [...value.shape], dtype: value.dtype as DType };
  }

  override write(values: BackendValues | null, shape: number[], dtype: DataType): object {
    const dataId = {};
    this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(
    dataId: object,
    values: BackendValues | null,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    if (dtype === 'complex64')
      throw new Error('onnxruntime: complex64 is not supported; use another backend');
    const buffer =
      values ?? (util.makeZerosTypedArray(sizeOf(shape), dtype as DType) as BackendValues);
    this.#put(dataId, Value.of(ofType(buffer, dtype), shape, dtype as DType), refCount);
  }

  #put(dataId: object, value: Value, refCount: number): void {
    if (isUnsettled(value)) this.#pending.add(value);
    else if (value.holders === 0) this.#hold(value.buffer!, 1);
    value.holders++;
    this.#data.set(dataId, { value, refCount });
  }

  /** Counts the values that share a buffer and that a tensor holds. */
  #hold(buffer: BackendValues, change: 1 | -1): void {
    const count = (this.#holders.get(buffer) ?? 0) + change;
    if (count === 0) this.#holders.delete(buffer);
    else this.#holders.set(buffer, count);
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.#data.has(dataId)) return true;
    const data = this.#data.get(dataId);
    data.refCount--;
    if (!force && data.refCount > 0) return false;
    this.#data.delete(dataId);
    const { value } = data;
    if (--value.holders > 0) return true;
    if (isUnsettled(value)) this.#pending.delete(value);
    else this.#hold(value.buffer!, -1);
    return true;
  }

  override refCount(dataId: object): number {
    return this.#data.has(dataId) ? this.#data.get(dataId).refCount : 0;
  }

  override incRef(dataId: object): void {
    this.#data.get(dataId).refCount++;
  }

  decRef(dataId: object): void {
    if (this.#data.has(dataId)) this.#data.get(dataId).refCount--;
  }

  override numDataIds(): number {
    return this.#data.numDataIds();
  }

  /** The number of values that are recorded, held by a tensor and not yet computed. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Whether reading the data costs nothing: it is there, and nothing has to be computed for it. */
  isOnHost(dataId: object): boolean {
    return !isUnsettled(this.#data.get(dataId).value);
  }

  override async read(dataId: object): Promise<BackendValues> {
    const { value } = this.#data.get(dataId);
    while (value.buffer === undefined && value.error === undefined) await this.#flush();
    return show(value);
  }

  override readSync(dataId: object): BackendValues {
    const { value } = this.#data.get(dataId);
    if (value.buffer === undefined && value.error === undefined) this.#flushSync();
    return show(value);
  }

  override readToGPU(_dataId: object, _options?: DataToGPUWebGLOption): never {
    throw new Error('onnxruntime: values live in main memory; read them with data()');
  }

  override async time(query: () => void): Promise<{ kernelMs: number }> {
    const { stats } = this.executor;
    const before = stats.runTime;
    query();
    await this.#flush();
    return { kernelMs: stats.runTime - before };
  }

  override timerAvailable(): boolean {
    return true;
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override memory(): { unreliable: boolean; reasons: string[] } {
    return { unreliable: true, reasons: ['Values that are not yet computed hold no memory.'] };
  }

  /** Waits for what is running and releases all compiled programs. */
  override dispose(): void {
    void (this.#flushing ?? Promise.resolve()).finally(() => this.executor.release());
  }

  /** Computes all that is pending; one flush runs at a time, so that two reads may overlap. */
  #flush(): Promise<void> {
    this.#flushing ??= this.#compute().finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  /** All that is to be computed now. */
  #begin(): Value[] {
    const roots = [...this.#pending];
    for (const root of roots) root.running = true;
    return roots;
  }

  async #compute(): Promise<void> {
    await this.executor.runtime();
    const roots = this.#begin();
    try {
      await this.executor.execute(this.#plan(roots));
    } catch (error) {
      this.#fail(roots, error);
    }
    for (const root of roots) this.#settle(root);
  }

  #flushSync(): void {
    const obstacle = this.#flushing ? 'a read is under way' : this.executor.prepareSync();
    if (obstacle !== undefined) {
      throw new Error(
        `onnxruntime: dataSync() needs a value that has been computed, but ${obstacle}; ` +
          'use await tensor.data()',
      );
    }
    const roots = this.#begin();
    try {
      this.executor.executeSync(this.#plan(roots));
    } catch (error) {
      this.#fail(roots, error);
    }
    for (const root of roots) this.#settle(root);
  }

  #plan(roots: readonly Value[]): Step[] {
    const started = performance.now();
    const steps = plan(this.#failed ? roots.filter((root) => !isBroken(root)) : roots);
    this.executor.stats.planTime += performance.now() - started;
    return steps;
  }

  #fail(roots: readonly Value[], error: unknown): void {
    this.#failed = true;
    const message = `onnxruntime: a graph could not be computed: ${messageOf(error)}`;
    const failure = new Error(message, { cause: error });
    for (const root of roots) if (root.buffer === undefined) root.error ??= failure;
  }

  /** Lets go of the graph behind a value that has its bytes or its error. */
  #settle(value: Value): void {
    value.running = false;
    if (value.buffer === undefined && value.error === undefined) return;
    value.node = undefined;
    this.#pending.delete(value);
    if (value.buffer !== undefined && value.holders > 0) this.#hold(value.buffer, 1);
  }
}

const isUnsettled = (value: Value): boolean => value.running || value.buffer === undefined;

/** Marks a value that leads to one that failed, so that a failure does not stop the values beside it. */
function isBroken(value: Value): boolean {
  try {
    plan([value]);
    return false;
  } catch (error) {
    value.error = error as Error;
    return true;
  }
}

/** The bytes of a value for somebody outside, who may keep them: the engine writes over them no more. */
function show(value: Value): BackendValues {
  if (value.error !== undefined) throw value.error;
  value.owned = false;
  return value.buffer!;
}

/** The values in the array type of their dtype; TensorFlow.js itself may hand over a plain array. */
function ofType(values: BackendValues, dtype: DataType): BackendValues {
  if (dtype === 'float32')
    return values instanceof Float32Array ? values : Float32Array.from(values as Uint8Array);
  if (dtype === 'int32')
    return values instanceof Int32Array ? values : Int32Array.from(values as Uint8Array);
  if (dtype === 'bool')
    return values instanceof Uint8Array ? values : Uint8Array.from(values as Int32Array);
  return values;
}
