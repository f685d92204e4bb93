/**
 * A training step of a small model on the backend `wasm`: with this library's kernels, and with TensorFlow.js's own
 * wherever it has one; then the kernels that differ, each by itself, on sizes of BERT-base and ResNet-50.
 *
 *     npm run bench:wasm -- [steps]
 */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { useBackend } from '../src/backends/select.js';
import { smallStep, timeSteps } from '../src/cli/stepTime.js';
import { AdamW } from '../src/training/optimizer.js';

type Config = tf.KernelConfig;

const steps = Number(process.argv[2] ?? 5);
const theirs = new Map(
  tf.getKernelsForBackend('wasm').map((config) => [config.kernelName, config]),
);
await useBackend('wasm');
const ours = tf
  .getKernelsForBackend('wasm')
  .filter(({ kernelName, kernelFunc }) => theirs.get(kernelName)?.kernelFunc !== kernelFunc);
const replaced = ours.filter(({ kernelName }) => theirs.has(kernelName));
const missing = ours.filter(({ kernelName }) => !theirs.has(kernelName));
console.log(`not in TensorFlow.js's backend: ${missing.map(nameOf).join(', ')}`);
console.log(`in the place of its own: ${replaced.map(nameOf).join(', ')}`);

const after = await timeSteps(smallStep, { steps });
install(replaced.map(({ kernelName }) => theirs.get(kernelName)!));
const before = await timeSteps(smallStep, { steps });
console.log(
  `a training step, median of ${steps}, ms: ${after.step.toFixed(0)}, ` +
    `with TensorFlow.js's own where it has one ${before.step.toFixed(0)}`,
);

const matrix = (rows: number, columns: number): tf.Tensor2D => tf.randomUniform([rows, columns]);
const maps = (shape: [number, number, number, number]): tf.Tensor4D => tf.randomUniform(shape);
const [a, b, wide] = [matrix(512, 768), matrix(768, 768), matrix(512, 768)];
const filter = maps([3, 3, 128, 128]);
const [dy, halved] = [maps([8, 28, 28, 128]), maps([8, 14, 14, 128])];
const compared: Record<string, () => tf.Tensor> = {
  'matMul, the second transposed': () => tf.matMul(a, b, false, true),
  'matMul, the first transposed': () => tf.matMul(a, wide, true, false),
  'gradient of maps, 3x3': () => tf.conv2dTranspose(dy, filter, [8, 28, 28, 128], 1, 1),
  'gradient of maps, 3x3 in twos': () => tf.conv2dTranspose(halved, filter, [8, 28, 28, 128], 2, 1),
};
for (const [name, compute] of Object.entries(compared)) {
  const slow = await time(compute);
  install(replaced);
  const fast = await time(compute);
  install(replaced.map(({ kernelName }) => theirs.get(kernelName)!));
  console.log(`${name}, ms: ${fast.toFixed(1)}, TensorFlow.js's own ${slow.toFixed(1)}`);
}

const update = ours.find(({ kernelName }) => kernelName === 'AdamW');
const optimizer = new AdamW({ learningRate: 1e-4, weightDecay: 0.01 });
const layer = tf.variable(matrix(768, 3072));
const gradients = { [layer.name]: matrix(768, 3072) };
const step = (): tf.Tensor => {
  optimizer.applyGradients(gradients);
  return tf.slice(layer, [0, 0], [1, 1]);
};
const oneKernel = await time(step);
tf.unregisterKernel('AdamW', 'wasm');
const composed = await time(step);
tf.registerKernel(update!);
console.log(
  `AdamW, 768 x 3072, ms: ${oneKernel.toFixed(1)}, of TensorFlow.js's operators ${composed.toFixed(1)}`,
);

function nameOf({ kernelName }: Config): string {
  return kernelName;
}

function install(kernels: readonly Config[]): void {
  for (const kernel of kernels) {
    tf.unregisterKernel(kernel.kernelName, 'wasm');
    tf.registerKernel(kernel);
    kernel.setupFunc?.(tf.backend());
  }
}

async function time(compute: () => tf.Tensor): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run <= steps; run++) {
    const began = performance.now();
    const result = compute();
    await result.data();
    times.push(performance.now() - began);
    result.dispose();
  }
  return times.slice(1).toSorted((x, y) => x - y)[Math.floor(steps / 2)]!;
}
