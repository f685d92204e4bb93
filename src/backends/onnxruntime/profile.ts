import type { OperatorTime } from './runtime.js';

/** An event of the file that ONNX Runtime writes, in the format of Chrome's tracing tools; times in microseconds. */
interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly dur: number;
  readonly args: {
    readonly op_name?: string;
    readonly input_type_shape?: readonly TypedShape[];
    readonly output_type_shape?: readonly TypedShape[];
  };
}

type TypedShape = Readonly<Record<string, readonly number[]>>;

const KERNEL = '_kernel_time';

/**
 * The operators of a profile that ONNX Runtime wrote of one session, each with its time in the mean of all runs but
 * the first, which finds everything cold. The costliest come first.
 */
export function operatorTimes(json: string): OperatorTime[] {
  const events = JSON.parse(json) as ProfileEvent[];
  const ends = events.flatMap(({ name }, i) => (name === 'model_run' ? [i] : []));
  const warm = events
    .slice(ends[0])
    .filter(({ cat, name }) => cat === 'Node' && name.endsWith(KERNEL));
  const runs = ends.length - 1;
  const times = new Map<string, OperatorTime>();
  for (const { name, dur, args } of warm) {
    const node = name.slice(0, -KERNEL.length);
    const time = (times.get(node)?.time ?? 0) + dur / 1000 / runs;
    times.set(node, {
      op: args.op_name ?? '?',
      name: node,
      time,
      inputs: (args.input_type_shape ?? []).map(shapeText),
      outputs: (args.output_type_shape ?? []).map(shapeText),
    });
  }
  return [...times.values()].sort((a, b) => b.time - a.time);
}

function shapeText(typed: TypedShape): string {
  return Object.entries(typed)
    .map(([type, shape]) => `${type}[${shape.join(', ')}]`)
    .join();
}
