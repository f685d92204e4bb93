import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { batches, toTensors } from '../../src/datasets/batch.js';
import type {
  Batch,
  BatchOptions,
  HostText,
  ImageReader,
  TextReader,
} from '../../src/datasets/batch.js';
import type { Dataset } from '../../src/datasets/example.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import type { LabelledExample } from '../../src/datasets/exampleDataset.js';
import { epochOrder } from '../../src/datasets/rowOrder.js';
import { InputError } from '../../src/errors.js';

/** One id a word: its length. */
const tokenizer: TextReader = {
  encodeHost(texts, { maxLength = 100 } = {}): HostText {
    const ids = texts.map((text) =>
      text
        .split(' ')
        .slice(0, maxLength)
        .map((word) => word.length),
    );
    const length = Math.max(...ids.map((row) => row.length));
    const grid = (value: (id: number) => number) =>
      Int32Array.from(
        ids.flatMap((row) =>
          Array.from({ length }, (_, i) => (i < row.length ? value(row[i]!) : 0)),
        ),
      );
    return {
      inputIds: grid((id) => id),
      attentionMask: grid(() => 1),
      tokenTypeIds: grid(() => 0),
      length,
    };
  },
};

/** Every number of a picture is the number in its name; an augmented one adds a random number. */
function processor(delay: (name: number) => number = () => 0): ImageReader {
  return {
    size: { height: 1, width: 2 },
    async load(source, { augment, random } = {}) {
      const name = Number(source as string);
      await wait(delay(name));
      if (Number.isNaN(name)) throw new InputError(`image: ${source as string} cannot be decoded`);
      return new Float32Array(6).fill(name + (augment ? random!.uniform() : 0));
    },
  };
}

const rows = (count: number): LabelledExample[] =>
  Array.from({ length: count }, (_, i) => ({
    text: `${'x'.repeat(i + 1)} y`,
    image: `${i}`,
    label: `${i % 2}`,
  }));

async function collect(dataset: Dataset, options: Partial<BatchOptions>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches(dataset, {
    batchSize: 2,
    tokenizer,
    processor: processor(),
    ...options,
  })) {
    all.push(batch);
  }
  return all;
}

