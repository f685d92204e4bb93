/** The backends that a program may ask for. */
export type BackendName = 'onnxruntime' | 'tensorflow' | 'webgpu' | 'webgl' | 'wasm' | 'cpu';

/** What is to be computed, as far as the choice of a backend depends on it. */
export interface BackendNeeds {
  /** How many numbers the model learns. */
  readonly parameters?: number;
  /** Whether it is trained, which takes a gradient and two moments of each parameter (default true). */
  readonly training?: boolean;
}

/** A backend that `auto` may take. */
export interface Preference {
  readonly name: BackendName;
  /** What it does that those below it do not. */
  readonly why: string;
  /** What speaks against loading it; undefined where nothing does. */
  readonly refuse?: (needs: BackendNeeds) => string | undefined | Promise<string | undefined>;
  /** What speaks against it once it is loaded and in use. */
  readonly refuseLoaded?: (needs: BackendNeeds) => string | undefined;
  /** How to get it, where this machine could run it. */
  readonly remedy?: () => string | undefined;
}

/** What a WebAssembly memory holds at most. */
const largestMemory = 4 * 2 ** 30;

/** What speaks against a backend within WebAssembly, whose memory is small. */
export function refuseLargeModels(needs: BackendNeeds): string | undefined {
  const { parameters = 0, training = true } = needs;
  const bytes = parameters * Float32Array.BYTES_PER_ELEMENT * (training ? 4 : 1);
  if (bytes < largestMemory) return undefined;
  const size = (bytes / 2 ** 30).toFixed(1);
  return `${training ? 'training' : 'a model of'} ${parameters} parameters takes ${size} GiB, and WebAssembly has 4`;
}
