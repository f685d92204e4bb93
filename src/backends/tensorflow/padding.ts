import { wrapKernels } from '../kernels.js';
import type { Kernel, KernelInputs, Workspace, Wrapper } from '../kernels.js';

type Paddings = readonly (readonly [before: number, after: number])[];

interface Attributes {
  readonly pad: 'valid' | 'same' | number | Paddings;
  readonly dataFormat?: 'NHWC' | 'NCHW';
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
  readonly inputShape?: readonly number[];
}

/** What a kernel does with maps that are to be padded. */
interface Maps {
  /** The input that holds them; absent where only their shape is given. */
  readonly input?: 'x' | 'input';
  /** What stands in the padding. */
  readonly fill: number;
  /** Whether the result has their shape. */
  readonly cropped?: boolean;
}

/** TensorFlow's kernels pad by themselves only as 'same' does; for a padding in numbers the maps are padded first. */
const paddedFirst =
  ({ input, fill, cropped = false }: Maps): Wrapper =>
  (own): Kernel<Attributes> =>
  (inputs, attributes, workspace) => {
    const paddings = paddingsOf(attributes);
    if (paddings === undefined) return own(inputs, attributes, workspace);
    const shape = input === undefined ? attributes.inputShape! : inputs[input]!.shape;
    const padded = own(
      input === undefined ? inputs : padInput(inputs, input, paddings, fill, workspace),
      { ...attributes, pad: 'valid', inputShape: enlarged(shape, paddings) },
      workspace,
    );
    if (!cropped) return padded;
    const begin = paddings.map(([before]) => before);
    return workspace.run('Slice', { x: padded }, { begin, size: [...shape] });
  };

/** The padding of each axis, where it is given in numbers. */
function paddingsOf({ pad, dataFormat, dimRoundingMode }: Attributes): Paddings | undefined {
  if (typeof pad === 'string' || pad === 0) return undefined;
  if (dimRoundingMode !== undefined && dimRoundingMode !== 'floor') return undefined;
  if (typeof pad !== 'number') return pad;
  const [none, both] = [[0, 0] as const, [pad, pad] as const];
  return dataFormat === 'NCHW' ? [none, none, both, both] : [none, both, both, none];
}

function padInput(
  inputs: KernelInputs,
  name: string,
  paddings: Paddings,
  constantValue: number,
  workspace: Workspace,
): KernelInputs {
  const x = inputs[name]!;
  return { ...inputs, [name]: workspace.run('PadV2', { x }, { paddings, constantValue }) };
}

const enlarged = (shape: readonly number[], paddings: Paddings): number[] =>
  shape.map((length, axis) => paddings[axis]![0] + length + paddings[axis]![1]);

/** Lets convolutions and maximum pools of the backend `tensorflow` be padded as those of the others are. */
export function registerTensorFlowKernels(): void {
  wrapKernels('tensorflow', {
    Conv2D: paddedFirst({ input: 'x', fill: 0 }),
    Conv2DBackpropFilter: paddedFirst({ input: 'x', fill: 0 }),
    Conv2DBackpropInput: paddedFirst({ fill: 0, cropped: true }),
    MaxPool: paddedFirst({ input: 'x', fill: -Infinity }),
    MaxPoolGrad: paddedFirst({ input: 'input', fill: -Infinity, cropped: true }),
  });
}
