import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { duplicateRows } from '../../src/datasets/csvHash.js';
import type { Dataset } from '../../src/datasets/example.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import { labelIndices, split, Subset } from '../../src/datasets/split.js';

const labelled = (labels: readonly number[]) =>
  datasetFrom(labels.map((label, i) => ({ text: `${i}`, label: `label ${label}` })));

const numbers = async (view: Dataset) =>
  (await view.examples(Array.from({ length: view.size }, (_, i) => i))).map(({ text }) =>
    Number(text),
  );

describe('split', () => {
  it('deals every row once, each label in proportion', async () => {
    const labels = fc.array(fc.nat(3), { minLength: 10, maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(labels, fc.nat(), async (labels, seed) => {
        const fractions = [0.6, 0.25, 0.15];
        const dataset = labelled(labels);
        const views = await split(dataset, fractions, { seed });
        const rows = await Promise.all(views.map(numbers));
        expect(rows.flat().toSorted((a, b) => a - b)).toEqual(labels.map((_, i) => i));
        rows.forEach((view, v) => {
          expect(view).toEqual(view.toSorted((a, b) => a - b));
          expect(Math.abs(view.length - fractions[v]! * labels.length)).toBeLessThanOrEqual(1);
          for (let label = 0; label < 4; label++) {
            const whole = labels.filter((other) => other === label).length;
            const part = view.filter((row) => labels[row] === label).length;
            expect(Math.abs(part - fractions[v]! * whole)).toBeLessThanOrEqual(2);
          }
        });
      }),
    );
  });

  it('depends on the seed alone', async () => {
    const dataset = labelled(Array.from({ length: 100 }, (_, i) => i % 3));
    const rows = async (seed?: number) => numbers((await split(dataset, [0.5], { seed }))[0]!);
    expect(await rows(1)).toEqual(await rows(1));
    expect(await rows(1)).not.toEqual(await rows(2));
    expect(await rows()).toEqual(await rows(42));
  });

  it('leaves out what the fractions leave over', async () => {
    const views = await split(labelled(Array.from({ length: 100 }, () => 0)), [0.2, 0.3], {
      stratify: false,
    });
    expect(views.map(({ size }) => size)).toEqual([20, 30]);
    expect(duplicateRows(views[0]!, views[1]!)).toBe(0);
  });

  it('refuses fractions that make no sense, and empty views', async () => {
    const dataset = labelled([0, 1, 0]);
    for (const fractions of [[], [0, 1], [0.7, 0.4], [-0.1], [NaN]]) {
      await expect(split(dataset, fractions)).rejects.toThrow('fractions must be positive');
    }
    await expect(split(dataset, [0.95, 0.05])).rejects.toThrow(
      '0.05 of the 3 rows of examples is no row',
    );
  });
});

describe('Subset', () => {
  it('shows the rows of its parent', async () => {
    const parent = labelled([0, 1, 2, 1]);
    const view = new Subset(parent, [3, 0, 2]);
    expect(await view.examples([0, 2])).toEqual(await parent.examples([3, 2]));
    expect(view.describe(1)).toBe('examples row 1');
    expect([0, 1, 2].map((i) => view.labelOf!(i))).toEqual([1, 0, 2]);
    expect(view.labels).toEqual(parent.labels);
    expect(duplicateRows(parent, view)).toBe(3);
    const nested = new Subset(view, [0]);
    expect(nested.describe(0)).toBe('examples row 4');
  });

  it('has a fingerprint where its parent has one', () => {
    const parent: Dataset = { ...labelled([0, 1]), fingerprint: 'abc' };
    const prints = [[0], [1], [0, 1], [1, 0]].map((rows) => new Subset(parent, rows).fingerprint);
    expect(new Set(prints).size).toBe(4);
    expect(new Subset(labelled([0]), [0]).fingerprint).toBeUndefined();
  });

  it('refuses positions that are none', () => {
    expect(() => new Subset(labelled([0, 1]), [0, 2])).toThrow('positions 0 to 1, got 2');
    expect(() => new Subset(labelled([0, 1]), [0]).describe(1)).toThrow('positions 0 to 0, got 1');
  });
});

describe('labelIndices', () => {
  it('reads the rows where the labels are not at hand', async () => {
    const labels = Array.from({ length: 2500 }, (_, i) => i % 7);
    const { labelOf, ...rest } = labelled(labels);
    expect(labelOf).toBeDefined();
    expect([...(await labelIndices(rest))]).toEqual(labels);
    const unlabelled = datasetFrom([{ text: 'a' }, { text: 'b', label: 'x' }]);
    expect([...(await labelIndices(unlabelled))]).toEqual([-1, 0]);
  });
});

describe('datasetFrom', () => {
  it('indexes labels, sorted or given', async () => {
    const rows = [
      { text: 'a', label: 'y' },
      { image: new Uint8Array(1), label: 'x' },
      { text: 'c' },
    ];
    const dataset = datasetFrom(rows);
    expect(dataset).toMatchObject({ size: 3, labels: ['x', 'y'], name: 'examples' });
    expect((await dataset.examples([1, 0, 2])).map(({ label }) => label)).toEqual([
      0,
      1,
      undefined,
    ]);
    expect(datasetFrom(rows, { labels: ['z', 'y', 'x'] }).labelOf!(0)).toBe(1);
    expect(dataset.keyOf!(1)).toBeUndefined();
    expect(dataset.keyOf!(0)).toBe(datasetFrom([{ text: 'a' }]).keyOf!(0));
  });

  it('refuses rows it cannot use', () => {
    expect(() => datasetFrom([])).toThrow('has no rows');
    expect(() => datasetFrom([{ text: 'a' }, { label: 'x' }])).toThrow(
      'row 2 has neither text nor image',
    );
    expect(() =>
      datasetFrom([{ text: 'a', label: 'negativ' }], { labels: ['negative'], name: 'mine' }),
    ).toThrow(
      'mine row 1: unknown label "negativ"; known are "negative"; did you mean "negative"?',
    );
    expect(() => datasetFrom([{ text: 'a' }]).labelOf!(1)).toThrow('positions 0 to 0');
  });
});
