import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { useBackend } from '../../src/backends/select.js';
import { datasetFrom } from '../../src/datasets/exampleDataset.js';
import type { Dataset } from '../../src/datasets/example.js';
import { InputError } from '../../src/errors.js';
import type { BertResNetModel } from '../../src/model.js';
import { evaluate } from '../../src/training/evaluate.js';
import type { StepRecord } from '../../src/training/records.js';
import { Trainer } from '../../src/training/trainer.js';
import type { TrainerOptions } from '../../src/training/trainer.js';
import { readSafetensors } from '../../src/weights/safetensors.js';
import { describeBackends, expectClose } from '../backends.js';
import { labels, tinyData, tinyModel, tinyRows, weightsOf } from './tiny.js';

let folder = '';
let warnings: string[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'features-'));
  warnings = [];
});
afterEach(() => rm(folder, { recursive: true }));

const frozen: TrainerOptions = {
  epochs: 2,
  batchSize: 4,
  learningRate: 0.01,
  freeze: { text: true, image: true },
};

const files = async (): Promise<string[]> => (await readdir(folder)).toSorted();

interface Run {
  readonly losses: number[];
  readonly accuracies: unknown[];
  readonly weights: Record<string, number[]>;
  /** How often each encoder ran, and how many pictures were decoded. */
  readonly calls: { readonly text: number; readonly image: number; readonly decoded: number };
}

interface RunOptions {
  readonly rows?: Dataset;
  readonly model?: BertResNetModel;
}

async function run(options: TrainerOptions, { rows, model: given }: RunOptions = {}): Promise<Run> {
  const model = given ?? (await tinyModel());
  const text = vi.spyOn(model.textEncoder, 'forward');
  const image = vi.spyOn(model.visualEncoder, 'forward');
  const decoded = vi.spyOn(model.processor!, 'load');
  const trainer = new Trainer(model, {
    ...frozen,
    ...options,
    onWarning: (warning) => void warnings.push(warning),
  });
  const losses: number[] = [];
  const onStep = ({ loss }: StepRecord): void => void losses.push(loss!);
  const validation = tinyData(6, 2);
  const history = await trainer.fit(rows ?? tinyData(18), { validation, onStep });
  const weights = await weightsOf(model);
  const calls = {
    text: text.mock.calls.length,
    image: image.mock.calls.length,
    decoded: decoded.mock.calls.length,
  };
  if (given === undefined) model.dispose();
  return {
    losses,
    accuracies: history.map(({ validation }) => validation!.modes.both?.accuracy),
    weights,
    calls,
  };
}

function expectSameRun(got: Run, expected: Run): void {
  expectClose(got.losses, expected.losses, { relative: 1e-4 });
  expect(got.accuracies).toEqual(expected.accuracies);
  expect(Object.keys(got.weights)).toEqual(Object.keys(expected.weights));
  for (const [name, values] of Object.entries(expected.weights))
    expectClose(got.weights[name]!, values, { relative: 1e-3, absolute: 1e-4 });
}

/** Every third row lacks its picture, every fourth its text. */
function incomplete(): Dataset {
  const rows = tinyRows(24).map(({ text, image, label }, i) =>
    i % 3 === 0 ? { text, label } : i % 4 === 0 ? { image, label } : { text, image, label },
  );
  return datasetFrom(rows, { labels, name: 'incomplete' });
}

describeBackends('cacheFeatures', () => {
  it('trains as without it, and never runs an encoder for rows that it knows', async () => {
    const options = { mixup: 0.4, gradientAccumulationSteps: 2 };
    const plain = await run(options);
    const first = await run({ ...options, cacheFeatures: folder });
    expectSameRun(first, plain);
    expect(first.calls).toEqual({ text: 2, image: 2, decoded: 24 });
    const second = await run({ ...options, cacheFeatures: folder });
    expect(second).toEqual({ ...first, calls: { text: 0, image: 0, decoded: 0 } });
    expect(warnings).toEqual([]);
  });

  it('trains rows that lack an input as without it', async () => {
    const rows = incomplete();
    expectSameRun(await run({ cacheFeatures: folder }, { rows }), await run({}, { rows }));
  });

  it('keeps texts alone where pictures are trained on', async () => {
    const options: TrainerOptions = { freeze: { text: true }, augment: { horizontalFlip: 0.5 } };
    const plain = await run(options);
    const first = await run({ ...options, cacheFeatures: folder });
    expectSameRun(first, plain);
    expect(first.calls.text).toBe(2);
    expect(first.calls.image).toBe(plain.calls.image);
    expect((await files()).every((name) => name.startsWith('text-'))).toBe(true);
    expect(warnings).toEqual([]);
  });
});

