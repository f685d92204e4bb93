import { existsSync } from 'node:fs';
import { backend } from '@tensorflow/tfjs-core';
import { isInstalled } from './installed.node.js';
import type { OnnxRuntimeBackend } from './onnxruntime/backend.js';
import { refuseLargeModels } from './preference.js';
import type { Preference } from './preference.js';

/** What `auto` tries in Node, the best first. */
export const preferences: readonly Preference[] = [
  {
    name: 'tensorflow',
    why: "TensorFlow's native library on a graphics card",
    refuse: () => missing('@tensorflow/tfjs-node-gpu'),
    refuseLoaded: () =>
      (backend() as { isUsingGpuDevice?: boolean }).isUsingGpuDevice === true
        ? undefined
        : 'it finds no graphics card',
    remedy: () =>
      hasNvidiaDriver()
        ? "there is an NVIDIA card: npm install @tensorflow/tfjs-node-gpu, or pass executionProvider: 'cuda' to the backend onnxruntime"
        : undefined,
  },
  {
    name: 'onnxruntime',
    why: 'compiled programs on the native ONNX Runtime',
    refuse: () =>
      process.env['BERTRESNET_ONNXRUNTIME'] === 'wasm'
        ? 'BERTRESNET_ONNXRUNTIME asks for WebAssembly'
        : missing('onnxruntime-node'),
    // Where the package is there and does not load, its WebAssembly build is in use now: see below.
    refuseLoaded: () =>
      (backend() as OnnxRuntimeBackend).executor.runtimeName === 'onnxruntime-node'
        ? undefined
        : 'onnxruntime-node is installed, and does not load',
    remedy: () => 'ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node',
  },
  {
    name: 'tensorflow',
    why: "TensorFlow's native library",
    refuse: () =>
      missing('@tensorflow/tfjs-node-gpu') === undefined
        ? undefined
        : missing('@tensorflow/tfjs-node'),
  },
  {
    name: 'onnxruntime',
    why: 'compiled programs on ONNX Runtime as WebAssembly',
    refuse: refuseLargeModels,
  },
  {
    name: 'wasm',
    why: "TensorFlow.js's WebAssembly kernels",
    refuse: (needs) => missing('@tensorflow/tfjs-backend-wasm') ?? refuseLargeModels(needs),
  },
  { name: 'cpu', why: 'plain JavaScript, which is always there' },
];

const missing = (name: string): string | undefined =>
  isInstalled(name) ? undefined : `${name} is not installed`;

function hasNvidiaDriver(): boolean {
  return process.platform === 'win32'
    ? existsSync('C:\\Windows\\System32\\nvidia-smi.exe')
    : existsSync('/proc/driver/nvidia/version');
}
