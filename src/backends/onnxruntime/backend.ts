import { KernelBackend, util } from '@tensorflow/tfjs-core';
import type {
  BackendValues,
  DataType,
  DataToGPUWebGLOption,
  TensorInfo,
} from '@tensorflow/tfjs-core';
import { messageOf } from '../../errors.js';
import { DataTable } from './dataTable.js';
import { Executor } from './executor.js';
import { Value, sizeOf } from './graph.js';
import type { DType, TypedArray } from './graph.js';
import { cast, reshape } from './layout.js';
import { fail, plan, withoutBroken } from './plan.js';
import { residence } from './simd/memory.js';
import type { Replan, Step } from './plan.js';
import type { RuntimeLoader } from './runtime.js';

interface TensorData {
  value: Value;
  refCount: number;
  /** The round of computation in which `Variable.assign` gave it to a variable. */
  assigned?: number;
}

/**
 * A TensorFlow.js backend that computes nothing when a kernel is called: kernels record a graph, and reading a
 * value plans all that is pending and alive, compiles each program once for its structure, and runs it in ONNX
 * Runtime. Whatever `tf.tidy` disposed of is an interior value, which ONNX Runtime fuses and frees.
 *
 * Bytes given to a tensor are not copied: they must not change before they have been used.
 */
export class OnnxRuntimeBackend extends KernelBackend {
  /** Compiles and runs what is recorded; its `stats` and `observer` are for whoever debugs a slow model. */
  readonly executor: Executor;
  readonly #data = new DataTable<TensorData>(this);
  readonly #pending = new Set<Value>();
  readonly #holders = new Map<BackendValues, number>();
  #flushing: Promise<void> | undefined;
  /** How often pending values have been computed. */
  #round = 0;
  /** Those that are being computed. */
  #computing: readonly Value[] | undefined;
  /** What was let go of last, while nothing else has happened since. */
  #replaced: TensorData | undefined;

  /** @param loader loads ONNX Runtime, when something is first computed. */
  constructor(loader: RuntimeLoader) {
    super();
    this.executor = new Executor(loader, (buffer) => this.#holders.has(buffer));
  }

  /**
   * The value that a tensor holds, in the tensor's shape and type: what another backend made may be the data of several
   * tensors that differ in them. A complex64 tensor holds its real and imaginary parts side by side: float32
   * [...shape, 2], which is also how TensorFlow.js reads it.
   */
  lookUp({ dataId, shape, dtype }: TensorInfo): Value {
    const { value } = this.#data.get(dataId);
    const wanted = shapeOfValue(shape, dtype);
    if (sizeOf(value.shape) !== sizeOf(wanted)) {
      throw new Error(
        `internal: a tensor of shape [${shape}] holds a value of shape [${value.shape}]`,
      );
    }
    return cast(reshape(value, wanted), typeOfValue(dtype));
  }

  /** Makes a tensor of a value, whose pairs along the last axis are the elements if it is to be complex64. */
  toTensorInfo(value: Value, dtype: DataType = value.dtype as DType): TensorInfo {
    const dataId = {};
    this.#put(dataId, value, 1);
    const shape = dtype === 'complex64' ? value.shape.slice(0, -1) : [...value.shape];
    return { dataId, shape, dtype };
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
    const held = shapeOfValue(shape, dtype);
    const type = typeOfValue(dtype);
    const buffer =
      values ?? (util.makeZerosTypedArray(sizeOf(held), type as DType) as BackendValues);
    this.#put(dataId, Value.of(ofType(buffer, type), held, type), refCount);
  }

  #put(dataId: object, value: Value, refCount: number): void {
    if (isUnsettled(value)) this.#pending.add(value);
    else if (value.holders === 0) this.#hold(value.buffer!, 1);
    value.holders++;
    this.#replaced = undefined;
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
    this.#replaced = data;
    data.refCount--;
    if (!force && data.refCount > 0) return false;
    this.#data.delete(dataId);
    this.#letGo(data.value);
    return true;
  }

