import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { version } from '../version.node.js';

/** What a program computes on. */
export interface Machine {
  readonly system: string;
  readonly processor: string;
  /** Threads that may compute at once. */
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly bertresnet: string;
}

/** This machine. */
export function thisMachine(): Machine {
  return {
    system: `${process.platform} ${process.arch} ${release()}`,
    processor: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    node: process.version,
    bertresnet: version(),
  };
}
