import { beginSegment } from '../graph.js';
import type { Lowering, LoweringTable } from './lowering.js';

/** Makes nothing: what is recorded behind it runs in other programs than what was recorded before, and after it. */
const Barrier: Lowering = () => {
  beginSegment();
  return [];
};

/**
 * Kernels that say where programs end: `Barrier` where they must, `ProgramEdge` where they had better, if what passes from
 * one to the next stays in main memory.
 */
export const barrierKernels: LoweringTable = { Barrier, ProgramEdge: Barrier };

/** The same where programs run on a graphics card. */
export const cardBarriers: LoweringTable = { ProgramEdge: () => [] };
