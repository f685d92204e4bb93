/** A browser loads nothing within a call: the kernels of `cpu` come with ONNX Runtime. */
export function loadCpuKernels(): void {
  throw new Error(
    "onnxruntime: this kernel runs on TensorFlow.js's cpu backend, which is loaded with ONNX Runtime; " +
      "await useBackend('onnxruntime') first",
  );
}
