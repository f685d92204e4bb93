import util from 'node:util';
import { InputError, messageOf } from '../../errors.js';
import { isInstalled } from '../installed.node.js';

/** The packages that hold the backend `tensorflow`, the faster first; they share everything but the library they load. */
const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

/**
 * Loads TensorFlow's native library; whichever of its packages is installed, the one for GPUs first.
 *
 * @throws InputError where none is installed, or its native module cannot be loaded.
 */
export async function loadTensorFlow(): Promise<void> {
  restoreRemovedUtilities();
  // TensorFlow writes lines about the processor to stderr, as the library loads.
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  const name = packages.find(isInstalled);
  if (name === undefined) throw new Error('no package of it is installed');
  try {
    await import(/* @vite-ignore */ name);
  } catch (error) {
    throw new InputError(
      `useBackend: ${name} is installed, but its native module does not load ` +
        `(${messageOf(error).split('\n', 1)[0]}); docs/backends.md says how to build it from source`,
    );
  }
}

/** tfjs-node 4.22 calls functions of `node:util` that Node 23 and later no longer have. */
function restoreRemovedUtilities(): void {
  const removed = {
    isNullOrUndefined: (value: unknown) => value === null || value === undefined,
    isArray: Array.isArray,
  };
  for (const [name, implementation] of Object.entries(removed)) {
    if (!(name in util)) Object.assign(util, { [name]: implementation });
  }
}
