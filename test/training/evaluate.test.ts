import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import type { Dataset } from '../../src/datasets/example.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import { InputError } from '../../src/errors.js';
import { evaluate } from '../../src/training/evaluate.js';
import { classificationReport } from '../../src/training/metrics.js';
import { describeBackends } from '../backends.js';
import { labels, tinyData, tinyModel, tinyRows } from './tiny.js';

describeBackends('evaluate', () => {
  it('answers every mode as the model does on its own, whatever the size of a batch', async () => {
    const model = await tinyModel();
    const rows = tinyRows(7);
    const text = model.tokenizer!.encode(rows.map((row) => row.text!));
    const image = await model.processor!.process(rows.map((row) => row.image!));
    const indices = rows.map((row) => labels.indexOf(row.label!));
    for (const batchSize of [1, 3, 32]) {
      const report = await evaluate(model, tinyData(7), { batchSize });
      expect(report.mode).toBe('both');
      for (const mode of ['text', 'image', 'both'] as const) {
        const logits = model.forward({ text, image }, { mode });
        const expected = classificationReport(indices, await logits.data(), labels);
        logits.dispose();
        const got = report.modes[mode]!;
        expect(got.confusion).toEqual(expected.confusion);
        expect(got.loss).toBeCloseTo(expected.loss, 5);
        if (mode === 'both') expect(report.loss).toBe(got.loss);
      }
    }
    tf.dispose([text as unknown as tf.TensorContainerObject, image]);
    model.dispose();
  });

  it('a single mode runs and reports that mode alone', async () => {
    const model = await tinyModel();
    const all = await evaluate(model, tinyData(6));
    const report = await evaluate(model, tinyData(6), { mode: 'image' });
    expect(Object.keys(report.modes)).toEqual(['image']);
    expect(report.accuracy).toBe(all.modes.image!.accuracy);
    expect(report.missing).toEqual({ image: 0 });
    model.dispose();
  });

  it('answers rows that lack an input by the other head, and counts them', async () => {
    const model = await tinyModel();
    const rows = tinyRows(6).map(({ text, image, label }, i) =>
      i === 0 ? { text, label } : i === 1 || i === 2 ? { image, label } : { text, image, label },
    );
    const report = await evaluate(model, datasetFrom(rows, { labels }), { batchSize: 4 });
    expect(report.rows).toBe(6);
    expect(report.missing).toEqual({ text: 2, image: 1 });
    expect(report.modes.text).toMatchObject({ rows: 4, missing: { text: 2 } });
    expect(report.modes.image).toMatchObject({ rows: 5, missing: { image: 1 } });
    const [textOnly, imageOnly] = [
      await evaluate(model, datasetFrom(rows.slice(0, 1), { labels })),
      await evaluate(model, datasetFrom(rows.slice(1, 3), { labels })),
    ];
    const both = await evaluate(model, datasetFrom(rows.slice(3), { labels }));
    expect(textOnly.mode).toBe('text');
    expect(imageOnly.mode).toBe('image');
    const { byPresence } = report;
    expect(Object.keys(byPresence!)).toEqual(['text', 'image', 'both']);
    for (const [has, own] of Object.entries({ text: textOnly, image: imageOnly, both })) {
      const { rows: count, accuracy, macroF1 } = own;
      expect(byPresence![has as 'both']).toEqual({ rows: count, accuracy, macroF1 });
    }
    expect(textOnly.byPresence).toBeUndefined();
    expect(both.byPresence).toEqual({ both: byPresence!.both });
    expect(report.loss * 6).toBeCloseTo(textOnly.loss + 2 * imageOnly.loss + 3 * both.loss, 4);
    model.dispose();
  });

  it('matches labels by name where the data set lacks some, in an order of its own', async () => {
    const model = await tinyModel();
    const rows = tinyRows(6).filter(({ label }) => label !== 'mild');
    const report = await evaluate(model, datasetFrom(rows, { labels: ['warm', 'cold'] }));
    expect(report).toMatchObject(await evaluate(model, datasetFrom(rows, { labels })));
    expect(report.auc).toBeNull();
    expect(report.aucReason).toBe("no row has the label of class 'mild'");
    model.dispose();
  });

  it('stops at a signal, tells how far it is, and leaves no tensor behind when it throws', async () => {
    const model = await tinyModel();
    const done: number[] = [];
    await evaluate(model, tinyData(5), {
      batchSize: 2,
      onProgress: (rows, total) => done.push(rows, total),
    });
    expect(done).toEqual([2, 5, 4, 5, 5, 5]);
    const controller = new AbortController();
    const stopped = evaluate(model, tinyData(5), {
      batchSize: 2,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    });
    await expect(stopped).rejects.toThrow('enough');
    model.dispose();
  });

  it('refuses what is no data set', async () => {
    const model = await tinyModel();
    const advice = 'open a file with CsvDataset.open, or pass datasetFrom(rows)';
    const refused = (given: unknown, came: string): Promise<void> =>
      expect(evaluate(model, given as Dataset)).rejects.toThrow(
        new InputError(`evaluate: the rows must be a Dataset, got ${came}; ${advice}`),
      );
    await refused('test.csv', '"test.csv"');
    await refused(tinyRows(2), 'Array');
    await refused(undefined, 'undefined');
    await expect(
      evaluate(tinyData(2) as unknown as typeof model, model as unknown as Dataset),
    ).rejects.toThrow('must be a Dataset, got BertResNetModel');
    model.dispose();
  });

  it('refuses unknown labels, rows without one, no rows, and a mode without its reader', async () => {
    const model = await tinyModel();
    const [row] = tinyRows(1);
    const foreign = datasetFrom([{ ...row, label: 'hot' }], { name: 'x.csv' });
    await expect(evaluate(model, foreign)).rejects.toThrow(
      "labels of x.csv must be among the model's",
    );
    const unlabelled = datasetFrom([{ text: 'a' }, row!], { labels, name: 'x.csv' });
    await expect(evaluate(model, unlabelled)).rejects.toThrow('got none in x.csv row 1');
    const none = datasetFrom([{ text: 'a' }], { name: 'x.csv' });
    await expect(evaluate(model, none)).rejects.toThrow('x.csv must have labels, got none');
    const textOnly = datasetFrom([{ text: 'a', label: 'cold' }], { labels, name: 'x.csv' });
    await expect(evaluate(model, textOnly, { mode: 'image' })).rejects.toThrow(
      'finds no row to answer in x.csv',
    );
    model.processor = undefined;
    await expect(evaluate(model, tinyData(2))).rejects.toThrow('give the model a processor');
    await expect(evaluate(model, tinyData(2), { mode: 'sound' as 'text' })).rejects.toThrow(
      "unknown mode 'sound'; the modes are text, image, both",
    );
    model.dispose();
  });
});
