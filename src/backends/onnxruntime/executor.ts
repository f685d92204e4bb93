import type { BackendValues } from '@tensorflow/tfjs-core';
import { PromiseCache } from './cache.js';
import type { DType, TypedArray, Value } from './graph.js';
import { toOnnx } from './onnx.js';
import { fingerprint } from './program.js';
import type { Program, Step } from './program.js';
import type { Executable, Feed, Runtime, RuntimeLoader } from './runtime.js';

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

type ProgramStep = Step & { kind: 'program' };
type HostStep = Step & { kind: 'host' };

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
  /** Told of each program before it is compiled: print it with `printProgram`. */
  onCompile?: (program: Program) => void;
  readonly #executables = new PromiseCache<Executable>(CAPACITY, (executable) =>
    executable.release(),
  );
  #runtime: Promise<Runtime> | undefined;
  #loaded: Runtime | undefined;

  /**
   * @param loader loads ONNX Runtime, when something is first computed.
   * @param isHeld whether a tensor holds these bytes, so that nothing may write over them.
   */
  constructor(
    private readonly loader: RuntimeLoader,
    private readonly isHeld: (buffer: BackendValues) => boolean,
  ) {}

  /** The number of compiled programs that are kept. */
  get executableCount(): number {
    return this.#executables.size;
  }

  /** Loads ONNX Runtime, if that has not been done. */
  runtime(): Promise<Runtime> {
    if (this.#runtime === undefined) {
      this.#runtime = this.loader.load().then((runtime) => (this.#loaded = runtime));
      this.#runtime.catch(() => (this.#runtime = undefined));
    }
    return this.#runtime;
  }

  /** Runs steps in order and gives their values the bytes. */
  async execute(steps: readonly Step[]): Promise<void> {
    const runtime = await this.runtime();
    for (const step of steps) {
      if (step.kind === 'host') this.#runOnHost(step);
      else await this.#run(runtime, step);
    }
  }

  /** Makes `executeSync` possible, or returns why it is not. */
  prepareSync(): string | undefined {
    this.#loaded ??= this.loader.loadSync();
    if (this.#loaded === undefined) return 'ONNX Runtime is not loaded yet';
    this.#runtime ??= Promise.resolve(this.#loaded);
    return this.#loaded.runSync === undefined
      ? `${this.#loaded.name} cannot run within a call`
      : undefined;
  }

  /** The same within the call; programs are compiled for this run alone. */
  executeSync(steps: readonly Step[]): void {
    for (const step of steps) {
      if (step.kind === 'host') this.#runOnHost(step);
      else runSync(this.#loaded!, step);
    }
  }

  /** Releases all compiled programs. */
  async release(): Promise<void> {
    await this.#executables.clear();
  }

  async #run(runtime: Runtime, { program, feeds, fetches }: ProgramStep): Promise<void> {
    const started = performance.now();
    const key = fingerprint(program);
    this.stats.planTime += performance.now() - started;
    const executable = await this.#executables.get(key, () => this.#compile(runtime, program));
    const running = performance.now();
    const outputs = await executable.run(toFeeds(program, feeds));
    fill(fetches, outputs);
    this.stats.runs++;
    this.stats.runTime += performance.now() - running;
  }

  async #compile(runtime: Runtime, program: Program): Promise<Executable> {
    const started = performance.now();
    this.onCompile?.(program);
    const executable = await runtime.compile(toOnnx(program), namesOf(program));
    this.stats.compilations++;
    this.stats.compileTime += performance.now() - started;
    return executable;
  }

  #runOnHost({ node, last }: HostStep): void {
    const started = performance.now();
    const spent = node.inputs.map((input, i) => last[i]! && this.#isSpent(input));
    fill(node.outputs, node.compute(node.inputs.map(bytesOf), spent));
    this.stats.hostTime += performance.now() - started;
  }

  #isSpent(value: Value): boolean {
    return value.owned && value.holders === 0 && !this.isHeld(value.buffer!);
  }
}

const namesOf = ({ outputs }: Program): string[] => outputs.map(({ name }) => name);

function runSync(runtime: Runtime, { program, feeds, fetches }: ProgramStep): void {
  const inputs = toFeeds(program, feeds);
  fill(fetches, runtime.runSync!(toOnnx(program), namesOf(program), inputs));
}

function toFeeds(program: Program, values: readonly Value[]): Feed[] {
  return program.inputs.map(({ name, dtype, shape }, i) => ({
    name,
    dtype: dtype as DType,
    shape,
    data: bytesOf(values[i]!),
  }));
}

/** The bytes of a value that was computed before. */
function bytesOf(value: Value): TypedArray {
  if (value.error !== undefined) throw value.error;
  return value.buffer as TypedArray;
}

/** Gives values the bytes that the engine made for them. */
function fill(values: readonly Value[], buffers: readonly TypedArray[]): void {
  values.forEach((value, i) => {
    value.buffer = buffers[i]!;
    value.owned = true;
  });
}
