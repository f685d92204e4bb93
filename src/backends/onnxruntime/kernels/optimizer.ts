import { emitHost } from '../graph.js';
import type { HostComputation, Value } from '../graph.js';
import { adamW } from '../simd/adamW.js';
import type { AdamWNumbers } from '../simd/adamW.js';
import { places } from '../simd/places.js';
import type { Home } from '../simd/places.js';
import type { Lowering, LoweringTable } from './lowering.js';

/**
 * AdamW's update of one variable, in one pass over its elements and in place where nothing else reads them: returns
 * the variable and both moments, which are zero where none are given. `scale` [] multiplies the gradient. The numbers
 * change with each step, so they are no part of a program.
 */
const AdamW: Lowering<Omit<AdamWNumbers, 'scale'>> = (inputs, numbers) => {
  const { variable, gradient, scale, expAvg, expAvgSq } = inputs;
  const given = [variable, gradient, scale, expAvg, expAvgSq].filter(isGiven);
  const output = { shape: variable!.shape, dtype: 'float32' } as const;
  const compute: HostComputation = (buffers, spent) => {
    const bufferOf = (value: Value | undefined): Float32Array | undefined =>
      isGiven(value) ? (buffers[given.indexOf(value)] as Float32Array) : undefined;
    const writable = (value: Value): Float32Array => {
      const buffer = bufferOf(value)!;
      return spent[given.indexOf(value)]! ? buffer : buffer.slice();
    };
    const state = isGiven(expAvg)
      ? ([writable(variable!), writable(expAvg), writable(expAvgSq!)] as const)
      : settle(bufferOf(variable)!);
    const factor = bufferOf(scale)?.[0] ?? 1;
    adamW([...state, bufferOf(gradient)!], { ...numbers, scale: factor });
    return state;
  };
  return emitHost('AdamW', given, [output, output, output], compute, (input) =>
    input === gradient && variable!.buffer instanceof Float32Array
      ? places.takeFor(variable!.buffer)
      : undefined,
  );
};

const isGiven = (value: Value | undefined): value is Value => value !== undefined;

/** Brings a variable to where it is to stay, with its moments, zeros; in plain memory where WebAssembly has none left. */
function settle(variable: Float32Array): Home {
  const { length } = variable;
  const home = places.homeOf(variable) ?? [1, 2, 3].map(() => new Float32Array(length));
  const [p, m, v] = home as Home;
  p.set(variable);
  // Zeros already; but the system maps memory that is first read and then written twice, and that takes longer.
  m.fill(0);
  v.fill(0);
  return [p, m, v];
}

/** Kernels that update parameters. */
export const optimizerKernels: LoweringTable = { AdamW };
