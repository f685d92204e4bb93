import { util } from '@tensorflow/tfjs-core';
import type { BackendValues } from '@tensorflow/tfjs-core';
import { messageOf } from '../../errors.js';
import { nextTurn } from '../../eventLoop.node.js';
import { PromiseCache } from './cache.js';
import { discard } from './discard.js';
import { Execution } from './execution.js';
import { sizeOf } from './graph.js';
import type { DType, Node, TypedArray, Value } from './graph.js';
import type { ExecutionObserver } from './observer.js';
import { toOnnx } from './onnx.js';
import type { HostStep, Replan, Step } from './plan.js';
import type { Program } from './program.js';
import type { ProgramStep } from './programStep.js';
import type { Executable, Feed, Runtime, RuntimeLoader } from './runtime.js';
import { places } from './simd/places.js';

/** What has been executed so far: for tests, benches and the person who debugs a slow model. */
export interface ExecutionStats {
  /** Programs run. */
  runs: number;
  /** Programs compiled. */
  compilations: number;
  /** Milliseconds in planning and fingerprints, in compiling, and in running. */
  planTime: number;
  compileTime: number;
  runTime: number;
  /** Milliseconds in work on the host between programs. */
  hostTime: number;
}

/** A program on its way through compilation and run. */
interface Run {
  readonly step: ProgramStep;
  /** Set where it had to be compiled. */
  compileTime: number | undefined;
}

/** The most compiled programs that are kept. */
const CAPACITY = 64;

