// What TensorFlow.js's operator suite runs against; the suite itself is imported after this.
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops';
import '@tensorflow/tfjs-backend-cpu';
import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util';
import { registerGradients } from '../../src/backends/gradients.js';
import { registerOnnxRuntime } from '../../src/backends/onnxruntime/index.js';

registerGradients();
registerOnnxRuntime();
setTestEnvs([
  {
    name: 'onnxruntime',
    backendName: 'onnxruntime',
    isDataSync: process.env['BERTRESNET_ONNXRUNTIME'] !== 'wasm',
  },
]);
