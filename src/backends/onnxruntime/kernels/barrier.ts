import { beginSegment } from '../graph.js';
import type { Lowering, LoweringTable } from './lowering.js';

/** Makes nothing: what is recorded behind it runs in other programs than what was recorded before, and after it. */
const Barrier: Lowering = () => {
  beginSegment();
  return [];
};

/** Kernels that say where programs end. */
export const barrierKernels: LoweringTable = { Barrier };