describe('batches', () => {
  it('holds texts, pictures and labels, the last one fewer', async () => {
    const all = await collect(datasetFrom(rows(5)), {});
    expect(all.map(({ size }) => size)).toEqual([2, 2, 1]);
    expect(all[1]).toEqual({
      size: 2,
      positions: [2, 3],
      text: {
        inputIds: Int32Array.of(3, 1, 4, 1),
        attentionMask: Int32Array.of(1, 1, 1, 1),
        tokenTypeIds: new Int32Array(4),
        length: 2,
      },
      image: { data: Float32Array.of(2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3), height: 1, width: 2 },
      hasText: [true, true],
      hasImage: [true, true],
      labels: Int32Array.of(0, 1),
    });
  });

  it('follows an order, and goes on in the middle of it', async () => {
    const dataset = datasetFrom(rows(9));
    const order = epochOrder(7, 3, 9);
    const whole = await collect(dataset, { order, augment: { wordDropout: 0.5 } });
    expect(whole.flatMap(({ positions }) => positions)).toEqual([...order]);
    expect(await collect(dataset, { order, augment: { wordDropout: 0.5 }, start: 3 })).toEqual(
      whole.slice(3),
    );
    expect(await collect(dataset, { start: 5 })).toEqual([]);
  });

  it('depends on seed, epoch and position, never on timing or on how batches are cut', async () => {
    const dataset = datasetFrom(
      rows(8).map((row) => ({ ...row, text: 'a bb ccc dddd eeeee ffffff' })),
    );
    const pixels = async (options: Partial<BatchOptions>) => {
      const all = await collect(dataset, { augment: { wordDropout: 0.5 }, ...options });
      return all
        .flatMap((batch) => batch.positions.map((p, i) => [p, batch.image!.data[6 * i]] as const))
        .toSorted();
    };
    const first = await pixels({});
    expect(first.map(([position, value]) => Math.floor(value!) === position)).not.toContain(false);
    expect(await pixels({ processor: processor((name) => (name * 5) % 7), prefetch: 4 })).toEqual(
      first,
    );
    expect(await pixels({ batchSize: 3, order: epochOrder(1, 1, 8) })).toEqual(first);
    expect(await pixels({ epoch: 1 })).not.toEqual(first);
    expect(await pixels({ seed: 1 })).not.toEqual(first);
    const words = async (options: Partial<BatchOptions>) =>
      (await collect(dataset, { batchSize: 1, augment: { wordDropout: 0.5 }, ...options })).map(
        ({ text }) => text!.inputIds,
      );
    const dropped = await words({});
    // Whether pictures are read changes nothing.
    expect(await words({ mode: 'text' })).toEqual(dropped);
    expect(await words({ epoch: 1 })).not.toEqual(dropped);
    const mean = dropped.reduce((sum, ids) => sum + ids.length, 0) / dropped.length;
    expect(mean).toBeGreaterThan(1);
    expect(mean).toBeLessThan(6);
    expect((await words({ augment: { wordDropout: 1 } })).map((ids) => ids.length)).toEqual(
      Array(8).fill(1),
    );
  });

  it('reads what the mode asks for', async () => {
    const dataset = datasetFrom(rows(2));
    const [text] = await collect(dataset, { mode: 'text', processor: undefined });
    expect(text).toMatchObject({
      image: undefined,
      hasText: [true, true],
      hasImage: [false, false],
    });
    const [image] = await collect(dataset, { mode: 'image' });
    expect(image).toMatchObject({
      text: undefined,
      hasText: [false, false],
      hasImage: [true, true],
    });
    const [both] = await collect(dataset, { tokenizer: undefined });
    expect(both).toMatchObject({ text: undefined, hasImage: [true, true] });
  });

  it('pads a missing text and a missing picture', async () => {
    const dataset = datasetFrom([
      { image: '4' },
      { text: 'aa bb cc' },
      { image: '5', text: 'd' },
      { image: '6' },
      { image: '7' },
    ]);
    const [mixed, second] = await collect(dataset, { batchSize: 3, maxLength: 2 });
    expect(mixed!.text).toMatchObject({ length: 2, inputIds: Int32Array.of(0, 0, 2, 2, 1, 0) });
    expect(mixed!.text!.attentionMask).toEqual(Int32Array.of(0, 0, 1, 1, 1, 0));
    expect([...mixed!.image!.data].filter((_, i) => i % 6 === 0)).toEqual([4, 0, 5]);
    expect(mixed).toMatchObject({ hasText: [false, true, true], hasImage: [true, false, true] });
    expect([...mixed!.labels]).toEqual([-1, -1, -1]);
    expect(second).toMatchObject({ text: undefined, hasText: [false, false] });
  });

  it('names the row of an unreadable picture, in its place', async () => {
    const dataset = datasetFrom(
      rows(8).map((row, i) => (i === 5 ? { ...row, image: 'broken' } : row)),
    );
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { positions } of batches(dataset, {
        batchSize: 2,
        processor: processor(),
        prefetch: 3,
      })) {
        seen.push(...positions);
      }
    })();
    await expect(reading).rejects.toThrow('examples row 6: image: broken cannot be decoded');
    await expect(reading).rejects.toBeInstanceOf(InputError);
    expect(seen).toEqual([0, 1, 2, 3]);
  });

  it.each(['skip', 'missing'] as const)(
    'treats an unreadable picture as missing under %s',
    async (onBadRow) => {
      const broken = rows(3).map((row, i) => (i === 1 ? { ...row, image: 'broken' } : row));
      const [batch, rest] = await collect(datasetFrom(broken, { onBadRow }), {});
      expect(batch).toMatchObject({
        hasImage: [true, false],
        hasText: [true, true],
        unreadable: [1],
      });
      expect(rest).not.toHaveProperty('unreadable');
    },
  );

  it('does not take a defect for an unreadable picture', async () => {
    const failing: ImageReader = {
      size: { height: 1, width: 2 },
      load: () => Promise.reject(new TypeError('defect')),
    };
    const dataset = datasetFrom(rows(2), { onBadRow: 'missing' });
    await expect(collect(dataset, { processor: failing })).rejects.toThrow(TypeError);
    const short: ImageReader = {
      size: { height: 1, width: 2 },
      load: async () => new Float32Array(5),
    };
    await expect(collect(dataset, { processor: short })).rejects.toThrow(
      'internal: a picture of 5 numbers, not 6',
    );
  });

  it('stops at its signal and starts nothing more', async () => {
    const controller = new AbortController();
    let loads = 0;
    const counting: ImageReader = {
      size: { height: 1, width: 2 },
      load: async () => (loads++, await wait(1), new Float32Array(6)),
    };
    const values = batches(datasetFrom(rows(1000)), {
      batchSize: 2,
      processor: counting,
      signal: controller.signal,
    });
    await values.next();
    controller.abort();
    await expect(values.next()).rejects.toMatchObject({ name: 'AbortError' });
    const before = loads;
    await wait(10);
    expect(loads).toBe(before);
    expect(loads).toBeLessThanOrEqual(6);
  });

  it('refuses options that make no sense, at once', () => {
    const dataset = datasetFrom(rows(2));
    const attempt = (options: Partial<BatchOptions>) => () =>
      batches(dataset, { batchSize: 2, tokenizer, ...options });
    expect(attempt({ batchSize: 0 })).toThrow('batchSize must be an integer from 1 on, got 0');
    expect(attempt({ batchSize: 1.5 })).toThrow(InputError);
    expect(attempt({ start: -1 })).toThrow('start');
    expect(attempt({ prefetch: -1 })).toThrow('prefetch');
    expect(attempt({ augment: { wordDropout: 2 } })).toThrow('wordDropout');
    expect(attempt({ mode: 'both' })).toThrow("mode 'both' reads pictures; pass a processor");
    expect(attempt({ mode: 'text', tokenizer: undefined })).toThrow('pass a tokenizer');
    expect(attempt({ tokenizer: undefined })).toThrow('pass a tokenizer or a processor');
  });
});

describe('toTensors', () => {
  it('has the shapes that a model takes', async () => {
    const [batch] = await collect(datasetFrom(rows(3)), { batchSize: 3 });
    const before = tf.memory().numTensors;
    const { text, image } = toTensors(batch!);
    expect(image).toMatchObject({ shape: [3, 1, 2, 3], dtype: 'float32' });
    expect(text!.inputIds).toMatchObject({ shape: [3, 2], dtype: 'int32' });
    expect([...(await text!.inputIds.data())]).toEqual([1, 1, 2, 1, 3, 1]);
    expect([...(await text!.attentionMask.data())]).toEqual([1, 1, 1, 1, 1, 1]);
    expect(tf.memory().numTensors).toBe(before + 4);
    tf.dispose([image!, ...Object.values(text!)]);
    expect(toTensors({ ...batch!, text: undefined, image: undefined })).toEqual({});
  });
});

describe('epochOrder', () => {
  it('is a permutation that depends on seed and epoch', () => {
    const order = epochOrder(1, 2, 1000);
    expect([...order].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(epochOrder(1, 2, 1000)).toEqual(order);
    expect(epochOrder(1, 3, 1000)).not.toEqual(order);
    expect(epochOrder(2, 2, 1000)).not.toEqual(order);
  });
});