/** Runs the steps of a plan: programs in ONNX Runtime, each compiled once, and work on the host. */
export class Executor {
  readonly stats: ExecutionStats = {
    runs: 0,
    compilations: 0,
    planTime: 0,
    compileTime: 0,
    runTime: 0,
    hostTime: 0,
  };
  /** Told of what is compiled and run, while there is one. */
  observer: ExecutionObserver | undefined;
  readonly #executables = new PromiseCache<Executable>(CAPACITY, (executable) =>
    executable.release(),
  );
  #runtime: Promise<Runtime> | undefined;
  #loaded: Runtime | undefined;
  /** What `execute` is at. */
  #execution: Execution | undefined;

  /**
   * @param loader loads ONNX Runtime, when something is first computed.
   * @param isHeld whether a tensor holds these bytes, so that nothing may write over them.
   */
  constructor(
    readonly loader: RuntimeLoader,
    private readonly isHeld: (buffer: BackendValues) => boolean,
  ) {}

  /** The number of compiled programs that are kept. */
  get executableCount(): number {
    return this.#executables.size;
  }

  /** What runs, once it is loaded. */
  get runtimeName(): string | undefined {
    return this.#loaded?.name;
  }

  /** Loads ONNX Runtime, if that has not been done. */
  runtime(): Promise<Runtime> {
    if (this.#runtime === undefined) {
      this.#runtime = this.loader.load().then((runtime) => (this.#loaded = runtime));
      this.#runtime.catch(() => (this.#runtime = undefined));
    }
    return this.#runtime;
  }

  /**
   * Runs steps in order and gives their values the bytes. `finishSync` may come in between.
   *
   * @throws what failed, where no single node can be left out.
   */
  async execute(steps: readonly Step[], replan: Replan): Promise<void> {
    const execution = new Execution(steps, this.isHeld, replan);
    this.#execution = execution;
    const runtime = await this.runtime();
    for (let step = execution.step; step !== undefined; step = execution.step) {
      try {
        if (step.kind === 'host') this.#runOnHost(execution, step);
        else await this.#run(runtime, execution, step);
      } catch (error) {
        this.#goOn(execution, step, error);
      }
    }
    if (this.#execution === execution) this.#finish();
  }

  /** Does the rest of what `execute` is at, after `prepareSync`. */
  finishSync(): void {
    const execution = this.#execution!;
    try {
      for (let step = execution.step; step !== undefined; step = execution.step) {
        try {
          if (step.kind === 'host') this.#runOnHost(execution, step);
          else this.#runSync(this.#loaded!, execution, step);
        } catch (error) {
          this.#goOn(execution, step, error);
        }
      }
    } finally {
      execution.stop();
      this.#finish();
    }
  }

  /** Goes on with what does not need the node that failed; throws where it is not known which did. */
  #goOn(execution: Execution, step: Step, error: unknown): void {
    if (execution.step !== step) return; // a read within a call came first, and met it
    const node = step.kind === 'host' ? step.node : culprit(step, error);
    if (node === undefined) throw error;
    execution.goOnWithout(node, error);
  }

  #finish(): void {
    this.#execution = undefined;
    places.endExecution();
    this.observer?.onFlush?.();
  }

  /** Makes `executeSync` possible, or returns why it is not. */
  prepareSync(): string | undefined {
    this.#loaded ??= this.loader.loadSync();
    if (this.#loaded === undefined) return 'ONNX Runtime is not loaded yet';
    this.#runtime ??= Promise.resolve(this.#loaded);
    return this.#loaded.compileSync === undefined
      ? `${this.#loaded.name} cannot run within a call`
      : undefined;
  }

  /** The same within the call, after `prepareSync`. */
  executeSync(steps: readonly Step[], replan: Replan): void {
    this.#execution = new Execution(steps, this.isHeld, replan);
    this.finishSync();
  }

  /** Releases all compiled programs. */
  async release(): Promise<void> {
    await this.#executables.clear();
  }

  async #run(runtime: Runtime, execution: Execution, step: ProgramStep): Promise<void> {
    const run: Run = { step, compileTime: undefined };
    const executable = await this.#executables.get(step.fingerprint, () =>
      this.#compile(runtime, run, execution),
    );
    await nextTurn(); // A program holds the thread that runs it.
    if (execution.step !== step) return;
    const feeds = toFeeds(step);
    const started = performance.now();
    const into = executable.writesInto === true ? outputsOf(execution, step) : undefined;
    const outputs = executable.runSync?.(feeds, into) ?? (await executable.run(feeds, into));
    this.#take(runtime, run, feeds, outputs, performance.now() - started);
    execution.advance();
  }

  #runSync(runtime: Runtime, execution: Execution, step: ProgramStep): void {
    const run: Run = { step, compileTime: undefined };
    const executable = this.#executables.getSync(step.fingerprint, () =>
      this.#compileSync(runtime, run, execution),
    );
    const feeds = toFeeds(step);
    const started = performance.now();
    const into = executable.writesInto === true ? outputsOf(execution, step) : undefined;
    const outputs = executable.runSync!(feeds, into);
    this.#take(runtime, run, feeds, outputs, performance.now() - started);
    execution.advance();
  }

  async #compile(runtime: Runtime, run: Run, execution: Execution): Promise<Executable> {
    const { program, fingerprint } = run.step;
    this.observer?.onCompile?.(program, fingerprint);
    const started = performance.now();
    const memory = execution.memoryOf(program);
    const executable = await runtime.compile(toOnnx(program), namesOf(program), memory);
    this.#countCompilation(run, started);
    return executable;
  }

  #compileSync(runtime: Runtime, run: Run, execution: Execution): Executable {
    const { program, fingerprint } = run.step;
    this.observer?.onCompile?.(program, fingerprint);
    const started = performance.now();
    const memory = execution.memoryOf(program);
    const executable = runtime.compileSync!(toOnnx(program), namesOf(program), memory);
    this.#countCompilation(run, started);
    return executable;
  }

  #countCompilation(run: Run, started: number): void {
    run.compileTime = performance.now() - started;
    this.stats.compilations++;
    this.stats.compileTime += run.compileTime;
  }

  /** Gives a program's outputs to its values. */
  #take(
    runtime: Runtime,
    { step, compileTime }: Run,
    feeds: readonly Feed[],
    outputs: readonly TypedArray[],
    runTime: number,
  ): void {
    fill(step.fetches, outputs);
    this.stats.runs++;
    this.stats.runTime += runTime;
    this.observer?.onRun?.({
      program: step.program,
      fingerprint: step.fingerprint,
      compileTime,
      runTime,
      bytesIn: byteLength(feeds.map(({ data }) => data)),
      bytesOut: byteLength(outputs),
      profile: () => runtime.profile?.(toOnnx(step.program), namesOf(step.program), feeds),
    });
    release(step);
  }

  #runOnHost(execution: Execution, step: HostStep): void {
    const started = performance.now();
    const { node, last } = step;
    const free = execution.free(node);
    const spent = node.inputs.map((input, i) => last[i]! && free[i]! && input.owned);
    const place = (output: number) => execution.placeOf(node.outputs[output]!);
    const outputs = node.compute(node.inputs.map(bytesOf), spent, place);
    handOver(node.inputs, outputs);
    fill(node.outputs, outputs);
    const runTime = performance.now() - started;
    this.stats.hostTime += runTime;
    this.observer?.onHost?.({ op: node.op, runTime });
    release(step);
    execution.advance();
  }
}