describe('cacheFeatures', () => {
  beforeEach(async () => {
    await useBackend('cpu');
  });

  it('keeps an entry for each content, and adds what is new', async () => {
    const rows = tinyRows(5);
    const twice = datasetFrom([...rows, ...rows, ...rows], { labels });
    await run({ cacheFeatures: folder, mode: 'text' }, { rows: twice });
    const [name] = await files();
    const { keys, features } = await readSafetensors(join(folder, name!));
    const texts = new Set([...rows, ...tinyRows(6, 2)].map(({ text }) => text));
    expect(keys!.shape[0]! + (await countIn((await files()).slice(1)))).toBe(texts.size);
    expect(features!.shape[1]).toBe(8);
    keys!.dispose();
    features!.dispose();
    const before = await files();
    const more = datasetFrom([...rows, { text: 'the sun', label: 'warm' }], { labels });
    const again = await run({ cacheFeatures: folder, mode: 'text' }, { rows: more });
    expect(again.calls.text).toBe(1);
    expect(await files()).toHaveLength(before.length + 1);
  });

  it('computes anew for other weights, another tokenizer length and another processor', async () => {
    const options = { cacheFeatures: folder };
    await run(options);
    const model = await tinyModel({ seed: 1 });
    expect((await run(options, { model })).calls).toMatchObject({ text: 2, image: 2 });
    model.dispose();
    const shorter = await run({ ...options, maxLength: 5 });
    expect(shorter.calls).toMatchObject({ text: 2, image: 0 });
  });

  it('computes anew what is damaged, and leaves what is not its own', async () => {
    const whole = await run({ cacheFeatures: folder });
    const names = await files();
    const damaged = join(
      folder,
      names.find((name) => name.startsWith('image-'))!,
    );
    const bytes = await readFile(damaged);
    bytes[bytes.length - 3]! ^= 1;
    await writeFile(damaged, bytes);
    const cut = join(
      folder,
      names.find((name) => name.startsWith('text-'))!,
    );
    await writeFile(cut, (await readFile(cut)).subarray(0, 100));
    await writeFile(join(folder, 'text-notes.safetensors'), 'mine');
    const again = await run({ cacheFeatures: folder });
    expect(again.losses).toEqual(whole.losses);
    expect(again.calls).toMatchObject({ text: 1, image: 1 });
    expect(warnings).toHaveLength(2);
    expect(warnings.join()).toContain('its bytes are not those that were written');
    expect(await readFile(join(folder, 'text-notes.safetensors'), 'utf8')).toBe('mine');
    expect((await run({ cacheFeatures: folder })).calls).toMatchObject({ text: 0, image: 0 });
  });

  it('knows an encoder by its configuration, whatever its class is called', async () => {
    const options = { cacheFeatures: folder };
    await run(options);
    const changed = async (key: 'constructor' | 'config', value: object): Promise<Run> => {
      const model = await tinyModel();
      const config = { ...model.textEncoder.config, ...value };
      Object.defineProperty(model.textEncoder, key, { value: key === 'config' ? config : value });
      const found = await run(options, { model });
      model.dispose();
      return found;
    };
    expect((await changed('constructor', { name: 't' })).calls).toMatchObject({
      text: 0,
      image: 0,
    });
    const { calls } = await changed('config', { modelType: 'mine' });
    expect(calls).toMatchObject({ text: 2, image: 0 });
    expect(warnings).toEqual([]);
    const anonymous = await changed('config', { modelType: undefined });
    expect(anonymous.calls.image).toBe(0);
    expect(anonymous.calls.text).toBeGreaterThan(2);
    expect(warnings.join()).toContain('name it in config.modelType');
  });

  it('is read by evaluate where encoders are frozen, and nowhere else', async () => {
    const model = await tinyModel();
    await run({ cacheFeatures: folder }, { model });
    const text = vi.spyOn(model.textEncoder, 'forward').mockClear();
    const image = vi.spyOn(model.visualEncoder, 'forward').mockClear();
    const calls = (): number[] => [text.mock.calls.length, image.mock.calls.length];
    const rows = tinyData(6, 2);
    const found = await evaluate(model, rows, { cacheFeatures: folder });
    expect(calls()).toEqual([0, 0]);
    const before = await files();
    model.textEncoder.frozen = false;
    await evaluate(model, rows, { cacheFeatures: folder });
    expect(calls()).toEqual([1, 0]);
    const plain = await evaluate(model, rows);
    expect(calls()).toEqual([2, 1]);
    expectClose([found.loss, found.accuracy], [plain.loss, plain.accuracy], { relative: 1e-4 });
    expect(await files()).toEqual(before);
    model.dispose();
  });

  it('says which inputs it leaves alone, and refuses where none is left', async () => {
    const augment = { horizontalFlip: 0.5 };
    const { calls } = await run({ cacheFeatures: folder, augment });
    expect(calls.text).toBe(2);
    expect(calls.image).toBeGreaterThan(2);
    expect(warnings).toEqual([
      'trainer: cacheFeatures: augment changes pictures, so their features are computed anew in every epoch',
    ]);
    const refused = (options: TrainerOptions) =>
      expect(run({ cacheFeatures: folder, ...options })).rejects;
    await refused({ freeze: {} }).toThrow(InputError);
    await refused({ freeze: {} }).toThrow(
      'the text encoder is trained (freeze it), and the image encoder is trained (freeze it)',
    );
    await refused({ mode: 'image', augment }).toThrow('but augment changes pictures');
    await refused({ cacheFeatures: join(folder, (await files())[0]!) }).toThrow(
      'cacheFeatures needs a folder that can be written',
    );
    expect(() => new Trainer({} as BertResNetModel, { cacheFeatures: 5 as never })).toThrow(
      'cacheFeatures must be',
    );
  });

  it('treats pictures that cannot be read as the policy says', async () => {
    const bad = tinyRows(12).map((row, i) => (i === 7 ? { ...row, image: '/nowhere.png' } : row));
    const broken = tinyRows(12).map((row, i) =>
      i === 7 ? { ...row, image: new TextEncoder().encode('no picture') } : row,
    );
    for (const examples of [bad, broken]) {
      const named = { labels, name: 'bad.csv' };
      const strict = run({ cacheFeatures: folder }, { rows: datasetFrom(examples, named) });
      await expect(strict).rejects.toThrow(/^bad.csv row 8: image: /);
      const rows = datasetFrom(examples, { ...named, onBadRow: 'missing' });
      expectSameRun(await run({ cacheFeatures: folder }, { rows }), await run({}, { rows }));
    }
  });

  it('keeps what was computed before an abort', async () => {
    const model = await tinyModel();
    const controller = new AbortController();
    const features = (done: number): void => {
      if (done >= 32) controller.abort(new Error('later'));
    };
    const progress = { features, start() {}, step() {}, epoch() {}, stop() {} };
    const options = { ...frozen, cacheFeatures: folder, progress, evalBatchSize: 8 };
    const fit = new Trainer(model, options).fit(tinyData(80), { signal: controller.signal });
    await expect(fit).rejects.toThrow('later');
    model.dispose();
    expect(await countIn(await files())).toBeGreaterThanOrEqual(16);
  });
});

/** The number of entries that files hold. */
async function countIn(names: readonly string[]): Promise<number> {
  let count = 0;
  for (const name of names) {
    const dict = await readSafetensors(join(folder, name));
    count += dict['keys']!.shape[0]!;
    Object.values(dict).forEach((tensor) => tensor.dispose());
  }
  return count;
}
