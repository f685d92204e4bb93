import type { Attribute, Constant } from '../backends/onnxruntime/graph.js';
import type { NamedConstant, ProgramNode } from '../backends/onnxruntime/program.js';
import { InputError } from '../errors.js';
import { formulaOf, isFixed } from './sizes.js';
import type { Formula, Point, Series } from './sizes.js';

/** The axes of inputs that a person may choose anew in each run. */
export type DynamicAxis = 'batch' | 'length';

/** Where a dynamic axis is to be read: an input's name and the axis. */
export type AxisSources = Readonly<
  Partial<Record<DynamicAxis, readonly [input: string, axis: number]>>
>;

/** Appends the nodes and constants of a graph; equal constants and equal shapes are there once. */
export class Emitter {
  readonly nodes: ProgramNode[] = [];
  readonly #constants = new Map<string, NamedConstant>();
  readonly #vectors = new Map<string, string>();

  constructor(
    readonly points: readonly Point[],
    readonly sources: AxisSources,
  ) {}

  get constants(): NamedConstant[] {
    return [...this.#constants.values()];
  }

  /** The name of a constant. */
  constant(dtype: Constant['dtype'], shape: readonly number[], data: readonly number[]): string {
    const constant: Constant = { constant: true, dtype, shape, data };
    const key = `${dtype}[${shape}]${data.map((value) => (Object.is(value, -0) ? '-0' : value))}`;
    const known = this.#constants.get(key) ?? {
      ...constant,
      name: `constant_${this.#constants.size}`,
    };
    this.#constants.set(key, known);
    return known.name;
  }

  /** Appends an operator with one output of this name. */
  node(
    op: string,
    inputs: readonly string[],
    name: string,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    const output = { name, dtype: 'int64', shape: [] } as const;
    this.nodes.push({ op, domain: '', inputs, attributes, outputs: [output] });
    return name;
  }

  /** An int64 vector, of which what differs from point to point is computed from the sizes of the inputs. */
  vector(series: readonly Series[], user: string): string {
    const parts = joinFixed(series.map((one) => this.#term(one, user)));
    const key = JSON.stringify(parts);
    const known = this.#vectors.get(key) ?? this.#concat(parts);
    this.#vectors.set(key, known);
    return known;
  }

  #term(series: Series, user: string): number[] | Formula {
    if (isFixed(series)) return [series[0]!];
    const formula = formulaOf(series, this.points);
    if (formula !== undefined) return formula;
    const came = series.map((value, i) => {
      const { batch, length } = this.points[i]!;
      return `${value} at batch ${batch}, length ${length}`;
    });
    throw new InputError(
      `toOnnx: sizes must be multiples of the batch, the length or their product, got for ${user}: ` +
        `${came.join('; ')}; compute that part of the model in another way`,
    );
  }

  #concat(parts: readonly (number[] | Formula)[]): string {
    const names = parts.map((part) =>
      Array.isArray(part) ? this.constant('int64', [part.length], part) : this.#computed(part),
    );
    if (names.length === 1) return names[0]!;
    return this.node('Concat', names, `shape_${this.#vectors.size}`, { axis: 0 });
  }

  /** A vector of the one number that a formula gives. */
  #computed({ factor, batch, length, offset }: Formula): string {
    const factors = [
      ...Array<string>(batch).fill(this.#axis('batch')),
      ...Array<string>(length).fill(length > 0 ? this.#axis('length') : ''),
      ...(factor === 1 ? [] : [this.constant('int64', [1], [factor])]),
    ];
    const product = factors.reduce((a, b) => this.#arithmetic('Mul', a, b));
    return offset === 0
      ? product
      : this.#arithmetic('Add', product, this.constant('int64', [1], [offset]));
  }

  #arithmetic(op: 'Mul' | 'Add', a: string, b: string): string {
    return this.#once(`${op}(${a}, ${b})`, (name) => this.node(op, [a, b], name));
  }

  /** The size of an axis of an input, as a vector of one number. */
  #axis(axis: DynamicAxis): string {
    const [input, start] = this.sources[axis]!;
    return this.#once(axis, () =>
      this.node('Shape', [input], `size_of_${axis}`, { start, end: start + 1 }),
    );
  }

  #once(key: string, emit: (name: string) => string): string {
    const known = this.#vectors.get(key) ?? emit(`size_${this.#vectors.size}`);
    this.#vectors.set(key, known);
    return known;
  }
}

/** Numbers that stand side by side as one vector. */
function joinFixed(parts: readonly (number[] | Formula)[]): (number[] | Formula)[] {
  const joined: (number[] | Formula)[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (Array.isArray(part) && Array.isArray(last)) last.push(...part);
    else joined.push(part);
  }
  return joined;
}