/**
 * The node that ONNX Runtime says has failed. Where memory has run out, it is not that node's fault, and the next one would
 * fail as well.
 */
function culprit(step: ProgramStep, error: unknown): Node | undefined {
  const message = messageOf(error);
  if (/alloc/i.test(message)) return undefined;
  const named = /\bName:'(\w+)'|\bnode \((\w+)\)/i.exec(message);
  return named === null ? undefined : step.operatorOf((named[1] ?? named[2])!);
}

const namesOf = ({ outputs }: Program): string[] => outputs.map(({ name }) => name);

const byteLength = (buffers: readonly TypedArray[]): number =>
  buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);

function toFeeds({ inputs, feeds }: ProgramStep): Feed[] {
  return inputs.map(({ name, dtype, shape }, i) => ({
    name,
    dtype: dtype as DType,
    shape,
    data: bytesOf(feeds[i]!),
  }));
}

/** Arrays for a program's outputs: gradients beside the parameters that they update, the others anywhere. */
function outputsOf(execution: Execution, { outputs, fetches }: ProgramStep): Feed[] {
  return outputs.map(({ name, dtype, shape }, i) => {
    const fresh = () => util.makeZerosTypedArray(sizeOf(shape), dtype as DType) as TypedArray;
    const data = execution.placeOf(fetches[i]!) ?? fresh();
    return { name, shape, dtype: dtype as DType, data };
  });
}

/** The bytes of a value that was computed before. */
function bytesOf(value: Value): TypedArray {
  if (value.error !== undefined) throw value.error;
  return value.buffer as TypedArray;
}

/** Frees the bytes that nothing reads any more. */
function release({ releases }: Step): void {
  for (const value of releases) {
    const { buffer, owned, aliased } = value;
    value.buffer = undefined;
    if (buffer === undefined || !owned || aliased) continue;
    if (!places.giveBack(buffer as TypedArray)) discard(buffer as TypedArray);
  }
}

/** What work on the host has written its outputs into belongs to these from now on. */
function handOver(inputs: readonly Value[], outputs: readonly TypedArray[]): void {
  for (const input of inputs) {
    const bytes = input.buffer as TypedArray;
    if (outputs.some((output) => overlap(output, bytes))) input.owned = false;
  }
}

/** Whether two arrays have bytes in common. */
function overlap(a: TypedArray, b: TypedArray): boolean {
  return (
    a.buffer === b.buffer &&
    a.byteOffset < b.byteOffset + b.byteLength &&
    b.byteOffset < a.byteOffset + a.byteLength
  );
}

/** Gives values the bytes that the engine made for them. */
function fill(values: readonly Value[], buffers: readonly TypedArray[]): void {
  values.forEach((value, i) => {
    value.buffer = buffers[i]!;
    value.owned = true;
  });
}
