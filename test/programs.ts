import { findBackend } from '@tensorflow/tfjs-core';
import type { OnnxRuntimeBackend } from '../src/backends/onnxruntime/backend.js';
import type { Program } from '../src/backends/onnxruntime/program.js';

/** The programs that the backend `onnxruntime` compiles while something runs. */
export async function compiledBy(work: () => Promise<unknown>): Promise<Program[]> {
  const programs: Program[] = [];
  const { executor } = findBackend('onnxruntime') as OnnxRuntimeBackend;
  const before = executor.observer;
  executor.observer = { onCompile: (program) => void programs.push(program) };
  try {
    await work();
  } finally {
    executor.observer = before;
  }
  return programs;
}

/** Whether a program has an operator of pictures. */
export const seesPictures = ({ nodes }: Program): boolean =>
  nodes.some(({ op }) => op.includes('Conv'));
