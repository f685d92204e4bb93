import type { Program } from './program.js';
import type { OperatorTime } from './runtime.js';

/** One run of a program. */
export interface ProgramRun {
  readonly program: Program;
  /** Equal for equal programs: the key under which the compiled program is kept. */
  readonly fingerprint: string;
  /** Milliseconds in compiling it; undefined where it had been compiled before. */
  readonly compileTime: number | undefined;
  /** Milliseconds in running it. */
  readonly runTime: number;
  /** Bytes read and made. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Runs it some times more for its time by operator; undefined where the platform cannot. */
  profile(): OperatorTime[] | undefined;
}

/** Work on the host between programs. */
export interface HostRun {
  readonly op: string;
  /** Milliseconds. */
  readonly runTime: number;
}

/** Who wants to know what the executor does. */
export interface ExecutionObserver {
  /** A program is about to be compiled. */
  onCompile?(program: Program, fingerprint: string): void;
  /** A program has run; what it read is still there. */
  onRun?(run: ProgramRun): void;
  onHost?(run: HostRun): void;
  /** All that one read asked for has been computed. */
  onFlush?(): void;
}
