import { InputError, messageOf } from '../../errors.js';
import type { ExecutionObserver, HostRun, ProgramRun } from './observer.js';
import { printProgram } from './program.js';
import type { Program } from './program.js';
import type { OperatorTime } from './runtime.js';

/**
 * How much is said of what the backend does; each level says what those below it say.
 *
 * - 0: nothing.
 * - 1: a line for each program that runs: whether it was compiled or found, its size, bytes and milliseconds.
 * - 2: its time by operator, the first time that it runs; it is compiled and run some times more for that.
 * - 3: the program itself, before it is compiled.
 */
export type DebugLevel = 0 | 1 | 2 | 3;

/** Where the debugger writes. */
export interface DebugOptions {
  /** Takes a text of one or more lines; default: `console.error`. */
  readonly print?: (text: string) => void;
}

/** The number of nodes that are listed below the times by operator. */
const LISTED = 10;

/** What tells of the backend's work at a level; nothing at level 0. */
export function debugObserver(
  level: DebugLevel,
  { print = console.error }: DebugOptions = {},
): ExecutionObserver | undefined {
  return level === 0 ? undefined : new Debugger(level, print);
}

/**
 * @param from who was given the level, for the message.
 * @throws InputError where it is none.
 */
export function debugLevel(level: unknown, from: string): DebugLevel {
  const number = typeof level === 'string' && level !== '' ? Number(level) : level;
  if (number === 0 || number === 1 || number === 2 || number === 3) return number;
  throw new InputError(`${from} must be 0, 1, 2 or 3, got ${String(level)}`);
}

class Debugger implements ExecutionObserver {
  readonly #profiled = new Set<string>();
  #host = new Map<string, { count: number; time: number }>();
  #flushes = 1;

  constructor(
    private readonly level: DebugLevel,
    private readonly print: (text: string) => void,
  ) {}

  onCompile(program: Program, fingerprint: string): void {
    if (this.level < 3) return;
    this.print(`onnxruntime: program ${shortHash(fingerprint)}:\n${indent(printProgram(program))}`);
  }

  onRun(run: ProgramRun): void {
    this.print(`onnxruntime: read ${this.#flushes}: ${describe(run)}`);
    if (this.level < 2 || this.#profiled.has(run.fingerprint)) return;
    this.#profiled.add(run.fingerprint);
    this.print(profileText(run));
  }

  onHost({ op, runTime }: HostRun): void {
    const { count, time } = this.#host.get(op) ?? { count: 0, time: 0 };
    this.#host.set(op, { count: count + 1, time: time + runTime });
  }

  onFlush(): void {
    for (const [op, { count, time }] of this.#host) {
      this.print(`onnxruntime: read ${this.#flushes}: on the host ${op} x ${count}, ${ms(time)}`);
    }
    this.#host = new Map();
    this.#flushes++;
  }
}

function describe({ program, fingerprint, compileTime, ...run }: ProgramRun): string {
  const found = compileTime === undefined ? 'in cache' : `compiled in ${ms(compileTime)}`;
  return [
    `program ${shortHash(fingerprint)} ${found}`,
    counted(program.nodes.length, 'node'),
    `${program.inputs.length} in (${bytes(run.bytesIn)})`,
    `${program.outputs.length} out (${bytes(run.bytesOut)})`,
    ms(run.runTime),
  ].join(', ');
}

function profileText(run: ProgramRun): string {
  const program = `onnxruntime: program ${shortHash(run.fingerprint)}`;
  try {
    const times = run.profile();
    if (times === undefined) return `${program}: times by operator need onnxruntime-node`;
    const total = sum(times);
    return `${program} by operator, ${ms(total)} a run:\n${operatorTable(times, total)}`;
  } catch (error) {
    return `${program}: could not be profiled: ${messageOf(error)}`;
  }
}

function operatorTable(times: readonly OperatorTime[], total: number): string {
  const operators = new Map<string, OperatorTime[]>();
  for (const time of times) operators.set(time.op, [...(operators.get(time.op) ?? []), time]);
  const rows = [...operators].map(([op, nodes]) => ({ op, count: nodes.length, time: sum(nodes) }));
  rows.sort((a, b) => b.time - a.time);
  const costliest = times.slice(0, LISTED);
  return indent(
    [
      `${'operator'.padEnd(28)} nodes        ms      %`,
      ...rows.map(({ op, count, time }) =>
        [column(op), right(count, 5), share(time, total)].join(' '),
      ),
      `${'costliest nodes'.padEnd(28)}              ms      %`,
      ...costliest.map(
        ({ op, name, time, inputs, outputs }) =>
          `${column(op)}       ${share(time, total)}  ${name}: ` +
          `${inputs.join(' ')} -> ${outputs.join(' ')}`,
      ),
    ].join('\n'),
  );
}

const column = (op: string): string => op.padEnd(28);
const right = (number: number, width: number): string => String(number).padStart(width);
const share = (time: number, total: number): string =>
  `${time.toFixed(3).padStart(9)} ${((100 * time) / total).toFixed(1).padStart(6)}`;

const sum = (times: readonly OperatorTime[]): number =>
  times.reduce((total, { time }) => total + time, 0);
const ms = (time: number): string => `${time.toFixed(time < 10 ? 2 : 0)} ms`;
const counted = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? '' : 's'}`;
const indent = (text: string): string => text.replaceAll(/^/gm, '  ');

function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  let [size, unit] = [count, 0];
  for (; size >= 1000 && unit < units.length - 1; unit++) size /= 1000;
  return `${unit === 0 ? size : size.toPrecision(3)} ${units[unit]}`;
}

/** A fingerprint in eight digits, by FNV-1a: enough to see that two programs are not the same. */
export function shortHash(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}