  /** One tensor or reader less that holds a value; what nothing holds is not computed. */
  #letGo(value: Value): void {
    if (--value.holders > 0) return;
    if (isUnsettled(value)) this.#pending.delete(value);
    else this.#hold(value.buffer!, -1);
  }

  override refCount(dataId: object): number {
    return this.#data.has(dataId) ? this.#data.get(dataId).refCount : 0;
  }

  /**
   * Called by TensorFlow.js for a new variable, and by `Variable.assign`, which lets go of the old value just before.
   * A variable that is assigned twice in a round has come to its next training step without a read in between: what
   * is pending is computed, or else a whole epoch would become one program.
   */
  override incRef(dataId: object): void {
    const replaced = this.#replaced;
    this.#replaced = undefined;
    this.share(dataId);
    if (replaced === undefined) return;
    const data = this.#data.get(dataId);
    // What is there already, as when a state dict is loaded, makes no step.
    const computed = isUnsettled(data.value);
    if (replaced.assigned === this.#round) this.#catchUp();
    if (computed) data.assigned = this.#round;
  }

  /** Counts one more tensor of the same data. */
  share(dataId: object): void {
    this.#data.get(dataId).refCount++;
  }

  decRef(dataId: object): void {
    if (this.#data.has(dataId)) this.#data.get(dataId).refCount--;
  }

  override numDataIds(): number {
    return this.#data.size;
  }

  /** The number of values that are recorded, held by a tensor and not yet computed. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** The number of buffers that tensors hold; tensors may share one. */
  get bufferCount(): number {
    return this.#holders.size;
  }

  /** Whether reading the data costs nothing: it is there, and nothing has to be computed for it. */
  isOnHost(dataId: object): boolean {
    return !isUnsettled(this.#data.get(dataId).value);
  }

  override async read(dataId: object): Promise<BackendValues> {
    const { value } = this.#data.get(dataId);
    value.holders++; // the tensor may be disposed of while it is read
    try {
      while (value.buffer === undefined && value.error === undefined) await this.#flush();
      return show(value);
    } finally {
      this.#letGo(value);
    }
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
    this.#round++;
    const roots = [...this.#pending];
    for (const root of roots) root.running = true;
    this.#computing = roots;
    return roots;
  }

  #end(roots: readonly Value[], error?: unknown): void {
    if (this.#computing !== roots) return; // a read within a call came first
    this.#computing = undefined;
    if (error !== undefined) {
      const failure = failureOf(error);
      for (const root of roots) if (root.buffer === undefined) root.error ??= failure;
    }
    for (const root of roots) this.#settle(root);
  }

  async #compute(): Promise<void> {
    await this.executor.runtime();
    const roots = this.#begin();
    try {
      await this.executor.execute(this.#plan(roots), this.#replan(roots));
      this.#end(roots);
    } catch (error) {
      this.#end(roots, error);
    }
  }

  /** Computes all that is pending within the call, what is under way first. */
  #computeSync(): void {
    if (this.#computing !== undefined) {
      this.#endSync(this.#computing, () => this.executor.finishSync());
    }
    const roots = this.#begin();
    this.#endSync(roots, () => this.executor.executeSync(this.#plan(roots), this.#replan(roots)));
  }

  #endSync(roots: readonly Value[], compute: () => void): void {
    try {
      compute();
      this.#end(roots);
    } catch (error) {
      this.#end(roots, error);
    }
  }

  #flushSync(): void {
    const obstacle = this.#obstacle();
    if (obstacle === undefined) return this.#computeSync();
    throw new Error(
      `onnxruntime: dataSync() needs a value that has been computed, but ${obstacle}; ` +
        'use await tensor.data()',
    );
  }

  /** Computes what is pending, where that can be done within the call. */
  #catchUp(): void {
    if (this.#obstacle() === undefined) this.#computeSync();
  }

  /** Why nothing can be computed within a call. */
  #obstacle(): string | undefined {
    return this.executor.prepareSync();
  }

  #plan(roots: readonly Value[]): Step[] {
    const started = performance.now();
    const steps = planWhole(roots);
    this.executor.stats.planTime += performance.now() - started;
    return steps;
  }

  #replan(roots: readonly Value[]): Replan {
    return (failed, error, isHeld) => {
      fail(failed, failureOf(error));
      return plan(withoutBroken(roots), isHeld);
    };
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

const failureOf = (error: unknown): Error =>
  new Error(`onnxruntime: a graph could not be computed: ${messageOf(error)}`, { cause: error });

const isUnsettled = (value: Value): boolean => value.running || value.buffer === undefined;

/** A failure before, which is seldom, does not stop the values beside those that lead to it. */
function planWhole(roots: readonly Value[]): Step[] {
  try {
    return plan(roots);
  } catch {
    return plan(withoutBroken(roots));
  }
}

/**
 * The bytes of a value for somebody outside, who may keep them: the engine writes over them no more. Of what stands in
 * WebAssembly, where others stand beside it, a copy.
 */
function show(value: Value): BackendValues {
  if (value.error !== undefined) throw value.error;
  const array = value.buffer as TypedArray;
  if (ArrayBuffer.isView(array) && residence.slabOf(array) !== undefined) return array.slice();
  value.owned = false;
  return value.buffer!;
}

/** The shape of the value that a tensor holds. */
function shapeOfValue(shape: number[], dtype: DataType): number[] {
  return dtype === 'complex64' ? [...shape, 2] : shape;
}

/** The type of the value that a tensor holds. */
function typeOfValue(dtype: DataType): DType | 'string' {
  return dtype === 'complex64' ? 'float32' : dtype;
}

/**
 * The values in the array type of their dtype; TensorFlow.js itself may hand over a plain array. ONNX Runtime refuses
 * memory that threads share.
 */
function ofType(values: BackendValues, dtype: DataType): BackendValues {
  if (isShared(values)) return ofType((values as TypedArray).slice(), dtype);
  if (dtype === 'float32')
    return values instanceof Float32Array ? values : Float32Array.from(values as Uint8Array);
  if (dtype === 'int32')
    return values instanceof Int32Array ? values : Int32Array.from(values as Uint8Array);
  if (dtype === 'bool')
    return values instanceof Uint8Array ? values : Uint8Array.from(values as Int32Array);
  return values;
}

const isShared = (values: BackendValues): boolean =>
  typeof SharedArrayBuffer !== 'undefined' &&
  ArrayBuffer.isView(values) &&
  values.buffer instanceof SharedArrayBuffer;
