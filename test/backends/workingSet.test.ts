import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Arenas } from '../../src/backends/onnxruntime/arenas.js';
import { Execution } from '../../src/backends/onnxruntime/execution.js';
import { Value, beginSegment, emit } from '../../src/backends/onnxruntime/graph.js';
import { plan } from '../../src/backends/onnxruntime/plan.js';
import type { Program } from '../../src/backends/onnxruntime/program.js';
import type { MemoryUse } from '../../src/backends/onnxruntime/runtime.js';
import { workingSet } from '../../src/backends/onnxruntime/workingSet.js';

const spec = (name: string, size = 10, dtype: 'float32' | 'bool' = 'float32') => ({
  ...{ name, dtype, shape: [size] },
});

/** Nodes as `output = op(inputs)`; the program returns `outputs`. */
function programOf(nodes: readonly (readonly [string, string, string[]])[], outputs: string[]) {
  return {
    inputs: [spec('i0')],
    constants: [],
    nodes: nodes.map(([output, op, inputs]) => ({
      ...{ op, domain: '' as const, inputs, attributes: {}, outputs: [spec(output)] },
    })),
    outputs: outputs.map((name) => spec(name)),
  } satisfies Program;
}

describe('workingSet', () => {
  it('counts what is alive at once, and neither inputs nor outputs', () => {
    const chain = programOf(
      [
        ['v0', 'Neg', ['i0']],
        ['v1', 'Neg', ['v0']],
        ['v2', 'Neg', ['v1']],
        ['v3', 'Neg', ['v2']],
      ],
      ['v3'],
    );
    expect(workingSet(chain)).toBe(80);
    const join = programOf(
      [
        ['v0', 'Neg', ['i0']],
        ['v1', 'Abs', ['i0']],
        ['v2', 'Add', ['v0', 'v1']],
        ['v3', 'Add', ['v2', 'v0']],
      ],
      ['v3'],
    );
    expect(workingSet(join)).toBe(120);
    expect(workingSet(programOf([['v0', 'Neg', ['i0']]], ['v0']))).toBe(0);
  });

  it('counts a view as what it shows', () => {
    const program = programOf(
      [
        ['v0', 'Neg', ['i0']],
        ['v1', 'Reshape', ['v0', 'c0']],
        ['v2', 'Unsqueeze', ['v1', 'c1']],
        ['v3', 'Neg', ['i0']],
        ['v4', 'Add', ['v2', 'v3']],
      ],
      ['v4'],
    );
    expect(workingSet(program)).toBe(80);
  });

  it('counts bytes by type', () => {
    const program: Program = {
      inputs: [spec('i0')],
      constants: [],
      nodes: [
        {
          op: 'Greater',
          domain: '',
          inputs: ['i0', 'c0'],
          attributes: {},
          outputs: [spec('v0', 10, 'bool')],
        },
        {
          op: 'Where',
          domain: '',
          inputs: ['v0', 'i0', 'c0'],
          attributes: {},
          outputs: [spec('v1')],
        },
      ],
      outputs: [spec('v1')],
    };
    expect(workingSet(program)).toBe(10);
  });
});

describe('Execution.memoryOf', () => {
  const negative = (value: Value): Value => emit('Neg', [value], value);
  /** Of the first of so many equal programs, each with one output. */
  const memoryOf = (count: number): MemoryUse => {
    const roots = Array.from({ length: count }, () => {
      beginSegment();
      return negative(negative(Value.of(new Float32Array(10), [10], 'float32')));
    });
    const steps = plan(roots).filter((step) => step.kind === 'program');
    expect(steps).toHaveLength(count);
    return new Execution(
      steps,
      () => false,
      () => [],
    ).memoryOf(steps[0]!.program);
  };

  it('has a program keep its memory where it does most of the work', () => {
    expect(memoryOf(1)).toEqual({ kept: 40, plan: 80 });
    expect(memoryOf(2)).toEqual({ kept: 40, plan: 120 });
  });

  it('has programs that are many share theirs', () =>
    expect(memoryOf(3)).toEqual({ kept: 0, plan: 160 }));
});

describe('Arenas', () => {
  it('never keep more than their limit, and use what was released', () => {
    const sizes = fc.array(fc.record({ bytes: fc.nat(60), drop: fc.boolean() }), { maxLength: 50 });
    fc.assert(
      fc.property(sizes, (steps) => {
        const arenas = new Arenas(100);
        const open: { bytes: number; release: () => void }[] = [];
        const sum = () => open.reduce((total, { bytes }) => total + bytes, 0);
        for (const { bytes, drop } of steps) {
          if (drop) {
            const gone = open.shift();
            gone?.release();
            gone?.release(); // A second time changes nothing.
          }
          const room = sum() + bytes <= 100;
          const { kept, release } = arenas.open({ kept: bytes, plan: bytes });
          expect(kept).toBe(bytes > 0 && room);
          if (kept) open.push({ bytes, release });
        }
      }),
    );
  });

  /** Shared memory that notes what it is asked for. */
  const sharedMemory = (isAvailable: boolean) => {
    const calls: (number | 'release')[] = [];
    const reserve = (bytes: number) => void calls.push(bytes);
    return { isAvailable, calls, reserve, release: () => void calls.push('release') };
  };
  const [small, large, oneOfMany] = [
    { kept: 10, plan: 10 },
    { kept: 2 ** 23, plan: 2 ** 24 },
    { kept: 0, plan: 2 ** 24 },
  ];

  it('have large programs that run again share memory until the last of them is gone', () => {
    const shared = sharedMemory(true);
    const arenas = new Arenas(15, shared);
    expect(arenas.open(small).kept).toBe(true);
    const [first, second] = [arenas.open(large), arenas.open(large)];
    expect([first.kept, second.kept]).toEqual([false, false]);
    first.use();
    second.use();
    expect(shared.calls).toEqual([]);
    for (let run = 0; run < 3; run++) first.use();
    expect(shared.calls).toEqual([large.plan]);
    const other = arenas.open(oneOfMany);
    for (let run = 0; run < 3; run++) other.use();
    expect(shared.calls).toEqual([large.plan]);
    first.release();
    first.release();
    expect(shared.calls).toEqual([large.plan]);
    second.release();
    expect(shared.calls).toEqual([large.plan, 'release']);
  });

  it('let a program keep its own where none can be shared', () => {
    const shared = sharedMemory(false);
    const arenas = new Arenas(2 ** 23 + 5, shared);
    const first = arenas.open(large);
    expect([first.kept, arenas.open(large).kept]).toEqual([true, false]);
    for (let run = 0; run < 3; run++) first.use();
    first.release();
    expect(shared.calls).toEqual([]);
  });
});
